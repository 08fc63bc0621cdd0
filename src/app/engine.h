/* app/engine.h - the engine: moves frames between the link and the stack until it is told to
 * end.
 */
#ifndef APP_ENGINE_H
#define APP_ENGINE_H

#include <net/if.h>

#include "app/broker.h"
#include "net/link.h"
#include "net/settings.h"
#include "net/stats.h"
#include "os/unixsock.h"

struct engine_input {
	const struct settings *settings; /* borrowed */
	struct link link;		 /* owned by the engine from the call on */
	struct unixsock link_sock;	 /* TARGET_LINK: the listener, owned too */
	char link_name[IFNAMSIZ];	 /* of the TAP, or what stands for it */
	int sender_fd;	      /* TARGET_TAP_FROM: the sender, told like ready_fd; owned too */
	int pcap_fd;	      /* owned too: net/capture.h; -EBADF: nothing is captured */
	struct broker broker; /* owned too */
	bool has_tap_mac;
	struct mac tap_mac;    /* the guest's, where we know it */
	int user_fd;	       /* owned too; see os/sandbox.h */
	int target_fd;	       /* owned too: with exit_with, the pidfd of the process */
	int signal_fd;	       /* borrowed; os/proc.h */
	int ready_fd, exit_fd; /* as in the settings, but -EBADF if it was not open at the start */
};

/* Nothing yet: every descriptor is none. */
#define ENGINE_INPUT_NONE                   \
	((struct engine_input){             \
		.link = LINK_NONE,          \
		.link_sock = UNIXSOCK_NONE, \
		.sender_fd = -EBADF,        \
		.pcap_fd = -EBADF,          \
		.broker = BROKER_NONE,      \
		.user_fd = -EBADF,          \
		.target_fd = -EBADF,        \
		.signal_fd = -EBADF,        \
		.ready_fd = FD_NONE,        \
		.exit_fd = FD_NONE,         \
	})

/* Open the file that the settings ask for, if they do. 0 or -errno, which has been logged. First of all, while
 * a failure leaves nothing behind and what the caller calls /dev/fd/N is there.
 */
int engine_open_capture(struct engine_input *input);

/* The modules whose counters get_stats shows. */
enum engine_stats {
	STATS_LINK,
	STATS_GATE,
	STATS_TCP,
	STATS_POOL,
	STATS_UDP,
	STATS_PORTS,
	STATS_LOOPBACK,
	STATS_CAPTURE,
	STATS_MODULES
};

extern const struct stats_table *const engine_stats_tables[STATS_MODULES];

/* Runs until the exit-fd, a signal or a failure. The exit status, or minus the signal. What
 * failed has been logged.
 */
int engine_run(struct engine_input *input);

#endif
