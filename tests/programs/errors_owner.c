/*
 * Calls by the wrong opener: one that doesn't own the queue, or whose priority is
 * too low; and formats that can't change while there are buffers. The lifetime
 * program has the plain cases and how ownership ends.
 */
#include "errors.h"

#include <string.h>

/* ---- a second opener ------------------------------------------------------------------------ */

/* One opener with two buffers, the first queued, and another one without any. */
static int other_of_owned(const struct node *node)
{
	int owner = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	queue_mmap(owner, node, 0);
	return open_node(node, O_RDWR | O_NONBLOCK);
}

/* What's wrong with the type is seen first; the index isn't. */
static void second_types(const struct node *node, const struct node *peer)
{
	int other = other_of_owned(node), type = UNKNOWN_ENUM;
	struct v4l2_requestbuffers req = { .count = 2, .type = UNKNOWN_ENUM, .memory = V4L2_MEMORY_MMAP };
	struct v4l2_create_buffers create = { .count = 1, .memory = V4L2_MEMORY_MMAP };
	struct v4l2_remove_buffers remove = { .count = 1, .type = UNKNOWN_ENUM };
	struct v4l2_exportbuffer export = { .type = UNKNOWN_ENUM };
	struct buffer b;

	expect(try_ioctl(other, VIDIOC_REQBUFS, &req), EINVAL,
	       "REQBUFS with an unknown type by a second opener");
	create.format.type = UNKNOWN_ENUM;
	expect(try_ioctl(other, VIDIOC_CREATE_BUFS, &create), EINVAL, "CREATE_BUFS");
	expect(try_ioctl(other, VIDIOC_REMOVE_BUFS, &remove), EINVAL, "REMOVE_BUFS");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 1);
	b.buf.type = UNKNOWN_ENUM;
	expect(try_qbuf(other, &b), EINVAL, "QBUF");
	expect(try_dqbuf(other, &b), EINVAL, "DQBUF");
	expect(try_prepare_buf(other, &b), EINVAL, "PREPARE_BUF");
	expect(try_ioctl(other, VIDIOC_STREAMON, &type), EBUSY, "STREAMON");
	expect(try_ioctl(other, VIDIOC_STREAMOFF, &type), EBUSY, "STREAMOFF");
	expect(try_ioctl(other, VIDIOC_EXPBUF, &export), EBUSY, "EXPBUF");
}

static void second_memories(const struct node *node, const struct node *peer)
{
	int other = other_of_owned(node);
	uint32_t count = 2, none = 0;
	struct buffer b;

	expect(try_reqbufs(other, node, UNKNOWN_ENUM, &count), EINVAL,
	       "REQBUFS with an unknown memory by a second opener");
	expect(try_create_bufs(other, node, UNKNOWN_ENUM, NULL, &count, NULL), EINVAL, "CREATE_BUFS");
	expect(try_create_bufs(other, node, UNKNOWN_ENUM, NULL, &none, NULL), EINVAL, "CREATE_BUFS(0)");
	buffer_init(&b, node, UNKNOWN_ENUM, 1);
	expect(try_qbuf(other, &b), EBUSY, "QBUF");
	buffer_init(&b, node, UNKNOWN_ENUM, 1);
	expect(try_prepare_buf(other, &b), EBUSY, "PREPARE_BUF");
	expect(try_reqbufs(other, node, V4L2_MEMORY_DMABUF, &count), EBUSY, "REQBUFS of DMABUF");
	expect(try_reqbufs(other, node, V4L2_MEMORY_DMABUF, &none), EBUSY, "REQBUFS(0) of DMABUF");
}

static void second_indices(const struct node *node, const struct node *peer)
{
	int other = other_of_owned(node);
	struct v4l2_exportbuffer export = { .type = node->type, .index = UINT32_MAX, .flags = ~0u };

	expect(try_queue_mmap(other, node, UINT32_MAX), EBUSY,
	       "QBUF of index 0xffffffff by a second opener");
	expect(try_ioctl(other, VIDIOC_EXPBUF, &export), EBUSY, "EXPBUF of it, with unknown flags");
	expect(try_remove_bufs(other, node, UINT32_MAX, 1), EBUSY, "REMOVE_BUFS of it");
	expect(try_remove_bufs(other, node, UINT32_MAX, 0), 0, "REMOVE_BUFS of none");
	expect(try_streamon(other, node), EBUSY, "STREAMON");
	expect(try_streamoff(other, node), EBUSY, "STREAMOFF");
}

static void second_pointers(const struct node *node, const struct node *peer)
{
	static const struct { const char *name; unsigned long request; } calls[] = {
		{ "REQBUFS with NULL by a second opener", VIDIOC_REQBUFS }, { "QBUF", VIDIOC_QBUF },
		{ "DQBUF", VIDIOC_DQBUF }, { "EXPBUF", VIDIOC_EXPBUF }, { "STREAMON", VIDIOC_STREAMON },
	};
	int other = other_of_owned(node);
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		expect(try_ioctl(other, calls[i].request, NULL), EFAULT, "%s", calls[i].name);
}

