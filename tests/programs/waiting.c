/* Waiting for frames, and threads that wait: see waiting.h. */
#include "waiting.h"
#include "check.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

int ready_events(const struct node *node)
{
	return node->output ? POLLOUT | POLLWRNORM : POLLIN | POLLRDNORM;
}

void wait_ready(int fd, const struct node *node)
{
	int want = ready_events(node);

	need_that(poll_events(fd, want, FRAME_MS) & want, "a buffer becomes ready");
}

int try_dequeue(int fd, const struct node *node)
{
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	return try_dqbuf(fd, &b);
}

uint32_t dequeue(int fd, const struct node *node)
{
	struct buffer b;

	wait_ready(fd, node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	need(try_dqbuf(fd, &b), "DQBUF");
	return b.buf.index;
}

/* ---- a thread that waits ------------------------------------------------------------ */

static void *waiter_thread(void *arg)
{
	struct waiter *w = arg;

	w->tid = thread_id();
	w->answer = w->call(w->arg);
	__sync_synchronize();
	w->done = true;
	return NULL;
}

static bool has_tid(void *arg)
{
	return ((struct waiter *)arg)->tid;
}

void waiter_run(struct waiter *w, int (*call)(void *arg), void *arg)
{
	memset(w, 0, sizeof(*w));
	w->call = call;
	w->arg = arg;
	need(pthread_create(&w->thread, NULL, waiter_thread, w), "pthread_create");
	need_that(wait_until(has_tid, w), "the thread runs");
}

bool waiter_sleeps(struct waiter *w, long number)
{
	return wait_asleep_in(getpid(), w->tid, number) && !w->done;
}

void waiter_start(struct waiter *w, int (*call)(void *arg), void *arg, long number)
{
	waiter_run(w, call, arg);
	need_that(waiter_sleeps(w, number), "the thread waits");
}

int waiter_join(struct waiter *w)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += FRAME_MS / 1000;
	need(pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &deadline),
	     "the waiting thread comes back");
	return w->answer;
}

int dequeue_call(void *opened)
{
	const struct opened *o = opened;

	return try_dequeue(o->fd, o->node);
}
