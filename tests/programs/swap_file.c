/* What calls that know nothing of V4L2 say of a descriptor after its first REQBUFS. */
#include "swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void stat_says(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");
	struct stat before, after, of_copy;

	need_call(fstat(fd, &before), "fstat");
	allocate(fd, node);
	need_call(fstat(copy, &of_copy), "fstat");
	expect_that(S_ISCHR(of_copy.st_mode) && of_copy.st_rdev == before.st_rdev, "as before",
		    "dup, REQBUFS, fstat of the dup: type and device");
	need_call(fstat(fd, &after), "fstat");
	expect_that(S_ISCHR(after.st_mode), "a character device", "of the first: type");
	expect_that(after.st_rdev == before.st_rdev, "as before", "device");
}

static void link_of(int fd, char *text, size_t size)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = need_call(readlink(path, text, size - 1), "readlink");
	text[got] = 0;
}

static void link_says(const struct node *node, const struct node *peer)
{
	char before[256], after[256];
	int fd = open_node(node, O_RDWR);

	link_of(fd, before, sizeof(before));
	allocate(fd, node);
	link_of(fd, after, sizeof(after));
	expect_that(!strcmp(before, after), "as before", "REQBUFS, readlink in /proc/self/fd");
}

static void reopened(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), again;
	char path[64];

	allocate(fd, node);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	expect(again < 0 ? errno : 0, 0, "REQBUFS, open of the descriptor in /proc/self/fd");
	expect(try_allocate(again, node), EBUSY, "REQBUFS of what that gave");
}

static void reopened_duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup"), again;
	char path[64];

	allocate(fd, node);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	again = open(path, O_RDWR | O_CLOEXEC);
	expect(again < 0 ? errno : 0, 0, "dup, REQBUFS, open of the dup in /proc/self/fd");
	expect(try_allocate(again, node), EBUSY, "REQBUFS of what that gave");
}

static void seek(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	allocate(fd, node);
	expect(lseek(fd, 0, SEEK_SET) < 0 ? errno : 0, ESPIPE, "REQBUFS, lseek");
	expect(lseek(fd, 0, SEEK_END) < 0 ? errno : 0, ESPIPE, "to its end");
}

static void seek_before(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	expect(lseek(fd, 0, SEEK_SET) < 0 ? errno : 0, ESPIPE, "lseek before REQBUFS");
	allocate(fd, node);
	expect(lseek(copy, 0, SEEK_SET) < 0 ? errno : 0, ESPIPE, "of a dup, after it");
}

/* ---- reading and writing ---------------------------------------------------------------------- */

/* read on a camera, write on a display: what is streamed can't be had so. */
static void transfer(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	static char memory[4096];
	struct iovec vector = { memory, sizeof(memory) };
	ssize_t got;

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	allocate(fd, node);
	got = node->output ? write(fd, memory, sizeof(memory)) : read(fd, memory, sizeof(memory));
	expect(got < 0 ? errno : 0, EBUSY, "REQBUFS, %s", node->output ? "write" : "read");
	got = node->output ? writev(fd, &vector, 1) : readv(fd, &vector, 1);
	expect(got < 0 ? errno : 0, EBUSY, "%s", node->output ? "writev" : "readv");
}

/* At an offset, which means nothing to a driver. */
static void transfer_at(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	static char memory[4096];
	struct iovec vector = { memory, sizeof(memory) };
	ssize_t got;

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	allocate(fd, node);
	got = node->output ? pwrite(fd, memory, sizeof(memory), 0) : pread(fd, memory, sizeof(memory), 0);
	expect(got < 0 ? errno : 0, EBUSY, "REQBUFS, %s", node->output ? "pwrite" : "pread");
	got = node->output ? pwritev(fd, &vector, 1, 0) : preadv(fd, &vector, 1, 0);
	expect(got < 0 ? errno : 0, EBUSY, "%s", node->output ? "pwritev" : "preadv");
}

/* Programs set O_NONBLOCK alone, and so clear all else. */
static void transfer_flags(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	static char memory[4096];
	ssize_t got;

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	allocate(fd, node);
	need_call(fcntl(fd, F_SETFL, O_NONBLOCK), "F_SETFL");
	got = node->output ? write(fd, memory, sizeof(memory)) : read(fd, memory, sizeof(memory));
	expect(got < 0 ? errno : 0, EBUSY, "REQBUFS, F_SETFL of O_NONBLOCK alone, %s",
	       node->output ? "write" : "read");
}

