/*
 * Takes frames from a node by mmap, and gives each buffer back without a look at its pixels, for
 * somebody who measures what that costs.
 *
 *   reading NODE SOURCE WIDTHxHEIGHT FPS BATCHES FRAMES
 *
 * SOURCE is the process that the frames come from: the daemon, or the writer of v4l2loopback. Prints
 * marks and "skipped N" as bench/crossing.c does; the third figure of a mark is 0.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "measure.h"
#include "node.h"

#define WARM_UP 10		/* frames before the first batch */
#define SECONDS 60		/* for all of it, then SIGALRM ends it */

int main(int argc, char **argv)
{
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	unsigned width, height, fps, batches, frames, last, skipped = 0;
	int node, type = b.type;
	uint32_t next = 0;

	if (argc != 7 || sscanf(argv[3], "%ux%u", &width, &height) != 2 || !(fps = atoi(argv[4])) ||
	    !(batches = atoi(argv[5])) || !(frames = atoi(argv[6]))) {
		fprintf(stderr, "usage: reading NODE SOURCE WIDTHxHEIGHT FPS BATCHES FRAMES\n");
		return 2;
	}
	alarm(SECONDS);
	need(node = open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);
	set_format(node, type, width, height);
	set_pace(node, fps);
	allocate(node, type, b.memory);
	for (b.index = 0; b.index < BUFFERS; b.index++) {
		need(ioctl(node, VIDIOC_QUERYBUF, &b), "VIDIOC_QUERYBUF");
		map(node, b.length, b.m.offset);
		need(ioctl(node, VIDIOC_QBUF, &b), "VIDIOC_QBUF");
	}
	need(ioctl(node, VIDIOC_STREAMON, &type), "VIDIOC_STREAMON");
	last = WARM_UP + batches * frames;
	for (unsigned frame = 0; frame <= last; frame++) {
		if (frame >= WARM_UP && (frame - WARM_UP) % frames == 0)
			mark(atoi(argv[2]), 0);
		need(ioctl(node, VIDIOC_DQBUF, &b), "VIDIOC_DQBUF");
		if (frame > WARM_UP)
			skipped += b.sequence - next;
		next = b.sequence + 1;
		need(ioctl(node, VIDIOC_QBUF, &b), "VIDIOC_QBUF");
	}
	printf("skipped %u\n", skipped);
	return 0;
}
