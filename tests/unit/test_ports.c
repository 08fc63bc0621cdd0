/* net/ports: which listeners an entry has. The host is a list of what has been bound. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/resource.h>

#include "net/forward.h"
#include "net/ports.h"
#include "net/settings.h"
#include "net/slirp.h"
#include "net/tally.h"
#include "net/tcp.h"
#include "net/udp.h"

#define BOUND_MAX 64
#define CHOSEN 40000 /* the port that the host chooses first */

struct forward {
	enum transport proto;
	struct ip host, guest;
	uint16_t port, guest_port;
	struct tally *tally;
};

static struct world {
	struct settings settings;
	struct ports *ports;
	struct forward *bound[BOUND_MAX];
	size_t count;
	uint16_t next_chosen;
	int refusal; /* what the host says for the port below */
	uint16_t refused_port;
	const struct tally *dropped;
	int paths;	  /* Unix sockets that are open */
	int path_refusal; /* what is said of one more */
	bool no_ip6;
	bool unbounded; /* nothing is ever in use, and it is not noted */
} w;

int __wrap_forward_listen(const struct forward_context *context, const struct forward_spec *spec,
			  struct forward **ret);
int __wrap_forward_serve(const struct forward_context *context, int fd,
			 const struct forward_spec *spec, struct forward **ret);
uint16_t __wrap_forward_port(const struct forward *forward);
void __wrap_forward_close(struct forward *forward);
int __wrap_slirp_stack_add_forward(struct slirp *slirp, struct forward_spec *forward);
int __wrap_slirp_stack_remove_forward(struct slirp *slirp, const struct forward_spec *forward);
size_t __wrap_tcp_drop(struct tcp *tcp, const struct tally *tally);
int __wrap_udp_forward_listen(struct udp *udp, const struct forward_spec *spec, struct tally *tally,
			      struct udp_forward **ret);
uint16_t __wrap_udp_forward_port(const struct udp_forward *forward);
void __wrap_udp_forward_close(struct udp_forward *forward);

static bool overlap(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && (ip_equal(a, b) || ip_is_any(a) || ip_is_any(b));
}

static int bind_here(enum transport proto, const struct forward_spec *spec, struct forward **ret)
{
	struct forward new = {
		.proto = proto,
		.host = spec->host_addr,
		.guest = spec->guest_addr,
		.port = spec->host_port ? spec->host_port : w.next_chosen++,
		.guest_port = spec->guest_port,
	};

	if (w.no_ip6 && new.host.family == IP_V6)
		return -EAFNOSUPPORT;
	if (w.refusal != 0 && new.port == w.refused_port)
		return w.refusal;
	for (size_t i = 0; i < w.count; i++) {
		if (w.bound[i]->proto == proto &&
		    w.bound[i]->port == new.port &&overlap(&w.bound[i]->host, &new.host))
			return -EADDRINUSE;
	}
	if (w.unbounded) {
		*ret = g_memdup2(&new, sizeof(new));
		return 0;
	}
	g_assert_cmpuint(w.count, <, BOUND_MAX);
	*ret = w.bound[w.count++] = g_memdup2(&new, sizeof(new));
	return 0;
}

static void unbind(struct forward *forward)
{
	if (w.unbounded) {
		g_free(forward);
		return;
	}
	for (size_t i = 0; i < w.count; i++) {
		if (w.bound[i] != forward)
			continue;
		w.bound[i] = w.bound[--w.count];
		g_free(forward);
		return;
	}
	g_assert_not_reached();
}

int __wrap_forward_listen(const struct forward_context *context, const struct forward_spec *spec,
			  struct forward **ret)
{
	int r = bind_here(TRANSPORT_TCP, spec, ret);

	if (r == 0)
		(*ret)->tally = context->tally;
	return r;
}

int __wrap_forward_serve(const struct forward_context *context, int fd,
			 const struct forward_spec *spec, struct forward **ret)
{
	struct forward_spec nowhere = *spec;

	(void)context;
	g_assert_cmpint(fd, ==, 100);
	nowhere.host_port = 1;
	return bind_here(TRANSPORT_TCP, &nowhere, ret);
}

uint16_t __wrap_forward_port(const struct forward *forward)
{
	return forward->port;
}

void __wrap_forward_close(struct forward *forward)
{
	unbind(forward);
}

int __wrap_slirp_stack_add_forward(struct slirp *slirp, struct forward_spec *forward)
{
	struct forward *bound;
	int r = bind_here(TRANSPORT_UDP, forward, &bound);

	(void)slirp;
	if (r == 0)
		forward->host_port = bound->port;
	return r;
}

