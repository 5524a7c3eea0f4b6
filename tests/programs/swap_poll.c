/* poll and select of the descriptor and its duplicates, and threads that wait meanwhile. A poll for
 * frames can't wait where there are no buffers (it starts file I/O): before REQBUFS it's for events. */
#include "swap.h"

#include <errno.h>
#include <sys/select.h>
#include <unistd.h>

/* Streams with a duplicate made before REQBUFS; no buffer is queued, or all are dequeued. */
struct pair {
	int fd, copy;
	const struct node *node;
};

static struct pair pair_open(const struct node *node)
{
	struct pair p = { .fd = open_node(node, O_RDWR), .node = node };

	p.copy = need_call(dup(p.fd), "dup");
	allocate(p.fd, node);
	/* A display keeps the last buffer until another follows. */
	queue_mmap(p.fd, node, 0);
	if (node->output)
		queue_mmap(p.fd, node, 1);
	stream_on(p.fd, node);
	dequeue(p.fd, node);
	return p;
}

static int try_select(int fd, const struct node *node, int ms)
{
	struct timeval timeout = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return need_call(select(fd + 1, node->output ? NULL : &set, node->output ? &set : NULL, NULL,
				&timeout), "select");
}

static int ppoll_events(int fd, int events, int ms)
{
	struct timespec timeout = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	struct pollfd pfd = { .fd = fd, .events = events };

	need_call(ppoll(&pfd, 1, &timeout, NULL), "ppoll");
	return pfd.revents;
}

static void duplicate(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);

	expect_poll(poll_events(p.copy, ready_events(node), QUIET_MS), 0,
		    "dup, REQBUFS, poll of the dup, nothing ready");
	expect_number(try_select(p.copy, node, 0), 0, "select");
	queue_mmap(p.fd, node, 2);
	expect_poll(poll_events(p.copy, ready_events(node), FRAME_MS), ready_events(node),
		    "a buffer ready, poll");
	expect_number(try_select(p.copy, node, FRAME_MS), 1, "select");
	expect_poll(ppoll_events(p.copy, ready_events(node), FRAME_MS), ready_events(node), "ppoll");
	expect_poll(poll_events(p.copy, POLLPRI, 0), 0, "poll for POLLPRI only");
	dequeue(p.fd, node);
	expect_poll(poll_events(p.copy, ready_events(node), QUIET_MS), 0, "dequeued, poll");
	stream_off(p.fd, node);
	expect_poll(poll_events(p.copy, ready_events(node), FRAME_MS), POLLERR, "STREAMOFF, poll");
}

static void before_streamon(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	expect_poll(poll_events(copy, POLLPRI, 0), 0, "dup, poll of it for POLLPRI");
	allocate(fd, node);
	expect_poll(poll_events(copy, ready_events(node), FRAME_MS), POLLERR, "REQBUFS, poll of the dup");
	expect_poll(poll_events(fd, ready_events(node), FRAME_MS), POLLERR, "of the first");
}

static void both(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	struct pollfd pfds[] = {
		{ .fd = p.fd, .events = ready_events(node) }, { .fd = p.copy, .events = ready_events(node) },
	};

	expect_number(need_call(poll(pfds, 2, QUIET_MS), "poll"), 0,
		      "dup, REQBUFS, poll of both, nothing ready");
	queue_mmap(p.fd, node, 2);
	wait_ready(p.copy, node);
	expect_number(need_call(poll(pfds, 2, FRAME_MS), "poll"), 2, "a buffer ready");
	expect_poll(pfds[0].revents, ready_events(node), "the first");
	expect_poll(pfds[1].revents, ready_events(node), "the dup");
}

/* ---- threads that wait --------------------------------------------------------------------- */

static int poll_copy(void *pair)
{
	struct pair *p = pair;

	return poll_events(p->copy, ready_events(p->node), FRAME_MS);
}

static int select_copy(void *pair)
{
	struct pair *p = pair;

	return try_select(p->copy, p->node, FRAME_MS);
}

static int dequeue_copy(void *pair)
{
	struct pair *p = pair;

	return try_dequeue(p->copy, p->node);
}

static void wakes_poll(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	struct waiter w;

	waiter_start(&w, poll_copy, &p, POLL_CALL);
	queue_mmap(p.fd, node, 2);
	expect_poll(waiter_join(&w), ready_events(node),
		    "dup, REQBUFS, poll of the dup in a thread, QBUF through the first");
}

static void wakes_select(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	struct waiter w;

	waiter_run(&w, select_copy, &p);
	queue_mmap(p.fd, node, 2);
	expect_number(waiter_join(&w), 1,
		      "dup, REQBUFS, select of the dup in a thread, QBUF through the first");
}

