/*
 * Memory and descriptors of a caller's that change, or never come, while they are reached for.
 */
#include "hostile.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	PAGE = 4096,
	THREADS = 4,		/* more than there are workers */
	DEADLINE_MS = 2000,	/* of one operation; see Limits in src/courier/workers.rs */
	QUEUED_MS = 12000,	/* as long as a call may wait for its turn, and take */
	SOON_MS = 1000,
	REST_US = 200000,
};

static volatile bool over;

/* ---- structs that change --------------------------------------------------------------- */

static volatile struct v4l2_exportbuffer *shared;
static volatile struct v4l2_plane planes[VIDEO_MAX_PLANES];
static volatile struct v4l2_ext_control controls[16];
static volatile struct v4l2_buffer buffer;
static volatile struct v4l2_ext_controls asked;

static void *scribble(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !over; i++) {
		shared->type = i % 3;
		shared->index = i % 5;
		shared->plane = i % 7 == 6;
		shared->flags = i % 11 == 10 ? ~0U : O_RDWR | O_CLOEXEC;
		shared->reserved[i % 11] = i;
		buffer.m.planes = (void *)(i % 2 ? planes : (volatile struct v4l2_plane *)8);
		buffer.length = i % 13;
		planes[i % 2].m.fd = i % 9 - 2;
		planes[i % 2].length = i;
		asked.controls = (void *)(i % 4 ? controls : NULL);
		asked.count = i % 17;
		controls[i % 16].id = V4L2_CID_BRIGHTNESS + i % 3;
		controls[i % 16].size = i % 23 == 22 ? ~0U : 0;
	}
	return NULL;
}

void changes(void)
{
	int camera = camera_with(2), planar = opened(at.planar);
	struct v4l2_exportbuffer on_stack;
	pthread_t other;

	need(request(planar, OUTPUT_MP, V4L2_MEMORY_DMABUF, 2), "REQBUFS of its own display");
	shared = &on_stack;
	other = thread(scribble, NULL);
	while (going()) {
		int wrong;

		wrong = call(camera, VIDIOC_EXPBUF, (void *)shared);
		got(wrong);
		if (!wrong)
			close_range(planar + 1, ~0U, 0);
		buffer.type = OUTPUT_MP;
		buffer.memory = V4L2_MEMORY_DMABUF;
		buffer.index = 0;
		got(call(planar, VIDIOC_QBUF, (void *)&buffer));
		asked.which = V4L2_CTRL_WHICH_CUR_VAL;
		got(call(camera, VIDIOC_G_EXT_CTRLS, (void *)&asked));
	}
	over = true;
	pthread_join(other, NULL);
	CONCLUDE(MUST("fine"), MUST("EINVAL"), MAY("EFAULT"), MAY("EIO"));
}

static void *appear_and_disappear(void *unused)
{
	(void)unused;
	while (!over) {
		mprotect((void *)shared, PAGE, PROT_NONE);
		mprotect((void *)shared, PAGE, PROT_READ | PROT_WRITE);
		madvise((void *)shared, PAGE, MADV_DONTNEED); /* zeros: no camera's type */
	}
	return NULL;
}

void unmaps(void)
{
	int camera = camera_with(2);
	pthread_t other;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("a page");
	other = thread(appear_and_disappear, NULL);
	while (going()) {
		/* It is written through a file, since writing it here would end this program. */
		const struct v4l2_exportbuffer e = { .type = CAPTURE, .flags = O_RDWR | O_CLOEXEC };
		int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

		if (pwrite(memory, &e, sizeof(e), (off_t)(uintptr_t)shared) < 0 && errno != EIO)
			fail("its own memory");
		close(memory);
		got(call(camera, VIDIOC_EXPBUF, (void *)shared));
		close_range(camera + 1, ~0U, 0);
	}
	over = true;
	pthread_join(other, NULL);
	/* The rest is its own doing: what it is made to receive lies in that page, too. */
	CONCLUDE(MAY("fine"), MAY("EINVAL"), MUST("EFAULT"), MAY("EMFILE"), MAY("EIO"), MAY("EBADF"));
}

/* ---- memory that never comes --------------------------------------------------------------- */

static unsigned char *never; /* behind a page that is there */

/* Each call takes the deadline, and then some, if others of the same user are before it. */
static void late(int wrong, long long since, long long least)
{
	long long took = now_ms() - since;

	if (wrong == ETIMEDOUT && (took < least || took > QUEUED_MS))
		fail("a call was out of time after %lld ms", took);
	got(wrong);
}

static void *reach(void *argument)
{
	unsigned which = (uintptr_t)argument % 3;
	int fd = opened(which == 0 ? at.camera : which == 1 ? at.planar : at.display);

	if (which == 1)
		need(request(fd, OUTPUT_MP, V4L2_MEMORY_DMABUF, 1), "REQBUFS of the display");
	if (which == 2)
		need(request(fd, OUTPUT, V4L2_MEMORY_USERPTR, 1), "REQBUFS of user memory");
	do {
		struct v4l2_ext_controls c = { .count = 1, .controls = (void *)never };
		struct v4l2_buffer b = { .type = OUTPUT_MP, .memory = V4L2_MEMORY_DMABUF, .length = 2 };
		struct v4l2_buffer u = { .type = OUTPUT, .memory = V4L2_MEMORY_USERPTR, .length = 1 << 20 };
		long long since = now_ms();

		b.m.planes = (void *)never;
		u.m.userptr = (uintptr_t)never - PAGE; /* the first page is there */
		u.bytesused = PAGE;
		if (which == 0)
			late(call(fd, VIDIOC_S_EXT_CTRLS, &c), since, DEADLINE_MS);
		else if (which == 1)
			late(call(fd, VIDIOC_QBUF, &b), since, DEADLINE_MS);
		else
			late(call(fd, VIDIOC_QBUF, &u), since, DEADLINE_MS);
	} while (going());
	return NULL;
}

