/* The texts are files of a tmpfs that is mounted for this moment only, on a directory that exists
 * wherever there are user namespaces to be mapped; bind mounts hold on to them when it has gone.
 *
 * Where a file is, is asked before anything is hidden: it may be a symbolic link into a directory that
 * will be. Then it is made anew in what hides that.
 */
#include "os/mounts.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define STAGE "/proc"
#define STAGE_NAME_MAX 32
#define TMPFS_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

#define OPEN_TMPFS "mode=0755,size=1m"
#define CLOSED_TMPFS "mode=0700,size=1m"

static int mount_tmpfs(const char *path, const char *options)
{
	return mount("tmpfs", path, "tmpfs", TMPFS_FLAGS, options) < 0 ? -errno : 0;
}

static int hide(const char *path, const char *options)
{
	int r = mount_tmpfs(path, options);

	return r == -ENOENT || r == -ENOTDIR || r == -EACCES ? 0 : r;
}

/* A new file, which others can read whatever the umask is. */
static int make_file(const char *path, const char *text)
{
	autofd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	const ssize_t len = (ssize_t)strlen(text);
	ssize_t written;

	if (fd < 0 || fchmod(fd, 0644) < 0)
		return -errno;
	written = write(fd, text, (size_t)len);
	if (written < 0)
		return -errno;
	return written == len ? 0 : -ENOSPC;
}

/* The file was there before something was hidden, so that is where it was. */
static int make_again(const char *target)
{
	g_autofree char *folder = g_path_get_dirname(target);

	if (access(target, F_OK) == 0)
		return 0;
	if (errno != ENOENT || g_mkdir_with_parents(folder, 0755) < 0)
		return -errno;
	return make_file(target, "");
}

static int replace(const char *target, const char *text, size_t number)
{
	char source[STAGE_NAME_MAX];
	int r;

	snprintf(source, sizeof(source), STAGE "/%zu", number);
	r = make_file(source, text);
	if (r == 0 && mount(source, target, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	return r;
}

/* @targets: where the files are; NULL: nowhere. */
static int replace_all(const struct mounts_plan *plan, char *const *targets,
		       const char **reterr_path)
{
	int r = 0;

	for (size_t i = 0; i < plan->hidden_count && r == 0; i++) {
		*reterr_path = plan->hidden[i];
		r = hide(plan->hidden[i], OPEN_TMPFS);
	}
	if (r == 0 && plan->closed) {
		*reterr_path = plan->closed;
		r = hide(plan->closed, CLOSED_TMPFS);
	}
	for (size_t i = 0; i < plan->file_count && r == 0; i++) {
		*reterr_path = plan->files[i].path;
		if (targets[i])
			r = make_again(targets[i]);
	}
	if (r < 0)
		return r;
	*reterr_path = STAGE;
	r = mount_tmpfs(STAGE, OPEN_TMPFS);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->file_count && r == 0; i++) {
		*reterr_path = plan->files[i].path;
		if (targets[i])
			r = replace(targets[i], plan->files[i].text, i);
	}
	(void)umount2(STAGE, MNT_DETACH);
	return r;
}

int mounts_replace(const struct mounts_plan *plan, const char **reterr_path)
{
	char *targets[MOUNTS_FILES_MAX] = { NULL };
	int r = 0;

	*reterr_path = "/";
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < plan->file_count && r == 0; i++) {
		*reterr_path = plan->files[i].path;
		targets[i] = realpath(plan->files[i].path, NULL);
		if (!targets[i] && !plan->files[i].optional)
			r = -errno;
	}
	if (r == 0)
		r = replace_all(plan, targets, reterr_path);
	for (size_t i = 0; i < plan->file_count; i++)
		free(targets[i]);
	return r;
}
