/* Controls that can be set: see setting.h. */
#include "setting.h"
#include "check.h"
#include "v4l2util.h"

struct setting find_setting(int fd)
{
	const uint32_t fixed = V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_GRABBED |
			       V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_INACTIVE |
			       V4L2_CTRL_FLAG_VOLATILE;
	struct v4l2_queryctrl query = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };

	for (; !try_ioctl(fd, VIDIOC_QUERYCTRL, &query); query.id |= V4L2_CTRL_FLAG_NEXT_CTRL) {
		bool number = query.type == V4L2_CTRL_TYPE_INTEGER ||
			      query.type == V4L2_CTRL_TYPE_BOOLEAN;

		if (number && !(query.flags & fixed) && query.minimum < query.maximum)
			return (struct setting) { query.id, query.minimum, query.maximum };
	}
	skip("the node has no control that can be set");
}

void set_control(int fd, uint32_t id, int32_t value)
{
	struct v4l2_control control = { .id = id, .value = value };

	need(try_ioctl(fd, VIDIOC_S_CTRL, &control), "S_CTRL");
}

int32_t get_control(int fd, uint32_t id)
{
	struct v4l2_control control = { .id = id };

	need(try_ioctl(fd, VIDIOC_G_CTRL, &control), "G_CTRL");
	return control.value;
}
