/*
 * Clients for storms: they are killed, or the daemon is, in every state.
 *
 *	storm kill COUNT CAPTURE OUTPUT		COUNT clients, each killed by SIGKILL at a random point
 *	storm states CAPTURE OUTPUT		clients in every state; "ready" is said, then the daemon
 *						must die, and all of them end by themselves
 *	storm exports COUNT THREADS NODE	COUNT times EXPBUF, with signals at 1 kHz
 *
 * Exit status: 0 fine, 1 something is wrong (and said).
 */
#define PROGRAM "storm"
#include "../support/client.h"
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

enum {
	BUFFERS = 3,
	FRAME = 320 * 180 * 2,	/* as nodes/sp.toml has it */
	CLIENTS_AT_ONCE = 3,
	LIFE_US = 60000,	/* a client is killed within this */
	END_MS = 30000,		/* whatever ends must end within this */
	MARK = 0x5a,
};

static const char *capture, *output;

/* ---- a node ------------------------------------------------------------------------ */

struct client {
	int fd;
	unsigned type;
	int exports[BUFFERS];
	unsigned char *maps[BUFFERS];
	size_t length;
};

static bool open_client(struct client *c, const char *path, bool is_output)
{
	memset(c, 0, sizeof(*c));
	c->type = is_output ? V4L2_BUF_TYPE_VIDEO_OUTPUT : V4L2_BUF_TYPE_VIDEO_CAPTURE;
	memset(c->exports, -1, sizeof(c->exports));
	c->fd = open(path, O_RDWR | O_CLOEXEC);
	return c->fd >= 0;
}

static int request(const struct client *c, unsigned memory, unsigned count)
{
	struct v4l2_requestbuffers r = { .count = count, .type = c->type, .memory = memory };

	return call(c->fd, VIDIOC_REQBUFS, &r);
}

static int export(const struct client *c, unsigned index, int *fd)
{
	struct v4l2_exportbuffer e = { .type = c->type, .index = index, .flags = O_RDWR | O_CLOEXEC };
	int wrong = call(c->fd, VIDIOC_EXPBUF, &e);

	*fd = wrong ? -1 : e.fd;
	return wrong;
}

static int queue(const struct client *c, unsigned index, int dmabuf)
{
	struct v4l2_buffer b = { .type = c->type, .index = index, .memory = V4L2_MEMORY_MMAP };

	if (dmabuf >= 0) {
		b.memory = V4L2_MEMORY_DMABUF;
		b.length = b.bytesused = FRAME;
		b.m.fd = dmabuf;
	}
	return call(c->fd, VIDIOC_QBUF, &b);
}

static int dequeue(const struct client *c, unsigned memory, unsigned *index)
{
	struct v4l2_buffer b = { .type = c->type, .memory = memory };
	int wrong = call(c->fd, VIDIOC_DQBUF, &b);

	*index = b.index;
	return wrong;
}

static int stream(const struct client *c, bool on)
{
	int type = c->type;

	return call(c->fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);
}

/* Exports and maps all buffers. */
static int export_all(struct client *c)
{
	struct stat st;
	unsigned i;
	int wrong;

	for (i = 0; i < BUFFERS; i++) {
		wrong = export(c, i, &c->exports[i]);
		if (wrong)
			return wrong;
		if (fstat(c->exports[i], &st))
			return errno;
		c->length = st.st_size;
		c->maps[i] = mmap(NULL, c->length, PROT_READ | PROT_WRITE, MAP_SHARED, c->exports[i], 0);
		if (c->maps[i] == MAP_FAILED)
			return errno;
	}
	return 0;
}

static void close_client(struct client *c)
{
	unsigned i;

	for (i = 0; i < BUFFERS; i++) {
		if (c->exports[i] >= 0)
			close(c->exports[i]);
		if (c->maps[i] && c->maps[i] != MAP_FAILED)
			munmap(c->maps[i], c->length);
	}
	if (c->fd >= 0)
		close(c->fd);
}

/* A capture with all its buffers exported and queued, streaming. */
static int start_capture(struct client *c)
{
	unsigned i;
	int wrong;

	if (!open_client(c, capture, false))
		return errno;
	wrong = request(c, V4L2_MEMORY_MMAP, BUFFERS);
	wrong = wrong ? wrong : export_all(c);
	for (i = 0; i < BUFFERS && !wrong; i++)
		wrong = queue(c, i, -1);
	return wrong ? wrong : stream(c, true);
}

