/* app/linksource.h - where the link comes from: for each kind of target, a TAP that the helper makes
 * in a namespace, a descriptor that somebody hands over, or a socket.
 *
 * In the slirp4netns dialect it says on stderr what slirp4netns says on the way. What fails is
 * logged here.
 */
#ifndef APP_LINKSOURCE_H
#define APP_LINKSOURCE_H

#include "app/engine.h"
#include "app/nsopen.h"
#include "os/netns.h"

struct linksource {
	const struct settings *settings; /* borrowed */
	int signal_fd;			 /* borrowed; os/proc.h */
	struct netns ns; /* owned by the caller: NETNS_NONE, and filled in where one is entered */
	struct engine_input
		*engine; /* borrowed: the exit-fd is read, and what belongs to the link filled in */
};

/* What linksource_open() returns beside 0 and -errno. */
#define LINKSOURCE_TOLD_TO_END NSOPEN_TOLD_TO_END

/* Get the link, waiting for others where that is needed. 0; LINKSOURCE_TOLD_TO_END when the exit-fd has
 * hung up or a signal is pending (which stays so) meanwhile; or -errno. What has been filled in until
 * then is the caller's to let go.
 */
int linksource_open(struct linksource *source);

#endif
