/* net/api.h - the API socket: slirp4netns' JSON requests and get_stats, one a connection.
 *
 * Never waits for a client: an answer goes out when a whole JSON value, the end of the stream,
 * or APIREQ_MAX bytes have come; a client that stays silent is dropped after a while, and the
 * longest-waiting one early when too many are connected.
 */
#ifndef NET_API_H
#define NET_API_H

struct api;
struct json_t;
struct loop;
struct ports;

/* What get_stats answers: an object, for the caller to json_decref(). */
typedef struct json_t *api_stats_fn(void *data);

/* Serve @listen_fd (borrowed, listening, non-blocking). 0 or -errno. */
int api_new(struct loop *loop, int listen_fd, struct ports *ports, api_stats_fn *stats, void *data,
	    struct api **ret);
void api_free(struct api *api); /* NULL is a no-op; unanswered clients are closed */

#endif
