/* How the node was opened: for reading or writing only, as a mere path, or not at
 * all; what it takes besides ioctls; and mmap of it. */
#include "errors.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_read(int fd)
{
	char byte;

	return read(fd, &byte, sizeof(byte)) == -1 ? errno : 0;
}

static int try_write(int fd)
{
	char byte = 0;

	return write(fd, &byte, sizeof(byte)) == -1 ? errno : 0;
}

/* ---- one way only -------------------------------------------------------------------------- */

/* V4L2 doesn't ask how the node was opened: every ioctl works. */
static void expect_all_work(const struct node *node, int flags, const char *name)
{
	int fd = open_node(node, flags | O_NONBLOCK);
	struct v4l2_format format = node->format;
	struct buffer b;
	uint32_t count = 2;

	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), 0, "S_FMT of a node opened %s", name);
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS");
	expect(try_queue_mmap(fd, node, 0), 0, "QBUF");
	expect(try_queue_mmap(fd, node, 1), 0, "QBUF");
	expect(try_streamon(fd, node), 0, "STREAMON");
	wait_frame(fd, node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_dqbuf(fd, &b), 0, "DQBUF");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), 0, "EXPBUF with O_RDWR");
	expect(try_streamoff(fd, node), 0, "STREAMOFF");
}

static void rdonly(const struct node *node, const struct node *peer)
{
	expect_all_work(node, O_RDONLY, "O_RDONLY");
	expect(try_write(open_node(node, O_RDONLY)), EBADF, "write");
}

static void wronly(const struct node *node, const struct node *peer)
{
	expect_all_work(node, O_WRONLY, "O_WRONLY");
	expect(try_read(open_node(node, O_WRONLY)), EBADF, "read");
}

static void accmode(const struct node *node, const struct node *peer)
{
	struct v4l2_capability cap;
	int fd;

	/* Neither for reading nor for writing: for ioctls. */
	expect(try_open_node(node, O_ACCMODE, &fd), 0, "open with flags 3 (O_ACCMODE)");
	expect(try_ioctl(fd, VIDIOC_QUERYCAP, &cap), 0, "QUERYCAP");
	expect(try_read(fd), EBADF, "read");
	expect(try_write(fd), EBADF, "write");
	expect(try_mmap(page_rounded(1), PROT_READ, MAP_SHARED, fd, 0, NULL), EACCES, "mmap");
}

static void path(const struct node *node, const struct node *peer)
{
	struct v4l2_capability cap;
	struct stat status;
	int fd;

	expect(try_open_node(node, O_PATH, &fd), 0, "open with O_PATH");
	expect(try_ioctl(fd, VIDIOC_QUERYCAP, &cap), EBADF, "QUERYCAP");
	expect(try_ioctl(fd, VIDIOC_QUERYCAP, NULL), EBADF, "with NULL");
	expect(try_read(fd), EBADF, "read");
	expect(try_mmap(page_rounded(1), PROT_READ, MAP_SHARED, fd, 0, NULL), EBADF, "mmap");
	expect_poll(poll_events(fd, POLLIN | POLLOUT, 0), POLLNVAL, "poll");
	need_call(fstat(fd, &status), "fstat");
	expect_that(S_ISCHR(status.st_mode), "a character device", "fstat");
}

static void closed(const struct node *node, const struct node *peer)
{
	struct v4l2_capability cap;
	int fd = open_node(node, O_RDWR);

	close_fd(fd);
	expect(try_ioctl(fd, VIDIOC_QUERYCAP, &cap), EBADF, "QUERYCAP of a closed descriptor");
	expect(try_mmap(page_rounded(1), PROT_READ, MAP_SHARED, fd, 0, NULL), EBADF, "mmap");
	expect(try_ioctl(-1, VIDIOC_QUERYCAP, &cap), EBADF, "QUERYCAP of descriptor -1");
}

/* ---- opening -------------------------------------------------------------------------------- */

