/* probe.c - the traffic and the stopwatch of the bench.
 *
 *   probe serve PORT                  TCP and UDP echo until killed; prints "ready"
 *   probe rr ADDRESS PORT MS          one byte there and back; prints p50 and p99 in microseconds
 *   probe crr ADDRESS PORT MS         connect, request, reply, close; prints the rate per second
 *   probe crr8 ADDRESS PORT MS        the same by 8 processes at once; prints the sum of their rates
 *   probe udp ADDRESS PORT MS         1200 bytes, 32 in flight; prints echoes per second
 *   probe udpway ADDRESS PORT MS      1400 bytes, one way, 1 Gbit/s offered; prints how many percent of
 *                                     what was sent have arrived, and of what was due were sent
 *   probe hold ADDRESS PORT N         N connections that have each had a byte there and back; prints
 *                                     "holding", and resets them at the end of standard input
 *   probe holdudp ADDRESS PORT N      the same with N sockets and a datagram there and back
 *   probe starts N ready CMD...       ms from fork to the ready byte on fd 3; fd 4 is the exit-fd
 *   probe starts N exit CMD...        ms from fork to the end of CMD; what it left behind is killed
 *
 * The server answers PING on an open connection; REQUEST it answers and then closes. Datagrams it
 * echoes, but for those of udpway, which it counts: HOW_MANY asks for their number and begins anew.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PING = 'p', REQUEST = 'q', HOW_MANY = 'h' };
enum {
	DATAGRAM_BYTES = 1200,
	IN_FLIGHT = 32,
	LOST_AFTER_MS = 200,
	QUESTIONS = 20,
	SAMPLES_MAX = 1 << 20
};
enum { WAY_BYTES = 1400, WAY_BITS = 1000000000, WAY_PAUSE_NS = 50000, RECEIVE_BYTES = 8 << 20 };
enum { READY_FD = 3, EXIT_FD = 4 };
enum { PARALLEL = 8, HOLD_AT_ONCE = 256 };

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		errx(1, "not an IPv4 address: %s", address);
	return sin;
}

static int connected(const struct sockaddr_in *sin, int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)sin, sizeof(*sin)) < 0)
		err(1, "connect");
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* ---- server ---- */

static int bound(int type, const char *port)
{
	struct sockaddr_in sin = address_of("0.0.0.0", port);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		err(1, "bind");
	if (type == SOCK_STREAM && listen(fd, 1024) < 0)
		err(1, "listen");
	if (type == SOCK_DGRAM) /* what is lost here is not lost on the way; needs root */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ RECEIVE_BYTES }, sizeof(int));
	return fd;
}

static void watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void accept_all(int epoll_fd, int listener)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(epoll_fd, fd);
	}
}

static void take_datagrams(int fd)
{
	static int64_t arrived;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	char data[2048];
	ssize_t n;

	while ((n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &len)) >= 0) {
		if (n == WAY_BYTES) {
			arrived++;
			continue;
		}
		if (n == 1 && data[0] == HOW_MANY) {
			n = snprintf(data, sizeof(data), "%" PRId64, arrived);
			arrived = 0;
		}
		sendto(fd, data, n, 0, (struct sockaddr *)&peer, len);
	}
}

static void answer(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 1)
		send(fd, &byte, 1, MSG_NOSIGNAL);
	if (n != 1 || byte == REQUEST)
		close(fd);
}

static void serve(const char *port)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int tcp = bound(SOCK_STREAM, port), udp = bound(SOCK_DGRAM, port);
	struct epoll_event events[64];

	watch(epoll_fd, tcp);
	watch(epoll_fd, udp);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == tcp)
				accept_all(epoll_fd, tcp);
			else if (events[i].data.fd == udp)
				take_datagrams(udp);
			else
				answer(events[i].data.fd);
		}
	}
}

/* ---- clients ---- */

