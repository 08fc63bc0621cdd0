#include "os/procfile.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

ssize_t procfile_read(const char *path, char *ret, size_t size)
{
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	do {
		got = read(fd, ret + used, size - 1 - used);
		if (got < 0)
			return -errno;
		used += (size_t)got;
	} while (got > 0 && used < size - 1);
	ret[used] = '\0';
	return (ssize_t)used;
}

int procfile_write(const char *path, const char *text)
{
	autofd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}
