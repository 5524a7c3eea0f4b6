/* Frames with every memory: order, sequence, timestamps, contents. */
#include "stream.h"

#include <stdio.h>

/* Frames a check watches: every buffer comes round several times. */
#define FRAMES 12

/* What must be true of every frame. */
struct seen {
	bool order, sequence, rising, after_start, ahead, flags, field, sizes, memory, written;
	long long last_sequence, last_time;
};

static bool full_sizes(const struct buffer *b, const struct node *node)
{
	unsigned p;

	for (p = 0; p < node->planes; p++)
		if (buffer_bytesused(b, p) != node->plane_size[p] ||
		    buffer_length(b, p) < node->plane_size[p])
			return false;
	return true;
}

static bool plain_flags(const struct buffer *b)
{
	const uint32_t states = V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE |
				V4L2_BUF_FLAG_PREPARED | V4L2_BUF_FLAG_ERROR;

	return !(b->buf.flags & states) &&
	       (b->buf.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
}

static bool overwritten(struct queue *q, uint32_t index)
{
	unsigned p;

	for (p = 0; p < q->node->planes; p++)
		if (has_pattern(q->addr[index][p], q->node->plane_size[p], p))
			return false;
	return true;
}

static void fill_buffer(struct queue *q, uint32_t index)
{
	unsigned p;

	for (p = 0; p < q->node->planes; p++)
		fill_pattern(q->addr[index][p], q->node->plane_size[p], p);
}

static uint32_t format_field(const struct node *node)
{
	return node->mplane ? node->format.fmt.pix_mp.field : node->format.fmt.pix.field;
}

static void look(struct seen *s, struct queue *q, const struct buffer *b, uint32_t due,
		 long long start)
{
	/* A camera may stamp a frame with its nominal end, up to a frame from now,
	 * and a tick of the clock more; a display stamps what has been. */
	const long long allowed = q->node->output ? 0 : 2 * q->interval;
	long long time = buffer_time(b);

	s->order &= b->buf.index == due;
	s->sequence &= (long long)b->buf.sequence > s->last_sequence;
	s->rising &= time > s->last_time;
	s->after_start &= time >= start / 1000 * 1000;
	s->ahead &= time <= now_ns() + allowed;
	s->flags &= plain_flags(b);
	s->field &= b->buf.field == format_field(q->node);
	s->sizes &= full_sizes(b, q->node);
	s->memory &= b->buf.memory == q->memory && b->buf.type == q->node->type;
	s->written &= q->node->output || overwritten(q, b->buf.index);
	s->last_sequence = b->buf.sequence;
	s->last_time = time;
}

static void frames_flow(const struct node *node, const struct node *peer,
			uint32_t memory, const char *name)
{
	struct seen s = { true, true, true, true, true, true, true, true, true, true, -1, -1 };
	struct queue q;
	struct buffer b;
	long long start;
	uint32_t n;

	queue_open(&q, node, peer, memory, MAX_BUFFERS);
	for (n = 0; n < q.count; n++) {
		fill_buffer(&q, n);
		queue_put(&q, n);
	}
	start = now_ns();
	stream_on(q.fd, node);
	for (n = 0; n < FRAMES; n++) {
		queue_take(&q, &b);
		look(&s, &q, &b, n % q.count, start);
		fill_buffer(&q, b.buf.index);
		queue_put(&q, b.buf.index);
	}
	expect_that(s.order, "the order of QBUF", "%d frames with %s: indices", FRAMES, name);
	expect_that(s.sequence, "rises", "sequence");
	expect_that(s.rising, "rise", "timestamps");
	expect_that(s.after_start, "after STREAMON", "all of them");
	expect_that(s.ahead, node->output ? "not in the future" : "not two frames ahead of the clock",
		    "none of them");
	expect_that(s.flags, "a monotonic timestamp, no state", "flags");
	expect_that(s.field, "the format's", "field");
	expect_that(s.sizes, "a whole frame", "bytesused");
	expect_that(s.memory, "as given", "memory and type");
	if (!node->output)
		expect_that(s.written, "the device wrote them", "contents");
	expect(try_streamoff(q.fd, node), 0, "STREAMOFF");
	queue_close(&q);
}

static void mmap_flows(const struct node *node, const struct node *peer)
{
	frames_flow(node, peer, V4L2_MEMORY_MMAP, "MMAP");
}

static void userptr_flows(const struct node *node, const struct node *peer)
{
	frames_flow(node, peer, V4L2_MEMORY_USERPTR, "USERPTR");
}

static void dmabuf_flows(const struct node *node, const struct node *peer)
{
	frames_flow(node, peer, V4L2_MEMORY_DMABUF, "DMABUF");
}

/* ---- order ---------------------------------------------------------------------------- */

static void any_order(const struct node *node, const struct node *peer)
{
	static const uint32_t put[MAX_BUFFERS] = { 2, 0, 3, 1 };
	struct queue q;
	struct buffer b;
	bool same = true;
	int n;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, MAX_BUFFERS);
	for (n = 0; n < MAX_BUFFERS; n++)
		queue_put(&q, put[n]);
	stream_on(q.fd, node);
	/* An output node keeps the last one. */
	for (n = 0; n < MAX_BUFFERS - 1; n++) {
		queue_take(&q, &b);
		same &= b.buf.index == put[n];
	}
	expect_that(same, "in that order", "buffers queued in no order, DQBUF");
}

/* ---- the last buffer of an output node ---------------------------------------------------- */

static void keeps_last(const struct node *node, const struct node *peer)
{
	struct queue q;
	struct buffer b;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 3);
	queue_put(&q, 0);
	stream_on(q.fd, node);
	expect_poll(poll_events(q.fd, POLLOUT, QUIET_MS), 0, "one buffer queued, poll");
	expect_that(query_flags(q.fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_QUEUED,
		    "flag QUEUED", "QUERYBUF of it");
	queue_put(&q, 1);
	queue_take(&q, &b);
	expect_number(b.buf.index, 0, "another queued, DQBUF: index");
	expect_poll(poll_events(q.fd, POLLOUT, QUIET_MS), 0, "poll then");
	queue_put(&q, 2);
	queue_take(&q, &b);
	expect_number(b.buf.index, 1, "a third queued, DQBUF: index");
}

/* A camera keeps none. */
static void gives_all(const struct node *node, const struct node *peer)
{
	struct queue q;
	struct buffer b;
	uint32_t i;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 3);
	queue_put_all(&q);
	stream_on(q.fd, node);
	for (i = 0; i < q.count; i++)
		queue_take(&q, &b);
	expect_number(b.buf.index, 2, "all buffers dequeued, the last one's index");
}

static const struct check checks[] = {
	{ "flow-mmap", ON_EACH, mmap_flows },
	{ "flow-userptr", ON_EACH, userptr_flows },
	{ "flow-dmabuf", ON_EACH, dmabuf_flows },
	{ "flow-order", ON_EACH, any_order },
	{ "flow-keeps-last", ON_OUTPUT, keeps_last },
	{ "flow-gives-all", ON_CAPTURE, gives_all },
	{ 0 }
};

const struct group stream_flow = { "flow", checks };
