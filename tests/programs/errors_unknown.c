/* Ioctls that the node doesn't have: numbers nobody knows, those of other kinds
 * of devices, and those of V4L2 that make no sense on a camera or a display. */
#include "errors.h"

#include <string.h>
#include <termios.h>
#include <sys/ioctl.h>
#include <linux/dma-buf.h>
#include <linux/media.h>
#include <linux/v4l2-subdev.h>

/* The last number that the API may give to an ioctl of its own, as yet unused. */
#define UNUSED_NUMBER (BASE_VIDIOC_PRIVATE - 1)
/* No number of V4L2, nor of a driver we know. */
#define PRIVATE_NUMBER 255
/* The largest size that fits into an ioctl's number. */
#define LARGEST_SIZE ((1 << _IOC_SIZEBITS) - 1)

static void numbers(const struct node *node, const struct node *peer)
{
	static char argument[LARGEST_SIZE];
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, _IO('V', PRIVATE_NUMBER), argument), ENOTTY,
	       "an unknown number without an argument");
	expect(try_ioctl(fd, _IOR('V', PRIVATE_NUMBER, int), argument), ENOTTY, "reading an int");
	expect(try_ioctl(fd, _IOW('V', PRIVATE_NUMBER, int), argument), ENOTTY, "writing one");
	expect(try_ioctl(fd, _IOWR('V', PRIVATE_NUMBER, int), argument), ENOTTY, "both");
	expect(try_ioctl(fd, _IOWR('V', PRIVATE_NUMBER, argument), argument), ENOTTY,
	       "both, with the largest size there is");
	expect(try_ioctl(fd, _IOWR('V', BASE_VIDIOC_PRIVATE, int), argument), ENOTTY,
	       "the first private number");
	expect(try_ioctl(fd, _IOWR('V', UNUSED_NUMBER, int), argument), ENOTTY,
	       "the last number before it");
	/* 1 and 3 were never given to an ioctl of the second version. */
	expect(try_ioctl(fd, _IOWR('V', 1, int), argument), ENOTTY, "number 1");
	expect(try_ioctl(fd, _IOWR('V', 3, int), argument), ENOTTY, "number 3");
	expect(try_ioctl(fd, 0, argument), ENOTTY, "0");
	expect(try_ioctl(fd, UINT32_MAX, argument), ENOTTY, "0xffffffff");
}

/* What's written is read before the number is looked at. */
static void bad_pointers(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, _IO('V', PRIVATE_NUMBER), NULL), ENOTTY,
	       "an unknown number without an argument, pointer NULL");
	expect(try_ioctl(fd, _IOR('V', PRIVATE_NUMBER, int), NULL), ENOTTY, "reading an int");
	expect(try_ioctl(fd, _IOW('V', PRIVATE_NUMBER, int), NULL), EFAULT, "writing one");
	expect(try_ioctl(fd, _IOWR('V', PRIVATE_NUMBER, int), NULL), EFAULT, "both");
	expect(try_ioctl(fd, _IOC(_IOC_WRITE, 'V', PRIVATE_NUMBER, 0), NULL), ENOTTY,
	       "writing nothing");
	expect(try_ioctl(fd, _IOW('V', PRIVATE_NUMBER, int[2]), memory_end() - sizeof(int)), EFAULT,
	       "writing two ints of which one is accessible");
	expect(try_ioctl(fd, _IOW('V', PRIVATE_NUMBER, int), memory_end() - sizeof(int)), ENOTTY,
	       "writing that one");
}

static void other_devices(const struct node *node, const struct node *peer)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	struct v4l2_subdev_format subdev = { .which = V4L2_SUBDEV_FORMAT_TRY };
	struct media_device_info info = { 0 };
	struct termios termios;
	int fd = open_node(node, O_RDWR), number = 0;

	expect(try_ioctl(fd, TCGETS, &termios), ENOTTY, "TCGETS of a terminal");
	expect(try_ioctl(fd, FIONREAD, &number), ENOTTY, "FIONREAD of a pipe or socket");
	expect(try_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), ENOTTY, "DMA_BUF_IOCTL_SYNC");
	expect(try_ioctl(fd, DMA_BUF_IOCTL_SYNC, NULL), EFAULT, "with NULL");
	expect(try_ioctl(fd, MEDIA_IOC_DEVICE_INFO, &info), ENOTTY, "MEDIA_IOC_DEVICE_INFO");
	/* It has G_FMT's number and another size. */
	expect(try_ioctl(fd, VIDIOC_SUBDEV_G_FMT, &subdev), ENOTTY, "VIDIOC_SUBDEV_G_FMT");
	expect(try_ioctl(fd, _IO('x', 1), NULL), ENOTTY, "an ioctl of no kind");
	expect(try_ioctl(fd, _IOW('x', 1, int), NULL), EFAULT, "one that writes, with NULL");
}

/* ---- ioctls of V4L2 ---------------------------------------------------------------------- */

struct senseless {
	const char *name;
	unsigned long request;
	enum check_on on;
	bool typed;		/* the buffer type is its first field */
};

#define CALL(name, ...) { #name, VIDIOC_##name, __VA_ARGS__ }

/* The output ioctls of standards and audio are left out: vivid's output that is
 * nearest to ours (S-Video) has them. */
