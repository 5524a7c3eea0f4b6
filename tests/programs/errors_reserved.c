/* Fields that nobody has a use for yet come back zeroed, whatever was in them: so
 * that they can be given one. */
#include "errors.h"

#include <stddef.h>
#include <string.h>

/* An argument full of rubbish but for what the ioctl takes. */
#define RUBBISH(argument) memset(&(argument), 0xff, sizeof(argument))

#define expect_zeroed(field, ...)						\
	expect_that(all_zero(&(field), sizeof(field)), "zeroed", __VA_ARGS__)

static void querycap(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_capability cap;

	RUBBISH(cap);
	need(try_ioctl(fd, VIDIOC_QUERYCAP, &cap), "QUERYCAP");
	expect_zeroed(cap.reserved, "QUERYCAP: reserved");
	expect_that(memchr(cap.driver, 0, sizeof(cap.driver)) && memchr(cap.card, 0, sizeof(cap.card)) &&
		    memchr(cap.bus_info, 0, sizeof(cap.bus_info)), "end with a zero byte", "its texts");
}

static void input(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_input input;
	struct v4l2_output output;

	RUBBISH(input);
	RUBBISH(output);
	input.index = output.index = 0;
	if (node->output) {
		need(try_ioctl(fd, VIDIOC_ENUMOUTPUT, &output), "ENUMOUTPUT");
		expect_zeroed(output.reserved, "ENUMOUTPUT: reserved");
	} else {
		need(try_ioctl(fd, VIDIOC_ENUMINPUT, &input), "ENUMINPUT");
		expect_zeroed(input.reserved, "ENUMINPUT: reserved");
	}
}

/* All of the union that isn't the format itself. */
static bool rest_is_zero(const struct v4l2_format *format, const struct node *node)
{
	const char *raw = (const char *)format->fmt.raw_data;
	size_t used = node->mplane ? offsetof(struct v4l2_pix_format_mplane, reserved) :
				     sizeof(format->fmt.pix);

	return all_zero(raw + used, sizeof(format->fmt.raw_data) - used);
}

static bool planes_are_zero(const struct v4l2_format *format, const struct node *node)
{
	unsigned p;

	for (p = 0; node->mplane && p < format->fmt.pix_mp.num_planes; p++)
		if (!all_zero(format->fmt.pix_mp.plane_fmt[p].reserved,
			      sizeof(format->fmt.pix_mp.plane_fmt[p].reserved)))
			return false;
	return true;
}

static void expect_format(int fd, const struct node *node, unsigned long request, const char *name,
			  const struct v4l2_format *input)
{
	struct v4l2_format format = *input;
	unsigned p;

	if (node->mplane) {
		RUBBISH(format.fmt.pix_mp.reserved);
		for (p = 0; p < VIDEO_MAX_PLANES; p++)
			RUBBISH(format.fmt.pix_mp.plane_fmt[p].reserved);
	} else {
		memset(format.fmt.raw_data + sizeof(format.fmt.pix), 0xff,
		       sizeof(format.fmt.raw_data) - sizeof(format.fmt.pix));
	}
	need(try_ioctl(fd, request, &format), "%s", name);
	expect_that(rest_is_zero(&format, node) && planes_are_zero(&format, node), "zeroed",
		    "%s: all but the format", name);
}

static void formats(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_format rubbish;
	struct v4l2_fmtdesc desc;

	RUBBISH(desc);
	desc.index = 0;
	desc.type = node->type;
	need(try_ioctl(fd, VIDIOC_ENUM_FMT, &desc), "ENUM_FMT");
	expect_zeroed(desc.reserved, "ENUM_FMT: reserved");
	expect_zeroed(desc.mbus_code, "mbus_code");
	RUBBISH(rubbish);
	rubbish.type = node->type;
	expect_format(fd, node, VIDIOC_G_FMT, "G_FMT", &rubbish);
	expect_format(fd, node, VIDIOC_TRY_FMT, "TRY_FMT", &node->format);
	expect_format(fd, node, VIDIOC_S_FMT, "S_FMT", &node->format);
}

/* Without this number in priv the fields after it aren't the caller's words: those
 * who know only the old format left them as they were. */
