/*
 * Who stands by: an ordinary client that streams, asks and exports at the pace of its camera, and
 * takes the time of each call.
 */
#include "hostile.h"
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
	BUFFERS = 4,
	MOST = 20000,		/* calls of a kind between "go" and "stop" */
	PACE_MS = 2,		/* between two rounds of calls */
	HANGS_SECONDS = 60,	/* no call takes so long */
};

/* The kinds of calls. */
enum { ASKS, FRAMES, EXPORTS, BESIDE, KINDS };
static const char *const names[KINDS] = { "asks", "frames", "exports", "beside" };
static unsigned took[KINDS][MOST], counts[KINDS];
static bool recording;

static void record(unsigned kind, long long since)
{
	if (recording && counts[kind] < MOST)
		took[kind][counts[kind]++] = now_us() - since;
}

static int ascending(const void *one, const void *other)
{
	unsigned a = *(const unsigned *)one, b = *(const unsigned *)other;

	return (a > b) - (a < b);
}

/* "NAME COUNT P99 WORST" for each kind, in microseconds. */
static void tell(void)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		unsigned n = counts[kind];

		if (!n)
			fail("no call of the kind %s came to its end", names[kind]);
		qsort(took[kind], n, sizeof(**took), ascending);
		say("%s %u %u %u ", names[kind], n, took[kind][n * 99 / 100], took[kind][n - 1]);
		counts[kind] = 0;
	}
	say("\n");
}

static void ask(int fd, unsigned kind)
{
	struct v4l2_capability cap;
	long long since = now_us();

	need(call(fd, VIDIOC_QUERYCAP, &cap), "the bystander's QUERYCAP");
	record(kind, since);
}

/* A frame, if one is there. */
static void frame(int fd)
{
	struct v4l2_buffer b = { .type = CAPTURE, .memory = MMAP };
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	long long since;

	if (poll(&ready, 1, 0) != 1)
		return;
	since = now_us();
	need(call(fd, VIDIOC_DQBUF, &b), "the bystander's DQBUF");
	need(call(fd, VIDIOC_QBUF, &b), "the bystander's QBUF");
	record(FRAMES, since);
}

static void one_export(int fd)
{
	long long since = now_us();
	int exported;

	need(export(fd, 0, O_RDWR, &exported), "the bystander's EXPBUF");
	record(EXPORTS, since);
	if (close(exported))
		fail("the bystander's export is no descriptor");
}

/* Until its input ends. */
int bystander(const char *own, const char *beside)
{
	struct pollfd told = { .fd = 0, .events = POLLIN };
	int fd = opened(own), other = opened(beside), type = CAPTURE;
	char line[64];

	need(request(fd, CAPTURE, MMAP, BUFFERS), "the bystander's REQBUFS");
	for (unsigned i = 0; i < BUFFERS; i++) {
		struct v4l2_buffer b = { .type = CAPTURE, .index = i, .memory = MMAP };

		need(call(fd, VIDIOC_QUERYBUF, &b), "the bystander's QUERYBUF");
		if (mmap(NULL, b.length, PROT_READ, MAP_SHARED, fd, b.m.offset) == MAP_FAILED)
			fail("the bystander's mmap");
		need(call(fd, VIDIOC_QBUF, &b), "the bystander's QBUF");
	}
	need(call(fd, VIDIOC_STREAMON, &type), "the bystander's STREAMON");
	say("streams\n");
	for (;;) {
		/* Between two measurements it rests. */
		alarm(recording ? HANGS_SECONDS : 0);
		if (poll(&told, 1, recording ? PACE_MS : -1) > 0) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			recording = !strcmp(line, "go\n");
			if (!recording)
				tell();
			continue;
		}
		frame(fd);
		ask(fd, ASKS);
		ask(other, BESIDE);
		one_export(fd);
	}
}
