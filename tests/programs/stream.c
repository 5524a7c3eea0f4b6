/*
 * Frames on their way through one node: all memories, read, waiting in every
 * way there is, several threads and processes, events.
 *
 *	stream [-l] [-g GROUP]... [-v] CAPTURE OUTPUT
 */
#include "stream.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- a queue of any memory ------------------------------------------------------- */

static void queue_fast(struct queue *q)
{
	struct v4l2_fract interval = { 1, FAST_FPS };

	/* Output nodes need not have S_PARM. */
	if (try_set_interval(q->fd, q->node, &interval) || !interval.denominator)
		interval = (struct v4l2_fract) { 1, SLOWEST_OUTPUT_FPS };
	q->interval = 1000000000LL * interval.numerator / interval.denominator;
}

static void queue_import(struct queue *q, const struct node *peer)
{
	uint32_t i;
	unsigned p;

	q->exporter = open_node(peer, O_RDWR);
	create_buffers_for(q->exporter, peer, q->node, q->count * q->node->planes);
	for (i = 0; i < q->count; i++) {
		export_set(q->exporter, peer, q->node, i, O_RDWR | O_CLOEXEC, q->dmabuf[i]);
		for (p = 0; p < q->node->planes; p++)
			q->addr[i][p] = map_shared(q->node->plane_size[p], q->dmabuf[i][p], 0);
	}
}

static void *anonymous(size_t size)
{
	void *addr;

	need(try_mmap(page_rounded(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0, &addr), "mmap of memory");
	return addr;
}

void queue_open(struct queue *q, const struct node *node, const struct node *peer,
		uint32_t memory, uint32_t count)
{
	uint32_t i;
	unsigned p;

	memset(q, 0, sizeof(*q));
	q->node = node;
	q->memory = memory;
	q->fd = open_node(node, O_RDWR);
	q->exporter = -1;
	queue_fast(q);
	q->count = request_buffers(q->fd, node, memory, count);
	need_that(q->count == count, "REQBUFS gives %u buffers", count);
	if (memory == V4L2_MEMORY_DMABUF) {
		queue_import(q, peer);
		return;
	}
	for (i = 0; i < count; i++)
		for (p = 0; p < node->planes; p++)
			q->addr[i][p] = memory == V4L2_MEMORY_MMAP ?
				map_plane(q->fd, node, i, p, NULL) :
				anonymous(node->plane_size[p]);
}

int queue_try_put(struct queue *q, uint32_t index)
{
	struct buffer b;
	unsigned p;

	if (q->memory == V4L2_MEMORY_MMAP)
		return try_queue_mmap(q->fd, q->node, index);
	if (q->memory == V4L2_MEMORY_DMABUF)
		return try_queue_dmabuf(q->fd, q->node, index, q->dmabuf[index]);
	buffer_init(&b, q->node, q->memory, index);
	for (p = 0; p < q->node->planes; p++) {
		buffer_set_userptr(&b, p, q->addr[index][p]);
		buffer_set_length(&b, p, q->node->plane_size[p]);
	}
	return try_qbuf(q->fd, &b);
}

void queue_put(struct queue *q, uint32_t index)
{
	need(queue_try_put(q, index), "QBUF of buffer %u", index);
}

void queue_put_all(struct queue *q)
{
	uint32_t i;

	for (i = 0; i < q->count; i++)
		queue_put(q, i);
}

void queue_take(struct queue *q, struct buffer *b)
{
	wait_ready(q->fd, q->node);
	buffer_init(b, q->node, q->memory, 0);
	need(try_dqbuf(q->fd, b), "DQBUF");
}

void queue_close(struct queue *q)
{
	uint32_t i;
	unsigned p;

	for (i = 0; i < q->count; i++)
		for (p = 0; p < q->node->planes; p++)
			unmap(q->addr[i][p], q->node->plane_size[p]);
	for (i = 0; q->exporter >= 0 && i < q->count; i++)
		close_planes(q->node, q->dmabuf[i]);
	if (q->exporter >= 0)
		close_fd(q->exporter);
	close_fd(q->fd);
}

int main(int argc, char **argv)
{
	static const struct group *const groups[] = {
		&stream_flow, &stream_rate, &stream_state, &stream_fields, &stream_read,
		&stream_file_io, &stream_poll, &stream_epoll, &stream_wait, &stream_process, &stream_event, NULL
	};

	if (argc == 4 && !strcmp(argv[1], EXEC_WORD))
		return exec_main(argv + 2);
	return check_main("stream", groups, argc, argv);
}
