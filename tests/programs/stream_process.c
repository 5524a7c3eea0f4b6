/* One stream, several threads and processes. */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Frames each check streams. */
#define FRAMES 12

/* Takes and gives back @count buffers of a queue of @buffers; whether their order is kept. */
static bool stream_frames(int fd, const struct node *node, int count, uint32_t buffers,
			  uint32_t first)
{
	bool order = true;
	int n;

	for (n = 0; n < count; n++) {
		uint32_t index = dequeue(fd, node);

		order &= index == (first + n) % buffers;
		queue_mmap(fd, node, index);
	}
	return order;
}

static int stream_start(const struct node *node, uint32_t buffers)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, buffers);
	uint32_t i;

	for (i = 0; i < buffers; i++)
		queue_mmap(fd, node, i);
	stream_on(fd, node);
	return fd;
}

/* ---- threads --------------------------------------------------------------------------- */

/* What one thread dequeues another one queues again: through a pipe. */
struct relay {
	struct opened opened;
	int pipe[2];
};

static int requeue_all(void *arg)
{
	struct relay *r = arg;
	uint32_t index;
	int err = 0;

	while (!err && read(r->pipe[0], &index, sizeof(index)) == sizeof(index))
		err = try_queue_mmap(r->opened.fd, r->opened.node, index);
	return err;
}

static void threads_share(const struct node *node, const struct node *peer)
{
	struct relay r = { .opened = { stream_start(node, 3), node } };
	bool order = true;
	struct waiter w;
	int n;

	need_call(pipe2(r.pipe, O_CLOEXEC), "pipe2");
	waiter_run(&w, requeue_all, &r);
	for (n = 0; n < FRAMES; n++) {
		uint32_t index = dequeue(r.opened.fd, node);

		order &= index == (uint32_t)n % 3;
		need_call(write(r.pipe[1], &index, sizeof(index)), "write to the pipe");
	}
	close_fd(r.pipe[1]);
	expect(waiter_join(&w), 0, "frames dequeued by one thread: QBUF of each by another");
	expect_that(order, "in order", "their indices");
}

/* One thread waits in DQBUF for every frame, the other queues; no poll. */
static void threads_block(const struct node *node, const struct node *peer)
{
	struct opened o = { open_buffers(node, V4L2_MEMORY_MMAP, 3), node };
	struct waiter w;
	bool fine = true;
	int n;

	stream_on(o.fd, node);
	if (node->output)
		queue_mmap(o.fd, node, 2);
	for (n = 0; n < FRAMES; n++) {
		/* The buffers before this one have been dequeued; an output node has one. */
		waiter_run(&w, dequeue_call, &o);
		queue_mmap(o.fd, node, n % (node->output ? 3 : 2));
		fine &= waiter_join(&w) == 0;
	}
	expect_that(fine, "all come back", "DQBUF by threads that wait, QBUF by another");
}

static void thread_ends(const struct node *node, const struct node *peer)
{
	struct opened o = { stream_start(node, 3), node };
	struct waiter w;

	/* The thread that has dequeued a buffer is gone: the buffer isn't. */
	waiter_run(&w, dequeue_call, &o);
	expect(waiter_join(&w), 0, "DQBUF by a thread that ends then");
	expect(try_queue_mmap(o.fd, node, 0), 0, "QBUF of its buffer by another");
	expect_that(stream_frames(o.fd, node, FRAMES, 3, 1), "in order", "frames then: indices");
}

/* ---- fork --------------------------------------------------------------------------------- */

static void stream_there(int sock, void *arg)
{
	struct opened *o = arg;

	need_that(stream_frames(o->fd, o->node, FRAMES, 3, 0), "the child's frames are in order");
}

static void child_streams(const struct node *node, const struct node *peer)
{
	struct opened o = { stream_start(node, 3), node };
	struct helper h = helper_start(stream_there, &o);

	helper_wait(&h);
	expect_that(true, "streams", "a child with the inherited descriptor");
	expect_that(stream_frames(o.fd, node, FRAMES, 3, 0), "in order",
		    "the child ended, frames here: indices");
}

static void hold_there(int sock, void *arg)
{
	hear(sock, 'e');
}

static void child_holds(const struct node *node, const struct node *peer)
{
	struct opened o = { stream_start(node, 3), node };
	struct helper h = helper_start(hold_there, &o);
	int other = open_node(node, O_RDWR);
	uint32_t count = 2;

	close_fd(o.fd);
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), EBUSY,
	       "closed here, open in a child, REQBUFS by another opener");
	say(h.sock, 'e');
	helper_wait(&h);
	count = 2;
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), 0, "the child ended");
}

/* Everything is done by a child: what it allocated stays with the file. */
static void allocate_there(int sock, void *arg)
{
	struct opened *o = arg;
	uint32_t i;

	request_buffers(o->fd, o->node, V4L2_MEMORY_MMAP, 3);
	for (i = 0; i < 3; i++)
		queue_mmap(o->fd, o->node, i);
	stream_on(o->fd, o->node);
	dequeue(o->fd, o->node);
}

static void child_allocates(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper h = helper_start(allocate_there, &o);

	helper_wait(&h);
	expect_number(dequeue(o.fd, node), 1,
		      "REQBUFS, QBUF, STREAMON, DQBUF by a child that ended, DQBUF here: index");
	queue_mmap(o.fd, node, 0);
	queue_mmap(o.fd, node, 1);
	expect_that(stream_frames(o.fd, node, FRAMES, 3, 2), "in order", "frames here: indices");
}

