/*
 * Arguments in memory that isn't there, or isn't wholly. What an ioctl writes is
 * read before anything else: a bad pointer is EFAULT whatever else is wrong. What
 * it gives back is written last: by then it has happened.
 */
#include "errors.h"

#include <stdint.h>
#include <string.h>
#include <linux/ioctl.h>

/* Where the kernel's own memory would be, on any machine of 64 bits. */
#define KERNEL_ADDRESS ((void *)(UINTPTR_MAX << 47))

/* Whether the call fails over its pointer even when its contents don't count:
 * it's read first, or it always succeeds. */
static bool fails_at_once(const struct call *call)
{
	if (_IOC_DIR(call->request) & _IOC_WRITE)
		return true;
	return _IOC_DIR(call->request) == _IOC_READ && call->when == ALWAYS;
}

static void expect_faults(const struct node *node, void *argument, const char *what)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	const struct call *call;

	for (call = calls; call->name; call++) {
		if (!call_is_on(call, node) || !fails_at_once(call))
			continue;
		expect(try_ioctl(fd, call->request, argument), EFAULT, "%s%s", call->name, what);
		what = "";
	}
}

static void null(const struct node *node, const struct node *peer)
{
	expect_faults(node, NULL, " with NULL");
}

static void no_access(const struct node *node, const struct node *peer)
{
	expect_faults(node, memory_end(), " with memory without access");
}

static void kernel(const struct node *node, const struct node *peer)
{
	expect_faults(node, KERNEL_ADDRESS, " with an address of the kernel");
}

/* ---- arguments that are partly there ----------------------------------------------- */

static void first_byte(const struct node *node, const struct node *peer)
{
	char *end = memory_end();

	/* The byte is 0: no harm if it's taken for more. */
	expect_faults(node, end - 1, " with only the first byte accessible");
}

/* Opens the node as the call needs it to succeed, and fills the argument so. */
static int open_for(const struct call *call, const struct node *node, void *argument)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);

	if (call->when == WITH_BUFFERS)
		request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	memset(argument, 0, ARGUMENT_MAX);
	if (call->fill)
		call->fill(fd, node, argument);
	return fd;
}

/* Puts a good argument somewhere bad. */
typedef void *place_badly(const void *argument, size_t size);

/* Every call that succeeds when @when is the case and goes in @direction. */
static void expect_each(const struct node *node, enum call_when when, unsigned direction,
			place_badly *place, int want, const char *what)
{
	const struct call *call;
	char argument[ARGUMENT_MAX];

	for (call = calls; call->name; call++) {
		int fd;

		if (!call_is_on(call, node) || call->when != when ||
		    !(_IOC_DIR(call->request) & direction))
			continue;
		fd = open_for(call, node, argument);
		expect(try_ioctl(fd, call->request, place(argument, _IOC_SIZE(call->request))), want,
		       "%s%s", call->name, what);
		what = "";
		close_fd(fd);
	}
}

static void need_controls(const struct node *node)
{
	struct v4l2_queryctrl query;
	int fd = open_node(node, O_RDWR);

	if (!find_control(fd, V4L2_CTRL_TYPE_MENU, &query))
		skip("the node has no menu control");
	close_fd(fd);
}

/* All but the last byte is accessible. */
static void *before_the_end(const void *argument, size_t size)
{
	return memcpy(memory_end() - size + 1, argument, size - 1);
}

static void last_byte(const struct node *node, const struct node *peer)
{
	const char *what = " with all but the last byte accessible";

	expect_each(node, ALWAYS, _IOC_READ | _IOC_WRITE, before_the_end, EFAULT, what);
	expect_each(node, WITH_BUFFERS, _IOC_READ | _IOC_WRITE, before_the_end, EFAULT, "");
}

static void last_byte_controls(const struct node *node, const struct node *peer)
{
	need_controls(node);
	expect_each(node, WITH_CONTROLS, _IOC_READ | _IOC_WRITE, before_the_end, EFAULT,
		    " with all but the last byte accessible");
}

static void *read_only(const void *argument, size_t size)
{
	return read_only_copy(argument, size);
}

static void in_read_only(const struct node *node, const struct node *peer)
{
	expect_each(node, ALWAYS, _IOC_READ, read_only, EFAULT, " with memory that is read-only");
	expect_each(node, WITH_BUFFERS, _IOC_READ, read_only, EFAULT, "");
}

static void in_read_only_controls(const struct node *node, const struct node *peer)
{
	need_controls(node);
	expect_each(node, WITH_CONTROLS, _IOC_READ, read_only, EFAULT,
		    " with memory that is read-only");
}

/* Ioctls that give nothing back don't mind read-only memory. */
static void from_read_only(const struct node *node, const struct node *peer)
{
	static const char *const names[] = { "STREAMON", "STREAMOFF", "S_PRIORITY" };
	const struct call *call;
	char argument[ARGUMENT_MAX];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd;

		for (call = calls; strcmp(call->name, names[i]);)
			call++;
		fd = open_for(call, node, argument);
		expect(try_ioctl(fd, call->request,
				 read_only_copy(argument, _IOC_SIZE(call->request))),
		       0, "%s with memory that is read-only", call->name);
		close_fd(fd);
	}
}

