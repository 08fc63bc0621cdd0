/* app/linkwatch.h - the link in the loop: frames from the guest go to the gate, a turn's share at a time;
 * those that wait for a socket go when it has room; and where the link is a listener's client, the
 * next one may come when it has left.
 *
 * One client is served at a time: who comes meanwhile waits in the listener's backlog.
 * What happens here is logged here; a link that is gone for good stops the loop with status 1.
 */
#ifndef APP_LINKWATCH_H
#define APP_LINKWATCH_H

struct gate;
struct link;
struct loop;
struct settings;
struct unixsock;
struct linkwatch;

/* What happens to it, all of it borrowed: @link is attached; @listener's descriptor is -EBADF where
 * nobody can come after.
 */
struct linkwatch_order {
	struct loop *loop;
	const struct settings *settings;
	struct link *link;
	const struct unixsock *listener;
	struct gate *gate;
};

/* After the stacks: what they send at the end of a turn goes out at the same. 0 or -errno. */
int linkwatch_new(const struct linkwatch_order *order, struct linkwatch **ret);
void linkwatch_free(struct linkwatch *watch); /* NULL is a no-op; before loop_free() */

/* Before the end: take what the guest has sent until now. */
void linkwatch_take_rest(struct linkwatch *watch);

#endif
