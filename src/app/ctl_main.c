/* Role: ctl. Asks a running gate4netns, and prints what it says.
 * Holds:    one connection at a time.
 * Must:     end, whatever the other side does or does not say.
 * Must not: show the terminal anything but text.
 */
#include "app/ctl_main.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "app/apiclient.h"
#include "app/cli_own.h"
#include "app/rundir.h"
#include "app/table.h"
#include "app/values.h"
#include "base/log.h"
#include "wire/apireq.h"
#include "wire/portspec.h"

#define PAGE 1000      /* flows in one answer */
#define PAGES_MAX 1000 /* a million: more flows than there may be */

/* What is asked of whom. */
struct call {
	const struct verb *verb;
	const char *path; /* of the socket */
	const char *operand;
	bool drop;
};

struct verb {
	const char *object, *action; /* action NULL: the object alone */
	const char *operand;	     /* its name; NULL: there is none */
	enum apireq_verb execute;
	/* What it answers, an owned object; NULL: it has been said why there is none. */
	json_t *(*ask)(const struct call *call);
	void (*print)(const json_t *answer); /* NULL: nothing is to be said */
};

/* ---- asking ---- */

static uint64_t number_of(const json_t *object, const char *key)
{
	const json_int_t number = json_integer_value(json_object_get(object, key));

	return number < 0 ? 0 : (uint64_t)number;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The whole answer, or NULL after a line. @arguments is taken over. */
static json_t *exchange(const struct call *call, json_t *arguments)
{
	json_t *request = json_pack("{s:s, s:o}", "execute", apireq_verb_name(call->verb->execute),
				    "arguments", arguments);
	json_t *answer = NULL;
	const char *step;
	int r = apiclient_ask(call->path, request, &answer, &step);

	json_decref(request);
	if (r < 0)
		log_line("%s: %s: %s", call->path, step, strerror(-r));
	return answer;
}

/* The "return" of @answer, which is taken over; NULL after a line. */
static json_t *result_of(const struct call *call, json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	json_t *result = json_incref(json_object_get(answer, "return"));
	g_autofree char *desc = table_harmless(text_of(error, "desc"));
	g_autofree char *detail = table_harmless(text_of(error, "detail"));

	if (answer && error)
		log_line("%s%s%s", desc, *detail ? ": " : "", detail);
	else if (answer && !json_is_object(result))
		log_line("%s: the answer makes no sense: neither error nor return", call->path);
	json_decref(answer);
	if (!error && json_is_object(result))
		return result;
	json_decref(result);
	return NULL;
}

static json_t *ask_plainly(const struct call *call)
{
	return result_of(call, exchange(call, json_object()));
}

static bool parse_id(const struct call *call, json_int_t *ret)
{
	guint64 id;

	if (!g_ascii_string_to_unsigned(call->operand, 10, 1, INT64_MAX, &id, NULL)) {
		log_line("%s %s: \"%s\" is no ID", call->verb->object, call->verb->action,
			 call->operand);
		return false;
	}
	*ret = (json_int_t)id;
	return true;
}

static json_t *ask_about_id(const struct call *call)
{
	json_int_t id;
	json_t *arguments;

	if (!parse_id(call, &id))
		return NULL;
	arguments = json_pack("{s:I}", "id", id);
	if (call->drop)
		json_object_set_new(arguments, "drop", json_true());
	return result_of(call, exchange(call, arguments));
}

static void set_address(json_t *arguments, const char *key, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	if (ip->family != IP_NONE)
		json_object_set_new(arguments, key, json_string(ip_format(ip, text)));
}

static json_t *forward_arguments(const struct portspec *spec, const char *host_addr)
{
	json_t *arguments = json_pack("{s:s, s:i}", "proto", transport_name(spec->proto),
				      "guest_port", spec->guest_port);

	if (spec->host_path[0] != '\0')
		json_object_set_new(arguments, "host_path", json_string(spec->host_path));
	else
		json_object_set_new(arguments, "host_port", json_integer(spec->host_port));
	set_address(arguments, "host_addr", &spec->host_addr);
	set_address(arguments, "guest_addr", &spec->guest_addr);
	if (host_addr)
		json_object_set_new(arguments, "host_addr", json_string(host_addr));
	if (spec->count > 1)
		json_object_set_new(arguments, "count", json_integer(spec->count));
	return arguments;
}

/* --publish without an address means both families, as :: does where the namespace has IPv6; without one
 * the API means IPv4 only, for its callers know no other.
 */
static json_t *add_one(const struct call *call, const struct portspec *spec)
{
	const bool is_either = spec->host_addr.family == IP_NONE &&
			       spec->guest_addr.family == IP_NONE && spec->host_path[0] == '\0';
	json_t *answer;
	const char *desc;

	if (!is_either)
		return result_of(call, exchange(call, forward_arguments(spec, NULL)));
	answer = exchange(call, forward_arguments(spec, "::"));
	desc = text_of(json_object_get(answer, "error"), "desc");
	if (!g_str_has_suffix(desc, "bad arguments.host_addr"))
		return result_of(call, answer);
	json_decref(answer);
	return result_of(call, exchange(call, forward_arguments(spec, NULL)));
}

/* All or nothing: what has been added for one protocol goes again when the other cannot be. */
static void take_back(const struct call *call, json_t *added)
{
	const struct verb remove = { .execute = APIREQ_REMOVE_HOSTFWD };
	struct call undo = *call;
	const char *proto;
	const json_t *one;

	undo.verb = &remove;
	json_object_foreach(added, proto, one) json_decref(
		exchange(&undo, json_pack("{s:I}", "id", (json_int_t)number_of(one, "id"))));
}

/* One object for each protocol. */
static json_t *ask_to_add(const struct call *call)
{
	struct portspec specs[TRANSPORTS];
	json_t *all = json_object();
	const char *error;
	const size_t count = portspec_parse(call->operand, specs, &error);

	for (size_t i = 0; i < count; i++) {
		const char *proto = transport_name(specs[i].proto);

		if (json_object_set_new(all, proto, add_one(call, &specs[i])) < 0) {
			take_back(call, all);
			json_decref(all);
			return NULL;
		}
	}
	if (count > 0)
		return all;
	log_line("%s: %s", call->operand, error);
	json_decref(all);
	return NULL;
}

/* Page by page. Ids have to grow, or a broken server would have us ask for ever. */
static json_t *ask_for_flows(const struct call *call)
{
	json_t *all = json_array();
	uint64_t after = 0;

	for (int page = 0; page < PAGES_MAX; page++) {
		json_t *result = result_of(call, exchange(call, json_pack("{s:I, s:i}", "after",
									  (json_int_t)after,
									  "limit", PAGE)));
		const json_t *flows = json_object_get(result, "flows");
		const size_t count = json_array_size(flows);
		const uint64_t last =
			count > 0 ? number_of(json_array_get(flows, count - 1), "id") : 0;
		const bool more = json_is_true(json_object_get(result, "more")) && last > after;

		if (!result) {
			json_decref(all);
			return NULL;
		}
		json_array_extend(all, (json_t *)(uintptr_t)flows);
		json_decref(result);
		after = last;
		if (!more)
			break;
	}
	return json_pack("{s:o}", "flows", all);
}

/* ---- printing ---- */

static char *endpoint(const json_t *object, const char *name)
{
	g_autofree char *addr_key = g_strdup_printf("%s_addr", name);
	g_autofree char *port_key = g_strdup_printf("%s_port", name);
	const char *address = text_of(object, addr_key);

	if (*address == '\0')
		return g_strdup("-");
	return g_strdup_printf(strchr(address, ':') ? "[%s]:%" PRIu64 : "%s:%" PRIu64, address,
			       number_of(object, port_key));
}

static void add_text(struct table *table, char *text)
{
	table_add(table, text);
	g_free(text);
}

/* With the last one of a range of ports. */
static char *forward_end(const json_t *entry, const char *name)
{
	const char *path = text_of(entry, "host_path");
	const uint64_t count = number_of(entry, "count");
	g_autofree char *port_key = g_strdup_printf("%s_port", name);
	char *first;
	char *range;

	if (*path && strcmp(name, "host") == 0)
		return g_strdup_printf("unix:%s", path);
	first = endpoint(entry, name);
	if (count <= 1)
		return first;
	range = g_strdup_printf("%s-%" PRIu64, first, number_of(entry, port_key) + count - 1);
	g_free(first);
	return range;
}

static void print_forwards(const json_t *answer)
{
	static const struct table_column columns[] = {
		{ "ID", true },	     { "PROTO", false },   { "HOST", false },
		{ "GUEST", false },  { "ACTIVE", true },   { "ACCEPTED", true },
		{ "REFUSED", true }, { "TO-GUEST", true }, { "FROM-GUEST", true },
		{ .title = NULL },
	};
	static const char *const counters[] = { "active", "accepted", "refused" };
	struct table *table = table_new(columns);
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(answer, "entries"), i, entry)
	{
		table_add_number(table, number_of(entry, "id"));
		table_add(table, text_of(entry, "proto"));
		add_text(table, forward_end(entry, "host"));
		add_text(table, forward_end(entry, "guest"));
		for (size_t n = 0; n < G_N_ELEMENTS(counters); n++)
			table_add_number(table, number_of(entry, counters[n]));
		table_add_bytes(table, number_of(entry, "bytes_to_guest"));
		table_add_bytes(table, number_of(entry, "bytes_from_guest"));
	}
	table_print(table, stdout);
	table_free(table);
}

