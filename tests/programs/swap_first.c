/* Other ways to the first buffers: without any, refused, of other memory, after read. */
#include "swap.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What the descriptor is good for in the end. */
static void expect_usable(int fd, const struct node *node, const char *what)
{
	expect(try_map(fd, node), 0, "%s, mmap", what);
	start(fd, node);
	expect_that(stream_frames(fd, node, 0), "in order", "frames: indices");
}

static void zero(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = 0;

	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS(0) as the first");
	expect(try_allocate(fd, node), 0, "REQBUFS");
	expect_usable(fd, node, "then");
}

/* As GStreamer asks for what there is. */
static void probes(const struct node *node, const struct node *peer)
{
	static const uint32_t memories[] = { V4L2_MEMORY_MMAP, V4L2_MEMORY_USERPTR, V4L2_MEMORY_DMABUF };
	int fd = open_node(node, O_RDWR), err = 0;
	size_t i;

	for (i = 0; i < sizeof(memories) / sizeof(memories[0]); i++) {
		uint32_t count = 0;

		err |= try_reqbufs(fd, node, memories[i], &count);
		count = 0;
		err |= try_create_bufs(fd, node, memories[i], NULL, &count, NULL);
	}
	expect(err, 0, "REQBUFS(0) and CREATE_BUFS(0) of each memory");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EINVAL, "EXPBUF");
	expect(try_allocate(fd, node), 0, "REQBUFS");
	expect_usable(fd, node, "then");
}

static void refused(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = BUFFERS;

	expect(try_reqbufs(fd, node, 42, &count), EINVAL, "REQBUFS of an unknown memory as the first");
	expect(try_ioctl(fd, VIDIOC_REQBUFS, NULL), EFAULT, "with NULL");
	expect(try_create_bufs(fd, node, 42, NULL, &count, NULL), EINVAL, "CREATE_BUFS of an unknown memory");
	expect(try_allocate(fd, node), 0, "REQBUFS");
	expect_usable(fd, node, "then");
}

static void busy(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);

	allocate(other, node);
	expect(try_allocate(fd, node), EBUSY, "REQBUFS as the first, another owns the queue");
	free_buffers(other, node, V4L2_MEMORY_MMAP);
	expect(try_allocate(fd, node), 0, "it has let go, REQBUFS");
	expect_usable(fd, node, "then");
}

static void create(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	uint32_t count = BUFFERS, index = 7;

	expect(try_create_bufs(fd, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0, "CREATE_BUFS as the first");
	expect_number(count, BUFFERS, "count");
	expect_number(index, 0, "index");
	expect(try_map(fd, node), 0, "mmap");
	start(copy, node);
	expect_that(stream_frames(copy, node, 0), "in order", "frames through a dup: indices");
}

/* More are added later, through either descriptor. */
static void create_more(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	uint32_t count = 1, index = 7;
	struct buffer b;

	allocate(fd, node);
	expect(try_create_bufs(copy, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0,
	       "dup, REQBUFS, CREATE_BUFS through the dup");
	expect_number(index, BUFFERS, "index");
	query_buffer(fd, node, V4L2_MEMORY_MMAP, BUFFERS, &b);
	expect(try_mmap(buffer_length(&b, 0), PROT_READ | PROT_WRITE, MAP_SHARED, fd, buffer_offset(&b, 0),
			NULL), 0, "mmap of that through the first");
}

static void other_memory(const struct node *node, uint32_t memory, const char *name)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	uint32_t count = BUFFERS;

	expect(try_reqbufs(fd, node, memory, &count), 0, "REQBUFS of %s as the first", name);
	free_buffers(copy, node, memory);
	expect(try_allocate(fd, node), 0, "REQBUFS(0), REQBUFS of MMAP");
	expect_usable(fd, node, "then");
}

static void userptr(const struct node *node, const struct node *peer)
{
	other_memory(node, V4L2_MEMORY_USERPTR, "USERPTR");
}

static void dmabuf(const struct node *node, const struct node *peer)
{
	other_memory(node, V4L2_MEMORY_DMABUF, "DMABUF");
}

/* Back again: the descriptor is good for all memories. */
static void memory_after(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = BUFFERS;

	allocate(fd, node);
	expect(try_reqbufs(fd, node, V4L2_MEMORY_DMABUF, &count), 0, "REQBUFS, REQBUFS of DMABUF");
	count = BUFFERS;
	expect(try_reqbufs(fd, node, V4L2_MEMORY_USERPTR, &count), 0, "of USERPTR");
	expect(try_allocate(fd, node), 0, "of MMAP");
	expect_usable(fd, node, "then");
}

/* A mapping of the first buffers and one of the next. */
static void again(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), n, err = 0;

	for (n = 0; n < 10 && !err; n++) {
		err = try_allocate(fd, node);
		if (!err)
			err = try_map(fd, node);
		free_buffers(fd, node, V4L2_MEMORY_MMAP);
	}
	expect(err, 0, "REQBUFS, mmap, munmap, REQBUFS(0), ten times");
	expect(try_allocate(fd, node), 0, "REQBUFS");
	expect(try_allocate(fd, node), 0, "without REQBUFS(0)");
	expect_usable(fd, node, "then");
}

static void read_first(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	static char frame[4096];

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	if (node->planes > 1)
		skip("the format has several planes");
	expect_that(read(fd, frame, sizeof(frame)) == sizeof(frame), "bytes", "read as the first");
	expect(try_allocate(fd, node), EBUSY, "REQBUFS");
	expect(try_allocate(other, node), EBUSY, "by another");
	close_fd(fd);
	expect(try_allocate(other, node), 0, "closed, by another");
	expect_usable(other, node, "then");
}

static const struct check checks[] = {
	{ "first-zero", ON_EACH, zero },
	{ "first-probes", ON_EACH, probes },
	{ "first-refused", ON_EACH, refused },
	{ "first-busy", ON_EACH, busy },
	{ "first-create-bufs", ON_EACH, create },
	{ "first-then-create-bufs", ON_EACH, create_more },
	{ "first-userptr", ON_EACH, userptr },
	{ "first-dmabuf", ON_EACH, dmabuf },
	{ "first-then-other-memory", ON_EACH, memory_after },
	{ "first-again", ON_EACH, again },
	{ "first-read", ON_CAPTURE, read_first },
	{ 0 }
};

const struct group swap_first = { "first", checks };
