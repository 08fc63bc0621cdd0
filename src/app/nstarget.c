#include "app/nstarget.h"

#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <string.h>

#include "app/options.h"
#include "base/log.h"
#include "os/netns.h"

#define FD_PREFIX "fd:"

static bool is_number(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

bool nstarget_parse(const char *word, struct nstarget *ret)
{
	const char *number = word;

	*ret = (struct nstarget){ .fd = -EBADF };
	if (g_str_has_prefix(word, FD_PREFIX))
		number += strlen(FD_PREFIX);
	else if (*word != '\0' && !is_number(word)) {
		ret->path = word;
		return true;
	}
	if (!is_number(number) || !options_parse_number(number, number == word ? 1 : 0, INT_MAX,
							number == word ? &ret->pid : &ret->fd)) {
		log_line("'%s' is no PID, path or fd:FD", word);
		return false;
	}
	return true;
}

int nstarget_open(const struct nstarget *target, const char *user_path, struct netns *ret,
		  char *reterr_path)
{
	if (target->pid > 0)
		return netns_open_pid(target->pid, user_path, ret, reterr_path);
	if (target->path)
		return netns_open_path(target->path, user_path, ret, reterr_path);
	return netns_open_fd(target->fd, user_path, ret, reterr_path);
}