/* A display that has @camera's buffers, streaming. */
static int start_display(struct client *c, const struct client *camera)
{
	unsigned i;
	int wrong;

	if (!open_client(c, output, true))
		return errno;
	wrong = request(c, V4L2_MEMORY_DMABUF, BUFFERS);
	for (i = 0; i < BUFFERS && !wrong; i++)
		wrong = queue(c, i, camera->exports[i]);
	return wrong ? wrong : stream(c, true);
}

/* ---- clients to be killed ------------------------------------------------------------- */

static void capture_some(void)
{
	unsigned frames = rand() % 4, index;
	struct client c;

	if (!start_capture(&c))
		while (frames-- && !dequeue(&c, V4L2_MEMORY_MMAP, &index) && !queue(&c, index, -1))
			;
	if (rand() % 2)
		stream(&c, false);
	if (rand() % 2)
		request(&c, V4L2_MEMORY_MMAP, 0);
	close_client(&c);
}

static void pipe_some(void)
{
	unsigned frames = rand() % 4, index;
	struct client camera, display;

	memset(&display, 0, sizeof(display));
	memset(display.exports, -1, sizeof(display.exports));
	display.fd = -1;
	if (!start_capture(&camera) && !start_display(&display, &camera))
		while (frames-- && !dequeue(&display, V4L2_MEMORY_DMABUF, &index) &&
		       !queue(&display, index, camera.exports[index]))
			;
	close_client(rand() % 2 ? &camera : &display);
}

static void read_some(void)
{
	static char frame[FRAME];
	int fd = open(capture, O_RDWR | O_CLOEXEC);
	unsigned frames = rand() % 3;

	while (frames-- && read(fd, frame, sizeof(frame)) > 0)
		;
	close(fd);
}

static void poll_some(void)
{
	int fd = open(rand() % 2 ? capture : output, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct v4l2_event_subscription s = { .type = V4L2_EVENT_CTRL, .id = V4L2_CID_BRIGHTNESS };
	struct v4l2_event event;
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };

	call(fd, VIDIOC_SUBSCRIBE_EVENT, &s);
	poll(&p, 1, rand() % 20);
	call(fd, VIDIOC_DQEVENT, &event);
	close(fd);
}

static void client(unsigned seed)
{
	void (*const doings[])(void) = { capture_some, pipe_some, read_some, poll_some };

	srand(seed);
	for (;;)
		doings[rand() % 4]();
}

/* Whether it ended within @ms. */
static bool ended(pid_t pid, int ms)
{
	struct pollfd p = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool did = poll(&p, 1, ms) > 0;

	close(p.fd);
	return did;
}

static void storm_of_kills(unsigned count)
{
	struct { pid_t pid; long long until; } running[CLIENTS_AT_ONCE] = { 0 };
	unsigned started = 0, i;

	srand(count);
	for (i = 0; started < count || running[i].pid; i = (i + 1) % CLIENTS_AT_ONCE) {
		if (running[i].pid) {
			long long left = running[i].until - now_ms();

			if (ended(running[i].pid, left > 0 ? left : 0))
				fail("a client ended before it was killed");
			kill(running[i].pid, SIGKILL);
			if (!ended(running[i].pid, END_MS))
				fail("client %d can't be killed", running[i].pid);
			waitpid(running[i].pid, NULL, 0);
			running[i].pid = 0;
		}
		if (started == count)
			continue;
		running[i].pid = fork();
		if (!running[i].pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			client(started);
		}
		if (running[i].pid < 0)
			fail("fork");
		running[i].until = now_ms() + rand() % LIFE_US / 1000;
		started++;
	}
	printf("%u clients killed\n", count);
}

/* ---- clients whose daemon dies ------------------------------------------------------------ */

/* The daemon is gone: this, or another number of the kernel's for a lost connection. */
static bool is_loss(int wrong)
{
	return wrong == ENOTCONN || wrong == ECONNABORTED || wrong == ENODEV || wrong == EIO;
}

static void tell(int pipe_fd)
{
	if (write(pipe_fd, "r", 1) != 1)
		fail("the pipe");
}

