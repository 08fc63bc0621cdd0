/* app/supervise.h - a command of the user as our child, for whoever started us: its streams, its terminal,
 * its signals and its exit status are the command's.
 *
 * The child stays in our session and in our process group. So what the terminal sends (Ctrl-C, Ctrl-\,
 * Ctrl-Z, a new window size) it gets from the kernel when we do, and that is not passed on; what
 * a process has sent to us is. When the child stops we stop, so that the shell that
 * started us sees a stopped job, and when we are continued the child is. It dies with us,
 * whatever ends us (PR_SET_PDEATHSIG in prctl(2)).
 *
 * One at a time, in the main thread: the signals of a process are one. Source: signal(7), waitpid(2),
 * signalfd(2), credentials(7) on sessions, tty_ioctl(4), and glibc's manual, "Job Control".
 */
#ifndef APP_SUPERVISE_H
#define APP_SUPERVISE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Exit statuses that are not the command's, as env(1), timeout(1) and the shells have them. When it is
 * we who failed: OWN_FAILED (app/cli_own.h).
 */
enum {
	STATUS_TIMED_OUT = 124,
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128, /* plus the signal's number */
};

struct supervise {
	int signal_fd; /* owned */
	pid_t pid;     /* of the child; 0 before supervise_start(), and once it has ended */
};

#define SUPERVISE_NONE ((struct supervise){ .signal_fd = -EBADF })

#define SUPERVISE_FDS_MAX 8 /* that supervise_wait() takes */

/* What the child does before it becomes the command: with signals blocked, descriptors as they were,
 * and SIGKILL for the death of the parent. 0, or the exit status; what failed has been logged.
 */
typedef int supervise_prepare_fn(void *data);

/* Take the signals: from here on they wait for supervise_wait(), also those that come before there is a
 * child. Other children that are forked after this inherit the mask. 0 or -errno.
 */
int supervise_init(struct supervise *s);

/* Fork. The child calls @prepare, unless that is NULL, gets signal mask, dispositions and limits as our
 * caller gave them to us (os/proc.h, proc_restore_inherited()), keeps no descriptor but 0 to 2, and becomes
 * argv[0], found by PATH; it ends with STATUS_NOT_FOUND or STATUS_CANNOT_EXECUTE and a line that says why
 * if it cannot. @argv and @data need to live until the call returns. 0 or -errno.
 */
int supervise_start(struct supervise *s, char *const *argv, supervise_prepare_fn *prepare,
		    void *data);

/* Wait until the child has ended, or one of @fds (at most SUPERVISE_FDS_MAX) has an event; meanwhile pass
 * signals on, and stop when the child does. True: it has ended, and *ret_status is our exit status.
 * False: there are events in @fds, as poll(2) leaves them.
 */
bool supervise_wait(struct supervise *s, struct pollfd *fds, size_t count, int *ret_status);

/* Send the child a signal, if it has not ended. */
void supervise_kill(const struct supervise *s, int signal_number);

/* After the end of the child: release what supervise_init() took. Signals stay blocked, for there is
 * nothing left to do but to end.
 */
void supervise_done(struct supervise *s);

#endif
