/* Controls and events that aren't there, and values that a control can't have. */
#include "errors.h"

#include <limits.h>
#include <string.h>

/* A user control that no device has: their numbers end well before it. */
#define NO_CONTROL (V4L2_CID_BASE + 0xfff)

static void control_ids(const struct node *node, const struct node *peer)
{
	static const struct { uint32_t id; const char *name; } wrong[] = {
		{ 0, "id 0" }, { NO_CONTROL, "an unknown id" },
		{ V4L2_CTRL_CLASS_CODEC | 0x900, "an id of another class" },
	};
	int fd = open_node(node, O_RDWR);
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct v4l2_queryctrl query = { .id = wrong[i].id };
		struct v4l2_query_ext_ctrl query_ext = { .id = wrong[i].id };
		struct v4l2_querymenu menu = { .id = wrong[i].id };
		struct v4l2_control control = { .id = wrong[i].id };

		expect(try_ioctl(fd, VIDIOC_QUERYCTRL, &query), EINVAL, "QUERYCTRL of %s", wrong[i].name);
		expect(try_ioctl(fd, VIDIOC_QUERY_EXT_CTRL, &query_ext), EINVAL, "QUERY_EXT_CTRL");
		expect(try_ioctl(fd, VIDIOC_QUERYMENU, &menu), EINVAL, "QUERYMENU");
		expect(try_ioctl(fd, VIDIOC_G_CTRL, &control), EINVAL, "G_CTRL");
		expect(try_ioctl(fd, VIDIOC_S_CTRL, &control), EINVAL, "S_CTRL");
	}
}

static void control_next(const struct node *node, const struct node *peer)
{
	struct v4l2_queryctrl query = { .id = V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_ID_MASK };
	struct v4l2_query_ext_ctrl query_ext = { .id = query.id };
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, VIDIOC_QUERYCTRL, &query), EINVAL, "QUERYCTRL after the last id there is");
	expect(try_ioctl(fd, VIDIOC_QUERY_EXT_CTRL, &query_ext), EINVAL, "QUERY_EXT_CTRL");
	query.id = V4L2_CTRL_FLAG_NEXT_CTRL;
	while (!try_ioctl(fd, VIDIOC_QUERYCTRL, &query))
		query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	expect(try_ioctl(fd, VIDIOC_QUERYCTRL, &query), EINVAL, "after the node's last control");
}

/* An integer out of range becomes the nearest that's in. */
static void control_range(const struct node *node, const struct node *peer)
{
	struct v4l2_queryctrl query;
	struct v4l2_control before, control;
	int fd = open_node(node, O_RDWR);

	need_that(find_control(fd, V4L2_CTRL_TYPE_INTEGER, &query), "the node has an integer control");
	need_that(query.minimum > INT_MIN && query.maximum < INT_MAX, "its range has an end");
	before.id = query.id;
	need(try_ioctl(fd, VIDIOC_G_CTRL, &before), "G_CTRL");
	control.id = query.id;
	control.value = query.maximum + 1;
	expect(try_ioctl(fd, VIDIOC_S_CTRL, &control), 0, "S_CTRL of an integer above its maximum");
	expect_that(control.value == query.maximum, "the maximum", "the value that comes back");
	control.value = INT_MIN;
	expect(try_ioctl(fd, VIDIOC_S_CTRL, &control), 0, "of one far below its minimum");
	expect_that(control.value == query.minimum, "the minimum", "the value that comes back");
	need(try_ioctl(fd, VIDIOC_S_CTRL, &before), "S_CTRL of the value before");
}

static void control_menu(const struct node *node, const struct node *peer)
{
	struct v4l2_queryctrl query;
	struct v4l2_querymenu menu = { 0 };
	struct v4l2_control before, control;
	int fd = open_node(node, O_RDWR);

	if (!find_control(fd, V4L2_CTRL_TYPE_MENU, &query))
		skip("the node has no menu control");
	before.id = control.id = menu.id = query.id;
	need(try_ioctl(fd, VIDIOC_G_CTRL, &before), "G_CTRL");
	control.value = query.maximum + 1;
	expect(try_ioctl(fd, VIDIOC_S_CTRL, &control), ERANGE, "S_CTRL of a menu above its maximum");
	control.value = query.minimum - 1;
	expect(try_ioctl(fd, VIDIOC_S_CTRL, &control), ERANGE, "below its minimum");
	need(try_ioctl(fd, VIDIOC_G_CTRL, &control), "G_CTRL");
	expect_that(control.value == before.value, "unchanged", "its value then");
	menu.index = query.maximum + 1;
	expect(try_ioctl(fd, VIDIOC_QUERYMENU, &menu), EINVAL, "QUERYMENU above its maximum");
	menu.index = UINT32_MAX;
	expect(try_ioctl(fd, VIDIOC_QUERYMENU, &menu), EINVAL, "of index 0xffffffff");
}

