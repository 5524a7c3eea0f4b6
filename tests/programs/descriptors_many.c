/* The same very often: nothing may run out, nothing may be left behind. */
#include "descriptors.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* Runs out if any descriptor or buffer is lost on the way. */
static void expect_nothing_left(int fd, const struct node *node, unsigned before)
{
	expect_number((int)open_descriptors() - (int)before, 0, "descriptors left open");
	expect_held(fd, node, 0, false, "QUERYBUF");
}

static void exports(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), first, round;
	unsigned before = open_descriptors();
	bool same = true;

	first = export_plane(fd, node, 0, 0, O_RDWR);
	close_fd(first);
	for (round = 0; round < 2000; round++) {
		int export = export_plane(fd, node, 0, round % node->planes, O_RDWR);

		same &= export == first;
		close_fd(export);
	}
	expect_that(same, "the same number each time", "EXPBUF and close, 2000 times");
	expect_nothing_left(fd, node, before);
}

static void open_at_once(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), fds[500], i;
	unsigned before = open_descriptors();

	for (i = 0; i < 500; i++)
		fds[i] = export_plane(fd, node, 0, i % node->planes, O_RDWR);
	for (i = 499; i > 0; i--)
		close_fd(fds[i]);
	expect_held(fd, node, 0, true, "500 exports of one buffer, all but one closed");
	close_fd(fds[0]);
	expect_nothing_left(fd, node, before);
}

static void orphans(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), fds[VIDEO_MAX_PLANES], round;
	unsigned before = open_descriptors();
	volatile char *addr;

	/* All that is allocated here is several times what a small guest has. */
	for (round = 0; round < 500; round++) {
		uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 16);

		export_buffer(fd, node, round % count, fds);
		addr = map_shared(node->plane_size[0], fds[0], 0);
		*addr = 1;
		/* Half of them by REQBUFS(0), half by the next REQBUFS. */
		if (round % 2)
			free_buffers(fd, node, V4L2_MEMORY_MMAP);
		close_planes(node, fds);
		*addr = 2;
		unmap((void *)addr, node->plane_size[0]);
	}
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect_that(true, "each the same", "500 rounds of REQBUFS, EXPBUF, mmap, orphaning, close");
	expect_nothing_left(fd, node, before);
}

static void opens(const struct node *node, const struct node *peer)
{
	int fd, fds[VIDEO_MAX_PLANES], round;
	unsigned before = open_descriptors();

	for (round = 0; round < 300; round++) {
		fd = open_buffers(node, V4L2_MEMORY_MMAP, 4);
		export_buffer(fd, node, 0, fds);
		queue_mmap(fd, node, 1);
		close_fd(fd);
		close_planes(node, fds);
	}
	expect_that(true, "each the same", "300 rounds of open, REQBUFS, EXPBUF, QBUF, close");
	fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	expect_nothing_left(fd, node, before + 1);
}

static void passes(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), fds[VIDEO_MAX_PLANES], pair[2], round;
	unsigned before = open_descriptors();

	socket_pair(pair);
	export_buffer(fd, node, 0, fds);
	fill_exports(node, fds);
	for (round = 0; round < 1000; round++) {
		send_fds(pair[round % 2], fds, node->planes);
		close_planes(node, fds);
		receive_fds(pair[!(round % 2)], fds, node->planes);
	}
	expect_that(exports_intact(node, fds), "contents unchanged",
		    "export sent through a socket 1000 times, closed here each time");
	close_planes(node, fds);
	close_fd(pair[0]);
	close_fd(pair[1]);
	expect_nothing_left(fd, node, before);
}

static void imports(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), importer = open_node(peer, O_RDWR), round;
	int fds[2][VIDEO_MAX_PLANES], set;
	unsigned before;

	create_buffers_for(fd, node, peer, 2 * peer->planes);
	request_buffers(importer, peer, V4L2_MEMORY_DMABUF, 2);
	before = open_descriptors();
	for (set = 0; set < 2; set++)
		export_set(fd, node, peer, set, O_RDWR | O_CLOEXEC, fds[set]);
	for (round = 0; round < 1000; round++) {
		queue_dmabuf(importer, peer, 0, fds[round % 2]);
		need(try_streamoff(importer, peer), "STREAMOFF");
	}
	for (set = 0; set < 2; set++)
		close_planes(peer, fds[set]);
	expect_held(fd, node, 0, false, "two exports queued in turn at one index of the other node, 1000 times: the first");
	expect_held(fd, node, peer->planes, true, "the last");
	free_buffers(importer, peer, V4L2_MEMORY_DMABUF);
	expect_held(fd, node, peer->planes, false, "REQBUFS(0) there: the last");
	expect_nothing_left(fd, node, before);
}

/* ---- threads ------------------------------------------------------------------------- */

enum { THREADS = 4, EXPORTS = 100 };

struct exporter {
	const struct node *node;
	int fd;
	int fds[EXPORTS];
};

static void *export_many(void *arg)
{
	struct exporter *e = arg;
	int i;

	for (i = 0; i < EXPORTS; i++)
		e->fds[i] = export_plane(e->fd, e->node, 0, 0, O_RDWR);
	return NULL;
}

static void threads(const struct node *node, const struct node *peer)
{
	static bool seen[THREADS * EXPORTS + 1024];
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), i, j;
	unsigned before = open_descriptors();
	struct exporter exporters[THREADS];
	pthread_t ids[THREADS];
	bool distinct = true;

	for (i = 0; i < THREADS; i++) {
		exporters[i].node = node;
		exporters[i].fd = fd;
		need(pthread_create(&ids[i], NULL, export_many, &exporters[i]), "pthread_create");
	}
	for (i = 0; i < THREADS; i++)
		need(pthread_join(ids[i], NULL), "pthread_join");
	for (i = 0; i < THREADS; i++)
		for (j = 0; j < EXPORTS; j++) {
			int export = exporters[i].fds[j];

			need_that(export >= 0 && export < (int)sizeof(seen), "a descriptor in range");
			distinct &= !seen[export];
			seen[export] = true;
			close_fd(export);
		}
	expect_that(distinct, "all different descriptors", "4 threads, 100 EXPBUF each, on one device");
	expect_nothing_left(fd, node, before);
}

static const struct check checks[] = {
	{ "many-exports", ON_EACH, exports },
	{ "many-open-at-once", ON_EACH, open_at_once },
	{ "many-orphans", ON_EACH, orphans },
	{ "many-opens", ON_EACH, opens },
	{ "many-passes", ON_EACH, passes },
	{ "many-imports", ON_EACH, imports },
	{ "many-threads", ON_EACH, threads },
	{ 0 }
};

const struct group descriptors_many = { "many", checks };
