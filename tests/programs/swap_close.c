/* Closing and replacing descriptors of a file that has had its first REQBUFS. */
#include "swap.h"

#include <errno.h>
#include <unistd.h>

/* A descriptor, a duplicate made before REQBUFS, and another opener. */
struct openers {
	int fd, copy, other;
};

static struct openers openers_open(const struct node *node)
{
	struct openers o = { .fd = open_node(node, O_RDWR), .other = open_node(node, O_RDWR) };

	o.copy = need_call(dup(o.fd), "dup");
	allocate(o.fd, node);
	return o;
}

static void duplicate(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	close_fd(o.copy);
	expect(try_allocate(o.other, node), EBUSY, "dup, REQBUFS, dup closed, REQBUFS by another");
	expect(try_map(o.fd, node), 0, "mmap through the first");
	start(o.fd, node);
	expect_that(stream_frames(o.fd, node, 0), "in order", "frames: indices");
}

static void first(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	close_fd(o.fd);
	expect(try_allocate(o.other, node), EBUSY, "dup, REQBUFS, first closed, REQBUFS by another");
	start(o.copy, node);
	expect_that(stream_frames(o.copy, node, 0), "in order", "frames through the dup: indices");
}

/* It goes on streaming while the descriptor that began it is closed. */
static void first_streaming(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	start(o.fd, node);
	expect_number(dequeue(o.fd, node), 0, "dup, REQBUFS, STREAMON, DQBUF through the first: index");
	close_fd(o.fd);
	expect(try_queue_mmap(o.copy, node, 0), 0, "first closed, QBUF through the dup");
	expect_that(stream_frames(o.copy, node, 1), "in order", "frames: indices");
}

/* A mapping made through the first keeps its contents. */
static void first_mapped(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);
	size_t length;
	void *addr = map_plane(o.fd, node, 0, 0, &length);

	fill_pattern(addr, length, 2);
	close_fd(o.fd);
	expect_that(has_pattern(addr, length, 2), "contents unchanged",
		    "dup, REQBUFS, mmap through the first, first closed, the mapping");
	expect_that(query_flags(o.copy, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED,
		    "flag MAPPED", "QUERYBUF through the dup");
	if (node->output) {
		start(o.copy, node);
		expect_that(stream_frames(o.copy, node, 0), "in order", "frames through the dup: indices");
		return;
	}
	start(o.copy, node);
	expect_number(dequeue(o.copy, node), 0, "DQBUF through the dup: index");
	expect_that(!has_pattern(addr, length, 2), "the frame", "the mapping then");
}

static void first_then_maps(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	close_fd(o.fd);
	expect(try_map(o.copy, node), 0, "dup, REQBUFS, first closed, mmap through the dup");
}

static void first_then_reallocates(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	close_fd(o.fd);
	free_buffers(o.copy, node, V4L2_MEMORY_MMAP);
	expect(try_allocate(o.copy, node), 0,
	       "dup, REQBUFS, first closed, REQBUFS(0), REQBUFS through the dup");
	expect(try_map(o.copy, node), 0, "mmap through it");
	start(o.copy, node);
	expect_that(stream_frames(o.copy, node, 0), "in order", "frames: indices");
}

static void both(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	start(o.fd, node);
	close_fd(o.fd);
	close_fd(o.copy);
	expect(try_allocate(o.other, node), 0, "dup, REQBUFS, both closed, REQBUFS by another");
	o = openers_open(peer);
	close_fd(o.copy);
	close_fd(o.fd);
	expect(try_allocate(o.other, peer), 0, "the other node, in the other order");
}

/* Something else is put under the number. */
static void replaced(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	int null = need_call(open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null");

	allocate(fd, node);
	need_call(dup2(null, fd), "dup2");
	expect(try_allocate(other, node), 0, "REQBUFS, dup2 over the descriptor, REQBUFS by another");
}

static void replaced_duplicate(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);
	int null = need_call(open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null");

	need_call(dup2(null, o.fd), "dup2");
	expect(try_allocate(o.other, node), EBUSY,
	       "dup, REQBUFS, dup2 over the first, REQBUFS by another");
	need_call(dup2(null, o.copy), "dup2");
	expect(try_allocate(o.other, node), 0, "over the dup");
}

/* The duplicate is put back under the number. */
static void put_back(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	need_call(dup2(o.copy, o.fd), "dup2");
	expect(try_allocate(o.other, node), EBUSY,
	       "dup, REQBUFS, dup2 of the dup over the first, REQBUFS by another");
	start(o.fd, node);
	expect_that(stream_frames(o.fd, node, 0), "in order", "frames: indices");
}

/* Another opener is put under the number. */
static void other_opener(const struct node *node, const struct node *peer)
{
	struct openers o = openers_open(node);

	need_call(dup2(o.other, o.fd), "dup2");
	expect(try_allocate(o.fd, node), EBUSY, "dup, REQBUFS, dup2 of another opener over the first, REQBUFS");
	close_fd(o.copy);
	expect(try_allocate(o.fd, node), 0, "the dup closed");
	expect(try_map(o.fd, node), 0, "mmap");
}

static const struct check checks[] = {
	{ "close-dup", ON_EACH, duplicate },
	{ "close-first", ON_EACH, first },
	{ "close-first-streaming", ON_EACH, first_streaming },
	{ "close-first-mapped", ON_EACH, first_mapped },
	{ "close-first-then-maps", ON_EACH, first_then_maps },
	{ "close-first-then-reallocates", ON_EACH, first_then_reallocates },
	{ "close-both", ON_PAIR, both },
	{ "dup2-replaces", ON_EACH, replaced },
	{ "dup2-replaces-with-dup", ON_EACH, replaced_duplicate },
	{ "dup2-of-dup", ON_EACH, put_back },
	{ "dup2-of-other", ON_EACH, other_opener },
	{ 0 }
};

const struct group swap_close = { "close", checks };
