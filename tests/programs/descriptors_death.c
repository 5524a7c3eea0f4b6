/*
 * Exporters and importers that are killed: what they held is let go, what
 * others hold stays, and the nodes are free for the next.
 */
#include "descriptors.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static void exporter_killed(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(exporting_process, (void *)node);
	int fds[VIDEO_MAX_PLANES];

	receive_fds(h.sock, fds, node->planes);
	helper_kill(&h);
	expect_that(exports_intact(node, fds), "contents unchanged", "exporter killed with SIGKILL");
	expect(try_use(node), 0, "streaming by another opener");
	expect_that(exports_intact(node, fds), "contents unchanged", "the export after it");
}

static void importer_killed(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(importing_process, (void *)peer);
	int fd = open_node(node, O_RDWR);
	uint32_t i;

	send_sets(fd, node, peer, h.sock);
	hear(h.sock, 's');
	expect_held(fd, node, 0, true, "imported by another process, that streams");
	helper_kill(&h);
	for (i = 0; i < 2 * peer->planes; i++)
		need_that(!(query_flags(fd, node, V4L2_MEMORY_MMAP, i) & V4L2_BUF_FLAG_MAPPED),
			  "every buffer is let go");
	expect_held(fd, node, 0, false, "that process killed with SIGKILL");
	expect(try_use(peer), 0, "streaming on its node by another opener");
	expect(try_queue_mmap(fd, node, 0), 0, "QBUF of the buffer by the exporter");
}

/* ---- two processes ------------------------------------------------------------------ */

/* Exports for an importing process, whose socket comes in the first message. */
static void exporting_for_peer(int sock, void *arg)
{
	const struct node *const *pair = arg;
	int fd = open_node(pair[0], O_RDWR), other;

	receive_fds(sock, &other, 1);
	send_sets(fd, pair[0], pair[1], other);
	close_fd(other);
	say(sock, 'x');
	hear(sock, 'e');
}

/* A process that exports @node's buffers, and one that streams with them on @peer. */
static void start_both(const struct node *node, const struct node *peer,
		       struct helper *exporter, struct helper *importer)
{
	const struct node *pair[2] = { node, peer };

	*importer = helper_start(importing_process, (void *)peer);
	*exporter = helper_start(exporting_for_peer, pair);
	send_fds(exporter->sock, &importer->sock, 1);
	hear(exporter->sock, 'x');
	hear(importer->sock, 's');
}

static void exporter_of_imports(const struct node *node, const struct node *peer)
{
	struct helper exporter, importer;

	start_both(node, peer, &exporter, &importer);
	helper_kill(&exporter);
	expect(try_use(node), 0, "exporter killed while another process streams with its buffers, its node used");
	say(importer.sock, 'e');
	helper_wait(&importer);
	expect(try_use(peer), 0, "that process ended, its node used");
}

static void both(const struct node *node, const struct node *peer)
{
	struct helper exporter, importer;

	start_both(node, peer, &exporter, &importer);
	helper_kill(&importer);
	helper_kill(&exporter);
	expect(try_use(node), 0, "importer, then exporter killed, the exporter's node used");
	expect(try_use(peer), 0, "the importer's node used");
}

static void both_other_order(const struct node *node, const struct node *peer)
{
	struct helper exporter, importer;

	start_both(node, peer, &exporter, &importer);
	helper_kill(&exporter);
	helper_kill(&importer);
	expect(try_use(node), 0, "exporter, then importer killed, the exporter's node used");
	expect(try_use(peer), 0, "the importer's node used");
}

static void third_holds(const struct node *node, const struct node *peer)
{
	struct helper exporter = helper_start(exporting_process, (void *)node);
	struct helper changer = helper_start(changing_process, (void *)node);
	int fds[VIDEO_MAX_PLANES];

	receive_fds(exporter.sock, fds, node->planes);
	send_fds(changer.sock, fds, node->planes);
	hear(changer.sock, 'c');
	helper_kill(&exporter);
	helper_kill(&changer);
	expect_that(exports_intact(node, fds), "contents unchanged",
		    "exporter and another holder killed, a third holds on");
	close_planes(node, fds);
	expect(try_use(node), 0, "streaming by another opener");
}

/* ---- at any time ----------------------------------------------------------------------- */

/* Streams and waits in DQBUF for a buffer that never comes. */
static void waiting_process(int sock, void *arg)
{
	const struct node *node = arg;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;

	export_plane(fd, node, 0, 0, O_RDWR);
	stream_on(fd, node);
	say(sock, 'w');
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	try_dqbuf(fd, &b);
	need_that(false, "DQBUF doesn't come back");
}

static void in_dqbuf(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(waiting_process, (void *)node);

	hear(h.sock, 'w');
	need_that(wait_asleep_in(h.pid, h.pid, SYS_ioctl), "the process waits in DQBUF");
	helper_kill(&h);
	expect(try_use(node), 0, "process killed while waiting in DQBUF, its node used");
}

/* Allocates, exports, maps, streams and frees until it's killed; tells each round. */
static void busy_process(int sock, void *arg)
{
	const struct node *node = arg;

	for (;;) {
		int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3), fds[VIDEO_MAX_PLANES];
		void *own, *shared;
		size_t length;

		say(sock, 'b');
		export_buffer(fd, node, 0, fds);
		own = map_plane(fd, node, 0, 0, &length);
		shared = map_shared(length, fds[0], 0);
		queue_mmap(fd, node, 1);
		stream_on(fd, node);
		unmap(own, length);
		unmap(shared, length);
		close_planes(node, fds);
		close_fd(fd);
	}
}

static void anywhere(const struct node *node, const struct node *peer)
{
	int kills, rounds;

	for (kills = 0; kills < 100; kills++) {
		struct helper h = helper_start(busy_process, (void *)node);

		/* Where the kill meets it is left to chance; the answers are not. */
		for (rounds = 0; rounds <= kills % 4; rounds++)
			hear(h.sock, 'b');
		helper_kill(&h);
		need(try_use(node), "use of the node after kill number %d", kills);
	}
	expect_that(true, "the node works after each",
		    "100 processes killed somewhere between open, EXPBUF, mmap, STREAMON and close");
}

static const struct check checks[] = {
	{ "death-of-exporter", ON_EACH, exporter_killed },
	{ "death-of-importer", ON_EACH, importer_killed },
	{ "death-of-exporter-of-imports", ON_EACH, exporter_of_imports },
	{ "death-of-both", ON_EACH, both },
	{ "death-of-both-other-order", ON_EACH, both_other_order },
	{ "death-of-both-third-holds", ON_EACH, third_holds },
	{ "death-in-dqbuf", ON_EACH, in_dqbuf },
	{ "death-anywhere", ON_EACH, anywhere },
	{ 0 }
};

const struct group descriptors_death = { "death", checks };