static void open_flags(const struct node *node, const struct node *peer)
{
	static const struct { int flags, want; const char *name; } ways[] = {
		{ O_RDWR | O_TRUNC, 0, "O_TRUNC" }, { O_RDWR | O_APPEND, 0, "O_APPEND" },
		{ O_RDWR | O_CREAT, 0, "O_CREAT" }, { O_RDWR | O_SYNC, 0, "O_SYNC" },
		{ O_RDWR | O_NOCTTY, 0, "O_NOCTTY" }, { O_RDWR | O_NOFOLLOW, 0, "O_NOFOLLOW" },
		{ O_RDWR | O_CREAT | O_EXCL, EEXIST, "O_CREAT|O_EXCL" },
		{ O_RDONLY | O_DIRECTORY, ENOTDIR, "O_DIRECTORY" },
		{ O_RDWR | O_DIRECT, EINVAL, "O_DIRECT" },
	};
	size_t i;
	int fd;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		/* No check may make a file, whatever the path is. */
		int err = (fd = open(node->path, ways[i].flags | O_CLOEXEC, 0)) == -1 ? errno : 0;

		expect(err, ways[i].want, "%s%s", i ? "" : "open with ", ways[i].name);
		if (!err)
			close_fd(fd);
	}
}

static void file_calls(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), on = 1;

	expect(ftruncate(fd, 0) ? errno : 0, EINVAL, "ftruncate of the node");
	expect(fallocate(fd, 0, 0, 1) ? errno : 0, ENODEV, "fallocate");
	expect(fsync(fd) ? errno : 0, EINVAL, "fsync");
	expect(try_ioctl(fd, FIOASYNC, &on), ENOTTY, "FIOASYNC");
	if (node->output)
		expect(try_read(fd), EINVAL, "read of an output node");
	else
		expect(try_write(fd), EINVAL, "write to a capture node");
}

/* FIONBIO is the same as O_NONBLOCK, at any time. */
static void fionbio(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), on = 1;
	struct v4l2_event event;
	struct buffer b;

	stream_on(fd, node);
	expect(try_ioctl(fd, FIONBIO, &on), 0, "FIONBIO, streaming");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_dqbuf(fd, &b), EAGAIN, "DQBUF, nothing queued");
	expect(try_ioctl(fd, VIDIOC_DQEVENT, &event), ENOENT, "DQEVENT, none subscribed");
}

/* ---- mmap ------------------------------------------------------------------------------------ */

static void map_wronly(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_WRONLY);
	struct buffer b;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	expect(try_mmap(buffer_length(&b, 0), PROT_WRITE, MAP_SHARED, fd, buffer_offset(&b, 0), NULL),
	       EACCES, "mmap for writing of a node opened O_WRONLY");
	expect(try_mmap(buffer_length(&b, 0), PROT_READ, MAP_SHARED, fd, buffer_offset(&b, 0), NULL),
	       EACCES, "for reading");
}

static int try_map(int fd, size_t length, off_t offset)
{
	return try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset, NULL);
}

static void map_ranges(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3);
	struct buffer b;
	size_t length;
	off_t offset;

	query_buffer(fd, node, V4L2_MEMORY_MMAP, 1, &b);
	length = buffer_length(&b, 0);
	offset = buffer_offset(&b, 0);
	expect(try_map(fd, 0, offset), EINVAL, "mmap of length 0");
	expect(try_map(fd, length, offset + 1), EINVAL, "at an offset within a page");
	/* A shared buffer only; the kind that checks its flags is one too. */
	expect(try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, fd, offset, NULL), 0,
	       "with MAP_SHARED_VALIDATE");
	need(try_remove_bufs(fd, node, 1, 1), "REMOVE_BUFS");
	expect(try_map(fd, length, offset), EINVAL, "of a buffer removed by REMOVE_BUFS");
}

static const struct check checks[] = {
	{ "access-rdonly", ON_EACH, rdonly },
	{ "access-wronly", ON_EACH, wronly },
	{ "access-none", ON_EACH, accmode },
	{ "access-path", ON_EACH, path },
	{ "access-closed", ON_EACH, closed },
	{ "access-open-flags", ON_EACH, open_flags },
	{ "access-file-calls", ON_EACH, file_calls },
	{ "access-fionbio", ON_EACH, fionbio },
	{ "access-map-wronly", ON_EACH, map_wronly },
	{ "access-map-range", ON_EACH, map_ranges },
	{ 0 }
};

const struct group errors_access = { "access", checks };
