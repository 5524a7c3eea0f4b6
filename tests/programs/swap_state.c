/* What a node keeps of its opener: priority, events, controls, formats, the queue's owner. */
#include "swap.h"

#include <errno.h>
#include <unistd.h>

static int try_set_control(int fd, struct setting setting, int32_t value)
{
	struct v4l2_control control = { .id = setting.id, .value = value };

	return try_ioctl(fd, VIDIOC_S_CTRL, &control);
}

static int try_set_priority(int fd, uint32_t priority)
{
	return try_ioctl(fd, VIDIOC_S_PRIORITY, &priority);
}

/* ---- priority ------------------------------------------------------------------------------- */

static void priority(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	struct setting setting = find_setting(fd);
	int32_t value = get_control(fd, setting.id);
	uint32_t now = 0;

	need(try_set_priority(fd, V4L2_PRIORITY_RECORD), "S_PRIORITY");
	allocate(fd, node);
	need(try_ioctl(other, VIDIOC_G_PRIORITY, &now), "G_PRIORITY");
	expect_number(now, V4L2_PRIORITY_RECORD, "S_PRIORITY of RECORD (3), REQBUFS, G_PRIORITY by another");
	expect(try_set_control(other, setting, value), EBUSY, "S_CTRL by another");
	expect(try_set_control(fd, setting, value), 0, "by the opener itself");
	close_fd(fd);
	expect(try_set_control(other, setting, value), 0, "closed, by another");
	need(try_ioctl(other, VIDIOC_G_PRIORITY, &now), "G_PRIORITY");
	expect_number(now, V4L2_PRIORITY_INTERACTIVE, "G_PRIORITY (2 is INTERACTIVE)");
}

static void priority_duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	int copy = need_call(dup(fd), "dup");
	struct setting setting = find_setting(fd);
	int32_t value = get_control(fd, setting.id);

	need(try_set_priority(fd, V4L2_PRIORITY_RECORD), "S_PRIORITY");
	allocate(fd, node);
	expect(try_set_control(copy, setting, value), 0,
	       "S_PRIORITY of RECORD, dup, REQBUFS, S_CTRL through the dup");
	close_fd(fd);
	expect(try_set_control(other, setting, value), EBUSY, "first closed, S_CTRL by another");
	expect(try_set_priority(copy, V4L2_PRIORITY_BACKGROUND), 0, "S_PRIORITY of BACKGROUND through the dup");
	expect(try_set_control(other, setting, value), 0, "S_CTRL by another");
}

/* Whose priority is too low gets no buffers; later it does. */
static void priority_low(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);

	need(try_set_priority(other, V4L2_PRIORITY_RECORD), "S_PRIORITY");
	expect(try_allocate(fd, node), EBUSY, "S_PRIORITY of RECORD by another, REQBUFS");
	need(try_set_priority(other, V4L2_PRIORITY_INTERACTIVE), "S_PRIORITY");
	expect(try_allocate(fd, node), 0, "of INTERACTIVE, REQBUFS");
	expect(try_map(fd, node), 0, "mmap");
}

/* ---- events ----------------------------------------------------------------------------------- */

static void events(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK), copy = need_call(dup(fd), "dup");
	struct subscription s = subscribe(fd, node);

	allocate(fd, node);
	expect(try_event(fd), ENOENT, "SUBSCRIBE_EVENT, dup, REQBUFS, DQEVENT");
	cause_event(&s);
	expect_poll(poll_events(fd, POLLPRI, FRAME_MS), POLLPRI, "an event, poll");
	expect_poll(poll_events(copy, POLLPRI, FRAME_MS), POLLPRI, "of the dup");
	expect(try_event(fd), 0, "DQEVENT");
	expect(try_event(copy), ENOENT, "through the dup");
	cause_event(&s);
	expect(try_event(copy), 0, "another event, through the dup");
	expect(try_event(fd), ENOENT, "through the first");
}

