/*
 * Memory that outlives its queue: REQBUFS(0), close, the death of the exporter.
 * It is readable and unchanged until the last holder lets go, then it's gone.
 */
#include "lifetime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void capability(const struct node *node, const struct node *peer)
{
	struct v4l2_requestbuffers req = {
		.type = node->type, .memory = V4L2_MEMORY_MMAP, .count = 0,
	};
	struct v4l2_create_buffers create = {
		.memory = V4L2_MEMORY_MMAP, .count = 0, .format = node->format,
	};
	int fd = open_node(node, O_RDWR);

	need(try_ioctl(fd, VIDIOC_REQBUFS, &req), "REQBUFS(0)");
	expect_that(req.capabilities & V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS,
		    "SUPPORTS_ORPHANED_BUFS", "capabilities of REQBUFS");
	need(try_ioctl(fd, VIDIOC_CREATE_BUFS, &create), "CREATE_BUFS(0)");
	expect_that(create.capabilities & V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS,
		    "SUPPORTS_ORPHANED_BUFS", "of CREATE_BUFS");
}

/* ---- one buffer, all its planes exported ----------------------------------------- */

struct orphan {
	int fds[VIDEO_MAX_PLANES];
	void *maps[VIDEO_MAX_PLANES];
};

/* Exports buffer 0 and writes a pattern into each plane. */
static void make_orphan(int fd, const struct node *node, struct orphan *o)
{
	unsigned p;

	export_buffer(fd, node, 0, o->fds);
	for (p = 0; p < node->planes; p++) {
		o->maps[p] = map_shared(node->plane_size[p], o->fds[p], 0);
		fill_pattern(o->maps[p], node->plane_size[p], p);
	}
}

static void unmap_orphan(const struct node *node, struct orphan *o)
{
	unsigned p;

	for (p = 0; p < node->planes; p++)
		unmap(o->maps[p], node->plane_size[p]);
}

/* True if the mappings there are, and new ones of the descriptors, show the patterns. */
static bool maps_intact(const struct node *node, const struct orphan *o)
{
	unsigned p;

	for (p = 0; p < node->planes; p++)
		if (!has_pattern(o->maps[p], node->plane_size[p], p))
			return false;
	return true;
}

static bool fds_intact(const struct node *node, const int *fds)
{
	bool intact = true;
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		void *addr = map_shared(node->plane_size[p], fds[p], 0);

		intact &= has_pattern(addr, node->plane_size[p], p);
		unmap(addr, node->plane_size[p]);
	}
	return intact;
}

static void after_close_of_export(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct orphan o;

	make_orphan(fd, node, &o);
	close_planes(node, o.fds);
	expect_that(maps_intact(node, &o), "contents unchanged",
		    "mapping kept after close of the export");
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect_that(maps_intact(node, &o), "contents unchanged", "after REQBUFS(0)");
	close_fd(fd);
	expect_that(maps_intact(node, &o), "contents unchanged", "after close of the device");
	fill_pattern(o.maps[0], node->plane_size[0], 9);
	expect_that(has_pattern(o.maps[0], node->plane_size[0], 9), "works", "writing to it");
}

static void after_reqbufs0(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	uint32_t none = 0;
	struct orphan o;

	make_orphan(fd, node, &o);
	unmap_orphan(node, &o);
	expect(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &none), 0, "REQBUFS(0) while exported");
	expect_that(fds_intact(node, o.fds), "contents unchanged", "mmap of the export then");
}

static void after_remove_bufs(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct orphan o;

	make_orphan(fd, node, &o);
	expect(try_remove_bufs(fd, node, 0, 1), 0, "REMOVE_BUFS of an exported buffer");
	expect_that(maps_intact(node, &o) && fds_intact(node, o.fds), "contents unchanged",
		    "its export then");
}

static void after_close_of_device(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct orphan o;

	make_orphan(fd, node, &o);
	unmap_orphan(node, &o);
	close_fd(fd);
	expect_that(fds_intact(node, o.fds), "contents unchanged",
		    "export mapped after close of the device");
}

