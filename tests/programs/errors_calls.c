/* The ioctls of our nodes with arguments that succeed, and other things that
 * the groups share: see errors.h. */
#include "errors.h"

#include <string.h>
#include <unistd.h>

/* ---- arguments that succeed ---------------------------------------------------- */

static void fill_fmtdesc(int fd, const struct node *node, void *arg)
{
	((struct v4l2_fmtdesc *)arg)->type = node->type;
}

static void fill_format(int fd, const struct node *node, void *arg)
{
	memcpy(arg, &node->format, sizeof(node->format));
}

static void fill_reqbufs(int fd, const struct node *node, void *arg)
{
	struct v4l2_requestbuffers *req = arg;

	req->count = 2;
	req->type = node->type;
	req->memory = V4L2_MEMORY_MMAP;
}

static void fill_create_bufs(int fd, const struct node *node, void *arg)
{
	struct v4l2_create_buffers *create = arg;

	create->count = 1;
	create->memory = V4L2_MEMORY_MMAP;
	create->format = node->format;
}

static void fill_remove_bufs(int fd, const struct node *node, void *arg)
{
	struct v4l2_remove_buffers *remove = arg;

	remove->count = 1;
	remove->type = node->type;
}

/* Buffer 0. Its planes stay where they are when @arg is copied elsewhere. */
static void fill_buffer(int fd, const struct node *node, void *arg)
{
	static struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	memcpy(arg, &b.buf, sizeof(b.buf));
}

static void fill_expbuf(int fd, const struct node *node, void *arg)
{
	((struct v4l2_exportbuffer *)arg)->type = node->type;
}

static void fill_type(int fd, const struct node *node, void *arg)
{
	memcpy(arg, &node->type, sizeof(node->type));
}

static void fill_parm(int fd, const struct node *node, void *arg)
{
	((struct v4l2_streamparm *)arg)->type = node->type;
	need(try_ioctl(fd, VIDIOC_G_PARM, arg), "G_PARM");
}

static void fill_priority(int fd, const struct node *node, void *arg)
{
	*(uint32_t *)arg = V4L2_PRIORITY_INTERACTIVE;
}

static void fill_frame_size(int fd, const struct node *node, void *arg)
{
	((struct v4l2_frmsizeenum *)arg)->pixel_format = node->format.fmt.pix.pixelformat;
}

static void fill_frame_interval(int fd, const struct node *node, void *arg)
{
	struct v4l2_frmivalenum *interval = arg;

	/* These lie at the same place in both kinds of format. */
	interval->pixel_format = node->format.fmt.pix.pixelformat;
	interval->width = node->format.fmt.pix.width;
	interval->height = node->format.fmt.pix.height;
}

static void fill_next_control(int fd, const struct node *node, void *arg)
{
	/* The id is the first field of v4l2_queryctrl and v4l2_query_ext_ctrl. */
	*(uint32_t *)arg = V4L2_CTRL_FLAG_NEXT_CTRL;
}

static bool any_control(int fd, struct v4l2_queryctrl *query)
{
	return find_control(fd, V4L2_CTRL_TYPE_INTEGER, query) ||
	       find_control(fd, V4L2_CTRL_TYPE_BOOLEAN, query) ||
	       find_control(fd, V4L2_CTRL_TYPE_MENU, query);
}

static void fill_control(int fd, const struct node *node, void *arg)
{
	struct v4l2_control *control = arg;
	struct v4l2_queryctrl query;

	need_that(any_control(fd, &query), "the node has a control that can be set");
	control->id = query.id;
	need(try_ioctl(fd, VIDIOC_G_CTRL, control), "G_CTRL");
}

static void fill_menu(int fd, const struct node *node, void *arg)
{
	struct v4l2_querymenu *menu = arg;
	struct v4l2_queryctrl query;

	need_that(find_control(fd, V4L2_CTRL_TYPE_MENU, &query), "the node has a menu control");
	menu->id = query.id;
	menu->index = query.default_value;
}

