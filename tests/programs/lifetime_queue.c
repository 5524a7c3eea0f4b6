/* Queueing twice, waiting, and being woken: QBUF, DQBUF, poll, signals. */
#include "lifetime.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void queue_twice(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	expect(try_queue_mmap(fd, node, 0), 0, "QBUF");
	expect(try_queue_mmap(fd, node, 0), EINVAL, "QBUF of the same again");
	stream_on(fd, node);
	expect(try_queue_mmap(fd, node, 0), EINVAL, "while streaming");
	stream_off(fd, node);
	expect(try_queue_mmap(fd, node, 0), 0, "after STREAMOFF");
}

static int try_dequeue(int fd, const struct node *node)
{
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	return try_dqbuf(fd, &b);
}

static void dequeue_idle(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	queue_mmap(fd, node, 0);
	expect(try_dequeue(fd, node), EINVAL, "DQBUF before STREAMON");
	need_call(fcntl(fd, F_SETFL, O_NONBLOCK), "F_SETFL");
	expect(try_dequeue(fd, node), EINVAL, "with O_NONBLOCK");
}

static void dequeue_nonblocking(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR | O_NONBLOCK);

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	stream_on(fd, node);
	expect(try_dequeue(fd, node), EAGAIN, "DQBUF with O_NONBLOCK, nothing queued");
	queue_mmap(fd, node, 0);
	/* An output node keeps the last one queued. */
	queue_mmap(fd, node, 1);
	wait_frame(fd, node);
	expect(try_dequeue(fd, node), 0, "with a buffer ready");
}

static void dequeue_setfl(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	stream_on(fd, node);
	need_call(fcntl(fd, F_SETFL, O_NONBLOCK), "F_SETFL");
	expect(try_dequeue(fd, node), EAGAIN, "DQBUF, O_NONBLOCK set by fcntl after STREAMON");
}

/* ---- a thread that waits in DQBUF ------------------------------------------------------ */

struct waiter {
	pthread_t thread;
	int fd;
	const struct node *node;
	volatile pid_t tid;
	volatile bool done;
	int err;
	uint32_t index;
};

static void *wait_in_dqbuf(void *arg)
{
	struct waiter *w = arg;
	struct buffer b;

	buffer_init(&b, w->node, V4L2_MEMORY_MMAP, 0);
	w->tid = thread_id();
	w->err = try_dqbuf(w->fd, &b);
	w->index = b.buf.index;
	__sync_synchronize();
	w->done = true;
	return NULL;
}

static bool has_tid(void *arg)
{
	return ((struct waiter *)arg)->tid;
}

/* Starts the thread and sees it asleep in its ioctl. */
static void waiter_start(struct waiter *w, int fd, const struct node *node)
{
	memset(w, 0, sizeof(*w));
	w->fd = fd;
	w->node = node;
	need(pthread_create(&w->thread, NULL, wait_in_dqbuf, w), "pthread_create");
	need_that(wait_until(has_tid, w), "the thread runs");
	need_that(wait_asleep_in(getpid(), w->tid, SYS_ioctl), "DQBUF waits");
}

static int waiter_join(struct waiter *w)
{
	doing("the thread in DQBUF comes back");
	need(pthread_join(w->thread, NULL), "pthread_join");
	return w->err;
}

static void dequeue_waits(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct waiter w;

	stream_on(fd, node);
	waiter_start(&w, fd, node);
	expect_that(!w.done, "waits", "DQBUF with nothing queued");
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	expect(waiter_join(&w), 0, "buffers queued by another thread: the waiting DQBUF");
	expect_number(w.index, 0, "its index");
}

static void streamoff_wakes(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct waiter w;

	stream_on(fd, node);
	waiter_start(&w, fd, node);
	expect(try_streamoff(fd, node), 0, "STREAMOFF while another thread waits in DQBUF");
	expect(waiter_join(&w), EINVAL, "that DQBUF");
}

/* ---- signals ------------------------------------------------------------------------------ */

static volatile sig_atomic_t handled;

static void handler(int number)
{
	handled++;
}

static bool was_handled(void *arg)
{
	return handled;
}

static void handle(int number, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	need_call(sigaction(number, &action, NULL), "sigaction");
}

static void signal_interrupts(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct waiter w;

	handle(SIGUSR1, 0);
	stream_on(fd, node);
	waiter_start(&w, fd, node);
	need(pthread_kill(w.thread, SIGUSR1), "pthread_kill");
	expect(waiter_join(&w), EINTR, "DQBUF, a signal with a handler without SA_RESTART");
	expect_number(handled, 1, "calls of the handler");
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	expect(try_dequeue(fd, node), 0, "buffers queued, DQBUF again");
}