static void control_no_menu(const struct node *node, const struct node *peer)
{
	struct v4l2_queryctrl query;
	struct v4l2_querymenu menu = { 0 };
	int fd = open_node(node, O_RDWR);

	need_that(find_control(fd, V4L2_CTRL_TYPE_INTEGER, &query), "the node has an integer control");
	menu.id = query.id;
	expect(try_ioctl(fd, VIDIOC_QUERYMENU, &menu), EINVAL, "QUERYMENU of a control that's no menu");
}

/* Two controls, the second of which doesn't exist. */
static void expect_error_idx(int fd, const struct v4l2_ext_control *good, unsigned long request,
			     const char *name, uint32_t index)
{
	struct v4l2_ext_control both[2] = { *good, { .id = NO_CONTROL } };
	struct v4l2_ext_controls controls = { .count = 2, .controls = both };

	expect(try_ioctl(fd, request, &controls), EINVAL, "%s of two, the second unknown", name);
	expect_number(controls.error_idx, index, "error_idx");
}

static void ext_control_errors(const struct node *node, const struct node *peer)
{
	struct v4l2_ext_controls controls = { .which = V4L2_CTRL_CLASS_CODEC };
	struct v4l2_ext_control good = { 0 };
	struct v4l2_queryctrl query;
	struct v4l2_control control;
	int fd = open_node(node, O_RDWR);

	need_that(find_control(fd, V4L2_CTRL_TYPE_INTEGER, &query), "the node has an integer control");
	good.id = control.id = query.id;
	need(try_ioctl(fd, VIDIOC_G_CTRL, &control), "G_CTRL");
	good.value = control.value;
	/* Only TRY says which one it was; from the others the count means: nothing done. */
	expect_error_idx(fd, &good, VIDIOC_G_EXT_CTRLS, "G_EXT_CTRLS", 2);
	expect_error_idx(fd, &good, VIDIOC_S_EXT_CTRLS, "S_EXT_CTRLS", 2);
	expect_error_idx(fd, &good, VIDIOC_TRY_EXT_CTRLS, "TRY_EXT_CTRLS", 1);
	expect(try_ioctl(fd, VIDIOC_G_EXT_CTRLS, &controls), EINVAL,
	       "G_EXT_CTRLS of none, of a class the node doesn't have");
	controls = (struct v4l2_ext_controls) {
		.which = V4L2_CTRL_CLASS_CODEC, .count = 1, .controls = &good,
	};
	expect(try_ioctl(fd, VIDIOC_G_EXT_CTRLS, &controls), EINVAL, "of a control of another class");
	controls.which = V4L2_CTRL_WHICH_DEF_VAL;
	expect(try_ioctl(fd, VIDIOC_S_EXT_CTRLS, &controls), EINVAL, "S_EXT_CTRLS of default values");
	expect(try_ioctl(fd, VIDIOC_TRY_EXT_CTRLS, &controls), EINVAL, "TRY_EXT_CTRLS of them");
	expect(try_ioctl(fd, VIDIOC_G_EXT_CTRLS, &controls), 0, "G_EXT_CTRLS of them");
}

/* ---- events --------------------------------------------------------------------------------- */

static int try_subscribe(int fd, uint32_t type, uint32_t id)
{
	struct v4l2_event_subscription sub = { .type = type, .id = id };

	return try_ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &sub);
}

static int try_unsubscribe(int fd, uint32_t type, uint32_t id)
{
	struct v4l2_event_subscription sub = { .type = type, .id = id };

	return try_ioctl(fd, VIDIOC_UNSUBSCRIBE_EVENT, &sub);
}

static void event_types(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct v4l2_event event;

	expect(try_subscribe(fd, V4L2_EVENT_ALL, 0), EINVAL, "SUBSCRIBE_EVENT of all");
	expect(try_subscribe(fd, UNKNOWN_ENUM, 0), EINVAL, "of an unknown type");
	expect(try_subscribe(fd, V4L2_EVENT_PRIVATE_START, 0), EINVAL, "of the first private one");
	expect(try_subscribe(fd, V4L2_EVENT_CTRL, 0), EINVAL, "of control 0");
	expect(try_subscribe(fd, V4L2_EVENT_CTRL, NO_CONTROL), EINVAL, "of an unknown control");
	expect(try_unsubscribe(fd, V4L2_EVENT_CTRL, NO_CONTROL), 0,
	       "UNSUBSCRIBE_EVENT of what isn't subscribed");
	expect(try_unsubscribe(fd, UNKNOWN_ENUM, 0), 0, "of an unknown type");
	expect(try_unsubscribe(fd, V4L2_EVENT_ALL, 0), 0, "of all");
	expect(try_ioctl(fd, VIDIOC_DQEVENT, &event), ENOENT, "DQEVENT with O_NONBLOCK, none there");
}

static const struct check checks[] = {
	{ "control-id", ON_EACH, control_ids },
	{ "control-next", ON_EACH, control_next },
	{ "control-range", ON_CAPTURE, control_range },
	{ "control-menu", ON_EACH, control_menu },
	{ "control-no-menu", ON_CAPTURE, control_no_menu },
	{ "control-ext-errors", ON_CAPTURE, ext_control_errors },
	{ "event-type", ON_EACH, event_types },
	{ 0 }
};

const struct group errors_control = { "control", checks };
