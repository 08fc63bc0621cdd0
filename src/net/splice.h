/* net/splice.h - joins connected sockets two by two: what one sends, the other gets.
 *
 * Stream sockets of any family. Bytes move inside the kernel (splice(2)), through pipes that are
 * lent to a stream only while bytes are in them: an idle one costs its two descriptors and a few
 * hundred bytes. The essay is in splice.c.
 */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include <stdint.h>

struct loop;
struct splice;
struct tally;

struct splice_stats {
	uint32_t streams;     /* that there are */
	uint64_t bytes_to[2]; /* taken by the second and by the first socket of a pair */
	uint64_t ended;	      /* streams that both sides have closed */
	uint64_t reset;	      /* streams that a reset or an error has ended */
	uint64_t no_pipe;     /* pieces that were copied because there was no pipe */
};

/* @loop is borrowed. */
struct splice *splice_new(struct loop *loop);
void splice_free(struct splice *splice); /* resets the streams that are left; NULL is a no-op */

/* Join two connected non-blocking sockets, which belong to the stream from the call on: it closes
 * them when both sides have ended, and resets both when one has failed. The bytes are counted in @tally
 * (or NULL), and it is ended with the stream: net/tally.h; what the second gets is what goes to the guest.
 * 0, or -errno: then the stream has ended already.
 */
int splice_join(struct splice *splice, int first, int second, struct tally *tally);

/* Reset the streams that count in @tally. */
void splice_drop(struct splice *splice, const struct tally *tally);

/* Close a socket in a way that its peer takes for a reset. */
void splice_reset(int *fd);

struct splice_stats splice_stats(const struct splice *splice);

#endif