static void event_pending(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct subscription s = subscribe(fd, node);

	cause_event(&s);
	allocate(fd, node);
	expect_poll(poll_events(fd, POLLPRI, FRAME_MS), POLLPRI, "an event, REQBUFS, poll");
	expect(try_event(fd), 0, "DQEVENT");
	expect(try_event(fd), ENOENT, "again");
}

/* Unsubscribed through the duplicate. */
static void unsubscribed(const struct node *node, const struct node *peer)
{
	struct v4l2_event_subscription all = { .type = V4L2_EVENT_ALL };
	int fd = open_node(node, O_RDWR | O_NONBLOCK), copy = need_call(dup(fd), "dup");
	struct subscription s = subscribe(fd, node);

	allocate(fd, node);
	expect(try_ioctl(copy, VIDIOC_UNSUBSCRIBE_EVENT, &all), 0,
	       "SUBSCRIBE_EVENT, dup, REQBUFS, UNSUBSCRIBE_EVENT through the dup");
	cause_event(&s);
	expect(try_event(fd), ENOENT, "S_CTRL by another, DQEVENT through the first");
}

/* An opener isn't told of what it changes itself: by neither of its descriptors. */
static void own_change(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK), copy = need_call(dup(fd), "dup");
	struct subscription s = subscribe(fd, node);

	allocate(fd, node);
	need(try_set_control(copy, s.setting, s.setting.high), "S_CTRL");
	expect(try_event(fd), ENOENT, "SUBSCRIBE_EVENT, dup, REQBUFS, S_CTRL through the dup, DQEVENT");
	need(try_set_control(fd, s.setting, s.setting.low), "S_CTRL");
	expect(try_event(copy), ENOENT, "S_CTRL through the first, DQEVENT through the dup");
	cause_event(&s);
	expect(try_event(copy), 0, "S_CTRL by another");
}

/* ---- controls, formats, intervals -------------------------------------------------------------- */

static void controls(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	struct setting setting = find_setting(fd);
	int32_t value = get_control(fd, setting.id);

	set_control(fd, setting.id, setting.high);
	allocate(fd, node);
	expect_that(get_control(fd, setting.id) == setting.high, "as it was set", "S_CTRL, REQBUFS, G_CTRL");
	set_control(fd, setting.id, setting.low);
	expect_that(get_control(copy, setting.id) == setting.low, "as it was set",
		    "S_CTRL, G_CTRL through a dup");
	set_control(copy, setting.id, value);
	expect_that(get_control(fd, setting.id) == value, "as it was set", "the other way round");
}

/* The fields that the checks compare lie at the same place in both kinds of format. */
static bool same_size(const struct v4l2_format *one, const struct v4l2_format *two)
{
	return one->fmt.pix.width == two->fmt.pix.width && one->fmt.pix.height == two->fmt.pix.height;
}

static void formats(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup"), other = open_node(node, O_RDWR);
	struct v4l2_format wanted = node->format, now = { .type = node->type };

	/* The next larger size there is. */
	wanted.fmt.pix.width *= 2;
	wanted.fmt.pix.height *= 2;
	if (!node->mplane)
		wanted.fmt.pix.bytesperline = 0;
	need(try_ioctl(fd, VIDIOC_S_FMT, &wanted), "S_FMT");
	allocate(fd, node);
	need(try_ioctl(fd, VIDIOC_G_FMT, &now), "G_FMT");
	expect_that(same_size(&now, &wanted), "as it was set", "S_FMT, REQBUFS, G_FMT");
	need(try_ioctl(copy, VIDIOC_G_FMT, &now), "G_FMT");
	expect_that(same_size(&now, &wanted), "as it was set", "through a dup");
	now = node->format;
	expect(try_ioctl(other, VIDIOC_S_FMT, &now), EBUSY, "S_FMT by another");
	now = node->format;
	expect(try_ioctl(copy, VIDIOC_S_FMT, &now), EBUSY, "through the dup");
	free_buffers(copy, node, V4L2_MEMORY_MMAP);
	now = node->format;
	expect(try_ioctl(other, VIDIOC_S_FMT, &now), 0, "REQBUFS(0), by another");
}

