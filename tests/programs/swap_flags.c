/* Flags of the descriptor and of the open file, set before the first REQBUFS or after it. */
#include "swap.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int file_flags(int fd)
{
	return need_call(fcntl(fd, F_GETFL), "F_GETFL");
}

static void set_file_flags(int fd, int set, int clear)
{
	need_call(fcntl(fd, F_SETFL, (file_flags(fd) | set) & ~clear), "F_SETFL");
}

static int descriptor_flags(int fd)
{
	return need_call(fcntl(fd, F_GETFD), "F_GETFD");
}

/* Streaming, with nothing to dequeue, so that DQBUF says whether it would wait. */
static void stream_nothing(int fd, const struct node *node)
{
	allocate(fd, node);
	stream_on(fd, node);
}

#define expect_nonblock(fd, so, ...)						\
	expect_that(!!(file_flags(fd) & O_NONBLOCK) == (so),			\
		    (so) ? "O_NONBLOCK" : "no O_NONBLOCK", __VA_ARGS__)

/* ---- O_NONBLOCK ---------------------------------------------------------------------------- */

static void opened_nonblock(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);

	stream_nothing(fd, node);
	expect_nonblock(fd, true, "opened with O_NONBLOCK, REQBUFS, F_GETFL");
	expect(try_dequeue(fd, node), EAGAIN, "DQBUF, nothing ready");
}

static void set_before(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	set_file_flags(copy, O_NONBLOCK, 0);
	stream_nothing(fd, node);
	expect_nonblock(fd, true, "O_NONBLOCK set through a dup, REQBUFS through the first, F_GETFL");
	expect_nonblock(copy, true, "of the dup");
	expect(try_dequeue(fd, node), EAGAIN, "DQBUF, nothing ready");
	expect(try_dequeue(copy, node), EAGAIN, "through the dup");
}

static void cleared_before(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR | O_NONBLOCK), node };
	struct waiter w;

	set_file_flags(o.fd, 0, O_NONBLOCK);
	stream_nothing(o.fd, node);
	expect_nonblock(o.fd, false, "opened with O_NONBLOCK, cleared, REQBUFS, F_GETFL");
	if (node->output)
		queue_mmap(o.fd, node, 1);
	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	queue_mmap(o.fd, node, 0);
	expect(waiter_join(&w), 0, "DQBUF, nothing ready: it waits, and a buffer comes");
}

static void set_after(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), on = 1;

	stream_nothing(fd, node);
	expect_nonblock(fd, false, "REQBUFS, F_GETFL");
	set_file_flags(fd, O_NONBLOCK, 0);
	expect(try_dequeue(fd, node), EAGAIN, "O_NONBLOCK set, DQBUF");
	set_file_flags(fd, 0, O_NONBLOCK);
	need_call(ioctl(fd, FIONBIO, &on), "FIONBIO");
	expect_nonblock(fd, true, "cleared, FIONBIO, F_GETFL");
	expect(try_dequeue(fd, node), EAGAIN, "DQBUF");
}

static void set_after_through_duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	stream_nothing(fd, node);
	set_file_flags(copy, O_NONBLOCK, 0);
	expect(try_dequeue(copy, node), EAGAIN, "dup, REQBUFS, O_NONBLOCK set through the dup, DQBUF through it");
	expect_nonblock(fd, true, "F_GETFL of the first");
	expect(try_dequeue(fd, node), EAGAIN, "DQBUF through the first");
}

/* ---- FD_CLOEXEC ----------------------------------------------------------------------------- */

static void cloexec_on(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	allocate(fd, node);
	expect_number(descriptor_flags(fd), FD_CLOEXEC, "opened with O_CLOEXEC, REQBUFS, F_GETFD");
	expect_number(descriptor_flags(copy), 0, "of a dup made before");
}

static void cloexec_off(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(fcntl(fd, F_DUPFD_CLOEXEC, 0), "F_DUPFD_CLOEXEC");

	need_call(fcntl(fd, F_SETFD, 0), "F_SETFD");
	allocate(fd, node);
	expect_number(descriptor_flags(fd), 0, "FD_CLOEXEC cleared, REQBUFS, F_GETFD");
	expect_number(descriptor_flags(copy), FD_CLOEXEC, "of a dup made by F_DUPFD_CLOEXEC before");
}

