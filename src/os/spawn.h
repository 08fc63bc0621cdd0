/* os/spawn.h - run a function beside us, with a socket between.
 *
 * A thread, or a forked child where the function enters a user namespace: the kernel refuses
 * that to a process with more than one thread (setns(2), EINVAL), and it would change us all.
 * The caller cannot tell which ran.
 */
#ifndef OS_SPAWN_H
#define OS_SPAWN_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Runs to its end beside the caller; owns @sock, a SOCK_SEQPACKET end. */
typedef void spawn_fn(int sock, const void *data);

struct spawn {
	int sock; /* owned; the caller's end */
	bool is_process;
	pid_t pid;	  /* is_process */
	pthread_t thread; /* otherwise */
	spawn_fn *fn;
	const void *data; /* borrowed until spawn_join() */
	int far_sock;	  /* the thread's end */
};

/* Start. @spawn is the caller's memory and must stay in place until spawn_join(). 0 or -errno. */
int spawn_start(struct spawn *spawn, bool as_process, spawn_fn *fn, const void *data);

/* Wait until it has ended, and close the socket. */
void spawn_join(struct spawn *spawn);

/* A child that the caller waits for, with the caller's signal mask. It runs @fn and ends with what that
 * returns, unless it becomes another program. Its pid, or -errno.
 */
pid_t spawn_child(int (*fn)(void *data), void *data);

/* A child that stays until a descriptor of its own tells it to end; not waited for. It runs @fn
 * with the caller's signal mask, so that a signal to the whole process group that the caller
 * reads from a descriptor does not end it, and leaves with status 0. Its pid, or -errno.
 */
pid_t spawn_detached(void (*fn)(const void *data), const void *data);

#endif
