/*
 * Brings frames from a camera process to a display process, for somebody who measures what that costs.
 *
 *   crossing pass|copy CAMERA DISPLAY DAEMON WIDTHxHEIGHT FPS BATCHES FRAMES
 *
 * DAEMON is the process behind the nodes, whose processor time the marks name.
 * pass: the camera's exported buffers are queued on the display. copy: the display process copies
 * each frame into a buffer of the display's own. Prints "mark" when it is under way and after each
 * of BATCHES times FRAMES, and then "skipped N", the frames that the camera dropped meanwhile.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "node.h"

#define WARM_UP 10		/* frames before the first batch */
#define SECONDS 60		/* for all of it, then SIGALRM ends it */

/* A word to the other process, with a descriptor where fd is not -1. */
static void tell(int sock, uint32_t word, int fd)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct iovec part = { &word, sizeof(word) };
	struct msghdr all = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd != -1) {
		all.msg_control = control.room;
		all.msg_controllen = sizeof(control.room);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	need(sendmsg(sock, &all, MSG_NOSIGNAL), "sendmsg");
}

static uint32_t hear(int sock, int *fd)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	uint32_t word;
	struct iovec part = { &word, sizeof(word) };
	struct msghdr all = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t got;

	if (fd) {
		all.msg_control = control.room;
		all.msg_controllen = sizeof(control.room);
	}
	got = recvmsg(sock, &all, MSG_CMSG_CLOEXEC);
	if (got != sizeof(word)) {
		if (got >= 0)
			errno = EPIPE;
		fail("hear from the other process");
	}
	if (fd)
		memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	return word;
}

/* Takes frames until the other end of the socket is closed. */
static void display(const char *path, int sock, int copy, unsigned width, unsigned height)
{
	int node = open(path, O_RDWR | O_CLOEXEC), type = V4L2_BUF_TYPE_VIDEO_OUTPUT, streaming = 0;
	int memory = copy ? V4L2_MEMORY_MMAP : V4L2_MEMORY_DMABUF;
	void *from[BUFFERS], *to[BUFFERS];
	struct v4l2_pix_format format;
	int fds[BUFFERS];
	unsigned free_slot = 0;

	need(node, path);
	format = set_format(node, type, width, height);
	allocate(node, type, memory);
	for (unsigned i = 0; i < BUFFERS; i++) {
		hear(sock, &fds[i]);
		if (copy) {
			from[i] = map(fds[i], format.sizeimage, 0);
			to[i] = map(export(node, type, i), format.sizeimage, 0);
		}
	}
	for (uint32_t index;;) {
		struct v4l2_buffer b = { .type = type, .memory = memory, .field = V4L2_FIELD_NONE,
			.bytesused = format.sizeimage, .length = format.sizeimage };

		if (recv(sock, &index, sizeof(index), 0) != sizeof(index))
			return;
		if (copy) {
			memcpy(to[free_slot], from[index], format.sizeimage);
			b.index = free_slot;
			free_slot = (free_slot + 1) % BUFFERS;
			/* The camera's buffer is free at once. */
			tell(sock, index, -1);
		} else {
			b.index = index;
			b.m.fd = fds[index];
		}
		need(ioctl(node, VIDIOC_QBUF, &b), "VIDIOC_QBUF on the display");
		if (!streaming) {
			/* It keeps the last frame: the first comes back for the second. */
			need(ioctl(node, VIDIOC_STREAMON, &type), "VIDIOC_STREAMON on the display");
			streaming = 1;
			continue;
		}
		need(ioctl(node, VIDIOC_DQBUF, &b), "VIDIOC_DQBUF on the display");
		if (!copy)
			tell(sock, b.index, -1);
	}
}

/* What the camera process is told. */
struct wanted {
	const char *path;
	pid_t daemon, display;
	int copy;
	unsigned width, height, fps, batches, frames;
};

static void camera(const struct wanted *w, int sock)
{
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	int node = open(w->path, O_RDWR | O_CLOEXEC), type = b.type;
	unsigned skipped = 0, last = WARM_UP + w->batches * w->frames;
	uint32_t next = 0;

	need(node, w->path);
	set_format(node, type, w->width, w->height);
	set_pace(node, w->fps);
	allocate(node, type, b.memory);
	for (unsigned i = 0; i < BUFFERS; i++) {
		int fd = export(node, type, i);

		tell(sock, i, fd);
		need(close(fd), "close");
		b.index = i;
		need(ioctl(node, VIDIOC_QBUF, &b), "VIDIOC_QBUF on the camera");
	}
	need(ioctl(node, VIDIOC_STREAMON, &type), "VIDIOC_STREAMON on the camera");
	/* Half a second more: whoever measures is to find both processes at the last mark. */
	for (unsigned frame = 0; frame <= last + w->fps / 2; frame++) {
		if (frame >= WARM_UP && frame <= last && (frame - WARM_UP) % w->frames == 0)
			mark(w->daemon, w->display);
		need(ioctl(node, VIDIOC_DQBUF, &b), "VIDIOC_DQBUF on the camera");
		if (frame > WARM_UP)
			skipped += b.sequence - next;
		next = b.sequence + 1;
		tell(sock, b.index, -1);
		if (frame > 0 || w->copy) {
			b.index = hear(sock, NULL);
			need(ioctl(node, VIDIOC_QBUF, &b), "VIDIOC_QBUF on the camera");
		}
	}
	printf("skipped %u\n", skipped);
}

int main(int argc, char **argv)
{
	struct wanted w = { 0 };
	int pair[2], status;

	if (argc != 9 || sscanf(argv[5], "%ux%u", &w.width, &w.height) != 2 || !(w.fps = atoi(argv[6])) ||
	    !(w.batches = atoi(argv[7])) || !(w.frames = atoi(argv[8]))) {
		fprintf(stderr, "usage: crossing pass|copy CAMERA DISPLAY DAEMON WIDTHxHEIGHT FPS BATCHES FRAMES\n");
		return 2;
	}
	w.copy = !strcmp(argv[1], "copy");
	w.path = argv[2];
	w.daemon = atoi(argv[4]);
	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	need(w.display = fork(), "fork");
	alarm(SECONDS);
	if (!w.display) {
		close(pair[0]);
		display(argv[3], pair[1], w.copy, w.width, w.height);
		return 0;
	}
	close(pair[1]);
	camera(&w, pair[0]);
	close(pair[0]);
	need(waitpid(w.display, &status, 0), "waitpid");
	return status != 0;
}
