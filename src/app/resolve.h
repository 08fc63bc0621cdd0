/* app/resolve.h - from the values of options to settings, as far as both dialects agree; and what must be
 * true of single values.
 */
#ifndef APP_RESOLVE_H
#define APP_RESOLVE_H

#include <stdbool.h>

#include "app/options.h"
#include "net/link.h"

struct settings;
struct values;

#define MTU_MIN 68    /* RFC 791 section 3.2; libslirp takes no less either */
#define MTU6_MIN 1280 /* RFC 8200 section 5 */
#define MTU_MAX 65521
#define FLOWS_MAX 1000000
#define UDP_TIMEOUT_MAX_S 86400
#define TIMEOUT_MAX_S 1000000
#define RESOLVE_ERROR_MAX 256

/* opt_check_fn: a value alone. */
opt_check_fn check_publish, check_cidr, check_cidr6, check_interface, check_mac, check_outbound4,
	check_outbound6, check_socket_path, check_name, check_hostname, check_link;

/* "KIND:" and what stands behind it. False: no such kind. */
bool resolve_link_kind(const char *text, enum link_kind *ret, const char **ret_where);

/* The network as the values have it; interfaces are resolved in the caller's network namespace. What both
 * dialects have in common but not the target. Texts in *ret are borrowed from *@values, and lists are
 * inside it. False: a text for people in @reterr.
 */
bool resolve_network(const struct values *values, struct settings *ret,
		     char reterr[RESOLVE_ERROR_MAX]);

#endif