static void exchange(int fd, char byte)
{
	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
		err(1, "exchange");
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int request_response(const struct sockaddr_in *sin, int64_t ms)
{
	int fd = connected(sin, SOCK_STREAM);
	int64_t *sample = calloc(SAMPLES_MAX, sizeof(*sample));
	int64_t end = now_ns() + ms * 1000000, before, after;
	size_t n = 0;

	do {
		before = now_ns();
		exchange(fd, PING);
		after = now_ns();
		sample[n++] = after - before;
	} while (after < end && n < SAMPLES_MAX);
	qsort(sample, n, sizeof(*sample), by_value);
	printf("%.2f %.2f\n", sample[n / 2] / 1e3, sample[n * 99 / 100] / 1e3);
	free(sample);
	return 0;
}

static double connect_request_close(const struct sockaddr_in *sin, int64_t ms)
{
	int64_t start = now_ns(), end = start + ms * 1000000;
	long n = 0;

	for (; now_ns() < end; n++) {
		int fd = connected(sin, SOCK_STREAM);
		char byte;

		exchange(fd, REQUEST);
		if (recv(fd, &byte, 1, 0) != 0)
			errx(1, "the server did not close");
		close(fd);
	}
	return n * 1e9 / (now_ns() - start);
}

static int connect_request_close_in(int processes, const struct sockaddr_in *sin, int64_t ms)
{
	double rate, sum = 0;
	int results[2];

	if (pipe(results) < 0)
		err(1, "pipe");
	for (int i = 0; i < processes; i++) {
		if (fork() != 0)
			continue;
		rate = connect_request_close(sin, ms);
		if (write(results[1], &rate, sizeof(rate)) != sizeof(rate))
			err(1, "write");
		_exit(0);
	}
	close(results[1]);
	for (int i = 0; i < processes; i++) {
		if (read(results[0], &rate, sizeof(rate)) != sizeof(rate))
			errx(1, "a process of %d has failed", processes);
		sum += rate;
	}
	printf("%.1f\n", sum);
	return 0;
}

/* Wait until a byte may be written to (POLLOUT) or read from (POLLIN) each, and do that. */
static void all_exchange(const int *fds, int n, short event)
{
	for (int i = 0; i < n; i++) {
		struct pollfd p = { .fd = fds[i], .events = event };
		char byte = PING;

		if (poll(&p, 1, -1) != 1)
			err(1, "poll");
		if (event == POLLOUT ? send(fds[i], &byte, 1, MSG_NOSIGNAL) != 1 :
				       recv(fds[i], &byte, 1, 0) != 1)
			err(1, "connection");
	}
}

static int hold(const struct sockaddr_in *sin, int type, int count)
{
	const struct linger reset = { .l_onoff = 1 };
	int fds[HOLD_AT_ONCE];
	char byte;

	for (int n; count > 0; count -= n) {
		n = count < HOLD_AT_ONCE ? count : HOLD_AT_ONCE;
		for (int i = 0; i < n; i++) {
			fds[i] = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
			if (fds[i] < 0)
				err(1, "socket");
			setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			if (connect(fds[i], (const struct sockaddr *)sin, sizeof(*sin)) < 0 &&
			    errno != EINPROGRESS)
				err(1, "connect");
		}
		all_exchange(fds, n, POLLOUT);
		all_exchange(fds, n, POLLIN);
	}
	puts("holding");
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) < 0; /* and the kernel resets them all */
}

static int udp_echo(const struct sockaddr_in *sin, int64_t ms)
{
	int fd = connected(sin, SOCK_DGRAM);
	struct timeval lost = { .tv_usec = LOST_AFTER_MS * 1000 };
	char data[DATAGRAM_BYTES] = { 0 };
	int64_t start = now_ns(), end = start + ms * 1000000;
	long n = 0, to_send = IN_FLIGHT;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &lost, sizeof(lost));
	while (now_ns() < end) {
		for (; to_send > 0; to_send--)
			send(fd, data, sizeof(data), 0);
		if (recv(fd, data, sizeof(data), 0) == sizeof(data)) {
			n++;
			to_send = 1;
		} else {
			to_send =
				IN_FLIGHT; /* nothing came for a long time: all of them are lost */
		}
	}
	if (n == 0)
		errx(1, "nothing came back");
	printf("%.1f\n", n * 1e9 / (now_ns() - start));
	return 0;
}

/* What has arrived since somebody last asked. The question is lost where there is no room for it. */
static int64_t ask_how_many(int fd)
{
	char data[32] = { HOW_MANY };
	ssize_t n;

	for (int i = 0; i < QUESTIONS; i++) {
		send(fd, data, 1, 0);
		n = recv(fd, data, sizeof(data) - 1, 0);
		if (n > 0) {
			data[n] = 0;
			return atoll(data);
		}
	}
	errx(1, "nobody counts");
}

