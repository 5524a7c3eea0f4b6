/*
 * As much as a user may have, and more, again and again; and a client that is as busy and means no
 * harm, to compare with.
 */
#include "hostile.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { THREADS = 4, KEPT = 4096, LIMIT = 16 };

static void may_have(unsigned number)
{
	struct rlimit limit = { number, number };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		fail("setrlimit");
}

/* Opens until it may have no more. */
void opens(void)
{
	while (going()) {
		int first = open(at.camera, O_RDWR | O_CLOEXEC), wrong = 0;

		got(first < 0 ? errno : 0);
		while (!wrong) {
			wrong = open(at.camera, O_RDWR | O_CLOEXEC) < 0 ? errno : 0;
			got(wrong);
		}
		syscall(SYS_close_range, 3, ~0U, 0);
	}
	CONCLUDE(MUST("fine"), MUST("EMFILE"));
}

/* The limit is raised for the moment in which a caller with a full table is served. */
static void same_limit(unsigned number)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur != number || limit.rlim_max != number)
		fail("it may have %lu descriptors and set %lu, not %u", (unsigned long)limit.rlim_cur,
		     (unsigned long)limit.rlim_max, number);
}

static void *export_all(void *argument)
{
	int camera = *(int *)argument, kept[KEPT], wrong;
	unsigned count;

	while (going()) {
		for (count = 0; count < KEPT; count++) {
			wrong = export(camera, count % 2, O_RDWR, &kept[count]);
			got(wrong);
			if (wrong)
				break;
		}
		while (count--)
			close(kept[count]);
	}
	return NULL;
}

/* Exports, by some threads, until the table is full. */
void exports(void)
{
	int camera = camera_with(2);
	pthread_t all[THREADS];
	unsigned before;

	may_have(LIMIT);
	before = descriptors();
	for (unsigned i = 0; i < THREADS; i++)
		all[i] = thread(export_all, &camera);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(all[i], NULL);
	CONCLUDE(MUST("fine"), MUST("EMFILE"));
	same_descriptors(before);
	same_limit(LIMIT);
}

/* Lets go of buffers that it has mapped, until it may leave no more behind. */
void orphans(void)
{
	static struct { void *at; size_t length; } maps[KEPT];
	int camera = camera_with(2);

	while (going()) {
		unsigned count = 0;
		int wrong = 0;

		while (!wrong && count < KEPT - 2) {
			wrong = request(camera, CAPTURE, MMAP, 2);
			got(wrong);
			for (unsigned i = 0; i < 2 && !wrong; i++) {
				struct stat st;
				int fd;

				need(export(camera, i, O_RDWR, &fd), "EXPBUF of what is to be an orphan");
				if (fstat(fd, &st))
					fail("fstat");
				maps[count].length = lseek(fd, 0, SEEK_END);
				maps[count].at = mmap(NULL, maps[count].length, PROT_READ, MAP_SHARED, fd, 0);
				if (maps[count].at == MAP_FAILED)
					fail("mmap");
				close(fd);
				count++;
			}
			if (!wrong)
				need(request(camera, CAPTURE, MMAP, 0), "REQBUFS(0)");
		}
		while (count--)
			munmap(maps[count].at, maps[count].length);
	}
	CONCLUDE(MUST("fine"), MUST("ENOMEM"));
}

/* ---- a file that its mappings keep open ------------------------------------------------------ */

enum {
	CROWD = 32,
	TRIES = 10,
	LATE_MS = 8000,		/* each such call waits for a second; two at a time, the last would wait for 16 */
	UNDER_WAY_MS = 50,
	AT_ONCE_MS = 800,	/* of the second that it would wait */
};

/* Has the queue by mappings alone, until it is killed. */
static void keep_mapped(int told)
{
	int camera = camera_with(2);
	struct v4l2_buffer b = { .type = CAPTURE, .memory = MMAP };

	need(call(camera, VIDIOC_QUERYBUF, &b), "QUERYBUF");
	if (mmap(NULL, b.length, PROT_READ, MAP_SHARED, camera, b.m.offset) == MAP_FAILED)
		fail("mmap");
	close(camera);
	if (write(told, "m", 1) != 1)
		fail("the pipe");
	while (pause())
		;
}

/* Says when it is about to ask for the queue. */
static void ask(int told)
{
	int camera = opened(at.camera);

	if (write(told, "a", 1) != 1)
		fail("the pipe");
	request(camera, CAPTURE, MMAP, 2);
	_exit(0);
}

static void end(pid_t pid)
{
	if (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		fail("the end of a child");
}

static void *ask_again(void *unused)
{
	(void)unused;
	do {
		int camera = opened(at.camera), wrong;
		long long since = now_ms();

		wrong = request(camera, CAPTURE, MMAP, 2);
		if (now_ms() - since < LATE_MS)
			got(wrong);
		else
			got_word("late");
		close(camera);
	} while (going());
	return NULL;
}

/* All ask for a queue whose owner may be about to be gone, which each is to wait for; some are killed. */
void crowds(void)
{
	pid_t owner = child(keep_mapped);
	pthread_t all[CROWD];
	bool at_once = false;

	for (unsigned i = 0; i < CROWD; i++)
		all[i] = thread(ask_again, NULL);
	/* To come up may have taken all of the attack's time, and a busy machine one or the other's. */
	for (unsigned tries = 0; going() || (!at_once && tries < TRIES); tries++) {
		pid_t asks = child(ask);
		long long since;

		usleep(UNDER_WAY_MS * 1000);
		since = now_ms();
		end(asks);
		at_once |= now_ms() - since < AT_ONCE_MS;
		got_word(now_ms() - since < AT_ONCE_MS ? "gone at once" : "gone");
	}
	for (unsigned i = 0; i < CROWD; i++)
		pthread_join(all[i], NULL);
	end(owner);
	need(request(opened(at.camera), CAPTURE, MMAP, 2), "REQBUFS when the other is gone");
	CONCLUDE(MUST("EBUSY"), MUST("gone at once"), MAY("gone"));
}

/* ---- no attack ----------------------------------------------------------------------------- */

static void *compute(void *unused)
{
	(void)unused;
	while (going())
		;
	return NULL;
}

static void *use(void *argument)
{
	int camera = *(int *)argument, exported;

	while (going()) {
		need(export(camera, 0, O_RDWR, &exported), "EXPBUF");
		got(0);
		close(exported);
	}
	return NULL;
}

/*
 * Exports as fast as it can, as a program may, by as many threads as one user is served at a time (one
 * less than there are workers), while another computes.
 */
void harmless(void)
{
	int camera = camera_with(2);
	pthread_t all[3] = { thread(compute, NULL), thread(use, &camera), thread(use, &camera) };

	for (unsigned i = 0; i < 3; i++)
		pthread_join(all[i], NULL);
	CONCLUDE(MUST("fine"));
}
