/*
 * What a caller can do while it is made to receive a descriptor: its threads meddle, it becomes
 * another process or program, or dies.
 */
#include "hostile.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	NEAR = 4,		/* so many numbers from the lowest free one on are meddled with */
	SOON_MS = 3500,		/* for an exec; without an answer to the dying thread it takes over four seconds */
};

static volatile bool over;
static volatile int lowest;
static int files[2]; /* a file that no socket is; a socket that is full */

/* What the caller is made to do fails with, when its other threads meddle: EIO, or that call's own. */
#define MEDDLED MAY("EIO"), MAY("EBADF"), MAY("ENOTSOCK"), MAY("EPIPE"), MAY("EAGAIN")

/* ---- threads that meddle with the numbers of the pair -------------------------------------- */

static void *closing(void *unused)
{
	(void)unused;
	while (!over)
		for (int i = 0; i < NEAR; i++)
			close(lowest + i);
	return NULL;
}

static void *replacing(void *unused)
{
	(void)unused;
	while (!over)
		for (int i = 0; i < NEAR; i++) {
			dup2(files[0], lowest + i);
			close(lowest + i);
		}
	return NULL;
}

/* Takes what lies in the socket, shuts it, or puts one in its place that takes nothing. */
static void *blocking(void *unused)
{
	char bytes[16];

	(void)unused;
	for (unsigned round = 0; !over; round++)
		for (int i = 0; i < NEAR; i++) {
			recv(lowest + i, bytes, sizeof(bytes), MSG_DONTWAIT);
			if (round % 3 == 1)
				shutdown(lowest + i, SHUT_RDWR);
			if (round % 3 == 2) {
				dup2(files[1], lowest + i);
				close(lowest + i);
			}
		}
	return NULL;
}

static int full_socket(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		fail("a pair of sockets");
	while (send(pair[0], "x", 1, MSG_DONTWAIT) == 1)
		;
	return pair[0];
}

static void meddled(void *(*meddle)(void *))
{
	int camera = camera_with(2), exported, free_number;
	pthread_t other;

	files[0] = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	files[1] = full_socket();
	free_number = dup(0);
	close(free_number);
	lowest = free_number;
	other = thread(meddle, NULL);
	while (going()) {
		got(export(camera, 0, O_RDWR, &exported));
		/* What the meddling left open. */
		syscall(SYS_close_range, free_number, ~0U, 0);
	}
	over = true;
	pthread_join(other, NULL);
	syscall(SYS_close_range, free_number, ~0U, 0);
	/* And alone again it has its due. */
	need(export(camera, 0, O_RDWR, &exported), "EXPBUF afterwards");
	if (exported != free_number || fcntl(exported, F_GETFD) != FD_CLOEXEC)
		fail("the export afterwards is %d, not %d", exported, free_number);
}

void closes(void)
{
	meddled(closing);
	CONCLUDE(MUST("fine"), MEDDLED);
}

void replaces(void)
{
	meddled(replacing);
	CONCLUDE(MUST("fine"), MEDDLED);
}

void blocks(void)
{
	meddled(blocking);
	CONCLUDE(MUST("fine"), MEDDLED);
}

/* The descriptor that is to be swapped is replaced meanwhile. */
static void *under_the_number(void *unused)
{
	(void)unused;
	for (unsigned round = 0; !over; round++) {
		int target = lowest;

		if (round % 5 == 0)
			dup2(files[0], target);
		for (int i = 1; i < NEAR; i++) {
			dup2(files[1], target + i);
			close(target + i);
		}
	}
	return NULL;
}

void swapped(void)
{
	pthread_t other;
	int free_number, camera;

	files[0] = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	files[1] = full_socket();
	free_number = dup(0);
	close(free_number);
	lowest = free_number + 2;
	other = thread(under_the_number, NULL);
	while (going()) {
		camera = open(at.camera, O_RDWR | O_CLOEXEC);
		if (camera < 0) {
			got(errno);
		} else {
			lowest = camera;
			got(request(camera, CAPTURE, MMAP, 1));
			lowest = free_number + 2;
		}
		syscall(SYS_close_range, free_number, ~0U, 0);
	}
	over = true;
	pthread_join(other, NULL);
	syscall(SYS_close_range, free_number, ~0U, 0);
	close(camera_with(1));
	CONCLUDE(MAY("fine"), MEDDLED, MAY("ENOTTY"), MAY("EBUSY"));
}

