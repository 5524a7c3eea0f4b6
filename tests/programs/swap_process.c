/* Descriptors that several processes have: by fork, exec, SCM_RIGHTS, before the first REQBUFS and
 * after it. */
#include "swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_buffers(int fd, const struct node *node)
{
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, BUFFERS - 1);
	return !try_querybuf(fd, &b);
}

/* ---- fork ------------------------------------------------------------------------------------- */

/* Allocates when told, says so, and holds on. */
static void allocate_there(int sock, void *arg)
{
	struct opened *o = arg;

	hear(sock, 'a');
	allocate(o->fd, o->node);
	need(try_map(o->fd, o->node), "mmap in the other process");
	say(sock, 'a');
	hear(sock, 'e');
}

/* Streams when told; says in between whether it could. */
static void stream_there(int sock, void *arg)
{
	struct opened *o = arg;

	hear(sock, 's');
	say(sock, stream_frames(o->fd, o->node, 0) ? 's' : 'x');
	hear(sock, 'e');
}

static void map_there(int sock, void *arg)
{
	struct opened *o = arg;

	hear(sock, 'm');
	say(sock, try_map(o->fd, o->node) ? 'x' : 'm');
	hear(sock, 'e');
}

/* What a process says when it was asked: @word if it went well. */
static bool says(struct helper *h, char word)
{
	char got = 0;

	say(h->sock, word);
	need_call(read(h->sock, &got, 1), "read from the other process");
	return got == word;
}

static void child_allocates(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper h = helper_start(allocate_there, &o);

	expect_that(says(&h, 'a'), "0", "REQBUFS and mmap by a child");
	expect_that(has_buffers(o.fd, node), "0", "QUERYBUF here");
	start(o.fd, node);
	expect_poll(poll_events(o.fd, ready_events(node), FRAME_MS), ready_events(node), "a buffer ready, poll here");
	expect_that(stream_frames(o.fd, node, 0), "in order", "frames here: indices");
	say(h.sock, 'e');
	helper_wait(&h);
	expect_that(stream_frames(o.fd, node, 0), "in order", "the child ended, frames: indices");
}

static void child_allocates_maps(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper h = helper_start(allocate_there, &o);

	need_that(says(&h, 'a'), "the child allocates");
	expect(try_map(o.fd, node), 0, "REQBUFS by a child, mmap here");
}

static void child_killed(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper h = helper_start(allocate_there, &o);
	int other = open_node(node, O_RDWR);

	need_that(says(&h, 'a'), "the child allocates");
	helper_kill(&h);
	expect(try_allocate(other, node), EBUSY, "REQBUFS by a child that was killed, REQBUFS by another");
	start(o.fd, node);
	expect_that(stream_frames(o.fd, node, 0), "in order", "frames here: indices");
	close_fd(o.fd);
	expect(try_allocate(other, node), 0, "closed here, REQBUFS by another");
}

static void parent_allocates(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper h = helper_start(stream_there, &o);

	allocate(o.fd, node);
	start(o.fd, node);
	expect_that(says(&h, 's'), "in order", "fork, REQBUFS here, frames in the child: indices");
	close_fd(o.fd);
	o.fd = open_node(node, O_RDWR);
	expect(try_allocate(o.fd, node), EBUSY, "closed here, REQBUFS by another");
	say(h.sock, 'e');
	helper_wait(&h);
	expect(try_allocate(o.fd, node), 0, "the child ended");
}

static void parent_allocates_maps(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper h = helper_start(map_there, &o);

	allocate(o.fd, node);
	expect_that(says(&h, 'm'), "0", "fork, REQBUFS here, mmap in the child");
}

static void forked_after(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper maps, streams;

	allocate(o.fd, node);
	maps = helper_start(map_there, &o);
	streams = helper_start(stream_there, &o);
	expect_that(says(&maps, 'm'), "0", "REQBUFS, fork, mmap in the child");
	start(o.fd, node);
	expect_that(says(&streams, 's'), "in order", "frames in another child: indices");
	expect_that(stream_frames(o.fd, node, 0), "in order", "frames here: indices");
}

/* The memory is one: what a child writes is seen here. */
static void write_there(int sock, void *arg)
{
	struct opened *o = arg;
	size_t length;
	void *addr = map_plane(o->fd, o->node, 0, 0, &length);

	fill_pattern(addr, length, 3);
}

