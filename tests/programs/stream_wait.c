/* Waiting in DQBUF: who may wait, what ends it, and what doesn't. */
#include "stream.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A stream with nothing queued, so that DQBUF waits. */
static struct opened stream_idle(const struct node *node)
{
	struct opened o = { open_buffers(node, V4L2_MEMORY_MMAP, 2), node };

	stream_on(o.fd, node);
	return o;
}

/* Two, as an output node keeps the last one. */
static void feed(const struct opened *o)
{
	queue_mmap(o->fd, o->node, 0);
	queue_mmap(o->fd, o->node, 1);
}

/* ---- two who wait ---------------------------------------------------------------------- */

static void second_waiter(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	int copy = need_call(dup(o.fd), "dup");
	struct waiter w;

	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	expect(try_dequeue(o.fd, node), EBUSY, "DQBUF while another thread waits in DQBUF");
	expect(try_dequeue(copy, node), EBUSY, "through a dup");
	need_call(fcntl(o.fd, F_SETFL, O_NONBLOCK), "F_SETFL");
	expect(try_dequeue(o.fd, node), EBUSY, "with O_NONBLOCK");
	feed(&o);
	expect(waiter_join(&w), 0, "buffers queued: the first DQBUF");
}

/* Whoever waits has the next buffer; O_NONBLOCK set meanwhile is no matter to him. */
static void nonblock_set_meanwhile(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	struct waiter w;

	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	need_call(fcntl(o.fd, F_SETFL, O_NONBLOCK), "F_SETFL");
	expect_that(waiter_sleeps(&w, SYS_ioctl), "waits on", "DQBUF, O_NONBLOCK set by another thread");
	feed(&o);
	expect(waiter_join(&w), 0, "buffers queued: that DQBUF");
}

/* ---- what others may do meanwhile --------------------------------------------------------- */

static void others_go_on(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	struct v4l2_format format = node->format;
	struct v4l2_capability cap;
	uint32_t none = 0;
	struct waiter w;
	struct buffer b;

	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	expect(try_ioctl(o.fd, VIDIOC_QUERYCAP, &cap), 0, "while a thread waits in DQBUF: QUERYCAP");
	expect(try_ioctl(o.fd, VIDIOC_G_FMT, &format), 0, "G_FMT");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_querybuf(o.fd, &b), 0, "QUERYBUF");
	expect(try_expbuf(o.fd, node, 0, 0, O_RDWR, NULL), 0, "EXPBUF");
	expect(try_streamon(o.fd, node), 0, "STREAMON again");
	expect(try_reqbufs(o.fd, node, V4L2_MEMORY_MMAP, &none), EBUSY, "REQBUFS(0)");
	expect_that(waiter_sleeps(&w, SYS_ioctl), "waits on", "the thread");
	feed(&o);
	expect(waiter_join(&w), 0, "buffers queued: its DQBUF");
}

static void close_wakes_nobody(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node), copy = o;
	uint32_t count = 2;
	int other = open_node(node, O_RDWR);
	struct waiter w;

	copy.fd = need_call(dup(o.fd), "dup");
	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	close_fd(o.fd);
	expect_that(waiter_sleeps(&w, SYS_ioctl), "waits on",
		    "DQBUF, its descriptor closed by another thread");
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), EBUSY, "REQBUFS by another opener");
	feed(&copy);
	expect(waiter_join(&w), 0, "buffers queued through a dup: that DQBUF");
}

/* The last descriptor goes, and only the waiting call holds the file. */
static void last_close(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	uint32_t count = 2;
	int other = open_node(node, O_RDWR);
	struct waiter w;

	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	close_fd(o.fd);
	expect_that(waiter_sleeps(&w, SYS_ioctl), "waits on",
		    "DQBUF, its only descriptor closed by another thread");
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), EBUSY, "REQBUFS by another opener");
}

/* ---- signals ------------------------------------------------------------------------------- */

static volatile sig_atomic_t handled;

static void handler(int number)
{
	handled++;
}

static void ignored(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	struct waiter w;

	need_that(signal(SIGUSR1, SIG_IGN) != SIG_ERR, "SIGUSR1 is ignored");
	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	need(pthread_kill(w.thread, SIGUSR1), "pthread_kill");
	/* One that's ignored if there's no handler. */
	need(pthread_kill(w.thread, SIGWINCH), "pthread_kill");
	expect_that(waiter_sleeps(&w, SYS_ioctl), "waits on", "DQBUF, ignored signals");
	feed(&o);
	expect(waiter_join(&w), 0, "buffers queued: that DQBUF");
}

static void blocked(const struct node *node, const struct node *peer)
{
	struct sigaction action = { .sa_handler = handler };
	struct opened o = stream_idle(node);
	struct waiter w;
	sigset_t set;

	need_call(sigaction(SIGUSR1, &action, NULL), "sigaction");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	need(pthread_sigmask(SIG_BLOCK, &set, NULL), "pthread_sigmask");
	waiter_start(&w, dequeue_call, &o, SYS_ioctl);
	need(pthread_kill(w.thread, SIGUSR1), "pthread_kill");
	expect_that(waiter_sleeps(&w, SYS_ioctl), "waits on", "DQBUF, a blocked signal");
	feed(&o);
	expect(waiter_join(&w), 0, "buffers queued: that DQBUF");
	expect_number(handled, 0, "calls of the handler");
}

