#include "wire/nameserver.h"

#include <string.h>

#define WORD_MAX (IP_TEXT_MAX + NAMESERVER_SCOPE_MAX) /* bytes, with the '%' or the NUL */

static size_t count_blanks(const char *text, size_t len)
{
	size_t count = 0;

	while (count < len && (text[count] == ' ' || text[count] == '\t'))
		count++;
	return count;
}

static size_t word_length(const char *text, size_t len)
{
	size_t count = 0;

	while (count < len && !memchr(" \t\r\v\f", text[count], 5) && text[count] != '\0')
		count++;
	return count;
}

static bool parse_word(const char *text, size_t len, struct nameserver *ret)
{
	struct nameserver server = { .scope = "" };
	char word[WORD_MAX];
	char *scope;

	if (len >= sizeof(word))
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	scope = strchr(word, '%');
	if (scope) {
		*scope++ = '\0';
		if (strlen(scope) >= sizeof(server.scope))
			return false;
		memcpy(server.scope, scope, strlen(scope) + 1);
	}
	if (!ip_parse(word, &server.ip))
		return false;
	*ret = server;
	return true;
}

/* One line, without its end. */
static bool parse_line(const char *line, size_t len, struct nameserver *ret)
{
	static const char keyword[] = "nameserver";
	const size_t keyword_len = sizeof(keyword) - 1;
	size_t blanks;

	if (len < keyword_len || memcmp(line, keyword, keyword_len) != 0)
		return false;
	line += keyword_len;
	len -= keyword_len;
	blanks = count_blanks(line, len);
	return blanks > 0 &&
	       parse_word(line + blanks, word_length(line + blanks, len - blanks), ret);
}

bool nameserver_first(const char *text, size_t len, enum ip_family family, struct nameserver *ret)
{
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;
		struct nameserver server;

		if (parse_line(text, line, &server) && server.ip.family == family) {
			*ret = server;
			return true;
		}
		if (!end)
			return false;
		text += line + 1;
		len -= line + 1;
	}
	return false;
}
