/* Our own dialect: its table, its command lines, its configuration files. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/cli_own.h"
#include "app/config.h"
#include "app/options.h"
#include "app/resolve.h"
#include "app/values.h"
#include "net/settings.h"

#define ARGS_MAX 16

static const enum command every_command[] = { COMMAND_RUN, COMMAND_ATTACH, COMMAND_EXEC,
					      COMMAND_TAP, COMMAND_CTL,	   COMMAND_CHECK };

struct parsed {
	struct values values;
	char *argv[ARGS_MAX + 1];
	int argc, first, status;
};

static bool parse(struct parsed *p, enum command command, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", ARGS_MAX);

	*p = (struct parsed){ .argv = { (char *)"gate4netns" }, .argc = 1 };
	for (size_t i = 0; words[i]; i++)
		p->argv[p->argc++] = (char *)g_intern_string(words[i]);
	return own_parse(command, p->argc, p->argv, &p->values, &p->first, &p->status);
}

/* A name is one option for each command, and what a row says is what its kind needs. */
static void test_table(void)
{
	for (const struct opt *opt = own_opts; opt->name; opt++) {
		g_test_message("%s", opt->name);
		g_assert_true(opt->exact && opt->help && opt->commands != 0);
		g_assert_true(opt->kind != OPT_CHOICE || opt->values);
		for (size_t i = 0; i < G_N_ELEMENTS(every_command); i++) {
			if (opt->commands & every_command[i])
				g_assert_true(options_find(own_opts, every_command[i], opt->name) ==
					      opt);
		}
	}
}

/* What --help calls the default is the default. */
static void test_defaults(void)
{
	struct parsed p;

	g_assert_true(parse(&p, COMMAND_RUN, "run true"));
	for (const struct opt *opt = own_opts; opt->name; opt++) {
		const char *place = strstr(opt->help, "default=");
		g_autofree char *text = g_strdup(place ? place + strlen("default=") : "");
		struct values set = p.values;
		char error[OPT_ERROR_MAX];

		text[strcspn(text, ")")] = '\0';
		if (!place || opt->kind == OPT_TEXT || !(opt->commands & COMMAND_RUN) ||
		    strcmp(opt->name, "pcap-limit") == 0)
			continue;
		g_test_message("%s=%s", opt->name, text);
		g_assert_true(options_store(opt, text, &set, error));
		g_assert_cmpmem(&set, sizeof(set), &p.values, sizeof(p.values));
	}
}

/* The options of CMD are CMD's. */
static void test_operands(void)
{
	static const struct {
		const char *line, *operand; /* NULL: none */
		int mtu;
	} cases[] = {
		{ "run --mtu=1400 -- curl --mtu=1300", "curl", 1400 },
		{ "run --mtu 1400 curl --mtu=1300 -v", "curl", 1400 },
		{ "run -- --mtu=1300", "--mtu=1300", 1500 },
		{ "run -p 80 -p81", NULL, 1500 },
	};
	struct parsed p;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].line);
		g_assert_true(parse(&p, COMMAND_RUN, cases[i].line));
		g_assert_cmpstr(p.argv[p.first], ==, cases[i].operand);
		g_assert_cmpint(p.values.mtu, ==, cases[i].mtu);
		g_assert_cmpstr(p.argv[1], ==, "run");
	}
	g_assert_cmpuint(p.values.publish.count, ==, 2);
}

static void test_refusals(void)
{
	static const struct {
		enum command command;
		const char *line;
		int status;
	} cases[] = {
		{ COMMAND_RUN, "run --mtu=67 true", 125 },
		{ COMMAND_RUN, "run --mtu=65522 true", 125 },
		{ COMMAND_RUN, "run --mt=1500 true", 125 }, /* never abbreviated */
		{ COMMAND_RUN, "run --wait true", 125 },    /* another command's */
		{ COMMAND_RUN, "run --cidr=10.0.2.1/24 true", 125 },
		{ COMMAND_RUN, "run --cidr6=fe80::/64 true", 125 },
		{ COMMAND_RUN, "run --cidr6=fd00::1/64 true", 125 },
		{ COMMAND_RUN, "run --cidr6=fd00::/48 true", 125 },
		{ COMMAND_RUN, "run --cidr6=ff02::/64 true", 125 },
		{ COMMAND_RUN, "run --cidr6=::/64 true", 125 },
		{ COMMAND_RUN, "run --interface=lo true", 125 },
		{ COMMAND_RUN, "run --interface=a/b true", 125 },
		{ COMMAND_RUN, "run --interface=sixteen-bytes-xx true", 125 },
		{ COMMAND_RUN, "run --interface= true", 125 },
		{ COMMAND_RUN, "run --mac=01:00:00:00:00:01 true", 125 },
		{ COMMAND_RUN, "run --mac=1 true", 125 },
		{ COMMAND_RUN, "run --host-loopback=maybe true", 125 },
		{ COMMAND_RUN, "run --map=nobody true", 125 },
		{ COMMAND_RUN, "run --name=../x true", 125 },
		{ COMMAND_RUN, "run --name=-x true", 125 },
		{ COMMAND_RUN, "run --hostname= true", 125 },
		{ COMMAND_RUN, "run --outbound-addr=::1 true", 125 },
		{ COMMAND_RUN, "run -p 80/sctp true", 125 },
		{ COMMAND_RUN, "run --config=/nonexistent true", 125 },
		{ COMMAND_EXEC, "exec --timeout=0 1 true", 125 },
		{ COMMAND_ATTACH, "attach --link=tcp:3", 1 },
		{ COMMAND_ATTACH, "attach --link=stream:", 1 },
		{ COMMAND_ATTACH, "attach --tap-from=-1", 1 },
		{ COMMAND_TAP, "tap --link=/x", 1 },
		{ COMMAND_CTL, "ctl --bogus", 1 },
	};
	struct parsed p;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].line);
		g_assert_false(parse(&p, cases[i].command, cases[i].line));
		g_assert_cmpint(p.status, ==, cases[i].status);
	}
}

