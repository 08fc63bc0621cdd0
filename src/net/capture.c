#include "net/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "wire/pcapng.h"

#define APPLICATION "gate4netns"
#define SNAPLEN 262144		  /* more than any frame has; what tcpdump(8) writes */
#define BUFFER_BYTES (256 * 1024) /* three of the largest frames */
#define LAST_WAIT_MS 1000

struct capture {
	struct loop *loop; /* borrowed */
	const char *path;  /* borrowed */
	int fd;		   /* owned; -EBADF: it has ended */
	bool regular;
	struct loop_source *source; /* NULL for what cannot be polled, such as a regular file */
	bool full;		    /* source waits for room */
	uint64_t limit_bytes;
	struct capture_stats stats;
	uint64_t written_bytes; /* regular: the length of the file, the buffer's not counted */
	uint64_t buffered;	/* frames that came since the buffer was empty */
	int64_t time_ns;	/* of this turn; 0: not read yet */
	size_t begin, end;	/* of what is still to be written, in the buffer */
	uint8_t buffer[BUFFER_BYTES];
};

static const struct stats_row rows[] = {
	{ "frames", "Frames that are in the file, or on their way to it",
	  STATS_NUMBER(struct capture_stats, frames) },
	{ "bytes", "Bytes for the file so far, with what stands around the frames",
	  STATS_NUMBER(struct capture_stats, bytes) },
	{ "missed",
	  "Frames that are not in it, because it is full, has failed, or is read too slowly",
	  STATS_NUMBER(struct capture_stats, missed) },
	{ 0 },
};

const struct stats_table capture_stats_table = { "capture", NULL, rows };

struct capture_stats capture_stats(const struct capture *capture)
{
	return capture->stats;
}

int capture_open(const char *path)
{
	const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	autofd int fd = open(path, flags | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd >= 0)
		return fd_steal(&fd);
	if (errno != ELOOP)
		return -errno;
	fd = open(path, flags);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? -ELOOP : fd_steal(&fd);
}

/* What is in the buffer will not get into the file. */
static void miss_buffered(struct capture *capture)
{
	capture->stats.frames -= capture->buffered;
	capture->stats.missed += capture->buffered;
	capture->buffered = 0;
}

static void stop(struct capture *capture, const char *why)
{
	log_line("capture: '%s' ends here: %s", capture->path, why);
	loop_remove(capture->source);
	capture->source = NULL;
	fd_close(&capture->fd);
	miss_buffered(capture);
	capture->begin = capture->end = 0;
}

/* A full disk takes a part of the last write: then the file goes back to where it was before.
 *
 * #syscalls:engine write ftruncate ftruncate64 close
 */
static void flush(struct capture *capture)
{
	while (capture->begin < capture->end) {
		ssize_t n = write(capture->fd, capture->buffer + capture->begin,
				  capture->end - capture->begin);
		int error = errno;

		if (n < 0 && error == EINTR)
			continue;
		if (n < 0 && error == EAGAIN) {
			capture->full = capture->source &&
					loop_set_events(capture->source, EPOLLOUT) == 0;
			return;
		}
		if (n < 0) {
			if (capture->regular &&
			    ftruncate(capture->fd, (off_t)capture->written_bytes) < 0)
				log_line("capture: the last block of '%s' is cut", capture->path);
			stop(capture, strerror(error));
			return;
		}
		capture->begin += (size_t)n;
	}
	capture->written_bytes += capture->end;
	capture->buffered = 0;
	capture->begin = capture->end = 0;
}

static void room_again(uint32_t events, void *data)
{
	struct capture *capture = data;

	if (events & (EPOLLERR | EPOLLHUP)) {
		stop(capture, "its reader has gone");
		return;
	}
	capture->full = false;
	(void)loop_set_events(capture->source, 0);
	flush(capture);
}

static void end_turn(void *data)
{
	struct capture *capture = data;

	capture->time_ns = 0;
	if (!capture->full)
		flush(capture);
}

struct capture *capture_new(struct loop *loop, int fd, const char *path, const char *interface,
			    uint64_t limit_bytes)
{
	struct capture *capture = g_new0(struct capture, 1);
	struct stat st;

	capture->loop = loop;
	capture->path = path;
	capture->fd = fd;
	capture->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	capture->limit_bytes = capture->regular ? limit_bytes : UINT64_MAX;
	/* Fails for a regular file; with no events asked for, it is to see the reader go. */
	if (loop_add(loop, fd, 0, room_again, capture, &capture->source) < 0)
		capture->source = NULL;
	loop_add_turn_end(loop, end_turn, capture);
	capture->end = pcapng_head(APPLICATION, interface, SNAPLEN, capture->buffer);
	capture->stats.bytes = capture->end;
	flush(capture);
	return capture;
}

/* Room for a block at the end of the buffer. False: this frame is missed. */
static bool make_room(struct capture *capture, size_t size)
{
	char why[64];

	if (capture->fd >= 0 && size > capture->limit_bytes - capture->stats.bytes) {
		flush(capture);
		snprintf(why, sizeof(why), "the limit of %" PRIu64 " bytes is reached",
			 capture->limit_bytes);
		if (capture->fd >= 0)
			stop(capture, why);
	}
	if (size > BUFFER_BYTES - capture->end && !capture->full)
		flush(capture);
	if (size > BUFFER_BYTES - capture->end && capture->begin > 0) {
		capture->end -= capture->begin;
		memmove(capture->buffer, capture->buffer + capture->begin, capture->end);
		capture->begin = 0;
	}
	return capture->fd >= 0 && size <= BUFFER_BYTES - capture->end;
}

void capture_frame(struct capture *capture, enum capture_direction direction,
		   const struct iovec *parts, int count)
{
	struct pcapng_packet packet = {
		.direction = direction == CAPTURE_TO_GUEST ? PCAPNG_INBOUND : PCAPNG_OUTBOUND,
	};
	size_t size;

	for (int i = 0; i < count; i++)
		packet.captured += parts[i].iov_len;
	size = pcapng_packet_size(packet.captured);
	if (!make_room(capture, size)) {
		capture->stats.missed++;
		return;
	}
	if (capture->time_ns == 0)
		capture->time_ns = clock_wall_ns();
	packet.time_ns = capture->time_ns;
	packet.original = packet.captured;
	pcapng_packet(&packet, parts, count, capture->buffer + capture->end);
	capture->end += size;
	capture->stats.bytes += size;
	capture->stats.frames++;
	capture->buffered++;
}

/* #syscalls:engine poll ppoll ppoll_time64 */
static void write_the_rest(struct capture *capture)
{
	const int64_t end_ms = clock_now_ms() + LAST_WAIT_MS;
	int64_t left_ms = LAST_WAIT_MS;

	flush(capture);
	while (capture->begin < capture->end && left_ms > 0) {
		struct pollfd fd = { .fd = capture->fd, .events = POLLOUT };

		if (poll(&fd, 1, (int)left_ms) > 0)
			flush(capture);
		left_ms = end_ms - clock_now_ms();
	}
	miss_buffered(capture);
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	write_the_rest(capture);
	if (capture->stats.missed > 0)
		log_line("capture: frames that are not in '%s': %" PRIu64, capture->path,
			 capture->stats.missed);
	loop_remove_turn_end(capture->loop, end_turn, capture);
	loop_remove(capture->source);
	fd_close(&capture->fd);
	g_free(capture);
}
