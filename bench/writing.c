/*
 * Gives v4l2loopback one and the same frame, again and again, until it is ended: a writer whose
 * generator is off.
 *
 *   writing write|mmap NODE WIDTHxHEIGHT FPS
 *
 * write: by write(2), as most writers do: the driver copies the frame. mmap: the picture lies in all the
 * buffers already, which are queued as they are. FPS 0 is as fast as it goes. Prints "up" when the
 * first frame is out.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "measure.h"
#include "node.h"

#define GREY 0x80

/* Waits for the time of the next frame. */
static void pace(unsigned fps)
{
	static struct timespec next;

	if (!fps)
		return;
	if (!next.tv_sec)
		need(clock_gettime(CLOCK_MONOTONIC, &next), "clock_gettime");
	next.tv_nsec += 1000000000 / fps;
	next.tv_sec += next.tv_nsec / 1000000000;
	next.tv_nsec %= 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
}

static void out(unsigned frame)
{
	if (frame == 0) {
		puts("up");
		fflush(stdout);
	}
}

static void by_write(int node, size_t length, unsigned fps)
{
	char *picture = malloc(length);

	memset(picture, GREY, length);
	for (unsigned frame = 0;; frame++) {
		pace(fps);
		if (write(node, picture, length) != (ssize_t)length)
			fail("write");
		out(frame);
	}
}

static void by_mmap(int node, size_t length, unsigned fps)
{
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_MMAP };
	int type = b.type;

	allocate(node, type, b.memory);
	for (unsigned i = 0; i < BUFFERS; i++) {
		b.index = i;
		need(ioctl(node, VIDIOC_QUERYBUF, &b), "VIDIOC_QUERYBUF");
		memset(map(node, b.length, b.m.offset), GREY, length);
	}
	need(ioctl(node, VIDIOC_STREAMON, &type), "VIDIOC_STREAMON");
	for (unsigned frame = 0;; frame++) {
		pace(fps);
		if (frame < BUFFERS)
			b.index = frame;
		else
			need(ioctl(node, VIDIOC_DQBUF, &b), "VIDIOC_DQBUF");
		b.bytesused = length;
		b.field = V4L2_FIELD_NONE;
		need(ioctl(node, VIDIOC_QBUF, &b), "VIDIOC_QBUF");
		out(frame);
	}
}

int main(int argc, char **argv)
{
	unsigned width, height;
	struct v4l2_pix_format format;
	int node;

	if (argc != 5 || sscanf(argv[3], "%ux%u", &width, &height) != 2) {
		fprintf(stderr, "usage: writing write|mmap NODE WIDTHxHEIGHT FPS\n");
		return 2;
	}
	need(node = open(argv[2], O_RDWR | O_CLOEXEC), argv[2]);
	format = set_format(node, V4L2_BUF_TYPE_VIDEO_OUTPUT, width, height);
	if (strcmp(argv[1], "mmap"))
		by_write(node, format.sizeimage, atoi(argv[4]));
	else
		by_mmap(node, format.sizeimage, atoi(argv[4]));
	return 0;
}
