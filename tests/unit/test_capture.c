/* net/capture: what is in the file, and what happens when it takes no more. The blocks are read
 * back here by their lengths; what they hold is tested in test_pcapng.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/capture.h"

#define LIMIT (1 << 20)
#define FRAME 60000

struct place {
	char *folder, *path;
	struct loop *loop;
	struct capture *capture;
};

static void open_place(struct place *p)
{
	*p = (struct place){ .folder = g_dir_make_tmp(NULL, NULL), .loop = loop_new() };
	p->path = g_build_filename(p->folder, "file", NULL);
}

static void close_place(struct place *p)
{
	loop_free(p->loop);
	g_unlink(p->path);
	g_rmdir(p->folder);
	g_free(p->path);
	g_free(p->folder);
}

static void start(struct place *p, int fd, uint64_t limit)
{
	g_assert_cmpint(fd, >=, 0);
	p->capture = capture_new(p->loop, fd, p->path, "tap0", limit);
}

static void put_frames(struct place *p, unsigned count)
{
	static uint8_t bytes[FRAME];
	const struct iovec parts[] = { { bytes, 14 }, { bytes, FRAME - 14 } };

	while (count-- > 0)
		capture_frame(p->capture, CAPTURE_TO_GUEST, parts, 2);
}

static void stop_loop(void *data)
{
	loop_stop(data, 0);
}

/* One turn whose end is reached. */
static void turn(struct place *p)
{
	loop_add_turn_end(p->loop, stop_loop, p->loop);
	loop_again(p->loop);
	g_assert_cmpint(loop_run(p->loop), ==, 0);
	loop_remove_turn_end(p->loop, stop_loop, p->loop);
}

/* The packets in a file of whole blocks. */
static unsigned count_packets(const uint8_t *bytes, size_t len)
{
	unsigned packets = 0;

	while (len > 0) {
		uint32_t type, block_len;

		g_assert_cmpuint(len, >=, 12);
		memcpy(&type, bytes, sizeof(type));
		memcpy(&block_len, bytes + 4, sizeof(block_len));
		g_assert_cmpuint(block_len, <=, len);
		packets += type == 6;
		bytes += block_len;
		len -= block_len;
	}
	return packets;
}

static unsigned packets_in_file(const struct place *p)
{
	g_autofree char *bytes = NULL;
	gsize len;

	g_assert_true(g_file_get_contents(p->path, &bytes, &len, NULL));
	return count_packets((const uint8_t *)bytes, len);
}

