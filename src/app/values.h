/* app/values.h - what the options of either dialect said, checked no further than their rows do.
 *
 * One struct, for most options mean the same in both. Texts are borrowed from argv or from the
 * configuration file (app/config.h).
 */
#ifndef APP_VALUES_H
#define APP_VALUES_H

#include <stdbool.h>

#include "app/options.h"

/* Places among the words of OPT_CHOICE rows. */
enum stack_choice { STACK_NATIVE, STACK_SLIRP };
#define STACK_WORDS "native slirp"

enum ipv6_choice { IPV6_AUTO, IPV6_ON, IPV6_OFF };
#define IPV6_WORDS "auto on off"

enum map_choice { MAP_KEEP, MAP_ROOT };
#define MAP_WORDS "keep root"

#define UDP_FILTER_WORDS "endpoint address none" /* enum udp_filter, net/settings.h */

#define API_SOCKET_NONE \
	"none" /* api_socket of our own dialect: no socket, not even the default one */

struct values {
	/* the network */
	bool configure;
	int ipv6;		 /* enum ipv6_choice */
	bool host_loopback, dns; /* what the gateway and the DNS address lead to */
	bool guest_loopback;
	int mtu;
	const char *cidr, *cidr6, *mac;
	const char *outbound4, *outbound6;
	int tcp, udp; /* enum stack_choice */
	int tcp_flows, udp_bindings, udp_timeout_s;
	int udp_filter; /* enum udp_filter */
	struct opt_list publish;

	/* the process */
	bool sandbox, seccomp;
	int exit_fd, ready_fd;	/* FD_NONE */
	const char *api_socket; /* NULL: none in slirp4netns' dialect, the default one in ours */
	const char *pcap;
	int pcap_limit; /* MiB; 0: not given */
	const char *userns_path;

	/* slirp4netns' dialect only */
	const char *netns_type, *target_type;

	/* ours only */
	const char *config;	    /* path of the configuration file */
	const char *name;	    /* of the default API socket; NULL: the pid */
	const char *interface;	    /* of the TAP or TUN in the guest */
	int map;		    /* run: enum map_choice */
	const char *hostname;	    /* run; NULL: as it is */
	bool wait, exit_with;	    /* attach; tap has wait too */
	const char *link;	    /* attach: KIND:FD or KIND:PATH */
	int tap_from;		    /* attach: FD_NONE */
	bool join_user, join_mount; /* exec */
	int timeout_s;		    /* exec; 0: none */
	int send_fd, link_fd;	    /* tap: FD_NONE */
	bool json;		    /* ctl */
	bool drop;		    /* ctl forwards remove */
};

#endif
