/* net/capture.h - a copy of every frame that crosses the link, into a pcapng file.
 *
 * Watching must not disturb: nothing here waits while the loop runs, and nothing that goes wrong
 * with the file is more than a line in the log and a count. A frame is a copy into a buffer; the
 * buffer is written when it is full and at the end of each turn of the loop, so a SIGKILL costs
 * the last turn at most. Whole blocks only: what cannot be written is left out and counted.
 *
 * A regular file is written up to the limit or to the first error (a full disk), then closed,
 * and has no half block at its end. A pipe, a fifo or a terminal is written as far as it has
 * room, without a limit; it ends when its reader goes. All frames of one turn have one time.
 */
#ifndef NET_CAPTURE_H
#define NET_CAPTURE_H

#include <stdint.h>
#include <sys/uio.h>

#include "net/stats.h"

struct capture;
struct loop;

struct capture_stats {
	uint64_t frames; /* in the file, or on their way to it */
	uint64_t bytes;	 /* for the file so far, with everything that it has around them */
	uint64_t missed; /* frames that are neither */
};

extern const struct stats_table capture_stats_table; /* of struct capture_stats */

/* As seen from the guest, as tcpdump(8) in its namespace would see it. */
enum capture_direction { CAPTURE_TO_GUEST, CAPTURE_FROM_GUEST };

/* Open @path for a capture: a file is made, 0600, or emptied. A symbolic link leads to something
 * that is no regular file only (/dev/fd/N of a pipe), so that none that others have planted is
 * overwritten. Non-blocking. A descriptor, or -errno: -ENXIO for a fifo that nobody reads.
 */
int capture_open(const char *path);

/* Takes over @fd, which capture_open() has returned. @path (borrowed) is what the log calls it,
 * @interface is the name of the link. @limit_bytes has room for PCAPNG_HEAD_MAX at least.
 */
struct capture *capture_new(struct loop *loop, int fd, const char *path, const char *interface,
			    uint64_t limit_bytes);

/* One Ethernet frame, as it stands. */
void capture_frame(struct capture *capture, enum capture_direction direction,
		   const struct iovec *parts, int count);

struct capture_stats capture_stats(const struct capture *capture);

/* Write what is left, close, and log how many frames are not in the file, if any. Here a slow reader
 * of a pipe is waited for, a second at most. NULL is a no-op. Before loop_free().
 */
void capture_free(struct capture *capture);

#endif
