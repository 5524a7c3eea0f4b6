/* poll and select: what they report in each state, and what wakes them. */
#include "stream.h"

#include <sys/select.h>
#include <unistd.h>

#define ALL_EVENTS (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI)

/* ---- poll -------------------------------------------------------------------------------- */

static void before_streamon(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	expect_poll(poll_events(fd, ready_events(node), FRAME_MS), POLLERR,
		    "poll after REQBUFS, before STREAMON");
	expect_poll(poll_events(fd, ready_events(peer), 0), 0, "only for the other direction");
	expect_poll(poll_events(fd, POLLPRI, 0), 0, "only for POLLPRI");
	expect_poll(poll_events(fd, 0, 0), 0, "for nothing");
}

static void single_events(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int main_event = node->output ? POLLOUT : POLLIN;

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	expect_poll(poll_events(fd, main_event, FRAME_MS), main_event, "poll for %s, a buffer ready",
		    node->output ? "POLLOUT" : "POLLIN");
	expect_poll(poll_events(fd, ready_events(node) & ~main_event, FRAME_MS),
		    ready_events(node) & ~main_event, "for %s",
		    node->output ? "POLLWRNORM" : "POLLRDNORM");
	expect_poll(poll_events(fd, ALL_EVENTS, FRAME_MS), ready_events(node), "for everything");
	expect_poll(poll_events(fd, ready_events(peer), 0), 0, "only for the other direction");
	expect_poll(poll_events(fd, POLLPRI, 0), 0, "only for POLLPRI");
}

/* A camera: there's nothing to wait for. A display: a buffer may still come. */
static void nothing_queued(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	stream_on(fd, node);
	expect_poll(poll_events(fd, ALL_EVENTS, QUIET_MS), node->output ? 0 : POLLERR,
		    "poll, streaming, nothing queued");
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	expect_poll(poll_events(fd, ALL_EVENTS, FRAME_MS), ready_events(node), "buffers queued");
	stream_off(fd, node);
	stream_on(fd, node);
	expect_poll(poll_events(fd, ALL_EVENTS, QUIET_MS), node->output ? 0 : POLLERR,
		    "STREAMOFF, STREAMON, nothing queued");
}

static void queued_before(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	dequeue(fd, node);
	if (!node->output)
		dequeue(fd, node);
	expect_poll(poll_events(fd, ALL_EVENTS, QUIET_MS), 0, "poll, all that came dequeued");
	queue_mmap(fd, node, 0);
	expect_poll(poll_events(fd, ALL_EVENTS, FRAME_MS), ready_events(node), "one queued again");
}

/* When its time is over the kernel looks once more by itself: what is only found
 * then, nobody was woken for. */
static int poll_call(void *opened)
{
	struct opened *o = opened;
	long long end = now_ms() + FRAME_MS;
	int got = poll_events(o->fd, ready_events(o->node), FRAME_MS);

	return now_ms() < end ? got : 0;
}

static void woken_by_qbuf(const struct node *node, const struct node *peer)
{
	struct opened o = { open_buffers(node, V4L2_MEMORY_MMAP, 2), node };
	struct waiter w;

	queue_mmap(o.fd, node, 0);
	stream_on(o.fd, node);
	if (!node->output)
		dequeue(o.fd, node);
	waiter_start(&w, poll_call, &o, POLL_CALL);
	queue_mmap(o.fd, node, 1);
	expect_poll(waiter_join(&w), ready_events(node), "poll in a thread, QBUF by another");
}

static void woken_by_streamoff(const struct node *node, const struct node *peer)
{
	struct opened o = { open_buffers(node, V4L2_MEMORY_MMAP, 2), node };
	struct waiter w;

	queue_mmap(o.fd, node, 0);
	stream_on(o.fd, node);
	if (!node->output)
		dequeue(o.fd, node);
	waiter_start(&w, poll_call, &o, POLL_CALL);
	stream_off(o.fd, node);
	expect_poll(waiter_join(&w), POLLERR, "poll in a thread, STREAMOFF by another");
}

/* Two ask at once, both are told; one gets the buffer. */
static void two_pollers(const struct node *node, const struct node *peer)
{
	struct opened o = { open_buffers(node, V4L2_MEMORY_MMAP, 2), node };
	struct waiter w, v;

	queue_mmap(o.fd, node, 0);
	stream_on(o.fd, node);
	if (!node->output)
		dequeue(o.fd, node);
	waiter_start(&w, poll_call, &o, POLL_CALL);
	waiter_start(&v, poll_call, &o, POLL_CALL);
	queue_mmap(o.fd, node, 1);
	expect_poll(waiter_join(&w), ready_events(node), "poll in two threads: the first");
	expect_poll(waiter_join(&v), ready_events(node), "the second");
}

