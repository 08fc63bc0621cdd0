/* os/procfile.h - small files of the kernel's: read at once, written at once. proc(5).
 *
 * Never creates a file and never waits for one.
 */
#ifndef OS_PROCFILE_H
#define OS_PROCFILE_H

#include <stddef.h>
#include <sys/types.h>

/* Up to @size - 1 bytes and a NUL. The length, or -errno. */
ssize_t procfile_read(const char *path, char *ret, size_t size);

/* In one write(2), as these files want it. 0 or -errno. */
int procfile_write(const char *path, const char *text);

#endif
