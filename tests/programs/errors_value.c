/* Values that are out of range where the ioctl itself is fine: types, indices,
 * formats, rates, inputs and outputs, priorities. */
#include "errors.h"

#include <string.h>

/* ---- formats ------------------------------------------------------------------------ */

static void fmt_types(const struct node *node, const struct node *peer)
{
	struct wrong_type types[WRONG_TYPES];
	int fd = open_node(node, O_RDWR);
	unsigned i;

	wrong_types(node, types);
	for (i = 0; i < WRONG_TYPES; i++) {
		struct v4l2_fmtdesc desc = { .type = types[i].type };

		expect(try_ioctl(fd, VIDIOC_ENUM_FMT, &desc), EINVAL, "ENUM_FMT with %s", types[i].name);
	}
}

static void expect_format_types(const struct node *node, unsigned long request, const char *name)
{
	struct wrong_type types[WRONG_TYPES];
	struct v4l2_format before = { .type = node->type }, after;
	int fd = open_node(node, O_RDWR);
	unsigned i;

	need(try_ioctl(fd, VIDIOC_G_FMT, &before), "G_FMT");
	after = before;
	wrong_types(node, types);
	for (i = 0; i < WRONG_TYPES; i++) {
		struct v4l2_format format = node->format;

		format.type = types[i].type;
		if (i == OTHER_API)
			expect_refused(try_ioctl(fd, request, &format), "%s with %s", name, types[i].name);
		else
			expect(try_ioctl(fd, request, &format), EINVAL, "with %s", types[i].name);
	}
	need(try_ioctl(fd, VIDIOC_G_FMT, &after), "G_FMT");
	expect_that(!memcmp(&before.fmt, &after.fmt, sizeof(before.fmt)), "unchanged", "the format then");
}

static void g_fmt_types(const struct node *node, const struct node *peer)
{
	expect_format_types(node, VIDIOC_G_FMT, "G_FMT");
}

static void try_fmt_types(const struct node *node, const struct node *peer)
{
	expect_format_types(node, VIDIOC_TRY_FMT, "TRY_FMT");
}

static void s_fmt_types(const struct node *node, const struct node *peer)
{
	expect_format_types(node, VIDIOC_S_FMT, "S_FMT");
}

static void fmt_index(const struct node *node, const struct node *peer)
{
	struct v4l2_fmtdesc desc = { .type = node->type };
	int fd = open_node(node, O_RDWR);
	uint32_t count = 0;

	while (!try_ioctl(fd, VIDIOC_ENUM_FMT, &desc))
		desc.index = ++count;
	need_that(count, "the node has a format");
	desc.index = count;
	expect(try_ioctl(fd, VIDIOC_ENUM_FMT, &desc), EINVAL, "ENUM_FMT of the index after the last");
	desc.index = UINT32_MAX;
	expect(try_ioctl(fd, VIDIOC_ENUM_FMT, &desc), EINVAL, "of index 0xffffffff");
	desc.index = count - 1;
	expect(try_ioctl(fd, VIDIOC_ENUM_FMT, &desc), 0, "of the last");
}

static bool is_listed(int fd, const struct node *node, uint32_t pixelformat)
{
	struct v4l2_fmtdesc desc = { .type = node->type };

	for (; !try_ioctl(fd, VIDIOC_ENUM_FMT, &desc); desc.index++)
		if (desc.pixelformat == pixelformat)
			return true;
	return false;
}

/* Whether TRY_FMT takes @format and makes something sensible of it. */
static void expect_adjusted(int fd, const struct node *node, struct v4l2_format format,
			    const char *what)
{
	unsigned planes, p;
	bool sane;

	/* Width, height and pixelformat lie at the same place in both kinds of format. */
	need(try_ioctl(fd, VIDIOC_TRY_FMT, &format), "TRY_FMT with %s", what);
	planes = node->mplane ? format.fmt.pix_mp.num_planes : 1;
	sane = format.fmt.pix.width && format.fmt.pix.height && planes && planes <= VIDEO_MAX_PLANES &&
	       is_listed(fd, node, format.fmt.pix.pixelformat) &&
	       format.fmt.pix.field > V4L2_FIELD_ANY && format.fmt.pix.field <= V4L2_FIELD_INTERLACED_BT;
	for (p = 0; sane && p < planes; p++)
		sane = node->mplane ? format.fmt.pix_mp.plane_fmt[p].sizeimage :
				      format.fmt.pix.sizeimage;
	expect_that(sane, "0, and a format the node has", "TRY_FMT with %s", what);
}