static void after_close_while_streaming(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 3);
	struct orphan o;

	export_buffer(fd, node, 0, o.fds);
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_frame(fd, node);
	close_fd(fd);
	/* Nobody writes to it from here on, or the pattern would suffer. */
	for (unsigned p = 0; p < node->planes; p++) {
		o.maps[p] = map_shared(node->plane_size[p], o.fds[p], 0);
		fill_pattern(o.maps[p], node->plane_size[p], p);
	}
	fd = open_buffers(node, V4L2_MEMORY_MMAP, 3);
	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_frame(fd, node);
	expect_that(maps_intact(node, &o), "not written to",
		    "orphan of a close while streaming, as new buffers stream");
}

static void new_buffers_are_others(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct orphan o, fresh;
	bool clean = true;
	unsigned p;

	make_orphan(fd, node, &o);
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	export_buffer(fd, node, 0, fresh.fds);
	for (p = 0; p < node->planes; p++) {
		fresh.maps[p] = map_shared(node->plane_size[p], fresh.fds[p], 0);
		clean &= !has_pattern(fresh.maps[p], node->plane_size[p], p);
		fill_pattern(fresh.maps[p], node->plane_size[p], 20 + p);
	}
	expect_that(clean, "not the orphan's memory", "REQBUFS again, index 0");
	expect_that(maps_intact(node, &o), "contents unchanged", "the orphan, the new ones written to");
}

static void freed_memory_is_clean(const struct node *node, const struct node *peer)
{
	static unsigned char zero[65536];
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 4), round;
	bool clean = true;

	for (round = 0; round < 8; round++) {
		struct orphan o;
		size_t length = node->plane_size[0] < sizeof(zero) ? node->plane_size[0] : sizeof(zero);

		make_orphan(fd, node, &o);
		unmap_orphan(node, &o);
		close_planes(node, o.fds);
		request_buffers(fd, node, V4L2_MEMORY_MMAP, 4);
		export_buffer(fd, node, 0, o.fds);
		o.maps[0] = map_shared(node->plane_size[0], o.fds[0], 0);
		clean &= !memcmp(o.maps[0], zero, length);
		unmap(o.maps[0], node->plane_size[0]);
		close_planes(node, o.fds);
	}
	expect_that(clean, "zero", "new buffers, others with contents having been freed");
}

static void node_mapping(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct orphan o;
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		o.maps[p] = map_plane(fd, node, 0, p, NULL);
		fill_pattern(o.maps[p], node->plane_size[p], p);
	}
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect_that(maps_intact(node, &o), "contents unchanged",
		    "mapping of the node kept after REQBUFS(0)");
	close_fd(fd);
	expect_that(maps_intact(node, &o), "contents unchanged", "after close of the device");
}

/* ---- exporters that end ---------------------------------------------------------- */

/* Opens the node, exports buffer 0 with the patterns in it and hands it over. */
static void exporter(int sock, void *arg)
{
	const struct node *node = arg;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct orphan o;

	make_orphan(fd, node, &o);
	send_fds(sock, o.fds, node->planes);
	hear(sock, 'e');
}

static void after_exporter_ended(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(exporter, (void *)node);
	int fds[VIDEO_MAX_PLANES];

	receive_fds(h.sock, fds, node->planes);
	say(h.sock, 'e');
	helper_wait(&h);
	expect_that(fds_intact(node, fds), "contents unchanged",
		    "export received by SCM_RIGHTS, the exporter ended");
}

static void after_exporter_killed(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(exporter, (void *)node);
	int fds[VIDEO_MAX_PLANES], fd;

	receive_fds(h.sock, fds, node->planes);
	helper_kill(&h);
	expect_that(fds_intact(node, fds), "contents unchanged",
		    "export received by SCM_RIGHTS, the exporter killed with SIGKILL");
	fd = open_node(node, O_RDWR);
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect_that(fds_intact(node, fds), "contents unchanged", "REQBUFS by another opener");
}

