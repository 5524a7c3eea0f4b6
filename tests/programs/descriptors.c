/*
 * Exported descriptors on their way through processes: passed by SCM_RIGHTS,
 * inherited, duplicated, lost with a process that is killed.
 *
 *	descriptors [-l] [-g GROUP]... [-v] CAPTURE OUTPUT
 */
#include "descriptors.h"

#include <string.h>

void fill_exports(const struct node *node, const int *fds)
{
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		void *addr = map_shared(node->plane_size[p], fds[p], 0);

		fill_pattern(addr, node->plane_size[p], p);
		unmap(addr, node->plane_size[p]);
	}
}

bool exports_intact(const struct node *node, const int *fds)
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

void exporting_process(int sock, void *arg)
{
	const struct node *node = arg;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), fds[VIDEO_MAX_PLANES];

	export_buffer(fd, node, 0, fds);
	fill_exports(node, fds);
	send_fds(sock, fds, node->planes);
	hear(sock, 'e');
}

void changing_process(int sock, void *arg)
{
	const struct node *node = arg;
	int fds[VIDEO_MAX_PLANES];

	receive_fds(sock, fds, node->planes);
	fill_exports(node, fds);
	say(sock, 'c');
	hear(sock, 'e');
}

void importing_process(int sock, void *arg)
{
	const struct node *node = arg;
	int fd = open_node(node, O_RDWR), fds[VIDEO_MAX_PLANES], set;
	struct buffer b;

	request_buffers(fd, node, V4L2_MEMORY_DMABUF, 2);
	for (set = 0; set < 2; set++) {
		receive_fds(sock, fds, node->planes);
		queue_dmabuf(fd, node, set, fds);
		close_planes(node, fds);
	}
	stream_on(fd, node);
	buffer_init(&b, node, V4L2_MEMORY_DMABUF, 0);
	need(try_dqbuf(fd, &b), "DQBUF");
	say(sock, 's');
	hear(sock, 'e');
}

void send_sets(int fd, const struct node *node, const struct node *peer, int sock)
{
	int fds[VIDEO_MAX_PLANES], set;

	create_buffers_for(fd, node, peer, 2 * peer->planes);
	for (set = 0; set < 2; set++) {
		export_set(fd, node, peer, set, O_RDWR | O_CLOEXEC, fds);
		send_fds(sock, fds, peer->planes);
		close_planes(peer, fds);
	}
}

int try_use(const struct node *node)
{
	int fd = open_node(node, O_RDWR), err;
	uint32_t count = 2;
	struct buffer b;

	err = try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count);
	if (!err) {
		queue_mmap(fd, node, 0);
		queue_mmap(fd, node, 1);
		stream_on(fd, node);
		buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
		err = try_dqbuf(fd, &b);
	}
	close_fd(fd);
	return err;
}

int main(int argc, char **argv)
{
	static const struct group *const groups[] = {
		&descriptors_pass, &descriptors_death, &descriptors_share,
		&descriptors_many, NULL
	};

	if (argc == 3 && !strcmp(argv[1], EXEC_WORD))
		return exec_main(argv[2]);
	return check_main("descriptors", groups, argc, argv);
}
