/* os/resolvconf.h - the name servers in /etc/resolv.conf, and when they change. resolv.conf(5).
 *
 * The path is followed anew at each read, so a symbolic link that is pointed elsewhere, a target
 * that is replaced, and a file that is rewritten are all seen.
 */
#ifndef OS_RESOLVCONF_H
#define OS_RESOLVCONF_H

#include <stddef.h>
#include <sys/stat.h>

#define RESOLVCONF_MAX 4096 /* bytes; PIPE_BUF, so that it goes through a pipe in one piece */

/* The "nameserver" lines, as many as fit whole. Their length; 0 if the file cannot be read. */
size_t resolvconf_read(char text[RESOLVCONF_MAX]);

/* stat(2) of the file, whatever links lead to it. *ret is untouched if it cannot be had. */
void resolvconf_stat(struct stat *ret);

/* Watch the file and every link on the way to it. An inotify descriptor (owned by the caller)
 * that becomes readable when the answer of resolvconf_read() may have changed; then close it
 * and watch anew, for the way may have changed too. -errno.
 */
int resolvconf_watch(void);

#endif