static void reach_for_never(void)
{
	pthread_t all[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		all[i] = thread(reach, (void *)(i % 3));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(all[i], NULL);
}

/* Controls, planes and user memory on a page of a userfaultfd that nobody serves. */
void unserved(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range;
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	never = mmap(NULL, PAGE + (1 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (never == MAP_FAILED)
		fail("pages");
	*never = 1;
	never += PAGE;
	range = (struct uffdio_register){ { (uintptr_t)never, 1 << 20 }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &range))
		fail("a userfaultfd");
	reach_for_never();
	CONCLUDE(MUST("ETIMEDOUT"));
}

/* The same on a page of a file whose server never answers: who waits for it can't even be killed. */
void mapped_mute(void)
{
	int file = open(at.mute, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		fail("open of %s", at.mute);
	never = mmap(NULL, PAGE + (1 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (never == MAP_FAILED)
		fail("pages");
	*never = 1;
	never += PAGE;
	if (mmap(never, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED)
		fail("mmap of %s", at.mute);
	reach_for_never();
	CONCLUDE(MUST("ETIMEDOUT"), MAY("EBUSY"));
}

/* ---- descriptors that never answer ---------------------------------------------------------- */

static int epoll, mute_file;

/* Waits for the file to say whether it is ready, with the lock of the epoll instance. */
static void *register_it(void *unused)
{
	struct epoll_event event = { .events = EPOLLIN };

	(void)unused;
	epoll_ctl(epoll, EPOLL_CTL_ADD, mute_file, &event);
	return NULL;
}

/* QBUF of what is no buffer and never answers: refused, and soon. */
void queues_mute(void)
{
	int display = opened(at.display), name, folder;

	need(request(display, OUTPUT, V4L2_MEMORY_DMABUF, 2), "REQBUFS of its own display");
	mute_file = open(at.mute, O_RDWR | O_CLOEXEC);
	name = open(at.mute, O_PATH | O_CLOEXEC);
	folder = open("/proc/self", O_PATH | O_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (mute_file < 0 || name < 0 || epoll < 0)
		fail("open of %s", at.mute);
	thread(register_it, NULL);
	while (going()) {
		const int all[] = { mute_file, name, folder, epoll, display, -1, 1 << 20 };

		for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
			struct v4l2_buffer b = { .type = OUTPUT, .memory = V4L2_MEMORY_DMABUF };
			long long since = now_ms();

			b.m.fd = all[i];
			b.length = b.bytesused = 1 << 20;
			got(call(display, VIDIOC_QBUF, &b));
			if (now_ms() - since > SOON_MS)
				fail("a QBUF took %lld ms", now_ms() - since);
		}
	}
	CONCLUDE(MUST("EINVAL"));
}

/* ---- an address space that nobody can look at ------------------------------------------------ */

static const char *halfway(void)
{
	static char path[256];

	snprintf(path, sizeof(path), "%.*s/halfway", (int)(strrchr(at.mute, '/') - at.mute), at.mute);
	return path;
}

/*
 * Keeps the lock of its own address space: a page of a file is dirty, and whoever maps that file by a
 * descriptor that keeps no pages waits, with the lock, until the page is written, which is never.
 */
static void withhold(int told)
{
	int kept = open(halfway(), O_RDWR | O_CLOEXEC), direct = open(halfway(), O_RDONLY | O_CLOEXEC);
	volatile char *page;

	if (kept < 0 || direct < 0)
		fail("open of %s", halfway());
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, kept, 0);
	if (page == MAP_FAILED)
		fail("mmap of %s", halfway());
	*page = 1;
	if (write(told, "w", 1) != 1)
		fail("the pipe");
	mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, direct, 0);
	_exit(0);
}

void withholds(void)
{
	pid_t withholding = child(withhold);

	usleep(100000); /* from the last thing that it can tell to its wait */
	say("withheld\n");
	while (going())
		usleep(10000);
	got_word(waitpid(withholding, NULL, WNOHANG) ? "let go of" : "withheld");
	CONCLUDE(MUST("withheld"));
}

/* Not an attack: another user, who makes buffers, maps them, and lets go of them. */
void remakes(void)
{
	int camera = camera_with(1);

	while (going()) {
		struct v4l2_buffer b = { .type = CAPTURE, .memory = MMAP };
		long long since = now_ms();
		void *map;

		need(request(camera, CAPTURE, MMAP, 2), "REQBUFS(2)");
		need(call(camera, VIDIOC_QUERYBUF, &b), "QUERYBUF");
		map = mmap(NULL, b.length, PROT_READ, MAP_SHARED, camera, b.m.offset);
		if (map == MAP_FAILED)
			fail("mmap");
		need(request(camera, CAPTURE, MMAP, 0), "REQBUFS(0)");
		munmap(map, b.length);
		got_word(now_ms() - since < DEADLINE_MS ? "fine" : "as late as the deadline");
		usleep(REST_US); /* it is no attack */
	}
	/* Late at first: each helper finds out by itself who is to be passed over. */
	CONCLUDE(MUST("fine"), MAY("as late as the deadline"));
}
