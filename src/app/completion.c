#include "app/completion.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/options.h"

struct completions {
	const struct completion *lines;
	size_t count;
	const char *own_name, *other_name;
};

static bool wants_path(const struct opt *opt)
{
	return opt->values && strcmp(opt->values, "@path") == 0;
}

/* The next row from @opt on that the line has and shows, or NULL. */
static const struct opt *next_shown(const struct completion *line, const struct opt *opt)
{
	while (opt->name && (!opt->help || !options_belongs(opt, line->command)))
		opt++;
	return opt->name ? opt : NULL;
}

#define FOR_EACH_SHOWN(opt, line)                                          \
	for (const struct opt *opt = next_shown(line, (line)->table); opt; \
	     opt = next_shown(line, opt + 1))

static void print_words(const struct completions *all, const char *between)
{
	for (size_t i = 1; i < all->count; i++)
		printf("%s%s", i > 1 ? between : "", all->lines[i].word);
}

/* A function for the line: what an option takes, or the options. */
static void print_bash_line(const struct completion *line)
{
	printf("_gate4netns_%s()\n{\n\tcase $prev in\n", line->word ? line->word : "namespace");
	FOR_EACH_SHOWN(opt, line)
	{
		if (!opt->argument)
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
	FOR_EACH_SHOWN(opt, line)
	printf("--%s%s ", opt->name, opt->argument ? "=" : "");
	printf("' -- \"$cur\"))\n\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n}\n");
}

/* The start of a list is bound to a command line word by word. */
static void print_bash(const struct completions *all)
{
	for (size_t i = 0; i < all->count; i++)
		print_bash_line(&all->lines[i]);
	printf("_gate4netns()\n{\n\tlocal cur prev\n"
	       "\tcur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\t[[ $cur == = ]] && cur=\n"
	       "\t[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	       "\tif [[ ${COMP_WORDS[0]##*/} == %s ]]; then\n"
	       "\t\tcase $COMP_CWORD:${COMP_WORDS[1]} in\n\t\t1:[!-]*|1:) COMPREPLY=($(compgen -W '",
	       all->own_name);
	print_words(all, " ");
	printf("' -- \"$cur\")); return ;;\n");
	for (size_t i = 1; i < all->count; i++)
		printf("\t\t*:%s) _gate4netns_%s; return ;;\n", all->lines[i].word,
		       all->lines[i].word);
	printf("\t\tesac\n\tfi\n\t_gate4netns_namespace\n}\n"
	       "complete -o default -F _gate4netns %s %s\n",
	       all->own_name, all->other_name);
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
	printf("\t'%s%s%s[", opt->kind == OPT_LIST ? "*" : "", dashed,
	       opt->argument && dashed[1] == '-' ? "=" : "");
	print_zsh_text(opt->help);
	printf("]");
	if (opt->argument) {
		printf(":");
		print_zsh_text(opt->argument);
		printf(":");
		if (wants_path(opt))
			printf("_files");
		else if (opt->values) {
			printf("(");
			print_zsh_text(opt->values);
			printf(")");
		}
	}
	printf("' \\\n");
}

static void print_zsh_line(const struct completion *line)
{
	printf("_gate4netns_%s()\n{\n\t_arguments -S \\\n", line->word ? line->word : "namespace");
	FOR_EACH_SHOWN(opt, line)
	{
		char dashed[64];

		snprintf(dashed, sizeof(dashed), "--%s", opt->name);
		print_zsh_option(opt, dashed);
		if (opt->letter) {
			snprintf(dashed, sizeof(dashed), "-%c", opt->letter);
			print_zsh_option(opt, dashed);
		}
	}
	printf("\t'*:operand:_files'\n}\n");
}

static void print_zsh(const struct completions *all)
{
	printf("#compdef %s %s\n", all->own_name, all->other_name);
	for (size_t i = 0; i < all->count; i++)
		print_zsh_line(&all->lines[i]);
	printf("if [[ $service == %s ]]; then\n\tcase $CURRENT:$words[2] in\n"
	       "\t2:[^-]*|2:) compadd -- ",
	       all->own_name);
	print_words(all, " ");
	printf("; return ;;\n");
	for (size_t i = 1; i < all->count; i++)
		printf("\t*:%s) shift words; ((CURRENT--)); _gate4netns_%s; return ;;\n",
		       all->lines[i].word, all->lines[i].word);
	printf("\tesac\nfi\n_gate4netns_namespace\n");
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

static void print_fish_option(const struct opt *opt, const char *name, const char *condition)
{
	printf("complete -c %s%s -l %s", name, condition, opt->name);
	if (opt->letter)
		printf(" -s %c", opt->letter);
	if (opt->argument)
		printf(wants_path(opt) ? " -r -F" : " -x");
	if (opt->values && opt->argument && !wants_path(opt))
		printf(" -a '%s'", opt->values);
	printf(" -d '");
	print_fish_text(opt->help);
	printf("'\n");
}

static void print_fish(const struct completions *all)
{
	printf("set -l commands ");
	print_words(all, " ");
	printf("\ncomplete -c %s -n \"not __fish_seen_subcommand_from $commands\" -a \"$commands\"\n",
	       all->own_name);
	FOR_EACH_SHOWN(opt, &all->lines[0])
	{
		print_fish_option(opt, all->own_name,
				  " -n \"not __fish_seen_subcommand_from $commands\"");
		print_fish_option(opt, all->other_name, "");
	}
	for (size_t i = 1; i < all->count; i++) {
		char condition[64];

		snprintf(condition, sizeof(condition), " -n \"__fish_seen_subcommand_from %s\"",
			 all->lines[i].word);
		FOR_EACH_SHOWN(opt, &all->lines[i])
		print_fish_option(opt, all->own_name, condition);
	}
}

int completion_print(const struct completion *lines, size_t count, const char *own_name,
		     const char *other_name, const char *shell)
{
	static const struct {
		const char *shell;
		void (*print)(const struct completions *all);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", print_fish },
	};
	const struct completions all = { lines, count, own_name, other_name };

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].shell, shell) == 0) {
			shells[i].print(&all);
			return 0;
		}
	}
	return -EINVAL;
}
