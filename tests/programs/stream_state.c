/* The states of buffers and of the stream, and what can be done in each. */
#include "stream.h"

#include <errno.h>

/* ---- the states of a buffer ---------------------------------------------------------- */

/* The flags of a buffer's state, as a step of a check. */
static void expect_state(struct queue *q, uint32_t index, uint32_t want, const char *name,
			 const char *done)
{
	const uint32_t states = V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE |
				V4L2_BUF_FLAG_PREPARED | V4L2_BUF_FLAG_ERROR;

	expect_that((query_flags(q->fd, q->node, q->memory, index) & states) == want, name,
		    "%s", done);
}

static int try_prepare(struct queue *q, uint32_t index)
{
	struct buffer b;

	buffer_init(&b, q->node, q->memory, index);
	return try_prepare_buf(q->fd, &b);
}

static void buffer_states(const struct node *node, const struct node *peer)
{
	struct queue q;
	struct buffer b;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 2);
	expect_state(&q, 0, 0, "no state", "QUERYBUF of a new buffer");
	expect(try_prepare(&q, 0), 0, "PREPARE_BUF");
	expect_state(&q, 0, V4L2_BUF_FLAG_PREPARED, "PREPARED", "QUERYBUF");
	expect(try_prepare(&q, 0), EINVAL, "PREPARE_BUF again");
	expect(queue_try_put(&q, 0), 0, "QBUF");
	expect_state(&q, 0, V4L2_BUF_FLAG_QUEUED, "QUEUED", "QUERYBUF");
	expect(try_prepare(&q, 0), EINVAL, "PREPARE_BUF of the queued buffer");
	queue_put(&q, 1);
	stream_on(q.fd, node);
	wait_ready(q.fd, node);
	expect_state(&q, 0, V4L2_BUF_FLAG_DONE, "DONE", "streaming, a buffer ready, QUERYBUF");
	queue_take(&q, &b);
	expect_state(&q, 0, 0, "no state", "dequeued, QUERYBUF");
}

/* The flags that QBUF itself gives back. */
static void flags_of_qbuf(const struct node *node, const struct node *peer)
{
	struct buffer b;
	struct queue q;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 2);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	need(try_qbuf(q.fd, &b), "QBUF");
	expect_that(b.buf.flags & V4L2_BUF_FLAG_QUEUED && !(b.buf.flags & V4L2_BUF_FLAG_DONE),
		    "QUEUED", "flags that QBUF gives back");
	expect_that(b.buf.flags & V4L2_BUF_FLAG_MAPPED, "MAPPED", "of a mapped buffer too");
	expect_that((b.buf.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) ==
		    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, "monotonic", "the timestamp's kind");
}

/* Flags of the caller that aren't his to set. */
static void flags_of_caller(const struct node *node, const struct node *peer)
{
	struct buffer b;
	struct queue q;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 2);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_ERROR | V4L2_BUF_FLAG_PREPARED |
		      V4L2_BUF_FLAG_QUEUED;
	expect(try_qbuf(q.fd, &b), 0, "QBUF with flags DONE, ERROR, PREPARED, QUEUED");
	expect_state(&q, 0, V4L2_BUF_FLAG_QUEUED, "QUEUED", "QUERYBUF");
}

/* ---- STREAMON and STREAMOFF ------------------------------------------------------------- */

static void streamon_again(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	expect(try_streamon(fd, node), EINVAL, "STREAMON before REQBUFS");
	expect(try_streamoff(fd, node), 0, "STREAMOFF before REQBUFS");
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_streamoff(fd, node), 0, "STREAMOFF after REQBUFS");
	expect(try_streamon(fd, node), 0, "STREAMON with nothing queued");
	expect(try_streamon(fd, node), 0, "STREAMON again");
	expect(try_streamoff(fd, node), 0, "STREAMOFF");
	expect(try_streamoff(fd, node), 0, "STREAMOFF again");
	expect(try_dequeue(fd, node), EINVAL, "DQBUF then");
}

static void streamon_wrong_type(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int other = peer->type, none = 0;

	expect(try_ioctl(fd, VIDIOC_STREAMON, &other), EINVAL, "STREAMON with the other direction's type");
	expect(try_ioctl(fd, VIDIOC_STREAMON, &none), EINVAL, "with type 0");
	stream_on(fd, node);
	expect(try_ioctl(fd, VIDIOC_STREAMOFF, &other), EINVAL, "STREAMOFF with the other direction's type");
	expect(try_ioctl(fd, VIDIOC_STREAMOFF, &none), EINVAL, "with type 0");
}