int __wrap_slirp_stack_remove_forward(struct slirp *slirp, const struct forward_spec *forward)
{
	(void)slirp;
	for (size_t i = 0; i < w.count; i++) {
		if (w.bound[i]->proto == TRANSPORT_UDP && w.bound[i]->port == forward->host_port &&
		    ip_equal(&w.bound[i]->host, &forward->host_addr)) {
			unbind(w.bound[i]);
			return 0;
		}
	}
	g_assert_not_reached();
}

int __wrap_udp_forward_listen(struct udp *udp, const struct forward_spec *spec, struct tally *tally,
			      struct udp_forward **ret)
{
	struct forward *forward = NULL;
	int r = bind_here(TRANSPORT_UDP, spec, &forward);

	(void)udp;
	g_assert_nonnull(tally);
	*ret = (struct udp_forward *)(void *)forward;
	return r;
}

uint16_t __wrap_udp_forward_port(const struct udp_forward *forward)
{
	return ((const struct forward *)(const void *)forward)->port;
}

void __wrap_udp_forward_close(struct udp_forward *forward)
{
	unbind((struct forward *)(void *)forward);
}

size_t __wrap_tcp_drop(struct tcp *tcp, const struct tally *tally)
{
	g_assert_nonnull(tcp);
	w.dropped = tally;
	return 1;
}

static int open_path(const char *path, void *data)
{
	(void)path;
	(void)data;
	if (w.path_refusal != 0)
		return w.path_refusal;
	w.paths++;
	return 100;
}

static void close_path(int fd, void *data)
{
	(void)data;
	g_assert_cmpint(fd, ==, 100);
	w.paths--;
}

static void start_with(bool ipv6, bool own_tcp, bool own_udp)
{
	static char stack; /* only its address counts */
	const struct ports_stacks stacks = {
		.tcp = own_tcp ? (struct tcp *)(void *)&stack : NULL,
		.udp = own_udp ? (struct udp *)(void *)&stack : NULL,
		.open_path = open_path,
		.close_path = close_path,
	};
	struct ip guest6 = { .family = IP_NONE };
	char error[ADDRPLAN_ERROR_MAX];

	w = (struct world){ .settings = { .ipv6 = ipv6 }, .next_chosen = CHOSEN };
	if (ipv6)
		g_assert_true(ip_parse("fd00::100", &guest6));
	g_assert_true(addrplan_parse("10.0.2.0/24", &w.settings.plan, error));
	w.ports = ports_new(&stacks, &w.settings, &guest6);
}

static void start(bool ipv6)
{
	start_with(ipv6, true, false);
}

static void finish(void)
{
	ports_free(w.ports);
	while (w.count > 0)
		unbind(w.bound[0]); /* libslirp keeps its own */
	g_assert_cmpint(w.paths, ==, 0);
}

static int try_add(const char *text, uint64_t *ret_id, char error[PORTS_ERROR_MAX])
{
	struct portspec specs[TRANSPORTS];
	const char *wrong = NULL;

	g_test_message("%s", text);
	g_assert_cmpuint(portspec_parse(text, specs, &wrong), ==, 1);
	return ports_add(w.ports, &specs[0], ret_id, error);
}

static uint64_t add(const char *text)
{
	char error[PORTS_ERROR_MAX];
	uint64_t id;

	g_assert_cmpint(try_add(text, &id, error), ==, 0);
	return id;
}

