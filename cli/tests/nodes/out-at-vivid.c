/*
 * A camera's exported frames go out at the display of another driver, without a copy.
 *
 *	out-at-vivid CAMERA DISPLAY
 *
 * The camera takes the display's format, whatever that is. Each frame is queued at the display by
 * descriptor (V4L2_MEMORY_DMABUF) and goes back to the camera when the display has let go of it; no
 * node is mapped. Then the display is to prove that it holds the buffers, and that it lets go: the
 * camera's V4L2_BUF_FLAG_MAPPED says so. At last the camera's file is closed, and the display goes on
 * with what it has.
 *
 * One line for each thing that was seen. Exit status: 0 fine, 1 something is wrong (and said).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
	BUFFERS = 4,
	FRAMES = 40,
	AFTERWARDS = 6,		/* frames without the camera */
	WAIT_MS = 60000,	/* for a frame, under emulation */
};

struct end {
	const char *path;
	int fd, type, memory, length;
};

static int exports[BUFFERS];
static const void *contents[BUFFERS];
static uint64_t sums[BUFFERS];
/* What the display has, oldest first. */
static int shown[BUFFERS + 1], shown_count;
/* Of the last buffer that came back from it. */
static int64_t last_sequence;
static uint64_t last_time;

static void fail(const char *text, ...)
{
	va_list ap;
	int why = errno;

	va_start(ap, text);
	printf("FAIL ");
	vprintf(text, ap);
	printf(" (errno %d: %s)\n", why, strerror(why));
	va_end(ap);
	exit(1);
}

static void need(int so, const char *what)
{
	if (!so)
		fail("%s", what);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint64_t time_of(const struct v4l2_buffer *b)
{
	return b->timestamp.tv_sec * 1000000000ull + b->timestamp.tv_usec * 1000ull;
}

/* FNV-1a over words: a difference of one byte shows. */
static uint64_t sum(int k, size_t length)
{
	const uint64_t *words = contents[k];
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length / sizeof(*words); i++)
		sum = (sum ^ words[i]) * 0x100000001b3u;
	return sum;
}

static void call(const struct end *end, unsigned long request, void *arg, const char *name)
{
	if (ioctl(end->fd, request, arg))
		fail("%s at %s", name, end->path);
}

static struct end begin(const char *path, int type, int memory)
{
	struct end end = { .path = path, .fd = open(path, O_RDWR | O_CLOEXEC), .type = type, .memory = memory };

	need(end.fd >= 0, path);
	return end;
}

/* The camera's format becomes the display's: to the byte. */
static void agree(struct end *camera, struct end *display)
{
	struct v4l2_format wanted = { .type = display->type }, got;

	call(display, VIDIOC_G_FMT, &wanted, "G_FMT");
	got = wanted;
	got.type = camera->type;
	got.fmt.pix.field = V4L2_FIELD_NONE;
	call(camera, VIDIOC_S_FMT, &got, "S_FMT");
	need(got.fmt.pix.width == wanted.fmt.pix.width && got.fmt.pix.height == wanted.fmt.pix.height &&
	     got.fmt.pix.pixelformat == wanted.fmt.pix.pixelformat &&
	     got.fmt.pix.bytesperline == wanted.fmt.pix.bytesperline &&
	     got.fmt.pix.sizeimage == wanted.fmt.pix.sizeimage, "the camera has the display's format");
	camera->length = display->length = got.fmt.pix.sizeimage;
	printf("ok format: %ux%u, %u bytes\n", got.fmt.pix.width, got.fmt.pix.height, got.fmt.pix.sizeimage);
}

static void allocate(const struct end *end, unsigned count)
{
	struct v4l2_requestbuffers request = { .count = count, .type = end->type, .memory = end->memory };

	call(end, VIDIOC_REQBUFS, &request, "REQBUFS");
	need(request.count == count, "as many buffers as were asked for");
}

static struct v4l2_buffer buffer(const struct end *end, int index)
{
	return (struct v4l2_buffer) { .type = end->type, .memory = end->memory, .index = index };
}

static int is_held(const struct end *camera, int index)
{
	struct v4l2_buffer b = buffer(camera, index);

	call(camera, VIDIOC_QUERYBUF, &b, "QUERYBUF");
	return !!(b.flags & V4L2_BUF_FLAG_MAPPED);
}

static void give(const struct end *end, int index)
{
	struct v4l2_buffer b = buffer(end, index);

	if (end->memory == V4L2_MEMORY_DMABUF) {
		b.m.fd = exports[index];
		b.length = b.bytesused = end->length;
		b.field = V4L2_FIELD_ANY;
		shown[shown_count++] = index;
	}
	call(end, VIDIOC_QBUF, &b, "QBUF");
}

static struct v4l2_buffer take(const struct end *end, int event)
{
	struct pollfd p = { .fd = end->fd, .events = event };
	struct v4l2_buffer b = buffer(end, 0);

