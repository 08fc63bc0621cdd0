/* A stream is two sockets, and looks to each peer as if the other were at the end of its own
 * connection. What has to cross, and how:
 *
 *   bytes        socket -> pipe -> socket, both by splice(2): pages change hands, nothing is copied.
 *                A pipe is filled only when it is empty, so that EAGAIN always is the socket's word.
 *   end of file  a peer that has shut its half down may still be sent to. Its end is passed on by
 *                shutdown(2), behind its last byte; the other direction goes on. When both have
 *                been passed on nothing is left to do, and the kernel delivers what is in the
 *                sockets after they are closed.
 *   reset        or any other error, says that a peer is no more: what has come from it and can be
 *                given away at once still is, as the kernel lets a program read what came before a
 *                reset; then the other socket is closed with SO_LINGER of zero, which is a reset
 *                (RFC 9293 section 3.10.5). A peer learns of it even while it is being
 *                sent nothing, because errors are events of every socket.
 *   urgent data  stops splice(2) for good at the urgent byte (tcp_read_sock() of Linux 6.18), so from
 *                then on that direction is copied, with the byte in line (SO_OOBINLINE).
 *
 * Watching is edge-triggered. Were it level-triggered, a side that has ended but whose last bytes
 * wait for room on the other would wake us for ever (EPOLLHUP cannot be masked), and each change of
 * direction would be an epoll_ctl(2). So what a socket can do is remembered: "readable" and "writable"
 * hold until the kernel says EAGAIN, after which it tells of the change.
 *
 * Work is done at the end of a turn: a share for each stream that has any, in the order of a queue. Who
 * has more goes to its end, and a turn that has carried enough leaves the rest of the queue to the next
 * one, which then does not wait.
 *
 * Without a pipe (no descriptor is free, or as many as may be are full of bytes that nobody takes) a piece is
 * looked at, sent, and only then taken: slower, but nothing has to be kept and nobody waits for a pipe.
 */
#include "net/splice.h"

#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"
#include "net/tally.h"

#define TURN_BYTES (1 << 22)  /* of all streams in one turn */
#define SHARE_BYTES (1 << 20) /* of one in one turn, each way */
#define PIECE_BYTES (1 << 16) /* in one call: what a pipe of the usual size takes */
#define PIPES_MAX 256	      /* at once: at most 16 MiB wait in them */
#define DESCRIPTORS_A_PIPE 32 /* that the process may have: others want some too */
#define PIPES_KEPT 16	      /* while nobody needs them */

struct pipe {
	int read_fd, write_fd; /* owned */
	GList link;	       /* splice::kept */
};

/* One of the sockets, and the way of what comes from it to the other. */
struct half {
	int fd; /* owned */
	struct loop_source *source;
	struct stream *stream;
	struct pipe *pipe; /* lent; NULL while empty */
	size_t in_pipe;
	bool readable, writable; /* until EAGAIN */
	bool urgent;		 /* copied, never spliced */
	bool ended;		 /* its peer sends no more */
	bool passed_on;		 /* and the other's peer knows */
};

struct stream {
	struct splice *splice;
	struct tally *tally; /* a reference; NULL: nobody counts */
	struct half halves[2];
	bool failed; /* a side is no more */
	bool busy;   /* in splice::busy; else in splice::idle */
	GList link;
};

struct splice {
	struct loop *loop; /* borrowed */
	GQueue busy, idle; /* struct stream */
	GQueue kept;	   /* struct pipe, empty */
	unsigned pipes, pipes_max;
	size_t carried; /* in this turn */
	struct splice_stats stats;
	uint8_t copy[PIECE_BYTES];
};

static void pipe_close(struct splice *splice, struct pipe *pipe)
{
	fd_close(&pipe->read_fd);
	fd_close(&pipe->write_fd);
	g_free(pipe);
	splice->pipes--;
}

/* #syscalls:engine pipe2
 * It keeps the size that the kernel gives it: larger ones, up to 1 MiB, were no faster (one stream, 16
 * runs each, with pieces as large), and would use up what a user may have (pipe-user-pages-soft).
 */
static struct pipe *pipe_open(struct splice *splice)
{
	struct pipe *pipe;
	int ends[2];