static void old_format(const struct node *node, const struct node *peer)
{
	struct v4l2_format format = node->format;
	int fd = open_node(node, O_RDWR);

	if (node->mplane)
		skip("the node is multi-planar");
	format.fmt.pix.priv = 0;
	format.fmt.pix.flags = UINT32_MAX;
	need(try_ioctl(fd, VIDIOC_TRY_FMT, &format), "TRY_FMT");
	expect_that(format.fmt.pix.priv == V4L2_PIX_FMT_PRIV_MAGIC, "V4L2_PIX_FMT_PRIV_MAGIC",
		    "TRY_FMT with priv 0: priv");
	expect_number(format.fmt.pix.flags, 0, "flags");
}

static void frames(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_frmsizeenum size;
	struct v4l2_frmivalenum interval;

	RUBBISH(size);
	size.index = 0;
	size.pixel_format = node->format.fmt.pix.pixelformat;
	need(try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size), "ENUM_FRAMESIZES");
	expect_zeroed(size.reserved, "ENUM_FRAMESIZES: reserved");
	RUBBISH(interval);
	interval.index = 0;
	interval.pixel_format = node->format.fmt.pix.pixelformat;
	interval.width = node->format.fmt.pix.width;
	interval.height = node->format.fmt.pix.height;
	need(try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval), "ENUM_FRAMEINTERVALS");
	expect_zeroed(interval.reserved, "ENUM_FRAMEINTERVALS: reserved");
}

static void parm(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_streamparm parm;

	RUBBISH(parm);
	parm.type = node->type;
	need(try_ioctl(fd, VIDIOC_G_PARM, &parm), "G_PARM");
	if (node->output) {
		expect_zeroed(parm.parm.output.reserved, "G_PARM: reserved");
		expect_zeroed(parm.parm.output.extendedmode, "extendedmode");
		return;
	}
	expect_zeroed(parm.parm.capture.reserved, "G_PARM: reserved");
	expect_zeroed(parm.parm.capture.extendedmode, "extendedmode");
	RUBBISH(parm.parm.capture.reserved);
	RUBBISH(parm.parm.capture.extendedmode);
	need(try_ioctl(fd, VIDIOC_S_PARM, &parm), "S_PARM");
	expect_zeroed(parm.parm.capture.reserved, "S_PARM: reserved");
	expect_zeroed(parm.parm.capture.extendedmode, "extendedmode");
}

static void allocation(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_requestbuffers req;
	struct v4l2_create_buffers create;
	struct v4l2_remove_buffers remove;

	RUBBISH(req);
	req.count = 2;
	req.type = node->type;
	req.memory = V4L2_MEMORY_MMAP;
	need(try_ioctl(fd, VIDIOC_REQBUFS, &req), "REQBUFS");
	expect_zeroed(req.reserved, "REQBUFS: reserved");
	RUBBISH(create);
	create.count = 1;
	create.memory = V4L2_MEMORY_MMAP;
	create.format = node->format;
	need(try_ioctl(fd, VIDIOC_CREATE_BUFS, &create), "CREATE_BUFS");
	expect_zeroed(create.reserved, "CREATE_BUFS: reserved");
	RUBBISH(remove);
	remove.index = 0;
	remove.count = 1;
	remove.type = node->type;
	need(try_ioctl(fd, VIDIOC_REMOVE_BUFS, &remove), "REMOVE_BUFS");
	expect_zeroed(remove.reserved, "REMOVE_BUFS: reserved");
}

