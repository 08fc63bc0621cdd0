#include "app/completion.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/options.h"

/* The start of a list that is bound to a command line word by word. */
static bool wants_path(const struct opt *opt)
{
	return opt->values && strcmp(opt->values, "@path") == 0;
}

static void print_bash(const struct opt *table, const char *names)
{
	printf("_gate4netns()\n{\n\tlocal cur prev words cword split\n"
	       "\tcur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\t[[ $cur == = ]] && cur=\n"
	       "\t[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n\tcase $prev in\n");
	for (const struct opt *opt = table; opt->name; opt++) {
		if (!opt->help || !opt->argument)
			continue;
		printf("\t--%s", opt->name);
		if (opt->letter)
			printf("|-%c", opt->letter);
		if (wants_path(opt))
			printf(") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
		else
			printf(") COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n",
			       opt->values ? opt->values : "");
	}
	printf("\tesac\n\tCOMPREPLY=($(compgen -W '");
	for (const struct opt *opt = table; opt->name; opt++) {
		if (opt->help)
			printf("--%s%s ", opt->name, opt->argument ? "=" : "");
	}
	printf("' -- \"$cur\"))\n\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n}\n"
	       "complete -o default -F _gate4netns %s\n",
	       names);
}

/* In a zsh argument description brackets and colons have a meaning of their own. */
static void print_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (strchr("[]:\\", *text))
			putchar('\\');
		if (*text == '\'')
			printf("'\\'");
		putchar(*text);
	}
}

static void print_zsh_option(const struct opt *opt, const char *dashed)
{
	printf("\t'%s%s[", dashed, opt->argument && dashed[1] == '-' ? "=" : "");
	print_zsh_text(opt->help);
	printf("]");
	if (opt->argument) {
		printf(":%s:", opt->argument);
		if (wants_path(opt))
			printf("_files");
		else if (opt->values)
			printf("(%s)", opt->values);
	}
	printf("' \\\n");
}

static void print_zsh(const struct opt *table, const char *names)
{
	printf("#compdef %s\n_arguments \\\n", names);
	for (const struct opt *opt = table; opt->name; opt++) {
		char dashed[64];

		if (!opt->help)
			continue;
		snprintf(dashed, sizeof(dashed), "--%s", opt->name);
		print_zsh_option(opt, dashed);
		if (opt->letter) {
			snprintf(dashed, sizeof(dashed), "-%c", opt->letter);
			print_zsh_option(opt, dashed);
		}
	}
	printf("\t'*:operand:_files'\n");
}

/* In single quotes fish knows two characters that are not themselves (fish-language, "Quotes"). */
static void print_fish_text(const char *text)
{
	for (; *text; text++) {
		if (strchr("'\\", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void print_fish_option(const struct opt *opt, const char *name, int name_len)
{
	printf("complete -c %.*s -l %s", name_len, name, opt->name);
	if (opt->letter)
		printf(" -s %c", opt->letter);
	if (opt->argument)
		printf(wants_path(opt) ? " -r -F" : " -x");
	if (opt->values && !wants_path(opt))
		printf(" -a '%s'", opt->values);
	printf(" -d '");
	print_fish_text(opt->help);
	printf("'\n");
}

static void print_fish(const struct opt *table, const char *names)
{
	while (*names) {
		size_t len = strcspn(names, " ");

		for (const struct opt *opt = table; opt->name; opt++) {
			if (opt->help)
				print_fish_option(opt, names, (int)len);
		}
		names += len + strspn(names + len, " ");
	}
}

int completion_print(const struct opt *table, const char *names, const char *shell)
{
	static const struct {
		const char *shell;
		void (*print)(const struct opt *table, const char *names);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", print_fish },
	};

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].shell, shell) == 0) {
			shells[i].print(table, names);
			return 0;
		}
	}
	return -EINVAL;
}