/* ---- other processes ------------------------------------------------------------------- */

static void *exporting(void *argument)
{
	int camera = *(int *)argument, exported;

	while (!over)
		if (!export(camera, 0, O_RDWR, &exported))
			close(exported);
	return NULL;
}

/* Says how a child ended. */
static void got_end(pid_t child)
{
	int status = 0;

	if (waitpid(child, &status, 0) != child)
		fail("waitpid");
	if (WIFSIGNALED(status))
		got_word(WTERMSIG(status) == SIGKILL ? "killed" : "another signal");
	else
		got_word(WEXITSTATUS(status) ? "failed" : "ended");
}

/* A second thread forks all the time. */
static void *forking(void *unused)
{
	(void)unused;
	while (!over) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		if (child > 0)
			got_end(child);
	}
	return NULL;
}

void forks(void)
{
	int camera = camera_with(2), exported;
	unsigned before = descriptors();
	pthread_t other = thread(forking, NULL);

	while (going()) {
		int wrong = export(camera, 0, O_RDWR, &exported);

		got(wrong);
		if (!wrong)
			close(exported);
	}
	over = true;
	pthread_join(other, NULL);
	CONCLUDE(MUST("fine"), MUST("ended"));
	same_descriptors(before);
}

static void execute(void)
{
	char *const words[] = { "hostile", "nothing", NULL };

	execv("/proc/self/exe", words);
	fail("execv");
}

static void *executing(void *unused)
{
	(void)unused;
	pause_some(2000);
	execute();
	return NULL;
}

/* Either thread becomes another program, and takes the first one's number, while the other exports. */
void execs(void)
{
	int camera = camera_with(2);

	for (unsigned round = 0; going(); round++) {
		long long since = now_ms();
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (!child) {
			if (round % 2) {
				thread(exporting, &camera);
				executing(NULL);
			}
			thread(executing, NULL);
			exporting(&camera);
		}
		got_end(child);
		if (now_ms() - since > SOON_MS)
			fail("an exec took %lld ms", now_ms() - since);
	}
	CONCLUDE(MUST("ended"));
}

/* Who has done nothing but ask for what there is not: it gets no descriptor, and its registers stay. */
static void innocent(int camera)
{
	unsigned before = descriptors();

	for (unsigned i = 0; i < 3; i++) {
		struct v4l2_exportbuffer e = { .type = CAPTURE, .index = 99, .flags = O_RDWR };
		struct pollfd none = { .fd = -1 };

		if (call(camera, VIDIOC_EXPBUF, &e) != EINVAL || e.fd)
			_exit(1);
		if (poll(&none, 1, 0))
			_exit(2);
	}
	_exit(descriptors() != before);
}

/*
 * Processes die in the middle of a call, and others come that have their numbers: the machine has few
 * of them (the lane sees to that).
 */
void dies(void)
{
	static bool was_killed[1 << 16];
	int camera = camera_with(2);
	unsigned again = 0, rounds;

	/* On a busy machine the time may be over before the numbers are. */
	for (rounds = 0; going() || (!again && rounds < 100); rounds++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (!child)
			exporting(&camera);
		pause_some(3000);
		kill(child, SIGKILL);
		was_killed[child & 0xffff] = true;
		got_end(child);
		for (unsigned i = 0; i < 8; i++) {
			child = fork();
			if (child < 0)
				fail("fork");
			if (!child)
				innocent(camera);
			again += was_killed[child & 0xffff];
			got_end(child);
		}
	}
	for (unsigned i = 0; i < again; i++)
		got_word("a dead one's number");
	CONCLUDE(MUST("killed"), MUST("ended"), MUST("a dead one's number"));
}