/* A line for each protocol: the id, and the port if the kernel has chosen it. */
static void print_added(const json_t *answer)
{
	for (int proto = 0; proto < TRANSPORTS; proto++) {
		const json_t *added =
			json_object_get(answer, transport_name((enum transport)proto));

		if (!added)
			continue;
		printf("%" PRIu64, number_of(added, "id"));
		if (json_object_get(added, "host_port"))
			printf(" port %" PRIu64, number_of(added, "host_port"));
		putchar('\n');
	}
}

/* The peer, in the host's words too where they are others; of a binding with several their number. */
static char *peer_of(const json_t *flow)
{
	g_autofree char *peer = endpoint(flow, "peer");
	g_autofree char *host = endpoint(flow, "host_peer");

	if (json_object_get(flow, "peers") && number_of(flow, "peers") != 1)
		return g_strdup_printf("(%" PRIu64 " peers)", number_of(flow, "peers"));
	if (strcmp(host, "-") == 0)
		return g_steal_pointer(&peer);
	return g_strdup_printf("%s (%s)", peer, host);
}

static void print_flows(const json_t *answer)
{
	static const struct table_column columns[] = {
		{ "ID", true },	    { "PROTO", false },	 { "DIR", false },     { "STATE", false },
		{ "GUEST", false }, { "PEER", false },	 { "FORWARD", true },  { "AGE", true },
		{ "IDLE", true },   { "TO-HOST", true }, { "TO-GUEST", true }, { .title = NULL },
	};
	struct table *table = table_new(columns);
	const json_t *flow;
	size_t i;

	json_array_foreach(json_object_get(answer, "flows"), i, flow)
	{
		table_add_number(table, number_of(flow, "id"));
		table_add(table, text_of(flow, "proto"));
		table_add(table, text_of(flow, "direction"));
		table_add(table, text_of(flow, "state"));
		add_text(table, endpoint(flow, "guest"));
		add_text(table, peer_of(flow));
		if (json_object_get(flow, "forward"))
			table_add_number(table, number_of(flow, "forward"));
		else
			table_add(table, "-");
		table_add_duration(table, number_of(flow, "age_s"));
		table_add_duration(table, number_of(flow, "idle_s"));
		table_add_bytes(table, number_of(flow, "bytes_to_host"));
		table_add_bytes(table, number_of(flow, "bytes_to_guest"));
	}
	table_print(table, stdout);
	table_free(table);
}

