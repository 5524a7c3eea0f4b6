/*
 * Hands frames from a camera to a display without copying them: two processes, V4L2 and nothing else.
 *
 *   handover display NODE SOCKET LOG              waits on SOCKET for a camera, shows what it sends
 *   handover camera NODE SOCKET LOG FRAMES WIDTHxHEIGHT
 *
 * The camera process exports its buffers (VIDIOC_EXPBUF) and passes the descriptors to the display
 * process (SCM_RIGHTS), which queues them on its own node (V4L2_MEMORY_DMABUF). Each process writes
 * a line "frame SEQUENCE CHECKSUM" to its LOG for every frame, computed through its own mapping: the
 * camera when it has the frame, the display before it queues it; a frame that has another sum when it
 * comes back from the display is an error. When FRAMES have crossed and the last of them is what the
 * display shows, the camera process draws a mark into that buffer, by its own mapping, prints
 * "marked", and waits to be killed; the display process says on standard output when the camera is
 * gone, and waits for a line on standard input before it lets go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/videodev2.h>

#define BUFFERS 4
#define WAIT_MS 60000	/* for a frame or the other process, on a slow machine */
/* The mark: a square of the brightest white, in pixels. */
#define MARK_X 64
#define MARK_Y 64
#define MARK_SIZE 96

enum { OFFER, FRAME, QUEUED, BACK };	/* kinds of messages between the two */

struct message {
	uint32_t kind, index, sequence;
	struct v4l2_pix_format format;	/* OFFER */
};

static void fail(const char *what, ...)
{
	va_list list;
	int error = errno;

	va_start(list, what);
	fprintf(stderr, "handover: ");
	vfprintf(stderr, what, list);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(list);
	exit(1);
}

static void need_ioctl(int fd, unsigned long request, void *arg, const char *name)
{
	int answer;

	do
		answer = ioctl(fd, request, arg);
	while (answer == -1 && errno == EINTR);
	if (answer == -1)
		fail("%s", name);
}

/* FNV-1a over 64-bit words: a difference of one byte shows. */
static uint64_t checksum(const void *frame, size_t length)
{
	const uint64_t *words = frame;
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length / sizeof(*words); i++)
		sum = (sum ^ words[i]) * 0x100000001b3u;
	return sum;
}

static uint64_t log_frame(FILE *log, uint32_t sequence, const void *frame, size_t length)
{
	uint64_t sum = checksum(frame, length);

	fprintf(log, "frame %u %016llx\n", sequence, (unsigned long long)sum);
	fflush(log);
	return sum;
}

/* ---- messages ------------------------------------------------------------------------------- */

static void send_message(int sock, const struct message *m, int fd)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct iovec part = { (void *)m, sizeof(*m) };
	struct msghdr all = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		all.msg_control = control.room;
		all.msg_controllen = sizeof(control.room);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &all, MSG_NOSIGNAL) != sizeof(*m))
		fail("send to the other process");
}

/* 0 at the other's end. *fd is -1 where none came. */
static int receive_message(int sock, struct message *m, int *fd)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct iovec part = { m, sizeof(*m) };
	struct msghdr all = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control.room, .msg_controllen = sizeof(control.room) };
	ssize_t got = recvmsg(sock, &all, MSG_CMSG_CLOEXEC);

	if (fd)
		*fd = -1;
	if (got == 0 || (got == -1 && errno == ECONNRESET))
		return 0;
	if (got != sizeof(*m))
		fail("receive from the other process");
	if (fd && all.msg_controllen >= sizeof(struct cmsghdr))
		memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	return 1;
}

static int connection(const char *path, int listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), peer;

	if (sock == -1 || strlen(path) >= sizeof(address.sun_path))
		fail("make the socket %s", path);
	strcpy(address.sun_path, path);
	if (!listening) {
		if (connect(sock, (void *)&address, sizeof(address)))
			fail("connect to %s", path);
		return sock;
	}
	if (bind(sock, (void *)&address, sizeof(address)) || listen(sock, 1))
		fail("listen at %s", path);
	puts("listening");
	fflush(stdout);
	peer = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
	if (peer == -1)
		fail("accept a camera");
	close(sock);
	return peer;
}

/* ---- the camera ------------------------------------------------------------------------------- */

static void queue_capture(int node, uint32_t index)
{
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP, .index = index };

	need_ioctl(node, VIDIOC_QBUF, &b, "VIDIOC_QBUF on the camera");
}

