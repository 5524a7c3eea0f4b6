/* Events: subscribing, what a control event says, who is told, and how many wait. */
#include "stream.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int try_subscribe(int fd, uint32_t type, uint32_t id, uint32_t flags)
{
	struct v4l2_event_subscription sub = { .type = type, .id = id, .flags = flags };

	return try_ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &sub);
}

static int try_unsubscribe(int fd, uint32_t type, uint32_t id)
{
	struct v4l2_event_subscription sub = { .type = type, .id = id };

	return try_ioctl(fd, VIDIOC_UNSUBSCRIBE_EVENT, &sub);
}

static int try_event(int fd, struct v4l2_event *event)
{
	memset(event, 0, sizeof(*event));
	return try_ioctl(fd, VIDIOC_DQEVENT, event);
}

/* A subscriber and another opener of the node, and a control that can be changed. */
struct pair {
	int fd, other;
	struct setting setting;
	int32_t first;
};

static struct pair pair_open(const struct node *node, uint32_t flags)
{
	struct pair p = {
		.fd = open_node(node, O_RDWR | O_NONBLOCK), .other = open_node(node, O_RDWR),
	};

	p.setting = find_setting(p.fd);
	p.first = get_control(p.fd, p.setting.id);
	/* Every check begins with the same value, so that each change is one. */
	set_control(p.other, p.setting.id, p.setting.low);
	need(try_subscribe(p.fd, V4L2_EVENT_CTRL, p.setting.id, flags), "SUBSCRIBE_EVENT");
	return p;
}

static void pair_close(struct pair *p)
{
	set_control(p->other, p->setting.id, p->first);
	close_fd(p->fd);
	close_fd(p->other);
}

/* ---- subscribing ------------------------------------------------------------------------- */

static void subscribing(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct setting setting = find_setting(fd);
	struct v4l2_event event;

	expect(try_event(fd, &event), ENOENT, "DQEVENT with O_NONBLOCK, nothing subscribed");
	expect(try_subscribe(fd, V4L2_EVENT_CTRL, setting.id, 0), 0, "SUBSCRIBE_EVENT of a control");
	expect(try_event(fd, &event), ENOENT, "DQEVENT, no event");
	expect(try_subscribe(fd, V4L2_EVENT_CTRL, setting.id, 0), 0, "SUBSCRIBE_EVENT again");
	expect(try_unsubscribe(fd, V4L2_EVENT_CTRL, setting.id), 0, "UNSUBSCRIBE_EVENT");
	expect(try_unsubscribe(fd, V4L2_EVENT_CTRL, setting.id), 0, "UNSUBSCRIBE_EVENT again");
	expect(try_unsubscribe(fd, V4L2_EVENT_ALL, 0), 0, "of V4L2_EVENT_ALL");
}

static void refused(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);

	expect(try_subscribe(fd, V4L2_EVENT_ALL, 0, 0), EINVAL, "SUBSCRIBE_EVENT of V4L2_EVENT_ALL");
	expect(try_subscribe(fd, V4L2_EVENT_CTRL, 0, 0), EINVAL, "of control 0");
	expect(try_subscribe(fd, V4L2_EVENT_CTRL, 0xffffff, 0), EINVAL, "of an unknown control");
	expect(try_subscribe(fd, V4L2_EVENT_PRIVATE_START - 1, 0, 0), EINVAL, "of an unknown type");
}

static void source_change(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);

	expect(try_subscribe(fd, V4L2_EVENT_SOURCE_CHANGE, 0, 0), 0, "SUBSCRIBE_EVENT of SOURCE_CHANGE");
	expect(try_unsubscribe(fd, V4L2_EVENT_SOURCE_CHANGE, 0), 0, "UNSUBSCRIBE_EVENT");
}

/* ---- what an event says -------------------------------------------------------------------- */

static void initial(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, V4L2_EVENT_SUB_FL_SEND_INITIAL);
	struct v4l2_event event;

	expect(try_event(p.fd, &event), 0, "SUBSCRIBE_EVENT with SEND_INITIAL, DQEVENT");
	expect_that(event.type == V4L2_EVENT_CTRL && event.id == p.setting.id, "the control's",
		    "type and id");
	expect_that(event.u.ctrl.changes == (V4L2_EVENT_CTRL_CH_VALUE | V4L2_EVENT_CTRL_CH_FLAGS),
		    "value and flags", "changes");
	expect_that(event.u.ctrl.value == p.setting.low, "the control's", "value");
	expect_that(event.u.ctrl.minimum == p.setting.low && event.u.ctrl.maximum == p.setting.high,
		    "the control's", "minimum and maximum");
	expect_number(event.pending, 0, "pending");
	expect_number(event.sequence, 0, "sequence");
	expect(try_subscribe(p.fd, V4L2_EVENT_CTRL, p.setting.id, V4L2_EVENT_SUB_FL_SEND_INITIAL), 0,
	       "SUBSCRIBE_EVENT again");
	expect(try_event(p.fd, &event), ENOENT, "DQEVENT then");
	pair_close(&p);
}

