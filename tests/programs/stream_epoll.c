/* epoll: level-triggered, edge-triggered, one shot. */
#include "stream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static int epoll_of(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int set = need_call(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");

	need_call(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "EPOLL_CTL_ADD");
	return set;
}

/* The events of the one descriptor, 0 if none came within @ms. */
static int epoll_events(int set, int ms)
{
	struct epoll_event event = { 0 };
	int got;

	do
		got = epoll_wait(set, &event, 1, ms);
	while (got == -1 && errno == EINTR);
	need_call(got, "epoll_wait");
	return got ? (int)event.events : 0;
}

/* Both numberings have the same values; a node that is ready also says "normal". */
static uint32_t wanted(const struct node *node)
{
	return ready_events(node);
}

/* Streams so that exactly one buffer becomes ready: index 0. */
static int stream_one(const struct node *node)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3);

	queue_mmap(fd, node, 0);
	if (node->output)
		queue_mmap(fd, node, 1);
	stream_on(fd, node);
	return fd;
}

static void level(const struct node *node, const struct node *peer)
{
	int fd = stream_one(node), set = epoll_of(fd, wanted(node));

	expect_poll(epoll_events(set, FRAME_MS), ready_events(node), "epoll_wait, a buffer ready");
	expect_poll(epoll_events(set, FRAME_MS), ready_events(node), "again");
	dequeue(fd, node);
	expect_poll(epoll_events(set, QUIET_MS), 0, "dequeued");
	queue_mmap(fd, node, 0);
	expect_poll(epoll_events(set, FRAME_MS), ready_events(node), "queued again");
	stream_off(fd, node);
	expect_poll(epoll_events(set, FRAME_MS), POLLERR, "after STREAMOFF");
}

static void edge(const struct node *node, const struct node *peer)
{
	int fd = stream_one(node), set = epoll_of(fd, wanted(node) | EPOLLET);

	expect_poll(epoll_events(set, FRAME_MS), ready_events(node),
		    "epoll_wait with EPOLLET, a buffer ready");
	expect_poll(epoll_events(set, QUIET_MS), 0, "again");
	dequeue(fd, node);
	expect_poll(epoll_events(set, QUIET_MS), 0, "dequeued");
	queue_mmap(fd, node, 0);
	expect_poll(epoll_events(set, FRAME_MS), ready_events(node), "queued again");
}

/* An edge for every buffer, though the one before is still there. */
static void edge_without_dqbuf(const struct node *node, const struct node *peer)
{
	int fd = stream_one(node), set = epoll_of(fd, wanted(node) | EPOLLET);

	expect_poll(epoll_events(set, FRAME_MS), ready_events(node),
		    "epoll_wait with EPOLLET, a buffer ready");
	queue_mmap(fd, node, 2);
	expect_poll(epoll_events(set, FRAME_MS), ready_events(node), "a second one ready");
	expect_poll(epoll_events(set, QUIET_MS), 0, "again");
	expect_number(dequeue(fd, node), 0, "DQBUF: index");
}

static void one_shot(const struct node *node, const struct node *peer)
{
	struct epoll_event again = { .events = wanted(node) | EPOLLONESHOT };
	int fd = stream_one(node), set = epoll_of(fd, wanted(node) | EPOLLONESHOT);

	expect_poll(epoll_events(set, FRAME_MS), ready_events(node),
		    "epoll_wait with EPOLLONESHOT, a buffer ready");
	queue_mmap(fd, node, 2);
	expect_poll(epoll_events(set, QUIET_MS), 0, "a second one ready");
	need_call(epoll_ctl(set, EPOLL_CTL_MOD, fd, &again), "EPOLL_CTL_MOD");
	expect_poll(epoll_events(set, FRAME_MS), ready_events(node), "after EPOLL_CTL_MOD");
}

static void before_streamon(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), set = epoll_of(fd, wanted(node));
	int only = epoll_of(fd, EPOLLPRI);

	expect_poll(epoll_events(set, FRAME_MS), POLLERR, "epoll_wait before STREAMON");
	expect_poll(epoll_events(only, 0), 0, "for EPOLLPRI only");
}

/* GStreamer polls a duplicate, made before the first REQBUFS. */
static void duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup"), set;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	set = epoll_of(copy, wanted(node));
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	expect_poll(epoll_events(set, FRAME_MS) & ready_events(node), ready_events(node),
		    "epoll_wait on a dup, a buffer ready");
	close_fd(fd);
	expect_poll(epoll_events(set, FRAME_MS) & ready_events(node), ready_events(node),
		    "the first descriptor closed");
	expect_number(dequeue(copy, node), 0, "DQBUF through the dup: index");
}

static void control_event(const struct node *node, const struct node *peer)
{
	struct v4l2_event_subscription sub = {
		.type = V4L2_EVENT_CTRL, .flags = V4L2_EVENT_SUB_FL_SEND_INITIAL,
	};
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	struct setting setting = find_setting(fd);
	int set = epoll_of(fd, EPOLLPRI | EPOLLET);
	int32_t value = get_control(fd, setting.id);

	sub.id = setting.id;
	expect_poll(epoll_events(set, 0), 0, "epoll_wait with EPOLLET for EPOLLPRI, no event");
	need(try_ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &sub), "SUBSCRIBE_EVENT");
	expect_poll(epoll_events(set, FRAME_MS), POLLPRI, "an event");
	expect_poll(epoll_events(set, QUIET_MS), 0, "again");
	set_control(other, setting.id, value == setting.low ? setting.high : setting.low);
	expect_poll(epoll_events(set, FRAME_MS), POLLPRI, "the control changed by another");
	set_control(other, setting.id, value);
}

static const struct check checks[] = {
	{ "epoll-before-streamon", ON_EACH, before_streamon },
	{ "epoll-level", ON_EACH, level },
	{ "epoll-edge", ON_EACH, edge },
	{ "epoll-edge-without-dqbuf", ON_EACH, edge_without_dqbuf },
	{ "epoll-one-shot", ON_EACH, one_shot },
	{ "epoll-dup", ON_EACH, duplicate },
	{ "epoll-event", ON_EACH, control_event },
	{ 0 }
};

const struct group stream_epoll = { "epoll", checks };