static void streamoff_returns(const struct node *node, const struct node *peer)
{
	struct queue q;
	struct buffer b;
	uint32_t i;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, MAX_BUFFERS);
	queue_put_all(&q);
	stream_on(q.fd, node);
	queue_take(&q, &b);
	wait_ready(q.fd, node);
	/* One is dequeued, at least one ready, the last one queued. */
	expect(try_streamoff(q.fd, node), 0, "STREAMOFF with buffers queued and ready");
	for (i = 0; i < q.count; i++)
		need_that(!(query_flags(q.fd, node, V4L2_MEMORY_MMAP, i) &
			    (V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_PREPARED)),
			  "buffer %u has no state", i);
	expect_state(&q, q.count - 1, 0, "no state", "QUERYBUF of each");
	for (i = 0; i < q.count; i++)
		queue_put(&q, q.count - 1 - i);
	expect_that(true, "works", "QBUF of each");
	stream_on(q.fd, node);
	queue_take(&q, &b);
	expect_number(b.buf.index, q.count - 1, "STREAMON, DQBUF: the index queued first");
}

static void streamoff_unprepares(const struct node *node, const struct node *peer)
{
	struct queue q;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 2);
	need(try_prepare(&q, 0), "PREPARE_BUF");
	queue_put(&q, 1);
	expect(try_streamoff(q.fd, node), 0, "STREAMOFF, never streaming");
	expect_state(&q, 0, 0, "no state", "QUERYBUF of a prepared buffer");
	expect_state(&q, 1, 0, "no state", "of a queued one");
	expect(try_prepare(&q, 0), 0, "PREPARE_BUF again");
}

/* ---- the queue's size while streaming ------------------------------------------------------ */

static void reqbufs_streaming(const struct node *node, const struct node *peer)
{
	uint32_t some = 4, none = 0;
	struct queue q;
	struct buffer b;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 3);
	queue_put_all(&q);
	stream_on(q.fd, node);
	expect(try_reqbufs(q.fd, node, V4L2_MEMORY_MMAP, &some), EBUSY, "REQBUFS while streaming");
	expect(try_reqbufs(q.fd, node, V4L2_MEMORY_MMAP, &none), EBUSY, "REQBUFS(0)");
	queue_take(&q, &b);
	expect_number(b.buf.index, 0, "DQBUF then: index");
}

static void reqbufs_queued(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	uint32_t count = 2;

	queue_mmap(fd, node, 0);
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count), 0,
	       "REQBUFS with a buffer queued, not streaming");
	expect_that(!(query_flags(fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_QUEUED),
		    "not queued", "the new buffer");
}

static void create_streaming(const struct node *node, const struct node *peer)
{
	uint32_t count = 1, index;
	struct queue q;
	struct buffer b;
	bool seen = false;
	int n;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 2);
	queue_put_all(&q);
	stream_on(q.fd, node);
	queue_take(&q, &b);
	expect(try_create_bufs(q.fd, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0,
	       "CREATE_BUFS while streaming");
	expect_number(index, 2, "its index");
	queue_put(&q, b.buf.index);
	queue_mmap(q.fd, node, index);
	for (n = 0; n < 4 && !seen; n++) {
		queue_take(&q, &b);
		seen = b.buf.index == index;
		queue_put(&q, b.buf.index);
	}
	expect_that(seen, "dequeued in its turn", "the new buffer, queued");
	expect(try_remove_bufs(q.fd, node, index, 1), EBUSY, "REMOVE_BUFS of it, queued again");
}

static void remove_streaming(const struct node *node, const struct node *peer)
{
	uint32_t count = 1, index;
	struct queue q;
	struct buffer b;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 3);
	queue_put_all(&q);
	stream_on(q.fd, node);
	queue_take(&q, &b);
	expect(try_remove_bufs(q.fd, node, b.buf.index, 1), 0, "REMOVE_BUFS of a dequeued buffer, streaming");
	expect(queue_try_put(&q, b.buf.index), EINVAL, "QBUF of it");
	expect(try_create_bufs(q.fd, node, V4L2_MEMORY_MMAP, NULL, &count, &index), 0, "CREATE_BUFS");
	expect_number(index, b.buf.index, "the index, a hole before");
	queue_mmap(q.fd, node, index);
	queue_take(&q, &b);
	expect_number(b.buf.index, 1, "QBUF of it, DQBUF: index");
}

static const struct check checks[] = {
	{ "buffer-states", ON_EACH, buffer_states },
	{ "buffer-flags-of-qbuf", ON_EACH, flags_of_qbuf },
	{ "buffer-flags-of-caller", ON_EACH, flags_of_caller },
	{ "streamon-again", ON_EACH, streamon_again },
	{ "streamon-wrong-type", ON_EACH, streamon_wrong_type },
	{ "streamoff-returns-all", ON_EACH, streamoff_returns },
	{ "streamoff-unprepares", ON_EACH, streamoff_unprepares },
	{ "reqbufs-while-streaming", ON_EACH, reqbufs_streaming },
	{ "reqbufs-while-queued", ON_EACH, reqbufs_queued },
	{ "create-bufs-while-streaming", ON_EACH, create_streaming },
	{ "remove-bufs-while-streaming", ON_EACH, remove_streaming },
	{ 0 }
};

const struct group stream_state = { "state", checks };