static void forked_after_shares(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(node, O_RDWR), node };
	struct helper h;
	size_t length;
	void *addr;

	allocate(o.fd, node);
	addr = map_plane(o.fd, node, 0, 0, &length);
	h = helper_start(write_there, &o);
	helper_wait(&h);
	expect_that(has_pattern(addr, length, 3), "what the child wrote",
		    "REQBUFS, mmap, fork, written in the child: the mapping here");
}

/* Two processes with their own openers of the two nodes. */
static void child_of_peer(const struct node *node, const struct node *peer)
{
	struct opened o = { open_node(peer, O_RDWR), peer };
	struct helper h = helper_start(allocate_there, &o);
	int fd = open_node(node, O_RDWR);

	allocate(fd, node);
	expect_that(says(&h, 'a'), "0", "REQBUFS here, REQBUFS and mmap of the other node by a child");
	expect(try_map(fd, node), 0, "mmap here");
	start(o.fd, peer);
	expect_that(stream_frames(o.fd, peer, 0), "in order", "frames of the other node here: indices");
}

/* ---- exec -------------------------------------------------------------------------------------- */

int exec_main(char **arguments)
{
	struct node node = { .type = atoi(arguments[1]) };
	int fd = atoi(arguments[0]);

	node.mplane = V4L2_TYPE_IS_MULTIPLANAR(node.type);
	node.output = V4L2_TYPE_IS_OUTPUT(node.type);
	node.planes = VIDEO_MAX_PLANES;
	if (!strcmp(arguments[2], "allocate")) {
		if (try_allocate(fd, &node))
			return 1;
		start(fd, &node);
	}
	if (strcmp(arguments[2], "stream")) {
		struct buffer b;

		buffer_init(&b, &node, V4L2_MEMORY_MMAP, 0);
		if (try_querybuf(fd, &b) ||
		    try_mmap(buffer_length(&b, 0), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			     buffer_offset(&b, 0), NULL))
			return 2;
	}
	return stream_frames(fd, &node, 0) ? 0 : 3;
}

