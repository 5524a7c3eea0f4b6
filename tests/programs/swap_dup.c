/* Duplicates made before the first REQBUFS: they are the same open file afterwards. */
#include "swap.h"

#include <errno.h>
#include <unistd.h>

/* A descriptor and a duplicate of it; MMAP buffers allocated through the first. */
struct pair {
	int fd, copy;
};

static struct pair pair_open(const struct node *node)
{
	struct pair p = { .fd = open_node(node, O_RDWR) };

	p.copy = need_call(dup(p.fd), "dup");
	allocate(p.fd, node);
	return p;
}

static void state(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	struct v4l2_format format = node->format;
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, BUFFERS - 1);
	expect(try_querybuf(p.copy, &b), 0, "dup, REQBUFS, QUERYBUF of the last through the dup");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, BUFFERS);
	expect(try_querybuf(p.copy, &b), EINVAL, "of one more");
	expect(try_ioctl(p.copy, VIDIOC_S_FMT, &format), EBUSY, "S_FMT through it");
	expect(try_queue_mmap(p.copy, node, 0), 0, "QBUF through it");
	expect(try_queue_mmap(p.fd, node, 0), EINVAL, "of the same through the first");
	expect(try_queue_mmap(p.fd, node, 1), 0, "of the next");
	expect(try_streamon(p.copy, node), 0, "STREAMON through the dup");
	expect(try_queue_mmap(p.fd, node, 2), 0, "QBUF through the first");
	expect_number(dequeue(p.fd, node), 0, "DQBUF through the first: index");
	expect_number(dequeue(p.copy, node), 1, "through the dup: index");
	expect(try_streamoff(p.copy, node), 0, "STREAMOFF through the dup");
	expect(try_dequeue(p.fd, node), EINVAL, "DQBUF through the first");
	free_buffers(p.copy, node, V4L2_MEMORY_MMAP);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_querybuf(p.fd, &b), EINVAL, "REQBUFS(0) through the dup, QUERYBUF through the first");
}

static void streams(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);

	start(p.fd, node);
	expect_that(stream_frames(p.copy, node, 0), "in order",
		    "dup, REQBUFS, frames through the dup: indices");
	expect_that(stream_frames_by(p.fd, p.copy, node, 0), "in order",
		    "DQBUF through the first, QBUF through the dup");
	expect_that(stream_frames_by(p.copy, p.fd, node, 0), "in order", "the other way round");
}

/* The duplicate is the one that has the buffers allocated. */
static void allocates(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	expect(try_allocate(copy, node), 0, "REQBUFS through a dup");
	expect(try_map(copy, node), 0, "mmap through it");
	start(fd, node);
	expect_that(stream_frames(fd, node, 0), "in order", "frames through the first: indices");
}

static void maps(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);

	expect(try_map(p.fd, node), 0, "dup, REQBUFS, mmap through the first");
	expect(try_share(p.fd, p.copy, node), 0, "through the dup: the same memory");
}

static void reallocates(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);

	free_buffers(p.fd, node, V4L2_MEMORY_MMAP);
	expect(try_allocate(p.copy, node), 0, "dup, REQBUFS, REQBUFS(0), REQBUFS through the dup");
	expect(try_map(p.fd, node), 0, "mmap through the first");
	expect(try_map(p.copy, node), 0, "through the dup");
}

/* The buffers of one plane and of several are exported alike. */
static void exports(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	int export = export_plane(p.copy, node, 0, 0, O_RDWR | O_CLOEXEC);

	expect_that(query_flags(p.fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED, "flag MAPPED",
		    "dup, REQBUFS, EXPBUF through the dup, QUERYBUF through the first");
	close_fd(export);
	expect_that(!(query_flags(p.fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED),
		    "no flag MAPPED", "that export closed");
}

/* A mapping made through the first shows in what the duplicate says. */
static void held(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	size_t length;
	void *addr = map_plane(p.fd, node, 0, 0, &length);

	expect_that(query_flags(p.copy, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED,
		    "flag MAPPED", "dup, REQBUFS, mmap through the first, QUERYBUF through the dup");
	unmap(addr, length);
	expect_that(!(query_flags(p.copy, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED),
		    "no flag MAPPED", "munmap");
}

/* Duplicates of all kinds, and a duplicate of a duplicate. */
static void kinds(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copies[4], i;

	copies[0] = need_call(dup2(fd, 90), "dup2");
	copies[1] = need_call(dup3(fd, 91, O_CLOEXEC), "dup3");
	copies[2] = need_call(fcntl(fd, F_DUPFD, 0), "F_DUPFD");
	copies[3] = need_call(dup(copies[2]), "dup");
	allocate(fd, node);
	start(fd, node);
	for (i = 0; i < 4; i++)
		expect_that(stream_frames(copies[i], node, 0), "in order", "%s", (const char *[]) {
			"dup2, REQBUFS, frames through the dup: indices", "dup3", "F_DUPFD",
			"dup of that" }[i]);
}

static void made_after(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy;

	allocate(fd, node);
	copy = need_call(fcntl(fd, F_DUPFD_CLOEXEC, 0), "F_DUPFD_CLOEXEC");
	expect_number(need_call(fcntl(copy, F_GETFD), "F_GETFD"), FD_CLOEXEC,
		      "REQBUFS, F_DUPFD_CLOEXEC, F_GETFD");
	expect(try_share(fd, copy, node), 0, "mmap through both: the same memory");
	close_fd(fd);
	start(copy, node);
	expect_that(stream_frames(copy, node, 0), "in order", "the first closed, frames: indices");
}

static const struct check checks[] = {
	{ "dup-state", ON_EACH, state },
	{ "dup-streams", ON_EACH, streams },
	{ "dup-allocates", ON_EACH, allocates },
	{ "dup-maps", ON_EACH, maps },
	{ "dup-reallocates", ON_EACH, reallocates },
	{ "dup-exports", ON_EACH, exports },
	{ "dup-held", ON_EACH, held },
	{ "dup-kinds", ON_EACH, kinds },
	{ "dup-after", ON_EACH, made_after },
	{ 0 }
};

const struct group swap_dup = { "dup", checks };
