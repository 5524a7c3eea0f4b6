/*
 * Programs that map nodes, and go on when others would have stopped.
 *
 *	mappers rounds COUNT NODE	COUNT times REQBUFS(4), mmap, munmap, REQBUFS(0), on one descriptor
 *	mappers keeper NODE		maps, gives buffers back, and never unmaps, until it may have no
 *					more; says "full", and ends when its standard input does
 *	mappers spy NODE		looks at every page near buffers of another's who streams
 *	mappers crowd CLIENTS FRAMES SECONDS NODE...	CLIENTS for each node, of whom one streams
 *	mappers swaps COUNT NODE	COUNT programs that allocate, map and close, until the node is gone
 *	mappers bereaved NODE		streams; says "minor N" of its file's device; that is ended; opens
 *					the node again, and streams
 *
 * Exit status: 0 fine, 1 something is wrong (and said).
 */
#define PROGRAM "mappers"
#include "../support/client.h"
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

enum {
	BUFFERS = 4,
	WAIT_MS = 60000,	/* for a frame, on a busy machine */
	PAGE = 4096,
	NEAR = 16 << 20,	/* how far from a buffer a spy looks */
	MARK = 0xa7,
};

/* ---- a node ------------------------------------------------------------------------ */

struct client {
	int fd;
	unsigned type;
	unsigned count;
	unsigned offsets[BUFFERS];
	unsigned char *maps[BUFFERS];
	size_t length;
};

