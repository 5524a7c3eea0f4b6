/* REQBUFS, CREATE_BUFS and REMOVE_BUFS: wrong types, memories, sizes, counts. */
#include "errors.h"

#include <string.h>

/* As few as the node streams with, and as many as its queue may have. vivid has
 * the larger queue on its single-planar capture node only. */
#define LEAST_BUFFERS 2
#define MOST_BUFFERS 32
#define MOST_CAPTURE_BUFFERS 64

static uint32_t most_buffers(const struct node *node)
{
	return node->output || node->mplane ? MOST_BUFFERS : MOST_CAPTURE_BUFFERS;
}

static int try_querybuf_of(int fd, const struct node *node, uint32_t index)
{
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, index);
	return try_querybuf(fd, &b);
}

/* CREATE_BUFS of one MMAP buffer of @format. */
static int try_create(int fd, const struct v4l2_format *format)
{
	struct v4l2_create_buffers create = {
		.count = 1, .memory = V4L2_MEMORY_MMAP, .format = *format,
	};

	return try_ioctl(fd, VIDIOC_CREATE_BUFS, &create);
}

/* ---- types and memories ------------------------------------------------------------------ */

static void types(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct wrong_type types[WRONG_TYPES];
	unsigned i;

	wrong_types(node, types);
	for (i = 0; i < WRONG_TYPES; i++) {
		struct v4l2_requestbuffers req = {
			.type = types[i].type, .memory = V4L2_MEMORY_MMAP,
		};
		struct v4l2_format format = node->format;
		struct v4l2_remove_buffers remove = { .count = 1, .type = types[i].type };

		expect(try_ioctl(fd, VIDIOC_REQBUFS, &req), EINVAL, "REQBUFS(0) with %s", types[i].name);
		req.count = 2;
		expect(try_ioctl(fd, VIDIOC_REQBUFS, &req), EINVAL, "REQBUFS(2)");
		format.type = types[i].type;
		expect(try_create(fd, &format), EINVAL, "CREATE_BUFS");
		expect(try_ioctl(fd, VIDIOC_REMOVE_BUFS, &remove), EINVAL, "REMOVE_BUFS");
		remove.count = 0;
		expect(try_ioctl(fd, VIDIOC_REMOVE_BUFS, &remove), EINVAL, "REMOVE_BUFS of none");
	}
	expect(try_querybuf_of(fd, node, 0), 0, "QUERYBUF then");
}

static void memories(const struct node *node, const struct node *peer)
{
	static const struct { uint32_t memory; const char *name; } wrong[] = {
		{ 0, "memory 0" }, { V4L2_MEMORY_OVERLAY, "memory OVERLAY" },
		{ UNKNOWN_ENUM, "an unknown memory" }, { UINT32_MAX, "memory 0xffffffff" },
	};
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	uint32_t two = 2, none = 0, one = 1;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		expect(try_reqbufs(fd, node, wrong[i].memory, &two), EINVAL, "REQBUFS with %s",
		       wrong[i].name);
		expect(try_reqbufs(fd, node, wrong[i].memory, &none), EINVAL, "REQBUFS(0)");
		expect(try_create_bufs(fd, node, wrong[i].memory, NULL, &one, NULL), EINVAL,
		       "CREATE_BUFS");
		expect(try_create_bufs(fd, node, wrong[i].memory, NULL, &none, NULL), EINVAL,
		       "CREATE_BUFS(0)");
	}
	expect(try_querybuf_of(fd, node, 0), 0, "QUERYBUF then");
}

static void mixed_memories(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	uint32_t one = 1, none = 0;

	expect(try_create_bufs(fd, node, V4L2_MEMORY_DMABUF, NULL, &one, NULL), EINVAL,
	       "CREATE_BUFS of DMABUF on an MMAP queue");
	expect(try_create_bufs(fd, node, V4L2_MEMORY_USERPTR, NULL, &one, NULL), EINVAL, "of USERPTR");
	expect(try_create_bufs(fd, node, V4L2_MEMORY_DMABUF, NULL, &none, NULL), 0,
	       "CREATE_BUFS(0) of DMABUF");
	expect(try_create_bufs(fd, node, V4L2_MEMORY_MMAP, NULL, &one, NULL), 0, "of MMAP");
}

/* ---- counts ---------------------------------------------------------------------------------- */