/* What TRY_FMT can't do it changes to what it can. Only the type must be right. */
static void fmt_adjusted(const struct node *node, const struct node *peer)
{
	struct v4l2_format format = node->format;
	int fd = open_node(node, O_RDWR);

	format.fmt.pix.pixelformat = 0;
	expect_adjusted(fd, node, format, "pixel format 0");
	format.fmt.pix.pixelformat = v4l2_fourcc('?', '?', '?', '?');
	expect_adjusted(fd, node, format, "an unknown pixel format");
	format = node->format;
	format.fmt.pix.width = format.fmt.pix.height = 0;
	expect_adjusted(fd, node, format, "size 0x0");
	format.fmt.pix.width = format.fmt.pix.height = UINT16_MAX;
	expect_adjusted(fd, node, format, "size 65535x65535");
	format = node->format;
	format.fmt.pix.field = UNKNOWN_ENUM;
	expect_adjusted(fd, node, format, "an unknown field");
	memset(&format.fmt, 0, sizeof(format.fmt));
	expect_adjusted(fd, node, format, "zeroes only");
	memset(&format.fmt, 0xff, sizeof(format.fmt));
	expect_adjusted(fd, node, format, "ones only");
}

static void frame_sizes(const struct node *node, const struct node *peer)
{
	struct v4l2_frmsizeenum size = { .pixel_format = node->format.fmt.pix.pixelformat };
	int fd = open_node(node, O_RDWR);

	while (!try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size))
		size.index++;
	need_that(size.index, "the node has a frame size");
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size), EINVAL,
	       "ENUM_FRAMESIZES of the index after the last");
	size.index = UINT32_MAX;
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size), EINVAL, "of index 0xffffffff");
	size.index = 0;
	size.pixel_format = 0;
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size), EINVAL, "of pixel format 0");
	size.pixel_format = v4l2_fourcc('?', '?', '?', '?');
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size), EINVAL, "of an unknown pixel format");
}

static void frame_intervals(const struct node *node, const struct node *peer)
{
	struct v4l2_frmivalenum good = {
		.pixel_format = node->format.fmt.pix.pixelformat,
		.width = node->format.fmt.pix.width, .height = node->format.fmt.pix.height,
	}, interval = good;
	int fd = open_node(node, O_RDWR);

	while (!try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval))
		interval.index++;
	need_that(interval.index, "the node has a frame interval");
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval), EINVAL,
	       "ENUM_FRAMEINTERVALS of the index after the last");
	interval = good;
	interval.index = UINT32_MAX;
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval), EINVAL, "of index 0xffffffff");
	interval = good;
	interval.pixel_format = 0;
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval), EINVAL, "of pixel format 0");
	interval = good;
	interval.width = 0;
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval), EINVAL, "of width 0");
	interval = good;
	interval.height++;
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval), EINVAL,
	       "of a height that's no frame size's");
}

static void parm(const struct node *node, const struct node *peer)
{
	struct wrong_type types[WRONG_TYPES];
	int fd = open_node(node, O_RDWR);
	unsigned i;

	wrong_types(node, types);
	for (i = 0; i < WRONG_TYPES; i++) {
		struct v4l2_streamparm parm = { .type = types[i].type };

		expect(try_ioctl(fd, VIDIOC_G_PARM, &parm), EINVAL, "G_PARM with %s", types[i].name);
		/* An output's rate can't be set at all. */
		if (!node->output)
			expect(try_ioctl(fd, VIDIOC_S_PARM, &parm), EINVAL, "S_PARM");
	}
}

