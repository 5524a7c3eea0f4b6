/* What an epoll instance was told of a descriptor before its first REQBUFS. Registering for frames
 * starts file I/O where there are no buffers and the format has one plane; so those checks have
 * buffers of user memory first, which REQBUFS of MMAP replaces. */
#include "swap.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* What the registrations carry, so that each is known again. */
enum { MARK = 42, OTHER_MARK = 77 };

static int new_set(void)
{
	return need_call(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
}

static int try_control(int set, int operation, int fd, uint32_t events, uint64_t mark)
{
	struct epoll_event event = { .events = events, .data.u64 = mark };

	return epoll_ctl(set, operation, fd, &event) == -1 ? errno : 0;
}

static void add(int set, int fd, uint32_t events, uint64_t mark)
{
	need(try_control(set, EPOLL_CTL_ADD, fd, events, mark), "EPOLL_CTL_ADD");
}

/* The events of one ready registration, 0 if none came within @ms; @mark is what it must carry. */
static int wait_for(int set, uint64_t mark, int ms)
{
	struct epoll_event event = { 0 };
	int got;

	do
		got = epoll_wait(set, &event, 1, ms);
	while (got == -1 && errno == EINTR);
	need_call(got, "epoll_wait");
	need_that(!got || event.data.u64 == mark, "the registration's data is kept");
	return got ? (int)event.events : 0;
}

/* Opens the node, registers it for frames (and @flags), and has its MMAP buffers allocated. */
static int open_registered(const struct node *node, int set, uint32_t flags)
{
	int fd = open_node(node, O_RDWR);

	request_buffers(fd, node, V4L2_MEMORY_USERPTR, BUFFERS);
	add(set, fd, ready_events(node) | flags, MARK);
	allocate(fd, node);
	return fd;
}

/* Streams so that exactly one buffer becomes ready, and the next one with each QBUF. */
static void stream_one(int fd, const struct node *node)
{
	queue_mmap(fd, node, 0);
	if (node->output)
		queue_mmap(fd, node, 1);
	stream_on(fd, node);
}

/* ---- kinds of registrations ------------------------------------------------------------------ */

static void level(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_registered(node, set, 0);

	expect_poll(wait_for(set, MARK, FRAME_MS), POLLERR,
		    "registered, REQBUFS, epoll_wait before STREAMON");
	stream_one(fd, node);
	expect_poll(wait_for(set, MARK, FRAME_MS) & ready_events(node), ready_events(node),
		    "a buffer ready");
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, FRAME_MS), ready_events(node), "again");
	dequeue(fd, node);
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "dequeued");
	queue_mmap(fd, node, 2);
	expect_poll(wait_for(set, MARK, FRAME_MS), ready_events(node), "queued again");
}

static void edge(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_registered(node, set, EPOLLET);

	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, FRAME_MS), ready_events(node),
		    "registered with EPOLLET, REQBUFS, a buffer ready");
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "again");
	dequeue(fd, node);
	queue_mmap(fd, node, 2);
	expect_poll(wait_for(set, MARK, FRAME_MS), ready_events(node), "another ready");
}

static void one_shot(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_registered(node, set, EPOLLONESHOT);

	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, FRAME_MS), ready_events(node),
		    "registered with EPOLLONESHOT, REQBUFS, a buffer ready");
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "again");
	need(try_control(set, EPOLL_CTL_MOD, fd, ready_events(node) | EPOLLONESHOT, OTHER_MARK),
	     "EPOLL_CTL_MOD");
	expect_poll(wait_for(set, OTHER_MARK, FRAME_MS), ready_events(node), "after EPOLL_CTL_MOD");
}

/* It had its event before: it has none until it's armed anew. */
static void one_shot_spent(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR);

	request_buffers(fd, node, V4L2_MEMORY_USERPTR, BUFFERS);
	add(set, fd, ready_events(node) | EPOLLONESHOT, MARK);
	expect_poll(wait_for(set, MARK, FRAME_MS), POLLERR,
		    "registered with EPOLLONESHOT, epoll_wait before REQBUFS");
	allocate(fd, node);
	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "REQBUFS, a buffer ready");
	need(try_control(set, EPOLL_CTL_MOD, fd, ready_events(node), OTHER_MARK), "EPOLL_CTL_MOD");
	expect_poll(wait_for(set, OTHER_MARK, FRAME_MS), ready_events(node), "after EPOLL_CTL_MOD");
}

static void exclusive(const struct node *node, const struct node *peer)
{
	/* No other events go with it. */
	uint32_t events = (node->output ? EPOLLOUT : EPOLLIN) | EPOLLEXCLUSIVE;
	int set = new_set(), fd = open_node(node, O_RDWR);

	request_buffers(fd, node, V4L2_MEMORY_USERPTR, BUFFERS);
	add(set, fd, events, MARK);
	allocate(fd, node);
	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, FRAME_MS), node->output ? POLLOUT : POLLIN,
		    "registered with EPOLLEXCLUSIVE, REQBUFS, a buffer ready");
	expect(try_control(set, EPOLL_CTL_MOD, fd, events, MARK), EINVAL, "EPOLL_CTL_MOD");
	expect(try_control(set, EPOLL_CTL_DEL, fd, 0, 0), 0, "EPOLL_CTL_DEL");
}

