/* Role: keeper. Watches resolv.conf, removes socket files.
 * Holds:    the writing end of the news pipe, the reading end of the life pipe, one inotify.
 * Must:     end when the life pipe does, which the kernel closes whatever kills the engine.
 * Must not: keep a descriptor that it was born with (a caller waits for the end of fd 1 and 2),
 *           or a capability; block on an engine that does not read.
 */
#include "app/keeper.h"

#include <glib.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "os/proc.h"
#include "os/resolvconf.h"
#include "os/sandbox.h"
#include "os/seccomp.h"
#include "os/spawn.h"

struct birth { /* what the child gets through fork(2) */
	const struct keeper_order *order;
	int news_write, life_read;
};

/* Empty an inotify queue; what it says does not matter. */
static void drain(int fd)
{
	char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

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

/* Each watch is there before the look at the file, so that no change falls between them. */
static void keep(const struct birth *birth)
{
	struct news news = { .fd = birth->news_write, .len = birth->order->resolv_len };
	int watch_fd = resolvconf_watch();
	struct pollfd fds[2] = { { .fd = birth->life_read }, { .events = POLLIN } };

	memcpy(news.last, birth->order->resolv, news.len);
	send_news(&news);
	for (;;) {
		fds[1].fd = watch_fd;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents != 0)
			return;
		if (fds[1].revents == 0)
			continue;
		drain(watch_fd);
		fd_close(&watch_fd);
		watch_fd = resolvconf_watch();
		send_news(&news);
	}
}

static void keeper_main(const void *data)
{
	const struct birth *birth = data;
	const struct keeper_order *order = birth->order;
	int kept[2] = { MIN(birth->news_write, birth->life_read),
			MAX(birth->news_write, birth->life_read) };

	proc_close_inherited(kept, G_N_ELEMENTS(kept));
	if (sandbox_drop_capabilities() < 0 ||
	    (order->seccomp && seccomp_confine(SECCOMP_KEEPER) < 0))
		return;
	keep(birth);
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

/* #syscalls:engine wait4 waitpid */
void keeper_end(struct keeper *keeper)
{
	fd_close(&keeper->news_fd);
	fd_close(&keeper->life_fd);
	while (keeper->pid > 0 && waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	keeper->pid = 0;
}
