#include "wire/apireq.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

/* Of a flow: greater ones are no whole numbers in JSON (RFC 8259 section 6). */
#define ID_MAX ((uint64_t)1 << 53)

static const char *const verb_names[] = {
	[APIREQ_ADD_HOSTFWD] = "add_hostfwd",	    [APIREQ_LIST_HOSTFWD] = "list_hostfwd",
	[APIREQ_REMOVE_HOSTFWD] = "remove_hostfwd", [APIREQ_GET_STATS] = "get_stats",
	[APIREQ_LIST_FLOWS] = "list_flows",	    [APIREQ_KILL_FLOW] = "kill_flow",
};
static_assert(sizeof(verb_names) / sizeof(verb_names[0]) == APIREQ_VERBS, "a name per verb");

const char *apireq_verb_name(enum apireq_verb verb)
{
	return verb_names[verb];
}

static void scan_byte(struct apireq_scan *scan, char c)
{
	if (scan->in_string) {
		if (scan->escaped)
			scan->escaped = false;
		else if (c == '\\')
			scan->escaped = true;
		else if (c == '"')
			scan->in_string = false;
		scan->complete = !scan->in_string && scan->depth == 0;
		return;
	}
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return;
	case '"':
		scan->in_string = true;
		return;
	case '{':
	case '[':
		scan->depth++;
		return;
	case '}':
	case ']':
		if (scan->depth > 0)
			scan->depth--;
		scan->complete = scan->depth == 0;
		return;
	default: /* a number or a word outside any bracket is no request: answer at once */
		scan->complete = scan->depth == 0;
		return;
	}
}

bool apireq_scan(struct apireq_scan *scan, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && !scan->complete; i++) {
		if (bytes[i] == '\0')
			scan->complete = true;
		else
			scan_byte(scan, bytes[i]);
	}
	return scan->complete;
}

/* An absent or empty address means the default; anything else must be one. */
static bool get_address(const json_t *args, const char *key, struct ip *ret)
{
	const json_t *value = json_object_get(args, key);
	const char *text = json_string_value(value);

	ret->family = IP_NONE;
	if (!text || text[0] == '\0')
		return true;
	return ip_parse(text, ret);
}

/* A port, or how many of them. */
static bool get_number(const json_t *args, const char *key, uint16_t min, uint16_t *ret)
{
	const json_t *value = json_object_get(args, key);
	double number;

	if (!json_is_number(value))
		return false;
	number = json_number_value(value);
	if (!(number >= min && number <= UINT16_MAX) || number != (double)(uint16_t)number)
		return false;
	*ret = (uint16_t)number;
	return true;
}

/* Absent or null: one port. */
static bool get_count(const json_t *args, struct portspec *forward)
{
	const json_t *value = json_object_get(args, "count");
	uint16_t count = 1;

	if (value && !json_is_null(value) && !get_number(args, "count", 1, &count))
		return false;
	forward->count = count;
	return count == 1 || (forward->host_path[0] == '\0' && forward->host_port != 0 &&
			      forward->host_port + count - 1 <= UINT16_MAX &&
			      forward->guest_port + count - 1 <= UINT16_MAX);
}

/* Absent or null: none. */
static bool get_path(const json_t *args, struct portspec *forward)
{
	const json_t *value = json_object_get(args, "host_path");
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (!value || json_is_null(value))
		return true;
	if (!text || len == 0 || len >= sizeof(forward->host_path) || strlen(text) != len)
		return false;
	memcpy(forward->host_path, text, len + 1);
	return forward->proto == TRANSPORT_TCP && forward->host_addr.family == IP_NONE;
}

static bool get_proto(const json_t *args, enum transport *ret)
{
	const char *text = json_string_value(json_object_get(args, "proto"));

	if (!text || (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0))
		return false;
	*ret = text[0] == 'u' ? TRANSPORT_UDP : TRANSPORT_TCP;
	return true;
}

/* The order of the checks is the reference's: the first wrong field names the error. */
static const char *parse_add(const json_t *args, struct apireq *req)
{
	struct portspec *forward = &req->forward;
	bool is_unix;

	if (!get_proto(args, &forward->proto))
		return "bad request: add_hostfwd: bad arguments.proto";
	if (!get_address(args, "host_addr", &forward->host_addr))
		return "bad request: add_hostfwd: bad arguments.host_addr";
	if (!get_path(args, forward))
		return "bad request: add_hostfwd: bad arguments.host_path";
	is_unix = forward->host_path[0] != '\0';
	if (!is_unix && !get_number(args, "host_port", 0, &forward->host_port))
		return "bad request: add_hostfwd: bad arguments.host_port";
	if (!get_address(args, "guest_addr", &forward->guest_addr))
		return "bad request: add_hostfwd: bad arguments.guest_addr";
	if (!get_number(args, "guest_port", 1, &forward->guest_port))
		return "bad request: add_hostfwd: bad arguments.guest_port";
	if (!get_count(args, forward))
		return "bad request: add_hostfwd: bad arguments.count";
	/* The reference knows no other default; without one both families would be meant. */
	if (!is_unix && forward->host_addr.family == IP_NONE)
		forward->host_addr.family = forward->guest_addr.family == IP_V6 ? IP_V6 : IP_V4;
	return NULL;
}