static void test_settings(void)
{
	struct settings settings;
	struct parsed p;
	char text[IP_TEXT_MAX];

	g_assert_true(parse(&p, COMMAND_RUN, "run --ipv6=on --cidr6=2001:db8:7::/64 true"));
	g_assert_true(own_settings(&p.values, &settings));
	g_assert_true(settings.configure && settings.ipv6 && settings.static6);
	g_assert_true(settings.sandbox && settings.seccomp && settings.dns);
	g_assert_false(settings.host_loopback || settings.guest_loopback || settings.compat);
	g_assert_cmpstr(ip6_format(&settings.plan.guest6, text), ==, "2001:db8:7::64");
	g_assert_cmpstr(settings.tap_name, ==, "tap0");
	g_assert_true(
		parse(&p, COMMAND_ATTACH, "attach --link=stream:/x --configure=off --ipv6=on"));
	g_assert_true(own_settings(&p.values, &settings));
	g_assert_cmpint(settings.target, ==, TARGET_LINK);
	g_assert_cmpint(settings.link, ==, LINK_STREAM);
	g_assert_cmpstr(settings.link_path, ==, "/x");
	g_assert_true(parse(&p, COMMAND_ATTACH, "attach --link=seqpacket:7"));
	g_assert_true(own_settings(&p.values, &settings));
	g_assert_null(settings.link_path);
	g_assert_cmpint(settings.link_fd, ==, 7);
	g_assert_true(parse(&p, COMMAND_ATTACH, "attach --tap-from=7"));
	g_assert_true(own_settings(&p.values, &settings));
	g_assert_cmpint(settings.target, ==, TARGET_TAP_FROM);
	g_assert_true(parse(&p, COMMAND_ATTACH, "attach --tap-from=7 --link=bess:/x"));
	g_assert_false(own_settings(&p.values, &settings));
}

/* The file comes before the options of the command line; lists grow. */
static void test_config(void)
{
	g_autofree char *path = g_build_filename(g_get_tmp_dir(), "test-own-XXXXXX", NULL);
	int fd = g_mkstemp(path);
	g_autofree char *line = g_strdup_printf("run --mtu=1400 --config=%s -p 82 true", path);
	struct parsed p;

	g_assert_cmpint(fd, >=, 0);
	g_close(fd, NULL);
	g_assert_true(g_file_set_contents(path,
					  "[gate4netns]\nmtu=9000\nipv6=off\npublish=80\n"
					  "publish=81\nsandbox=off\nwait=on\n",
					  -1, NULL));
	g_assert_cmpint(g_chmod(path, 0600), ==, 0);
	g_assert_true(parse(&p, COMMAND_RUN, line));
	g_assert_cmpint(p.values.mtu, ==, 1400);
	g_assert_cmpint(p.values.ipv6, ==, IPV6_OFF);
	g_assert_false(p.values.sandbox);
	g_assert_cmpuint(p.values.publish.count, ==, 3);
	g_assert_cmpstr(p.values.publish.items[1], ==, "81");
	g_assert_cmpstr(p.values.publish.items[2], ==, "82");
	g_assert_cmpint(g_chmod(path, 0620), ==, 0);
	g_assert_false(parse(&p, COMMAND_RUN, line));
	g_assert_cmpint(p.status, ==, 125);
	g_unlink(path);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/own/table", test_table);
	g_test_add_func("/own/defaults", test_defaults);
	g_test_add_func("/own/operands", test_operands);
	g_test_add_func("/own/refusals", test_refusals);
	g_test_add_func("/own/settings", test_settings);
	g_test_add_func("/own/config", test_config);
	return g_test_run();
}