/* Two levels at most: module.counter, or module.counter.reason. */
static void add_counters(struct table *table, const char *prefix, const json_t *object, int levels)
{
	const char *key;
	const json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		g_autofree char *name = g_strdup_printf("%s%s%s", prefix, *prefix ? "." : "", key);

		if (json_is_object(value) && levels > 0) {
			add_counters(table, name, value, levels - 1);
		} else {
			table_add(table, name);
			table_add_number(table, number_of(object, key));
		}
	}
}

static void print_stats(const json_t *answer)
{
	static const struct table_column columns[] = {
		{ "COUNTER", false },
		{ "VALUE", true },
		{ .title = NULL },
	};
	struct table *table = table_new(columns);

	add_counters(table, "", answer, 2);
	table_print(table, stdout);
	table_free(table);
}

/* ---- the verbs ---- */

static const struct verb verbs[] = {
	{ "forwards", "list", NULL, APIREQ_LIST_HOSTFWD, ask_plainly, print_forwards },
	{ "forwards", "add", "SPEC", APIREQ_ADD_HOSTFWD, ask_to_add, print_added },
	{ "forwards", "remove", "ID", APIREQ_REMOVE_HOSTFWD, ask_about_id, NULL },
	{ "flows", "list", NULL, APIREQ_LIST_FLOWS, ask_for_flows, print_flows },
	{ "flows", "kill", "ID", APIREQ_KILL_FLOW, ask_about_id, NULL },
	{ "stats", NULL, NULL, APIREQ_GET_STATS, ask_plainly, print_stats },
};

