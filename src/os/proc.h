/* os/proc.h - what a process is to others: its limits, its signals, its inherited state. */
#ifndef OS_PROC_H
#define OS_PROC_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Open /dev/null for each of stdin, stdout and stderr that the caller left closed: or the first
 * descriptors that we open would be taken for them. Call before anything is opened.
 */
void proc_open_streams(void);

/* Lift the soft limit of open files to the hard one (getrlimit(2)). Failure changes nothing. */
void proc_raise_open_files(void);

/* Undo what a caller may have left set and a child must not have: SIGCHLD ignored (waitpid(2)
 * would find no child). SIGPIPE and SIGXFSZ become ignored: a peer that goes is an EPIPE, a file that
 * has reached RLIMIT_FSIZE an EFBIG. Call once, before any other function here that changes signals.
 */
void proc_reset_signals(void);

/* Undo what proc_raise_open_files(), proc_reset_signals() and every change of the signal mask since
 * have done: in a child that is about to become a program of the user, which gets what our caller gave
 * us. A signal that is pending is delivered here.
 */
void proc_restore_inherited(void);

/* Take the signals of @set out of asynchronous delivery and make them readable: returns a signalfd (owned by
 * the caller), or -errno.
 */
int proc_signals_take(const sigset_t *set);

/* Take SIGTERM, SIGINT and SIGHUP out of asynchronous delivery and make them readable: returns
 * a signalfd (owned by the caller), or -errno. One that was ignored on entry stays ignored.
 */
int proc_signals_open(void);

/* The pending one of these signals, or 0. */
int proc_signals_read(int fd);

/* End as the signal's default action would have ended us, so that the parent sees that. */
void proc_die_by_signal(int signal) __attribute__((noreturn));

/* The signal that the caller asked for at its own death (PR_SET_PDEATHSIG): 0 for none. The
 * kernel forgets it when credentials change, so save it before and set it again after.
 */
int proc_pdeathsig(void);
void proc_set_pdeathsig(int signal);

/* Not to be traced by others, however many capabilities they have in a user namespace that we
 * join: they would get the descriptors that we bring (CVE-2016-9962 was that).
 */
void proc_set_undumpable(void);

/* What ps(1) calls the process: up to 15 bytes. */
void proc_set_name(const char *name);

/* A pidfd of a child (pidfd_open(2)), owned by the caller. -errno: ENOSYS before Linux 5.3. */
int proc_pidfd(pid_t pid);

bool proc_has_admin(void); /* CAP_SYS_ADMIN is effective */

/* Close every descriptor but those in @keep; 0, 1 and 2 then lead to /dev/null or, where that cannot be
 * opened, are closed too.
 */
void proc_close_inherited(const int *keep, size_t count);

/* Close every descriptor from 3 on. */
void proc_close_beyond_streams(void);

/* Close every directory from 3 on: through one, all of its file system could be reached. */
void proc_close_directories(void);

#endif