static void *export_for_ever(void *arg)
{
	const struct client *c = arg;
	int fd, wrong;

	while (!(wrong = export(c, 0, &fd)))
		close(fd);
	if (!is_loss(wrong))
		need(wrong, "EXPBUF when the daemon died");
	return NULL;
}

/* Waits in DQBUF with nothing queued, while another thread exports. */
static void waiting_camera(struct client *c, int ready)
{
	pthread_t exporter;
	unsigned index;
	int wrong;

	need(pthread_create(&exporter, NULL, export_for_ever, c), "a thread");
	memset(c->maps[0], MARK, c->length);
	tell(ready);
	wrong = dequeue(c, V4L2_MEMORY_MMAP, &index);
	if (!is_loss(wrong))
		fail("DQBUF gave %d when the daemon died", wrong);
	pthread_join(exporter, NULL);
	if (c->maps[0][0] != MARK || c->maps[0][c->length - 1] != MARK)
		fail("the contents of an export have changed");
}

static void waiting_display(struct client *c, const struct client *camera, int ready)
{
	unsigned index;
	int wrong;

	need(start_display(c, camera), "a display");
	tell(ready);
	/* It keeps the last one, so one of these waits. */
	while (!(wrong = dequeue(c, V4L2_MEMORY_DMABUF, &index)))
		;
	if (!is_loss(wrong))
		fail("the display's DQBUF gave %d when the daemon died", wrong);
}

static void polling(int ready)
{
	struct v4l2_event_subscription s = { .type = V4L2_EVENT_CTRL, .id = V4L2_CID_BRIGHTNESS };
	struct pollfd p = { .fd = open(capture, O_RDWR | O_CLOEXEC), .events = POLLPRI };

	need(call(p.fd, VIDIOC_SUBSCRIBE_EVENT, &s), "SUBSCRIBE_EVENT");
	tell(ready);
	if (poll(&p, 1, 2 * END_MS) != 1 || !(p.revents & POLLERR))
		fail("poll gave %#x when the daemon died", p.revents);
}

/* Has nothing but the mapping of an export. */
static void holding(struct client *camera, int ready, int until)
{
	unsigned char *map = camera->maps[1];
	unsigned i;
	char byte;

	for (i = 0; i < BUFFERS; i++)
		close(camera->exports[i]);
	close(camera->fd);
	memset(map, MARK + 1, camera->length);
	tell(ready);
	if (read(until, &byte, 1) < 0 || map[0] != MARK + 1 || map[camera->length - 1] != MARK + 1)
		fail("the contents of a mapping have changed");
}

static void asking(int ready)
{
	int fd = open(output, O_RDWR | O_CLOEXEC), wrong;
	struct v4l2_capability cap;

	tell(ready);
	while (!(wrong = call(fd, VIDIOC_QUERYCAP, &cap)))
		;
	if (!is_loss(wrong))
		fail("QUERYCAP gave %d when the daemon died", wrong);
}

enum { ASKING, POLLING, HOLDING, DISPLAY, CAMERA, STATES };
static const char *const names[STATES] = { "asking", "polling", "holding", "display", "camera" };

static void take_state(int state, struct client *camera, int ready, int until)
{
	struct client display;

	switch (state) {
	case ASKING: asking(ready); break;
	case POLLING: polling(ready); break;
	case HOLDING: holding(camera, ready, until); break;
	case DISPLAY: waiting_display(&display, camera, ready); break;
	case CAMERA: waiting_camera(camera, ready); break;
	}
}

/* Waits until the process's first thread has slept through some looks. */
static bool sleeps(pid_t pid)
{
	long long until = now_ms() + END_MS;
	char path[64], text[4096], last[64] = "";
	unsigned seen = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	while (seen < 20 && now_ms() < until) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = read(fd, text, sizeof(text) - 1);
		char *switches;

		close(fd);
		text[got > 0 ? got : 0] = 0;
		switches = strstr(text, "\nvoluntary_ctxt_switches:");
		seen = switches && strstr(text, "State:\tS") && !strncmp(switches, last, 40) ? seen + 1 : 0;
		snprintf(last, sizeof(last), "%.40s", switches ? switches : "");
		poll(NULL, 0, 2);
	}
	return seen == 20;
}

