/*
 * What an export is good for, by what it is.
 *
 *	rows CAMERA DISPLAY OTHER
 *	rows CAMERA		says "holding", and holds an export and a mapping until its input ends
 *
 * CAMERA exports, DISPLAY is of the same daemon, OTHER is an output node of another driver. One line
 * "ROW ANSWER" for each thing that was tried; an answer is the name of an errno, a number, or a word.
 * What must be so whatever an export is ends the program where it isn't, with "FAIL".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BUFFERS = 4,
	SOON_MS = 30000,	/* under emulation on a busy machine */
	CAPTURE = V4L2_BUF_TYPE_VIDEO_CAPTURE,
	OUTPUT = V4L2_BUF_TYPE_VIDEO_OUTPUT,
};

static int camera, type = CAPTURE;
/* Of a frame, and of the pages that it lies in. */
static size_t length, rounded;

static void need(int so, const char *what)
{
	if (so)
		return;
	printf("FAIL %s (errno %s)\n", what, strerrorname_np(errno));
	exit(1);
}

static void row(const char *name, const char *answer)
{
	printf("%s %s\n", name, answer);
}

/* What a call came to. */
static void result(const char *name, long value)
{
	row(name, value >= 0 ? "works" : strerrorname_np(errno));
}

static void call(int fd, unsigned long request, void *arg, const char *name)
{
	need(!ioctl(fd, request, arg), name);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static int export(int index, int flags)
{
	struct v4l2_exportbuffer e = { .type = CAPTURE, .index = index, .flags = flags | O_CLOEXEC };

	call(camera, VIDIOC_EXPBUF, &e, "EXPBUF");
	return e.fd;
}

static struct v4l2_buffer queried(int index)
{
	struct v4l2_buffer b = { .type = CAPTURE, .memory = V4L2_MEMORY_MMAP, .index = index };

	call(camera, VIDIOC_QUERYBUF, &b, "QUERYBUF");
	return b;
}

static int held(int index)
{
	return !!(queried(index).flags & V4L2_BUF_FLAG_MAPPED);
}

/* The helper that gave a descriptor may have its own for a moment. */
static void free_soon(int index, const char *what)
{
	uint64_t end = now_ms() + SOON_MS;

	while (held(index))
		need(now_ms() < end, what);
}

static void *mapped(int fd, int prot)
{
	void *map = mmap(NULL, length, prot, MAP_SHARED, fd, 0);

	need(map != MAP_FAILED, "an export is mapped");
	return map;
}

static void request(int fd, int type, int memory, int count)
{
	struct v4l2_requestbuffers r = { .type = type, .memory = memory, .count = count };

	call(fd, VIDIOC_REQBUFS, &r, "REQBUFS");
	need(r.count == (unsigned)count, "as many buffers as were asked for");
}

static int queue_at(int display, int index, int fd)
{
	struct v4l2_buffer b = { .type = OUTPUT, .memory = V4L2_MEMORY_DMABUF, .index = index, .m.fd = fd,
		.length = length, .bytesused = length, .field = V4L2_FIELD_ANY };

	return ioctl(display, VIDIOC_QBUF, &b);
}

/* The camera's format becomes the other driver's, so that its buffers are long enough. */
static void agree(int other)
{
	struct v4l2_format f = { .type = OUTPUT };

	call(other, VIDIOC_G_FMT, &f, "G_FMT");
	f.type = CAPTURE;
	f.fmt.pix.field = V4L2_FIELD_NONE;
	call(camera, VIDIOC_S_FMT, &f, "S_FMT");
	length = f.fmt.pix.sizeimage;
	rounded = (length + 4095) & ~4095ul;
	f.type = OUTPUT;
	call(other, VIDIOC_G_FMT, &f, "G_FMT");
	need(f.fmt.pix.sizeimage == length, "the formats are the same");
}

static void taken_by_others(int other)
{
	int fd = export(0, O_RDWR);

	request(other, OUTPUT, V4L2_MEMORY_DMABUF, BUFFERS);
	result("other-driver", queue_at(other, 0, fd));
	request(other, OUTPUT, V4L2_MEMORY_DMABUF, 0);
	close(fd);
	free_soon(0, "the other driver lets go");
}

static void file_calls(void)
{
	int fd = export(0, O_RDWR), only = export(0, O_RDONLY);
	struct v4l2_capability cap;
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	char byte = 0, path[64];

	result("read", read(fd, &byte, 1));
	result("write", write(fd, &byte, 1));
	result("pread", pread(fd, &byte, 1, 4096));
	need(lseek(fd, 0, SEEK_END) == (off_t)rounded, "SEEK_END tells the length in whole pages");
	need(lseek(fd, 0, SEEK_SET) == 0, "SEEK_SET goes back");
	result("seek-data", lseek(fd, 0, SEEK_DATA));
	need(poll(&p, 1, SOON_MS) == 1 && p.revents == (POLLIN | POLLOUT), "poll says both");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", only);
	result("reopen", open(path, O_RDONLY | O_CLOEXEC));
	result("reopen-writable", open(path, O_RDWR | O_CLOEXEC));
	result("ftruncate", ftruncate(fd, 0));
	result("fallocate", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	result("fsync", fsync(fd));
	result("chmod", fchmod(fd, 0777));
	need(ioctl(fd, VIDIOC_QUERYCAP, &cap) && errno == ENOTTY, "an export is no node");
	close(fd);
	close(only);
}

static void sync_ioctls(void)
{
	int fd = export(0, O_RDWR);
	struct dma_buf_sync start = { DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW },
		end = { DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ }, none = { DMA_BUF_SYNC_START }, wrong = { ~0ull };

	result("sync", ioctl(fd, DMA_BUF_IOCTL_SYNC, &start));
	result("sync-end", ioctl(fd, DMA_BUF_IOCTL_SYNC, &end));
	result("sync-none", ioctl(fd, DMA_BUF_IOCTL_SYNC, &none));
	result("sync-wrong", ioctl(fd, DMA_BUF_IOCTL_SYNC, &wrong));
	result("sync-nowhere", ioctl(fd, DMA_BUF_IOCTL_SYNC, (void *)8));
	result("name", ioctl(fd, DMA_BUF_SET_NAME_B, "camera"));
	close(fd);
}

static void rights(void)
{
	int fd = export(0, O_RDONLY), blind = export(0, O_WRONLY);
	void *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	result("readonly-mapped-writable", map == MAP_FAILED ? -1 : 0);
	if (map != MAP_FAILED)
		munmap(map, length);
	map = mapped(fd, PROT_READ);
	result("readonly-made-writable", mprotect(map, length, PROT_READ | PROT_WRITE));
	munmap(map, length);
	need(mmap(NULL, length, PROT_READ, MAP_SHARED, blind, 0) == MAP_FAILED && errno == EACCES,
	     "a write-only export can't be mapped");
	close(fd);
	close(blind);
}

/* What is written through one mapping is seen through the other at once, or it isn't. */
static void pages(void)
{
	struct v4l2_buffer b = queried(0);
	int fd = export(0, O_RDWR);
	volatile uint64_t *by_export = mapped(fd, PROT_READ | PROT_WRITE);
	volatile uint64_t *by_node = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, camera, b.m.offset);

	need(by_node != MAP_FAILED, "the node is mapped");
	by_node[7] = 0x5348524255460001;
	by_export[9] = 0x5348524255460002;
	row("same-pages", by_export[7] == by_node[7] && by_export[9] == by_node[9] ? "yes" : "no");
	munmap((void *)by_export, length);
	munmap((void *)by_node, length);
	close(fd);
}

static void send_fd(int socket, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec byte = { "", 1 };
	struct msghdr m = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	need(sendmsg(socket, &m, 0) == 1, "a descriptor is sent");
}

static void holders(int flags, const char *name)
{
	int fd, copy, sockets[2];
	void *map;

	need(!held(1), "a buffer that nobody exported is nobody's");
	fd = export(1, flags);
	need(held(1), "by a descriptor");
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	close(fd);
	need(held(1), "by a duplicate");
	close(copy);
	free_soon(1, "not by a closed descriptor");

	fd = export(1, flags);
	map = mapped(fd, PROT_READ);
	close(fd);
	usleep(200000);	/* time for whoever would take the close for the end */
	need(held(1), "by a mapping alone");
	munmap(map, length);
	free_soon(1, "not by what was unmapped");

	fd = export(1, flags);
	need(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), "a pair of sockets");
	send_fd(sockets[0], fd);
	close(fd);
	usleep(200000);
	need(held(1), "in flight");
	close(sockets[0]);
	close(sockets[1]);
	free_soon(1, "not by closed sockets");
	row(name, "exact");
}