static void event(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR);
	struct subscription s = subscribe(fd, node);

	add(set, fd, EPOLLPRI, MARK);
	allocate(fd, node);
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "registered for EPOLLPRI, REQBUFS, no event");
	cause_event(&s);
	expect_poll(wait_for(set, MARK, FRAME_MS), POLLPRI, "an event");
	expect(try_event(fd), 0, "DQEVENT");
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "epoll_wait then");
}

/* Registered while an event is pending: the edge is still to be told. */
static void event_pending(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR);
	struct subscription s = subscribe(fd, node);

	cause_event(&s);
	add(set, fd, EPOLLPRI | EPOLLET, MARK);
	allocate(fd, node);
	expect_poll(wait_for(set, MARK, FRAME_MS), POLLPRI,
		    "an event, registered for EPOLLPRI with EPOLLET, REQBUFS, epoll_wait");
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "again");
}

static void file_io(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR);

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	add(set, fd, ready_events(node), MARK);
	expect(try_allocate(fd, node), node->planes == 1 ? EBUSY : 0,
	       "registered for frames without buffers, REQBUFS");
}

/* ---- changing them afterwards ------------------------------------------------------------------ */

static void modified(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR);

	add(set, fd, 0, MARK);
	allocate(fd, node);
	expect(try_control(set, EPOLL_CTL_ADD, fd, 0, 0), EEXIST,
	       "registered for nothing, REQBUFS, EPOLL_CTL_ADD");
	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "a buffer ready");
	expect(try_control(set, EPOLL_CTL_MOD, fd, ready_events(node), OTHER_MARK), 0, "EPOLL_CTL_MOD");
	expect_poll(wait_for(set, OTHER_MARK, FRAME_MS), ready_events(node), "epoll_wait then");
}

static void deleted(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_registered(node, set, 0);

	expect(try_control(set, EPOLL_CTL_DEL, fd, 0, 0), 0, "registered, REQBUFS, EPOLL_CTL_DEL");
	expect(try_control(set, EPOLL_CTL_DEL, fd, 0, 0), ENOENT, "again");
	expect(try_control(set, EPOLL_CTL_MOD, fd, 0, 0), ENOENT, "EPOLL_CTL_MOD");
	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "a buffer ready");
	expect(try_control(set, EPOLL_CTL_ADD, fd, ready_events(node), OTHER_MARK), 0, "EPOLL_CTL_ADD");
	expect_poll(wait_for(set, OTHER_MARK, FRAME_MS), ready_events(node), "epoll_wait then");
}

static void closed(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_registered(node, set, 0);

	close_fd(fd);
	expect_poll(wait_for(set, MARK, QUIET_MS), 0, "registered, REQBUFS, closed");
}

/* ---- several ------------------------------------------------------------------------------------- */

static void duplicate(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	request_buffers(fd, node, V4L2_MEMORY_USERPTR, BUFFERS);
	add(set, copy, ready_events(node), MARK);
	allocate(fd, node);
	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(set, MARK, FRAME_MS), ready_events(node),
		    "registered through a dup, REQBUFS through the first, a buffer ready");
	expect(try_control(set, EPOLL_CTL_MOD, fd, ready_events(node), MARK), ENOENT,
	       "EPOLL_CTL_MOD of the first");
	expect(try_control(set, EPOLL_CTL_MOD, copy, ready_events(node), OTHER_MARK), 0, "of the dup");
	dequeue(fd, node);
	expect_poll(wait_for(set, OTHER_MARK, QUIET_MS), 0, "dequeued through the first");
	queue_mmap(fd, node, 2);
	expect_poll(wait_for(set, OTHER_MARK, FRAME_MS), ready_events(node), "queued again");
	expect(try_control(set, EPOLL_CTL_DEL, copy, 0, 0), 0, "EPOLL_CTL_DEL of the dup");
}

static void both(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	struct epoll_event events[3];
	bool first = false, second = false;
	int got, i;

	request_buffers(fd, node, V4L2_MEMORY_USERPTR, BUFFERS);
	add(set, fd, ready_events(node), MARK);
	add(set, copy, ready_events(node), OTHER_MARK);
	allocate(fd, node);
	stream_one(fd, node);
	wait_ready(fd, node);
	got = need_call(epoll_wait(set, events, 3, FRAME_MS), "epoll_wait");
	for (i = 0; i < got; i++) {
		first |= events[i].data.u64 == MARK;
		second |= events[i].data.u64 == OTHER_MARK;
	}
	expect_number(got, 2, "a descriptor and its dup registered, REQBUFS, a buffer ready, epoll_wait");
	expect_that(first && second, "each one's own", "their data");
}

