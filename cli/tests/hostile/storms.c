/*
 * As much as a user may have, and more, again and again; and a client that is as busy and means no
 * harm, to compare with.
 */
#include "hostile.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

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
