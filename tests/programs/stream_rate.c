/* What the sequence counts, and the frame rate. */
#include "stream.h"

/* ---- sequence ------------------------------------------------------------------------ */

/* Takes a frame and gives its buffer back; the frame's sequence. */
static uint32_t next_sequence(struct queue *q)
{
	struct buffer b;

	queue_take(q, &b);
	queue_put(q, b.buf.index);
	return b.buf.sequence;
}

/* Frames of a second at the rate the checks ask for: many more than a stream can
 * have had at its first frame, even on a slow machine. */
#define LATE_SEQUENCE (FAST_FPS)

static void sequence_restarts(const struct node *node, const struct node *peer)
{
	struct queue q;
	uint32_t sequence = 0;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, MAX_BUFFERS);
	queue_put_all(&q);
	stream_on(q.fd, node);
	while (sequence < LATE_SEQUENCE)
		sequence = next_sequence(&q);
	stream_off(q.fd, node);
	queue_put_all(&q);
	stream_on(q.fd, node);
	expect_that(next_sequence(&q) < LATE_SEQUENCE, "starts anew",
		    "many frames, STREAMOFF, STREAMON: sequence");
}

static bool time_is(void *deadline)
{
	return now_ns() >= *(long long *)deadline;
}

static void sequence_starved(const struct node *node, const struct node *peer)
{
	const int starved = 10;		/* frames that are due while no buffer is queued */
	struct queue q;
	struct buffer b;
	long long until;
	uint32_t last, i;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 3);
	queue_put_all(&q);
	stream_on(q.fd, node);
	/* All that come; an output node keeps one. */
	for (i = node->output; i < q.count; i++)
		queue_take(&q, &b);
	last = b.buf.sequence;
	until = now_ns() + starved * q.interval;
	need_that(wait_until(time_is, &until), "the time passes");
	queue_put(&q, b.buf.index);
	queue_take(&q, &b);
	/* One less, as the wait began somewhere within a frame. */
	expect_that(b.buf.sequence >= last + starved - 1, "counts them",
		    "frames due while nothing is queued, then QBUF, DQBUF: sequence");
}

/* ---- rate ---------------------------------------------------------------------------------- */

/* Two rates that can't be mistaken for each other. */
#define SLOW_FPS 5
#define QUICK_FPS 25

static struct v4l2_fract set_rate(struct queue *q, uint32_t fps)
{
	struct v4l2_fract interval = { 1, fps };

	need(try_set_interval(q->fd, q->node, &interval), "S_PARM");
	return interval;
}

/* Nanoseconds until the sequence has risen by @frames. */
static long long time_of(struct queue *q, uint32_t frames)
{
	uint32_t first = next_sequence(q);
	long long start = now_ns();

	while (next_sequence(q) - first < frames)
		;
	return now_ns() - start;
}

/* At the slow rate so many frames take no less than their time, but for those that
 * may have been ready before the first look. */
static bool keeps_to_slow(struct queue *q)
{
	const uint32_t frames = 15, ready = MAX_BUFFERS + 1;

	return time_of(q, frames) >= (frames - ready) * 1000000000LL / SLOW_FPS;
}

/* At the quick rate the sequence rises faster than the slow one ever could, even on
 * a slow machine, as it counts the frames due. */
static bool outruns_slow(struct queue *q)
{
	const uint32_t frames = 50;

	return time_of(q, frames) < frames * 1000000000LL / SLOW_FPS;
}

static void rate_takes_effect(const struct node *node, const struct node *peer)
{
	struct v4l2_fract interval;
	struct queue q;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, MAX_BUFFERS);
	interval = set_rate(&q, SLOW_FPS);
	expect_that(interval.numerator == 1 && interval.denominator == SLOW_FPS, "1/5",
		    "S_PARM of 1/5 second: the interval");
	queue_put_all(&q);
	stream_on(q.fd, node);
	expect_that(keeps_to_slow(&q), "no faster", "frames");
	stream_off(q.fd, node);
	interval = set_rate(&q, QUICK_FPS);
	expect_that(interval.numerator == 1 && interval.denominator == QUICK_FPS, "1/25",
		    "S_PARM of 1/25 second: the interval");
	queue_put_all(&q);
	stream_on(q.fd, node);
	expect_that(outruns_slow(&q), "faster than before", "frames");
}

static void rate_while_streaming(const struct node *node, const struct node *peer)
{
	struct v4l2_fract interval = { 1, QUICK_FPS };
	struct queue q;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, MAX_BUFFERS);
	set_rate(&q, SLOW_FPS);
	queue_put_all(&q);
	stream_on(q.fd, node);
	next_sequence(&q);
	expect(try_set_interval(q.fd, node, &interval), 0, "S_PARM of a quicker rate while streaming");
	expect_that(outruns_slow(&q), "faster than before", "frames");
}

/* The interval and the timestamps: a frame later is an interval later. */
static void rate_in_timestamps(const struct node *node, const struct node *peer)
{
	const int frames = 12;
	struct buffer first, last;
	struct queue q;
	long long due, took;
	int n;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, MAX_BUFFERS);
	queue_put_all(&q);
	stream_on(q.fd, node);
	queue_take(&q, &first);
	queue_put(&q, first.buf.index);
	for (n = 0; n < frames; n++) {
		queue_take(&q, &last);
		queue_put(&q, last.buf.index);
	}
	due = (last.buf.sequence - first.buf.sequence) * q.interval;
	took = buffer_time(&last) - buffer_time(&first);
	expect_that(took > due - q.interval && took < due + q.interval, "an interval for each number",
		    "timestamps beside the sequence, first and last of some frames");
}

static const struct check checks[] = {
	{ "sequence-restarts", ON_EACH, sequence_restarts },
	{ "sequence-starved", ON_EACH, sequence_starved },
	{ "rate", ON_CAPTURE, rate_takes_effect },
	{ "rate-while-streaming", ON_CAPTURE, rate_while_streaming },
	{ "rate-in-timestamps", ON_CAPTURE, rate_in_timestamps },
	{ 0 }
};

const struct group stream_rate = { "rate", checks };