static void fill_subscription(int fd, const struct node *node, void *arg)
{
	struct v4l2_event_subscription *sub = arg;
	struct v4l2_queryctrl query;

	need_that(any_control(fd, &query), "the node has a control that can be set");
	sub->type = V4L2_EVENT_CTRL;
	sub->id = query.id;
}

#define CALL(name, ...) { #name, VIDIOC_##name, __VA_ARGS__ }

const struct call calls[] = {
	CALL(QUERYCAP, ON_EACH, ALWAYS, NULL),
	CALL(LOG_STATUS, ON_EACH, ALWAYS, NULL),
	CALL(G_PRIORITY, ON_EACH, ALWAYS, NULL),
	CALL(S_PRIORITY, ON_EACH, ALWAYS, fill_priority),
	CALL(ENUMINPUT, ON_CAPTURE, ALWAYS, NULL),
	CALL(G_INPUT, ON_CAPTURE, ALWAYS, NULL),
	CALL(S_INPUT, ON_CAPTURE, ALWAYS, NULL),
	CALL(ENUMOUTPUT, ON_OUTPUT, ALWAYS, NULL),
	CALL(G_OUTPUT, ON_OUTPUT, ALWAYS, NULL),
	CALL(S_OUTPUT, ON_OUTPUT, ALWAYS, NULL),
	CALL(ENUM_FMT, ON_EACH, ALWAYS, fill_fmtdesc),
	CALL(G_FMT, ON_EACH, ALWAYS, fill_format),
	CALL(TRY_FMT, ON_EACH, ALWAYS, fill_format),
	CALL(S_FMT, ON_EACH, ALWAYS, fill_format),
	CALL(ENUM_FRAMESIZES, ON_CAPTURE, ALWAYS, fill_frame_size),
	CALL(ENUM_FRAMEINTERVALS, ON_CAPTURE, ALWAYS, fill_frame_interval),
	CALL(G_PARM, ON_EACH, ALWAYS, fill_parm),
	CALL(S_PARM, ON_CAPTURE, ALWAYS, fill_parm),
	CALL(QUERYCTRL, ON_EACH, WITH_CONTROLS, fill_next_control),
	CALL(QUERY_EXT_CTRL, ON_EACH, WITH_CONTROLS, fill_next_control),
	CALL(QUERYMENU, ON_EACH, WITH_CONTROLS, fill_menu),
	CALL(G_CTRL, ON_EACH, WITH_CONTROLS, fill_control),
	CALL(S_CTRL, ON_EACH, WITH_CONTROLS, fill_control),
	/* Without any controls in them they only say that the node has some. */
	CALL(G_EXT_CTRLS, ON_EACH, WITH_CONTROLS, NULL),
	CALL(S_EXT_CTRLS, ON_EACH, WITH_CONTROLS, NULL),
	CALL(TRY_EXT_CTRLS, ON_EACH, WITH_CONTROLS, NULL),
	CALL(SUBSCRIBE_EVENT, ON_EACH, WITH_CONTROLS, fill_subscription),
	CALL(UNSUBSCRIBE_EVENT, ON_EACH, WITH_CONTROLS, fill_subscription),
	CALL(DQEVENT, ON_EACH, WITH_EVENT, NULL),
	CALL(REQBUFS, ON_EACH, ALWAYS, fill_reqbufs),
	CALL(CREATE_BUFS, ON_EACH, ALWAYS, fill_create_bufs),
	CALL(REMOVE_BUFS, ON_EACH, WITH_BUFFERS, fill_remove_bufs),
	CALL(QUERYBUF, ON_EACH, WITH_BUFFERS, fill_buffer),
	/* Before QBUF: what is queued can't be prepared. */
	CALL(PREPARE_BUF, ON_EACH, WITH_BUFFERS, fill_buffer),
	CALL(EXPBUF, ON_EACH, WITH_BUFFERS, fill_expbuf),
	CALL(QBUF, ON_EACH, WITH_BUFFERS, fill_buffer),
	CALL(DQBUF, ON_EACH, WITH_FRAME, fill_buffer),
	CALL(STREAMON, ON_EACH, WITH_BUFFERS, fill_type),
	CALL(STREAMOFF, ON_EACH, WITH_BUFFERS, fill_type),
	{ 0 }
};

