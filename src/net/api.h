/* net/api.h - the API socket: slirp4netns' JSON requests, one a connection.
 *
 * Never waits for a client: an answer goes out when a whole JSON value, the end of the stream,
 * or APIREQ_MAX bytes have come; a client that stays silent is dropped after a while, and the
 * longest-waiting one early when too many are connected.
 */
#ifndef NET_API_H
#define NET_API_H

struct api;
struct loop;
struct ports;

/* Serve @listen_fd (borrowed, listening, non-blocking). 0 or -errno. */
int api_new(struct loop *loop, int listen_fd, struct ports *ports, struct api **ret);
void api_free(struct api *api); /* NULL is a no-op; unanswered clients are closed */

#endif