static const char *parse_remove(const json_t *args, struct apireq *req)
{
	const json_t *id = json_object_get(args, "id");
	const json_t *drop = json_object_get(args, "drop");
	double number = json_number_value(id);

	if (!json_is_number(id) || !(number >= 0 && number <= INT32_MAX) ||
	    number != (double)(uint64_t)number)
		return "bad request: remove_hostfwd: bad arguments.id";
	if (drop && !json_is_boolean(drop) && !json_is_null(drop))
		return "bad request: remove_hostfwd: bad arguments.drop";
	req->drop = json_is_true(drop);
	req->id = (uint64_t)number;
	return NULL;
}

/* A whole number from @min to @max. */
static bool get_whole(const json_t *value, uint64_t min, uint64_t max, uint64_t *ret)
{
	double number = json_number_value(value);

	if (!json_is_number(value) || !(number >= (double)min && number <= (double)max) ||
	    number != (double)(uint64_t)number)
		return false;
	*ret = (uint64_t)number;
	return true;
}

/* The same, where absent and null leave *ret as it is. */
static bool get_option(const json_t *args, const char *key, uint64_t min, uint64_t max,
		       uint64_t *ret)
{
	const json_t *value = json_object_get(args, key);

	return !value || json_is_null(value) || get_whole(value, min, max, ret);
}

static const char *parse_list_flows(const json_t *args, struct apireq *req)
{
	const json_t *proto = json_object_get(args, "proto");
	const json_t *peer = json_object_get(args, "peer_addr");
	uint64_t limit = APIREQ_FLOWS_DEFAULT, guest_port = 0;

	if (!get_option(args, "after", 0, ID_MAX, &req->flows.after))
		return "bad request: list_flows: bad arguments.after";
	if (!get_option(args, "limit", 1, APIREQ_FLOWS_MAX, &limit))
		return "bad request: list_flows: bad arguments.limit";
	req->flows.has_proto = proto && !json_is_null(proto);
	if (req->flows.has_proto && !get_proto(args, &req->flows.proto))
		return "bad request: list_flows: bad arguments.proto";
	if (!get_option(args, "guest_port", 1, UINT16_MAX, &guest_port))
		return "bad request: list_flows: bad arguments.guest_port";
	if ((peer && !json_is_null(peer) && !json_is_string(peer)) ||
	    !get_address(args, "peer_addr", &req->flows.peer_addr))
		return "bad request: list_flows: bad arguments.peer_addr";
	req->flows.limit = (unsigned)limit;
	req->flows.guest_port = (uint16_t)guest_port;
	return NULL;
}

static const char *parse_kill_flow(const json_t *args, struct apireq *req)
{
	if (!get_whole(json_object_get(args, "id"), 1, ID_MAX, &req->id))
		return "bad request: kill_flow: bad arguments.id";
	return NULL;
}

static const char *parse_nothing(const json_t *args, struct apireq *req)
{
	(void)args;
	(void)req;
	return NULL;
}

static const char *parse_root(const json_t *root, struct apireq *req)
{
	static const char *(*const parse_arguments[])(const json_t *, struct apireq *) = {
		[APIREQ_ADD_HOSTFWD] = parse_add,	[APIREQ_LIST_HOSTFWD] = parse_nothing,
		[APIREQ_REMOVE_HOSTFWD] = parse_remove, [APIREQ_GET_STATS] = parse_nothing,
		[APIREQ_LIST_FLOWS] = parse_list_flows, [APIREQ_KILL_FLOW] = parse_kill_flow,
	};
	const char *execute;

	if (!root)
		return "bad request: cannot parse JSON";
	if (!json_is_object(root))
		return "bad request: json_object() failed";
	execute = json_string_value(json_object_get(root, "execute"));
	if (!execute)
		return "bad request: no execute found";
	for (int verb = 0; verb < APIREQ_VERBS; verb++) {
		if (strcmp(execute, verb_names[verb]) != 0)
			continue;
		*req = (struct apireq){ .verb = (enum apireq_verb)verb };
		return parse_arguments[verb](json_object_get(root, "arguments"), req);
	}
	return "bad request: unknown execute";
}

bool apireq_parse(const char *text, size_t len, struct apireq *ret, const char **reterr_desc)
{
	/* Every number is a double, as the callers' JSON libraries have it: no integer overflows. */
	const size_t flags = JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL |
			     JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES;
	struct apireq req;
	const char *desc;
	json_t *root = json_loadb(text, strnlen(text, len), flags, NULL);

	desc = parse_root(root, &req);
	json_decref(root);
	if (desc) {
		*reterr_desc = desc;
		return false;
	}
	*ret = req;
	return true;
}
