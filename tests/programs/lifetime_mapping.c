/* mmap of the node itself, and V4L2_BUF_FLAG_MAPPED: "someone else holds it". */
#include "lifetime.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The access that every mapping of this node must have. */
static int needed_prot(const struct node *node)
{
	return node->output ? PROT_WRITE : PROT_READ;
}

static int try_map_node(int fd, size_t length, off_t offset)
{
	return try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset, NULL);
}

static void whole(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 3), i;
	struct buffer b;
	unsigned p;

	for (i = 0; i < count; i++)
		for (p = 0; p < node->planes; p++) {
			query_buffer(fd, node, V4L2_MEMORY_MMAP, i, &b);
			need(try_map_node(fd, buffer_length(&b, p), buffer_offset(&b, p)),
			     "mmap of buffer %u plane %u", i, p);
			need(try_map_node(fd, page_rounded(buffer_length(&b, p)), buffer_offset(&b, p)),
			     "mmap of its whole pages");
		}
	expect_that(true, "works", "mmap of every buffer's every plane, its length and its whole pages");
}

static void refused(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	size_t page = page_rounded(1), length;
	struct buffer b, last;
	off_t offset, beyond;

	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	query_buffer(fd, node, V4L2_MEMORY_MMAP, count - 1, &last);
	offset = buffer_offset(&b, 0);
	length = buffer_length(&b, 0);
	/* Far above every cookie: not that of any buffer or plane. */
	beyond = buffer_offset(&last, node->planes - 1) + (off_t)page * VIDEO_MAX_PLANES * 64;
	expect(try_mmap(length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset, NULL), EINVAL,
	       "mmap of the node with MAP_PRIVATE");
	expect(try_map_node(fd, page_rounded(length) + page, offset), EINVAL,
	       "longer than the buffer");
	expect(try_map_node(fd, length, beyond), EINVAL, "at an offset that is no cookie");
	expect(try_map_node(fd, page, offset), 0, "one page of it");
}

static void protection(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int other = node->output ? PROT_READ : PROT_WRITE;
	struct buffer b;

	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	expect(try_mmap(buffer_length(&b, 0), other, MAP_SHARED, fd, buffer_offset(&b, 0), NULL),
	       EINVAL, "mmap of the node with PROT_%s only", node->output ? "READ" : "WRITE");
	expect(try_mmap(buffer_length(&b, 0), PROT_NONE, MAP_SHARED, fd, buffer_offset(&b, 0), NULL),
	       EINVAL, "with PROT_NONE");
	expect(try_mmap(buffer_length(&b, 0), needed_prot(node), MAP_SHARED, fd,
			buffer_offset(&b, 0), NULL),
	       0, "with PROT_%s only", node->output ? "WRITE" : "READ");
}

static void rdonly_node(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDONLY);
	struct buffer b;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	expect(try_mmap(buffer_length(&b, 0), PROT_READ, MAP_SHARED, fd, buffer_offset(&b, 0), NULL),
	       EINVAL, "mmap for reading of a node opened O_RDONLY");
	expect(try_map_node(fd, buffer_length(&b, 0), buffer_offset(&b, 0)),
	       EACCES, "for writing");
}

static void unallocated(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct buffer b;

	expect(try_map_node(fd, node->plane_size[0], 0), EINVAL, "mmap of the node before REQBUFS");
	request_buffers(fd, node, V4L2_MEMORY_DMABUF, 2);
	expect(try_map_node(fd, node->plane_size[0], 0), EINVAL, "with a DMABUF queue");
	request_buffers(fd, node, V4L2_MEMORY_USERPTR, 2);
	expect(try_map_node(fd, node->plane_size[0], 0), EINVAL, "with a USERPTR queue");
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	expect(try_map_node(fd, buffer_length(&b, 0), buffer_offset(&b, 0)), 0, "with an MMAP queue");
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect(try_map_node(fd, buffer_length(&b, 0), buffer_offset(&b, 0)), EINVAL,
	       "after REQBUFS(0)");
}

/* ---- V4L2_BUF_FLAG_MAPPED ------------------------------------------------------ */

