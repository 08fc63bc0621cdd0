#include "wire/portspec.h"

#include <stdbool.h>
#include <string.h>

#define FIELDS_MAX 4
#define FIELD_MAX 64 /* bytes with the NUL; the longest address has 46 */
#define UNIX_PREFIX "unix:"

static const char *const names[] = { [TRANSPORT_TCP] = "tcp", [TRANSPORT_UDP] = "udp" };

const char *transport_name(enum transport proto)
{
	return names[proto];
}

struct range {
	uint16_t first;
	uint32_t count;
};

/* A text between two places; not NUL-terminated. */
struct piece {
	const char *at;
	size_t len;
};

static bool piece_is(const struct piece *piece, const char *text)
{
	return piece->len == strlen(text) && memcmp(piece->at, text, piece->len) == 0;
}

/* What has but digits and a dash can only be meant as a port. */
static bool looks_like_port(const struct piece *piece)
{
	for (size_t i = 0; i < piece->len; i++) {
		if (!strchr("0123456789-", piece->at[i]))
			return false;
	}
	return true;
}

static bool parse_port(const char *at, size_t len, uint16_t *ret)
{
	uint32_t port = 0;

	if (len < 1 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		port = port * 10 + (uint32_t)(at[i] - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* FIRST or FIRST-LAST. */
static bool parse_range(const struct piece *piece, struct range *ret)
{
	const char *dash = memchr(piece->at, '-', piece->len);
	size_t first_len = dash ? (size_t)(dash - piece->at) : piece->len;
	uint16_t last;

	if (!parse_port(piece->at, first_len, &ret->first))
		return false;
	last = ret->first;
	if (dash && !parse_port(dash + 1, piece->len - first_len - 1, &last))
		return false;
	if (last < ret->first)
		return false;
	ret->count = (uint32_t)(last - ret->first) + 1;
	return true;
}

/* An IPv6 address has brackets, for its colons would be taken for ours; an IPv4 one has none. */
static bool parse_address(const struct piece *piece, struct ip *ret)
{
	bool brackets = piece->len >= 2 && piece->at[0] == '[' && piece->at[piece->len - 1] == ']';
	struct piece inside = *piece;
	char text[FIELD_MAX];
	struct ip ip;

	if (brackets) {
		inside.at++;
		inside.len -= 2;
	}
	if (inside.len >= sizeof(text))
		return false;
	memcpy(text, inside.at, inside.len);
	text[inside.len] = '\0';
	if (!ip_parse(text, &ip) || (ip.family == IP_V6) != brackets)
		return false;
	*ret = ip;
	return true;
}

/* Cut @text at its colons that are not in brackets. The count, or more than FIELDS_MAX. */
static size_t split(const struct piece *text, struct piece ret[FIELDS_MAX])
{
	const char *start = text->at, *end = text->at + text->len;
	bool inside = false;
	size_t count = 0;

	for (const char *at = start; at <= end; at++) {
		if (at < end && (*at == '[' || *at == ']'))
			inside = *at == '[';
		if (at < end && (*at != ':' || inside))
			continue;
		if (count == FIELDS_MAX)
			return FIELDS_MAX + 1;
		ret[count++] = (struct piece){ start, (size_t)(at - start) };
		start = at + 1;
	}
	return count;
}

/* Take "/PROTOCOL" from the end of @text. */
static bool take_protocols(struct piece *text, bool ret[TRANSPORTS])
{
	const char *slash = memrchr(text->at, '/', text->len);
	struct piece word = { "tcp", 3 };

	if (slash) {
		word.at = slash + 1;
		word.len = text->len - (size_t)(word.at - text->at);
		text->len = (size_t)(slash - text->at);
	}
	ret[TRANSPORT_TCP] = piece_is(&word, "tcp") || piece_is(&word, "tcp+udp");
	ret[TRANSPORT_UDP] = piece_is(&word, "udp") || piece_is(&word, "tcp+udp");
	return ret[TRANSPORT_TCP] || ret[TRANSPORT_UDP];
}

static const char *take_ranges(const struct piece *host, const struct piece *guest,
			       struct portspec *ret)
{
	struct range from, to;

	if (!parse_range(host, &from))
		return "the host port is neither a number from 0 to 65535 nor a range FIRST-LAST";
	if (!parse_range(guest, &to) || to.first == 0)
		return "the guest port is neither a number from 1 to 65535 nor a range FIRST-LAST";
	if (from.first == 0 && from.count > 1)
		return "the host port range begins at 0";
	if (from.count != to.count)
		return "the host port range and the guest port range differ in length";
	ret->host_port = from.first;
	ret->guest_port = to.first;
	ret->count = (uint16_t)from.count;
	return NULL;
}

static const char *parse_ports(const struct piece *text, struct portspec *ret)
{
	struct piece fields[FIELDS_MAX];
	size_t count = split(text, fields), at = 0;
	struct piece host, guest;

	if (count > FIELDS_MAX)
		return "there are too many parts: IPv6 addresses have to stand in brackets";
	if (!looks_like_port(&fields[0]) && !parse_address(&fields[at++], &ret->host_addr))
		return "the host address is no IP address, with brackets if it is IPv6";
	if (at == count)
		return "the host port is missing";
	host = fields[at++];
	if (count == 1)
		guest = host;
	else if (at == count)
		return "the guest port is missing";
	else if (count - at == 2 && !parse_address(&fields[at++], &ret->guest_addr))
		return "the guest address is no IP address, with brackets if it is IPv6";
	else
		guest = fields[at++];
	if (count > 1 && at != count)
		return "there are too many parts: IPv6 addresses have to stand in brackets";
	return take_ranges(&host, &guest, ret);
}

static const char *parse_unix(const char *text, struct portspec *ret)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (!colon)
		return "the guest port is missing";
	if (len == 0)
		return "the path of the Unix socket is missing";
	if (len >= sizeof(ret->host_path))
		return "the path of the Unix socket is longer than 107 bytes";
	if (!parse_port(colon + 1, strlen(colon + 1), &ret->guest_port) || ret->guest_port == 0)
		return "the guest port of a Unix socket is no number from 1 to 65535";
	memcpy(ret->host_path, text, len);
	ret->count = 1;
	return NULL;
}

size_t portspec_parse(const char *text, struct portspec ret[TRANSPORTS], const char **reterr)
{
	struct piece piece = { text, strlen(text) };
	bool wanted[TRANSPORTS] = { [TRANSPORT_TCP] = true };
	struct portspec spec = { .proto = TRANSPORT_TCP };
	const char *error;
	size_t count = 0;

	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		error = parse_unix(text + strlen(UNIX_PREFIX), &spec);
	else if (!take_protocols(&piece, wanted))
		error = "the protocol is not tcp, udp or tcp+udp";
	else
		error = parse_ports(&piece, &spec);
	if (!error && spec.host_path[0] == '\0' && spec.host_port == 0 && wanted[TRANSPORT_TCP] &&
	    wanted[TRANSPORT_UDP])
		error = "host port 0 is not the same one for tcp and udp";
	if (error) {
		*reterr = error;
		return 0;
	}
	for (int proto = 0; proto < TRANSPORTS; proto++) {
		if (!wanted[proto])
			continue;
		spec.proto = (enum transport)proto;
		ret[count++] = spec;
	}
	return count;
}
