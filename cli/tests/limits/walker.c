/*
 * Walks over one of the daemon's limits, and says how far it came: "ERRNO after N".
 *
 *	walker opens NODE	open, until it may have no more
 *	walker waiting NODE	threads in DQEVENT, until no more may wait
 *	walker bytes NODE	REQBUFS and QUERYBUF, until the queue has no more memory: the buffers it got
 *	walker orphans NODE	export, map, close, REQBUFS(0), until it may leave no more behind
 *
 * Then it says "full", waits until its standard input ends, and lets go of everything.
 * Exit status: 0 fine, 1 something is wrong (and said).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 2000, SECONDS = 300 };

static void fail(const char *what)
{
	fprintf(stderr, "walker: %s (errno %d: %s)\n", what, errno, strerror(errno));
	_exit(1);
}

static void full(int wrong, unsigned count)
{
	char byte;

	printf("%s after %u\nfull\n", strerrorname_np(wrong), count);
	fflush(stdout);
	if (read(0, &byte, 1) < 0)
		fail("standard input");
}

static int opened(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("open");
	return fd;
}

static int request(int fd, unsigned *count)
{
	struct v4l2_requestbuffers r = {
		.count = *count, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
	int wrong = ioctl(fd, VIDIOC_REQBUFS, &r) ? errno : 0;

	*count = r.count;
	return wrong;
}

static void opens(const char *path)
{
	unsigned count = 0;

	while (count < MOST && open(path, O_RDWR | O_CLOEXEC) >= 0)
		count++;
	full(errno, count);
}

static int waiting_fd;
static sem_t refused;
static int refusal;

static void *wait_for_event(void *arg)
{
	struct v4l2_event event;

	if (ioctl(waiting_fd, VIDIOC_DQEVENT, &event) && errno != EINTR) {
		refusal = errno;
		sem_post(&refused);
	}
	return NULL;
}

static void ignore(int signal) { (void)signal; }

/* Each of @count threads waits or is refused. */
static void waiting(const char *path)
{
	struct v4l2_event_subscription s = { .type = V4L2_EVENT_CTRL, .id = V4L2_CID_BRIGHTNESS };
	struct sigaction action = { .sa_handler = ignore };
	struct timespec soon;
	pthread_t threads[MOST];
	unsigned count = 0;

	waiting_fd = opened(path);
	sigaction(SIGUSR1, &action, NULL);
	sem_init(&refused, 0, 0);
	if (ioctl(waiting_fd, VIDIOC_SUBSCRIBE_EVENT, &s))
		fail("SUBSCRIBE_EVENT");
	for (; count < MOST; count++) {
		if (pthread_create(&threads[count], NULL, wait_for_event, NULL))
			fail("a thread");
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 300000000;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
		if (!sem_timedwait(&refused, &soon))
			break;
	}
	full(refusal, count);
	for (unsigned i = 0; i < count; i++)
		pthread_kill(threads[i], SIGUSR1);
	for (unsigned i = 0; i <= count && i < MOST; i++)
		pthread_join(threads[i], NULL);
}

static void bytes(const char *path)
{
	int fd = opened(path), wrong;
	unsigned count = 32, more;

	wrong = request(fd, &count);
	if (wrong)
		fail("REQBUFS");
	struct v4l2_create_buffers c = { .count = 1, .memory = V4L2_MEMORY_MMAP };
	c.format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	if (ioctl(fd, VIDIOC_G_FMT, &c.format))
		fail("G_FMT");
	wrong = ioctl(fd, VIDIOC_CREATE_BUFS, &c) ? errno : 0;
	more = 0;
	if (request(fd, &more))
		fail("REQBUFS(0)");
	full(wrong, count);
}

static void orphans(const char *path)
{
	unsigned kept = 0, count, i, none;
	int fd = opened(path), wrong;

	for (;;) {
		count = 2;
		wrong = request(fd, &count);
		if (wrong)
			break;
		for (i = 0; i < count; i++) {
			struct v4l2_exportbuffer e = {
				.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .index = i, .flags = O_RDWR | O_CLOEXEC };
			struct stat st;

			if (ioctl(fd, VIDIOC_EXPBUF, &e) || fstat(e.fd, &st))
				fail("EXPBUF");
			if (mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, e.fd, 0) == MAP_FAILED)
				fail("mmap");
			close(e.fd);
			kept++;
		}
		none = 0;
		if (request(fd, &none))
			fail("REQBUFS(0)");
		if (kept > MOST)
			fail("there is no limit");
	}
	full(wrong, kept);
}

int main(int count, char **word)
{
	const struct {
		const char *name;
		void (*walk)(const char *path);
	} all[] = {{"opens", opens}, {"waiting", waiting}, {"bytes", bytes}, {"orphans", orphans}};

	alarm(SECONDS);
	for (size_t i = 0; count == 3 && i < sizeof(all) / sizeof(*all); i++) {
		if (!strcmp(word[1], all[i].name)) {
			all[i].walk(word[2]);
			return 0;
		}
	}
	return 2;
}