static void wakes_dqbuf(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	struct waiter w;

	waiter_start(&w, dequeue_copy, &p, SYS_ioctl);
	queue_mmap(p.fd, node, 2);
	expect(waiter_join(&w), 0,
	       "dup, REQBUFS, DQBUF through the dup in a thread, QBUF through the first");
}

/* STREAMOFF through one ends what waits at the other. */
static void streamoff(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node);
	struct waiter w;

	waiter_start(&w, poll_copy, &p, POLL_CALL);
	stream_off(p.fd, node);
	expect_poll(waiter_join(&w), POLLERR,
		    "dup, REQBUFS, poll of the dup in a thread, STREAMOFF through the first");
}

/* ---- waiting while REQBUFS is made --------------------------------------------------------- */

static void waits_itself(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct subscription s = subscribe(fd, node);
	struct waiter w;

	waiter_start(&w, poll_event_call, &fd, POLL_CALL);
	allocate(fd, node);
	expect_that(waiter_sleeps(&w, POLL_CALL), "it waits on",
		    "poll for POLLPRI in a thread, REQBUFS here");
	cause_event(&s);
	expect_poll(waiter_join(&w), POLLPRI, "an event");
	expect(try_event(fd), 0, "DQEVENT");
}

static void waits_duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	struct subscription s = subscribe(fd, node);
	struct waiter w;

	waiter_start(&w, poll_event_call, &copy, POLL_CALL);
	allocate(fd, node);
	cause_event(&s);
	expect_poll(waiter_join(&w), POLLPRI,
		    "poll of a dup for POLLPRI in a thread, REQBUFS through the first, an event");
	expect(try_event(copy), 0, "DQEVENT through the dup");
}

static int poll_two_call(void *fds)
{
	struct pollfd pfds[] = {
		{ .fd = ((int *)fds)[0], .events = POLLPRI }, { .fd = ((int *)fds)[1], .events = POLLPRI },
	};

	return need_call(poll(pfds, 2, FRAME_MS), "poll");
}

static void waits_both(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), fds[] = { fd, need_call(dup(fd), "dup") };
	struct subscription s = subscribe(fd, node);
	struct waiter w;

	waiter_start(&w, poll_two_call, fds, POLL_CALL);
	allocate(fd, node);
	cause_event(&s);
	expect_number(waiter_join(&w), 2,
		      "poll of a descriptor and its dup for POLLPRI in a thread, REQBUFS here, an event");
}

static int event_call(void *fd)
{
	return try_event(*(int *)fd);
}

static void waits_dqevent(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct subscription s = subscribe(fd, node);
	struct waiter w;

	waiter_start(&w, event_call, &fd, SYS_ioctl);
	allocate(fd, node);
	expect_that(waiter_sleeps(&w, SYS_ioctl), "it waits on", "DQEVENT in a thread, REQBUFS here");
	cause_event(&s);
	expect(waiter_join(&w), 0, "an event");
}

/* The number is closed while a thread waits at it: poll looks it up anew when it is woken. */
static void waits_closed(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	struct subscription s = subscribe(fd, node);
	struct waiter w;

	waiter_start(&w, poll_event_call, &fd, POLL_CALL);
	allocate(fd, node);
	close_fd(fd);
	cause_event(&s);
	expect_poll(waiter_join(&w), POLLNVAL,
		    "poll for POLLPRI in a thread, REQBUFS, the descriptor closed, an event");
	expect(try_event(copy), 0, "DQEVENT through a dup");
	start(copy, node);
	expect_that(stream_frames(copy, node, 0), "in order", "frames through it: indices");
}

static const struct check checks[] = {
	{ "poll-dup", ON_EACH, duplicate },
	{ "poll-dup-before-streamon", ON_EACH, before_streamon },
	{ "poll-both", ON_EACH, both },
	{ "poll-dup-woken", ON_EACH, wakes_poll },
	{ "poll-dup-select-woken", ON_EACH, wakes_select },
	{ "poll-dup-dqbuf-woken", ON_EACH, wakes_dqbuf },
	{ "poll-dup-streamoff", ON_EACH, streamoff },
	{ "poll-waiting", ON_EACH, waits_itself },
	{ "poll-waiting-dup", ON_EACH, waits_duplicate },
	{ "poll-waiting-both", ON_EACH, waits_both },
	{ "poll-waiting-dqevent", ON_EACH, waits_dqevent },
	{ "poll-waiting-closed", ON_EACH, waits_closed },
	{ 0 }
};

const struct group swap_poll = { "poll", checks };
