/* os/tap and net/link: TAPs in a network namespace of the test's own, where the kernel is the judge. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <linux/virtio_net.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/link.h"
#include "os/tap.h"
#include "wire/checksum.h"
#include "wire/tcpseg.h"
#include "wire/udpgram.h"

#define GUEST 0x0a000264 /* 10.0.2.100 */
#define GATEWAY 0x0a000202
#define PORT 80
#define WAIT_MS 5000
#define MSS 1460
#define BULK 20000
#define DATAGRAM 1000
#define TCP_CHECKSUM 16
#define USO 0x60 /* TUN_F_USO4, TUN_F_USO6: kernel headers have them from 6.2 on */

static const struct mac gateway_mac = { { 0x52, 0x55, 10, 0, 2, 2 } };

/* Into a network namespace of our own. False: this system does not let us, or has no TAPs. */
static bool enter_namespace(void)
{
	if (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
		if (access("/dev/net/tun", R_OK | W_OK) == 0)
			return true;
	}
	g_test_skip("needs a network namespace and /dev/net/tun");
	return false;
}

static void set_address(struct sockaddr *at, uint32_t host)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };

	memcpy(at, &sin, sizeof(sin));
}

/* As the helper does with -c, and an ARP entry for the gateway. Down first: the carrier of one that
 * is up and changes owner comes back some time later, and frames are lost until then.
 */
static void configure(const char *name)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = { 0 };
	struct arpreq arp = { .arp_flags = ATF_PERM | ATF_COM };

	g_strlcpy(ifr.ifr_name, name, sizeof(ifr.ifr_name));
	g_assert_cmpint(ioctl(sock, SIOCSIFFLAGS, &ifr), ==, 0);
	set_address(&ifr.ifr_addr, GUEST);
	g_assert_cmpint(ioctl(sock, SIOCSIFADDR, &ifr), ==, 0);
	set_address(&ifr.ifr_netmask, 0xffffff00);
	g_assert_cmpint(ioctl(sock, SIOCSIFNETMASK, &ifr), ==, 0);
	ifr.ifr_flags = IFF_UP;
	g_assert_cmpint(ioctl(sock, SIOCSIFFLAGS, &ifr), ==, 0);
	set_address(&arp.arp_pa, GATEWAY);
	arp.arp_ha.sa_family = ARPHRD_ETHER;
	memcpy(arp.arp_ha.sa_data, gateway_mac.b, sizeof(gateway_mac.b));
	g_strlcpy(arp.arp_dev, name, sizeof(arp.arp_dev));
	g_assert_cmpint(ioctl(sock, SIOCSARP, &arp), ==, 0);
	close(sock);
}

/* The next frame of the protocol; the kernel sends others by itself. */
static size_t await(struct link *link, uint8_t proto, uint8_t *buffer, struct frame *ret,
		    struct link_info *ret_info)
{
	struct pollfd fd = { .fd = link->fd, .events = POLLIN };

	for (;;) {
		ssize_t len;

		g_assert_cmpint(poll(&fd, 1, WAIT_MS), ==, 1);
		len = link_receive(link, buffer, FRAME_MAX + 1, ret_info);
		g_assert_cmpint(len, >, 0);
		if (frame_parse(buffer, (size_t)len, ret) == FRAME_OK && ret->kind == FRAME_IP4 &&
		    ret->proto == proto)
			return (size_t)len;
	}
}

static int guest_socket(int type)
{
	int sock = socket(AF_INET, type | SOCK_NONBLOCK, 0);
	struct sockaddr gateway;

	set_address(&gateway, GATEWAY);
	((struct sockaddr_in *)(void *)&gateway)->sin_port = htons(PORT);
	if (connect(sock, &gateway, sizeof(gateway)) < 0)
		g_assert_cmpint(errno, ==, EINPROGRESS);
	return sock;
}

/* Whether the guest's frames come with the checksum that they are to have on a wire. */
static bool udp_is_complete(struct link *link)
{
	g_autofree uint8_t *buffer = g_malloc(FRAME_MAX + 1);
	struct frame frame;
	struct link_info info;
	int sock = guest_socket(SOCK_DGRAM);
	uint64_t sum;

	g_assert_cmpint(send(sock, "data", 4, 0), ==, 4);
	await(link, IPPROTO_UDP, buffer, &frame, &info);
	close(sock);
	g_assert_cmpint(info.checksum_partial, <=, link->vnet_hdr);
	if (info.checksum_partial) {
		g_assert_cmpuint(info.csum_start, ==, frame.transport);
		g_assert_cmpuint(info.csum_offset, ==, 6);
	}
	sum = checksum_add_pseudo(0, &frame.src, &frame.dst, IPPROTO_UDP,
				  (uint32_t)frame.transport_len);
	sum = checksum_add(sum, buffer + frame.transport, frame.transport_len);
	return checksum_fold(sum) == 0xffff;
}

