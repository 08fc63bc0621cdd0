/* base/fdpass and os/spawn: a descriptor travels, CLOEXEC, from a thread and from a child. */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fdpass.h"
#include "os/spawn.h"

static void test_with_and_without(void)
{
	int pair[2], got = -1;
	char text[4];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), ==, 0);
	g_assert_cmpint(fdpass_send(pair[0], "one", 4, pair[0]), ==, 0);
	g_assert_cmpint(fdpass_recv(pair[1], text, 4, &got), ==, 0);
	g_assert_cmpstr(text, ==, "one");
	g_assert_cmpint(fcntl(got, F_GETFD), ==, FD_CLOEXEC);
	close(got);
	g_assert_cmpint(fdpass_send(pair[0], "two", 4, -EBADF), ==, 0);
	g_assert_cmpint(fdpass_recv(pair[1], text, 4, &got), ==, 0);
	g_assert_cmpint(got, ==, -EBADF);
	g_assert_cmpint(fdpass_send(pair[0], "longer", 7, -EBADF), ==, 0);
	g_assert_cmpint(fdpass_recv(pair[1], text, 4, &got), ==, -EBADMSG);
	close(pair[0]);
	g_assert_cmpint(fdpass_recv(pair[1], text, 4, &got), ==, -EPIPE);
	close(pair[1]);
}

/* What a program of somebody else's may send. */
static void test_from_anybody(void)
{
	int pair[2], two[2], got = -EBADF;
	char control[CMSG_SPACE(sizeof(two))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
	two[0] = two[1] = pair[0];
	g_assert_cmpint(fdpass_send(pair[0], "any text", 8, pair[0]), ==, 0);
	g_assert_cmpint(fdpass_recv_any(pair[1], &got), ==, 0);
	g_assert_cmpint(fcntl(got, F_GETFD), ==, FD_CLOEXEC);
	close(got);
	g_assert_cmpint(fdpass_send(pair[0], "none", 4, -EBADF), ==, 0);
	g_assert_cmpint(fdpass_recv_any(pair[1], &got), ==, -EBADMSG);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(two));
	memcpy(CMSG_DATA(cmsg), two, sizeof(two));
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	g_assert_cmpint(sendmsg(pair[0], &msg, 0), ==, 1);
	g_assert_cmpint(fdpass_recv_any(pair[1], &got), ==, -EBADMSG);
	close(pair[0]);
	g_assert_cmpint(fdpass_recv_any(pair[1], &got), ==, -EPIPE);
	close(pair[1]);
}

static void send_pipe_end(int sock, const void *data)
{
	const int *end = data;
	pid_t pid = getpid();

	(void)fdpass_send(sock, &pid, sizeof(pid), *end);
	fd_close(&sock);
}

static void check_spawn(bool as_process)
{
	struct spawn spawn;
	int ends[2], got = -1;
	pid_t pid;
	char byte = 0;

	g_assert_cmpint(pipe(ends), ==, 0);
	g_assert_cmpint(spawn_start(&spawn, as_process, send_pipe_end, &ends[1]), ==, 0);
	g_assert_cmpint(fdpass_recv(spawn.sock, &pid, sizeof(pid), &got), ==, 0);
	spawn_join(&spawn);
	g_assert_true((pid == getpid()) == !as_process);
	g_assert_cmpint(write(got, "x", 1), ==, 1);
	g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
	close(got);
	close(ends[0]);
	close(ends[1]);
}

static void test_thread(void)
{
	check_spawn(false);
}

static void test_process(void)
{
	check_spawn(true);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fdpass/with-and-without", test_with_and_without);
	g_test_add_func("/fdpass/from-anybody", test_from_anybody);
	g_test_add_func("/fdpass/thread", test_thread);
	g_test_add_func("/fdpass/process", test_process);
	return g_test_run();
}
