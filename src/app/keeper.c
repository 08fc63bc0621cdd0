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
#define SETTLE_MS 200
#define END_WAIT_MS 1000

struct birth { /* what the child gets through fork(2) */
	const struct keeper_order *order;
	int news_write, life_read;
	int born_write; /* closed when nothing of the caller's is held any more */
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
 * watch (inotify instances are few, inotify(7)) look again from time to time. An engine that lives for a
 * moment only gets none: taking one away costs the kernel a grace period, 15 ms that its end would wait for.
 */
static void keep(const struct birth *birth)
{
	struct news news = { .fd = birth->news_write, .len = birth->order->resolv_len };
	struct pollfd fds[2] = { { .fd = birth->life_read }, { .events = POLLIN } };

	memcpy(news.last, birth->order->resolv, news.len);
	(void)poll(fds, 1, SETTLE_MS);
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
	const int kept[] = { birth->news_write, birth->life_read, birth->born_write };

	proc_close_inherited(kept, G_N_ELEMENTS(kept));
	close(birth->born_write);
	if (sandbox_drop_capabilities() == 0 &&
	    (!order->seccomp || seccomp_confine(SECCOMP_KEEPER) == 0))
		keep(birth);
	wait_for_end(birth->life_read);
	for (size_t i = 0; i < order->socket_count; i++)
		unixsock_unlink(&order->sockets[i]);
}

static int open_pipe(int *ret_read, int *ret_write, int flags)
{
	int ends[2];

	if (pipe2(ends, flags | O_CLOEXEC) < 0)
		return -errno;
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

/* Wait until the child has let go of what it was born with, so that no caller finds it holding that
 * after the ready byte.
 */
static void wait_for_birth(int born_read)
{
	char byte;

	while (read(born_read, &byte, 1) < 0 && errno == EINTR)
		;
}

int keeper_start(const struct keeper_order *order, struct keeper *ret)
{
	autofd int news_read = -EBADF, news_write = -EBADF, life_read = -EBADF;
	autofd int life_write = -EBADF, born_read = -EBADF, born_write = -EBADF;
	struct birth birth = { .order = order };
	pid_t pid;
	int r;

	/* O_DIRECT: a pipe of packets, one write(2) is one read(2) (pipe(2)). */
	r = open_pipe(&news_read, &news_write, O_DIRECT | O_NONBLOCK);
	if (r == 0)
		r = open_pipe(&life_read, &life_write, 0);
	if (r == 0)
		r = open_pipe(&born_read, &born_write, 0);
	if (r < 0)
		return r;
	birth.news_write = news_write;
	birth.life_read = life_read;
	birth.born_write = born_write;
	pid = spawn_detached(keeper_main, &birth);
	if (pid < 0)
		return pid;
	fd_close(&born_write);
	wait_for_birth(born_read);
	*ret = (struct keeper){
		.pid = pid,
		.news_fd = fd_steal(&news_read),
		.life_fd = fd_steal(&life_write),
	};
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