bool call_is_on(const struct call *call, const struct node *node)
{
	return call->on & (node->output ? ON_OUTPUT : ON_CAPTURE);
}

/* ---- wrong values ------------------------------------------------------------------ */

static uint32_t buffer_type(bool output, bool mplane)
{
	if (output)
		return mplane ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
	return mplane ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
}

void wrong_types(const struct node *node, struct wrong_type types[WRONG_TYPES])
{
	bool output = node->output;
	const struct wrong_type wrong[WRONG_TYPES] = {
		[OTHER_API] = { buffer_type(output, !node->mplane), "the other API's type" },
		{ buffer_type(!output, node->mplane), "the other direction's type" },
		{ output ? V4L2_BUF_TYPE_VIDEO_OUTPUT_OVERLAY : V4L2_BUF_TYPE_VIDEO_OVERLAY,
		  "the overlay type" },
		{ output ? V4L2_BUF_TYPE_VBI_OUTPUT : V4L2_BUF_TYPE_VBI_CAPTURE, "the VBI type" },
		{ output ? V4L2_BUF_TYPE_META_OUTPUT : V4L2_BUF_TYPE_META_CAPTURE,
		  "the metadata type" },
		{ 0, "type 0" },
		{ UNKNOWN_ENUM, "an unknown type" },
	};

	memcpy(types, wrong, sizeof(wrong));
}

/* ---- memory ------------------------------------------------------------------------- */

char *memory_end(void)
{
	size_t page = page_rounded(1);
	char *memory;

	need(try_mmap(2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
		      (void **)&memory), "mmap of two pages");
	need_call(mprotect(memory + page, page, PROT_NONE), "mprotect");
	return memory + page;
}

void *read_only_copy(const void *from, size_t size)
{
	size_t page = page_rounded(size);
	void *memory;

	need(try_mmap(page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &memory),
	     "mmap of a page");
	memcpy(memory, from, size);
	need_call(mprotect(memory, page, PROT_READ), "mprotect");
	return memory;
}

bool all_zero(const void *memory, size_t size)
{
	const char *bytes = memory;

	while (size--)
		if (*bytes++)
			return false;
	return true;
}

/* ---- controls and events -------------------------------------------------------------- */

bool find_control(int fd, uint32_t type, struct v4l2_queryctrl *query)
{
	const uint32_t unusable = V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_DISABLED |
				  V4L2_CTRL_FLAG_INACTIVE | V4L2_CTRL_FLAG_GRABBED;

	memset(query, 0, sizeof(*query));
	query->id = V4L2_CTRL_FLAG_NEXT_CTRL;
	for (; !try_ioctl(fd, VIDIOC_QUERYCTRL, query); query->id |= V4L2_CTRL_FLAG_NEXT_CTRL)
		if (query->type == type && !(query->flags & unusable) &&
		    query->minimum < query->maximum)
			return true;
	return false;
}

void subscribe_pending(int fd)
{
	struct v4l2_event_subscription sub = {
		.type = V4L2_EVENT_CTRL, .flags = V4L2_EVENT_SUB_FL_SEND_INITIAL,
	};
	struct v4l2_queryctrl query;

	if (!any_control(fd, &query))
		skip("the node has no control to have events of");
	sub.id = query.id;
	need(try_ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &sub), "SUBSCRIBE_EVENT");
	need_that(poll_events(fd, POLLPRI, SOON_MS) & POLLPRI, "an event is pending");
}
