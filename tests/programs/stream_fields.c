/* The fields of a buffer: what QBUF and DQBUF take from the caller, and what they ignore. */
#include "stream.h"

#include <errno.h>

static void dqbuf_fields(const struct node *node, const struct node *peer)
{
	struct buffer b;
	struct queue q;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 3);
	queue_put_all(&q);
	stream_on(q.fd, node);
	wait_ready(q.fd, node);
	buffer_init(&b, node, V4L2_MEMORY_USERPTR, 77);
	expect(try_dqbuf(q.fd, &b), 0, "DQBUF with memory USERPTR and index 77 on an MMAP queue");
	expect_number(b.buf.memory, V4L2_MEMORY_MMAP, "memory afterwards (MMAP is 1)");
	expect_number(b.buf.index, 0, "index");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.type = peer->type;
	expect(try_dqbuf(q.fd, &b), EINVAL, "DQBUF with the other direction's type");
}

static void bytesused_given(const struct node *node, const struct node *peer)
{
	const uint32_t more = 4096;	/* than a frame needs */
	uint32_t sizes[VIDEO_MAX_PLANES], count = 2;
	struct buffer b, taken;
	bool kept = true;
	unsigned p;
	int fd = open_node(node, O_RDWR);

	for (p = 0; p < node->planes; p++)
		sizes[p] = node->plane_size[p] + more;
	need(try_create_bufs(fd, node, V4L2_MEMORY_MMAP, sizes, &count, NULL), "CREATE_BUFS");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	for (p = 0; p < node->planes; p++)
		buffer_set_bytesused(&b, p, node->plane_size[p]);
	expect(try_qbuf(fd, &b), 0, "QBUF of a larger buffer, bytesused a frame");
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	wait_ready(fd, node);
	buffer_init(&taken, node, V4L2_MEMORY_MMAP, 0);
	need(try_dqbuf(fd, &taken), "DQBUF");
	for (p = 0; p < node->planes; p++)
		kept &= buffer_bytesused(&taken, p) == node->plane_size[p];
	expect_that(kept, "as given", "DQBUF: bytesused");
	buffer_set_bytesused(&b, 0, node->plane_size[0] / 2);
	expect(try_qbuf(fd, &b), EINVAL, "QBUF with bytesused half a frame");
	buffer_set_bytesused(&b, 0, node->plane_size[0] + 2 * more);
	expect(try_qbuf(fd, &b), EINVAL, "above the buffer");
	buffer_set_bytesused(&b, 0, 0);
	expect(try_qbuf(fd, &b), 0, "bytesused 0");
	expect_number(buffer_bytesused(&b, 0) - node->plane_size[0], more,
		      "bytesused given back, more than a frame");
}

/* A camera sets bytesused; what the caller gives is no matter. */
static void bytesused_ignored(const struct node *node, const struct node *peer)
{
	struct buffer b;
	struct queue q;

	queue_open(&q, node, peer, V4L2_MEMORY_MMAP, 2);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	buffer_set_bytesused(&b, 0, 0xffffffff);
	expect(try_qbuf(q.fd, &b), 0, "QBUF with bytesused 0xffffffff");
	stream_on(q.fd, node);
	queue_take(&q, &b);
	expect_that(buffer_bytesused(&b, 0) == node->plane_size[0], "a frame", "DQBUF: bytesused");
}

static void userptr_refused(const struct node *node, const struct node *peer)
{
	struct buffer b;
	struct queue q;
	unsigned p;

	queue_open(&q, node, peer, V4L2_MEMORY_USERPTR, 2);
	buffer_init(&b, node, V4L2_MEMORY_USERPTR, 0);
	for (p = 0; p < node->planes; p++) {
		buffer_set_userptr(&b, p, q.addr[0][p]);
		buffer_set_length(&b, p, node->plane_size[p]);
	}
	buffer_set_length(&b, 0, node->plane_size[0] - 1);
	expect(try_qbuf(q.fd, &b), EINVAL, "QBUF of memory smaller than a frame");
	buffer_set_length(&b, 0, node->plane_size[0]);
	buffer_set_userptr(&b, 0, NULL);
	expect(try_qbuf(q.fd, &b), EFAULT, "of a NULL pointer");
	expect(queue_try_put(&q, 0), 0, "of good memory");
}

/* The memory is the caller's, and he may bring other memory every time. */
static void userptr_changes(const struct node *node, const struct node *peer)
{
	struct queue q;
	struct buffer b;
	bool same = true;
	int n;

	queue_open(&q, node, peer, V4L2_MEMORY_USERPTR, 3);
	queue_put_all(&q);
	stream_on(q.fd, node);
	for (n = 0; n < 6; n++) {
		void *given;
		uint32_t i;

		queue_take(&q, &b);
		i = b.buf.index;
		given = (void *)(b.mplane ? b.planes[0].m.userptr : b.buf.m.userptr);
		same &= given == q.addr[i][0];
		unmap(given, node->plane_size[0]);
		need(try_mmap(page_rounded(node->plane_size[0]), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &q.addr[i][0]), "mmap of memory");
		queue_put(&q, i);
	}
	expect_that(same, "as queued", "other memory queued each time, DQBUF: userptr");
}

static const struct check checks[] = {
	{ "dqbuf-fields", ON_EACH, dqbuf_fields },
	{ "bytesused-given", ON_OUTPUT, bytesused_given },
	{ "bytesused-ignored", ON_CAPTURE, bytesused_ignored },
	{ "userptr-refused", ON_EACH, userptr_refused },
	{ "userptr-changes", ON_EACH, userptr_changes },
	{ 0 }
};

const struct group stream_fields = { "fields", checks };
