#include <glib.h>
#include <limits.h>

#include "app/cli_own.h"
#include "app/resolve.h"
#include "app/values.h"
#include "base/log.h"
#include "net/settings.h"

/* Digits are a descriptor. */
static void resolve_link(const char *text, struct settings *set)
{
	const char *where;

	if (!resolve_link_kind(text, &set->link, &where))
		return;
	set->target = TARGET_LINK;
	if (!options_parse_number(where, 0, INT_MAX, &set->link_fd))
		set->link_path = where;
}

bool own_settings(const struct values *values, struct settings *ret)
{
	char error[RESOLVE_ERROR_MAX];
	struct settings set = { .link_fd = FD_NONE, .tap_from = FD_NONE };
	bool ok = true;

	if (values->link && values->tap_from != FD_NONE) {
		g_strlcpy(error, "--link conflicts with --tap-from", sizeof(error));
		ok = false;
	}
	if (ok && values->ipv6 == IPV6_ON && values->mtu < MTU6_MIN) {
		g_snprintf(error, sizeof(error),
			   "--ipv6=on needs an --mtu of %d or more (RFC 8200)", MTU6_MIN);
		ok = false;
	}
	if (!ok || !resolve_network(values, &set, error)) {
		log_line("%s", error);
		return false;
	}
	set.ipv6 = set.ipv6 && set.mtu >= MTU6_MIN;
	set.tap_name = values->interface;
	set.userns_path = values->userns_path;
	set.wait = values->wait;
	set.exit_with = values->exit_with;
	set.static6 = set.configure && set.ipv6;
	if (values->link)
		resolve_link(values->link, &set);
	if (values->tap_from != FD_NONE) {
		set.target = TARGET_TAP_FROM;
		set.tap_from = values->tap_from;
	}
	*ret = set;
	return true;
}
