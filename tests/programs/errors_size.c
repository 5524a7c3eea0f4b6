/* An ioctl's number says how large its argument is and which way it goes. With
 * another size or direction it's another ioctl, and an unknown one. */
#include "errors.h"

#include <stddef.h>
#include <string.h>
#include <linux/ioctl.h>

/* One ioctl made wrong; 0 where it can't be made so. */
typedef unsigned long make_wrong(unsigned long request);

static unsigned long with_size(unsigned long request, unsigned size)
{
	return _IOC(_IOC_DIR(request), _IOC_TYPE(request), _IOC_NR(request), size);
}

static unsigned long with_direction(unsigned long request, unsigned direction)
{
	return _IOC(direction, _IOC_TYPE(request), _IOC_NR(request), _IOC_SIZE(request));
}

/* Every ioctl of the node, made wrong, is unknown. */
static void expect_unknown(const struct node *node, make_wrong *make, const char *how)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	const struct call *call;
	char argument[ARGUMENT_MAX];

	for (call = calls; call->name; call++) {
		unsigned long wrong = make(call->request);

		if (!call_is_on(call, node) || !wrong)
			continue;
		memset(argument, 0, sizeof(argument));
		expect(try_ioctl(fd, wrong, argument), ENOTTY, "%s%s", call->name, how);
		how = "";
	}
}

static unsigned long one_larger(unsigned long request)
{
	return with_size(request, _IOC_SIZE(request) + 1);
}

static void larger(const struct node *node, const struct node *peer)
{
	expect_unknown(node, one_larger, " with an argument one byte larger");
}

static unsigned long one_smaller(unsigned long request)
{
	return _IOC_SIZE(request) ? with_size(request, _IOC_SIZE(request) - 1) : 0;
}

static void smaller(const struct node *node, const struct node *peer)
{
	expect_unknown(node, one_smaller, " with an argument one byte smaller");
}

static unsigned long no_size(unsigned long request)
{
	return _IOC_SIZE(request) ? with_size(request, 0) : 0;
}

static void none(const struct node *node, const struct node *peer)
{
	expect_unknown(node, no_size, " with an argument of no size");
}

/* Both ways: only one; one way: both. */
static unsigned long other_direction(unsigned long request)
{
	const unsigned both = _IOC_READ | _IOC_WRITE;

	return with_direction(request, _IOC_DIR(request) == both ? _IOC_READ : both);
}

static void direction(const struct node *node, const struct node *peer)
{
	expect_unknown(node, other_direction, " with another direction");
}

static unsigned long opposite_direction(unsigned long request)
{
	switch (_IOC_DIR(request)) {
	case _IOC_NONE: return 0;
	case _IOC_READ: return with_direction(request, _IOC_WRITE);
	case _IOC_WRITE: return with_direction(request, _IOC_READ);
	default: return with_direction(request, _IOC_WRITE);
	}
}

static void opposite(const struct node *node, const struct node *peer)
{
	expect_unknown(node, opposite_direction, " with the opposite direction");
}

static unsigned long no_direction(unsigned long request)
{
	return _IOC_DIR(request) == _IOC_NONE ? 0 : with_direction(request, _IOC_NONE);
}

static void no_way(const struct node *node, const struct node *peer)
{
	expect_unknown(node, no_direction, " without a direction");
}

/* The sizes of a 32-bit program: not for one of 64 bits, as this one is. */
static void foreign_word(const struct node *node, const struct node *peer)
{
	static const struct { const char *name; unsigned long request; unsigned size; } foreign[] = {
		{ "QUERYBUF with a 32-bit program's argument", VIDIOC_QUERYBUF, 68 },
		{ "QBUF", VIDIOC_QBUF, 68 },
		{ "DQBUF", VIDIOC_DQBUF, 68 },
		{ "PREPARE_BUF", VIDIOC_PREPARE_BUF, 68 },
		{ "G_FMT", VIDIOC_G_FMT, 204 },
		{ "S_FMT", VIDIOC_S_FMT, 204 },
		{ "TRY_FMT", VIDIOC_TRY_FMT, 204 },
		{ "CREATE_BUFS", VIDIOC_CREATE_BUFS, 248 },
		{ "G_EXT_CTRLS", VIDIOC_G_EXT_CTRLS, 24 },
		{ "DQEVENT", VIDIOC_DQEVENT, 120 },
	};
	int fd = open_node(node, O_RDWR | O_NONBLOCK);
	char argument[ARGUMENT_MAX] = { 0 };
	size_t i;

	if (sizeof(long) != 8)
		skip("the program itself is none of 64 bits");
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		expect(try_ioctl(fd, with_size(foreign[i].request, foreign[i].size), argument),
		       ENOTTY, "%s", foreign[i].name);
}

/* An ioctl that isn't known doesn't act, however much it looks like one that is. */
static void no_effect(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct v4l2_requestbuffers req = { .type = node->type, .memory = V4L2_MEMORY_MMAP };
	struct buffer b;

	expect(try_ioctl(fd, one_larger(VIDIOC_REQBUFS), &req), ENOTTY,
	       "REQBUFS(0) with an argument one byte larger");
	expect(try_ioctl(fd, with_direction(VIDIOC_REQBUFS, _IOC_WRITE), &req), ENOTTY,
	       "with the direction of writing only");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 1);
	expect(try_querybuf(fd, &b), 0, "QUERYBUF of a buffer then");
}

static const struct check checks[] = {
	{ "size-larger", ON_EACH, larger },
	{ "size-smaller", ON_EACH, smaller },
	{ "size-none", ON_EACH, none },
	{ "size-of-other-word", ON_EACH, foreign_word },
	{ "direction-other", ON_EACH, direction },
	{ "direction-opposite", ON_EACH, opposite },
	{ "direction-none", ON_EACH, no_way },
	{ "size-no-effect", ON_EACH, no_effect },
	{ 0 }
};

const struct group errors_size = { "size", checks };