/* ---- the access mode, and the rest ---------------------------------------------------------- */

static void access_mode(const struct node *node, const struct node *peer)
{
	static const struct { const char *name; int mode; } modes[] = {
		{ "opened O_RDONLY", O_RDONLY }, { "O_WRONLY", O_WRONLY }, { "O_RDWR", O_RDWR },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int fd = open_node(node, modes[i].mode);

		expect(try_allocate(fd, node), 0, "%s, REQBUFS", modes[i].name);
		expect_number(file_flags(fd) & O_ACCMODE, modes[i].mode, "access mode");
		close_fd(fd);
	}
}

static void streams_with(const struct node *node, const struct node *peer)
{
	static const struct { const char *name; int mode; } modes[] = {
		{ "opened O_RDONLY, frames without mmap: indices", O_RDONLY }, { "O_WRONLY", O_WRONLY },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int fd = open_node(node, modes[i].mode);

		allocate(fd, node);
		start(fd, node);
		expect_that(stream_frames(fd, node, 0), "in order", "%s", modes[i].name);
		close_fd(fd);
	}
}

static void all_flags(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK), before = file_flags(fd);

	allocate(fd, node);
	expect_that(file_flags(fd) == before, "as before", "REQBUFS, all of F_GETFL");
}

static void status_flags(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	set_file_flags(fd, O_APPEND, 0);
	allocate(fd, node);
	expect_that(file_flags(fd) & O_APPEND, "O_APPEND", "O_APPEND set, REQBUFS, F_GETFL");
	set_file_flags(fd, 0, O_APPEND);
	expect_that(!(file_flags(fd) & O_APPEND), "no O_APPEND", "cleared");
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	signals++;
}

static void async(const struct node *node, const struct node *peer)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	int fd = open_node(node, O_RDWR);

	need_call(sigaction(SIGIO, &action, NULL), "sigaction");
	need_call(fcntl(fd, F_SETOWN, getpid()), "F_SETOWN");
	set_file_flags(fd, O_ASYNC, 0);
	allocate(fd, node);
	/* No V4L2 driver has it. */
	expect_that(!(file_flags(fd) & O_ASYNC), "no O_ASYNC", "O_ASYNC set, REQBUFS, F_GETFL");
	start(fd, node);
	expect_that(stream_frames(fd, node, 0), "in order", "frames: indices");
	expect_number(signals, 0, "SIGIO that came");
}

static void owner(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	need_call(fcntl(fd, F_SETOWN, getpid()), "F_SETOWN");
	need_call(fcntl(fd, F_SETSIG, SIGUSR1), "F_SETSIG");
	allocate(fd, node);
	expect_that(fcntl(fd, F_GETOWN) == getpid(), "as before", "F_SETOWN, REQBUFS, F_GETOWN");
	expect_that(fcntl(fd, F_GETSIG) == SIGUSR1, "as before", "F_GETSIG");
}

static const struct check checks[] = {
	{ "nonblock-opened", ON_EACH, opened_nonblock },
	{ "nonblock-set-before", ON_EACH, set_before },
	{ "nonblock-cleared-before", ON_EACH, cleared_before },
	{ "nonblock-set-after", ON_EACH, set_after },
	{ "nonblock-set-after-through-dup", ON_EACH, set_after_through_duplicate },
	{ "cloexec-on", ON_EACH, cloexec_on },
	{ "cloexec-off", ON_EACH, cloexec_off },
	{ "access-mode", ON_EACH, access_mode },
	{ "access-mode-streams", ON_EACH, streams_with },
	{ "all-flags", ON_EACH, all_flags },
	{ "status-flags", ON_EACH, status_flags },
	{ "async", ON_EACH, async },
	{ "async-owner", ON_EACH, owner },
	{ 0 }
};

const struct group swap_flags = { "flags", checks };