/* All that isn't about the queue works, even while the owner streams. */
static void second_works(const struct node *node, const struct node *peer)
{
	int owner = open_buffers(node, V4L2_MEMORY_MMAP, 2), other;
	const struct call *call;
	char argument[ARGUMENT_MAX];

	queue_mmap(owner, node, 0);
	queue_mmap(owner, node, 1);
	stream_on(owner, node);
	other = open_node(node, O_RDWR | O_NONBLOCK);
	for (call = calls; call->name; call++) {
		if (!call_is_on(call, node) || call->when != ALWAYS ||
		    call->request == VIDIOC_S_FMT || call->request == VIDIOC_REQBUFS ||
		    call->request == VIDIOC_CREATE_BUFS)
			continue;
		memset(argument, 0, sizeof(argument));
		if (call->fill)
			call->fill(other, node, argument);
		expect(try_ioctl(other, call->request, argument), 0, "%s%s", call->name,
		       call == calls ? " by a second opener, the owner streaming" : "");
	}
	wait_frame(owner, node);
	expect_that(true, "streams on", "the owner");
}

/* The first to allocate owns the queue, whoever opened first, and however. */
static void first_allocates(const struct node *node, const struct node *peer)
{
	int first = open_node(node, O_RDWR), second = open_node(node, O_RDWR);
	uint32_t count = 1, none = 0;

	expect(try_create_bufs(second, node, V4L2_MEMORY_MMAP, NULL, &none, NULL), 0,
	       "CREATE_BUFS(0) by a second opener");
	expect(try_create_bufs(second, node, V4L2_MEMORY_MMAP, NULL, &count, NULL), 0,
	       "CREATE_BUFS(1) by it");
	expect(try_reqbufs(first, node, V4L2_MEMORY_MMAP, &count), EBUSY, "REQBUFS by the first opener");
	expect(try_reqbufs(second, node, V4L2_MEMORY_MMAP, &none), 0, "REQBUFS(0) by the second");
	expect(try_reqbufs(first, node, V4L2_MEMORY_MMAP, &count), 0, "REQBUFS by the first");
}

/* ---- formats while there are buffers ----------------------------------------------------------- */

/* The node's format with another pixel format. */
static struct v4l2_format other_format(int fd, const struct node *node)
{
	struct v4l2_fmtdesc desc = { .type = node->type };
	struct v4l2_format format;

	for (; !try_ioctl(fd, VIDIOC_ENUM_FMT, &desc); desc.index++) {
		/* pixelformat lies at the same place in both kinds of format. */
		if (desc.pixelformat == node->format.fmt.pix.pixelformat)
			continue;
		format = node->format;
		format.fmt.pix.pixelformat = desc.pixelformat;
		return format;
	}
	skip("the device has one format only");
}

static void busy_format(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_format other = other_format(fd, node), format = other, before;
	uint32_t count = 1;

	need(try_create_bufs(fd, node, V4L2_MEMORY_DMABUF, NULL, &count, NULL), "CREATE_BUFS");
	before.type = node->type;
	need(try_ioctl(fd, VIDIOC_G_FMT, &before), "G_FMT");
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), EBUSY,
	       "S_FMT to another format with a buffer of CREATE_BUFS");
	format.type = UNKNOWN_ENUM;
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), EINVAL, "with an unknown type");
	format = other;
	expect(try_ioctl(fd, VIDIOC_TRY_FMT, &format), 0, "TRY_FMT to another format");
	format.type = node->type;
	need(try_ioctl(fd, VIDIOC_G_FMT, &format), "G_FMT");
	expect_that(!memcmp(&before.fmt, &format.fmt, sizeof(format.fmt)), "unchanged", "the format then");
	need(try_remove_bufs(fd, node, 0, 1), "REMOVE_BUFS");
	format = other;
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), EBUSY, "S_FMT after REMOVE_BUFS of all");
	free_buffers(fd, node, V4L2_MEMORY_DMABUF);
	format = other;
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), 0, "after REQBUFS(0)");
}

static void busy_streaming(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), second = open_node(node, O_RDWR);
	struct v4l2_format other = other_format(fd, node), format = other;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), EBUSY, "S_FMT to another format while streaming");
	format = other;
	expect(try_ioctl(second, VIDIOC_S_FMT, &format), EBUSY, "by a second opener");
	stream_off(fd, node);
	format = other;
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), EBUSY, "after STREAMOFF");
	close_fd(fd);
	format = other;
	expect(try_ioctl(second, VIDIOC_S_FMT, &format), 0, "by the second, the owner closed");
}