static int open_client(struct client *c, const char *path)
{
	struct v4l2_capability cap;

	memset(c, 0, sizeof(*c));
	c->fd = open(path, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		return errno;
	memset(&cap, 0, sizeof(cap));
	c->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	if (!call(c->fd, VIDIOC_QUERYCAP, &cap) && cap.device_caps & V4L2_CAP_VIDEO_OUTPUT)
		c->type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
	return 0;
}

static int request(struct client *c, unsigned count)
{
	struct v4l2_requestbuffers r = { .count = count, .type = c->type, .memory = V4L2_MEMORY_MMAP };
	int wrong = call(c->fd, VIDIOC_REQBUFS, &r);

	if (!wrong)
		c->count = r.count < BUFFERS ? r.count : BUFFERS;
	return wrong;
}

static int map_all(struct client *c)
{
	unsigned i;

	for (i = 0; i < c->count; i++) {
		struct v4l2_buffer b = { .type = c->type, .index = i, .memory = V4L2_MEMORY_MMAP };
		int wrong = call(c->fd, VIDIOC_QUERYBUF, &b);

		if (wrong)
			return wrong;
		c->offsets[i] = b.m.offset;
		c->length = b.length;
		c->maps[i] = mmap(NULL, b.length, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, b.m.offset);
		if (c->maps[i] == MAP_FAILED)
			return errno;
	}
	return 0;
}

static void unmap_all(struct client *c)
{
	unsigned i;

	for (i = 0; i < c->count; i++)
		munmap(c->maps[i], c->length);
}

static int queue(const struct client *c, unsigned index)
{
	struct v4l2_buffer b = { .type = c->type, .index = index, .memory = V4L2_MEMORY_MMAP };

	if (c->type == V4L2_BUF_TYPE_VIDEO_OUTPUT)
		b.bytesused = c->length;
	return call(c->fd, VIDIOC_QBUF, &b);
}

static int dequeue(const struct client *c, unsigned *index)
{
	struct v4l2_buffer b = { .type = c->type, .memory = V4L2_MEMORY_MMAP };
	struct pollfd p = { .fd = c->fd, .events = POLLIN | POLLOUT };
	int wrong;

	if (poll(&p, 1, WAIT_MS) != 1)
		fail("no frame within %d ms", WAIT_MS);
	wrong = call(c->fd, VIDIOC_DQBUF, &b);
	*index = b.index;
	return wrong;
}

static int start(struct client *c, const char *path)
{
	int wrong = open_client(c, path), type = c->type;
	unsigned i;

	wrong = wrong ? wrong : request(c, BUFFERS);
	wrong = wrong ? wrong : map_all(c);
	for (i = 0; !wrong && i < c->count; i++)
		wrong = queue(c, i);
	return wrong ? wrong : call(c->fd, VIDIOC_STREAMON, &type);
}

/* A capture that all pages of a frame are touched of. */
static int some_frames(const struct client *c, unsigned count)
{
	unsigned index;
	size_t at;

	while (count--) {
		int wrong = dequeue(c, &index);

		if (wrong)
			return wrong;
		for (at = 0; at < c->length; at += PAGE)
			(void)*(volatile unsigned char *)(c->maps[index] + at);
		wrong = queue(c, index);
		if (wrong)
			return wrong;
	}
	return 0;
}

/* A number of /proc/meminfo, kB. */
static long meminfo(const char *name)
{
	char line[128];
	long found = -1;
	FILE *file = fopen("/proc/meminfo", "re");

	while (file && found < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			found = atol(line + strlen(name) + 1);
	if (file)
		fclose(file);
	return found;
}

/* ---- many rounds ------------------------------------------------------------------- */

static void rounds(unsigned count, const char *path)
{
	long shmem = 0, cached = 0, shmem_at = meminfo("Shmem"), cached_at = meminfo("Cached");
	struct client c;
	unsigned round, i;

	need(open_client(&c, path), "open");
	for (round = 0; round < count; round++) {
		need(request(&c, BUFFERS), "REQBUFS(4)");
		if (c.count != BUFFERS)
			fail("round %u: %u buffers", round, c.count);
		need(map_all(&c), "QUERYBUF and mmap");
		for (i = 0; i < c.count; i++) {
			if (c.maps[i][0] == MARK || c.maps[i][c.length - 1] == MARK)
				fail("round %u: buffer %u has an earlier one's bytes", round, i);
			c.maps[i][0] = c.maps[i][c.length - 1] = MARK;
		}
		unmap_all(&c);
		need(request(&c, 0), "REQBUFS(0)");
		if (round % 50 == 49) {
			long now = meminfo("Shmem") - shmem_at;

			shmem = now > shmem ? now : shmem;
			now = meminfo("Cached") - cached_at;
			cached = now > cached ? now : cached;
		}
	}
	close(c.fd);
	say("rounds %u: at most %ld kB of Shmem and %ld kB of Cached more than before\n", count, shmem, cached);
	/* Two sets of buffers at a time, and what else a guest does. */
	if (shmem > (long)(3 * BUFFERS * c.length / 1024) + 4096 ||
	    cached > (long)(6 * BUFFERS * c.length / 1024) + 16384)
		fail("that is more than %zu bytes a round ask for", BUFFERS * c.length);
}

/* ---- who never unmaps -------------------------------------------------------------- */

static void keeper(const char *path)
{
	struct client c;
	unsigned sets = 0, kept = 0, i;
	char byte;
	int wrong;

	need(open_client(&c, path), "open");
	while (!(wrong = request(&c, BUFFERS))) {
		need(map_all(&c), "QUERYBUF and mmap");
		for (i = 0; i < c.count; i++)
			memset(c.maps[i], MARK + sets, c.length);
		kept += c.count;
		sets++;
		if (call(c.fd, VIDIOC_REQBUFS, &(struct v4l2_requestbuffers){ .type = c.type, .memory = V4L2_MEMORY_MMAP }))
			fail("REQBUFS(0)");
	}
	if (wrong != ENOMEM)
		need(wrong, "REQBUFS over the limit");
	close(c.fd);
	say("full %u\n", kept);
	if (read(0, &byte, 1) < 0)
		fail("standard input");
	for (i = 0; i < c.count; i++)
		if (c.maps[i][0] != (unsigned char)(MARK + sets - 1))
			fail("a mapping has changed");
}

/* ---- who looks where it has nothing to look for ------------------------------------- */

static sigjmp_buf lost;
static void on_bus_error(int signal) { (void)signal, siglongjmp(lost, 1); }

static void catch_bus_errors(void)
{
	struct sigaction action = { .sa_handler = on_bus_error };

	sigaction(SIGBUS, &action, NULL);
}

static bool is_marked(const unsigned char *page)
{
	unsigned i, marks = 0;

	for (i = 0; i < PAGE; i += 64)
		marks += page[i] == MARK;
	return marks > PAGE / 64 / 2;
}

static volatile unsigned spied, marked;

/* All pages from @from on to @to, of the file's that is not @c's owner any more. */
static void look(int fd, unsigned long from, unsigned long to)
{
	volatile unsigned long at;
	unsigned char *map = mmap(NULL, to - from, PROT_READ | PROT_WRITE, MAP_SHARED, fd, from);

	if (map == MAP_FAILED)
		return;
	for (at = 0; at < to - from; at += PAGE) {
		if (sigsetjmp(lost, 1))
			continue;
		marked += is_marked(map + at);
		spied++;
	}
	munmap(map, to - from);
}

/* Streams, and marks every byte of every frame it gets. */
static void victim(const char *path, int offsets, pid_t spy)
{
	unsigned index, i;
	struct client c;

	need(start(&c, path), "the victim's stream");
	for (i = 0; i < c.count; i++) {
		need(dequeue(&c, &index), "the victim's DQBUF");
		memset(c.maps[index], MARK, c.length);
	}
	if (write(offsets, c.offsets, sizeof(c.offsets)) != sizeof(c.offsets))
		fail("the pipe");
	for (;;) {
		for (i = 0; i < c.count; i++)
			need(queue(&c, i), "the victim's QBUF");
		for (i = 0; i < c.count; i++) {
			need(dequeue(&c, &index), "the victim's DQBUF");
			memset(c.maps[index], MARK, c.length);
		}
		if (kill(spy, 0))
			_exit(0);
	}
}

static void spy(const char *path)
{
	unsigned theirs[BUFFERS], i;
	struct client c;
	int pipe_fds[2], status;
	pid_t child, me = getpid();

	need(open_client(&c, path), "open");
	need(request(&c, BUFFERS), "REQBUFS(4)");
	need(map_all(&c), "QUERYBUF and mmap");
	unmap_all(&c);
	need(request(&c, 0), "REQBUFS(0)");
	if (pipe(pipe_fds))
		fail("pipe");
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(c.fd);
		victim(path, pipe_fds[1], me);
	}
	if (read(pipe_fds[0], theirs, sizeof(theirs)) != sizeof(theirs))
		fail("the victim's offsets");
	catch_bus_errors();
	for (i = 0; i < BUFFERS; i++) {
		unsigned long at = theirs[i], own = c.offsets[i];

		look(c.fd, at < NEAR ? 0 : at - NEAR, at + NEAR);
		look(c.fd, own < NEAR ? 0 : own - NEAR, own + NEAR);
	}
	if (waitpid(child, &status, WNOHANG))
		fail("the victim did not bear it: %#x", status);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	say("spied on %u pages, %u marked\n", spied, marked);
	if (marked)
		fail("another's frames were seen");
}

/* ---- a crowd ------------------------------------------------------------------------ */

static unsigned crowd_frames;
static pthread_mutex_t worst_lock = PTHREAD_MUTEX_INITIALIZER;
static long long worst_ms, ends_at;
static volatile bool alone;
static sem_t streaming;
static pthread_barrier_t all_ready;

static int timed(int fd, unsigned long command, void *argument)
{
	long long before = now_ms(), took;
	int wrong = call(fd, command, argument);

	took = now_ms() - before;
	pthread_mutex_lock(&worst_lock);
	worst_ms = took > worst_ms ? took : worst_ms;
	pthread_mutex_unlock(&worst_lock);
	return wrong;
}

static void *streams(void *arg)
{
	struct client c;

	need(start(&c, arg), "a stream in the crowd");
	sem_post(&streaming);
	pthread_barrier_wait(&all_ready);
	need(some_frames(&c, crowd_frames), "its frames");
	while (!alone)
		need(some_frames(&c, 1), "its frames");
	unmap_all(&c);
	close(c.fd);
	return NULL;
}

static void *asks(void *arg)
{
	struct v4l2_event_subscription s = { .type = V4L2_EVENT_CTRL, .id = V4L2_CID_BRIGHTNESS };
	struct client c;
	int wrong;

	need(open_client(&c, arg), "open in the crowd");
	need(timed(c.fd, VIDIOC_SUBSCRIBE_EVENT, &s), "SUBSCRIBE_EVENT");
	do {
		struct v4l2_requestbuffers r = { .count = 1, .type = c.type, .memory = V4L2_MEMORY_MMAP };
		struct v4l2_control control = { .id = V4L2_CID_BRIGHTNESS, .value = rand() % 256 };
		struct pollfd p = { .fd = c.fd, .events = POLLPRI };
		struct v4l2_capability cap;
		struct v4l2_event event;

		need(timed(c.fd, VIDIOC_QUERYCAP, &cap), "QUERYCAP in the crowd");
		need(timed(c.fd, VIDIOC_S_CTRL, &control), "S_CTRL in the crowd");
		wrong = timed(c.fd, VIDIOC_REQBUFS, &r);
		if (wrong != EBUSY)
			fail("REQBUFS of a node that streams gave %d", wrong);
		if (poll(&p, 1, 500) == 1)
			need(timed(c.fd, VIDIOC_DQEVENT, &event), "DQEVENT");
	} while (now_ms() < ends_at);
	close(c.fd);
	return NULL;
}

/* One process for each node. */
static void crowd_of(unsigned clients, char *path, int ready, int go)
{
	pthread_t threads[clients];
	char byte = 'r';
	unsigned i;

	sem_init(&streaming, 0, 0);
	pthread_barrier_init(&all_ready, NULL, 2);
	need(pthread_create(&threads[0], NULL, streams, path), "a thread");
	sem_wait(&streaming); /* its buffers come first: the others would find the queue free */
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 0)
		fail("the pipes");
	pthread_barrier_wait(&all_ready);
	for (i = 1; i < clients; i++)
		need(pthread_create(&threads[i], NULL, asks, path), "a thread");
	for (i = 1; i < clients; i++)
		pthread_join(threads[i], NULL);
	alone = true;
	pthread_join(threads[0], NULL);
	if (write(ready, &worst_ms, sizeof(worst_ms)) != sizeof(worst_ms))
		fail("the pipe");
	_exit(0);
}