static void expect_refusal(const char *text, int refusal, const char *reason)
{
	char error[PORTS_ERROR_MAX] = "";
	const struct ports_stats before = ports_stats(w.ports);
	struct ports_stats after;
	uint64_t id = 77;

	g_assert_cmpint(try_add(text, &id, error), ==, refusal);
	g_assert_cmpstr(error, ==, reason);
	g_assert_cmpuint(id, ==, 77);
	after = ports_stats(w.ports);
	g_assert_cmpuint(before.forwards, ==, after.forwards);
	g_assert_cmpuint(before.listeners, ==, after.listeners);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What has been bound, as "host port>guest port" in the order of the texts. */
static void expect_bound(const char *wanted)
{
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *all = NULL;

	for (size_t i = 0; i < w.count; i++) {
		const struct forward *f = w.bound[i];
		char host[IP_TEXT_MAX], guest[IP_TEXT_MAX];

		g_ptr_array_add(texts, g_strdup_printf("%s%s %u>%s %u",
						       f->proto == TRANSPORT_UDP ? "udp " : "",
						       ip_format(&f->host, host), f->port,
						       ip_format(&f->guest, guest), f->guest_port));
	}
	if (texts->len > 0)
		qsort(texts->pdata, texts->len, sizeof(char *), compare_texts);
	g_ptr_array_add(texts, NULL);
	all = g_strjoinv("; ", (char **)texts->pdata);
	g_assert_cmpstr(all, ==, wanted);
	g_assert_cmpuint(ports_stats(w.ports).listeners, ==, w.count);
}

static void test_defaults(void)
{
	static const struct {
		const char *text, *bound;
		bool ipv6;
	} cases[] = {
		{ "80", "0.0.0.0 80>10.0.2.100 80", false },
		{ "80", "0.0.0.0 80>10.0.2.100 80; :: 80>fd00::100 80", true },
		{ "80/udp", "udp 0.0.0.0 80>10.0.2.100 80; udp :: 80>fd00::100 80", true },
		{ "[::]:80:80", "0.0.0.0 80>10.0.2.100 80; :: 80>fd00::100 80", true },
		{ "[::]:80:[fd00::5]:80", ":: 80>fd00::5 80", true },
		{ "[::1]:80:80", "::1 80>fd00::100 80", true },
		{ "80:[fd00::5]:80", ":: 80>fd00::5 80", true },
		{ "80:10.0.2.5:80", "0.0.0.0 80>10.0.2.5 80", true },
		{ "0.0.0.0:80:80", "0.0.0.0 80>10.0.2.100 80", true },
		{ "1-3:4-6",
		  "0.0.0.0 1>10.0.2.100 4; 0.0.0.0 2>10.0.2.100 5; 0.0.0.0 3>10.0.2.100 6", false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		start(cases[i].ipv6);
		g_assert_cmpuint(add(cases[i].text), ==, 1);
		expect_bound(cases[i].bound);
		g_assert_cmpint(ports_remove(w.ports, 1, false), ==, 0);
		expect_bound("");
		g_assert_cmpint(ports_remove(w.ports, 1, false), ==, -ENOENT);
		finish();
	}
}

static void test_families(void)
{
	start(false);
	expect_refusal("[::]:80:80", -EPROTONOSUPPORT, "IPv6 is not switched on");
	expect_refusal("80:[fd00::5]:80", -EPROTONOSUPPORT, "IPv6 is not switched on");
	expect_refusal("127.0.0.1:80:[fd00::5]:80", -EAFNOSUPPORT,
		       "the guest address is not of the family of the host address");
	finish();
	start(true);
	expect_refusal("[::1]:80:10.0.2.5:80", -EAFNOSUPPORT,
		       "the guest address is not of the family of the host address");
	expect_bound("");
	finish();
}

/* A kernel without IPv6: it is missed only by who asks for it. */
static void test_host_without_ip6(void)
{
	start(true);
	w.no_ip6 = true;
	add("80");
	expect_bound("0.0.0.0 80>10.0.2.100 80");
	expect_refusal("[::]:81:81", -EPROTONOSUPPORT,
		       "tcp [::]:81: Address family not supported by protocol");
	finish();
}

/* One port of a range fails, wherever it is: nothing stays. */
static void test_all_or_nothing(void)
{
	for (uint16_t port = 8000; port <= 8004; port++) {
		g_autofree char *text =
			g_strdup_printf("tcp [::]:%u: Address already in use", port);

		start(true);
		w.refusal = -EADDRINUSE;
		w.refused_port = port;
		expect_refusal("8000-8004:9000-9004", -EADDRINUSE, text);
		expect_bound("");
		finish();
	}
	start(false);
	add("127.0.0.1:8002:80");
	expect_refusal("8000-8004/tcp", -EADDRINUSE, "tcp 0.0.0.0:8002: Address already in use");
	expect_bound("127.0.0.1 8002>10.0.2.100 80");
	g_assert_cmpuint(add("8003"), ==, 2); /* a refusal uses no id */
	finish();
}

static void test_hints(void)
{
	start(false);
	w.refused_port = 80;
	w.refusal = -EACCES;
	expect_refusal("80", -EACCES,
		       "tcp 0.0.0.0:80: Permission denied (the sysctl "
		       "net.ipv4.ip_unprivileged_port_start is the first port that needs no "
		       "privilege)");
	w.refusal = -EADDRNOTAVAIL;
	expect_refusal("192.0.2.9:80:80/udp", -EADDRNOTAVAIL,
		       "udp 192.0.2.9:80: Cannot assign requested address (it is no address of "
		       "this host)");
	finish();
}

/* Callers publish at 0.0.0.0 and at ::, in either order, and both are to succeed. */
static void test_both_orders(void)
{
	static const char bound[] = "0.0.0.0 80>10.0.2.7 80; :: 80>fd00::100 80";

	start(true);
	add("80");
	g_assert_cmpint(ports_get(w.ports, 0)->guest4.family, ==, IP_V4);
	add("0.0.0.0:80:10.0.2.7:80");
	g_assert_cmpint(ports_get(w.ports, 0)->guest4.family, ==, IP_NONE);
	expect_bound(bound);
	g_assert_cmpint(ports_remove(w.ports, 2, false), ==, 0);
	expect_bound(":: 80>fd00::100 80"); /* it does not come back */
	finish();
	start(true);
	add("0.0.0.0:80:10.0.2.7:80");
	add("80");
	g_assert_cmpint(ports_get(w.ports, 1)->guest4.family, ==, IP_NONE);
	expect_bound(bound);
	g_assert_cmpint(ports_remove(w.ports, 2, false), ==, 0);
	expect_bound("0.0.0.0 80>10.0.2.7 80");
	finish();
}

/* The same where only one address or some ports of a range are asked for. */
static void test_gives_way_in_part(void)
{
	start(true);
	add("1-3");
	add("127.0.0.1:2:80");
	expect_bound("0.0.0.0 1>10.0.2.100 1; 0.0.0.0 3>10.0.2.100 3; 127.0.0.1 2>10.0.2.100 80; "
		     ":: 1>fd00::100 1; :: 2>fd00::100 2; :: 3>fd00::100 3");
	g_assert_cmpint(ports_get(w.ports, 0)->guest4.family, ==, IP_V4);
	g_assert_cmpint(ports_remove(w.ports, 1, false), ==, 0);
	expect_bound("127.0.0.1 2>10.0.2.100 80");
	finish();
}

/* What was taken over for a forward that fails in the end is given back. */
static void test_given_back(void)
{
	static const char bound[] = "0.0.0.0 80>10.0.2.100 80; :: 80>fd00::100 80";

	start(true);
	add("80");
	w.refusal = -EADDRINUSE;
	w.refused_port = 81;
	expect_refusal("0.0.0.0:80-81:80-81", -EADDRINUSE,
		       "tcp 0.0.0.0:81: Address already in use");
	expect_bound(bound);
	g_assert_cmpint(ports_get(w.ports, 0)->guest4.family, ==, IP_V4);
	finish();
}

/* Nothing gives way to another entry on ::, nor to a stranger's IPv4 listener. */
static void test_no_way_given(void)
{
	const struct forward_spec strangers = { .host_addr = { .family = IP_V4 }, .host_port = 81 };
	struct forward *stranger;

	start(true);
	add("80");
	expect_refusal("80", -EADDRINUSE, "tcp [::]:80: Address already in use");
	g_assert_cmpint(bind_here(TRANSPORT_TCP, &strangers, &stranger), ==, 0);
	expect_refusal("81", -EADDRINUSE, "tcp 0.0.0.0:81: Address already in use");
	unbind(stranger);
	finish();
}

static void test_port_chosen(void)
{
	start(false);
	add("0:80");
	add("0:53/udp");
	expect_bound("0.0.0.0 40000>10.0.2.100 80; udp 0.0.0.0 40001>10.0.2.100 53");
	g_assert_cmpuint(ports_find(w.ports, 1)->spec.host_port, ==, CHOSEN);
	g_assert_cmpuint(ports_find(w.ports, 2)->spec.host_port, ==, CHOSEN + 1);
	g_assert_null(ports_find(w.ports, 3));
	g_assert_cmpint(ports_remove(w.ports, 2, false), ==, 0);
	finish();
	/* One that is free in both families. */
	start(true);
	add("0.0.0.0:40000:80");
	add("0:80");
	expect_bound("0.0.0.0 40000>10.0.2.100 80; 0.0.0.0 40001>10.0.2.100 80; "
		     ":: 40001>fd00::100 80");
	finish();
}

static void test_unix(void)
{
	start(true);
	add("unix:/x:80");
	expect_bound("0.0.0.0 1>10.0.2.100 80");
	g_assert_cmpint(w.paths, ==, 1);
	g_assert_cmpstr(ports_get(w.ports, 0)->spec.host_path, ==, "/x");
	add("80"); /* no port is in its way, nor it in one's */
	g_assert_cmpint(ports_remove(w.ports, 1, false), ==, 0);
	g_assert_cmpint(w.paths, ==, 0);
	w.path_refusal = -ENOSYS;
	expect_refusal("unix:/y:80", -ENOSYS,
		       "unix:/y: Function not implemented (the process is confined: only --publish "
		       "can make one)");
	w.path_refusal = -EMFILE;
	expect_refusal(
		"unix:/y:80", -EMFILE,
		"unix:/y: Too many open files (or there are as many Unix sockets as there may "
		"be)");
	w.path_refusal = 0;
	w.refusal = -ENOMEM;
	w.refused_port = 1;
	expect_refusal("unix:/y:80", -ENOMEM, "unix:/y: Cannot allocate memory");
	g_assert_cmpint(w.paths, ==, 0);
	finish();
}

static void test_drop(void)
{
	const struct tally *tally;

	start(false);
	add("80");
	add("81");
	add("82/udp");
	tally = ports_get(w.ports, 1)->tally;
	g_assert_nonnull(tally);
	g_assert_null(ports_get(w.ports, 2)->tally);
	g_assert_cmpint(ports_remove(w.ports, 1, false), ==, 0);
	g_assert_null(w.dropped);
	g_assert_cmpint(ports_remove(w.ports, 2, true), ==, 0);
	g_assert_true(w.dropped == tally);
	g_assert_cmpint(ports_remove(w.ports, 3, true), ==, 0);
	finish();
}

/* It is counted; but it has no connections that could be dropped, and TCP has no part in it. */
static void test_own_udp(void)
{
	start_with(true, false, true);
	add("82/udp");
	add("0:53/udp");
	expect_bound("udp 0.0.0.0 40000>10.0.2.100 53; udp 0.0.0.0 82>10.0.2.100 82; "
		     "udp :: 40000>fd00::100 53; udp :: 82>fd00::100 82");
	g_assert_nonnull(ports_get(w.ports, 0)->tally);
	g_assert_cmpint(ports_remove(w.ports, 1, true), ==, 0);
	g_assert_cmpint(ports_remove(w.ports, 2, false), ==, 0);
	expect_bound("");
	g_assert_null(w.dropped);
	finish();
}

/* A range that the open files have no room for is refused before anything is opened. */
static void test_limits(void)
{
	struct rlimit before, few;

	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
	few = (struct rlimit){ 10 + 10 / 3, before.rlim_max }; /* a quarter is for others */
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
	start(true);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
	w.refusal = -EIO; /* so that it would be seen */
	w.refused_port = 1;
	expect_refusal("1-6", -EMFILE,
		       "12 listeners are more than the limit of open files has room for: 10 in "
		       "all, 0 are in use");
	g_assert_cmpuint(ports_stats(w.ports).drops[PORTS_DROP_LISTENERS], ==, 1);
	add("2-6");
	expect_refusal("7", -EMFILE,
		       "2 listeners are more than the limit of open files has room for: 10 in "
		       "all, 10 are in use");
	g_assert_cmpint(ports_remove(w.ports, 1, false), ==, 0);
	add("7");
	finish();
}

static void test_table_full(void)
{
	struct portspec spec = { .proto = TRANSPORT_TCP, .guest_port = 80, .count = 1 };
	char error[PORTS_ERROR_MAX];
	uint64_t id;

	start(false);
	w.unbounded = true;
	for (unsigned i = 1; i <= PORTS_MAX; i++) {
		spec.host_port = (uint16_t)i;
		g_assert_cmpint(ports_add(w.ports, &spec, &id, error), ==, 0);
		g_assert_cmpuint(id, ==, i);
	}
	expect_refusal("5000", -EMFILE, "there are 4096 forwards already");
	g_assert_cmpuint(ports_stats(w.ports).drops[PORTS_DROP_FORWARDS], ==, 1);
	g_assert_cmpuint(ports_get(w.ports, PORTS_MAX - 1)->id, ==, PORTS_MAX);
	g_assert_null(ports_get(w.ports, PORTS_MAX));
	finish();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ports/defaults", test_defaults);
	g_test_add_func("/ports/families", test_families);
	g_test_add_func("/ports/host-without-ip6", test_host_without_ip6);
	g_test_add_func("/ports/all-or-nothing", test_all_or_nothing);
	g_test_add_func("/ports/hints", test_hints);
	g_test_add_func("/ports/both-orders", test_both_orders);
	g_test_add_func("/ports/gives-way-in-part", test_gives_way_in_part);
	g_test_add_func("/ports/given-back", test_given_back);
	g_test_add_func("/ports/no-way-given", test_no_way_given);
	g_test_add_func("/ports/port-chosen", test_port_chosen);
	g_test_add_func("/ports/unix", test_unix);
	g_test_add_func("/ports/drop", test_drop);
	g_test_add_func("/ports/own-udp", test_own_udp);
	g_test_add_func("/ports/limits", test_limits);
	g_test_add_func("/ports/table-full", test_table_full);
	return g_test_run();
}