	need(poll(&p, 1, WAIT_MS) == 1 && p.revents & event, "a buffer comes in time");
	call(end, VIDIOC_DQBUF, &b, "DQBUF");
	need(b.index < BUFFERS && !(b.flags & V4L2_BUF_FLAG_ERROR), "DQBUF gives a good buffer");
	return b;
}

/* The display's oldest buffer: in order, with the next time and sequence, and as it was. */
static int back(const struct end *display)
{
	struct v4l2_buffer b = take(display, POLLOUT);
	int index = b.index;

	need(shown_count > 0 && shown[0] == index, "buffers come back in the order in which they were queued");
	memmove(shown, shown + 1, --shown_count * sizeof(*shown));
	need(b.sequence > last_sequence, "the display's sequence rises");
	need((b.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC, "its clock is monotonic");
	need(time_of(&b) > last_time && time_of(&b) <= now_ns(), "its times rise, and none is to come");
	need(b.bytesused == (unsigned)display->length, "the whole frame was taken");
	need(sum(index, display->length) == sums[index], "the frame is as the camera made it");
	last_sequence = b.sequence;
	last_time = time_of(&b);
	return index;
}

static void export_all(const struct end *camera)
{
	for (int i = 0; i < BUFFERS; i++) {
		struct v4l2_exportbuffer export = { .type = camera->type, .index = i, .flags = O_RDWR | O_CLOEXEC };

		call(camera, VIDIOC_EXPBUF, &export, "EXPBUF");
		exports[i] = export.fd;
		contents[i] = mmap(NULL, camera->length, PROT_READ, MAP_SHARED, exports[i], 0);
		need(contents[i] != MAP_FAILED, "an export is mapped");
	}
}

static void let_go_of_exports(const struct end *camera)
{
	for (int i = 0; i < BUFFERS; i++)
		need(!munmap((void *)contents[i], camera->length) && !close(exports[i]), "an export is closed");
}

static void start(const struct end *camera, const struct end *display)
{
	export_all(camera);
	allocate(display, BUFFERS);
	for (int i = 0; i < BUFFERS; i++)
		give(camera, i);
	call(camera, VIDIOC_STREAMON, (void *)&camera->type, "STREAMON");
	shown_count = 0;
	last_sequence = -1;
	last_time = 0;
}

static void pass_frames(const struct end *camera, const struct end *display)
{
	int64_t last = -1;

	for (int n = 0; n < FRAMES; n++) {
		struct v4l2_buffer b = take(camera, POLLIN);

		need(b.sequence > last, "the camera's sequence rises");
		last = b.sequence;
		sums[b.index] = sum(b.index, camera->length);
		give(display, b.index);
		if (!n)
			call(display, VIDIOC_STREAMON, (void *)&display->type, "STREAMON");
		else	/* it keeps the last one */
			give(camera, back(display));
	}
	printf("ok frames: %d of the camera's at the display, in order, times and sequence rise, contents unchanged\n",
	       FRAMES);
}

static void stop(const struct end *end)
{
	call(end, VIDIOC_STREAMOFF, (void *)&end->type, "STREAMOFF");
}

/* The display alone keeps them, and then nobody. */
static void let_go(const struct end *camera, const struct end *display)
{
	uint64_t end = now_ns() + WAIT_MS * 1000000ull;

	let_go_of_exports(camera);
	for (int i = 0; i < BUFFERS; i++)
		need(is_held(camera, i), "what the display has imported is held");
	stop(display);
	for (int i = 0; i < BUFFERS; i++)
		need(is_held(camera, i), "STREAMOFF lets go of no import");
	allocate(display, 0);
	for (int i = 0; i < BUFFERS; i++)
		while (is_held(camera, i))
			need(now_ns() < end, "REQBUFS(0) at the display lets go");
	printf("ok holding: the display keeps all, through its STREAMOFF, and none after its REQBUFS(0)\n");
}

/* The exports outlive the camera's file. */
static void without_camera(const struct end *camera, const struct end *display)
{
	stop(camera);
	need(!close(camera->fd), "the camera's file is closed");
	for (int i = 0; i < BUFFERS; i++)
		if (i != shown[0])
			sums[i] = sum(i, camera->length);
	give(display, (shown[0] + 1) % BUFFERS);
	for (int n = 0; n < AFTERWARDS; n++)
		give(display, back(display));
	stop(display);
	let_go_of_exports(camera);
	allocate(display, 0);
	printf("ok afterwards: %d frames more after the camera's close\n", AFTERWARDS);
}

int main(int argc, char **argv)
{
	struct end camera, display;

	if (argc != 3) {
		fprintf(stderr, "usage: out-at-vivid CAMERA DISPLAY\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	camera = begin(argv[1], V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP);
	display = begin(argv[2], V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_DMABUF);
	agree(&camera, &display);
	allocate(&camera, BUFFERS);

	start(&camera, &display);
	pass_frames(&camera, &display);
	stop(&camera);
	let_go(&camera, &display);

	start(&camera, &display);
	pass_frames(&camera, &display);
	without_camera(&camera, &display);
	return 0;
}