static void format_closed(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	struct v4l2_format format = node->format;

	allocate(fd, node);
	close_fd(fd);
	expect(try_ioctl(other, VIDIOC_S_FMT, &format), 0, "REQBUFS, closed, S_FMT by another");
}

static void interval(const struct node *node, const struct node *peer)
{
	struct v4l2_streamparm parm = { .type = node->type };
	struct v4l2_fract wanted = { 1, 25 }, now;
	int fd = open_node(node, O_RDWR);

	need(try_set_interval(fd, node, &wanted), "S_PARM");
	allocate(fd, node);
	need(try_ioctl(fd, VIDIOC_G_PARM, &parm), "G_PARM");
	now = parm.parm.capture.timeperframe;
	expect_that(now.numerator == wanted.numerator && now.denominator == wanted.denominator,
		    "as it was set", "S_PARM, REQBUFS, G_PARM");
}

/* ---- who owns the queue -------------------------------------------------------------------------- */

static void owner(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup"), other = open_node(node, O_RDWR);
	struct v4l2_exportbuffer export = { .type = node->type };

	allocate(fd, node);
	expect(try_queue_mmap(other, node, 0), EBUSY, "dup, REQBUFS, QBUF by another");
	expect(try_streamon(other, node), EBUSY, "STREAMON");
	expect(try_allocate(other, node), EBUSY, "REQBUFS");
	expect(try_ioctl(other, VIDIOC_EXPBUF, &export), EBUSY, "EXPBUF");
	expect(try_queue_mmap(copy, node, 0), 0, "QBUF through the dup");
	expect(try_streamon(copy, node), 0, "STREAMON");
	expect(try_streamoff(other, node), EBUSY, "STREAMOFF by another");
	expect(try_streamoff(fd, node), 0, "through the first");
	free_buffers(copy, node, V4L2_MEMORY_MMAP);
	expect(try_allocate(other, node), 0, "REQBUFS(0) through the dup, REQBUFS by another");
	expect(try_allocate(fd, node), EBUSY, "through the first");
	expect(try_allocate(copy, node), EBUSY, "through the dup");
}

/* The other one has its first buffers, too, after the first let go of the queue. */
static void in_turn(const struct node *node, const struct node *peer)
{
	int first = open_node(node, O_RDWR), second = open_node(node, O_RDWR), n;
	bool fine = true;

	for (n = 0; n < 4; n++) {
		int fd = n % 2 ? second : first;

		allocate(fd, node);
		start(fd, node);
		fine &= stream_frames(fd, node, 0);
		stream_off(fd, node);
		free_buffers(fd, node, V4L2_MEMORY_MMAP);
	}
	expect_that(fine, "in order", "two openers in turn, twice each, frames: indices");
	allocate(first, node);
	expect(try_map(first, node), 0, "mmap by the first");
	free_buffers(first, node, V4L2_MEMORY_MMAP);
	allocate(second, node);
	expect(try_map(second, node), 0, "by the second");
}

static const struct check checks[] = {
	{ "priority", ON_EACH, priority },
	{ "priority-dup", ON_EACH, priority_duplicate },
	{ "priority-too-low", ON_EACH, priority_low },
	{ "event", ON_EACH, events },
	{ "event-pending", ON_EACH, event_pending },
	{ "event-unsubscribed", ON_EACH, unsubscribed },
	{ "event-own-change", ON_EACH, own_change },
	{ "controls", ON_EACH, controls },
	{ "formats", ON_EACH, formats },
	{ "format-closed", ON_EACH, format_closed },
	{ "interval", ON_CAPTURE, interval },
	{ "owner", ON_EACH, owner },
	{ "owners-in-turn", ON_EACH, in_turn },
	{ 0 }
};

const struct group swap_state = { "state", checks };