/* As soon as the call returns, where no helper has the descriptor any more. */
static void at_once(void)
{
	int fd = export(2, O_RDWR), again = 0;
	void *map = mapped(fd, PROT_READ);

	usleep(500000);
	for (int i = 0; i < 50; i++) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		close(copy);
	}
	munmap(map, length);
	close(fd);
	again = held(2);
	row("close-tells", again ? "later" : "at-once");
	free_soon(2, "not by a closed descriptor");
}

static void at_our_display(const char *path)
{
	int display = open(path, O_RDWR | O_CLOEXEC), fd = export(2, O_RDWR), again = export(2, O_RDONLY);
	struct v4l2_format f = { .type = CAPTURE };
	struct v4l2_exportbuffer e = { .type = OUTPUT, .flags = O_RDWR };
	int stranger = memfd_create("x", MFD_CLOEXEC);

	need(display >= 0, "the display opens");
	call(camera, VIDIOC_G_FMT, &f, "G_FMT");
	f.type = OUTPUT;
	call(display, VIDIOC_S_FMT, &f, "S_FMT");
	request(display, OUTPUT, V4L2_MEMORY_DMABUF, BUFFERS);
	need(!queue_at(display, 0, fd) && !queue_at(display, 1, again), "our display takes an export");
	need(!ftruncate(stranger, rounded) && queue_at(display, 2, stranger) && errno == EINVAL, "and no other file");
	need(ioctl(display, VIDIOC_EXPBUF, &e) && errno == EINVAL, "what it imported it doesn't export");
	close(fd);
	close(again);
	usleep(200000);
	need(held(2), "the display holds it");
	request(display, OUTPUT, V4L2_MEMORY_DMABUF, 0);
	free_soon(2, "the display lets go");
	close(display);
	close(stranger);
	row("our-display", "works");
}