static void changed(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, 0);
	long long before = now_ns(), time;
	struct v4l2_event event;

	set_control(p.other, p.setting.id, p.setting.high);
	expect(try_event(p.fd, &event), 0, "S_CTRL by another opener, DQEVENT");
	expect_number(event.u.ctrl.changes, V4L2_EVENT_CTRL_CH_VALUE, "changes (value is 1)");
	expect_that(event.u.ctrl.value == p.setting.high, "the new one", "value");
	time = event.timestamp.tv_sec * 1000000000LL + event.timestamp.tv_nsec;
	expect_that(time >= before && time <= now_ns(), "the moment of the change", "timestamp");
	set_control(p.other, p.setting.id, p.setting.high);
	expect(try_event(p.fd, &event), ENOENT, "S_CTRL of the same value, DQEVENT");
	pair_close(&p);
}

static void own_change(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, 0);
	struct v4l2_event event;

	set_control(p.fd, p.setting.id, p.setting.high);
	expect(try_event(p.fd, &event), ENOENT, "S_CTRL by the subscriber himself, DQEVENT");
	pair_close(&p);
	p = pair_open(node, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK);
	set_control(p.fd, p.setting.id, p.setting.high);
	expect(try_event(p.fd, &event), 0, "with ALLOW_FEEDBACK");
	pair_close(&p);
}

static void unsubscribed(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, 0);
	struct v4l2_event event;

	set_control(p.other, p.setting.id, p.setting.high);
	expect_poll(poll_events(p.fd, POLLPRI, FRAME_MS), POLLPRI, "an event pending, poll");
	need(try_unsubscribe(p.fd, V4L2_EVENT_CTRL, p.setting.id), "UNSUBSCRIBE_EVENT");
	expect_poll(poll_events(p.fd, POLLPRI, 0), 0, "UNSUBSCRIBE_EVENT, poll");
	expect(try_event(p.fd, &event), ENOENT, "DQEVENT");
	set_control(p.other, p.setting.id, p.setting.low);
	expect(try_event(p.fd, &event), ENOENT, "S_CTRL by another, DQEVENT");
	pair_close(&p);
}

/* A control has one place for an event: changes that nobody fetches come together. */
static void merged(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, V4L2_EVENT_SUB_FL_SEND_INITIAL);
	struct v4l2_event event;

	set_control(p.other, p.setting.id, p.setting.high);
	set_control(p.other, p.setting.id, p.setting.low);
	set_control(p.other, p.setting.id, p.setting.high);
	expect(try_event(p.fd, &event), 0, "SEND_INITIAL and three changes, DQEVENT");
	expect_that(event.u.ctrl.value == p.setting.high, "the last one", "value");
	expect_that(event.u.ctrl.changes & V4L2_EVENT_CTRL_CH_FLAGS, "the first one's too", "changes");
	expect_number(event.pending, 0, "pending");
	expect_number(event.sequence, 3, "sequence");
	expect(try_event(p.fd, &event), ENOENT, "DQEVENT again");
	pair_close(&p);
}

static void two_subscribers(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, 0);
	int second = open_node(node, O_RDWR | O_NONBLOCK);
	struct v4l2_event event;

	need(try_subscribe(second, V4L2_EVENT_CTRL, p.setting.id, 0), "SUBSCRIBE_EVENT");
	set_control(p.other, p.setting.id, p.setting.high);
	expect(try_event(p.fd, &event), 0, "two subscribers, S_CTRL by a third: DQEVENT of the first");
	expect(try_event(second, &event), 0, "of the second");
	expect_number(event.sequence, 0, "its sequence");
	pair_close(&p);
}

