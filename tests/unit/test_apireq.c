/* wire/apireq: where a request ends, and what each mistake in it is called. */
#include <glib.h>
#include <string.h>

#include "wire/apireq.h"

static void test_scan(void)
{
	static const struct {
		const char *text;
		size_t end; /* bytes until complete; 0: never */
	} cases[] = {
		{ "{}", 2 },
		{ " \n{\"a\":{\"b\":[1,2]}} tail", 19 },
		{ "{\"a\":\"}\"}", 9 },
		{ "{\"a\":\"\\\"}\"}", 11 },
		{ "{\"a\":\"\\\\\"}", 10 },
		{ "[[]]", 4 },
		{ "\"text\"", 6 },
		{ "12", 1 },
		{ "x", 1 },
		{ "}", 1 },
		{ "", 0 },
		{ "   ", 0 },
		{ "{\"a\":", 0 },
		{ "{\"a\":\"}", 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct apireq_scan scan = { 0 };
		size_t len = strlen(cases[i].text), end = 0;

		g_test_message("%s", cases[i].text);
		for (size_t at = 0; at < len && end == 0; at++) {
			if (apireq_scan(&scan, cases[i].text + at, 1))
				end = at + 1;
		}
		g_assert_cmpuint(end, ==, cases[i].end);
		scan = (struct apireq_scan){ 0 };
		g_assert_true(apireq_scan(&scan, cases[i].text, len) == (cases[i].end > 0));
	}
}

static void test_scan_nul(void)
{
	struct apireq_scan scan = { 0 };

	g_assert_true(apireq_scan(&scan, "\0", 1));
}

static bool parse(const char *text, struct apireq *ret, const char **reterr)
{
	return apireq_parse(text, strlen(text), ret, reterr);
}

static void test_add(void)
{
	const char *error = NULL;
	struct apireq req;
	char text[IP_TEXT_MAX];

	g_assert_true(parse("{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"udp\","
			    "\"host_addr\":\"127.0.0.1\",\"host_port\":8080,\"guest_addr\":\"\","
			    "\"guest_port\":80.0,\"host_ip\":\"x\"}}\n",
			    &req, &error));
	g_assert_cmpint(req.verb, ==, APIREQ_ADD_HOSTFWD);
	g_assert_cmpint(req.forward.proto, ==, TRANSPORT_UDP);
	g_assert_cmpstr(ip_format(&req.forward.host_addr, text), ==, "127.0.0.1");
	g_assert_cmpuint(req.forward.host_port, ==, 8080);
	g_assert_cmpint(req.forward.guest_addr.family, ==, IP_NONE);
	g_assert_cmpuint(req.forward.guest_port, ==, 80);
}

#define ADD(fields) "{\"execute\":\"add_hostfwd\",\"arguments\":{" fields "}}"
#define RANGE(host_port, guest_port, count)                                            \
	ADD("\"proto\":\"tcp\",\"host_port\":" host_port ",\"guest_port\":" guest_port \
	    ",\"count\":" count)
#define SOCKET(proto, path, more) \
	ADD("\"proto\":\"" proto "\",\"host_path\":" path ",\"guest_port\":80" more)
#define LONG_PATH "/123456789012345678901234567890123456789012345678901234567890"
#define REMOVE(id) "{\"execute\":\"remove_hostfwd\",\"arguments\":{\"id\":" id "}}"
#define LIST(fields) "{\"execute\":\"list_flows\",\"arguments\":{" fields "}}"
#define KILL(id) "{\"execute\":\"kill_flow\",\"arguments\":{\"id\":" id "}}"
#define BAD_LIST(what) "bad request: list_flows: bad arguments." what
#define BAD_KILL "bad request: kill_flow: bad arguments.id"
#define BAD(what) "bad request: add_hostfwd: bad arguments." what

static struct apireq parsed(const char *text)
{
	const char *error = NULL;
	struct apireq req;

	g_test_message("%s", text);
	g_assert_true(parse(text, &req, &error));
	return req;
}

/* Ours: what slirp4netns does not have. */
static void test_beyond(void)
{
	struct apireq req = parsed(RANGE("8000", "9000", "100"));

	g_assert_cmpuint(req.forward.host_port, ==, 8000);
	g_assert_cmpuint(req.forward.guest_port, ==, 9000);
	g_assert_cmpuint(req.forward.count, ==, 100);
	g_assert_cmpuint(parsed(RANGE("0", "80", "1")).forward.host_port, ==, 0);
	g_assert_cmpuint(parsed(RANGE("80", "80", "null")).forward.count, ==, 1);
	g_assert_cmpuint(parsed(RANGE("1", "1", "65535")).forward.count, ==, 65535);
	req = parsed(SOCKET("tcp", "\"/run/x\"", ""));
	g_assert_cmpstr(req.forward.host_path, ==, "/run/x");
	g_assert_cmpuint(req.forward.guest_port, ==, 80);
	g_assert_true(parsed(REMOVE("1,\"drop\":true")).drop);
	g_assert_false(parsed(REMOVE("1,\"drop\":false")).drop);
	g_assert_false(parsed(REMOVE("1")).drop);
}

/* A host address that is left out is that of one family: the guest address's, or IPv4. */
static void test_default_host_address(void)
{
	struct apireq req = parsed(RANGE("80", "80", "1"));

	g_assert_cmpint(req.forward.host_addr.family, ==, IP_V4);
	g_assert_true(ip_is_any(&req.forward.host_addr));
	req = parsed(ADD("\"proto\":\"tcp\",\"host_port\":1,\"guest_port\":1,"
			 "\"guest_addr\":\"fd00::100\""));
	g_assert_cmpint(req.forward.host_addr.family, ==, IP_V6);
	g_assert_true(ip_is_any(&req.forward.host_addr));
}

static void test_flows(void)
{
	struct apireq_flows flows = parsed("{\"execute\":\"list_flows\"}").flows;
	char text[IP_TEXT_MAX];

	g_assert_cmpuint(flows.after, ==, 0);
	g_assert_cmpuint(flows.limit, ==, APIREQ_FLOWS_DEFAULT);
	g_assert_false(flows.has_proto);
	g_assert_cmpuint(flows.guest_port, ==, 0);
	g_assert_cmpint(flows.peer_addr.family, ==, IP_NONE);
	flows = parsed(LIST("\"after\":9007199254740992,\"limit\":10000,\"proto\":\"udp\","
			    "\"guest_port\":65535,\"peer_addr\":\"fd00::2\""))
			.flows;
	g_assert_cmpuint(flows.after, ==, (uint64_t)1 << 53);
	g_assert_cmpuint(flows.limit, ==, 10000);
	g_assert_true(flows.has_proto);
	g_assert_cmpint(flows.proto, ==, TRANSPORT_UDP);
	g_assert_cmpuint(flows.guest_port, ==, 65535);
	g_assert_cmpstr(ip_format(&flows.peer_addr, text), ==, "fd00::2");
	flows = parsed(LIST("\"after\":null,\"limit\":null,\"proto\":null,\"peer_addr\":null"))
			.flows;
	g_assert_cmpuint(flows.limit, ==, APIREQ_FLOWS_DEFAULT);
	g_assert_false(flows.has_proto);
	g_assert_cmpuint(parsed(KILL("9007199254740992")).id, ==, (uint64_t)1 << 53);
}

static void test_errors(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "bad request: cannot parse JSON" },
		{ "{", "bad request: cannot parse JSON" },
		{ "{\"execute\":\"list_hostfwd\",\"execute\":\"list_hostfwd\"}",
		  "bad request: cannot parse JSON" },
		{ "[]", "bad request: json_object() failed" },
		{ "1", "bad request: json_object() failed" },
		{ "null", "bad request: json_object() failed" },
		{ "{}", "bad request: no execute found" },
		{ "{\"execute\":1}", "bad request: no execute found" },
		{ "{\"execute\":\"\"}", "bad request: unknown execute" },
		{ "{\"execute\":\"add_hostfwd\"}", BAD("proto") },
		{ "{\"execute\":\"add_hostfwd\",\"arguments\":[]}", BAD("proto") },
		{ ADD("\"proto\":1"), BAD("proto") },
		{ ADD("\"proto\":\"TCP\""), BAD("proto") },
		{ ADD("\"proto\":\"tcp\",\"host_addr\":\"localhost\""), BAD("host_addr") },
		{ ADD("\"proto\":\"tcp\""), BAD("host_port") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":\"80\""), BAD("host_port") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":-1"), BAD("host_port") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":65536"), BAD("host_port") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":80.5"), BAD("host_port") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":1e99"), BAD("host_port") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":80,\"guest_addr\":\"x\""),
		  BAD("guest_addr") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":80"), BAD("guest_port") },
		{ ADD("\"proto\":\"tcp\",\"host_port\":80,\"guest_port\":0"), BAD("guest_port") },
		{ RANGE("80", "80", "0"), BAD("count") },
		{ RANGE("80", "80", "1.5"), BAD("count") },
		{ RANGE("80", "80", "\"2\""), BAD("count") },
		{ RANGE("0", "80", "2"), BAD("count") },
		{ RANGE("65535", "80", "2"), BAD("count") },
		{ RANGE("80", "65535", "2"), BAD("count") },
		{ SOCKET("tcp", "1", ""), BAD("host_path") },
		{ SOCKET("tcp", "\"\"", ""), BAD("host_path") },
		{ SOCKET("tcp", "\"/a\\u0000b\"", ""), BAD("host_path") },
		{ SOCKET("tcp", "\"" LONG_PATH LONG_PATH "\"", ""), BAD("host_path") },
		{ SOCKET("udp", "\"/x\"", ""), BAD("host_path") },
		{ SOCKET("tcp", "\"/x\"", ",\"host_addr\":\"127.0.0.1\""), BAD("host_path") },
		{ SOCKET("tcp", "\"/x\"", ",\"count\":2"), BAD("count") },
		{ REMOVE("1,\"drop\":1"), "bad request: remove_hostfwd: bad arguments.drop" },
		{ REMOVE("\"1\""), "bad request: remove_hostfwd: bad arguments.id" },
		{ REMOVE("-1"), "bad request: remove_hostfwd: bad arguments.id" },
		{ REMOVE("1.5"), "bad request: remove_hostfwd: bad arguments.id" },
		{ LIST("\"after\":-1"), BAD_LIST("after") },
		{ LIST("\"after\":1e16"), BAD_LIST("after") },
		{ LIST("\"after\":\"1\""), BAD_LIST("after") },
		{ LIST("\"limit\":0"), BAD_LIST("limit") },
		{ LIST("\"limit\":10001"), BAD_LIST("limit") },
		{ LIST("\"limit\":1.5"), BAD_LIST("limit") },
		{ LIST("\"proto\":\"icmp\""), BAD_LIST("proto") },
		{ LIST("\"guest_port\":0"), BAD_LIST("guest_port") },
		{ LIST("\"guest_port\":65536"), BAD_LIST("guest_port") },
		{ LIST("\"peer_addr\":\"x\""), BAD_LIST("peer_addr") },
		{ LIST("\"peer_addr\":1"), BAD_LIST("peer_addr") },
		{ "{\"execute\":\"kill_flow\"}", BAD_KILL },
		{ KILL("0"), BAD_KILL },
		{ KILL("-1"), BAD_KILL },
		{ KILL("1.5"), BAD_KILL },
		{ KILL("1e300"), BAD_KILL },
		{ KILL("\"1\""), BAD_KILL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *error = NULL;
		struct apireq req;

		g_test_message("%s", cases[i].text);
		g_assert_false(parse(cases[i].text, &req, &error));
		g_assert_cmpstr(error, ==, cases[i].error);
	}
}