static const struct senseless senseless[] = {
	CALL(G_FBUF, ON_EACH, false),
	CALL(S_FBUF, ON_EACH, false),
	CALL(OVERLAY, ON_EACH, false),
	CALL(G_TUNER, ON_EACH, false),
	CALL(S_TUNER, ON_EACH, false),
	CALL(G_FREQUENCY, ON_EACH, false),
	CALL(S_FREQUENCY, ON_EACH, false),
	CALL(S_HW_FREQ_SEEK, ON_EACH, false),
	CALL(G_MODULATOR, ON_EACH, false),
	CALL(S_MODULATOR, ON_EACH, false),
	CALL(ENUMAUDIO, ON_EACH, false),
	CALL(G_AUDIO, ON_EACH, false),
	CALL(S_AUDIO, ON_EACH, false),
	CALL(ENUMAUDOUT, ON_CAPTURE, false),
	CALL(G_AUDOUT, ON_CAPTURE, false),
	CALL(S_AUDOUT, ON_CAPTURE, false),
	CALL(ENUMSTD, ON_CAPTURE, false),
	CALL(G_STD, ON_CAPTURE, false),
	CALL(S_STD, ON_CAPTURE, false),
	CALL(QUERYSTD, ON_EACH, false),
	CALL(ENUM_DV_TIMINGS, ON_EACH, false),
	CALL(G_DV_TIMINGS, ON_EACH, false),
	CALL(S_DV_TIMINGS, ON_EACH, false),
	CALL(QUERY_DV_TIMINGS, ON_EACH, false),
	CALL(DV_TIMINGS_CAP, ON_EACH, false),
	CALL(G_EDID, ON_EACH, false),
	CALL(S_EDID, ON_EACH, false),
	CALL(CROPCAP, ON_EACH, true),
	CALL(G_CROP, ON_EACH, true),
	CALL(S_CROP, ON_EACH, true),
	CALL(G_SELECTION, ON_EACH, true),
	CALL(S_SELECTION, ON_EACH, true),
	CALL(G_JPEGCOMP, ON_EACH, false),
	CALL(S_JPEGCOMP, ON_EACH, false),
	CALL(G_ENC_INDEX, ON_EACH, false),
	CALL(ENCODER_CMD, ON_EACH, false),
	CALL(TRY_ENCODER_CMD, ON_EACH, false),
	CALL(DECODER_CMD, ON_EACH, false),
	CALL(TRY_DECODER_CMD, ON_EACH, false),
	CALL(G_SLICED_VBI_CAP, ON_EACH, false),
	CALL(ENUMOUTPUT, ON_CAPTURE, false),
	CALL(G_OUTPUT, ON_CAPTURE, false),
	CALL(S_OUTPUT, ON_CAPTURE, false),
	CALL(ENUMINPUT, ON_OUTPUT, false),
	CALL(G_INPUT, ON_OUTPUT, false),
	CALL(S_INPUT, ON_OUTPUT, false),
	CALL(S_PARM, ON_OUTPUT, true),
};

static bool is_on(const struct senseless *call, const struct node *node)
{
	return call->on & (node->output ? ON_OUTPUT : ON_CAPTURE);
}

static void no_sense(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	char argument[ARGUMENT_MAX];
	size_t i;

	for (i = 0; i < sizeof(senseless) / sizeof(senseless[0]); i++) {
		if (!is_on(&senseless[i], node))
			continue;
		memset(argument, 0, sizeof(argument));
		if (senseless[i].typed)
			memcpy(argument, &node->type, sizeof(node->type));
		expect(try_ioctl(fd, senseless[i].request, argument), ENOTTY, "%s", senseless[i].name);
	}
}

static void no_sense_pointer(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	size_t i;

	for (i = 0; i < sizeof(senseless) / sizeof(senseless[0]); i++)
		if (is_on(&senseless[i], node))
			expect(try_ioctl(fd, senseless[i].request, NULL),
			       _IOC_DIR(senseless[i].request) & _IOC_WRITE ? EFAULT : ENOTTY,
			       "%s%s", senseless[i].name, i ? "" : " with NULL");
}

/* A display shows frames of any size its format may have, at its own rate. */
static void frame_sizes(const struct node *node, const struct node *peer)
{
	struct v4l2_frmsizeenum size = { .pixel_format = node->format.fmt.pix.pixelformat };
	struct v4l2_frmivalenum interval = {
		.pixel_format = node->format.fmt.pix.pixelformat,
		.width = node->format.fmt.pix.width, .height = node->format.fmt.pix.height,
	};
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size), ENOTTY, "ENUM_FRAMESIZES");
	expect(try_ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval), ENOTTY, "ENUM_FRAMEINTERVALS");
}

static const struct check checks[] = {
	{ "unknown-numbers", ON_EACH, numbers },
	{ "unknown-pointer", ON_EACH, bad_pointers },
	{ "unknown-other-devices", ON_EACH, other_devices },
	{ "unknown-no-sense", ON_EACH, no_sense },
	{ "unknown-no-sense-pointer", ON_EACH, no_sense_pointer },
	{ "unknown-frame-sizes", ON_OUTPUT, frame_sizes },
	{ 0 }
};

const struct group errors_unknown = { "unknown", checks };
