#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_MS (60 * 1000)

/* A pipe reports POLLOUT only when PIPE_BUF bytes fit, so a line of at most LOG_LINE_MAX
 * bytes cannot block after it. PIPE_BUF is 4096 on Linux (pipe(7)).
 *
 * #syscalls:engine,keeper write poll ppoll ppoll_time64
 */
static void write_line(const char *text, size_t len)
{
	static unsigned lost;
	struct pollfd err = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&err, 1, 0) != 1 || !(err.revents & POLLOUT)) {
		lost++;
		return;
	}
	if (lost > 0) {
		unsigned count = lost;

		lost = 0;
		dprintf(STDERR_FILENO, "(%u lines lost: stderr was not writable)\n", count);
	}
	if (write(STDERR_FILENO, text, len) != (ssize_t)len)
		lost++;
}

static void format_line(const char *format, va_list args)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	int len = vsnprintf(line, sizeof(line) - 1, format, args);

	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	if (len >= 0) {
		line[len] = '\n';
		write_line(line, (size_t)len + 1);
	}
	errno = saved;
}

void log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_line(format, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, int64_t now_ms, const char *format, ...)
{
	const unsigned burst = limit->burst > 0 ? limit->burst : LOG_BURST;
	va_list args;

	if (limit->passed == 0 || now_ms - limit->window_start_ms >= WINDOW_MS) {
		unsigned held_back = limit->held_back;

		*limit = (struct log_limit){ .burst = limit->burst, .window_start_ms = now_ms };
		if (held_back > 0)
			log_line("(%u similar lines held back)", held_back);
	}
	if (limit->passed >= burst) {
		limit->held_back++;
		return;
	}
	limit->passed++;
	va_start(args, format);
	format_line(format, args);
	va_end(args);
}
