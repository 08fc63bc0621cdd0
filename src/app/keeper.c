/* Role: keeper. Watches resolv.conf, removes socket files.
 * Holds:    the writing end of the news pipe, the reading end of the life pipe, one inotify.
 * Must:     end when the life pipe does, which the kernel closes whatever kills the engine.
 * Must not: keep a descriptor that it was born with (a caller waits for the end of fd 1 and 2),
 *           or more capabilities than the engine; block on an engine that does not read; end
 *           before the engine does, for then the files that it removes are still in use.
 */
#include "app/keeper.h"

#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "os/proc.h"
#include "os/resolvconf.h"
#include "os/sandbox.h"
#include "os/seccomp.h"
#include "os/spawn.h"

#define UNWATCHED_MS (30 * 1000)
#define END_WAIT_MS 1000

struct birth { /* what the child gets through fork(2) */
	const struct keeper_order *order;
	int news_write, life_read;
};

struct news {
	int fd;			   /* borrowed: the pipe's writing end */
	char last[RESOLVCONF_MAX]; /* what the engine has */
	size_t len;
};

static void send_news(struct news *news)
{
	char text[RESOLVCONF_MAX];
	size_t len = resolvconf_read(text);

	if (len == news->len && memcmp(text, news->last, len) == 0)
		return;
	/* A full pipe has an engine behind it that does not turn; the next change tells it. */
	if (len > 0 && write(news->fd, text, len) == (ssize_t)len) {
		memcpy(news->last, text, len);
		news->len = len;
	}
}

/* Each watch is there before the look at the file, so that no change falls between them. Without a
 * watch (inotify instances are few, inotify(7)) look again from time to time.
 */
static void keep(const struct birth *birth)
{
	struct news news = { .fd = birth->news_write, .len = birth->order->resolv_len };
	struct pollfd fds[2] = { { .fd = birth->life_read }, { .events = POLLIN } };

	memcpy(news.last, birth->order->resolv, news.len);
	while (fds[0].revents == 0) {
		int watch_fd = resolvconf_watch();
		int r;

		send_news(&news);
		fds[1].fd = watch_fd;
		do
			r = poll(fds, G_N_ELEMENTS(fds), watch_fd < 0 ? UNWATCHED_MS : -1);
		while (r < 0 && errno == EINTR);
		if (r < 0)
			break;
		fd_close(&watch_fd);
	}
}

/* Returns when the engine has ended, whatever went wrong here. */
static void wait_for_end(int life_read)
{
	char byte;

	while (read(life_read, &byte, 1) < 0 && errno == EINTR)
		;
}

static void keeper_main(const void *data)
{
	const struct birth *birth = data;
	const struct keeper_order *order = birth->order;
	const int kept[] = { birth->news_write, birth->life_read };

	proc_close_inherited(kept, G_N_ELEMENTS(kept));
	if (sandbox_drop_capabilities() == 0 &&
	    (!order->seccomp || seccomp_confine(SECCOMP_KEEPER) == 0))
		keep(birth);
	wait_for_end(birth->life_read);
	for (size_t i = 0; i < KEEPER_SOCKETS_MAX; i++)
		unixsock_unlink(&order->sockets[i]);
}

int keeper_start(const struct keeper_order *order, struct keeper *ret)
{
	struct birth birth = { .order = order };
	int news[2], life[2];
	pid_t pid;

	/* O_DIRECT: a pipe of packets, one write(2) is one read(2) (pipe(2)). */
	if (pipe2(news, O_DIRECT | O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (pipe2(life, O_CLOEXEC) < 0) {
		int error = -errno;

		fd_close(&news[0]);
		fd_close(&news[1]);
		return error;
	}
	birth.news_write = news[1];
	birth.life_read = life[0];
	pid = spawn_detached(keeper_main, &birth);
	fd_close(&news[1]);
	fd_close(&life[0]);
	if (pid < 0) {
		fd_close(&news[0]);
		fd_close(&life[1]);
		return pid;
	}
	*ret = (struct keeper){ .pid = pid, .news_fd = news[0], .life_fd = life[1] };
	return 0;
}

/* The keeper closes its end of the news pipe when it ends. One that is stopped or hangs in a file
 * system is not waited for longer than a moment.
 *
 * #syscalls:engine wait4 waitpid
 */
void keeper_end(struct keeper *keeper)
{
	struct pollfd news = { .fd = keeper->news_fd };
	bool ended;

	if (keeper->pid <= 0)
		return;
	fd_close(&keeper->life_fd);
	ended = poll(&news, 1, END_WAIT_MS) > 0;
	fd_close(&keeper->news_fd);
	(void)waitpid(keeper->pid, NULL, ended ? 0 : WNOHANG);
	keeper->pid = 0;
}
