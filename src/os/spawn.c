#include "os/spawn.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "os/proc.h"

static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void *thread_main(void *data)
{
	const struct spawn *spawn = data;

	spawn->fn(spawn->far_sock, spawn->data);
	return NULL;
}

static int start_thread(struct spawn *spawn)
{
	return -pthread_create(&spawn->thread, NULL, thread_main, spawn);
}

static int start_process(struct spawn *spawn)
{
	pid_t parent = getpid();

	spawn->pid = fork();
	if (spawn->pid < 0)
		return -errno;
	if (spawn->pid > 0) {
		fd_close(&spawn->far_sock);
		return 0;
	}
	proc_set_undumpable();
	proc_set_pdeathsig(SIGKILL);
	if (getppid() != parent) /* it died before that was armed */
		_exit(1);
	unblock_signals();
	fd_close(&spawn->sock);
	spawn->fn(spawn->far_sock, spawn->data);
	_exit(0);
}

int spawn_start(struct spawn *spawn, bool as_process, spawn_fn *fn, const void *data)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*spawn = (struct spawn){
		.sock = pair[0],
		.far_sock = pair[1],
		.is_process = as_process,
		.fn = fn,
		.data = data,
	};
	r = as_process ? start_process(spawn) : start_thread(spawn);
	if (r < 0) {
		fd_close(&spawn->sock);
		fd_close(&spawn->far_sock);
	}
	return r;
}

void spawn_join(struct spawn *spawn)
{
	fd_close(&spawn->sock);
	if (!spawn->is_process) {
		pthread_join(spawn->thread, NULL);
		return;
	}
	while (waitpid(spawn->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

pid_t spawn_child(int (*fn)(void *data), void *data)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	_exit(fn(data));
}

pid_t spawn_detached(void (*fn)(const void *data), const void *data)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	fn(data);
	_exit(0);
}