/* ---- priority ------------------------------------------------------------------------------------ */

static void set_priority(int fd, uint32_t priority)
{
	need(try_ioctl(fd, VIDIOC_S_PRIORITY, &priority), "S_PRIORITY");
}

/* Whether somebody with a higher priority keeps this ioctl from others. */
static bool heeds_priority(const struct call *call)
{
	switch (call->request) {
	case VIDIOC_S_PRIORITY: case VIDIOC_S_INPUT: case VIDIOC_S_OUTPUT: case VIDIOC_S_FMT:
	case VIDIOC_S_PARM: case VIDIOC_S_CTRL: case VIDIOC_S_EXT_CTRLS: case VIDIOC_REQBUFS:
	case VIDIOC_CREATE_BUFS: case VIDIOC_REMOVE_BUFS: case VIDIOC_STREAMON:
	case VIDIOC_STREAMOFF:
		return true;
	default:
		return false;
	}
}

static void expect_by_priority(const struct node *node, enum call_when when, const char *how)
{
	int low = open_node(node, O_RDWR), high = open_node(node, O_RDWR);
	const struct call *call;
	char argument[ARGUMENT_MAX];

	if (when == WITH_BUFFERS)
		request_buffers(low, node, V4L2_MEMORY_MMAP, 2);
	set_priority(high, V4L2_PRIORITY_RECORD);
	for (call = calls; call->name; call++) {
		if (!call_is_on(call, node) || call->when != when)
			continue;
		memset(argument, 0, sizeof(argument));
		if (call->fill)
			call->fill(low, node, argument);
		expect(try_ioctl(low, call->request, argument), heeds_priority(call) ? EBUSY : 0,
		       "%s%s", call->name, how);
		how = "";
	}
}

static void priority(const struct node *node, const struct node *peer)
{
	expect_by_priority(node, ALWAYS, " while another has priority RECORD");
}

static void priority_buffers(const struct node *node, const struct node *peer)
{
	expect_by_priority(node, WITH_BUFFERS, " by the owner while another has priority RECORD");
}

static void priority_controls(const struct node *node, const struct node *peer)
{
	struct v4l2_queryctrl query;
	int fd = open_node(node, O_RDWR);

	if (!find_control(fd, V4L2_CTRL_TYPE_MENU, &query))
		skip("the node has no menu control");
	expect_by_priority(node, WITH_CONTROLS, " while another has priority RECORD");
}

/* The pointer is looked at first, then the priority, then the contents. */
static void priority_order(const struct node *node, const struct node *peer)
{
	int low = open_node(node, O_RDWR), high = open_node(node, O_RDWR);
	struct v4l2_format format = { .type = UNKNOWN_ENUM };
	struct v4l2_requestbuffers req = { .type = UNKNOWN_ENUM };
	int type = UNKNOWN_ENUM;
	uint32_t value = UNKNOWN_ENUM;

	set_priority(high, V4L2_PRIORITY_RECORD);
	expect(try_ioctl(low, VIDIOC_S_FMT, NULL), EFAULT, "S_FMT with NULL while another has RECORD");
	expect(try_ioctl(low, VIDIOC_S_FMT, &format), EBUSY, "with an unknown type");
	expect(try_ioctl(low, VIDIOC_REQBUFS, &req), EBUSY, "REQBUFS");
	expect(try_ioctl(low, VIDIOC_STREAMON, &type), EBUSY, "STREAMON");
	expect(try_ioctl(low, VIDIOC_S_PRIORITY, &value), EBUSY, "S_PRIORITY with an unknown value");
	expect(try_ioctl(high, VIDIOC_S_PRIORITY, &value), EINVAL, "by the one that has RECORD");
	set_priority(high, V4L2_PRIORITY_BACKGROUND);
	expect(try_ioctl(low, VIDIOC_REQBUFS, &req), EINVAL, "REQBUFS by the other, that one BACKGROUND");
	expect(try_ioctl(high, VIDIOC_REQBUFS, &req), EBUSY, "by that one");
}

static const struct check checks[] = {
	{ "owner-second-type", ON_EACH, second_types },
	{ "owner-second-memory", ON_EACH, second_memories },
	{ "owner-second-index", ON_EACH, second_indices },
	{ "owner-second-pointer", ON_EACH, second_pointers },
	{ "owner-second-works", ON_EACH, second_works },
	{ "owner-first-allocates", ON_EACH, first_allocates },
	{ "owner-format-busy", ON_EACH, busy_format },
	{ "owner-format-streaming", ON_EACH, busy_streaming },
	{ "priority", ON_EACH, priority },
	{ "priority-buffers", ON_EACH, priority_buffers },
	{ "priority-controls", ON_EACH, priority_controls },
	{ "priority-order", ON_EACH, priority_order },
	{ 0 }
};

const struct group errors_owner = { "owner", checks };