/* Both kinds of capabilities are the node's answer, not what was there before. */
static void capabilities(const struct node *node, const struct node *peer)
{
	const uint32_t want = V4L2_BUF_CAP_SUPPORTS_MMAP | V4L2_BUF_CAP_SUPPORTS_USERPTR |
			      V4L2_BUF_CAP_SUPPORTS_DMABUF | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS |
			      V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS;
	/* vivid has requests, our nodes needn't. */
	const uint32_t may = V4L2_BUF_CAP_SUPPORTS_REQUESTS;
	struct v4l2_requestbuffers req = {
		.count = 2, .type = node->type, .memory = V4L2_MEMORY_MMAP, .capabilities = UINT32_MAX,
	};
	struct v4l2_create_buffers create = {
		.memory = V4L2_MEMORY_MMAP, .format = node->format, .capabilities = UINT32_MAX,
	};
	int fd = open_node(node, O_RDWR);

	need(try_ioctl(fd, VIDIOC_REQBUFS, &req), "REQBUFS");
	expect_that((req.capabilities & ~may) == want,
		    "MMAP, USERPTR, DMABUF, ORPHANED_BUFS, REMOVE_BUFS",
		    "REQBUFS: capabilities (REQUESTS apart)");
	need(try_ioctl(fd, VIDIOC_CREATE_BUFS, &create), "CREATE_BUFS(0)");
	expect_that((create.capabilities & ~may) == (want | V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS),
		    "those and MAX_NUM_BUFFERS", "CREATE_BUFS(0): capabilities");
}

/* QUERYBUF, PREPARE_BUF or QBUF of buffer 0. */
static void expect_buffer(int fd, const struct node *node, int (*call)(int, struct buffer *),
			  const char *name)
{
	bool zero = true;
	struct buffer b;
	unsigned p;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.reserved2 = UINT32_MAX;
	b.buf.request_fd = -1;
	for (p = 0; p < node->planes; p++)
		RUBBISH(b.planes[p].reserved);
	need(call(fd, &b), "%s", name);
	expect_zeroed(b.buf.reserved2, "%s: reserved2", name);
	expect_zeroed(b.buf.request_fd, "request_fd");
	for (p = 0; node->mplane && p < node->planes; p++)
		zero &= all_zero(b.planes[p].reserved, sizeof(b.planes[p].reserved));
	if (node->mplane)
		expect_that(zero, "zeroed", "reserved of its planes");
}

static void buffers(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	expect_buffer(fd, node, try_querybuf, "QUERYBUF");
	expect_buffer(fd, node, try_prepare_buf, "PREPARE_BUF");
	expect_buffer(fd, node, try_qbuf, "QBUF");
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_frame(fd, node);
	expect_buffer(fd, node, try_dqbuf, "DQBUF");
}

static void controls(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_query_ext_ctrl query_ext;
	struct v4l2_queryctrl query;
	struct v4l2_querymenu menu;

	RUBBISH(query);
	query.id = V4L2_CTRL_FLAG_NEXT_CTRL;
	if (try_ioctl(fd, VIDIOC_QUERYCTRL, &query))
		skip("the node has no controls");
	expect_zeroed(query.reserved, "QUERYCTRL: reserved");
	RUBBISH(query_ext);
	query_ext.id = V4L2_CTRL_FLAG_NEXT_CTRL;
	need(try_ioctl(fd, VIDIOC_QUERY_EXT_CTRL, &query_ext), "QUERY_EXT_CTRL");
	expect_zeroed(query_ext.reserved, "QUERY_EXT_CTRL: reserved");
	if (!find_control(fd, V4L2_CTRL_TYPE_MENU, &query))
		return;
	RUBBISH(menu);
	menu.id = query.id;
	menu.index = query.default_value;
	need(try_ioctl(fd, VIDIOC_QUERYMENU, &menu), "QUERYMENU");
	expect_zeroed(menu.reserved, "QUERYMENU: reserved");
}

static void event(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_event event;

	subscribe_pending(fd);
	RUBBISH(event);
	need(try_ioctl(fd, VIDIOC_DQEVENT, &event), "DQEVENT");
	expect_zeroed(event.reserved, "DQEVENT: reserved");
}

static const struct check checks[] = {
	{ "reserved-querycap", ON_EACH, querycap },
	{ "reserved-input", ON_EACH, input },
	{ "reserved-format", ON_EACH, formats },
	{ "reserved-old-format", ON_EACH, old_format },
	{ "reserved-frame", ON_CAPTURE, frames },
	{ "reserved-parm", ON_EACH, parm },
	{ "reserved-allocation", ON_EACH, allocation },
	{ "reserved-capabilities", ON_EACH, capabilities },
	{ "reserved-buffer", ON_EACH, buffers },
	{ "reserved-control", ON_EACH, controls },
	{ "reserved-event", ON_EACH, event },
	{ 0 }
};

const struct group errors_reserved = { "reserved", checks };
