#include "app/attach_main.h"

#include <errno.h>

#include "app/cli_own.h"
#include "app/front.h"
#include "app/nstarget.h"
#include "app/rundir.h"
#include "app/values.h"
#include "base/log.h"
#include "net/settings.h"
#include "os/netns.h"

static bool refuse(const char *option)
{
	log_line("%s needs the PID or the pidfd of a process", option);
	return false;
}

/* What a descriptor is decides what is done with it. */
static bool set_target_fd(int fd, struct settings *set)
{
	switch (netns_fd_kind(fd)) {
	case NETNS_FD_NETNS:
		set->target = TARGET_NETNS_FD;
		set->ns_fd = fd;
		return !set->exit_with || refuse("--exit-with");
	case NETNS_FD_PROCESS:
		set->target = TARGET_NETNS_FD;
		set->ns_fd = fd;
		return true;
	case NETNS_FD_OTHER:
		break;
	}
	set->target = TARGET_TAPFD; /* or it is nothing: who takes it over says so */
	set->tapfd = fd;
	return !set->exit_with || refuse("--exit-with");
}

static bool set_target(const char *word, struct settings *set)
{
	struct nstarget target;

	if (!nstarget_parse(word, &target))
		return false;
	if (target.fd >= 0)
		return set_target_fd(target.fd, set);
	set->target = target.path ? TARGET_PATH : TARGET_PID;
	set->path = target.path;
	set->pid = target.pid;
	return !target.path || !set->exit_with || refuse("--exit-with");
}

int attach_main(int argc, char **argv)
{
	char api_path[UNIXSOCK_PATH_MAX];
	struct settings settings;
	struct values values;
	bool has_link;
	int first, status;

	if (!own_parse(COMMAND_ATTACH, argc, argv, &values, &first, &status))
		return status;
	has_link = values.link || values.tap_from != FD_NONE;
	if (argc - first != (has_link ? 0 : 1)) {
		log_line(has_link ? "--link and --tap-from take no PID, PATH or fd:FD beside them" :
				    "usage: gate4netns attach [OPTION]... %s",
			 own_operands(COMMAND_ATTACH));
		return 1;
	}
	if (!own_settings(&values, &settings))
		return 1;
	if (has_link && settings.exit_with)
		return refuse("--exit-with"), 1;
	if (!has_link && !set_target(argv[first], &settings))
		return 1;
	rundir_choose(&values, api_path, &settings);
	return front_run(&settings);
}
