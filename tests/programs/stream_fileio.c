/*
 * File I/O: what read, write and poll take from the queue. What write itself
 * answers is not looked at: the reference driver fails there.
 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

int open_for_read(const struct node *node, int flags)
{
	struct v4l2_fract interval = { 1, FAST_FPS };
	int fd = open_node(node, O_RDWR | flags);

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	if (!node->output)
		need(try_set_interval(fd, node, &interval), "S_PARM");
	return fd;
}

const struct node *one_plane(const struct node *node)
{
	static struct node single;
	struct v4l2_format *f = &single.format;
	int fd;

	if (node->planes == 1)
		return node;
	single = *node;
	fd = open_node(node, O_RDWR);
	f->fmt.pix_mp.pixelformat = V4L2_PIX_FMT_YUYV;
	f->fmt.pix_mp.num_planes = 1;
	f->fmt.pix_mp.plane_fmt[0].bytesperline = 0;
	need(try_ioctl(fd, VIDIOC_S_FMT, f), "S_FMT of a format with one plane");
	if (f->fmt.pix_mp.num_planes > 1)
		skip("the node has no format with one plane");
	single.planes = 1;
	single.plane_size[0] = f->fmt.pix_mp.plane_fmt[0].sizeimage;
	close_fd(fd);
	return &single;
}

int try_read(int fd, void *buffer, size_t size)
{
	return read(fd, buffer, size) == -1 ? errno : 0;
}

void *frame_memory(const struct node *node)
{
	void *memory = calloc(1, node->plane_size[0] + FRAME_ROOM);

	need_that(memory != NULL, "memory for a frame");
	return memory;
}

/* ---- several planes ---------------------------------------------------------------------- */

/* read on a camera, write on a display. */
static int try_transfer(int fd, const struct node *node, void *frame)
{
	size_t size = node->plane_size[0];

	if (!node->output)
		return try_read(fd, frame, size);
	return write(fd, frame, size) == -1 ? errno : 0;
}

static void transfer_planes(const struct node *node, const struct node *peer)
{
	int fd = open_for_read(node, 0);
	char *frame = frame_memory(node);
	uint32_t count = 2;

	if (node->planes < 2)
		skip("the format has one plane");
	expect(try_transfer(fd, node, frame), EBUSY, "%s, a format with several planes",
	       node->output ? "write" : "read");
	expect_poll(poll_events(fd, ready_events(node), FRAME_MS), POLLERR, "poll");
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS then");
}

/* Whatever write answers, it leaves nothing behind. */
static void write_closed(const struct node *node, const struct node *peer)
{
	int fd = open_for_read(node, 0), other = open_node(node, O_RDWR);
	char *frame = frame_memory(node);
	uint32_t count = 2;

	try_transfer(fd, node, frame);
	close_fd(fd);
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), 0, "write, close, REQBUFS by another");
}

/* poll there starts nothing. */
static void poll_planes(const struct node *node, const struct node *peer)
{
	int fd = open_for_read(node, 0), other = open_node(node, O_RDWR);
	uint32_t count = 2;

	if (node->planes < 2)
		skip("the format has one plane");
	expect_poll(poll_events(fd, ready_events(node), FRAME_MS), POLLERR,
		    "poll without buffers, a format with several planes");
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS by another then");
}

/* ---- who owns the queue ------------------------------------------------------------------ */

/* Every way to the queue is closed by file I/O. */
static void expect_queue_busy(int fd, const struct node *node)
{
	uint32_t count = 2, none = 0;
	struct buffer b;

	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), EBUSY, "REQBUFS");
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &none), EBUSY, "REQBUFS(0)");
	count = 2;
	expect(try_create_bufs(fd, node, V4L2_MEMORY_MMAP, NULL, &count, NULL), EBUSY, "CREATE_BUFS");
	expect(try_queue_mmap(fd, node, 0), EBUSY, "QBUF");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_prepare_buf(fd, &b), EBUSY, "PREPARE_BUF");
	expect(try_dequeue(fd, node), EBUSY, "DQBUF");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EBUSY, "EXPBUF");
	expect(try_streamon(fd, node), EBUSY, "STREAMON");
	expect(try_streamoff(fd, node), EBUSY, "STREAMOFF");
	expect(try_mmap(node->plane_size[0], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, NULL),
	       EBUSY, "mmap");
}