static void count_limits(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = 1;

	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS(1)");
	expect_number(count, LEAST_BUFFERS, "the count that comes back");
	count = most_buffers(node) + 1;
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS of one more than the most");
	expect_number(count, most_buffers(node), "the count");
	count = UINT32_MAX;
	expect(try_reqbufs(fd, node, V4L2_MEMORY_DMABUF, &count), 0, "REQBUFS(0xffffffff) of DMABUF");
	expect_number(count, most_buffers(node), "the count");
}

static void create_limits(const struct node *node, const struct node *peer)
{
	struct v4l2_create_buffers create = {
		.memory = V4L2_MEMORY_MMAP, .format = node->format, .index = UNKNOWN_ENUM,
	};
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	uint32_t most = most_buffers(node), count = 1, index;

	expect(try_ioctl(fd, VIDIOC_CREATE_BUFS, &create), 0, "CREATE_BUFS(0) before anything else");
	expect_number(create.index, 0, "its index");
	expect_number(create.max_num_buffers, most, "its max_num_buffers");
	expect(try_create_bufs(other, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0,
	       "CREATE_BUFS(1) by a second opener");
	expect_number(count, 1, "its count");
	count = most;
	expect(try_create_bufs(other, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0,
	       "CREATE_BUFS of one more than there's room for");
	expect_number(count, most - 1, "its count");
	expect_number(index, 1, "its index");
	count = 1;
	expect(try_create_bufs(other, node, V4L2_MEMORY_MMAP, NULL, &count, &index), ENOBUFS,
	       "CREATE_BUFS on a full queue");
	count = 0;
	expect(try_create_bufs(other, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0,
	       "CREATE_BUFS(0) on it");
	expect_number(index, most, "its index");
}

/* ---- flags ------------------------------------------------------------------------------------- */

/* The node's memory is always coherent, so no hint is taken. */
static void memory_flags(const struct node *node, const struct node *peer)
{
	struct v4l2_requestbuffers req = {
		.count = 2, .type = node->type, .memory = V4L2_MEMORY_MMAP,
		.flags = V4L2_MEMORY_FLAG_NON_COHERENT,
	};
	struct v4l2_create_buffers create = {
		.count = 1, .memory = V4L2_MEMORY_MMAP, .format = node->format, .flags = UINT32_MAX,
	};
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, VIDIOC_REQBUFS, &req), 0, "REQBUFS with NON_COHERENT");
	expect_number(req.flags, 0, "its flags");
	req.count = 2;
	req.flags = UINT8_MAX;
	expect(try_ioctl(fd, VIDIOC_REQBUFS, &req), 0, "with all flags");
	expect_number(req.flags, 0, "its flags");
	expect(try_ioctl(fd, VIDIOC_CREATE_BUFS, &create), 0, "CREATE_BUFS with all flags");
	expect_number(create.flags, 0, "its flags");
}

/* ---- sizes ------------------------------------------------------------------------------------- */

static void set_size(struct v4l2_format *format, const struct node *node, unsigned plane,
		     uint32_t size)
{
	if (node->mplane)
		format->fmt.pix_mp.plane_fmt[plane].sizeimage = size;
	else
		format->fmt.pix.sizeimage = size;
}

static void create_sizes(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	unsigned last = node->planes - 1;
	uint32_t count = 1, index;
	struct v4l2_format format = node->format;

	set_size(&format, node, last, 0);
	expect(try_create(fd, &format), EINVAL, "CREATE_BUFS with sizeimage 0");
	set_size(&format, node, last, node->plane_size[last] - 1);
	expect(try_create(fd, &format), EINVAL, "with one byte too few");
	expect(try_querybuf_of(fd, node, 0), EINVAL, "QUERYBUF then");
	set_size(&format, node, last, node->plane_size[last] + 1);
	expect(try_create(fd, &format), 0, "CREATE_BUFS with one byte more than needed");
	set_size(&format, node, last, 1);
	expect(try_create(fd, &format), EINVAL, "with one byte, there being buffers");
	expect(try_create_bufs(fd, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0,
	       "CREATE_BUFS of the format");
	expect_number(index, 1, "its index");
}

static void create_planes(const struct node *node, const struct node *peer)
{
	struct v4l2_format format = node->format;
	unsigned planes = node->planes, i;
	int fd = open_node(node, O_RDWR);

	if (!node->mplane)
		skip("the node is single-planar");
	for (i = planes; i < VIDEO_MAX_PLANES; i++)
		set_size(&format, node, i, node->plane_size[0]);
	format.fmt.pix_mp.num_planes = 0;
	expect(try_create(fd, &format), EINVAL, "CREATE_BUFS with num_planes 0");
	format.fmt.pix_mp.num_planes = planes - 1;
	expect(try_create(fd, &format), EINVAL, "with one plane too few");
	format.fmt.pix_mp.num_planes = planes + 1;
	expect(try_create(fd, &format), EINVAL, "with one too many");
	format.fmt.pix_mp.num_planes = VIDEO_MAX_PLANES + 1;
	expect(try_create(fd, &format), EINVAL, "with more than VIDEO_MAX_PLANES");
	format.fmt.pix_mp.num_planes = planes;
	expect(try_create(fd, &format), 0, "with the format's");
}

/* CREATE_BUFS looks at sizes and nothing else of a format. */
static void create_formats(const struct node *node, const struct node *peer)
{
	struct v4l2_format format = node->format;
	int fd = open_node(node, O_RDWR);

	format.fmt.pix.pixelformat = 0;
	format.fmt.pix.width = format.fmt.pix.height = 0;
	format.fmt.pix.field = UNKNOWN_ENUM;
	expect(try_create(fd, &format), 0,
	       "CREATE_BUFS with sizes only, no pixel format, width and height");
}

/* ---- REMOVE_BUFS --------------------------------------------------------------------------------- */

static void remove_ranges(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count;

	expect(try_remove_bufs(fd, node, 0, 0), 0, "REMOVE_BUFS of none before REQBUFS");
	expect(try_remove_bufs(fd, node, 0, 1), EINVAL, "of one");
	count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 4);
	expect(try_remove_bufs(fd, node, count, 1), EINVAL, "of the index after the last");
	expect(try_remove_bufs(fd, node, UINT32_MAX, 1), EINVAL, "of index 0xffffffff");
	expect(try_remove_bufs(fd, node, 0, count + 1), EINVAL, "of one more than there are");
	expect(try_remove_bufs(fd, node, 0, UINT32_MAX), EINVAL, "of 0xffffffff buffers");
	expect(try_remove_bufs(fd, node, UINT32_MAX, 2), EINVAL, "of a range beyond the last number");
	expect(try_remove_bufs(fd, node, count - 1, 2), EINVAL, "of the last and the one after it");
	expect(try_remove_bufs(fd, node, UINT32_MAX, 0), 0, "of none at index 0xffffffff");
	expect(try_remove_bufs(fd, node, 1, 1), 0, "of buffer 1");
	expect(try_remove_bufs(fd, node, 1, 1), EINVAL, "of the same again");
	expect(try_remove_bufs(fd, node, 0, 3), EINVAL, "of a range with it");
	expect(try_querybuf_of(fd, node, 0), 0, "QUERYBUF of one of that range");
	expect(try_querybuf_of(fd, node, 1), EINVAL, "of the one removed");
}

static void remove_busy(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3);
	struct buffer b;

	queue_mmap(fd, node, 1);
	expect(try_remove_bufs(fd, node, 1, 1), EBUSY, "REMOVE_BUFS of a queued buffer");
	expect(try_remove_bufs(fd, node, 0, 3), EBUSY, "of a range with it");
	expect(try_querybuf_of(fd, node, 0), 0, "QUERYBUF of one of that range");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 2);
	need(try_prepare_buf(fd, &b), "PREPARE_BUF");
	expect(try_remove_bufs(fd, node, 2, 1), 0, "REMOVE_BUFS of a prepared buffer");
	stream_off(fd, node);
	expect(try_remove_bufs(fd, node, 0, 2), 0, "of the others, after STREAMOFF");
}

static const struct check checks[] = {
	{ "allocate-type", ON_EACH, types },
	{ "allocate-memory", ON_EACH, memories },
	{ "allocate-mixed-memory", ON_EACH, mixed_memories },
	{ "allocate-count", ON_EACH, count_limits },
	{ "allocate-create-count", ON_EACH, create_limits },
	{ "allocate-flags", ON_EACH, memory_flags },
	{ "allocate-create-size", ON_EACH, create_sizes },
	{ "allocate-create-planes", ON_EACH, create_planes },
	{ "allocate-create-format", ON_EACH, create_formats },
	{ "allocate-remove-range", ON_EACH, remove_ranges },
	{ "allocate-remove-busy", ON_EACH, remove_busy },
	{ 0 }
};

const struct group errors_allocate = { "allocate", checks };
