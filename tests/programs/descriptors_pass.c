/* Exports passed between processes by SCM_RIGHTS. */
#include "descriptors.h"

#include <errno.h>
#include <unistd.h>

static void to_another(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(exporting_process, (void *)node);
	int fds[VIDEO_MAX_PLANES];

	receive_fds(h.sock, fds, node->planes);
	expect_that(exports_intact(node, fds), "the exporter's contents",
		    "export received by SCM_RIGHTS, mmap of each plane");
	say(h.sock, 'e');
	helper_wait(&h);
}

static void written_there(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(changing_process, (void *)node);
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), fds[VIDEO_MAX_PLANES];
	size_t length;
	void *addr = map_plane(fd, node, 0, 0, &length);

	export_buffer(fd, node, 0, fds);
	send_fds(h.sock, fds, node->planes);
	close_planes(node, fds);
	hear(h.sock, 'c');
	expect_that(has_pattern(addr, length, 0), "what the other process wrote",
		    "export sent by SCM_RIGHTS, the exporter's mapping of the node");
	say(h.sock, 'e');
	helper_wait(&h);
}

static void in_flight(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), fds[VIDEO_MAX_PLANES], pair[2];

	socket_pair(pair);
	export_buffer(fd, node, 0, fds);
	fill_exports(node, fds);
	send_fds(pair[0], fds, node->planes);
	close_planes(node, fds);
	close_fd(fd);
	expect(try_use(node), 0, "streaming by another opener, an export of the node only in flight");
	receive_fds(pair[1], fds, node->planes);
	expect_that(exports_intact(node, fds), "contents unchanged", "that export, received");
}

/* Like exporting_process(), but ends as soon as the exports are in the socket. */
static void sending_process(int sock, void *arg)
{
	const struct node *node = arg;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), fds[VIDEO_MAX_PLANES];

	export_buffer(fd, node, 0, fds);
	fill_exports(node, fds);
	send_fds(sock, fds, node->planes);
}

static void in_flight_sender_ended(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(sending_process, (void *)node);
	int fds[VIDEO_MAX_PLANES], sock = need_call(dup(h.sock), "dup");

	helper_wait(&h);
	receive_fds(sock, fds, node->planes);
	expect_that(exports_intact(node, fds), "contents unchanged",
		    "export received after the exporter ended");
}

static void in_flight_sender_killed(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(exporting_process, (void *)node);
	int fds[VIDEO_MAX_PLANES], sock = need_call(dup(h.sock), "dup");

	need_that(poll_events(sock, POLLIN, SOON_MS) & POLLIN, "the exports are sent");
	helper_kill(&h);
	receive_fds(sock, fds, node->planes);
	expect_that(exports_intact(node, fds), "contents unchanged",
		    "export received after the exporter was killed with SIGKILL");
	expect(try_use(node), 0, "streaming by another opener");
}

/* Receives exports and sends them on, to the socket in the first descriptor. */
static void relaying_process(int sock, void *arg)
{
	const struct node *node = arg;
	int fds[VIDEO_MAX_PLANES], next;

	receive_fds(sock, &next, 1);
	receive_fds(sock, fds, node->planes);
	send_fds(next, fds, node->planes);
	hear(sock, 'e');
}

static void chain(const struct node *node, const struct node *peer)
{
	struct helper first = helper_start(exporting_process, (void *)node);
	struct helper second = helper_start(relaying_process, (void *)node);
	int fds[VIDEO_MAX_PLANES], pair[2];

	socket_pair(pair);
	send_fds(second.sock, &pair[0], 1);
	receive_fds(first.sock, fds, node->planes);
	send_fds(second.sock, fds, node->planes);
	close_planes(node, fds);
	helper_kill(&first);
	receive_fds(pair[1], fds, node->planes);
	helper_kill(&second);
	expect_that(exports_intact(node, fds), "contents unchanged",
		    "export passed on by a second process, both killed with SIGKILL");
}

static void rdonly(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), pair[2];
	int export = export_plane(fd, node, 0, 0, O_RDONLY);

	socket_pair(pair);
	send_fds(pair[0], &export, 1);
	receive_fds(pair[1], &export, 1);
	expect(try_mmap(node->plane_size[0], PROT_READ | PROT_WRITE, MAP_SHARED, export, 0, NULL),
	       EACCES, "mmap for writing of an O_RDONLY export, received by SCM_RIGHTS");
	expect(try_mmap(node->plane_size[0], PROT_READ, MAP_SHARED, export, 0, NULL), 0, "for reading");
}

static void several(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), fds[8], pair[2], i;
	size_t length = node->plane_size[0];
	bool right = true;

	socket_pair(pair);
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 8);
	for (i = 0; i < 8; i++) {
		fds[i] = export_plane(fd, node, i, 0, O_RDWR | O_CLOEXEC);
		fill_pattern(map_shared(length, fds[i], 0), length, i);
	}
	send_fds(pair[0], fds, 8);
	for (i = 0; i < 8; i++)
		close_fd(fds[i]);
	receive_fds(pair[1], fds, 8);
	for (i = 0; i < 8; i++)
		right &= has_pattern(map_shared(length, fds[i], 0), length, i);
	expect_that(right, "each its own contents", "8 exports in one message");
}

static void imported_there(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(importing_process, (void *)peer);
	int fd = open_node(node, O_RDWR);

	send_sets(fd, node, peer, h.sock);
	hear(h.sock, 's');
	expect_that(true, "streams", "exports sent to a process that imports them into the other node");
	expect_held(fd, node, 0, true, "QUERYBUF by the exporter");
	say(h.sock, 'e');
	helper_wait(&h);
	expect_held(fd, node, 0, false, "the importing process ended");
}

static const struct check checks[] = {
	{ "pass-to-another", ON_EACH, to_another },
	{ "pass-written-there", ON_EACH, written_there },
	{ "pass-in-flight", ON_EACH, in_flight },
	{ "pass-in-flight-sender-ended", ON_EACH, in_flight_sender_ended },
	{ "pass-in-flight-sender-killed", ON_EACH, in_flight_sender_killed },
	{ "pass-chain-killed", ON_EACH, chain },
	{ "pass-rdonly", ON_EACH, rdonly },
	{ "pass-several", ON_EACH, several },
	{ "pass-imported-there", ON_EACH, imported_there },
	{ 0 }
};

const struct group descriptors_pass = { "pass", checks };
