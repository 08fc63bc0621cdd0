#include "app/resolver.h"

#include <net/if.h>
#include <string.h>

#include "os/resolvconf.h"
#include "wire/nameserver.h"

#define LOOK_MS 1000

/* #syscalls:engine socket socketcall ioctl close
 * What is there if_nametoindex(3) does with a socket; a name that is none leaves the scope out, and
 * connect(2) says what it thinks of that.
 */
static struct dial_target first(const char *text, size_t len, enum ip_family family)
{
	struct dial_target target = { .ip = { .family = IP_NONE } };
	struct nameserver server;

	if (!nameserver_first(text, len, family, &server))
		return target;
	target.ip = server.ip;
	if (server.scope[0] != '\0')
		target.scope = if_nametoindex(server.scope);
	return target;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void look(struct resolver *resolver)
{
	char text[RESOLVCONF_MAX];
	struct stat now = { 0 };
	size_t len;

	resolvconf_stat(&now);
	if (resolver->looked && is_same_file(&now, &resolver->seen))
		return;
	len = resolvconf_read(text);
	resolver->seen = now;
	resolver->v4 = first(text, len, IP_V4);
	resolver->v6 = first(text, len, IP_V6);
}

bool resolver_find(struct resolver *resolver, enum ip_family family, int64_t now_ms,
		   struct dial_target *ret)
{
	const struct dial_target *found = family == IP_V6 ? &resolver->v6 : &resolver->v4;

	if (!resolver->looked || now_ms - resolver->looked_ms >= LOOK_MS) {
		look(resolver);
		resolver->looked = true;
		resolver->looked_ms = now_ms;
	}
	if (found->ip.family == IP_NONE)
		return false;
	ret->ip = found->ip;
	ret->scope = found->scope;
	return true;
}
