/* VIDIOC_EXPBUF: what it refuses, which descriptor it gives, and of what memory. */
#include "lifetime.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int try_expbuf_type(int fd, uint32_t type)
{
	struct v4l2_exportbuffer exp = { .type = type, .flags = O_RDWR };

	return try_ioctl(fd, VIDIOC_EXPBUF, &exp);
}

static void unallocated(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EINVAL, "EXPBUF before REQBUFS");
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), 0, "EXPBUF after REQBUFS");
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EINVAL, "EXPBUF after REQBUFS(0)");
}

static void wrong_type(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	/* The same direction in the other API, single- or multi-planar. */
	uint32_t other_api = node->output ?
		(node->mplane ? V4L2_BUF_TYPE_VIDEO_OUTPUT : V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE) :
		(node->mplane ? V4L2_BUF_TYPE_VIDEO_CAPTURE : V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE);

	expect(try_expbuf_type(fd, peer->type), EINVAL, "EXPBUF with the other direction's type");
	expect(try_expbuf_type(fd, other_api), EINVAL, "with the other API's type");
	expect(try_expbuf_type(fd, 0), EINVAL, "with type 0");
	expect(try_expbuf_type(fd, 0x7fffffff), EINVAL, "with an unknown type");
	expect(try_expbuf_type(fd, node->type), 0, "with the right type");
}

static void wrong_index(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 3);

	expect(try_expbuf(fd, node, count, 0, O_RDWR, NULL), EINVAL,
	       "EXPBUF of the index after the last buffer");
	expect(try_expbuf(fd, node, UINT32_MAX, 0, O_RDWR, NULL), EINVAL, "of index 0xffffffff");
	expect(try_expbuf(fd, node, count - 1, 0, O_RDWR, NULL), 0, "of the last buffer");
}

static void removed_index(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3);

	need(try_remove_bufs(fd, node, 1, 1), "REMOVE_BUFS");
	expect(try_expbuf(fd, node, 1, 0, O_RDWR, NULL), EINVAL,
	       "EXPBUF of a buffer removed by REMOVE_BUFS");
	expect(try_expbuf(fd, node, 2, 0, O_RDWR, NULL), 0, "of the buffer after it");
}

static void wrong_plane(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	expect(try_expbuf(fd, node, 0, node->planes, O_RDWR, NULL), EINVAL,
	       "EXPBUF of the plane after the last");
	expect(try_expbuf(fd, node, 0, VIDEO_MAX_PLANES, O_RDWR, NULL), EINVAL,
	       "of plane VIDEO_MAX_PLANES");
	expect(try_expbuf(fd, node, 0, UINT32_MAX, O_RDWR, NULL), EINVAL, "of plane 0xffffffff");
	expect(try_expbuf(fd, node, 0, node->planes - 1, O_RDWR, NULL), 0, "of the last plane");
}

static void other_memory(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_USERPTR, 2);

	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EINVAL, "EXPBUF on a USERPTR queue");
	request_buffers(fd, node, V4L2_MEMORY_DMABUF, 2);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EINVAL, "on a DMABUF queue");
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), 0, "on an MMAP queue");
}

/* ---- flags ---------------------------------------------------------------- */

static void flags_none(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	size_t length;
	void *own = map_plane(fd, node, 0, 0, &length), *addr;
	int export = export_plane(fd, node, 0, 0, 0);

	expect_number(fcntl(export, F_GETFL) & O_ACCMODE, O_RDONLY,
		      "access mode of an export with flags 0");
	expect(try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, export, 0, NULL), EACCES,
	       "mmap of it for writing");
	expect(try_mmap(length, PROT_READ, MAP_SHARED, export, 0, &addr), 0,
	       "mmap of it for reading");
	fill_pattern(own, length, 1);
	expect_that(has_pattern(addr, length, 1), "seen there",
		    "writing through the node's mapping");
	expect(mprotect(addr, length, PROT_READ | PROT_WRITE) ? errno : 0, EACCES,
	       "mprotect of that mapping for writing");
}

static void flags_rdwr(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int export = export_plane(fd, node, 0, 0, O_RDWR);
	size_t length = node->plane_size[0];
	void *writer, *reader;

	expect(try_mmap(length, PROT_READ, MAP_SHARED, export, 0, &reader), 0,
	       "mmap of an O_RDWR export for reading");
	expect(try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, export, 0, &writer), 0,
	       "for writing");
	fill_pattern(writer, length, 2);
	expect_that(has_pattern(reader, length, 2), "seen through the other",
		    "writing through one mapping");
}