static void poll_duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect_poll(poll_events(copy, ready_events(node), FRAME_MS), POLLERR,
		    "poll of a dup made before REQBUFS, before STREAMON");
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	expect_poll(poll_events(copy, ALL_EVENTS, FRAME_MS), ready_events(node), "a buffer ready");
	expect_number(dequeue(copy, node), 0, "DQBUF through the dup: index");
}

static void poll_both_nodes(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int other = open_buffers(peer, V4L2_MEMORY_MMAP, 2), got = 0;
	struct pollfd fds[] = {
		{ .fd = fd, .events = ready_events(node) },
		{ .fd = other, .events = ready_events(peer) },
	};
	long long deadline = now_ms() + FRAME_MS;

	queue_mmap(fd, node, 0);
	queue_mmap(other, peer, 0);
	queue_mmap(other, peer, 1);
	stream_on(fd, node);
	stream_on(other, peer);
	while (got < 2 && now_ms() < deadline) {
		got = need_call(poll(fds, 2, FRAME_MS), "poll");
		need_that(got > 0, "one of two nodes becomes ready");
	}
	expect_number(got, 2, "poll of both nodes: how many become ready");
	expect_poll(fds[0].revents, ready_events(node), "capture");
	expect_poll(fds[1].revents, ready_events(peer), "output");
}

/* ---- select ---------------------------------------------------------------------------------- */

enum { READ = 1, WRITE = 2, EXCEPT = 4 };

/* select with @fd in all three sets, up to @ms; the sets it stays in. */
static int select_all(int fd, int ms)
{
	struct timeval timeout = { ms / 1000, ms % 1000 * 1000 };
	fd_set sets[3];
	int i, answer = 0;

	for (i = 0; i < 3; i++) {
		FD_ZERO(&sets[i]);
		FD_SET(fd, &sets[i]);
	}
	need_call(select(fd + 1, &sets[0], &sets[1], &sets[2], &timeout), "select");
	for (i = 0; i < 3; i++)
		answer |= FD_ISSET(fd, &sets[i]) ? 1 << i : 0;
	return answer;
}

static void expect_sets(int got, int want, const char *done)
{
	static const char *const names[] = {
		"none", "readable", "writable", "readable, writable", "exceptional",
		"readable, exceptional", "writable, exceptional", "all three",
	};

	expect_that(got == want, names[want], "%s", done);
}

static void selects(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int ready = node->output ? WRITE : READ;

	expect_sets(select_all(fd, FRAME_MS), READ | WRITE, "select before STREAMON");
	queue_mmap(fd, node, 0);
	stream_on(fd, node);
	if (!node->output)
		dequeue(fd, node);
	expect_sets(select_all(fd, QUIET_MS), 0, "nothing ready");
	queue_mmap(fd, node, 1);
	expect_sets(select_all(fd, FRAME_MS), ready, "a buffer ready");
	stream_off(fd, node);
	expect_sets(select_all(fd, FRAME_MS), READ | WRITE, "after STREAMOFF");
}

static void select_event(const struct node *node, const struct node *peer)
{
	struct v4l2_event_subscription sub = {
		.type = V4L2_EVENT_CTRL, .flags = V4L2_EVENT_SUB_FL_SEND_INITIAL,
	};
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int ready = node->output ? WRITE : READ;
	struct v4l2_event event;

	sub.id = find_setting(fd).id;
	need(try_ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &sub), "SUBSCRIBE_EVENT");
	expect_sets(select_all(fd, FRAME_MS), READ | WRITE | EXCEPT,
		    "select before STREAMON, an event pending");
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_ready(fd, node);
	expect_sets(select_all(fd, FRAME_MS), ready | EXCEPT, "streaming, a buffer ready too");
	need(try_ioctl(fd, VIDIOC_DQEVENT, &event), "DQEVENT");
	expect_sets(select_all(fd, FRAME_MS), ready, "the event dequeued");
}

static const struct check checks[] = {
	{ "poll-before-streamon", ON_EACH, before_streamon },
	{ "poll-single-events", ON_EACH, single_events },
	{ "poll-nothing-queued", ON_EACH, nothing_queued },
	{ "poll-all-dequeued", ON_EACH, queued_before },
	{ "poll-woken-by-qbuf", ON_EACH, woken_by_qbuf },
	{ "poll-woken-by-streamoff", ON_EACH, woken_by_streamoff },
	{ "poll-two-threads", ON_EACH, two_pollers },
	{ "poll-dup", ON_EACH, poll_duplicate },
	{ "poll-both-nodes", ON_PAIR, poll_both_nodes },
	{ "select", ON_EACH, selects },
	{ "select-event", ON_EACH, select_event },
	{ 0 }
};

const struct group stream_poll = { "poll", checks };
