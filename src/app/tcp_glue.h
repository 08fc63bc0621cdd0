/* app/tcp_glue.h - our own TCP between the gate and the link: builds its segments into frames, and
 * cuts large ones that it does not want for the other stack.
 */
#ifndef APP_TCP_GLUE_H
#define APP_TCP_GLUE_H

#include "net/gate.h"
#include "net/link.h"
#include "net/settings.h"

struct loop;
struct tcp;
struct tcp_glue;

/* All but @ret are borrowed. 0 or -errno. Sets itself as the gate's TCP hook. */
int tcp_glue_new(struct loop *loop, const struct settings *settings, struct link *link,
		 struct gate *gate, struct tcp_glue **ret);
void tcp_glue_free(struct tcp_glue *glue); /* NULL is a no-op */

/* For its counters; borrowed, and lives as long. */
const struct tcp *tcp_glue_tcp(const struct tcp_glue *glue);

#endif