static void held_by_mapping(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned p;

	expect_held(fd, node, 0, false, "QUERYBUF after REQBUFS");
	for (p = 0; p < node->planes; p++) {
		size_t length;
		void *addr = map_plane(fd, node, 0, p, &length);

		need_that(query_flags(fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED,
			  "mmap of plane %u sets MAPPED", p);
		need_that(!(query_flags(fd, node, V4L2_MEMORY_MMAP, 1) & V4L2_BUF_FLAG_MAPPED),
			  "the other buffer is not MAPPED");
		unmap(addr, length);
		need_that(!(query_flags(fd, node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED),
			  "munmap of plane %u clears MAPPED", p);
	}
	expect_that(true, "flag MAPPED, on this buffer only", "mmap of any one plane");
	expect_held(fd, node, 0, false, "munmap of it");
}

static void held_by_partial_unmap(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	size_t length, page = page_rounded(1);
	char *addr = map_plane(fd, node, 0, 0, &length);

	length = page_rounded(length);
	unmap(addr + page, length - page);
	expect_held(fd, node, 0, true, "munmap of all but the first page");
	unmap(addr, page);
	expect_held(fd, node, 0, false, "munmap of the first page");
}

static void held_by_export(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned last = node->planes - 1;
	int export = export_plane(fd, node, 0, last, O_RDWR), copy;

	expect_held(fd, node, 0, true, "EXPBUF of the last plane");
	expect_held(fd, node, 1, false, "QUERYBUF of the other buffer");
	copy = need_call(dup(export), "dup");
	close_fd(export);
	expect_held(fd, node, 0, true, "close of one of two dups");
	close_fd(copy);
	expect_held(fd, node, 0, false, "close of the other");
}

static void held_by_rdonly_export(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int export = export_plane(fd, node, 0, 0, O_RDONLY);

	expect_held(fd, node, 0, true, "EXPBUF with O_RDONLY");
	close_fd(export);
	expect_held(fd, node, 0, false, "close of it");
}

static void held_by_export_mapping(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int export = export_plane(fd, node, 0, 0, O_RDWR);
	void *addr = map_shared(node->plane_size[0], export, 0);

	close_fd(export);
	expect_held(fd, node, 0, true, "export mapped, its descriptor closed");
	unmap(addr, node->plane_size[0]);
	expect_held(fd, node, 0, false, "munmap");
}

static void held_in_flight(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int export = export_plane(fd, node, 0, 0, O_RDWR | O_CLOEXEC), pair[2];

	socket_pair(pair);
	send_fds(pair[0], &export, 1);
	close_fd(export);
	expect_held(fd, node, 0, true, "export sent into a socket, closed here, not yet received");
	receive_fds(pair[1], &export, 1);
	expect_held(fd, node, 0, true, "received");
	send_fds(pair[0], &export, 1);
	close_fd(export);
	close_fd(pair[0]);
	close_fd(pair[1]);
	expect_held(fd, node, 0, false, "sent again, and the sockets closed with it inside");
}

static void hold_until_told(int sock, void *arg)
{
	say(sock, 'h');
	hear(sock, 'e');
}

static void held_by_child(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int export = export_plane(fd, node, 0, 0, O_RDWR | O_CLOEXEC);
	struct helper child = helper_start(hold_until_told, NULL);

	hear(child.sock, 'h');
	close_fd(export);
	expect_held(fd, node, 0, true, "export closed here, open in a forked child");
	say(child.sock, 'e');
	helper_wait(&child);
	expect_held(fd, node, 0, false, "the child ended");
}

static void held_by_importer(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), importer = open_node(peer, O_RDWR);
	int fds[VIDEO_MAX_PLANES];

	create_buffers_for(fd, node, peer, peer->planes);
	request_buffers(importer, peer, V4L2_MEMORY_DMABUF, 2);
	export_set(fd, node, peer, 0, O_RDWR | O_CLOEXEC, fds);
	queue_dmabuf(importer, peer, 0, fds);
	close_planes(peer, fds);
	expect_held(fd, node, 0, true, "imported by the other node, the descriptor closed");
	free_buffers(importer, peer, V4L2_MEMORY_DMABUF);
	expect_held(fd, node, 0, false, "REQBUFS(0) on the other node");
}

static const struct check checks[] = {
	{ "map-whole", ON_EACH, whole },
	{ "map-refused", ON_EACH, refused },
	{ "map-protection", ON_EACH, protection },
	{ "map-rdonly-node", ON_EACH, rdonly_node },
	{ "map-unallocated", ON_EACH, unallocated },
	{ "held-by-mapping", ON_EACH, held_by_mapping },
	{ "held-by-partial-unmap", ON_EACH, held_by_partial_unmap },
	{ "held-by-export", ON_EACH, held_by_export },
	{ "held-by-rdonly-export", ON_EACH, held_by_rdonly_export },
	{ "held-by-export-mapping", ON_EACH, held_by_export_mapping },
	{ "held-in-flight", ON_EACH, held_in_flight },
	{ "held-by-child", ON_EACH, held_by_child },
	{ "held-by-importer", ON_EACH, held_by_importer },
	{ 0 }
};

const struct group lifetime_mapping = { "mapping", checks };
