#include "app/config.h"

#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/cli_own.h"
#include "app/options.h"
#include "base/fd.h"
#include "base/log.h"
#include "wire/conf.h"

#define GROUP "gate4netns"
#define SIZE_MAX_BYTES ((off_t)(256 * 1024))

/* Of the file that is open, so that it is the one that is read. NULL: it will do. */
static const char *distrust(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "belongs to somebody else";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "others may write to it (fix: chmod go-w)";
	if (st->st_size > SIZE_MAX_BYTES)
		return "larger than 256 KiB";
	return NULL;
}

/* O_NONBLOCK: it may be a FIFO, which is found out only then. */
static int open_trusted(const char *path, off_t *ret_size)
{
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	const char *why;

	if (fd < 0 || fstat(fd, &st) < 0) {
		log_line("%s: %s", path, strerror(errno));
		return -errno;
	}
	why = distrust(&st);
	if (why) {
		log_line("%s: %s", path, why);
		return -EPERM;
	}
	*ret_size = st.st_size;
	return fd_steal(&fd);
}

/* The whole file with a NUL behind it; NULL: logged. */
static char *read_file(const char *path, size_t *ret_len)
{
	off_t size = 0;
	autofd int fd = open_trusted(path, &size);
	g_autofree char *text = NULL;
	size_t len = 0;
	ssize_t got = 1;

	if (fd < 0)
		return NULL;
	text = g_malloc0((size_t)size + 1);
	while (got > 0 && len < (size_t)size) {
		got = read(fd, text + len, (size_t)size - len);
		if (got < 0 && errno != EINTR) {
			log_line("%s: %s", path, strerror(errno));
			return NULL;
		}
		len += got > 0 ? (size_t)got : 0;
		got = got < 0 ? 1 : got;
	}
	if (!g_utf8_validate(text, (gssize)len, NULL)) { /* it refuses a NUL too */
		log_line("%s: not a text in UTF-8", path);
		return NULL;
	}
	*ret_len = len;
	return g_steal_pointer(&text);
}

static bool take(const struct conf *conf, const struct conf_item *item, struct values *values,
		 char reterr[OPT_ERROR_MAX])
{
	const struct opt *opt = options_find(own_opts, 0, item->key);

	if (strcmp(conf->group, GROUP) != 0) {
		g_snprintf(reterr, OPT_ERROR_MAX, "%s: no group [%s], only [%s]", item->key,
			   conf->group, GROUP);
		return false;
	}
	if (!opt || !own_option_is_for_files(opt)) {
		g_snprintf(reterr, OPT_ERROR_MAX, "%s: no such option", item->key);
		return false;
	}
	return options_store(opt, item->value, values, reterr);
}

bool config_load(const char *path, struct values *values)
{
	char error[OPT_ERROR_MAX];
	struct conf_item item;
	struct conf conf;
	size_t len;
	char *text = read_file(path, &len); /* never freed: values borrow from it */

	if (!text)
		return false;
	conf_begin(&conf, text, len);
	for (;;) {
		switch (conf_next(&conf, &item)) {
		case CONF_END:
			return true;
		case CONF_BAD:
			log_line("%s:%u: %s", path, conf.line, item.error);
			return false;
		case CONF_PAIR:
			if (!take(&conf, &item, values, error)) {
				log_line("%s:%u: %s", path, conf.line, error);
				return false;
			}
		}
	}
}
