/*
 * Holds what it gets until its standard input ends. Needs a helper twice: its descriptor becomes one that can be mapped, and it is given an export. A line
 * for each call: what came of it.
 *
 *   exporter NODE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static int failed;

static void say(const char *what, int answer)
{
	printf("%s: %s\n", what, answer >= 0 ? "done" : strerrorname_np(errno));
	failed |= answer < 0;
}

int main(int argc, char **argv)
{
	struct v4l2_requestbuffers request = {
		.count = 2, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	struct v4l2_exportbuffer export = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .flags = O_CLOEXEC };
	int node = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

	printf("filter: %s\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 ? "yes" : "no");
	say("open", node);
	say("REQBUFS", ioctl(node, VIDIOC_REQBUFS, &request));
	say("QUERYBUF", ioctl(node, VIDIOC_QUERYBUF, &buffer));
	say("mmap", mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, node, buffer.m.offset) == MAP_FAILED ? -1 : 0);
	say("EXPBUF", ioctl(node, VIDIOC_EXPBUF, &export));
	say("mmap of the export", mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, export.fd, 0) == MAP_FAILED ? -1 : 0);
	fflush(stdout);
	while (read(0, &export, 1) > 0)
		;
	return failed;
}
