/*
 * What a caller tries with what it was given: its exports, and its own file.
 */
#include "hostile.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	PAGE = 4096,
	WINDOW = 16 * PAGE,
};

/* ---- exports ------------------------------------------------------------------------------ */

/* "WHAT ERRNO", so that each trick has its own answer. */
static void trick(const char *what, long result)
{
	char name[24];
	int why = errno;

	snprintf(name, sizeof(name), "%s %s", what, result < 0 ? strerrorname_np(why) : "fine");
	got_word(name);
}

static bool is_dmabuf(int fd)
{
	char path[64], text[512] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file || !fread(text, 1, sizeof(text) - 1, file))
		fail("%s", path);
	fclose(file);
	return strstr(text, "exp_name:");
}

static void try_all(int fd, size_t length)
{
	char path[64], byte = 'x';
	void *map;
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	trick("open", again);
	if (again >= 0)
		close(again);
	again = open(path, O_RDONLY | O_CLOEXEC);
	trick("open", again);
	if (again >= 0)
		close(again);
	trick("chmod", fchmod(fd, 0777));
	trick("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	trick("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	trick("shorten", ftruncate(fd, 0));
	trick("lengthen", ftruncate(fd, 16 << 20));
	trick("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	trick("grow", fallocate(fd, 0, 0, length + PAGE));
	trick("write", pwrite(fd, &byte, 1, 0));
	map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	trick("map", map == MAP_FAILED ? -1 : 0);
	if (map != MAP_FAILED)
		munmap(map, length);
}

/* The buffer is what it was, whatever was tried: as long, and there for whoever has it. */
void reopens(void)
{
	int camera = camera_with(2), exported;
	bool dmabuf = false;
	size_t length = 0;

	while (going()) {
		for (int flags = 0; flags < 2; flags++) {
			struct stat st;

			need(export(camera, 0, flags ? O_RDWR : O_RDONLY, &exported), "EXPBUF");
			dmabuf = is_dmabuf(exported);
			length = lseek(exported, 0, SEEK_END);
			try_all(exported, length);
			if (lseek(exported, 0, SEEK_END) != (off_t)length || fstat(exported, &st))
				fail("the export has another length");
			close(exported);
		}
	}
	if (dmabuf)
		CONCLUDE(MUST("open EACCES"), MUST("chmod EPERM"), MUST("seal EINVAL"), MUST("shorten EINVAL"),
			 MUST("lengthen EINVAL"), MUST("punch ENODEV"), MUST("grow ENODEV"), MUST("write ESPIPE"),
			 MUST("map fine"));
	else
		CONCLUDE(MUST("open EACCES"), MUST("chmod EPERM"), MUST("seal EPERM"), MUST("shorten EPERM"),
			 MUST("shorten EINVAL"), MUST("lengthen EPERM"), MUST("lengthen EINVAL"), MUST("punch fine"),
			 MUST("punch EBADF"), MUST("grow EPERM"), MUST("grow EBADF"), MUST("write fine"),
			 MUST("write EBADF"), MUST("map fine"), MUST("map EACCES"));
}

/* ---- its own file ---------------------------------------------------------------------------- */

static sigjmp_buf lost;

static void on_bus_error(int number)
{
	(void)number;
	siglongjmp(lost, 1);
}

/*
 * Maps its own node's file, window after window from its beginning on, and windows anywhere in it by
 * turns, and looks at every page. It has never streamed: all that is not zero is another's.
 */
void pages(void)
{
	struct sigaction action = { .sa_handler = on_bus_error };
	volatile unsigned long seen = 0, none = 0, refused = 0;
	int camera = camera_with(2);
	volatile unsigned round;
	volatile size_t page;
	struct stat st;

	sigaction(SIGBUS, &action, NULL);
	if (fstat(camera, &st) || st.st_size < WINDOW)
		fail("its own file has %ld bytes", (long)st.st_size);
	for (round = 0; going(); round++) {
		const off_t windows = st.st_size / WINDOW;
		const off_t from = (round % 2 ? (off_t)rand() << 16 ^ rand() : round / 2) % windows * WINDOW;
		unsigned char *map = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, camera, from);

		if (map == MAP_FAILED) {
			refused++;
			continue;
		}
		for (page = 0; page < WINDOW; page += PAGE) {
			if (sigsetjmp(lost, 1)) {
				none++;
				continue;
			}
			for (unsigned i = 0; i < PAGE; i += 8)
				if (*(volatile uint64_t *)(map + page + i))
					fail("somebody's bytes at %#lx", (long)(from + page + i));
			seen++;
		}
		munmap(map, WINDOW);
	}
	if (refused || seen + none < WINDOW / PAGE)
		fail("%lu pages of zeros, %lu that are not there, %lu windows refused", seen, none, refused);
	for (unsigned long i = 0; i < seen; i++)
		got_word("a page of zeros");
	for (unsigned long i = 0; i < none; i++)
		got_word("SIGBUS");
	CONCLUDE(MAY("a page of zeros"), MAY("SIGBUS"));
}