/* Waits in DQBUF and says its index. */
static void waiting_process(int sock, void *arg)
{
	struct opened *o = arg;
	struct buffer b;

	buffer_init(&b, o->node, V4L2_MEMORY_MMAP, 0);
	need(try_dqbuf(o->fd, &b), "DQBUF in a child");
	say(sock, '0' + b.buf.index);
}

/* True once the child has stopped. */
static bool has_stopped(void *arg)
{
	siginfo_t info = { 0 };
	struct helper *h = arg;

	return !waitid(P_PID, h->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) && info.si_pid == h->pid;
}

static void stopped(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	struct helper h = helper_start(waiting_process, &o);

	need_that(wait_asleep_in(h.pid, h.pid, SYS_ioctl), "DQBUF waits");
	need_call(kill(h.pid, SIGSTOP), "SIGSTOP");
	need_that(wait_until(has_stopped, &h), "the process stops");
	need_call(kill(h.pid, SIGCONT), "SIGCONT");
	expect_that(wait_asleep_in(h.pid, h.pid, SYS_ioctl), "waits on", "DQBUF, SIGSTOP, SIGCONT");
	feed(&o);
	hear(h.sock, '0');
	helper_wait(&h);
	expect_that(true, "the first buffer", "buffers queued: that DQBUF");
}

static void fed_while_stopped(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	struct helper h = helper_start(waiting_process, &o);

	need_that(wait_asleep_in(h.pid, h.pid, SYS_ioctl), "DQBUF waits");
	need_call(kill(h.pid, SIGSTOP), "SIGSTOP");
	need_that(wait_until(has_stopped, &h), "the process stops");
	feed(&o);
	need_that(poll_events(o.fd, ready_events(node), FRAME_MS) & ready_events(node),
		  "a buffer becomes ready");
	need_call(kill(h.pid, SIGCONT), "SIGCONT");
	hear(h.sock, '0');
	helper_wait(&h);
	expect_that(true, "the first buffer", "DQBUF, SIGSTOP, buffers queued, SIGCONT");
}

/* A child dies in DQBUF on a descriptor that is still open here: nobody waits any more. */
static void killed_sharing(const struct node *node, const struct node *peer)
{
	struct opened o = stream_idle(node);
	struct helper h = helper_start(waiting_process, &o);

	need_that(wait_asleep_in(h.pid, h.pid, SYS_ioctl), "DQBUF waits");
	expect(try_dequeue(o.fd, node), EBUSY, "DQBUF while a child waits in DQBUF");
	helper_kill(&h);
	feed(&o);
	expect_number(dequeue(o.fd, node), 0, "the child killed, buffers queued, DQBUF: index");
}

/* An itimer's signal, again and again: no frame is lost by it. */
static void interrupted_often(const struct node *node, const struct node *peer)
{
	const int frames = 10, often_ms = 5;
	struct sigaction action = { .sa_handler = handler };
	struct itimerval timer = { { 0, often_ms * 1000 }, { 0, often_ms * 1000 } };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3), n;
	bool order = true, answers = true;
	struct buffer b;

	for (n = 0; n < 3; n++)
		queue_mmap(fd, node, n);
	need_call(sigaction(SIGALRM, &action, NULL), "sigaction");
	stream_on(fd, node);
	need_call(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
	for (n = 0; n < frames; ) {
		int err;

		buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
		doing("DQBUF under a timer's signals");
		err = try_dqbuf(fd, &b);
		answers &= !err || err == EINTR;
		if (err)
			continue;
		order &= b.buf.index == (uint32_t)n++ % 3;
		queue_mmap(fd, node, b.buf.index);
	}
	timer = (struct itimerval) { 0 };
	need_call(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
	expect_that(answers, "0 or EINTR", "DQBUF of some frames, a signal every few milliseconds");
	expect_that(order, "none lost", "their indices");
}

static const struct check checks[] = {
	{ "wait-second", ON_EACH, second_waiter },
	{ "wait-nonblock-set-meanwhile", ON_EACH, nonblock_set_meanwhile },
	{ "wait-others-go-on", ON_EACH, others_go_on },
	{ "wait-closed", ON_EACH, close_wakes_nobody },
	{ "wait-last-closed", ON_EACH, last_close },
	{ "wait-signal-ignored", ON_EACH, ignored },
	{ "wait-signal-blocked", ON_EACH, blocked },
	{ "wait-signal-stop", ON_EACH, stopped },
	{ "wait-signal-stop-fed", ON_EACH, fed_while_stopped },
	{ "wait-signal-kill", ON_EACH, killed_sharing },
	{ "wait-signal-often", ON_EACH, interrupted_often },
	{ 0 }
};

const struct group stream_wait = { "wait", checks };