static void open_link(const char *name, enum tap_offloads offloads, struct link *ret)
{
	const char *what;
	struct tap tap;
	int r = tap_open(name, offloads, &tap, &what);

	g_test_message("%s: %s", what, g_strerror(-r));
	g_assert_cmpint(r, ==, 0);
	g_assert_cmpint(tap.vnet_hdr, ==, offloads != TAP_PLAIN);
	g_assert_true(!tap.uso || offloads == TAP_USO);
	*ret = LINK_NONE;
	link_attach(ret, tap.fd, tap.vnet_hdr, tap.uso);
	configure(tap.name);
}

/* A persistent TAP goes from owner to owner; each gets what it has asked for, whatever the one
 * before it did, and did not do because it was killed.
 */
static void test_persistent(void)
{
	struct link link;

	if (!enter_namespace())
		return;
	open_link("tap0", TAP_PLAIN, &link);
	g_assert_cmpint(ioctl(link.fd, TUNSETPERSIST, 1UL), ==, 0);
	g_assert_true(udp_is_complete(&link));
	link_close(&link);

	open_link("tap0", TAP_USO, &link);
	g_assert_false(udp_is_complete(&link));
	link_close(&link); /* as if killed */

	open_link("tap0", TAP_PLAIN, &link);
	g_assert_true(udp_is_complete(&link));
	link_close(&link);

	open_link("tap0", TAP_USO, &link);
	g_assert_false(udp_is_complete(&link));
	tap_reset_offloads(link.fd);
	link_close(&link);
}