static void unmappable(const struct node *node, uint32_t flags, const char *name)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), export;

	expect(try_expbuf(fd, node, 0, 0, flags, &export), 0, "EXPBUF with %s", name);
	expect(try_mmap(node->plane_size[0], PROT_READ, MAP_SHARED, export, 0, NULL), EACCES,
	       "mmap of it for reading");
	expect(try_mmap(node->plane_size[0], PROT_WRITE, MAP_SHARED, export, 0, NULL), EACCES,
	       "for writing");
}

static void flags_wronly(const struct node *node, const struct node *peer)
{
	unmappable(node, O_WRONLY, "O_WRONLY");
}

static void flags_accmode(const struct node *node, const struct node *peer)
{
	unmappable(node, O_ACCMODE, "flags 3 (O_ACCMODE)");
}

static void flags_cloexec(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int with = export_plane(fd, node, 0, 0, O_RDWR | O_CLOEXEC);
	int without = export_plane(fd, node, 0, 0, O_RDWR);

	expect_number(fcntl(with, F_GETFD), FD_CLOEXEC, "F_GETFD after EXPBUF with O_CLOEXEC");
	expect_number(fcntl(without, F_GETFD), 0, "without O_CLOEXEC");
}

static void flags_unknown(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	expect(try_expbuf(fd, node, 0, 0, O_RDWR | O_NONBLOCK, NULL), EINVAL,
	       "EXPBUF with O_NONBLOCK");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR | O_CREAT, NULL), EINVAL, "with O_CREAT");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR | O_SYNC, NULL), EINVAL, "with O_SYNC");
	expect(try_expbuf(fd, node, 0, 0, 1u << 31, NULL), EINVAL, "with the highest bit");
	expect_held(fd, node, 0, false, "QUERYBUF after all that");
}

static void reserved(const struct node *node, const struct node *peer)
{
	struct v4l2_exportbuffer exp = { .type = node->type, .flags = O_RDWR };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	uint32_t sum = 0;
	size_t i;

	memset(exp.reserved, 0xff, sizeof(exp.reserved));
	expect(try_ioctl(fd, VIDIOC_EXPBUF, &exp), 0, "EXPBUF with reserved[] not zero");
	for (i = 0; i < sizeof(exp.reserved) / sizeof(exp.reserved[0]); i++)
		sum |= exp.reserved[i];
	expect_number(sum, 0, "reserved[] afterwards");
	expect_that(exp.type == node->type && !exp.index && !exp.plane && exp.flags == O_RDWR,
		    "as given", "the other fields");
}

/* ---- the descriptor table ------------------------------------------------------ */

static void lowest_number(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int hole = need_call(fcntl(fd, F_DUPFD, 40), "F_DUPFD"), above;

	above = need_call(fcntl(fd, F_DUPFD, hole + 1), "F_DUPFD");
	/* Fill everything below the hole. */
	while (need_call(dup(fd), "dup") < above)
		;
	close_fd(hole);
	expect_that(export_plane(fd, node, 0, 0, O_RDWR) == hole,
		    "the lowest free descriptor", "EXPBUF");
	expect_that(export_plane(fd, node, 0, 0, O_RDWR) > above, "above the used ones",
		    "the next EXPBUF");
}

/* Leaves exactly @free descriptors free. */
static void fill_table(int fd, int free)
{
	struct rlimit limit;
	int last = need_call(dup(fd), "dup");

	need_call(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	/* dup gave the lowest free number, so all below it are taken. */
	limit.rlim_cur = last + free;
	close_fd(last);
	need_call(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

static void full_table(const struct node *node, const struct node *peer)
{
	struct v4l2_exportbuffer exp = { .type = node->type, .flags = O_RDWR, .fd = -7 };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	fill_table(fd, 0);
	expect(dup(fd) < 0 ? errno : 0, EMFILE, "dup with the descriptor table full");
	expect(try_ioctl(fd, VIDIOC_EXPBUF, &exp), EMFILE, "EXPBUF then");
	expect_number(exp.fd, -7, "the fd field (-7 was given)");
	expect_held(fd, node, 0, false, "QUERYBUF then");
	expect(try_expbuf(fd, node, 99, 0, O_RDWR, NULL), EINVAL,
	       "EXPBUF of a wrong index with the table full");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR | O_NONBLOCK, NULL), EINVAL,
	       "with a wrong flag");
}

static void one_slot(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), export;

	fill_table(fd, 1);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, &export), 0,
	       "EXPBUF with one free descriptor");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EMFILE, "a second EXPBUF");
	close_fd(export);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, &export), 0, "EXPBUF after close of the first");
}