/* ---- gone with the last holder ------------------------------------------------------ */

static long long meminfo_kb(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	size_t length = strlen(name);
	long long kb = -1;
	char line[128];

	need_that(f != NULL, "/proc/meminfo can be read");
	while (kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, length) && line[length] == ':')
			kb = atoll(line + length + 1);
	fclose(f);
	need_that(kb >= 0, "/proc/meminfo has %s", name);
	return kb;
}

static long long available_kb(void)
{
	return meminfo_kb("MemAvailable");
}

static bool below(void *kb)
{
	return available_kb() < *(long long *)kb;
}

static bool above(void *kb)
{
	return available_kb() > *(long long *)kb;
}

/*
 * How much is exported: a quarter of the machine's memory, so that half of it
 * is more than what the rest of the system moves, and than the kernel keeps
 * back for one CPU when pages are freed (an eighth).
 */
enum { BIG_COUNT = 16 };

static size_t big_plane(const struct node *node)
{
	size_t bytes = meminfo_kb("MemTotal") / 4 / BIG_COUNT * 1024, most = 16 << 20;

	bytes = bytes < most ? page_rounded(bytes) : most;
	return bytes > node->plane_size[0] ? bytes : page_rounded(node->plane_size[0]);
}

/* Creates the big buffers, exports plane 0 of each, and touches all of it. */
static void make_big(int fd, const struct node *node, size_t bytes, int *fds)
{
	uint32_t sizes[VIDEO_MAX_PLANES], count = BIG_COUNT, index, i;
	void *addr;

	memcpy(sizes, node->plane_size, sizeof(sizes));
	sizes[0] = bytes;
	need(try_create_bufs(fd, node, V4L2_MEMORY_MMAP, sizes, &count, &index), "CREATE_BUFS");
	need_that(count == BIG_COUNT, "CREATE_BUFS gives all");
	for (i = 0; i < count; i++) {
		fds[i] = export_plane(fd, node, index + i, 0, O_RDWR | O_CLOEXEC);
		addr = map_shared(bytes, fds[i], 0);
		memset(addr, 0x5a, bytes);
		unmap(addr, bytes);
	}
}

static void gone_with_last_holder(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), fds[BIG_COUNT], i;
	size_t bytes = big_plane(node);
	long long quarter = bytes * BIG_COUNT / 4 / 1024, bound = available_kb() - quarter;

	make_big(fd, node, bytes, fds);
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	close_fd(fd);
	expect_that(wait_until(below, &bound), "still used",
		    "available memory, buffers exported, REQBUFS(0), device closed");
	/* Nearly all of it: what came later would disturb the next check. */
	bound = available_kb() + 3 * quarter;
	for (i = 0; i < BIG_COUNT; i++)
		close_fd(fds[i]);
	expect_that(wait_until(above, &bound), "free again", "the exports closed");
}

static const struct check checks[] = {
	{ "orphan-capability", ON_EACH, capability },
	{ "orphan-mapping-of-export", ON_EACH, after_close_of_export },
	{ "orphan-reqbufs0", ON_EACH, after_reqbufs0 },
	{ "orphan-remove-bufs", ON_EACH, after_remove_bufs },
	{ "orphan-device-closed", ON_EACH, after_close_of_device },
	{ "orphan-closed-while-streaming", ON_EACH, after_close_while_streaming },
	{ "orphan-not-reused", ON_EACH, new_buffers_are_others },
	{ "orphan-mapping-of-node", ON_EACH, node_mapping },
	{ "orphan-exporter-ended", ON_EACH, after_exporter_ended },
	{ "orphan-exporter-killed", ON_EACH, after_exporter_killed },
	{ "freed-memory-is-clean", ON_EACH, freed_memory_is_clean },
	{ "freed-with-last-holder", ON_EACH, gone_with_last_holder },
	{ 0 }
};

const struct group lifetime_orphan = { "orphan", checks };