static void mark(uint8_t *frame, const struct v4l2_pix_format *format)
{
	for (unsigned y = MARK_Y; y < MARK_Y + MARK_SIZE; y++)
		for (unsigned x = MARK_X; x < MARK_X + MARK_SIZE; x++) {
			uint8_t *pixel = frame + y * format->bytesperline + 2 * x;

			pixel[0] = 235;	/* luma: white */
			pixel[1] = 128;	/* chroma: none */
		}
}

static void camera(const char *path, int sock, FILE *log, unsigned frames, unsigned width, unsigned height)
{
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	struct v4l2_requestbuffers request = { .count = BUFFERS, .type = format.type, .memory = V4L2_MEMORY_MMAP };
	struct message m = { .kind = OFFER };
	uint8_t *memory[VIDEO_MAX_FRAME];
	int node = open(path, O_RDWR | O_CLOEXEC), type = format.type;
	unsigned sent = 0, last = 0, away = 0, shown = 0;

	if (node == -1)
		fail("open %s", path);
	format.fmt.pix.width = width;
	format.fmt.pix.height = height;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
	need_ioctl(node, VIDIOC_S_FMT, &format, "VIDIOC_S_FMT on the camera");
	if (format.fmt.pix.width != width || format.fmt.pix.height != height || format.fmt.pix.pixelformat != V4L2_PIX_FMT_YUYV) {
		fprintf(stderr, "handover: the camera has no YUYV at %ux%u\n", width, height);
		exit(1);
	}
	need_ioctl(node, VIDIOC_REQBUFS, &request, "VIDIOC_REQBUFS on the camera");
	m.format = format.fmt.pix;
	for (uint32_t i = 0; i < request.count; i++) {
		struct v4l2_exportbuffer export = { .type = format.type, .index = i, .flags = O_RDWR | O_CLOEXEC };

		need_ioctl(node, VIDIOC_EXPBUF, &export, "VIDIOC_EXPBUF");
		memory[i] = mmap(NULL, format.fmt.pix.sizeimage, PROT_READ | PROT_WRITE, MAP_SHARED, export.fd, 0);
		if (memory[i] == MAP_FAILED)
			fail("map the exported descriptor");
		m.index = i;
		m.sequence = request.count;
		send_message(sock, &m, export.fd);
		close(export.fd);
		queue_capture(node, i);
	}
	need_ioctl(node, VIDIOC_STREAMON, &type, "VIDIOC_STREAMON on the camera");

	for (;;) {
		struct pollfd wait[2] = { { .fd = node, .events = POLLIN }, { .fd = sock, .events = POLLIN } };

		/* When all have crossed, only the display's word counts. */
		if (poll(sent == frames ? wait + 1 : wait, sent == frames ? 1 : 2, WAIT_MS) <= 0)
			fail("wait for a frame or the display");
		if (wait[0].revents & (POLLERR | POLLHUP) && away < request.count) {
			fprintf(stderr, "handover: the camera node is gone\n");
			exit(1);
		}
		if (sent < frames && wait[0].revents & POLLIN) {
			struct v4l2_buffer b = { .type = format.type, .memory = V4L2_MEMORY_MMAP };

			need_ioctl(node, VIDIOC_DQBUF, &b, "VIDIOC_DQBUF on the camera");
			log_frame(log, b.sequence, memory[b.index], format.fmt.pix.sizeimage);
			m.kind = FRAME;
			m.index = last = b.index;
			m.sequence = b.sequence;
			sent++;
			away++;
			send_message(sock, &m, -1);
		}
		if (wait[1].revents & (POLLIN | POLLHUP)) {
			if (!receive_message(sock, &m, NULL)) {
				fprintf(stderr, "handover: the display is gone\n");
				exit(1);
			}
			if (m.kind == BACK) {
				away--;
				if (sent < frames)
					queue_capture(node, m.index);
			}
			shown |= m.kind == QUEUED && sent == frames && m.index == last;
		}
		/* A display keeps its last frame until another follows, and gives back those before it. */
		if (shown && away == 1) {
			mark(memory[last], &format.fmt.pix);
			puts("marked");
			fflush(stdout);
			for (;;)
				pause();
		}
	}
}

/* ---- the display ------------------------------------------------------------------------------- */