/* ---- the memory ------------------------------------------------------------------ */

static void twice(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		int first = export_plane(fd, node, 0, p, O_RDWR);
		int second = export_plane(fd, node, 0, p, O_RDWR);
		size_t length = node->plane_size[p];
		void *a = map_shared(length, first, 0), *b = map_shared(length, second, 0);

		need_that(first != second, "two exports are two descriptors");
		fill_pattern(a, length, p);
		need_that(has_pattern(b, length, p), "the second shows what the first wrote");
		fill_pattern(b, length, p + 8);
		need_that(has_pattern(a, length, p + 8), "the first shows what the second wrote");
		close_fd(first);
		need_that(has_pattern(map_shared(length, second, 0), length, p + 8),
			  "closing the first leaves the second");
	}
	expect_that(true, "two descriptors, one memory", "the same buffer exported twice");
}

static void same_as_node(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		int export = export_plane(fd, node, 1, p, O_RDWR);
		size_t length;
		void *own = map_plane(fd, node, 1, p, &length);
		void *shared = map_shared(length, export, 0);

		fill_pattern(own, length, p);
		need_that(has_pattern(shared, length, p), "the export shows the node's memory");
		fill_pattern(shared, length, p + 8);
		need_that(has_pattern(own, length, p + 8), "the node shows the export's memory");
	}
	expect_that(true, "one memory", "the node's mapping and the export of a buffer");
}

static void all_different(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 3), i;
	void *maps[VIDEO_MAX_FRAME][VIDEO_MAX_PLANES];
	unsigned p;

	for (i = 0; i < count; i++)
		for (p = 0; p < node->planes; p++) {
			maps[i][p] = map_shared(node->plane_size[p],
						export_plane(fd, node, i, p, O_RDWR), 0);
			fill_pattern(maps[i][p], node->plane_size[p], i * 8 + p);
		}
	for (i = 0; i < count; i++)
		for (p = 0; p < node->planes; p++)
			need_that(has_pattern(maps[i][p], node->plane_size[p], i * 8 + p),
				  "each export keeps what was written to it");
	expect_that(true, "memory of its own", "every buffer's every plane, exported");
}

static void while_queued(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	queue_mmap(fd, node, 0);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), 0, "EXPBUF of a queued buffer");
	stream_on(fd, node);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), 0, "while streaming");
	stream_off(fd, node);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), 0, "after STREAMOFF");
}

static void rdonly_node(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDONLY), export;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, &export), 0,
	       "EXPBUF with O_RDWR on a node opened O_RDONLY");
	expect(try_mmap(node->plane_size[0], PROT_READ | PROT_WRITE, MAP_SHARED, export, 0, NULL), 0,
	       "mmap of it for writing");
}

static const struct check checks[] = {
	{ "expbuf-unallocated", ON_EACH, unallocated },
	{ "expbuf-wrong-type", ON_EACH, wrong_type },
	{ "expbuf-wrong-index", ON_EACH, wrong_index },
	{ "expbuf-removed-index", ON_EACH, removed_index },
	{ "expbuf-wrong-plane", ON_EACH, wrong_plane },
	{ "expbuf-other-memory", ON_EACH, other_memory },
	{ "expbuf-flags-none", ON_EACH, flags_none },
	{ "expbuf-flags-rdwr", ON_EACH, flags_rdwr },
	{ "expbuf-flags-wronly", ON_EACH, flags_wronly },
	{ "expbuf-flags-accmode", ON_EACH, flags_accmode },
	{ "expbuf-flags-cloexec", ON_EACH, flags_cloexec },
	{ "expbuf-flags-unknown", ON_EACH, flags_unknown },
	{ "expbuf-reserved", ON_EACH, reserved },
	{ "expbuf-lowest-number", ON_EACH, lowest_number },
	{ "expbuf-full-table", ON_EACH, full_table },
	{ "expbuf-one-slot", ON_EACH, one_slot },
	{ "expbuf-twice", ON_EACH, twice },
	{ "expbuf-same-as-node", ON_EACH, same_as_node },
	{ "expbuf-all-different", ON_EACH, all_different },
	{ "expbuf-while-queued", ON_EACH, while_queued },
	{ "expbuf-rdonly-node", ON_EACH, rdonly_node },
	{ 0 }
};

const struct group lifetime_expbuf = { "expbuf", checks };
