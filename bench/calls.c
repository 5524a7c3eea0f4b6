/*
 * How long single calls take.
 *
 *   calls CAMERA MEMO COUNT
 *
 * MEMO is the device of crates/cuse-rs/examples/memo.rs: the wire and nothing behind it. The two are
 * asked in turns, so that what else the machine does falls on both. Prints "NAME MEDIAN P99" in ns:
 * querycap, memo, expbuf-first (a buffer's first export, and its close), expbuf-again. Then makes
 * batches of COUNT QUERYCAPs for somebody who measures what they cost, with "mark" before, between
 * and after them.
 */
#include <fcntl.h>
#include <unistd.h>
#include <linux/videodev2.h>

#include "measure.h"

#define MEMO_LENGTH _IOR('m', 1, uint32_t)
#define BUFFERS 32		/* the most that a queue has */
#define BATCHES 5
#define FIRST_ROUNDS 4		/* times that they are allocated anew */

static uint64_t expbuf(int node, unsigned index)
{
	struct v4l2_exportbuffer export = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .index = index, .flags = O_RDWR | O_CLOEXEC };
	uint64_t start = now(CLOCK_MONOTONIC);

	need(ioctl(node, VIDIOC_EXPBUF, &export), "VIDIOC_EXPBUF");
	need(close(export.fd), "close");
	return now(CLOCK_MONOTONIC) - start;
}

static void exports(int node, unsigned count)
{
	struct v4l2_requestbuffers request = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	uint64_t first[FIRST_ROUNDS * BUFFERS], *again = calloc(count, sizeof(*again));
	unsigned got = 0;

	for (unsigned round = 0; round < FIRST_ROUNDS; round++) {
		request.count = BUFFERS;
		need(ioctl(node, VIDIOC_REQBUFS, &request), "VIDIOC_REQBUFS");
		for (unsigned i = 0; i < request.count && i < BUFFERS; i++)
			first[got++] = expbuf(node, i);
	}
	for (unsigned i = 0; i < count; i++)
		again[i] = expbuf(node, i % request.count);
	report("expbuf-first", first, got);
	report("expbuf-again", again, count);
}

int main(int argc, char **argv)
{
	unsigned count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	struct v4l2_capability capability;
	uint64_t *node_times, *memo_times;
	uint32_t length;
	int node, memo;

	if (!count) {
		fprintf(stderr, "usage: calls CAMERA MEMO COUNT\n");
		return 2;
	}
	need(node = open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);
	need(memo = open(argv[2], O_RDWR | O_CLOEXEC), argv[2]);
	node_times = calloc(count, sizeof(*node_times));
	memo_times = calloc(count, sizeof(*memo_times));
	for (unsigned i = 0; i < count; i++) {
		uint64_t start = now(CLOCK_MONOTONIC), between, end;

		need(ioctl(node, VIDIOC_QUERYCAP, &capability), "VIDIOC_QUERYCAP");
		between = now(CLOCK_MONOTONIC);
		need(ioctl(memo, MEMO_LENGTH, &length), "memo's ioctl");
		end = now(CLOCK_MONOTONIC);
		node_times[i] = between - start;
		memo_times[i] = end - between;
	}
	report("querycap", node_times, count);
	report("memo", memo_times, count);

	/* Small pictures: it is the export that is measured, not the memory. */
	format.fmt.pix.width = 640;
	format.fmt.pix.height = 480;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
	need(ioctl(node, VIDIOC_S_FMT, &format), "VIDIOC_S_FMT");
	exports(node, count / 4 + 1);

	for (unsigned batch = 0;; batch++) {
		puts("mark");
		fflush(stdout);
		if (batch == BATCHES)
			return 0;
		for (unsigned i = 0; i < count; i++)
			need(ioctl(node, VIDIOC_QUERYCAP, &capability), "VIDIOC_QUERYCAP");
	}
}