/* Its buffers freed, a camera can be read. */
static void read_after(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	size_t size = node->plane_size[0];
	char *frame = calloc(1, size + 1);

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	if (node->planes > 1)
		skip("the format has several planes");
	need_that(frame != NULL, "memory for a frame");
	allocate(fd, node);
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect_that(read(fd, frame, size + 1) == (ssize_t)size, "a frame",
		    "REQBUFS, REQBUFS(0), read of more than a frame");
	expect(try_allocate(other, node), EBUSY, "REQBUFS by another");
	expect(try_allocate(fd, node), EBUSY, "REQBUFS");
	expect_poll(poll_events(fd, ready_events(node), FRAME_MS), ready_events(node), "poll");
}

/* The other way round. */
static void transfer_opposite(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	char memory[64] = { 0 };
	ssize_t got;

	if (!(node->caps & V4L2_CAP_READWRITE))
		skip("the node has no read and write");
	allocate(fd, node);
	got = node->output ? read(fd, memory, sizeof(memory)) : write(fd, memory, sizeof(memory));
	expect(got < 0 ? errno : 0, EINVAL, "REQBUFS, %s", node->output ? "read" : "write");
}

static void file_calls(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	allocate(fd, node);
	expect(ftruncate(fd, 0) ? errno : 0, EINVAL, "REQBUFS, ftruncate");
	expect(fsync(fd) ? errno : 0, EINVAL, "fsync");
	expect(fcntl(fd, F_GET_SEALS) < 0 ? errno : 0, EINVAL, "F_GET_SEALS");
}

static void file_allocate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	allocate(fd, node);
	expect(fallocate(fd, 0, 0, 4096) ? errno : 0, ENODEV, "REQBUFS, fallocate");
}

/* ---- locks ---------------------------------------------------------------------------------------- */

static int try_flock(int fd, int operation)
{
	return flock(fd, operation | LOCK_NB) ? errno : 0;
}

static void file_lock(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);

	need(try_flock(fd, LOCK_EX), "flock");
	allocate(fd, node);
	expect(try_flock(other, LOCK_EX), EWOULDBLOCK, "flock, REQBUFS, flock by another");
	need(try_flock(fd, LOCK_UN), "flock");
	expect(try_flock(other, LOCK_EX), 0, "unlocked");
}

static void file_lock_duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	need(try_flock(fd, LOCK_EX), "flock");
	allocate(fd, node);
	expect(try_flock(other, LOCK_EX), EWOULDBLOCK, "flock, dup, REQBUFS, flock by another");
	need(try_flock(copy, LOCK_UN), "flock");
	expect(try_flock(other, LOCK_EX), 0, "unlocked through the dup");
}

static int try_record_lock(int fd, int type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &lock) == -1 ? errno : 0;
}

static void lock_there(int sock, void *arg)
{
	const struct node *node = arg;
	int fd = open_node(node, O_RDWR), err;

	hear(sock, 'l');
	err = try_record_lock(fd, F_WRLCK);
	say(sock, err == EAGAIN || err == EACCES ? 'b' : err ? 'e' : 'l');
}

static void record_lock(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(lock_there, (void *)node);
	int fd = open_node(node, O_RDWR);
	char said = 0;

	need(try_record_lock(fd, F_WRLCK), "F_SETLK");
	allocate(fd, node);
	say(h.sock, 'l');
	need_call(read(h.sock, &said, 1), "read from the other process");
	expect_that(said == 'b', "refused", "F_SETLK, REQBUFS, F_SETLK by another process");
}

static const struct check checks[] = {
	{ "file-stat", ON_EACH, stat_says },
	{ "file-link", ON_EACH, link_says },
	{ "file-reopened", ON_EACH, reopened },
	{ "file-reopened-dup", ON_EACH, reopened_duplicate },
	{ "file-seek", ON_EACH, seek },
	{ "file-seek-before", ON_EACH, seek_before },
	{ "file-transfer", ON_EACH, transfer },
	{ "file-transfer-at", ON_EACH, transfer_at },
	{ "file-transfer-flags", ON_EACH, transfer_flags },
	{ "file-read-after", ON_CAPTURE, read_after },
	{ "file-transfer-opposite", ON_EACH, transfer_opposite },
	{ "file-calls", ON_EACH, file_calls },
	{ "file-fallocate", ON_EACH, file_allocate },
	{ "file-lock", ON_EACH, file_lock },
	{ "file-lock-dup", ON_EACH, file_lock_duplicate },
	{ "file-record-lock", ON_EACH, record_lock },
	{ 0 }
};

const struct group swap_file = { "file", checks };