/* A frame that is written through the display's mapping is in the export once it was shown. */
static void shown_frame(const char *path)
{
	int display = open(path, O_RDWR | O_CLOEXEC), out = OUTPUT;
	struct v4l2_exportbuffer e = { .type = OUTPUT, .flags = O_RDONLY | O_CLOEXEC };
	struct v4l2_buffer b[2] = { { .index = 0 }, { .index = 1 } };
	struct pollfd p = { .fd = display, .events = POLLOUT };
	const uint64_t *by_export;
	uint64_t *by_node;

	need(display >= 0, "the display opens");
	request(display, OUTPUT, V4L2_MEMORY_MMAP, 2);
	call(display, VIDIOC_EXPBUF, &e, "EXPBUF of the display");
	by_export = mapped(e.fd, PROT_READ);
	for (int i = 0; i < 2; i++) {
		b[i].type = OUTPUT;
		b[i].memory = V4L2_MEMORY_MMAP;
		call(display, VIDIOC_QUERYBUF, &b[i], "QUERYBUF");
	}
	by_node = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, display, b[0].m.offset);
	need(by_node != MAP_FAILED, "the display is mapped");
	memset(by_node, 0x2a, length);
	for (int i = 0; i < 2; i++) {
		b[i].bytesused = length;
		call(display, VIDIOC_QBUF, &b[i], "QBUF");
	}
	call(display, VIDIOC_STREAMON, &out, "STREAMON");
	need(poll(&p, 1, SOON_MS) == 1, "a buffer comes back");
	call(display, VIDIOC_DQBUF, &b[0], "DQBUF");
	need(b[0].index == 0, "it is the first");
	row("shown-frame", memcmp(by_export, by_node, length) ? "missing" : "there");
	munmap((void *)by_export, length);
	munmap(by_node, length);
	close(e.fd);
	close(display);
}

/* A frame is in the export, and in what is mapped of the node only then; the export's stays when the
 * camera's file is gone. */
static void frames(void)
{
	int fd = export(3, O_RDONLY);
	const uint64_t *frame = mapped(fd, PROT_READ), *by_node;
	struct v4l2_buffer b = { .type = CAPTURE, .memory = V4L2_MEMORY_MMAP, .index = 3 };
	struct pollfd p = { .fd = camera, .events = POLLIN };
	uint64_t first;

	close(fd);
	need(!frame[0], "before the first frame there is nothing");
	call(camera, VIDIOC_QBUF, &b, "QBUF");
	call(camera, VIDIOC_STREAMON, &type, "STREAMON");
	need(poll(&p, 1, SOON_MS) == 1, "a frame comes");
	call(camera, VIDIOC_DQBUF, &b, "DQBUF");
	first = frame[0];
	need(first != 0 && frame[length / 8 - 1] != 0, "the frame is in the export");
	by_node = mmap(NULL, length, PROT_READ, MAP_SHARED, camera, queried(3).m.offset);
	need(by_node != MAP_FAILED, "the node is mapped");
	row("mapped-late", memcmp(by_node, frame, length) ? "missing" : "there");
	munmap((void *)by_node, length);
	close(camera);
	usleep(200000);
	need(frame[0] == first, "the frame outlives the camera's file");
	munmap((void *)frame, length);
	row("frame", "there");
}

static int hold(void)
{
	struct v4l2_format f = { .type = CAPTURE };
	int fd, other;
	char byte;

	call(camera, VIDIOC_G_FMT, &f, "G_FMT");
	length = f.fmt.pix.sizeimage;
	request(camera, CAPTURE, V4L2_MEMORY_MMAP, 2);
	fd = export(0, O_RDWR);
	other = export(1, O_RDWR);
	mapped(other, PROT_READ);
	close(other);
	printf("holding\n");
	need(!read(0, &byte, 1), "its input ends");
	return close(fd);
}

int main(int argc, char **argv)
{
	int other;

	if (argc != 4 && argc != 2) {
		fprintf(stderr, "usage: rows CAMERA [DISPLAY OTHER]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	camera = open(argv[1], O_RDWR | O_CLOEXEC);
	if (argc == 2) {
		need(camera >= 0, "the node opens");
		return hold();
	}
	other = open(argv[3], O_RDWR | O_CLOEXEC);
	need(camera >= 0 && other >= 0, "the nodes open");
	agree(other);
	request(camera, CAPTURE, V4L2_MEMORY_MMAP, BUFFERS);
	taken_by_others(other);
	file_calls();
	sync_ioctls();
	rights();
	pages();
	holders(O_RDWR, "holders");
	holders(O_RDONLY, "holders-readonly");
	holders(O_RDWR, "holders-again");
	at_once();
	at_our_display(argv[2]);
	shown_frame(argv[2]);
	frames();
	return 0;
}
