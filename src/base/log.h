/* base/log.h - one line to stderr for one event.
 *
 * A line is lost rather than waited for: where stderr is a pipe that nobody reads, or a full
 * disk, it is counted, and the next line that passes says how many were lost. Only a second
 * writer that fills the same pipe at the same moment could make it wait. errno is preserved.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

/* Write one line. No newline in @format; a line is cut at LOG_LINE_MAX bytes. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For what a peer can provoke at will: at most so many lines a minute for one @limit, and
 * the first line of the next minute says how many were held back. Zero-initialise it, all but burst.
 */
struct log_limit {
	unsigned burst; /* lines a minute; 0: LOG_BURST */
	int64_t window_start_ms;
	unsigned passed;
	unsigned held_back;
};

void log_limited(struct log_limit *limit, int64_t now_ms, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define LOG_LINE_MAX 1024
#define LOG_BURST 10

#endif