/* An argument may lie across two pages, and anywhere in them. */
static void anywhere(const struct node *node, const struct node *peer)
{
	char *end = memory_end() - page_rounded(1);
	struct v4l2_capability cap;
	int fd = open_node(node, O_RDWR);
	char *odd = end + 1;

	expect(try_ioctl(fd, VIDIOC_QUERYCAP, odd), 0, "QUERYCAP at an odd address");
	need(try_ioctl(fd, VIDIOC_QUERYCAP, &cap), "QUERYCAP");
	expect_that(!memcmp(odd, &cap, sizeof(cap)), "the same answer", "there and elsewhere");
	odd = end + page_rounded(1) - sizeof(cap);
	expect(try_ioctl(fd, VIDIOC_QUERYCAP, odd), 0,
	       "QUERYCAP into the last bytes before memory without access");
	expect_that(!memcmp(odd, &cap, sizeof(cap)), "the same answer", "there");
}

/* ---- what has happened by then -------------------------------------------------------- */

static void after_the_act(const struct node *node, const struct node *peer)
{
	struct v4l2_requestbuffers req = {
		.count = 2, .type = node->type, .memory = V4L2_MEMORY_MMAP,
	};
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	struct buffer b;
	uint32_t none = 0;

	expect(try_ioctl(fd, VIDIOC_REQBUFS, read_only_copy(&req, sizeof(req))), EFAULT,
	       "REQBUFS with memory that is read-only");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_querybuf(fd, &b), 0, "QUERYBUF of a buffer then");
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &none), EBUSY, "REQBUFS by a second opener");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_ioctl(fd, VIDIOC_QBUF, read_only_copy(&b.buf, sizeof(b.buf))), EFAULT,
	       "QBUF with memory that is read-only");
	expect(try_queue_mmap(fd, node, 0), EINVAL, "QBUF of the same again");
	expect_that(query_flags(fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_QUEUED,
		    "flag QUEUED", "QUERYBUF of it");
}

static void dqbuf_lost(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct buffer b;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	queue_mmap(fd, node, 0);
	/* An output node keeps the last one queued. */
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_frame(fd, node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_ioctl(fd, VIDIOC_DQBUF, NULL), EFAULT, "DQBUF with NULL, a buffer ready");
	expect(try_ioctl(fd, VIDIOC_DQBUF, read_only_copy(&b.buf, sizeof(b.buf))), EFAULT,
	       "with memory that is read-only");
	expect(try_queue_mmap(fd, node, 0), 0, "QBUF of buffer 0, dequeued by that");
}

static void event_lost(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	struct v4l2_event event;

	expect(try_ioctl(fd, VIDIOC_DQEVENT, NULL), ENOENT, "DQEVENT with NULL, no event pending");
	subscribe_pending(fd);
	expect(try_ioctl(fd, VIDIOC_DQEVENT, NULL), EFAULT, "with an event pending");
	expect(try_ioctl(fd, VIDIOC_DQEVENT, &event), ENOENT, "DQEVENT then");
}

static void ext_controls(const struct node *node, const struct node *peer)
{
	struct v4l2_ext_control control = { 0 };
	struct v4l2_ext_controls controls = { .which = V4L2_CTRL_WHICH_CUR_VAL, .count = 1 };
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, VIDIOC_G_EXT_CTRLS, &controls), EFAULT,
	       "G_EXT_CTRLS, its array of controls at NULL");
	expect(try_ioctl(fd, VIDIOC_S_EXT_CTRLS, &controls), EFAULT, "S_EXT_CTRLS");
	expect(try_ioctl(fd, VIDIOC_TRY_EXT_CTRLS, &controls), EFAULT, "TRY_EXT_CTRLS");
	controls.controls = (void *)(memory_end() - sizeof(control) + 1);
	expect(try_ioctl(fd, VIDIOC_G_EXT_CTRLS, &controls), EFAULT,
	       "G_EXT_CTRLS, the array accessible but for its last byte");
	controls.count = V4L2_CID_MAX_CTRLS + 1;
	expect(try_ioctl(fd, VIDIOC_G_EXT_CTRLS, &controls), EINVAL,
	       "with more than V4L2_CID_MAX_CTRLS");
}

static const struct check checks[] = {
	{ "pointer-null", ON_EACH, null },
	{ "pointer-no-access", ON_EACH, no_access },
	{ "pointer-kernel", ON_EACH, kernel },
	{ "pointer-first-byte", ON_EACH, first_byte },
	{ "pointer-last-byte", ON_EACH, last_byte },
	{ "pointer-last-byte-controls", ON_EACH, last_byte_controls },
	{ "pointer-read-only", ON_EACH, in_read_only },
	{ "pointer-read-only-controls", ON_EACH, in_read_only_controls },
	{ "pointer-read-only-input", ON_EACH, from_read_only },
	{ "pointer-anywhere", ON_EACH, anywhere },
	{ "pointer-after-the-act", ON_EACH, after_the_act },
	{ "pointer-dqbuf-lost", ON_EACH, dqbuf_lost },
	{ "pointer-dqevent-lost", ON_EACH, event_lost },
	{ "pointer-ext-controls", ON_EACH, ext_controls },
	{ 0 }
};

const struct group errors_pointer = { "pointer", checks };
