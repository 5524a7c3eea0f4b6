// One call of a client, at a step of which somebody is killed: what it answers, and that nothing else
// about the caller has changed.
#include "../courier/caller.h"
#include <linux/udmabuf.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
	FRAME = 320 * 180 * 2, // as nodes/sp.toml has it
	NUMBERS = 64,	       // of descriptors that are looked at
	END_MS = 20000,	       // whatever ends must end within this
};

#define UNMAPPED _IO('s', 0x53) // SHRBUF_IOC_UNMAPPED

static const char CAPTURE[] = "/dev/video-sim", DISPLAY[] = "/dev/display-sim";

// ---- what may not change ----------------------------------------------------------------------

struct table {
	struct {
		bool open;
		int cloexec, flags;
		dev_t dev, rdev;
		ino_t ino;
	} at[NUMBERS];
	char maps[8192];
};

static struct table before, after;

static void look(struct table *t)
{
	memset(t, 0, sizeof(*t));
	for (int fd = 0; fd < NUMBERS; fd++) {
		struct stat st;
		int cloexec = fcntl(fd, F_GETFD);

		if (cloexec < 0)
			continue;
		t->at[fd].open = true;
		t->at[fd].cloexec = cloexec;
		t->at[fd].flags = fcntl(fd, F_GETFL);
		// A file of the node's mount whose daemon is gone has no answer.
		if (!fstat(fd, &st))
			t->at[fd].dev = st.st_dev, t->at[fd].rdev = st.st_rdev, t->at[fd].ino = st.st_ino;
	}
	int maps = open("/proc/self/maps", O_RDONLY);
	ssize_t len = 0, got;
	while ((got = read(maps, t->maps + len, sizeof(t->maps) - 1 - len)) > 0)
		len += got;
	close(maps);
}

// All descriptors and mappings are as before, but for `given`, which is new, and `swapped`, which may
// be another file.
static void same_tables(int given, int swapped)
{
	look(&after);
	for (int fd = 0; fd < NUMBERS; fd++) {
		if (fd == given && after.at[fd].open && !before.at[fd].open)
			continue;
		// The mount's file is opened with O_DIRECT besides.
		if (fd == swapped && after.at[fd].open && (after.at[fd].flags & ~O_DIRECT) == before.at[fd].flags &&
		    after.at[fd].cloexec == before.at[fd].cloexec)
			continue;
		if (memcmp(&before.at[fd], &after.at[fd], sizeof(before.at[fd])))
			WRONG("descriptor %d is %s with flags %#o, was %s with %#o, and may be another", fd,
			      after.at[fd].open ? "open" : "closed", after.at[fd].flags,
			      before.at[fd].open ? "open" : "closed", before.at[fd].flags);
	}
	if (strcmp(before.maps, after.maps))
		WRONG("mappings were\n%sand are\n%s", before.maps, after.maps);
}

// ---- calls --------------------------------------------------------------------------------------

static void need(int wrong, const char *what)
{
	if (wrong) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		_exit(4);
	}
}

static int opened(const char *node, bool unmapped)
{
	int fd = open(node, O_RDWR);

	need(fd < 0, node);
	if (unmapped)
		need(ioctl(fd, UNMAPPED), "UNMAPPED");
	return fd;
}

static void request(int fd, unsigned type, unsigned memory)
{
	struct v4l2_requestbuffers r = { .count = 2, .type = type, .memory = memory };

	need(ioctl(fd, VIDIOC_REQBUFS, &r), "REQBUFS");
}

static void stream(int fd, unsigned type)
{
	need(ioctl(fd, VIDIOC_STREAMON, &type), "STREAMON");
}

static void queue(int fd)
{
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };

	need(ioctl(fd, VIDIOC_QBUF, &b), "QBUF");
}

// The argument of the call, with marks around it.
static struct {
	uint8_t front[128];
	union {
		struct v4l2_exportbuffer export;
		struct v4l2_requestbuffers request;
		struct v4l2_buffer buffer;
	} arg;
	uint8_t back[128];
} room, room_before;

static uint8_t frame[FRAME + 4096];
static int node = -1, other = -1;
static unsigned command;

// ---- scenarios: all up to the call ---------------------------------------------------------------

static void expbuf(void)
{
	node = opened(CAPTURE, true);
	request(node, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP);
	command = VIDIOC_EXPBUF;
	room.arg.export = (struct v4l2_exportbuffer){
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .flags = O_RDWR | O_CLOEXEC, .fd = -77
	};
}

static void swap(void)
{
	node = opened(CAPTURE, false);
	command = VIDIOC_REQBUFS;
	room.arg.request = (struct v4l2_requestbuffers){
		.count = 2, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP
	};
}

static void swap_epoll(void)
{
	// EPOLLIN would begin to read.
	struct epoll_event event = { .events = EPOLLPRI, .data.u64 = 0x5a5a };

	swap();
	other = epoll_create1(EPOLL_CLOEXEC);
	need(other < 0 || epoll_ctl(other, EPOLL_CTL_ADD, node, &event), "epoll");
}