/* Runs the program anew; its exit status. */
static int exec_with(int fd, const struct node *node, const char *word)
{
	char number[16], type[16];
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(type, sizeof(type), "%u", node->type);
	pid = need_call(fork(), "fork");
	if (!pid) {
		execl("/proc/self/exe", "swap", EXEC_WORD, number, type, word, NULL);
		_exit(127);
	}
	need_call(waitpid(pid, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int open_inherited(const struct node *node)
{
	int fd = open_node(node, O_RDWR);

	need_call(fcntl(fd, F_SETFD, 0), "F_SETFD");
	return fd;
}

static void exec_allocates(const struct node *node, const struct node *peer)
{
	int fd = open_inherited(node);

	expect_number(exec_with(fd, node, "allocate"), 0,
		      "REQBUFS, mmap and frames by a program that was run with the descriptor (0 is well)");
	expect_that(has_buffers(fd, node), "0", "QUERYBUF here");
	expect_that(stream_frames(fd, node, 0), "in order", "frames here: indices");
}

static void exec_after(const struct node *node, const struct node *peer)
{
	int fd = open_inherited(node);

	allocate(fd, node);
	start(fd, node);
	expect_number(exec_with(fd, node, "map"), 0,
		      "REQBUFS, mmap and frames by a program that was run then (0 is well)");
	expect_that(stream_frames(fd, node, 0), "in order", "frames here: indices");
}

static void exec_duplicate(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), copy = need_call(dup(fd), "dup");

	allocate(fd, node);
	start(fd, node);
	expect_number(exec_with(copy, node, "stream"), 0,
		      "dup, REQBUFS, frames by a program that was run with the dup (0 is well)");
	expect_that(stream_frames(fd, node, 0), "in order", "frames here: indices");
}

/* ---- SCM_RIGHTS ----------------------------------------------------------------------------------- */

static void receive_and_allocate(int sock, void *arg)
{
	struct opened o = { -1, arg };

	receive_fds(sock, &o.fd, 1);
	say(sock, 'r');
	allocate_there(sock, &o);
}

static void receive_and_stream(int sock, void *arg)
{
	struct opened o = { -1, arg };

	receive_fds(sock, &o.fd, 1);
	say(sock, 'r');
	stream_there(sock, &o);
}

static void receive_and_map(int sock, void *arg)
{
	struct opened o = { -1, arg };

	receive_fds(sock, &o.fd, 1);
	say(sock, 'r');
	map_there(sock, &o);
}

static void passed_allocates(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(receive_and_allocate, (void *)node);
	int fd = open_node(node, O_RDWR);

	send_fds(h.sock, &fd, 1);
	hear(h.sock, 'r');
	expect_that(says(&h, 'a'), "0", "sent by SCM_RIGHTS, REQBUFS and mmap there");
	expect_that(has_buffers(fd, node), "0", "QUERYBUF here");
	start(fd, node);
	expect_that(stream_frames(fd, node, 0), "in order", "frames here: indices");
	helper_kill(&h);
	expect_that(stream_frames(fd, node, 0), "in order", "that process killed, frames: indices");
}

/* As a broker does: it opens, and keeps nothing. */
static void passed_and_closed(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(receive_and_allocate, (void *)node);
	int fd = open_node(node, O_RDWR), other;

	send_fds(h.sock, &fd, 1);
	close_fd(fd);
	hear(h.sock, 'r');
	expect_that(says(&h, 'a'), "0", "sent by SCM_RIGHTS, closed here, REQBUFS and mmap there");
	other = open_node(node, O_RDWR);
	expect(try_allocate(other, node), EBUSY, "REQBUFS by another");
	say(h.sock, 'e');
	helper_wait(&h);
	expect(try_allocate(other, node), 0, "that process ended");
}

static void passed_before(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(receive_and_stream, (void *)node);
	int fd = open_node(node, O_RDWR);

	send_fds(h.sock, &fd, 1);
	hear(h.sock, 'r');
	allocate(fd, node);
	start(fd, node);
	expect_that(says(&h, 's'), "in order", "sent by SCM_RIGHTS, REQBUFS here, frames there: indices");
}

/* It is in the socket while REQBUFS is made here. */
static void in_flight(const struct node *node, const struct node *peer)
{
	int pair[2], fd = open_node(node, O_RDWR), received;

	socket_pair(pair);
	send_fds(pair[0], &fd, 1);
	allocate(fd, node);
	start(fd, node);
	close_fd(fd);
	receive_fds(pair[1], &received, 1);
	expect_that(stream_frames(received, node, 0), "in order",
		    "sent by SCM_RIGHTS, REQBUFS, closed, received, frames: indices");
}

static void passed_after(const struct node *node, const struct node *peer)
{
	struct helper maps = helper_start(receive_and_map, (void *)node);
	struct helper streams = helper_start(receive_and_stream, (void *)node);
	int fd = open_node(node, O_RDWR);

	allocate(fd, node);
	send_fds(maps.sock, &fd, 1);
	hear(maps.sock, 'r');
	expect_that(says(&maps, 'm'), "0", "REQBUFS, sent by SCM_RIGHTS, mmap there");
	start(fd, node);
	send_fds(streams.sock, &fd, 1);
	hear(streams.sock, 'r');
	close_fd(fd);
	expect_that(says(&streams, 's'), "in order", "sent to another, closed here, frames there: indices");
}

static const struct check checks[] = {
	{ "fork-child-allocates", ON_EACH, child_allocates },
	{ "fork-child-allocates-parent-maps", ON_EACH, child_allocates_maps },
	{ "fork-child-killed", ON_EACH, child_killed },
	{ "fork-parent-allocates", ON_EACH, parent_allocates },
	{ "fork-parent-allocates-child-maps", ON_EACH, parent_allocates_maps },
	{ "fork-after", ON_EACH, forked_after },
	{ "fork-after-shares", ON_EACH, forked_after_shares },
	{ "fork-of-peer", ON_EACH, child_of_peer },
	{ "exec-allocates", ON_EACH, exec_allocates },
	{ "exec-after", ON_EACH, exec_after },
	{ "exec-dup", ON_EACH, exec_duplicate },
	{ "pass-allocates", ON_EACH, passed_allocates },
	{ "pass-and-close", ON_EACH, passed_and_closed },
	{ "pass-before", ON_EACH, passed_before },
	{ "pass-in-flight", ON_EACH, in_flight },
	{ "pass-after", ON_EACH, passed_after },
	{ 0 }
};

const struct group swap_process = { "process", checks };
