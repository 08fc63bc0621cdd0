#include "app/version.h"

#include <seccomp.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "net/slirp.h"
#include "version-info.h" /* generated: GATE4NETNS_VERSION, GATE4NETNS_COMMIT */

#define COMPATIBLE_VERSION "1.3.3" /* the newest slirp4netns with a feature of its own */

void version_print(bool as_slirp4netns)
{
	const struct scmp_version *seccomp = seccomp_version();
	struct utsname kernel = { .release = "unknown" };

	(void)uname(&kernel);
	if (as_slirp4netns)
		printf("slirp4netns version %s\n", COMPATIBLE_VERSION);
	else
		printf("gate4netns version %s\n", GATE4NETNS_VERSION);
	printf("commit: %s\n", GATE4NETNS_COMMIT);
	printf("libslirp: %s\n", slirp_stack_version());
	printf("SLIRP_CONFIG_VERSION_MAX: %u\n", slirp_stack_config_version());
	printf("libseccomp: %u.%u.%u\n", seccomp->major, seccomp->minor, seccomp->micro);
	if (as_slirp4netns)
		printf("implementation: gate4netns %s\n", GATE4NETNS_VERSION);
	else
		printf("compatible with: slirp4netns %s\n", COMPATIBLE_VERSION);
	printf("kernel: %s %s\n", kernel.release, kernel.machine);
}