static int udp_way(const struct sockaddr_in *sin, int64_t ms)
{
	const struct timespec pause = { .tv_nsec = WAY_PAUSE_NS };
	const int64_t gap_ns = INT64_C(8000000000) * WAY_BYTES / WAY_BITS;
	const int64_t due = ms * 1000000 / gap_ns;
	int fd = connected(sin, SOCK_DGRAM);
	struct timeval lost = { .tv_usec = LOST_AFTER_MS * 1000 };
	char data[WAY_BYTES] = { 0 };
	int64_t sent = 0, start;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &lost, sizeof(lost));
	ask_how_many(fd); /* and everything is warm */
	start = now_ns();
	for (int64_t now = start; now < start + ms * 1000000; now = now_ns()) {
		if ((now - start) / gap_ns <= sent)
			nanosleep(&pause, NULL);
		else if (send(fd, data, sizeof(data), 0) == sizeof(data))
			sent++;
	}
	printf("%.3f %.3f\n", 100.0 * ask_how_many(fd) / sent, 100.0 * sent / due);
	return 0;
}

/* ---- stopwatch ---- */

static void become(char **command, int ready_fd, int exit_fd)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDOUT_FILENO);
	ready_fd = fcntl(ready_fd, F_DUPFD, 10); /* out of the way of the two numbers */
	exit_fd = fcntl(exit_fd, F_DUPFD, 10);
	dup2(ready_fd, READY_FD);
	dup2(exit_fd, EXIT_FD);
	for (int fd = EXIT_FD + 1; fd < 64; fd++)
		close(fd);
	execvp(command[0], command);
	_exit(127);
}

/* A daemon whose parent has ended becomes our child: starts() made us the reaper. */
static void kill_orphans(void)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	int pid;

	while (children && fscanf(children, "%d", &pid) == 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (children)
		fclose(children);
}

/* Returns ms, or a negative number if CMD did not start. */
static double one_start(char **command, int until_exit)
{
	int ready[2], end[2], status = 0;
	int64_t start = now_ns(), took;
	char byte = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(end, O_CLOEXEC) < 0)
		err(1, "pipe2");
	pid = fork();
	if (pid == 0)
		become(command, ready[1], end[0]);
	close(ready[1]);
	close(end[0]);
	if (until_exit)
		waitpid(pid, &status, 0);
	else if (read(ready[0], &byte, 1) != 1 || byte != '1')
		status = -1;
	took = now_ns() - start;
	close(end[1]);
	close(ready[0]);
	if (!until_exit)
		waitpid(pid, NULL, 0);
	kill_orphans();
	return status ? -1 : took / 1e6;
}

static int starts(int n, int until_exit, char **command)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < n; i++)
		printf("%.3f\n", one_start(command, until_exit));
	return 0;
}

static void raise_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "starts"))
		raise_open_files();
	if (!strcmp(verb, "serve") && argc == 3)
		serve(argv[2]);
	if (!strcmp(verb, "starts") && argc > 4)
		return starts(atoi(argv[2]), !strcmp(argv[3], "exit"), argv + 4);
	if (argc == 5) {
		struct sockaddr_in sin = address_of(argv[2], argv[3]);

		if (!strcmp(verb, "rr"))
			return request_response(&sin, atoi(argv[4]));
		if (!strcmp(verb, "crr"))
			return connect_request_close_in(1, &sin, atoi(argv[4]));
		if (!strcmp(verb, "crr8"))
			return connect_request_close_in(PARALLEL, &sin, atoi(argv[4]));
		if (!strcmp(verb, "hold"))
			return hold(&sin, SOCK_STREAM, atoi(argv[4]));
		if (!strcmp(verb, "holdudp"))
			return hold(&sin, SOCK_DGRAM, atoi(argv[4]));
		if (!strcmp(verb, "udpway"))
			return udp_way(&sin, atoi(argv[4]));
		if (!strcmp(verb, "udp"))
			return udp_echo(&sin, atoi(argv[4]));
	}
	errx(2, "see the head of probe.c");
}
