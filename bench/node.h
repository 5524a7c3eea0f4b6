/* What the programs that stream share: a node's format, buffers and mappings. */
#ifndef NODE_H
#define NODE_H

#include <fcntl.h>
#include <sys/mman.h>
#include <linux/videodev2.h>

#include "measure.h"

#define BUFFERS 4

static inline struct v4l2_pix_format set_format(int node, int type, unsigned width, unsigned height)
{
	struct v4l2_format format = { .type = type };

	format.fmt.pix.width = width;
	format.fmt.pix.height = height;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
	need(ioctl(node, VIDIOC_S_FMT, &format), "VIDIOC_S_FMT");
	if (format.fmt.pix.width != width || format.fmt.pix.height != height) {
		fprintf(stderr, "bench: the node has no %ux%u\n", width, height);
		exit(1);
	}
	return format.fmt.pix;
}

static inline unsigned allocate(int node, int type, int memory)
{
	struct v4l2_requestbuffers request = { .count = BUFFERS, .type = type, .memory = memory };

	need(ioctl(node, VIDIOC_REQBUFS, &request), "VIDIOC_REQBUFS");
	if (request.count != BUFFERS) {
		fprintf(stderr, "bench: %u buffers instead of %u\n", request.count, BUFFERS);
		exit(1);
	}
	return request.count;
}

static inline int export(int node, int type, unsigned index)
{
	struct v4l2_exportbuffer export = { .type = type, .index = index, .flags = O_RDWR | O_CLOEXEC };

	need(ioctl(node, VIDIOC_EXPBUF, &export), "VIDIOC_EXPBUF");
	return export.fd;
}

static inline void *map(int fd, size_t length, off_t offset)
{
	void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (memory == MAP_FAILED)
		fail("mmap");
	return memory;
}

/* Frames a second that a node is to give. */
static inline void set_pace(int node, unsigned fps)
{
	struct v4l2_streamparm parm = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	parm.parm.capture.timeperframe = (struct v4l2_fract) { 1, fps };
	need(ioctl(node, VIDIOC_S_PARM, &parm), "VIDIOC_S_PARM");
}

#endif