static void crowd(unsigned clients, unsigned frames, unsigned seconds, char **nodes, unsigned count)
{
	int ready[2], go[2], status;
	long long worst = 0, one;
	unsigned i;
	char byte;

	crowd_frames = frames;
	if (pipe(ready) || pipe(go))
		fail("pipe");
	ends_at = now_ms() + seconds * 1000LL;
	for (i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(go[1]);
			crowd_of(clients, nodes[i], ready[1], go[0]);
		}
	}
	close(ready[1]);
	for (i = 0; i < count; i++)
		if (read(ready[0], &byte, 1) != 1)
			fail("one of the crowd has not come up");
	close(go[1]);
	for (i = 0; i < count; i++) {
		if (wait(&status) < 0 || status)
			fail("one of the crowd ended with %#x", status);
		if (read(ready[0], &one, sizeof(one)) != sizeof(one))
			fail("the pipe");
		worst = one > worst ? one : worst;
	}
	say("%u nodes, %u clients each: at least %u frames, the longest call %lld ms\n", count, clients,
	    frames, worst);
}

/* ---- without a daemon ---------------------------------------------------------------- */

/* The daemon, or the mount, is gone. */
static bool is_loss(int wrong)
{
	return wrong == ENOTCONN || wrong == ECONNABORTED || wrong == ENODEV || wrong == EIO ||
	       wrong == ENOENT || wrong == ENXIO;
}