struct inherited {
	struct opened opened;
	void *addr;
	size_t length;
};

static void read_mapping(int sock, void *arg)
{
	struct inherited *in = arg;

	hear(sock, 'r');
	need_that(!has_pattern(in->addr, in->length, 0), "the device wrote into the child's mapping");
}

static void child_sees_frame(const struct node *node, const struct node *peer)
{
	struct inherited in = { .opened = { open_buffers(node, V4L2_MEMORY_MMAP, 2), node } };
	struct helper h;

	in.addr = map_plane(in.opened.fd, node, 0, 0, &in.length);
	fill_pattern(in.addr, in.length, 0);
	h = helper_start(read_mapping, &in);
	queue_mmap(in.opened.fd, node, 0);
	stream_on(in.opened.fd, node);
	dequeue(in.opened.fd, node);
	say(h.sock, 'r');
	helper_wait(&h);
	expect_that(true, "the frame", "a mapping of the node inherited by a child, a frame dequeued here");
}

/* ---- dup, passing --------------------------------------------------------------------------- */

static void dups(const struct node *node, const struct node *peer)
{
	int fd = stream_start(node, 3), copy = need_call(dup(fd), "dup"), third;

	expect_number(dequeue(copy, node), 0, "DQBUF through a dup: index");
	expect(try_queue_mmap(fd, node, 0), 0, "QBUF through the first descriptor");
	close_fd(fd);
	expect_that(stream_frames(copy, node, FRAMES, 3, 1), "in order",
		    "the first descriptor closed, frames through the dup: indices");
	third = need_call(fcntl(copy, F_DUPFD_CLOEXEC, 0), "F_DUPFD_CLOEXEC");
	expect(try_streamoff(third, node), 0, "STREAMOFF through a third");
	expect(try_dequeue(copy, node), EINVAL, "DQBUF through the dup");
}

static void receive_and_stream(int sock, void *arg)
{
	const struct node *node = arg;
	int fd;

	receive_fds(sock, &fd, 1);
	need_that(stream_frames(fd, node, FRAMES, 3, 0), "frames in the other process are in order");
	say(sock, 's');
	hear(sock, 'e');
}

static void passed(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(receive_and_stream, (void *)node);
	int fd = stream_start(node, 3), other = open_node(node, O_RDWR);
	uint32_t count = 2;

	send_fds(h.sock, &fd, 1);
	close_fd(fd);
	hear(h.sock, 's');
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), EBUSY,
	       "the node sent by SCM_RIGHTS, closed here, streams there, REQBUFS by another");
	helper_kill(&h);
	count = 2;
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), 0, "that process killed");
}

/* ---- exec -------------------------------------------------------------------------------------- */

/* @arguments: the descriptor, and the buffer type that is streamed there. */
int exec_main(char **arguments)
{
	struct node node = { .type = atoi(arguments[1]) };
	int fd = atoi(arguments[0]), n;

	if (fcntl(fd, F_GETFD) == -1)
		return EXEC_CLOSED;
	node.mplane = V4L2_TYPE_IS_MULTIPLANAR(node.type);
	node.output = V4L2_TYPE_IS_OUTPUT(node.type);
	node.planes = VIDEO_MAX_PLANES;
	for (n = 0; n < FRAMES; n++) {
		struct buffer b;

		buffer_init(&b, &node, V4L2_MEMORY_MMAP, 0);
		if (poll_events(fd, ready_events(&node), FRAME_MS) != ready_events(&node) ||
		    try_dqbuf(fd, &b) || try_queue_mmap(fd, &node, b.buf.index))
			return 1;
	}
	return 0;
}

/* Runs the program anew; its exit status. */
static int exec_with(int fd, const struct node *node)
{
	char number[16], type[16];
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(type, sizeof(type), "%u", node->type);
	pid = need_call(fork(), "fork");
	if (!pid) {
		execl("/proc/self/exe", "stream", EXEC_WORD, number, type, NULL);
		_exit(127);
	}
	need_call(waitpid(pid, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void execs(const struct node *node, const struct node *peer)
{
	int fd = stream_start(node, 3), kept = need_call(dup(fd), "dup");

	/* The test programs open with O_CLOEXEC; a dup doesn't have it. */
	expect_number(exec_with(fd, node), EXEC_CLOSED,
		      "a descriptor with O_CLOEXEC, in a program run by exec (closed is 3)");
	expect_number(exec_with(kept, node), 0, "without, the program streams (yes is 0)");
	expect_that(stream_frames(fd, node, FRAMES, 3, 0), "in order", "frames here then: indices");
}

static const struct check checks[] = {
	{ "threads-queue-and-dequeue", ON_EACH, threads_share },
	{ "threads-wait-and-queue", ON_EACH, threads_block },
	{ "threads-end", ON_EACH, thread_ends },
	{ "fork-child-streams", ON_EACH, child_streams },
	{ "fork-child-holds", ON_EACH, child_holds },
	{ "fork-child-allocates", ON_EACH, child_allocates },
	{ "fork-child-sees-frame", ON_CAPTURE, child_sees_frame },
	{ "dup-streams", ON_EACH, dups },
	{ "pass-streams", ON_EACH, passed },
	{ "exec-streams", ON_EACH, execs },
	{ 0 }
};

const struct group stream_process = { "process", checks };
