/* read on a camera: whole pictures, parts, waiting. */
#include "stream.h"

#include <errno.h>
#include <unistd.h>

/* A frame of the stream, for its bytesused and data_offset. */
static void streamed_frame(const struct node *node, struct buffer *b)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	queue_mmap(fd, node, 0);
	stream_on(fd, node);
	wait_ready(fd, node);
	buffer_init(b, node, V4L2_MEMORY_MMAP, 0);
	need(try_dqbuf(fd, b), "DQBUF");
	close_fd(fd);
}

/* What read gives is the picture, without the data_offset in front of it. The
 * kernel's own file I/O leaves out as much again at the end, which isn't asked for. */
static bool whole_picture(ssize_t got, const struct buffer *b)
{
	ssize_t offset = b->mplane ? b->planes[0].data_offset : 0;
	ssize_t picture = buffer_bytesused(b, 0) - offset;

	return got == picture || got == picture - offset;
}

static void read_frames(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	int fd = open_for_read(node, 0), n;
	ssize_t size = node->plane_size[0];
	char *frame = frame_memory(node);
	bool whole = true, written = true;
	struct buffer b;

	streamed_frame(node, &b);
	for (n = 0; n < 4; n++) {
		fill_pattern(frame, size, n);
		whole &= whole_picture(need_call(read(fd, frame, size), "read"), &b);
		written &= !has_pattern(frame, size, n);
	}
	expect_that(whole, "a whole picture each", "read, the size of a frame");
	expect_that(written, "the device wrote them", "contents");
	whole = whole_picture(need_call(read(fd, frame, size + FRAME_ROOM), "read"), &b);
	expect_that(whole, "one picture", "read of more than a frame");
}

static void read_parts(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	const ssize_t part = 1000;	/* no picture is a multiple of it */
	int fd = open_for_read(node, 0);
	char *frame = frame_memory(node);
	ssize_t size, got = 0, last = 0;

	size = need_call(read(fd, frame, node->plane_size[0]), "read");
	expect_number(need_call(read(fd, frame, 0), "read"), 0, "read of a picture, then of 0 bytes");
	while (got < size) {
		last = need_call(read(fd, frame + got, part), "read");
		need_that(last > 0, "read gives something");
		got += last;
	}
	expect_that(got == size && last == size % part, "a picture's, the last part shorter",
		    "reads of 1000 bytes: their sum");
	expect_number(need_call(read(fd, frame, part), "read"), part, "the next read");
}

/* Reads until @fd would have to wait. */
static int read_all(int fd, char *frame, const struct node *node)
{
	int err;

	do
		err = try_read(fd, frame, node->plane_size[0]);
	while (!err);
	return err;
}

static void read_nonblocking(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	int fd = open_for_read(node, O_NONBLOCK);
	char *frame = frame_memory(node);

	expect(read_all(fd, frame, node), EAGAIN, "read with O_NONBLOCK, until no frame is ready");
	expect_poll(poll_events(fd, POLLIN | POLLRDNORM, FRAME_MS), POLLIN | POLLRDNORM, "poll");
	expect(try_read(fd, frame, node->plane_size[0]), 0, "read then");
}

static void read_bad_memory(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	int fd = open_for_read(node, 0);
	char *frame = frame_memory(node);

	expect(try_read(fd, (void *)8, node->plane_size[0]), EFAULT, "read to a bad pointer");
	expect(try_read(fd, frame, node->plane_size[0]), 0, "read then");
}

static void other_direction(const struct node *node, const struct node *peer)
{
	int fd = open_for_read(node, 0);
	char *frame = frame_memory(node);
	bool capture = !node->output;

	expect(capture ? (write(fd, frame, node->plane_size[0]) == -1 ? errno : 0) :
			 try_read(fd, frame, node->plane_size[0]),
	       EINVAL, capture ? "write" : "read");
	expect(try_streamoff(fd, node), 0, "STREAMOFF then");
}

static const struct check checks[] = {
	{ "read-frames", ON_CAPTURE, read_frames },
	{ "read-parts", ON_CAPTURE, read_parts },
	{ "read-nonblocking", ON_CAPTURE, read_nonblocking },
	{ "read-bad-pointer", ON_CAPTURE, read_bad_memory },
	{ "read-other-direction", ON_EACH, other_direction },
	{ 0 }
};

const struct group stream_read = { "read", checks };