static void test_written_by_turns(void)
{
	struct place p;
	struct stat st;

	open_place(&p);
	g_assert_true(g_file_set_contents(p.path, "what was there", -1, NULL));
	start(&p, capture_open(p.path), LIMIT);
	g_assert_cmpuint(packets_in_file(&p), ==, 0); /* it is one from the start */
	put_frames(&p, 2);
	g_assert_cmpuint(packets_in_file(&p), ==, 0);
	turn(&p);
	g_assert_cmpuint(packets_in_file(&p), ==, 2);
	put_frames(&p, 6); /* more than the buffer has room for */
	g_assert_cmpuint(packets_in_file(&p), >, 2);
	capture_free(p.capture);
	g_assert_cmpuint(packets_in_file(&p), ==, 8);
	g_unlink(p.path);
	umask(0);
	start(&p, capture_open(p.path), LIMIT);
	g_assert_cmpint(stat(p.path, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
	capture_free(p.capture);
	close_place(&p);
}

static void test_limit(void)
{
	struct place p;
	struct stat st;

	open_place(&p);
	start(&p, capture_open(p.path), LIMIT);
	put_frames(&p, 50);
	turn(&p);
	put_frames(&p, 1);
	capture_free(p.capture);
	g_assert_cmpuint(packets_in_file(&p), ==, LIMIT / FRAME);
	g_assert_cmpint(stat(p.path, &st), ==, 0);
	g_assert_cmpint(st.st_size, <=, LIMIT);
	close_place(&p);
}

/* As on a full disk, a part of the last write is taken: RLIMIT_FSIZE does it too. */
static void test_no_half_block(void)
{
	const struct rlimit small = { 200000, RLIM_INFINITY },
			    none = { RLIM_INFINITY, RLIM_INFINITY };
	struct place p;

	open_place(&p);
	start(&p, capture_open(p.path), LIMIT);
	put_frames(&p, 2);
	turn(&p);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
	put_frames(&p, 3);
	turn(&p);
	put_frames(&p, 1);
	capture_free(p.capture);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
	g_assert_cmpuint(packets_in_file(&p), ==, 2);
	close_place(&p);
}

/* Read what is there into @all. */
static void drain(int fd, GByteArray *all)
{
	uint8_t piece[16384];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0)
		g_byte_array_append(all, piece, (guint)n);
}

static void test_slow_reader(void)
{
	g_autoptr(GByteArray) all = g_byte_array_new();
	struct place p;
	unsigned packets;
	int reader;

	open_place(&p);
	g_assert_cmpint(mkfifo(p.path, 0600), ==, 0);
	g_assert_cmpint(capture_open(p.path), ==, -ENXIO);
	reader = open(p.path, O_RDONLY | O_NONBLOCK);
	start(&p, capture_open(p.path), 1); /* no limit for a fifo */
	for (int i = 0; i < 5; i++) {
		put_frames(&p, 20);
		turn(&p);
		drain(reader, all); /* 64 KiB of more than a megabyte */
		turn(&p);
	}
	drain(reader, all);
	turn(&p);
	drain(reader, all);
	turn(&p);
	drain(reader, all);
	turn(&p);
	drain(reader, all);
	turn(&p);
	drain(reader, all);
	capture_free(p.capture);
	drain(reader, all);
	packets = count_packets(all->data, all->len); /* whole blocks, and one after another */
	g_assert_cmpuint(packets, >=, 5);
	g_assert_cmpuint(packets, <, 100);
	close(reader);
	close_place(&p);
}

static void test_reader_goes(void)
{
	struct place p;
	int reader;

	open_place(&p);
	g_assert_cmpint(mkfifo(p.path, 0600), ==, 0);
	reader = open(p.path, O_RDONLY | O_NONBLOCK);
	start(&p, capture_open(p.path), LIMIT);
	close(reader);
	turn(&p); /* seen without a frame */
	reader = open(p.path, O_RDONLY | O_NONBLOCK);
	put_frames(&p, 1);
	turn(&p);
	g_assert_cmpint(read(reader, &(char){ 0 }, 1), ==, 0); /* nobody writes */
	close(reader);
	capture_free(p.capture);
	capture_free(NULL);
	close_place(&p);
}

static void test_links(void)
{
	struct place p;
	int ends[2];
	g_autofree char *target = NULL, *text = NULL, *by_number = NULL;
	gsize len;

	open_place(&p);
	target = g_build_filename(p.folder, "target", NULL);
	g_assert_true(g_file_set_contents(target, "precious", -1, NULL));
	g_assert_cmpint(symlink(target, p.path), ==, 0);
	g_assert_cmpint(capture_open(p.path), ==, -ELOOP);
	g_assert_true(g_file_get_contents(target, &text, &len, NULL));
	g_assert_cmpstr(text, ==, "precious");
	g_unlink(target);
	g_assert_cmpint(capture_open(p.path), ==, -ENOENT); /* none is made behind it either */

	g_assert_cmpint(pipe2(ends, O_NONBLOCK), ==, 0);
	by_number = g_strdup_printf("/dev/fd/%d", ends[1]);
	start(&p, capture_open(by_number), LIMIT);
	g_assert_cmpint(read(ends[0], &(char){ 0 }, 1), ==, 1);
	capture_free(p.capture);
	close(ends[0]);
	close(ends[1]);
	g_assert_cmpint(capture_open("/dev/null"), >=, 0);
	g_assert_cmpint(capture_open(p.folder), ==, -EISDIR);
	close_place(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	g_test_add_func("/capture/written-by-turns", test_written_by_turns);
	g_test_add_func("/capture/limit", test_limit);
	g_test_add_func("/capture/no-half-block", test_no_half_block);
	g_test_add_func("/capture/slow-reader", test_slow_reader);
	g_test_add_func("/capture/reader-goes", test_reader_goes);
	g_test_add_func("/capture/links", test_links);
	return g_test_run();
}
