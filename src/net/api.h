/* net/api.h - the API socket: slirp4netns' JSON requests and some of our own, one a connection.
 *
 * Never waits for a client: an answer goes out when a whole JSON value, the end of the stream,
 * or APIREQ_MAX bytes have come; a client that stays silent is dropped after a while, and the
 * longest-waiting one early when too many are connected. A list of flows is made while it goes out,
 * a few in each turn of the loop, so that however long it is it stops nobody's packets.
 */
#ifndef NET_API_H
#define NET_API_H

struct api;
struct flows;
struct json_t;
struct loop;
struct ports;

/* What get_stats answers: an object, for the caller to json_decref(). */
typedef struct json_t *api_stats_fn(void *data);

/* What the requests are about; all borrowed. */
struct api_subjects {
	struct ports *ports;
	struct flows *flows;
	api_stats_fn *stats;
	void *data; /* of stats */
};

/* Serve @listen_fd (borrowed, listening, non-blocking). 0 or -errno. */
int api_new(struct loop *loop, int listen_fd, const struct api_subjects *subjects,
	    struct api **ret);
void api_free(struct api *api); /* NULL is a no-op; unanswered clients are closed */

#endif