static void display(const char *path, int sock, FILE *log)
{
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT };
	struct v4l2_requestbuffers request = { .type = format.type, .memory = V4L2_MEMORY_DMABUF };
	struct message m;
	int node = open(path, O_RDWR | O_CLOEXEC), type = format.type, streaming = 0, there = 1;
	int fds[VIDEO_MAX_FRAME];
	void *memory[VIDEO_MAX_FRAME];
	uint64_t sums[VIDEO_MAX_FRAME];

	if (node == -1)
		fail("open %s", path);
	for (;;) {
		struct pollfd wait[3] = { { .fd = there ? sock : -1, .events = POLLIN },
			{ .fd = streaming ? node : -1, .events = POLLOUT }, { .fd = 0, .events = POLLIN } };
		int fd;

		if (poll(wait, there ? 2 : 3, WAIT_MS) <= 0)
			fail("wait for the camera or the display");
		if (!there && wait[2].revents) {
			char line[16];

			if (read(0, line, sizeof(line)) == -1)
				fail("read standard input");
			return;	/* told to let go */
		}
		if (wait[1].revents & (POLLERR | POLLHUP)) {
			fprintf(stderr, "handover: the display node is gone\n");
			exit(1);
		}
		if (wait[1].revents & POLLOUT) {
			struct v4l2_buffer b = { .type = format.type, .memory = V4L2_MEMORY_DMABUF };

			need_ioctl(node, VIDIOC_DQBUF, &b, "VIDIOC_DQBUF on the display");
			if (b.index >= VIDEO_MAX_FRAME || checksum(memory[b.index], format.fmt.pix.sizeimage) != sums[b.index]) {
				fprintf(stderr, "handover: a frame has changed while it was on the display\n");
				exit(1);
			}
			m = (struct message){ .kind = BACK, .index = b.index };
			if (there)
				send_message(sock, &m, -1);
		}
		if (!(wait[0].revents & (POLLIN | POLLHUP)))
			continue;
		if (!receive_message(sock, &m, &fd)) {
			there = 0;
			puts("the camera is gone");
			fflush(stdout);
			continue;
		}
		if (m.kind == OFFER) {
			if (!request.count) {
				format.fmt.pix = m.format;
				need_ioctl(node, VIDIOC_S_FMT, &format, "VIDIOC_S_FMT on the display");
				request.count = m.sequence;
				need_ioctl(node, VIDIOC_REQBUFS, &request, "VIDIOC_REQBUFS on the display");
			}
			if (fd == -1 || m.index >= VIDEO_MAX_FRAME) {
				errno = EPROTO;
				fail("take a descriptor");
			}
			fds[m.index] = fd;
			memory[m.index] = mmap(NULL, format.fmt.pix.sizeimage, PROT_READ, MAP_SHARED, fd, 0);
			if (memory[m.index] == MAP_FAILED)
				fail("map the received descriptor");
		} else if (m.kind == FRAME) {
			struct v4l2_buffer b = { .type = format.type, .memory = V4L2_MEMORY_DMABUF, .index = m.index,
				.m.fd = fds[m.index], .length = format.fmt.pix.sizeimage,
				.bytesused = format.fmt.pix.sizeimage, .field = V4L2_FIELD_NONE };

			sums[m.index] = log_frame(log, m.sequence, memory[m.index], format.fmt.pix.sizeimage);
			need_ioctl(node, VIDIOC_QBUF, &b, "VIDIOC_QBUF on the display");
			if (!streaming)
				need_ioctl(node, VIDIOC_STREAMON, &type, "VIDIOC_STREAMON on the display");
			streaming = 1;
			m.kind = QUEUED;
			send_message(sock, &m, -1);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned width = 0, height = 0;
	FILE *log;

	if (argc == 5 && !strcmp(argv[1], "display")) {
		if (!(log = fopen(argv[4], "w")))
			fail("write %s", argv[4]);
		display(argv[2], connection(argv[3], 1), log);
		return 0;
	}
	if (argc == 7 && !strcmp(argv[1], "camera") && sscanf(argv[6], "%ux%u", &width, &height) == 2) {
		if (!(log = fopen(argv[4], "w")))
			fail("write %s", argv[4]);
		camera(argv[2], connection(argv[3], 0), log, strtoul(argv[5], NULL, 10), width, height);
	}
	fprintf(stderr, "usage: handover display NODE SOCKET LOG\n"
		"       handover camera NODE SOCKET LOG FRAMES WIDTHxHEIGHT\n");
	return 2;
}