/* A rate the node can't have becomes one that it can. */
static void intervals_adjusted(const struct node *node, const struct node *peer)
{
	static const struct { struct v4l2_fract interval; const char *name; } odd[] = {
		{ { 0, 0 }, "0/0" }, { { 0, 1 }, "0/1" }, { { 1, 0 }, "1/0" },
		{ { UINT32_MAX, 1 }, "4294967295/1" }, { { 1, UINT32_MAX }, "1/4294967295" },
	};
	struct v4l2_streamparm before = { .type = node->type };
	int fd = open_node(node, O_RDWR);
	size_t i;

	need(try_ioctl(fd, VIDIOC_G_PARM, &before), "G_PARM");
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct v4l2_streamparm parm = { .type = node->type };
		struct v4l2_fract *got = &parm.parm.capture.timeperframe;

		*got = odd[i].interval;
		need(try_ioctl(fd, VIDIOC_S_PARM, &parm), "S_PARM with interval %s", odd[i].name);
		expect_that(got->numerator && got->denominator, "0, and an interval",
			    "S_PARM with interval %s", odd[i].name);
	}
	need(try_ioctl(fd, VIDIOC_S_PARM, &before), "S_PARM of the interval before");
}

/* ---- inputs, outputs, priority --------------------------------------------------------- */

static void inputs(const struct node *node, const struct node *peer)
{
	unsigned long s_input = node->output ? VIDIOC_S_OUTPUT : VIDIOC_S_INPUT;
	unsigned long g_input = node->output ? VIDIOC_G_OUTPUT : VIDIOC_G_INPUT;
	const char *kind = node->output ? "OUTPUT" : "INPUT";
	int fd = open_node(node, O_RDWR), index;
	/* The index is the first field of both. */
	union { struct v4l2_input input; struct v4l2_output output; } entry = { 0 };
	unsigned long enum_input = node->output ? VIDIOC_ENUMOUTPUT : VIDIOC_ENUMINPUT;

	while (!try_ioctl(fd, enum_input, &entry))
		entry.input.index++;
	index = entry.input.index;
	need_that(index, "the node has an input or output");
	expect(try_ioctl(fd, enum_input, &entry), EINVAL, "ENUM%s of the index after the last", kind);
	entry.input.index = UINT32_MAX;
	expect(try_ioctl(fd, enum_input, &entry), EINVAL, "of index 0xffffffff");
	expect(try_ioctl(fd, s_input, &index), EINVAL, "S_%s of the index after the last", kind);
	index = -1;
	expect(try_ioctl(fd, s_input, &index), EINVAL, "of -1");
	need(try_ioctl(fd, g_input, &index), "G_%s", kind);
	expect_number(index, 0, "G_%s then", kind);
	expect(try_ioctl(fd, s_input, &index), 0, "S_%s of that", kind);
}

static void priorities(const struct node *node, const struct node *peer)
{
	static const struct { uint32_t value; const char *name; } wrong[] = {
		{ V4L2_PRIORITY_UNSET, "UNSET" }, { V4L2_PRIORITY_RECORD + 1, "RECORD + 1" },
		{ UNKNOWN_ENUM, "an unknown value" }, { UINT32_MAX, "0xffffffff" },
	};
	int fd = open_node(node, O_RDWR);
	uint32_t priority;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		priority = wrong[i].value;
		expect(try_ioctl(fd, VIDIOC_S_PRIORITY, &priority), EINVAL, "S_PRIORITY with %s",
		       wrong[i].name);
	}
	need(try_ioctl(fd, VIDIOC_G_PRIORITY, &priority), "G_PRIORITY");
	expect_number(priority, V4L2_PRIORITY_INTERACTIVE, "G_PRIORITY then");
}

static const struct check checks[] = {
	{ "value-enum-fmt-type", ON_EACH, fmt_types },
	{ "value-enum-fmt-index", ON_EACH, fmt_index },
	{ "value-g-fmt-type", ON_EACH, g_fmt_types },
	{ "value-try-fmt-type", ON_EACH, try_fmt_types },
	{ "value-s-fmt-type", ON_EACH, s_fmt_types },
	{ "value-try-fmt-adjusts", ON_EACH, fmt_adjusted },
	{ "value-frame-size", ON_CAPTURE, frame_sizes },
	{ "value-frame-interval", ON_CAPTURE, frame_intervals },
	{ "value-parm-type", ON_EACH, parm },
	{ "value-s-parm-adjusts", ON_CAPTURE, intervals_adjusted },
	{ "value-input", ON_EACH, inputs },
	{ "value-priority", ON_EACH, priorities },
	{ 0 }
};

const struct group errors_value = { "value", checks };
