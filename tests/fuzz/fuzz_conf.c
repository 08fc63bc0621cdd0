/* wire/conf and what takes its values: any text is a configuration file. */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli_own.h"
#include "app/options.h"
#include "app/values.h"
#include "wire/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	g_autofree char *text = g_malloc(len + 1);
	struct values values = { 0 };
	char error[OPT_ERROR_MAX];
	struct conf_item item;
	struct conf conf;

	memcpy(text, bytes, len);
	text[len] = '\0';
	if (memchr(text, '\0', len))
		return 0;
	conf_begin(&conf, text, len);
	while (conf_next(&conf, &item) == CONF_PAIR) {
		const struct opt *opt = options_find(own_opts, 0, item.key);

		if (item.value < text || item.value + strlen(item.value) > text + len)
			abort();
		if (opt && own_option_is_for_files(opt) &&
		    !options_store(opt, item.value, &values, error) && error[0] == '\0')
			abort();
	}
	return 0;
}