static void swap_until_lost(const char *path)
{
	struct client c;
	unsigned i;
	int wrong;

	/* A page that was not there yet is lost with the daemon. */
	catch_bus_errors();
	if (sigsetjmp(lost, 1))
		_exit(0);
	for (;;) {
		wrong = open_client(&c, path);
		wrong = wrong ? wrong : request(&c, 2);
		wrong = wrong ? wrong : map_all(&c);
		if (wrong == EBUSY || wrong == ENOMEM)
			wrong = 0; /* another's turn */
		if (wrong && !is_loss(wrong))
			need(wrong, "a swap when the daemon died");
		if (wrong)
			_exit(0);
		for (i = 0; i < c.count; i++)
			c.maps[i][0] = 1;
		unmap_all(&c);
		close(c.fd);
	}
}

static void swaps(unsigned count, const char *path)
{
	unsigned i;
	int status;

	for (i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (!pid)
			swap_until_lost(path);
	}
	say("ready\n");
	alarm(WAIT_MS / 1000);
	for (i = 0; i < count; i++)
		if (wait(&status) < 0 || status)
			fail("one that swapped ended with %#x", status);
}

static void bereaved(const char *path)
{
	struct pollfd p = { .events = POLLIN };
	struct client c;
	struct stat st;
	unsigned index, i;
	size_t at;
	char byte;
	int wrong;

	alarm(4 * WAIT_MS / 1000);
	need(start(&c, path), "a stream");
	need(some_frames(&c, BUFFERS), "its frames");
	if (fstat(c.fd, &st))
		fail("fstat");
	say("minor %u\n", minor(st.st_dev));
	if (read(0, &byte, 1) != 1)
		fail("standard input");
	p.fd = c.fd;
	if (poll(&p, 1, WAIT_MS) != 1 || !(p.revents & POLLERR))
		fail("poll gave %#x of a mount that was ended", p.revents);
	wrong = call(c.fd, VIDIOC_DQBUF, &(struct v4l2_buffer){ .type = c.type, .memory = V4L2_MEMORY_MMAP });
	if (!is_loss(wrong))
		fail("DQBUF gave %d of a mount that was ended", wrong);
	/* What was there stays, and may be touched. */
	for (i = 0; i < c.count; i++)
		for (at = 0; at < c.length; at += PAGE)
			c.maps[i][at]++;
	unmap_all(&c);
	close(c.fd);
	need(start(&c, path), "a stream after the mount was ended");
	need(some_frames(&c, BUFFERS), "its frames");
	need(dequeue(&c, &index), "a frame");
	for (i = 0; i < c.length && !c.maps[index][i]; i++)
		;
	if (i == c.length)
		fail("the frame is empty");
	say("streams again\n");
}

int main(int count, char **word)
{
	const char *what = count > 1 ? word[1] : "";

	if (!strcmp(what, "rounds") && count == 4) {
		rounds(atoi(word[2]), word[3]);
	} else if (!strcmp(what, "keeper") && count == 3) {
		keeper(word[2]);
	} else if (!strcmp(what, "spy") && count == 3) {
		spy(word[2]);
	} else if (!strcmp(what, "crowd") && count > 5) {
		crowd(atoi(word[2]), atoi(word[3]), atoi(word[4]), word + 5, count - 5);
	} else if (!strcmp(what, "swaps") && count == 4) {
		swaps(atoi(word[2]), word[3]);
	} else if (!strcmp(what, "bereaved") && count == 3) {
		bereaved(word[2]);
	} else {
		fprintf(stderr, "mappers: see the head of mappers.c\n");
		return 2;
	}
	return 0;
}
