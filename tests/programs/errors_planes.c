/* The array of planes that a multi-planar buffer comes with. It's read and written
 * as the buffer itself is: what isn't there is EFAULT, what's too short EINVAL. */
#include "errors.h"

#include <string.h>

/* The ioctls that take a buffer, but for DQBUF. */
static const struct {
	const char *name;
	int (*call)(int fd, struct buffer *b);
} takers[] = {
	{ "QUERYBUF", try_querybuf }, { "PREPARE_BUF", try_prepare_buf }, { "QBUF", try_qbuf },
};

#define TAKERS (sizeof(takers) / sizeof(takers[0]))

static void need_planes(const struct node *node)
{
	if (!node->mplane)
		skip("the node is single-planar");
}

/* Every taker, with this array of planes. */
static void expect_takers(int fd, const struct node *node, void *planes, uint32_t length, int want,
			  const char *what)
{
	struct buffer b;
	size_t i;

	for (i = 0; i < TAKERS; i++) {
		buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
		b.buf.m.planes = planes;
		b.buf.length = length;
		expect(takers[i].call(fd, &b), want, "%s%s", takers[i].name, what);
		what = "";
	}
}

static void pointers(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	size_t size = node->planes * sizeof(struct v4l2_plane);

	need_planes(node);
	expect_takers(fd, node, NULL, node->planes, EFAULT, " with planes NULL");
	expect_takers(fd, node, memory_end(), node->planes, EFAULT, " with planes in memory without access");
	expect_takers(fd, node, memory_end() - size + 1, node->planes, EFAULT,
		      " with planes accessible but for the last byte");
	expect_that(!(query_flags(fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_QUEUED),
		    "not QUEUED", "the buffer then");
}

static void lengths(const struct node *node, const struct node *peer)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES + 1] = { 0 };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	need_planes(node);
	expect_takers(fd, node, planes, 0, EINVAL, " with length 0");
	expect_takers(fd, node, NULL, 0, EINVAL, " with length 0 and planes NULL");
	expect_takers(fd, node, planes, node->planes - 1, EINVAL, " with one plane too few");
	expect_takers(fd, node, planes, VIDEO_MAX_PLANES + 1, EINVAL, " with more than VIDEO_MAX_PLANES");
	expect_takers(fd, node, NULL, VIDEO_MAX_PLANES + 1, EINVAL, " with more, and planes NULL");
	expect_takers(fd, node, planes, UINT32_MAX, EINVAL, " with length 0xffffffff");
}

/* More planes than the buffer has do no harm: the length that comes back is right. */
static void too_many(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;

	need_planes(node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.length = VIDEO_MAX_PLANES;
	expect(try_querybuf(fd, &b), 0, "QUERYBUF with VIDEO_MAX_PLANES");
	expect_that(b.buf.length == node->planes, "the format's planes", "its length");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.length = VIDEO_MAX_PLANES;
	expect(try_qbuf(fd, &b), 0, "QBUF with VIDEO_MAX_PLANES");
	expect_that(b.buf.length == node->planes, "the format's planes", "its length");
}

/* A wrong array of planes takes no buffer from the queue. */
static void dqbuf(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct buffer b;

	need_planes(node);
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_frame(fd, node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.m.planes = NULL;
	expect(try_dqbuf(fd, &b), EFAULT, "DQBUF with planes NULL, a buffer ready");
	b.buf.length = 0;
	expect(try_dqbuf(fd, &b), EINVAL, "with length 0");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.length = node->planes - 1;
	expect(try_dqbuf(fd, &b), EINVAL, "with one plane too few");
	b.buf.length = VIDEO_MAX_PLANES + 1;
	expect(try_dqbuf(fd, &b), EINVAL, "with more than VIDEO_MAX_PLANES");
	b.buf.length = VIDEO_MAX_PLANES;
	expect(try_dqbuf(fd, &b), 0, "with VIDEO_MAX_PLANES");
	expect_number(b.buf.index, 0, "its index");
	expect_that(b.buf.length == node->planes, "the format's planes", "its length");
}

/* A bad array is seen before the buffer is looked for. */
static void before_all(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK), other = open_node(node, O_RDWR | O_NONBLOCK);
	struct buffer b;

	need_planes(node);
	expect_takers(fd, node, NULL, node->planes, EFAULT, " with planes NULL before REQBUFS");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.m.planes = NULL;
	expect(try_dqbuf(fd, &b), EFAULT, "DQBUF");
	request_buffers(other, node, V4L2_MEMORY_MMAP, 2);
	expect(try_dqbuf(fd, &b), EFAULT, "while another owns the queue");
	b.buf.length = VIDEO_MAX_PLANES + 1;
	expect(try_dqbuf(fd, &b), EINVAL, "with more than VIDEO_MAX_PLANES");
	b.buf.length = 0;
	expect(try_dqbuf(fd, &b), EBUSY, "with length 0");
}

/* The type says whether there's an array, not the node. */
static void foreign_type(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct wrong_type types[WRONG_TYPES];
	struct buffer b;
	size_t i;

	if (node->mplane)
		skip("the node is multi-planar");
	wrong_types(node, types);
	for (i = 0; i < TAKERS; i++) {
		buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
		b.buf.type = types[OTHER_API].type;
		b.buf.length = 1;
		expect(takers[i].call(fd, &b), EFAULT,
		       "%s with the multi-planar type, planes NULL", takers[i].name);
		b.buf.length = VIDEO_MAX_PLANES + 1;
		expect(takers[i].call(fd, &b), EINVAL, "with more than VIDEO_MAX_PLANES");
		b.buf.m.planes = b.planes;
		b.buf.length = 1;
		expect(takers[i].call(fd, &b), EINVAL, "with a good array");
	}
}

static const struct check checks[] = {
	{ "planes-pointer", ON_EACH, pointers },
	{ "planes-length", ON_EACH, lengths },
	{ "planes-too-many", ON_EACH, too_many },
	{ "planes-dqbuf", ON_EACH, dqbuf },
	{ "planes-before-all-else", ON_EACH, before_all },
	{ "planes-foreign-type", ON_EACH, foreign_type },
	{ 0 }
};

const struct group errors_planes = { "planes", checks };
