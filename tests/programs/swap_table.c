/* The first REQBUFS and the descriptor table: full, shared with another process, used by threads. */
#include "swap.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often threads are let loose. */
#define ROUNDS 10

/* Leaves @free numbers below the limit; all others are taken. */
static void fill_table(int fd, unsigned free)
{
	int last = need_call(dup(fd), "dup");
	struct rlimit limit;

	need_call(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	/* dup gave the lowest free number, so all below it are taken. */
	limit.rlim_cur = last + free;
	close_fd(last);
	need_call(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

static int try_dup(int fd)
{
	int copy = dup(fd);

	return copy < 0 ? errno : 0;
}

static void full(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct rlimit before, after;

	fill_table(fd, 0);
	need_call(getrlimit(RLIMIT_NOFILE, &before), "getrlimit");
	expect(try_dup(fd), EMFILE, "dup with the descriptor table full");
	expect(try_allocate(fd, node), 0, "REQBUFS");
	expect(try_dup(fd), EMFILE, "dup");
	need_call(getrlimit(RLIMIT_NOFILE, &after), "getrlimit");
	expect_that(before.rlim_cur == after.rlim_cur && before.rlim_max == after.rlim_max, "as before",
		    "RLIMIT_NOFILE");
	expect(try_map(fd, node), 0, "mmap");
	start(fd, node);
	expect_that(stream_frames(fd, node, 0), "in order", "frames: indices");
}

/* Nor may the limit be raised. */
static void full_hard(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct rlimit limit;

	fill_table(fd, 0);
	need_call(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_max = limit.rlim_cur;
	need_call(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	expect(try_allocate(fd, node), 0, "REQBUFS, the table full and its limit a hard one");
	expect(try_map(fd, node), 0, "mmap");
}

static void one_free(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	fill_table(fd, 1);
	expect(try_allocate(fd, node), 0, "REQBUFS with one number free");
	expect(try_dup(fd), 0, "dup");
	expect(try_dup(fd), EMFILE, "again");
}

static void counted(const struct node *node, const struct node *peer)
{
	unsigned before = open_descriptors();
	int fd = open_node(node, O_RDWR);

	allocate(fd, node);
	expect_number((int)open_descriptors() - (int)before, 1, "open, REQBUFS: descriptors more");
	close_fd(fd);
	expect_number((int)open_descriptors() - (int)before, 0, "closed");
}

/* The number is far up. */
static void high_number(const struct node *node, const struct node *peer)
{
	int low = open_node(node, O_RDWR), fd = need_call(fcntl(low, F_DUPFD_CLOEXEC, 900), "F_DUPFD_CLOEXEC");

	close_fd(low);
	expect(try_allocate(fd, node), 0, "REQBUFS of descriptor 900");
	expect(try_map(fd, node), 0, "mmap");
	expect(fcntl(low, F_GETFD) < 0 ? errno : 0, EBADF, "F_GETFD of the lowest number");
}

/* ---- threads -------------------------------------------------------------------------------------- */

struct racer {
	int fd;
	const struct node *node;
	pthread_barrier_t *begin;
	int answer;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->begin);
	r->answer = try_allocate(r->fd, r->node);
	return NULL;
}

/* Both do their REQBUFS at once. */
static void race_both(struct racer *one, struct racer *two)
{
	pthread_barrier_t begin;
	pthread_t threads[2];

	need(pthread_barrier_init(&begin, NULL, 2), "pthread_barrier_init");
	one->begin = two->begin = &begin;
	need(pthread_create(&threads[0], NULL, race, one), "pthread_create");
	need(pthread_create(&threads[1], NULL, race, two), "pthread_create");
	need(pthread_join(threads[0], NULL), "pthread_join");
	need(pthread_join(threads[1], NULL), "pthread_join");
}

static void threads_same(const struct node *node, const struct node *peer)
{
	bool both = true, usable = true;
	int n;

	for (n = 0; n < ROUNDS; n++) {
		int fd = open_node(node, O_RDWR);
		struct racer one = { .fd = fd, .node = node }, two = one;

		race_both(&one, &two);
		both &= !one.answer && !two.answer;
		usable &= !try_map(fd, node);
		start(fd, node);
		usable &= dequeue(fd, node) == 0;
		close_fd(fd);
	}
	expect_that(both, "0 for both", "two threads, their first REQBUFS of one descriptor at once");
	expect_that(usable, "0", "mmap, DQBUF then");
}

/* As they were made on a descriptor and its duplicate. */
static void threads_duplicate(const struct node *node, const struct node *peer)
{
	bool both = true, streams = true;
	int n;

	for (n = 0; n < ROUNDS; n++) {
		struct racer one = { .fd = open_node(node, O_RDWR), .node = node }, two = one;

		two.fd = need_call(dup(one.fd), "dup");
		race_both(&one, &two);
		both &= !one.answer && !two.answer;
		start(one.fd, node);
		streams &= dequeue(two.fd, node) == 0;
		close_fd(one.fd);
		close_fd(two.fd);
	}
	expect_that(both, "0 for both", "two threads, their first REQBUFS of a descriptor and its dup at once");
	expect_that(streams, "0", "QBUF through the one, DQBUF through the other");
}

static void threads_apart(const struct node *node, const struct node *peer)
{
	bool right = true, usable = true;
	int n;

	for (n = 0; n < ROUNDS; n++) {
		struct racer one = { .fd = open_node(node, O_RDWR), .node = node };
		struct racer two = { .fd = open_node(node, O_RDWR), .node = node };

		race_both(&one, &two);
		right &= (!one.answer && two.answer == EBUSY) || (!two.answer && one.answer == EBUSY);
		usable &= !try_map(one.answer ? two.fd : one.fd, node);
		close_fd(one.fd);
		close_fd(two.fd);
	}
	expect_that(right, "0 and EBUSY", "two threads, the first REQBUFS of two openers at once");
	expect_that(usable, "0", "mmap by the one who got 0");
}

static void threads_nodes(const struct node *node, const struct node *peer)
{
	bool both = true, usable = true;
	int n;

	for (n = 0; n < ROUNDS; n++) {
		struct racer one = { .fd = open_node(node, O_RDWR), .node = node };
		struct racer two = { .fd = open_node(peer, O_RDWR), .node = peer };

		race_both(&one, &two);
		both &= !one.answer && !two.answer;
		usable &= !try_map(one.fd, node) && !try_map(two.fd, peer);
		close_fd(one.fd);
		close_fd(two.fd);
	}
	expect_that(both, "0 for both", "two threads, the first REQBUFS of either node at once");
	expect_that(usable, "0", "mmap of both");
}

/* ---- a table of two processes ------------------------------------------------------------------------ */

static int allocate_and_exit(void *arg)
{
	struct racer *r = arg;

	r->answer = try_allocate(r->fd, r->node);
	_exit(r->answer ? 1 : 0);
}

static void shared_table(const struct node *node, const struct node *peer)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct racer r = { .fd = open_node(node, O_RDWR), .node = node };
	int status = -1;
	pid_t pid;

	pid = need_call(clone(allocate_and_exit, stack + sizeof(stack), CLONE_FILES | SIGCHLD, &r), "clone");
	need_call(waitpid(pid, &status, 0), "waitpid");
	expect_number(status, 0, "REQBUFS by a process that shares the descriptor table: its end");
	expect(try_map(r.fd, node), 0, "mmap here");
	start(r.fd, node);
	expect_that(stream_frames(r.fd, node, 0), "in order", "frames here: indices");
}

/* ---- signals --------------------------------------------------------------------------------------- */

static volatile sig_atomic_t ticks;

static void tick(int number)
{
	ticks++;
}

/* Handlers run in between, without SA_RESTART: no call is lost or cut short. */
static void signalled(const struct node *node, const struct node *peer)
{
	struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };
	struct itimerspec every = { .it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;
	int n, err = 0;

	need_call(sigaction(SIGUSR1, &action, NULL), "sigaction");
	need_call(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
	need_call(timer_settime(timer, 0, &every, NULL), "timer_settime");
	for (n = 0; n < ROUNDS && !err; n++) {
		int fd = open_node(node, O_RDWR);

		err = try_allocate(fd, node);
		if (!err)
			err = try_map(fd, node);
		close_fd(fd);
	}
	timer_delete(timer);
	expect(err, 0, "open, REQBUFS, mmap, close, ten times, a signal each millisecond");
}

static const struct check checks[] = {
	{ "table-full", ON_EACH, full },
	{ "table-full-hard-limit", ON_EACH, full_hard },
	{ "table-one-free", ON_EACH, one_free },
	{ "table-counted", ON_EACH, counted },
	{ "table-high-number", ON_EACH, high_number },
	{ "table-shared", ON_EACH, shared_table },
	{ "threads-same", ON_EACH, threads_same },
	{ "threads-dup", ON_EACH, threads_duplicate },
	{ "threads-openers", ON_EACH, threads_apart },
	{ "threads-nodes", ON_PAIR, threads_nodes },
	{ "signals", ON_EACH, signalled },
	{ 0 }
};

const struct group swap_table = { "table", checks };