static void explain_verbs(void)
{
	g_autoptr(GString) all = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
		const struct verb *verb = &verbs[i];

		g_string_append_printf(all, "%s%s", i > 0 ? ", " : "", verb->object);
		if (verb->action)
			g_string_append_printf(all, " %s", verb->action);
		if (verb->operand)
			g_string_append_printf(all, " %s", verb->operand);
	}
	log_line("usage: gate4netns ctl [OPTION]... [SOCKET|NAME] VERB, where VERB is one of: %s",
		 all->str);
}

static bool is_object(const char *word)
{
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
		if (strcmp(verbs[i].object, word) == 0)
			return true;
	}
	return false;
}

/* The verb that all of @words are, and its operand. */
static bool find_verb(int count, char **words, struct call *ret)
{
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
		const struct verb *verb = &verbs[i];
		const int own = verb->action ? 2 : 1;

		if (count != own + !!verb->operand || strcmp(words[0], verb->object) != 0 ||
		    (verb->action && strcmp(words[1], verb->action) != 0))
			continue;
		ret->verb = verb;
		ret->operand = verb->operand ? words[own] : NULL;
		return true;
	}
	return false;
}

/* Where the program is that is meant. False: it has been said why there is none. */
static bool find_socket(const char *name, char path[UNIXSOCK_PATH_MAX])
{
	g_autoptr(GString) candidates = g_string_new(NULL);
	int r;

	if (name && strchr(name, '/')) {
		if (g_strlcpy(path, name, UNIXSOCK_PATH_MAX) < UNIXSOCK_PATH_MAX)
			return true;
		log_line("%s: %s", name, strerror(ENAMETOOLONG));
		return false;
	}
	r = rundir_find(name, path, candidates);
	if (r == 0)
		return true;
	if (r == -EPERM)
		log_line("the directory of API sockets is not ours alone");
	else if (candidates->len > 0)
		log_line("%s%s%s; running: %s", name ? "no network is named \"" : "which network?",
			 name ? name : "", name ? "\"" : "", candidates->str);
	else if (r == -ENOENT)
		log_line("no network is running that has its API socket in the default place");
	else
		log_line("%s: %s", name ? name : "API sockets", strerror(-r));
	return false;
}

/* Options may stand behind operands too, for none of the operands can be taken for one; getopt(3) ends at
 * the first operand in our dialect, because of commands that have a CMD.
 */
static void options_to_front(int argc, char **argv)
{
	int options = 2; /* behind the program and its word */

	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		char *word = argv[i];

		if (word[0] != '-')
			continue;
		memmove(&argv[options + 1], &argv[options],
			(size_t)(i - options) * sizeof(argv[0]));
		argv[options++] = word;
	}
}

static void print_json(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);

	puts(text);
	free(text);
}

int ctl_main(int argc, char **argv)
{
	char path[UNIXSOCK_PATH_MAX];
	struct call call = { .path = path };
	struct values values;
	const char *name = NULL;
	json_t *answer;
	int first, status;

	options_to_front(argc, argv);
	if (!own_parse(COMMAND_CTL, argc, argv, &values, &first, &status))
		return status;
	if (first < argc && !is_object(argv[first]))
		name = argv[first++];
	if (!find_verb(argc - first, argv + first, &call)) {
		explain_verbs();
		return 1;
	}
	call.drop = values.drop;
	if (call.drop && call.verb->execute != APIREQ_REMOVE_HOSTFWD) {
		log_line("--drop goes with \"forwards remove\" only");
		return 1;
	}
	if (!find_socket(name, path))
		return 1;
	answer = call.verb->ask(&call);
	if (!answer)
		return 1;
	if (values.json)
		print_json(answer);
	else if (call.verb->print)
		call.verb->print(answer);
	json_decref(answer);
	return 0;
}