static void signal_restarts(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct waiter w;

	handle(SIGUSR1, SA_RESTART);
	stream_on(fd, node);
	waiter_start(&w, fd, node);
	need(pthread_kill(w.thread, SIGUSR1), "pthread_kill");
	need_that(wait_until(was_handled, NULL), "the handler runs");
	expect_that(wait_asleep_in(getpid(), w.tid, SYS_ioctl) && !w.done, "waits on",
		    "DQBUF, a signal with a handler with SA_RESTART");
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	expect(waiter_join(&w), 0, "buffers queued: that DQBUF");
}

/* ---- poll --------------------------------------------------------------------------------- */

static void poll_idle(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int ready = node->output ? POLLOUT | POLLWRNORM : POLLIN | POLLRDNORM;

	expect_poll(poll_events(fd, ready, SOON_MS), POLLERR, "poll after REQBUFS, before STREAMON");
	queue_mmap(fd, node, 0);
	expect_poll(poll_events(fd, ready, SOON_MS), POLLERR, "with a buffer queued");
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_frame(fd, node);
	stream_off(fd, node);
	expect_poll(poll_events(fd, ready, SOON_MS), POLLERR, "after STREAMOFF");
}

static void poll_ready(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int ready = node->output ? POLLOUT | POLLWRNORM : POLLIN | POLLRDNORM;

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	expect_poll(poll_events(fd, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI, SOON_MS),
		    ready, "poll for everything, streaming, a buffer becoming ready");
	expect(try_dequeue(fd, node), 0, "DQBUF then");
}

static void poll_event(const struct node *node, const struct node *peer)
{
	struct v4l2_event_subscription sub = {
		.type = V4L2_EVENT_CTRL, .flags = V4L2_EVENT_SUB_FL_SEND_INITIAL,
	};
	struct v4l2_queryctrl query = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct v4l2_event event;

	while (!try_ioctl(fd, VIDIOC_QUERYCTRL, &query) &&
	       query.type == V4L2_CTRL_TYPE_CTRL_CLASS)
		query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	if (!query.type || query.type == V4L2_CTRL_TYPE_CTRL_CLASS)
		skip("the node has no controls");
	sub.id = query.id;
	expect_poll(poll_events(fd, POLLPRI, 0), 0, "poll for POLLPRI, no event pending");
	need(try_ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &sub), "SUBSCRIBE_EVENT");
	expect_poll(poll_events(fd, POLLPRI, SOON_MS), POLLPRI, "with a control event pending");
	expect(try_ioctl(fd, VIDIOC_DQEVENT, &event), 0, "DQEVENT");
	expect_poll(poll_events(fd, POLLPRI, 0), 0, "after it");
}

/* ---- ioctls -------------------------------------------------------------------------------- */

static void unknown_ioctl(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	char argument[64] = { 0 };

	expect(try_ioctl(fd, _IOWR('V', 255, char[64]), argument), ENOTTY, "an unknown V4L2 ioctl");
	expect(try_ioctl(fd, _IO('x', 1), NULL), ENOTTY, "an ioctl of no kind");
}

static void bad_pointer(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, VIDIOC_QUERYCAP, (void *)8), EFAULT, "QUERYCAP with a bad pointer");
	expect(try_ioctl(fd, VIDIOC_QBUF, (void *)8), EFAULT, "QBUF");
	expect(try_ioctl(fd, VIDIOC_EXPBUF, (void *)8), EFAULT, "EXPBUF");
}

static const struct check checks[] = {
	{ "queue-twice", ON_EACH, queue_twice },
	{ "dequeue-idle", ON_EACH, dequeue_idle },
	{ "dequeue-nonblocking", ON_EACH, dequeue_nonblocking },
	{ "dequeue-nonblocking-by-fcntl", ON_EACH, dequeue_setfl },
	{ "dequeue-waits", ON_EACH, dequeue_waits },
	{ "dequeue-streamoff", ON_EACH, streamoff_wakes },
	{ "dequeue-signal", ON_EACH, signal_interrupts },
	{ "dequeue-signal-restart", ON_EACH, signal_restarts },
	{ "poll-idle", ON_EACH, poll_idle },
	{ "poll-ready", ON_EACH, poll_ready },
	{ "poll-event", ON_EACH, poll_event },
	{ "ioctl-unknown", ON_EACH, unknown_ioctl },
	{ "ioctl-bad-pointer", ON_EACH, bad_pointer },
	{ 0 }
};

const struct group lifetime_queue = { "queue", checks };