static void pending(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, V4L2_EVENT_SUB_FL_SEND_INITIAL);
	struct v4l2_queryctrl query = { .id = p.setting.id | V4L2_CTRL_FLAG_NEXT_CTRL };
	struct v4l2_event event;

	while (!try_ioctl(p.fd, VIDIOC_QUERYCTRL, &query) && query.type == V4L2_CTRL_TYPE_CTRL_CLASS)
		query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	if (try_subscribe(p.fd, V4L2_EVENT_CTRL, query.id, V4L2_EVENT_SUB_FL_SEND_INITIAL))
		skip("the node has one control only");
	need(try_event(p.fd, &event), "DQEVENT");
	expect_number(event.pending, 1, "two events, DQEVENT: pending");
	expect_number(event.sequence, 0, "sequence");
	expect_poll(poll_events(p.fd, POLLPRI, 0), POLLPRI, "poll");
	need(try_event(p.fd, &event), "DQEVENT");
	expect_number(event.pending, 0, "DQEVENT again: pending");
	expect_number(event.sequence, 1, "sequence");
	expect_poll(poll_events(p.fd, POLLPRI, 0), 0, "poll");
	pair_close(&p);
}

/* Events belong to the opened file: a dup has the same, another opener has none. */
static void shared(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, V4L2_EVENT_SUB_FL_SEND_INITIAL);
	int copy = need_call(dup(p.fd), "dup");
	struct v4l2_event event;

	expect_poll(poll_events(p.other, POLLPRI, 0), 0, "poll by an opener that hasn't subscribed");
	expect_poll(poll_events(copy, POLLPRI, FRAME_MS), POLLPRI, "by a dup of the subscriber");
	expect(try_event(copy, &event), 0, "DQEVENT through the dup");
	expect(try_event(p.fd, &event), ENOENT, "through the first descriptor");
	close_fd(copy);
	pair_close(&p);
}

/* ---- waiting for one --------------------------------------------------------------------------- */

static int dqevent_call(void *fd)
{
	struct v4l2_event event;

	return try_event(*(int *)fd, &event);
}

static void waits(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, 0);
	struct waiter w;

	need_call(fcntl(p.fd, F_SETFL, 0), "F_SETFL");
	waiter_start(&w, dqevent_call, &p.fd, SYS_ioctl);
	expect_that(!w.done, "waits", "DQEVENT, no event");
	set_control(p.other, p.setting.id, p.setting.high);
	expect(waiter_join(&w), 0, "S_CTRL by another opener: that DQEVENT");
	pair_close(&p);
}

static void handler(int number)
{
}

static void interrupted(const struct node *node, const struct node *peer)
{
	struct sigaction action = { .sa_handler = handler };
	struct pair p = pair_open(node, 0);
	struct waiter w;

	need_call(sigaction(SIGUSR1, &action, NULL), "sigaction");
	need_call(fcntl(p.fd, F_SETFL, 0), "F_SETFL");
	waiter_start(&w, dqevent_call, &p.fd, SYS_ioctl);
	need(pthread_kill(w.thread, SIGUSR1), "pthread_kill");
	expect(waiter_join(&w), EINTR, "DQEVENT, a signal with a handler without SA_RESTART");
	pair_close(&p);
}

/* Waiting for an event doesn't keep frames away. */
static void waits_while_streaming(const struct node *node, const struct node *peer)
{
	struct pair p = pair_open(node, 0);
	struct waiter w;
	int n;

	need_call(fcntl(p.fd, F_SETFL, 0), "F_SETFL");
	request_buffers(p.fd, node, V4L2_MEMORY_MMAP, 2);
	queue_mmap(p.fd, node, 0);
	queue_mmap(p.fd, node, 1);
	stream_on(p.fd, node);
	waiter_start(&w, dqevent_call, &p.fd, SYS_ioctl);
	for (n = 0; n < 4; n++)
		queue_mmap(p.fd, node, dequeue(p.fd, node));
	expect_that(waiter_sleeps(&w, SYS_ioctl), "still waits", "frames while a thread waits in DQEVENT: it");
	set_control(p.other, p.setting.id, p.setting.high);
	expect(waiter_join(&w), 0, "S_CTRL by another opener: that DQEVENT");
	pair_close(&p);
}

static const struct check checks[] = {
	{ "event-subscribe", ON_EACH, subscribing },
	{ "event-refused", ON_EACH, refused },
	{ "event-source-change", ON_CAPTURE, source_change },
	{ "event-initial", ON_EACH, initial },
	{ "event-changed", ON_EACH, changed },
	{ "event-own-change", ON_EACH, own_change },
	{ "event-unsubscribed", ON_EACH, unsubscribed },
	{ "event-merged", ON_EACH, merged },
	{ "event-two-subscribers", ON_EACH, two_subscribers },
	{ "event-pending", ON_EACH, pending },
	{ "event-of-dup", ON_EACH, shared },
	{ "event-wait", ON_EACH, waits },
	{ "event-wait-signal", ON_EACH, interrupted },
	{ "event-wait-while-streaming", ON_EACH, waits_while_streaming },
	{ 0 }
};

const struct group stream_event = { "event", checks };
