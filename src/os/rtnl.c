#include "os/rtnl.h"

#include <errno.h>
#include <glib.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>

#define MESSAGE_MAX 512 /* bytes; the largest request here has under 100, and an ACK echoes it */

struct rtnl {
	struct mnl_socket *socket; /* owned */
	unsigned seq;
	char buffer[MESSAGE_MAX]; /* the request being built, then its answer */
};

int rtnl_open(struct rtnl **ret)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct rtnl *rtnl;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;

		mnl_socket_close(socket);
		return error;
	}
	rtnl = g_new0(struct rtnl, 1);
	rtnl->socket = socket;
	*ret = rtnl;
	return 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (!rtnl)
		return;
	mnl_socket_close(rtnl->socket);
	g_free(rtnl);
}

static struct nlmsghdr *begin(struct rtnl *rtnl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(rtnl->buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	message->nlmsg_seq = ++rtnl->seq;
	return message;
}

/* Send, and wait for the kernel's verdict. */
static int transact(struct rtnl *rtnl, const struct nlmsghdr *message)
{
	unsigned port = mnl_socket_get_portid(rtnl->socket);
	ssize_t got;

	if (mnl_socket_sendto(rtnl->socket, message, message->nlmsg_len) < 0)
		return -errno;
	do
		got = mnl_socket_recvfrom(rtnl->socket, rtnl->buffer, sizeof(rtnl->buffer));
	while (got < 0 && errno == EINTR);
	if (got < 0 || mnl_cb_run(rtnl->buffer, (size_t)got, rtnl->seq, port, NULL, NULL) < 0)
		return -errno;
	return 0;
}

static struct nlmsghdr *begin_link(struct rtnl *rtnl, unsigned ifindex, struct ifinfomsg **ret)
{
	struct nlmsghdr *message = begin(rtnl, RTM_NEWLINK, 0);
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));

	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)ifindex;
	*ret = link;
	return message;
}

int rtnl_link_up(struct rtnl *rtnl, unsigned ifindex)
{
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin_link(rtnl, ifindex, &link);

	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	return transact(rtnl, message);
}

int rtnl_link_set_mtu(struct rtnl *rtnl, unsigned ifindex, unsigned mtu)
{
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin_link(rtnl, ifindex, &link);

	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	return transact(rtnl, message);
}

int rtnl_link_set_mac(struct rtnl *rtnl, unsigned ifindex, const struct mac *mac)
{
	struct ifinfomsg *link;
	struct nlmsghdr *message = begin_link(rtnl, ifindex, &link);

	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac->b), mac->b);
	return transact(rtnl, message);
}

int rtnl_add_address4(struct rtnl *rtnl, unsigned ifindex, const struct ip4 *address,
		      const struct ip4_net *net)
{
	struct nlmsghdr *message = begin(rtnl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	struct ip4 broadcast = ip4_broadcast(net);

	header->ifa_family = AF_INET;
	header->ifa_prefixlen = (uint8_t)net->prefix;
	header->ifa_scope = RT_SCOPE_UNIVERSE;
	header->ifa_index = ifindex;
	mnl_attr_put(message, IFA_LOCAL, sizeof(address->b), address->b);
	mnl_attr_put(message, IFA_ADDRESS, sizeof(address->b), address->b);
	mnl_attr_put(message, IFA_BROADCAST, sizeof(broadcast.b), broadcast.b);
	return transact(rtnl, message);
}

int rtnl_add_address6(struct rtnl *rtnl, unsigned ifindex, const struct ip6 *address,
		      unsigned prefix)
{
	struct nlmsghdr *message = begin(rtnl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->ifa_family = AF_INET6;
	header->ifa_prefixlen = (uint8_t)prefix;
	header->ifa_flags = IFA_F_NODAD;
	header->ifa_scope = RT_SCOPE_UNIVERSE;
	header->ifa_index = ifindex;
	mnl_attr_put(message, IFA_LOCAL, sizeof(address->b), address->b);
	mnl_attr_put(message, IFA_ADDRESS, sizeof(address->b), address->b);
	return transact(rtnl, message);
}

static int add_default_route(struct rtnl *rtnl, unsigned ifindex, uint8_t family,
			     const void *gateway, size_t len)
{
	struct nlmsghdr *message = begin(rtnl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	int r;

	route->rtm_family = family;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_BOOT;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	mnl_attr_put(message, RTA_GATEWAY, len, gateway);
	mnl_attr_put_u32(message, RTA_OIF, ifindex);
	r = transact(rtnl, message);
	return r == -EEXIST ? 0 : r;
}

int rtnl_add_default_route4(struct rtnl *rtnl, unsigned ifindex, const struct ip4 *gateway)
{
	return add_default_route(rtnl, ifindex, AF_INET, gateway->b, sizeof(gateway->b));
}

int rtnl_add_default_route6(struct rtnl *rtnl, unsigned ifindex, const struct ip6 *gateway)
{
	return add_default_route(rtnl, ifindex, AF_INET6, gateway->b, sizeof(gateway->b));
}
