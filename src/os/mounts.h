/* os/mounts.h - files and directories replaced in a mount namespace of our own.
 *
 * Source: mount_namespaces(7), mount(2), path_resolution(7).
 */
#ifndef OS_MOUNTS_H
#define OS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

struct mounts_file {
	const char *path; /* symbolic links are followed, also into a hidden directory */
	const char *text; /* what is read there from now on */
	bool optional;	  /* nothing is lost where no such file exists */
};

struct mounts_plan {
	const char *const *hidden; /* directories that become empty ones; those that do not exist, or
				    * that we cannot get to, need nothing */
	size_t hidden_count;
	const char *closed; /* one more, which nobody else may enter then (mode 0700); NULL: none */
	const struct mounts_file *files;
	size_t file_count;
};

#define MOUNTS_FILES_MAX 8

/* The caller has just made its mount namespace, with CAP_SYS_ADMIN there, and its ids are mapped: a tmpfs
 * takes no others. What the host mounts later is still seen here, nothing of ours is seen there, and
 * nothing is written to a file system of the host's. 0; or -errno and the path (borrowed) that could not
 * be replaced, -ENOENT for a file that does not exist: then the caller has to end, half way as it is.
 */
int mounts_replace(const struct mounts_plan *plan, const char **reterr_path);

#endif
