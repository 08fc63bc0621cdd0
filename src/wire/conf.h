/* wire/conf.h - the lines of a configuration file in GLib's key-file syntax.
 *
 *	# a comment
 *	[group]
 *	key=value
 *
 * Pure. GLib's own parser would do but for two things: it has no line numbers for a value that it can read
 * and its caller cannot, and of a repeated key it keeps the last value only, where a list is meant here.
 * Space around keys and values does not count; in values \s, \t, \n, \r and \\ stand for what they stand
 * for there.
 * Source: GLib's documentation of GKeyFile; Desktop Entry Specification, "Basic format of the file".
 */
#ifndef WIRE_CONF_H
#define WIRE_CONF_H

#include <stddef.h>

struct conf {
	char *at, *end;	   /* what is still to be read; NUL at end[0] */
	const char *group; /* NULL before the first */
	unsigned line;	   /* of what was read last, from 1 */
};

enum conf_kind {
	CONF_PAIR, /* key and value are set */
	CONF_END,
	CONF_BAD, /* error is set: a text of static lifetime */
};

struct conf_item {
	const char *key, *value; /* in the text that conf_begin() got */
	const char *error;
};

/* Read @text, which has @len bytes, no NUL among them and one behind them. It is written into, and borrowed
 * for as long as any value is.
 */
void conf_begin(struct conf *conf, char *text, size_t len);

/* The next pair, whose group is conf->group and whose line conf->line. */
enum conf_kind conf_next(struct conf *conf, struct conf_item *ret);

#endif