static int open_raw(int flags)
{
	struct ifreq ifr = { .ifr_name = "tap0", .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(ioctl(fd, TUNSETIFF, &ifr), ==, 0);
	return fd;
}

/* The next owner is another program, that knows of no offloads. */
static void test_foreign_owner(void)
{
	struct link link;

	if (!enter_namespace())
		return;
	open_link("tap0", TAP_USO, &link);
	g_assert_cmpint(ioctl(link.fd, TUNSETPERSIST, 1UL), ==, 0);
	tap_reset_offloads(link.fd);
	link_close(&link);
	link_attach(&link, open_raw(IFF_TAP | IFF_NO_PI), false, false);
	configure("tap0");
	g_assert_true(udp_is_complete(&link));
	link_close(&link);
}

static void check_adopted(bool offloads, bool complete)
{
	const int fd = open_raw(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	int size = 12; /* as for multiqueue: struct virtio_net_hdr_mrg_rxbuf */
	struct link link = LINK_NONE;
	struct tap tap;

	g_assert_cmpint(ioctl(fd, TUNSETVNETHDRSZ, &size), ==, 0);
	g_assert_cmpint(tap_adopt(fd, offloads ? TAP_USO : TAP_PLAIN, &tap), ==, 0);
	g_assert_true(tap.vnet_hdr);
	link_attach(&link, tap.fd, tap.vnet_hdr, tap.uso);
	configure("tap0");
	g_assert_cmpint(udp_is_complete(&link), ==, complete);
	link_close(&link);
}

static void test_adopt(void)
{
	struct tap tap;
	int fd;

	if (!enter_namespace())
		return;
	check_adopted(true, false);
	check_adopted(false, true);
	fd = open_raw(IFF_TAP | IFF_NO_PI);
	g_assert_cmpint(tap_adopt(fd, TAP_USO, &tap), ==, 0);
	g_assert_false(tap.vnet_hdr);
	close(fd);
	fd = open_raw(IFF_TUN | IFF_NO_PI);
	g_assert_cmpint(tap_adopt(fd, TAP_USO, &tap), ==, -EINVAL);
	close(fd);
}

/* In a child: ioctl(TUNSETOFFLOAD) with any of these bits fails from now on. */
static bool refuse_offloads(uint32_t bits)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TUNSETOFFLOAD, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { G_N_ELEMENTS(filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What a kernel without these offloads gives to who asks for all. In a child, which ends with 0. */
static void open_without(uint32_t bits, bool vnet_hdr)
{
	struct link link = LINK_NONE;
	const char *what;
	struct tap tap;

	if (!refuse_offloads(bits) || tap_open("tap0", TAP_USO, &tap, &what) < 0)
		_exit(1);
	if (tap.vnet_hdr != vnet_hdr || tap.uso || strcmp(tap.name, "tap0") != 0)
		_exit(2);
	link_attach(&link, tap.fd, tap.vnet_hdr, tap.uso);
	configure(tap.name);
	_exit(udp_is_complete(&link) == vnet_hdr ? 3 : 0);
}

/* Without any the TAP is a plain one of the name that was asked for; before Linux 6.2 it has all but
 * those of UDP.
 */
static void test_fall_back(void)
{
	if (!enter_namespace())
		return;
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		int status;

		g_assert_cmpint(pid, >=, 0);
		if (pid == 0)
			open_without(i == 0 ? UINT32_MAX : USO, i != 0);
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
		g_assert_cmpint(status, ==, 0);
	}
}

/* A segment from the gateway, as the answer to @got, with its checksum left to the kernel. */
static void answer(struct link *link, const uint8_t *bytes, const struct frame *frame,
		   struct tcpseg *seg, const uint8_t *payload, size_t len)
{
	uint8_t headers[TCPSEG_HEADER_MAX];
	struct link_offload offload = { .csum_offset = TCP_CHECKSUM, .gso_size = MSS };
	struct mac guest;
	size_t header_len;

	memcpy(guest.b, bytes + 6, sizeof(guest.b));
	seg->src = frame->dst;
	seg->dst = frame->src;
	seg->payload = payload;
	seg->len = len;
	header_len = tcpseg_build(seg, &gateway_mac, &guest, true, headers);
	offload.csum_start = (uint16_t)tcpseg_transport_offset(seg);
	g_assert_true(link_send_segment(link, headers, header_len, payload, len, &offload));
}

static void receive_all(int sock, const uint8_t *expected, size_t len)
{
	g_autofree uint8_t *bytes = g_malloc(len);
	struct pollfd fd = { .fd = sock, .events = POLLIN };

	for (size_t have = 0; have < len;) {
		ssize_t got;

		g_assert_cmpint(poll(&fd, 1, WAIT_MS), ==, 1);
		got = recv(sock, bytes + have, len - have, 0);
		g_assert_cmpint(got, >, 0);
		have += (size_t)got;
	}
	g_assert_true(memcmp(bytes, expected, len) == 0);
}

/* One connection of the kernel's TCP: what it sends comes in segments larger than the MTU, and it
 * takes one that is, though nobody has computed a checksum.
 */
static void test_large_segments(void)
{
	g_autofree uint8_t *buffer = g_malloc(FRAME_MAX + 1), *bulk = g_malloc(BULK);
	struct link_info info;
	struct tcpseg syn, seg;
	struct frame frame;
	struct link link;
	size_t len;
	int sock;

	if (!enter_namespace())
		return;
	for (size_t i = 0; i < BULK; i++)
		bulk[i] = (uint8_t)(i * 7 + i / 251);
	open_link("tap0", TAP_USO, &link);
	sock = guest_socket(SOCK_STREAM);
	await(&link, IPPROTO_TCP, buffer, &frame, &info);
	g_assert_true(info.checksum_partial);
	g_assert_true(tcpseg_parse(buffer, &frame, &syn));
	g_assert_cmphex(syn.flags, ==, TCPSEG_SYN);

	seg = (struct tcpseg){ .sport = PORT,
			       .dport = syn.sport,
			       .seq = 1000,
			       .ack = syn.seq + 1,
			       .flags = TCPSEG_SYN | TCPSEG_ACK,
			       .window = 65535,
			       .mss = MSS,
			       .wscale = TCPSEG_WSCALE_NONE };
	answer(&link, buffer, &frame, &seg, NULL, 0);
	await(&link, IPPROTO_TCP, buffer, &frame, &info);

	g_assert_cmpint(send(sock, bulk, BULK, 0), ==, BULK);
	len = await(&link, IPPROTO_TCP, buffer, &frame, &info);
	g_assert_cmpuint(len, >, FRAME_ETHER_HEADER + 1500);
	g_assert_cmpuint(info.gso_size, ==, MSS);
	g_assert_cmpuint(info.gso_type, ==, VIRTIO_NET_HDR_GSO_TCPV4);
	g_assert_cmpuint(info.csum_start, ==, frame.transport);
	g_assert_cmpuint(info.csum_offset, ==, TCP_CHECKSUM);

	seg.seq++;
	seg.flags = TCPSEG_ACK | TCPSEG_PSH;
	seg.mss = 0;
	answer(&link, buffer, &frame, &seg, bulk, BULK);
	receive_all(sock, bulk, BULK);
	close(sock);
	link_close(&link);
}

static bool kernel_has_uso(void)
{
	const int fd = open_raw(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	const int r = ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | USO));

	close(fd);
	return r == 0;
}

/* Three datagrams of the gateway in one frame. */
static void send_datagrams(struct link *link, const uint8_t *question, const struct udpgram *got)
{
	static const uint8_t payload[2 * DATAGRAM + 1];
	const struct udpgram gram = {
		.src = got->dst,
		.dst = got->src,
		.sport = got->dport,
		.dport = got->sport,
		.ttl = 64,
		.dont_fragment = true,
		.payload = payload,
		.len = sizeof(payload),
	};
	const struct link_offload offload = {
		.csum_start = (uint16_t)udpgram_transport_offset(&gram),
		.csum_offset = UDPGRAM_CHECKSUM_OFFSET,
		.gso_size = DATAGRAM,
		.udp = true,
	};
	uint8_t headers[UDPGRAM_HEADER_MAX];
	struct mac guest;
	size_t len;

	memcpy(guest.b, question + 6, sizeof(guest.b));
	len = udpgram_build(&gram, &gateway_mac, &guest, true, headers);
	g_assert_true(link_send_segment(link, headers, len, payload, gram.len, &offload));
}

static void receive_datagram(int sock, ssize_t len)
{
	struct pollfd fd = { .fd = sock, .events = POLLIN };
	uint8_t bytes[2 * DATAGRAM];

	g_assert_cmpint(poll(&fd, 1, WAIT_MS), ==, 1);
	g_assert_cmpint(recv(sock, bytes, sizeof(bytes), 0), ==, len);
}

/* What a program of the guest sends in one call comes in one frame, and what
 * is sent to it in one frame is several datagrams. Only where both were asked for.
 */
static void test_large_datagrams(void)
{
	static const uint8_t payload[3 * DATAGRAM];
	g_autofree uint8_t *buffer = g_malloc(FRAME_MAX + 1);
	const int size = DATAGRAM;
	struct link_info info;
	struct udpgram gram;
	struct frame frame;
	struct link link;
	int sock;

	if (!enter_namespace())
		return;
	if (!kernel_has_uso()) {
		g_test_skip("needs Linux 6.2");
		return;
	}
	open_link("tap0", TAP_USO, &link);
	g_assert_true(link.uso);
	sock = guest_socket(SOCK_DGRAM);
	g_assert_cmpint(setsockopt(sock, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), ==, 0);
	g_assert_cmpint(send(sock, payload, sizeof(payload), 0), ==, sizeof(payload));
	await(&link, IPPROTO_UDP, buffer, &frame, &info);
	g_assert_true(info.checksum_partial);
	g_assert_cmpuint(info.csum_start, ==, frame.transport);
	g_assert_cmpuint(info.csum_offset, ==, UDPGRAM_CHECKSUM_OFFSET);
	g_assert_cmpuint(info.gso_type, ==, LINK_GSO_UDP);
	g_assert_cmpuint(info.gso_size, ==, DATAGRAM);
	g_assert_true(udpgram_parse(buffer, &frame, &gram));
	g_assert_cmpuint(gram.len, ==, sizeof(payload));
	send_datagrams(&link, buffer, &gram);
	receive_datagram(sock, DATAGRAM);
	receive_datagram(sock, DATAGRAM);
	receive_datagram(sock, 1);
	close(sock);
	tap_reset_offloads(link.fd);
	link_close(&link);

	open_link("tap1", TAP_VNET_HDR, &link);
	sock = guest_socket(SOCK_DGRAM);
	g_assert_cmpint(setsockopt(sock, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), ==, 0);
	g_assert_cmpint(send(sock, payload, sizeof(payload), 0), ==, sizeof(payload));
	for (int i = 0; i < 3; i++) {
		await(&link, IPPROTO_UDP, buffer, &frame, &info);
		g_assert_cmpuint(info.gso_type, ==, 0);
		g_assert_true(udpgram_parse(buffer, &frame, &gram));
		g_assert_cmpuint(gram.len, ==, DATAGRAM);
	}
	close(sock);
	link_close(&link);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tap/persistent", test_persistent);
	g_test_add_func("/tap/foreign-owner", test_foreign_owner);
	g_test_add_func("/tap/adopt", test_adopt);
	g_test_add_func("/tap/fall-back", test_fall_back);
	g_test_add_func("/tap/large-segments", test_large_segments);
	g_test_add_func("/tap/large-datagrams", test_large_datagrams);
	return g_test_run();
}
