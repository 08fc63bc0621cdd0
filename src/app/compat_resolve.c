#include <glib.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_compat.h"
#include "app/options.h"
#include "app/resolve.h"
#include "app/values.h"
#include "net/settings.h"
#include "os/unixsock.h"

struct input {
	const struct values *values;
	int count;
	char **operands;
};

typedef bool resolve_fn(const struct input *in, struct settings *set, struct compat_error *err);

static bool refuse(struct compat_error *err, bool usage, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool refuse(struct compat_error *err, bool usage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->usage = usage;
	return false;
}

static bool resolve_bess(const struct input *in, struct settings *set, struct compat_error *err)
{
	static const char conflict[] = "%s conflicts with --target-type=bess";
	const struct values *values = in->values;

	if (in->count < 1)
		return refuse(err, true, "%s", "");
	if (in->count > 1)
		return refuse(err, true, "too many arguments");
	if (values->configure)
		return refuse(err, true, conflict, "--configure");
	if (values->netns_type)
		return refuse(err, true, conflict, "--netns-type");
	if (values->userns_path)
		return refuse(err, true, conflict, "--userns-path");
	if (strlen(in->operands[0]) >= UNIXSOCK_PATH_MAX)
		return refuse(err, false, "the specified BESS socket path is too long (>= %d)",
			      UNIXSOCK_PATH_MAX);
	set->target = TARGET_BESS;
	set->path = in->operands[0];
	puts("WARNING: BESS mode is experimental");
	return true;
}

static bool resolve_pid(const struct input *in, struct settings *set, struct compat_error *err)
{
	int pid;

	if (in->count < 2)
		return refuse(err, true, "%s", "");
	if (!options_parse_number(in->operands[0], 1, INT_MAX, &pid))
		return refuse(err, true, "PID must be a positive integer");
	set->target = TARGET_PID;
	set->pid = pid;
	set->tap_name = in->operands[1];
	return true;
}

static bool resolve_path(const struct input *in, struct settings *set, struct compat_error *err)
{
	if (in->count < 2)
		return refuse(err, true, "%s", "");
	if (access(in->operands[0], F_OK) != 0)
		return refuse(err, true, "existing path expected when --netns-type=path: %s",
			      g_strerror(errno));
	set->target = TARGET_PATH;
	set->path = in->operands[0];
	set->tap_name = in->operands[1];
	return true;
}

static bool resolve_tapfd(const struct input *in, struct settings *set, struct compat_error *err)
{
	if (in->count < 1)
		return refuse(err, true, "%s", "");
	if (!options_parse_number(in->operands[0], 0, INT_MAX, &set->tapfd))
		return refuse(err, true, "TAPFD must a file descriptor");
	set->target = TARGET_TAPFD;
	return true;
}

static const struct {
	const char *word; /* of --netns-type; the first is the default */
	resolve_fn *resolve;
	int operands; /* more get a warning */
} netns_types[] = {
	{ "pid", resolve_pid, 2 },
	{ "path", resolve_path, 2 },
	{ "tapfd", resolve_tapfd, 1 },
};

static bool resolve_netns(const struct input *in, struct settings *set, struct compat_error *err)
{
	const char *word = in->values->netns_type;

	for (size_t i = 0; i < G_N_ELEMENTS(netns_types); i++) {
		if (strcmp(word ? word : netns_types[0].word, netns_types[i].word) != 0)
			continue;
		if (in->count > netns_types[i].operands)
			puts("WARNING: too many arguments");
		return netns_types[i].resolve(in, set, err);
	}
	return refuse(err, true, "--netns-type must be \"pid\", \"path\" or \"tapfd\", not \"%s\"",
		      word);
}

static bool resolve_target(const struct input *in, struct settings *set, struct compat_error *err)
{
	const char *word = in->values->target_type;
	bool bess = word && strcmp(word, "bess") == 0;

	if (word && !bess && strcmp(word, "netns") != 0)
		return refuse(err, true, "--target-type must be either \"netns\" or \"bess\"");
	set->userns_path = in->values->userns_path;
	return bess ? resolve_bess(in, set, err) : resolve_netns(in, set, err);
}

static bool resolve_mtu(const struct input *in, struct settings *set, struct compat_error *err)
{
	if (in->values->mtu < MTU_MIN)
		return refuse(err, true, "MTU must be %d or more, not %d", MTU_MIN,
			      in->values->mtu);
	set->mtu = (unsigned)in->values->mtu;
	return true;
}

static bool resolve_guest_loopback(const struct input *in, struct settings *set,
				   struct compat_error *err)
{
	static const char *const without_namespace[TARGETS] = {
		[TARGET_TAPFD] = "--netns-type=tapfd",
		[TARGET_BESS] = "--target-type=bess",
	};
	const char *option = without_namespace[set->target];

	(void)in;
	if (set->guest_loopback && option)
		return refuse(err, false,
			      "--guest-loopback conflicts with %s: there is no namespace to join",
			      option);
	return true;
}

/* What both dialects have in common. */
static bool resolve_common(const struct input *in, struct settings *set, struct compat_error *err)
{
	char text[RESOLVE_ERROR_MAX];

	return resolve_network(in->values, set, text) || refuse(err, false, "%s", text);
}

static bool resolve_publish(const struct input *in, struct settings *set, struct compat_error *err)
{
	const struct opt_list *list = &in->values->publish;
	char text[OPT_ERROR_MAX];

	(void)set;
	for (size_t i = 0; i < list->count; i++) {
		if (!check_publish(list->items[i], text))
			return refuse(err, false, "--publish=%s: %s", list->items[i], text);
	}
	return true;
}

static bool resolve_mac_needs_configure(const struct input *in, struct settings *set,
					struct compat_error *err)
{
	(void)set;
	if (in->values->mac && !in->values->configure)
		return refuse(err, true,
			      "--macaddr cannot be specified when --configure or -c is "
			      "not specified");
	return true;
}

bool compat_resolve(const struct values *values, int operand_count, char **operands,
		    struct settings *ret, struct compat_error *reterr)
{
	/* The order decides which of two mistakes is named; it is the reference's. */
	/* clang-format off */
	static resolve_fn *const steps[] = {
		resolve_mac_needs_configure,
		resolve_target,
		resolve_mtu,
		resolve_common,
		resolve_guest_loopback,
		resolve_publish,
	};
	/* clang-format on */
	const struct input in = { values, operand_count, operands };
	struct settings set = { .compat = true, .tap_from = FD_NONE, .link_fd = FD_NONE };

	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		if (!steps[i](&in, &set, reterr))
			return false;
	}
	*ret = set;
	return true;
}