static void two_sets(const struct node *node, const struct node *peer)
{
	int one = new_set(), two = new_set(), fd = open_node(node, O_RDWR);

	request_buffers(fd, node, V4L2_MEMORY_USERPTR, BUFFERS);
	add(one, fd, ready_events(node) | EPOLLET, MARK);
	add(two, fd, ready_events(node), OTHER_MARK);
	allocate(fd, node);
	stream_one(fd, node);
	wait_ready(fd, node);
	expect_poll(wait_for(one, MARK, FRAME_MS), ready_events(node),
		    "registered with two instances, REQBUFS, a buffer ready: one");
	expect_poll(wait_for(two, OTHER_MARK, FRAME_MS), ready_events(node), "the other");
}

static void nested(const struct node *node, const struct node *peer)
{
	int outer = new_set(), inner = new_set(), fd = open_node(node, O_RDWR);
	struct subscription s = subscribe(fd, node);

	add(outer, inner, EPOLLIN, OTHER_MARK);
	add(inner, fd, EPOLLPRI, MARK);
	allocate(fd, node);
	expect_poll(wait_for(outer, OTHER_MARK, QUIET_MS), 0,
		    "registered with an instance within another, REQBUFS, no event");
	cause_event(&s);
	expect_poll(wait_for(outer, OTHER_MARK, FRAME_MS), POLLIN, "an event: the outer one");
	expect_poll(wait_for(inner, MARK, FRAME_MS), POLLPRI, "the inner one");
}

/* Other descriptors of the instance are left alone. */
static void others(const struct node *node, const struct node *peer)
{
	int set = new_set(), ends[2], fd;

	need_call(pipe2(ends, O_CLOEXEC), "pipe2");
	add(set, ends[0], EPOLLIN | EPOLLET, OTHER_MARK);
	need_call(write(ends[1], "x", 1), "write to the pipe");
	expect_poll(wait_for(set, OTHER_MARK, FRAME_MS), POLLIN, "a pipe registered with EPOLLET");
	fd = open_registered(node, set, EPOLLONESHOT);
	expect_poll(wait_for(set, MARK, FRAME_MS), POLLERR, "a node too, REQBUFS, epoll_wait");
	expect_poll(wait_for(set, OTHER_MARK, QUIET_MS), 0, "again: the pipe is not told anew");
	need_call(write(ends[1], "x", 1), "write to the pipe");
	expect_poll(wait_for(set, OTHER_MARK, FRAME_MS), POLLIN, "another byte");
	close_fd(fd);
}

/* ---- waiting meanwhile ---------------------------------------------------------------------------- */

static int epoll_call(void *set)
{
	return wait_for(*(int *)set, MARK, FRAME_MS);
}

static void waits(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR);
	struct subscription s = subscribe(fd, node);
	struct waiter w;

	add(set, fd, EPOLLPRI, MARK);
	waiter_run(&w, epoll_call, &set);
	need_that(waiter_sleeps(&w, SYS_epoll_wait), "the thread waits");
	allocate(fd, node);
	expect_that(waiter_sleeps(&w, SYS_epoll_wait), "it waits on", "epoll_wait in a thread, REQBUFS here");
	cause_event(&s);
	expect_poll(waiter_join(&w), POLLPRI, "an event");
}

/* The registration is the open file's, which a duplicate keeps. */
static void outlives(const struct node *node, const struct node *peer)
{
	int set = new_set(), fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	struct subscription s = subscribe(fd, node);

	add(set, fd, EPOLLPRI, MARK);
	allocate(fd, node);
	close_fd(fd);
	cause_event(&s);
	expect_poll(poll_events(copy, POLLPRI, FRAME_MS), POLLPRI,
		    "registered, dup, REQBUFS, first closed, an event, poll of the dup");
	expect_poll(wait_for(set, MARK, QUIET_MS), POLLPRI, "epoll_wait");
}

static const struct check checks[] = {
	{ "epoll-level", ON_EACH, level },
	{ "epoll-edge", ON_EACH, edge },
	{ "epoll-one-shot", ON_EACH, one_shot },
	{ "epoll-one-shot-spent", ON_EACH, one_shot_spent },
	{ "epoll-exclusive", ON_EACH, exclusive },
	{ "epoll-event", ON_EACH, event },
	{ "epoll-event-pending", ON_EACH, event_pending },
	{ "epoll-starts-file-io", ON_EACH, file_io },
	{ "epoll-modified", ON_EACH, modified },
	{ "epoll-deleted", ON_EACH, deleted },
	{ "epoll-closed", ON_EACH, closed },
	{ "epoll-dup", ON_EACH, duplicate },
	{ "epoll-both", ON_EACH, both },
	{ "epoll-two-instances", ON_EACH, two_sets },
	{ "epoll-nested", ON_EACH, nested },
	{ "epoll-others", ON_EACH, others },
	{ "epoll-waiting", ON_EACH, waits },
	{ "epoll-outlives-descriptor", ON_EACH, outlives },
	{ 0 }
};

const struct group swap_epoll = { "epoll", checks };
