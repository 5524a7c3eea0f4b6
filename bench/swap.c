/*
 * How long a first VIDIOC_REQBUFS of buffers that can be mapped takes, on a file that was just opened.
 *
 *   swap NAME NODE COUNT [unmapped]
 *
 * On a node of ours that call swaps the caller's descriptor for one that can be mapped. unmapped: the
 * program has said that it maps nothing (include/shrbuf.h), and keeps the descriptor it has. Prints
 * "NAME MEDIAN P99" in ns of COUNT calls.
 */
#include <unistd.h>

#include "../include/shrbuf.h"
#include "measure.h"
#include "node.h"

#define SECONDS 120		/* for all of it, then SIGALRM ends it */

static uint64_t first_reqbufs(const char *path, int unmapped)
{
	int node = open(path, O_RDWR | O_CLOEXEC);
	uint64_t start, took;

	need(node, path);
	if (unmapped)
		need(shrbuf_will_not_map(node), "SHRBUF_IOC_UNMAPPED");
	/* Small pictures: it is not the memory that is measured. And a call that waits until the file before
	   this one, whose close may still be under way, has let go of the queue. */
	set_format(node, V4L2_BUF_TYPE_VIDEO_CAPTURE, 640, 480);
	start = now(CLOCK_MONOTONIC);
	allocate(node, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP);
	took = now(CLOCK_MONOTONIC) - start;
	need(close(node), "close");
	return took;
}

int main(int argc, char **argv)
{
	unsigned count = argc >= 4 ? strtoul(argv[3], NULL, 10) : 0;
	int unmapped = argc == 5 && !strcmp(argv[4], "unmapped");
	uint64_t *times;

	if (!count || (argc != 4 && !unmapped)) {
		fprintf(stderr, "usage: swap NAME NODE COUNT [unmapped]\n");
		return 2;
	}
	alarm(SECONDS);
	times = calloc(count, sizeof(*times));
	for (unsigned i = 0; i < count; i++)
		times[i] = first_reqbufs(argv[2], unmapped);
	report(argv[1], times, count);
	return 0;
}