static void storm_of_states(void)
{
	int ready[2], until[2], i, status;
	struct client camera;
	pid_t pids[STATES];
	unsigned index;
	struct pollfd word = { .events = POLLIN };
	char bytes[1];

	need(start_capture(&camera), "a camera");
	/* Nothing is queued then, so nothing is written any more. */
	for (i = 0; i < BUFFERS; i++)
		need(dequeue(&camera, V4L2_MEMORY_MMAP, &index), "DQBUF");
	if (pipe2(ready, O_CLOEXEC) || pipe2(until, O_CLOEXEC))
		fail("pipes");
	word.fd = ready[0];
	for (i = 0; i < STATES; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(until[1]);
			take_state(i, &camera, ready[1], until[0]);
			_exit(0);
		}
		if (poll(&word, 1, END_MS) != 1 || read(ready[0], bytes, 1) != 1)
			fail("no word of the client that is %s", names[i]);
		/* The display takes back what it can before it waits. */
		if (i != ASKING && !sleeps(pids[i]))
			fail("the client that is %s doesn't wait", names[i]);
	}
	close_client(&camera);
	puts("ready");
	fflush(stdout);
	for (i = STATES - 1; i >= 0; i--) {
		/* The holder goes on as long as it's told to. */
		if (i == HOLDING)
			close(until[1]);
		if (!ended(pids[i], END_MS))
			fail("the client that is %s doesn't end", names[i]);
		waitpid(pids[i], &status, 0);
		if (status)
			fail("the client that is %s ended with %#x", names[i], status);
	}
}

/* ---- exports ---------------------------------------------------------------------------- */

static unsigned exports_each;
static unsigned long signals;

static void count_signal(int number)
{
	__sync_fetch_and_add(&signals, 1);
}

/* Registers are looked at by tests/courier/caller.c; here it's a real node's. */
static void *export_and_look(void *arg)
{
	struct v4l2_exportbuffer e, before;
	const struct client *c = arg;
	sigset_t mask, after;
	unsigned i;
	int fd;

	/* The C library leaves all but the first word as it is. */
	memset(&mask, 0, sizeof(mask));
	memset(&after, 0, sizeof(after));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (i = 0; i < exports_each; i++) {
		memset(&e, 0, sizeof(e));
		e.type = c->type;
		e.index = i % BUFFERS;
		e.flags = O_RDWR | (i % 2 ? O_CLOEXEC : 0);
		before = e;
		need(call(c->fd, VIDIOC_EXPBUF, &e), "EXPBUF");
		fd = e.fd;
		e.fd = before.fd;
		if (memcmp(&e, &before, sizeof(e)))
			fail("EXPBUF changed more than the descriptor");
		if (fcntl(fd, F_GETFD) != (i % 2 ? FD_CLOEXEC : 0))
			fail("the flag of the descriptor is wrong");
		pthread_sigmask(SIG_SETMASK, NULL, &after);
		if (memcmp(&mask, &after, sizeof(mask)))
			fail("EXPBUF changed the signal mask");
		if (close(fd))
			fail("close of the export");
	}
	return NULL;
}

static void storm_of_exports(unsigned count, unsigned threads)
{
	struct itimerval each_ms = { .it_interval.tv_usec = 1000, .it_value.tv_usec = 1000 };
	struct sigaction act = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	long long start = now_ms();
	pthread_t others[64];
	struct client c;
	unsigned i;

	if (!open_client(&c, capture, false))
		fail("open");
	need(request(&c, V4L2_MEMORY_MMAP, BUFFERS), "REQBUFS");
	exports_each = count / threads;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &each_ms, NULL);
	for (i = 1; i < threads && i < 64; i++)
		need(pthread_create(&others[i], NULL, export_and_look, &c), "a thread");
	export_and_look(&c);
	for (i = 1; i < threads && i < 64; i++)
		pthread_join(others[i], NULL);
	printf("%u exports by %u threads in %lld ms, %lu signals\n", exports_each * threads, threads,
	       now_ms() - start, signals);
	close_client(&c);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "kill")) {
		capture = argv[3];
		output = argv[4];
		storm_of_kills(atoi(argv[2]));
	} else if (argc == 4 && !strcmp(argv[1], "states")) {
		capture = argv[2];
		output = argv[3];
		storm_of_states();
	} else if (argc == 5 && !strcmp(argv[1], "exports")) {
		capture = argv[4];
		storm_of_exports(atoi(argv[2]), atoi(argv[3]));
	} else {
		fprintf(stderr, "usage: storm kill|states|exports ...\n");
		return 1;
	}
	return 0;
}
