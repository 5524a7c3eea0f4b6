/* QUERYBUF, PREPARE_BUF, QBUF, DQBUF, STREAMON and STREAMOFF: too early, twice,
 * with a wrong index, type or memory. */
#include "errors.h"

#include <string.h>
#include <unistd.h>

/* The ioctls that name a buffer. */
static const struct {
	const char *name;
	int (*call)(int fd, struct buffer *b);
} by_index[] = {
	{ "QUERYBUF", try_querybuf }, { "PREPARE_BUF", try_prepare_buf }, { "QBUF", try_qbuf },
};

#define BY_INDEX (sizeof(by_index) / sizeof(by_index[0]))

static int try_dequeue(int fd, const struct node *node, uint32_t memory)
{
	struct buffer b;

	buffer_init(&b, node, memory, 0);
	return try_dqbuf(fd, &b);
}

/* ---- before and after REQBUFS --------------------------------------------------------------- */

static void expect_no_queue(int fd, const struct node *node, const char *when)
{
	struct buffer b;
	size_t i;

	for (i = 0; i < BY_INDEX; i++) {
		buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
		expect(by_index[i].call(fd, &b), EINVAL, "%s%s", by_index[i].name, when);
		when = "";
	}
	expect(try_dequeue(fd, node, V4L2_MEMORY_MMAP), EINVAL, "DQBUF");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EINVAL, "EXPBUF");
	expect(try_streamon(fd, node), EINVAL, "STREAMON");
	expect(try_streamoff(fd, node), 0, "STREAMOFF");
}

static void before_reqbufs(const struct node *node, const struct node *peer)
{
	expect_no_queue(open_node(node, O_RDWR | O_NONBLOCK), node, " before REQBUFS");
}

static void after_reqbufs0(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	queue_mmap(fd, node, 0);
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect_no_queue(fd, node, " after REQBUFS(0)");
}

/* The queue is still there, and all its numbers are free. */
static void after_remove_all(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);

	need(try_remove_bufs(fd, node, 0, count), "REMOVE_BUFS of all");
	expect_no_queue(fd, node, " after REMOVE_BUFS of all");
}

/* ---- wrong indices, types, memories ----------------------------------------------------------- */

static void indices(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;
	size_t i;

	for (i = 0; i < BY_INDEX; i++) {
		buffer_init(&b, node, V4L2_MEMORY_MMAP, count);
		expect(by_index[i].call(fd, &b), EINVAL, "%s of the index after the last",
		       by_index[i].name);
		buffer_init(&b, node, V4L2_MEMORY_MMAP, UINT32_MAX);
		expect(by_index[i].call(fd, &b), EINVAL, "of index 0xffffffff");
	}
}

static void removed_index(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3);
	struct buffer b;
	size_t i;

	need(try_remove_bufs(fd, node, 1, 1), "REMOVE_BUFS of buffer 1");
	for (i = 0; i < BY_INDEX; i++) {
		buffer_init(&b, node, V4L2_MEMORY_MMAP, 1);
		expect(by_index[i].call(fd, &b), EINVAL, "%s%s", by_index[i].name,
		       i ? "" : " of a buffer removed by REMOVE_BUFS");
	}
	expect(try_queue_mmap(fd, node, 2), 0, "QBUF of the one after it");
}

/* DQBUF gives the index, it doesn't take one. */
static void dqbuf_index(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;

	queue_mmap(fd, node, 1);
	queue_mmap(fd, node, 0);
	stream_on(fd, node);
	wait_frame(fd, node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, UINT32_MAX);
	expect(try_dqbuf(fd, &b), 0, "DQBUF with index 0xffffffff");
	expect_number(b.buf.index, 1, "the index that comes back");
}

static int try_stream_type(int fd, unsigned long request, uint32_t type)
{
	int value = type;

	return try_ioctl(fd, request, &value);
}

static void types(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct wrong_type types[WRONG_TYPES];
	struct buffer b;
	unsigned i, j;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	wrong_types(node, types);
	for (i = 0; i < WRONG_TYPES; i++) {
		for (j = 0; j < BY_INDEX; j++) {
			buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
			b.buf.type = types[i].type;
			expect(by_index[j].call(fd, &b), EINVAL, "%s with %s", by_index[j].name,
			       types[i].name);
		}
		buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
		b.buf.type = types[i].type;
		expect(try_dqbuf(fd, &b), EINVAL, "DQBUF");
		expect(try_stream_type(fd, VIDIOC_STREAMON, types[i].type), EINVAL, "STREAMON");
		expect(try_stream_type(fd, VIDIOC_STREAMOFF, types[i].type), EINVAL, "STREAMOFF");
	}
}

/* A wrong STREAMOFF stops nothing, a wrong DQBUF takes nothing. */
static void types_streaming(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct wrong_type types[WRONG_TYPES];
	struct buffer b;
	unsigned i;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_frame(fd, node);
	wrong_types(node, types);
	for (i = 0; i < WRONG_TYPES; i++) {
		buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
		b.buf.type = types[i].type;
		expect(try_dqbuf(fd, &b), EINVAL, "DQBUF with %s, a buffer ready", types[i].name);
		expect(try_stream_type(fd, VIDIOC_STREAMOFF, types[i].type), EINVAL, "STREAMOFF");
	}
	expect(try_dequeue(fd, node, V4L2_MEMORY_MMAP), 0, "DQBUF with the right type");
}