/* What takes no arguments takes any. */
static void test_without_arguments(void)
{
	static const char *const arguments[] = {
		"",
		",\"arguments\":{}",
		",\"arguments\":[1]",
		",\"arguments\":{\"id\":\"x\"}",
	};
	static const struct {
		const char *name;
		enum apireq_verb verb;
	} verbs[] = { { "list_hostfwd", APIREQ_LIST_HOSTFWD }, { "get_stats", APIREQ_GET_STATS } };

	for (size_t i = 0; i < G_N_ELEMENTS(verbs) * G_N_ELEMENTS(arguments); i++) {
		const size_t verb = i / G_N_ELEMENTS(arguments);
		g_autofree gchar *text = g_strdup_printf("{\"execute\":\"%s\"%s}", verbs[verb].name,
							 arguments[i % G_N_ELEMENTS(arguments)]);
		const char *error = NULL;
		struct apireq req;

		g_test_message("%s", text);
		g_assert_true(parse(text, &req, &error));
		g_assert_cmpint(req.verb, ==, verbs[verb].verb);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/apireq/scan", test_scan);
	g_test_add_func("/apireq/scan-nul", test_scan_nul);
	g_test_add_func("/apireq/add", test_add);
	g_test_add_func("/apireq/beyond", test_beyond);
	g_test_add_func("/apireq/default-host-address", test_default_host_address);
	g_test_add_func("/apireq/without-arguments", test_without_arguments);
	g_test_add_func("/apireq/flows", test_flows);
	g_test_add_func("/apireq/errors", test_errors);
	return g_test_run();
}