	if (splice->pipes >= splice->pipes_max || pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
		return NULL;
	pipe = g_new0(struct pipe, 1);
	*pipe = (struct pipe){ .read_fd = ends[0], .write_fd = ends[1] };
	pipe->link.data = pipe;
	splice->pipes++;
	return pipe;
}

static bool lend_pipe(struct splice *splice, struct half *half)
{
	GList *link;

	if (half->pipe)
		return true;
	link = g_queue_pop_head_link(&splice->kept);
	half->pipe = link ? link->data : pipe_open(splice);
	return half->pipe != NULL;
}

static void take_back_pipe(struct splice *splice, struct half *half)
{
	struct pipe *pipe = half->pipe;

	half->pipe = NULL;
	if (!pipe)
		return;
	if (half->in_pipe > 0 || splice->kept.length >= PIPES_KEPT)
		pipe_close(splice, pipe);
	else
		g_queue_push_head_link(&splice->kept, &pipe->link);
}

/* What a read from, or a write to, a socket has returned: its bytes, 0 for none, or -errno. */
static ssize_t outcome(ssize_t bytes, bool *able)
{
	if (bytes >= 0)
		return bytes;
	if (errno == EINTR)
		return 0;
	*able = false;
	return errno == EAGAIN ? 0 : -errno;
}

/* #syscalls:engine splice
 * How many bytes @to has taken, or -errno.
 */
static ssize_t move_by_pipe(struct half *from, struct half *to)
{
	ssize_t bytes;

	if (from->in_pipe == 0) {
		bytes = splice(from->fd, NULL, from->pipe->write_fd, NULL, PIECE_BYTES,
			       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		from->ended = bytes == 0;
		bytes = outcome(bytes, &from->readable);
		if (bytes <= 0)
			return bytes;
		from->in_pipe = (size_t)bytes;
	}
	bytes = splice(from->pipe->read_fd, NULL, to->fd, NULL, from->in_pipe,
		       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (bytes == 0) { /* it takes some or says why not; if ever it does neither, not again */
		to->writable = false;
		return -EIO;
	}
	bytes = outcome(bytes, &to->writable);
	if (bytes > 0)
		from->in_pipe -= (size_t)bytes;
	return bytes;
}

/* #syscalls:engine recvfrom recv sendto send socketcall */
static ssize_t move_by_copy(struct splice *splice, struct half *from, struct half *to)
{
	ssize_t bytes = recv(from->fd, splice->copy, PIECE_BYTES, MSG_PEEK);

	from->ended = bytes == 0;
	bytes = outcome(bytes, &from->readable);
	if (bytes <= 0)
		return bytes;
	bytes = send(to->fd, splice->copy, (size_t)bytes, MSG_NOSIGNAL);
	bytes = outcome(bytes, &to->writable);
	if (bytes > 0) /* they are there, so all of them come */
		(void)recv(from->fd, splice->copy, (size_t)bytes, 0);
	return bytes;
}

static ssize_t move(struct splice *splice, struct half *from, struct half *to)
{
	if (from->in_pipe > 0 || (!from->urgent && lend_pipe(splice, from)))
		return move_by_pipe(from, to);
	if (!from->urgent)
		splice->stats.no_pipe++;
	return move_by_copy(splice, from, to);
}

/* #syscalls:engine shutdown socketcall */
static void pass_end_on(struct half *from, struct half *to)
{
	if (!from->ended || from->in_pipe > 0 || from->passed_on)
		return;
	from->passed_on = true;
	(void)shutdown(to->fd, SHUT_WR); /* fails where the peer is gone: an event of its own */
}

static bool can_move(const struct half *from, const struct half *to)
{
	return to->writable && (from->in_pipe > 0 || (from->readable && !from->ended));
}

/* Carry what can be carried, within its share of a turn. True: there is more. */
static bool carry(struct splice *splice, struct stream *stream, unsigned which)
{
	struct half *from = &stream->halves[which], *to = &stream->halves[1 - which];
	size_t moved = 0;

	while (moved < SHARE_BYTES && can_move(from, to)) {
		ssize_t bytes = move(splice, from, to);

		if (bytes < 0)
			stream->failed = true;
		else
			moved += (size_t)bytes;
	}
	splice->carried += moved;
	splice->stats.bytes_to[which] += moved;
	if (which == 0)
		tally_to_guest(stream->tally, moved);
	else
		tally_from_guest(stream->tally, moved);
	if (from->in_pipe == 0)
		take_back_pipe(splice, from);
	pass_end_on(from, to);
	return can_move(from, to);
}

/* #syscalls:engine setsockopt socketcall close */
void splice_reset(int *fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fd_close(fd);
}

/* Take it out of its queue, and close its sockets or reset them. */
static void stream_free(struct stream *stream, bool reset)
{
	struct splice *splice = stream->splice;

	g_queue_unlink(stream->busy ? &splice->busy : &splice->idle, &stream->link);
	for (unsigned i = 0; i < 2; i++) {
		struct half *half = &stream->halves[i];

		loop_remove(half->source);
		if (reset)
			splice_reset(&half->fd);
		else
			fd_close(&half->fd);
		take_back_pipe(splice, half);
	}
	splice->stats.streams--;
	tally_end(stream->tally);
	g_free(stream);
}

/* Put it at the end of a queue. */
static void queue(struct stream *stream, bool busy)
{
	struct splice *splice = stream->splice;

	g_queue_unlink(stream->busy ? &splice->busy : &splice->idle, &stream->link);
	g_queue_push_tail_link(busy ? &splice->busy : &splice->idle, &stream->link);
	stream->busy = busy;
}

static void serve(struct stream *stream)
{
	struct splice *splice = stream->splice;
	const struct half *halves = stream->halves;
	bool more = carry(splice, stream, 0);

	more = carry(splice, stream, 1) || more;
	if (!more && stream->failed) {
		splice->stats.reset++;
		stream_free(stream, true);
	} else if (halves[0].passed_on && halves[1].passed_on) {
		splice->stats.ended++;
		stream_free(stream, false);
	} else {
		queue(stream, more);
	}
}

static void end_of_turn(void *data)
{
	struct splice *splice = data;

	splice->carried = 0;
	for (guint left = splice->busy.length; left > 0 && splice->carried < TURN_BYTES; left--)
		serve(g_queue_peek_head(&splice->busy));
	if (splice->busy.length > 0)
		loop_again(splice->loop);
}

static void socket_event(uint32_t events, void *data)
{
	struct half *half = data;

	if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP))
		half->readable = true;
	if (events & EPOLLOUT)
		half->writable = true;
	if (events & EPOLLPRI)
		half->urgent = true;
	if (events & EPOLLERR) {
		half->stream->failed = true;
		half->readable = true; /* what came before */
	}
	if (!half->stream->busy)
		queue(half->stream, true);
}

/* #syscalls:engine setsockopt socketcall
 * A peer that has gone without a word is asked after two hours (RFC 9293 section 3.8.4), or its stream
 * would stay for ever: the other peer, who may ask as well, gets his answers from us.
 */
static int half_start(struct half *half, struct stream *stream, int fd)
{
	const int on = 1;

	*half = (struct half){
		.fd = fd,
		.stream = stream,
		.readable = true,
		.writable = true,
	};
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return loop_add(stream->splice->loop, fd,
			EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, socket_event, half,
			&half->source);
}

int splice_join(struct splice *splice, int first, int second, struct tally *tally)
{
	struct stream *stream = g_new0(struct stream, 1);
	int r;

	stream->splice = splice;
	stream->tally = tally;
	stream->link.data = stream;
	g_queue_push_tail_link(&splice->idle, &stream->link);
	splice->stats.streams++;
	r = half_start(&stream->halves[0], stream, first);
	stream->halves[1].fd = second;
	if (r == 0)
		r = half_start(&stream->halves[1], stream, second);
	if (r < 0) {
		stream_free(stream, true);
		return r;
	}
	queue(stream, true);
	return 0;
}

static void drop_in(GQueue *queue, const struct tally *tally)
{
	GList *next;

	for (GList *link = queue->head; link; link = next) {
		struct stream *stream = link->data;

		next = link->next;
		if (stream->tally != tally)
			continue;
		stream->splice->stats.reset++;
		stream_free(stream, true);
	}
}

void splice_drop(struct splice *splice, const struct tally *tally)
{
	drop_in(&splice->busy, tally);
	drop_in(&splice->idle, tally);
}

struct splice *splice_new(struct loop *loop)
{
	struct splice *splice = g_new0(struct splice, 1);
	struct rlimit files;

	splice->loop = loop;
	splice->pipes_max = PIPES_MAX;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		splice->pipes_max = (unsigned)MIN(files.rlim_cur / DESCRIPTORS_A_PIPE, PIPES_MAX);
	loop_add_turn_end(loop, end_of_turn, splice);
	return splice;
}

void splice_free(struct splice *splice)
{
	GList *link;

	if (!splice)
		return;
	loop_remove_turn_end(splice->loop, end_of_turn, splice);
	while ((link = splice->busy.head) || (link = splice->idle.head))
		stream_free(link->data, true);
	while ((link = g_queue_pop_head_link(&splice->kept)))
		pipe_close(splice, link->data);
	g_free(splice);
}

struct splice_stats splice_stats(const struct splice *splice)
{
	return splice->stats;
}
