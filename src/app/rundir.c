#include "app/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/values.h"
#include "base/fd.h"
#include "base/log.h"
#include "net/settings.h"

#define FOLDER "gate4netns"
#define SUFFIX ".sock"
#define PLACE_VARIABLE "XDG_RUNTIME_DIR"
#define ROOTS_PLACE "/run"
#define MODE 0700

static int print_path(char ret[UNIXSOCK_PATH_MAX], const char *format, ...) G_GNUC_PRINTF(2, 3);

static int print_path(char ret[UNIXSOCK_PATH_MAX], const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(ret, UNIXSOCK_PATH_MAX, format, arguments);
	va_end(arguments);
	return len >= 0 && len < UNIXSOCK_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The XDG Base Directory Specification takes no relative path. */
int rundir_directory(char ret[UNIXSOCK_PATH_MAX])
{
	const char *place = g_getenv(PLACE_VARIABLE);

	if ((!place || *place != '/') && geteuid() == 0)
		place = ROOTS_PLACE;
	if (!place || *place != '/')
		return -ENOENT;
	return print_path(ret, "%s/" FOLDER, place);
}

/* The directory, opened, if it is ours alone. */
static int open_directory(const char *path)
{
	autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return -EPERM;
	return fd_steal(&fd);
}

static bool is_file_name(const char *name)
{
	return *name != '\0' && *name != '.' && !strchr(name, '/');
}

int rundir_socket(const char *name, char ret[UNIXSOCK_PATH_MAX])
{
	char directory[UNIXSOCK_PATH_MAX];
	autofd int fd = -EBADF;
	int r;

	if (!is_file_name(name))
		return -EINVAL;
	r = rundir_directory(directory);
	if (r < 0)
		return r;
	if (mkdir(directory, MODE) < 0 && errno != EEXIST)
		return -errno;
	fd = open_directory(directory);
	if (fd < 0)
		return fd == -EACCES ? -EPERM : fd; /* it is there, and not ours */
	return print_path(ret, "%s/%s" SUFFIX, directory, name);
}

void rundir_choose(const struct values *values, char path[UNIXSOCK_PATH_MAX], struct settings *ret)
{
	char pid[16];
	const char *name = values->name ? values->name : pid;
	const bool is_wanted = values->name || g_getenv(PLACE_VARIABLE);
	int r;

	ret->api_path = values->api_socket;
	if (values->api_socket && strcmp(values->api_socket, API_SOCKET_NONE) == 0)
		ret->api_path = NULL;
	if (values->api_socket)
		return;
	g_snprintf(pid, sizeof(pid), "%d", (int)getpid());
	r = rundir_socket(name, path);
	if (r == 0)
		ret->api_path = path;
	else if (r == -EPERM && is_wanted)
		log_line("no API socket: the directory " FOLDER " for it is not ours alone");
	else if (values->name)
		log_line("no API socket: there is no place for it: %s%s", strerror(-r),
			 r == -ENOENT ? " ($" PLACE_VARIABLE ")" : "");
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of sockets behind which a program runs, sorted. */
static int list_living(const char *directory, GPtrArray *names)
{
	autofd int fd = open_directory(directory);
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)fd_steal(&fd); /* closedir(3) closes it */
	while ((entry = readdir(dir))) {
		char path[UNIXSOCK_PATH_MAX];

		if (g_str_has_suffix(entry->d_name, SUFFIX) && is_file_name(entry->d_name) &&
		    print_path(path, "%s/%s", directory, entry->d_name) == 0 &&
		    unixsock_is_used(path))
			g_ptr_array_add(names, g_strndup(entry->d_name,
							 strlen(entry->d_name) - strlen(SUFFIX)));
	}
	closedir(dir);
	g_ptr_array_sort(names, compare_names);
	return 0;
}

int rundir_find(const char *name, char ret[UNIXSOCK_PATH_MAX], GString *candidates)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	char directory[UNIXSOCK_PATH_MAX], path[UNIXSOCK_PATH_MAX];
	int r = rundir_directory(directory);

	if (r == 0)
		r = list_living(directory, names);
	if (r < 0)
		return r;
	for (guint i = 0; i < names->len; i++)
		g_string_append_printf(candidates, "%s%s", i > 0 ? ", " : "",
				       (const char *)names->pdata[i]);
	if (!name && names->len != 1)
		return names->len == 0 ? -ENOENT : -ENOTUNIQ;
	if (!name)
		name = names->pdata[0];
	if (!is_file_name(name))
		return -EINVAL;
	r = print_path(path, "%s/%s" SUFFIX, directory, name);
	if (r == 0 && access(path, F_OK) < 0)
		r = -errno;
	if (r == 0)
		memcpy(ret, path, sizeof(path));
	return r;
}