static void read_owns(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	int fd = open_for_read(node, 0);
	char *frame = frame_memory(node);

	need(try_read(fd, frame, node->plane_size[0]), "read");
	expect_that(true, "file I/O", "after read");
	expect_queue_busy(fd, node);
	expect(try_read(fd, frame, node->plane_size[0]), 0, "read again");
}

static void poll_owns(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	int fd = open_for_read(node, 0);

	expect_poll(poll_events(fd, ready_events(node), FRAME_MS), ready_events(node),
		    "poll without buffers");
	expect_queue_busy(fd, node);
}

/* EPOLL_CTL_ADD is a look at the node already. */
static void epoll_owns(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	struct epoll_event event = { .events = ready_events(node) };
	int fd = open_for_read(node, 0), other = open_node(node, O_RDWR), set;
	uint32_t count = 2;

	set = need_call(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	need_call(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "EPOLL_CTL_ADD");
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), EBUSY,
	       "EPOLL_CTL_ADD without buffers, REQBUFS");
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), EBUSY, "by another");
}

static void poll_other_direction(const struct node *node, const struct node *peer)
{
	int fd = open_for_read(node, 0);
	uint32_t count = 2;

	expect_poll(poll_events(fd, ready_events(peer) | POLLPRI, 0), 0,
		    "poll without buffers, only for the other direction and events");
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS then");
}

static void others_wait(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	int fd = open_for_read(node, 0), other = open_for_read(node, 0);
	struct v4l2_format format = node->format;
	char *frame = frame_memory(node);
	uint32_t count = 2;

	need_that(poll_events(fd, ready_events(node), FRAME_MS) == ready_events(node),
		  "poll starts file I/O");
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), EBUSY,
	       "file I/O started by one, REQBUFS by another");
	if (!node->output)
		expect(try_read(other, frame, node->plane_size[0]), EBUSY, "read");
	expect(try_streamon(other, node), EBUSY, "STREAMON");
	expect(try_ioctl(other, VIDIOC_G_FMT, &format), 0, "G_FMT");
	close_fd(fd);
	count = 2;
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), 0, "the first closed, REQBUFS");
}

static void read_with_buffers(const struct node *node, const struct node *peer)
{
	int fd = open_for_read(node, 0);
	char *frame = frame_memory(node);
	struct buffer b;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_read(fd, frame, node->plane_size[0]), EBUSY, "read with buffers allocated");
	queue_mmap(fd, node, 0);
	stream_on(fd, node);
	expect(try_read(fd, frame, node->plane_size[0]), EBUSY, "while streaming");
	wait_ready(fd, node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_dqbuf(fd, &b), 0, "DQBUF then");
}

static void freed_then_read(const struct node *any, const struct node *peer)
{
	const struct node *node = one_plane(any);
	int fd = open_for_read(node, 0);
	char *frame = frame_memory(node);

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	queue_mmap(fd, node, 0);
	stream_on(fd, node);
	stream_off(fd, node);
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect(try_read(fd, frame, node->plane_size[0]), 0, "streamed, REQBUFS(0), then read");
}

static const struct check checks[] = {
	{ "transfer-several-planes", ON_EACH, transfer_planes },
	{ "write-closed", ON_OUTPUT, write_closed },
	{ "read-owns", ON_CAPTURE, read_owns },
	{ "read-with-buffers", ON_CAPTURE, read_with_buffers },
	{ "read-after-streaming", ON_CAPTURE, freed_then_read },
	{ "poll-starts-file-io", ON_EACH, poll_owns },
	{ "epoll-starts-file-io", ON_EACH, epoll_owns },
	{ "poll-several-planes", ON_EACH, poll_planes },
	{ "poll-for-the-other-direction", ON_EACH, poll_other_direction },
	{ "file-io-of-another", ON_EACH, others_wait },
	{ 0 }
};

const struct group stream_file_io = { "file-io", checks };
