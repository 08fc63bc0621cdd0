/* net/settings.h - everything that the user decided, checked and resolved.
 *
 * Filled by a dialect in app/ before anything is opened; constant from then on. Texts are
 * borrowed from argv or from the configuration file.
 */
#ifndef NET_SETTINGS_H
#define NET_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/addrplan.h"
#include "net/link.h"
#include "wire/inet.h"

/* Where the frames come from. */
enum target {
	TARGET_PID,	 /* a TAP in the network namespace of a process */
	TARGET_PATH,	 /* a TAP in a network namespace found by path */
	TARGET_NETNS_FD, /* a TAP in a network namespace that the caller opened */
	TARGET_TAPFD,	 /* a TAP that the caller opened */
	TARGET_TAP_FROM, /* a TAP that comes over a socket */
	TARGET_BESS,	 /* a listening AF_UNIX SOCK_SEQPACKET socket, one frame a packet */
	TARGET_LINK,	 /* a socket in place of a TAP: see link */
	TARGETS
};

#define FD_NONE (-1)

/* Who may answer through a UDP port that the guest has sent from: RFC 4787 section 5. */
enum udp_filter {
	UDP_FILTER_ENDPOINT, /* an address and port that it has sent to */
	UDP_FILTER_ADDRESS,  /* an address that it has sent to, from any port */
	UDP_FILTER_NONE,     /* anybody */
};

struct settings {
	enum target target;
	pid_t pid;	       /* TARGET_PID */
	const char *path;      /* TARGET_PATH: namespace; TARGET_BESS: socket */
	int ns_fd;	       /* TARGET_NETNS_FD */
	int tapfd;	       /* TARGET_TAPFD */
	int tap_from;	       /* TARGET_TAP_FROM: a connected Unix socket; FD_NONE */
	enum link_kind link;   /* TARGET_LINK: what its socket carries */
	const char *link_path; /* TARGET_LINK: where to listen; NULL: link_fd */
	int link_fd;	       /* a connected or listening socket that the caller opened; FD_NONE */
	const char *userns_path; /* NULL: that of the pid, or none */
	const char *tap_name;	 /* where we make the TAP */
	bool wait;		 /* for the namespace to appear */
	bool exit_with;		 /* TARGET_PID: end when the process does */

	bool compat; /* say on the way what slirp4netns says */

	bool configure; /* bring the interface up with an address and a route */
	unsigned mtu;
	bool offloads; /* large segments and partial checksums, where the TAP can do them */
	bool has_mac;
	struct mac mac;
	struct addrplan plan;
	bool ipv6;
	bool static6; /* configure sets plan.guest6, in place of what SLAAC makes of the MAC */

	bool native_tcp;    /* TCP by net/tcp.h; else by libslirp */
	unsigned tcp_flows; /* native_tcp: connections at once */

	bool native_udp; /* UDP by net/udp.h; else by libslirp */
	enum udp_filter udp_filter;
	unsigned udp_bindings;	/* native_udp: bindings and sessions at once */
	unsigned udp_timeout_s; /* the end of one that nobody uses */

	bool host_loopback;		/* the gateway address leads to the host's 127.0.0.1 */
	bool guest_loopback;		/* forwards may lead to the guest's own loopback */
	bool dns;			/* the DNS address leads to the host's resolver */
	struct ip outbound4, outbound6; /* IP_NONE: the kernel chooses */

	const char *const *publish; /* texts that portspec_parse() takes */
	size_t publish_count;

	const char *api_path;  /* NULL: no API socket */
	int ready_fd, exit_fd; /* FD_NONE */
	const char *pcap_path; /* NULL: nothing is captured */
	uint64_t pcap_limit_bytes;
	bool sandbox;
	bool seccomp;
};

/* Of TARGET_LINK and TARGET_BESS. */
static inline enum link_kind settings_link_kind(const struct settings *settings)
{
	return settings->target == TARGET_BESS ? LINK_BESS : settings->link;
}

/* The IPv6 address of the guest, whose interface has @mac. */
static inline struct ip settings_guest6(const struct settings *settings, const struct mac *mac)
{
	const struct addrplan *plan = &settings->plan;

	return (struct ip){
		.family = IP_V6,
		.v6 = settings->static6 ? plan->guest6 : ip6_slaac(&plan->prefix6, mac),
	};
}

#endif
