/* app/rundir.h - the directory in which networks of our own dialect have their API sockets, so that ctl
 * finds them: $XDG_RUNTIME_DIR/gate4netns, or for root without that /run/gate4netns. NAME.sock each.
 *
 * It is ours alone: mode 0700, and one that is somebody else's, or that others may enter, is not used,
 * for whoever can put a socket there can play the program.
 */
#ifndef APP_RUNDIR_H
#define APP_RUNDIR_H

#include <glib.h>

#include "os/unixsock.h"

struct settings;
struct values;

/* The directory itself, which need not exist. 0; -ENOENT: there is no place for it. */
int rundir_directory(char ret[UNIXSOCK_PATH_MAX]);

/* The path of the socket of @name, which is a file name; the directory is made. 0, or -errno: -ENOENT
 * if there is no place for the directory, -EPERM if it is not ours alone, -EINVAL for a name with a '/'.
 */
int rundir_socket(const char *name, char ret[UNIXSOCK_PATH_MAX]);

/* The API socket of run and attach: the path that was given, none, or the default one, which is written to
 * @path and has to live as long as *ret. Where there can be none the network goes without. That is said if
 * a name was asked for, or if the place is a stranger's: callers without $XDG_RUNTIME_DIR (cron, su,
 * containers) would find a line of ours on CMD's stderr each time.
 */
void rundir_choose(const struct values *values, char path[UNIXSOCK_PATH_MAX], struct settings *ret);

/* The socket of @name; NULL: the only one behind which a program runs. 0, or -errno: -ENOENT if there is
 * none, -ENOTUNIQ if there are several. Names of those behind which a program runs are appended
 * to @candidates in any case, sorted, with ", " between.
 */
int rundir_find(const char *name, char ret[UNIXSOCK_PATH_MAX], GString *candidates);

#endif