static void memories(const struct node *node, const struct node *peer)
{
	static const struct { uint32_t memory; const char *name; } wrong[] = {
		{ V4L2_MEMORY_USERPTR, "memory USERPTR" }, { V4L2_MEMORY_DMABUF, "memory DMABUF" },
		{ V4L2_MEMORY_OVERLAY, "memory OVERLAY" }, { 0, "memory 0" },
		{ UNKNOWN_ENUM, "an unknown memory" },
	};
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buffer_init(&b, node, wrong[i].memory, 0);
		expect(try_qbuf(fd, &b), EINVAL, "QBUF with %s on an MMAP queue", wrong[i].name);
		buffer_init(&b, node, wrong[i].memory, 0);
		expect(try_prepare_buf(fd, &b), EINVAL, "PREPARE_BUF");
	}
	buffer_init(&b, node, UNKNOWN_ENUM, 0);
	expect(try_querybuf(fd, &b), 0, "QUERYBUF with an unknown memory");
	expect_that(b.buf.memory == V4L2_MEMORY_MMAP, "MMAP", "the memory that comes back");
}

/* ---- twice ------------------------------------------------------------------------------------- */

static int try_prepare(int fd, const struct node *node, uint32_t index)
{
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, index);
	return try_prepare_buf(fd, &b);
}

static void prepare_twice(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	expect(try_prepare(fd, node, 0), 0, "PREPARE_BUF");
	expect(try_prepare(fd, node, 0), EINVAL, "of the same again");
	expect(try_queue_mmap(fd, node, 0), 0, "QBUF of it");
	expect(try_prepare(fd, node, 0), EINVAL, "PREPARE_BUF of what is queued");
	stream_off(fd, node);
	expect(try_prepare(fd, node, 0), 0, "after STREAMOFF");
	stream_off(fd, node);
	expect(try_prepare(fd, node, 0), 0, "after STREAMOFF again");
}

static void queue_twice(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	expect(try_queue_mmap(fd, node, 0), EINVAL, "QBUF of a queued buffer");
	stream_on(fd, node);
	wait_frame(fd, node);
	expect(try_queue_mmap(fd, node, 0), EINVAL, "of one that is ready");
	expect(try_prepare(fd, node, 0), EINVAL, "PREPARE_BUF of it");
	need(try_dequeue(fd, node, V4L2_MEMORY_MMAP), "DQBUF");
	expect(try_queue_mmap(fd, node, 0), 0, "QBUF of it after DQBUF");
}

static void stream_twice(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_streamoff(fd, node), 0, "STREAMOFF before STREAMON");
	expect(try_streamon(fd, node), 0, "STREAMON with nothing queued");
	expect(try_streamon(fd, node), 0, "again");
	expect(try_streamoff(fd, node), 0, "STREAMOFF");
	expect(try_streamoff(fd, node), 0, "again");
	expect(try_dequeue(fd, node, V4L2_MEMORY_MMAP), EINVAL, "DQBUF with O_NONBLOCK then");
}

/* DQBUF of a queue that doesn't stream fails whether it may wait or not: first
 * tried as it can't hang. */
static void not_streaming(const struct node *node, const struct node *peer)
{
	static const struct { int flags; const char *name; } ways[] = {
		{ O_NONBLOCK, " with O_NONBLOCK" }, { 0, "" },
	};
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = open_node(node, O_RDWR | ways[i].flags);

		request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
		queue_mmap(fd, node, 0);
		queue_mmap(fd, node, 1);
		expect(try_dequeue(fd, node, V4L2_MEMORY_MMAP), EINVAL, "DQBUF%s before STREAMON",
		       ways[i].name);
		stream_on(fd, node);
		wait_frame(fd, node);
		stream_off(fd, node);
		expect(try_dequeue(fd, node, V4L2_MEMORY_MMAP), EINVAL,
		       "after STREAMOFF, a buffer having been ready");
		close_fd(fd);
	}
}

static const struct check checks[] = {
	{ "queue-before-reqbufs", ON_EACH, before_reqbufs },
	{ "queue-after-reqbufs0", ON_EACH, after_reqbufs0 },
	{ "queue-after-remove-all", ON_EACH, after_remove_all },
	{ "queue-index", ON_EACH, indices },
	{ "queue-removed-index", ON_EACH, removed_index },
	{ "queue-dqbuf-index", ON_EACH, dqbuf_index },
	{ "queue-type", ON_EACH, types },
	{ "queue-type-streaming", ON_EACH, types_streaming },
	{ "queue-memory", ON_EACH, memories },
	{ "queue-prepare-twice", ON_EACH, prepare_twice },
	{ "queue-twice", ON_EACH, queue_twice },
	{ "queue-stream-twice", ON_EACH, stream_twice },
	{ "queue-not-streaming", ON_EACH, not_streaming },
	{ 0 }
};

const struct group errors_queue = { "queue", checks };
