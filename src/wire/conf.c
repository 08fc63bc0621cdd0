#include "wire/conf.h"

#include <stdbool.h>
#include <string.h>

static const char key_characters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

void conf_begin(struct conf *conf, char *text, size_t len)
{
	*conf = (struct conf){ .at = text, .end = text + len };
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && is_space(end[-1]))
		end--;
	*end = '\0';
	while (is_space(*text))
		text++;
	return text;
}

/* The next line, NUL-terminated and trimmed; NULL after the last. */
static char *next_line(struct conf *conf)
{
	char *line = conf->at;
	char *newline;

	if (line >= conf->end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(conf->end - line));
	if (newline)
		*newline = '\0';
	conf->at = newline ? newline + 1 : conf->end;
	conf->line++;
	return trim(line);
}

/* The character that stands behind a backslash for another, or '\0'. */
static char unescaped(char c)
{
	static const char from[] = "stnr\\", to[] = " \t\n\r\\";
	const char *place = c != '\0' ? strchr(from, c) : NULL;

	return place ? to[place - from] : '\0';
}

static bool unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		if (*text == '\\') {
			*out = unescaped(*++text);
			if (*out++ == '\0')
				return false;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
	return true;
}

/* NULL: it is one. */
static const char *take_group(struct conf *conf, char *line)
{
	size_t len = strcspn(line + 1, "[]");

	if (len == 0 || strcmp(line + 1 + len, "]") != 0)
		return "not a [group]";
	line[1 + len] = '\0';
	conf->group = line + 1;
	return NULL;
}

static const char *take_pair(const struct conf *conf, char *line, struct conf_item *ret)
{
	char *equals = strchr(line, '=');
	char *value;

	if (!equals)
		return "neither a [group], key=value nor a # comment";
	if (!conf->group)
		return "a key before the first [group]";
	*equals = '\0';
	value = trim(equals + 1);
	ret->key = trim(line);
	ret->value = value;
	if (*ret->key == '\0' || ret->key[strspn(ret->key, key_characters)] != '\0')
		return "a key is made of letters, digits and '-'";
	if (!unescape(value))
		return "'\\' in a value stands before one of s, t, n, r and \\";
	return NULL;
}

enum conf_kind conf_next(struct conf *conf, struct conf_item *ret)
{
	struct conf_item item = { 0 };
	bool is_pair = false;
	char *line;

	while (!is_pair && !item.error) {
		line = next_line(conf);
		if (!line)
			return CONF_END;
		if (*line == '\0' || *line == '#')
			continue;
		is_pair = *line != '[';
		item.error = is_pair ? take_pair(conf, line, &item) : take_group(conf, line);
	}
	*ret = item;
	return item.error ? CONF_BAD : CONF_PAIR;
}