static void import(void)
{
	struct v4l2_exportbuffer e = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .flags = O_RDWR };
	int camera = opened(CAPTURE, true);

	request(camera, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP);
	need(ioctl(camera, VIDIOC_EXPBUF, &e), "EXPBUF");
	node = opened(DISPLAY, true);
	request(node, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_DMABUF);
	command = VIDIOC_QBUF;
	room.arg.buffer = (struct v4l2_buffer){
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_DMABUF,
		.m.fd = e.fd, .length = FRAME, .bytesused = FRAME
	};
}

// A dma-buf that is none of ours.
static void dmabuf(void)
{
	int memory = memfd_create("foreign", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	int maker = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	off_t size = (FRAME + 4095) & ~4095;

	need(ftruncate(memory, size) || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK), "memory");
	struct udmabuf_create create = { .memfd = memory, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size };
	int made = ioctl(maker, UDMABUF_CREATE, &create);
	need(made < 0, "/dev/udmabuf");
	node = opened(DISPLAY, true);
	request(node, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_DMABUF);
	command = VIDIOC_QBUF;
	room.arg.buffer = (struct v4l2_buffer){
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_DMABUF,
		.m.fd = made, .length = FRAME, .bytesused = FRAME
	};
}

static void userptr(void)
{
	node = opened(DISPLAY, true);
	request(node, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_USERPTR);
	command = VIDIOC_QBUF;
	room.arg.buffer = (struct v4l2_buffer){
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_USERPTR,
		.m.userptr = ((uintptr_t)frame + 4095) & ~4095UL, .length = FRAME, .bytesused = FRAME
	};
}

// A DQBUF that waits for a frame.
static void dqbuf(void)
{
	struct v4l2_streamparm parm = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };

	node = opened(CAPTURE, true);
	parm.parm.capture.timeperframe = (struct v4l2_fract){ 1, 5 };
	need(ioctl(node, VIDIOC_S_PARM, &parm), "S_PARM");
	request(node, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP);
	queue(node);
	stream(node, V4L2_BUF_TYPE_VIDEO_CAPTURE);
	need(ioctl(node, VIDIOC_DQBUF, &b), "DQBUF"); // from here on the next one is a period away
	queue(node);
	command = VIDIOC_DQBUF;
	room.arg.buffer = (struct v4l2_buffer){
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP
	};
}

// A DQBUF that waits for ever: nothing is queued.
static void waiting(void)
{
	dqbuf();
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	need(ioctl(node, VIDIOC_DQBUF, &b), "DQBUF");
}

// ---- the call and what came of it -----------------------------------------------------------------

// What a call may end with that somebody's death has stopped.
static bool is_loss(int wrong)
{
	return wrong == EIO || wrong == ENODEV || wrong == ENOTCONN || wrong == ECONNABORTED;
}

static void good_export(int fd)
{
	struct stat st;

	if (fd < 0 || fd >= NUMBERS || before.at[fd].open || fcntl(fd, F_GETFD) != FD_CLOEXEC) {
		WRONG("success with %d for a descriptor", fd);
		return;
	}
	// It is the buffer: as long, and with what was drawn or zeros in it.
	if (fstat(fd, &st) || st.st_size < FRAME)
		WRONG("the export has %ld bytes", (long)st.st_size);
	uint8_t *map = mmap(NULL, FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		WRONG("the export can't be mapped: %s", strerror(errno));
	else
		map[FRAME - 1] = 0x5a, munmap(map, FRAME);
	if (close(fd))
		WRONG("the export can't be closed");
}

// Makes the call; returns 0 or its errno.
static int look_and_call(void)
{
	sigset_t mask;
	int swapped = command == VIDIOC_REQBUFS ? node : -1, given = -1;

	memset(room.front, 0xa5, sizeof(room.front));
	memset(room.back, 0xa5, sizeof(room.back));
	room_before = room;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	look(&before);
	int answer = -(int)marked_call(node, command, &room.arg);
	same_mask(&mask);
	if (memcmp(room.front, room_before.front, sizeof(room.front)) ||
	    memcmp(room.back, room_before.back, sizeof(room.back)))
		WRONG("memory beside the struct has changed");
	if (answer < 0 || answer > 4095)
		WRONG("the call came back with %d", -answer);
	if (command == VIDIOC_EXPBUF && !answer)
		given = room.arg.export.fd;
	same_tables(given, answer ? -1 : swapped);
	if (command == VIDIOC_EXPBUF && !answer)
		good_export(given);
	// The C library's caller sees the struct as it was.
	if ((command == VIDIOC_EXPBUF || command == VIDIOC_REQBUFS) && answer &&
	    memcmp(&room.arg, &room_before.arg, sizeof(room.arg)))
		WRONG("a refused call has changed its struct");
	if (answer && !is_loss(answer))
		WRONG("errno %d: %s", answer, strerror(answer));
	return answer;
}
