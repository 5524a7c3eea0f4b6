/*
 * QBUF of descriptors: what is refused, and how long the importing queue holds
 * on to what it took. The node under test imports, its peer exports.
 */
#include "lifetime.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* An exporting and an importing file, with buffers for three imports. */
struct share {
	int exporter, importer;
	const struct node *from, *to;
};

enum { SETS = 3 };

static struct share share(const struct node *to, const struct node *from)
{
	struct share s = { .from = from, .to = to };

	s.exporter = open_node(from, O_RDWR);
	s.importer = open_node(to, O_RDWR);
	create_buffers_for(s.exporter, from, to, SETS * to->planes);
	request_buffers(s.importer, to, V4L2_MEMORY_DMABUF, 4);
	return s;
}

/* Queues set @set at @index; the descriptors are closed again. */
static void import_set(struct share *s, unsigned set, uint32_t index)
{
	int fds[VIDEO_MAX_PLANES];

	export_set(s->exporter, s->from, s->to, set, O_RDWR | O_CLOEXEC, fds);
	queue_dmabuf(s->importer, s->to, index, fds);
	close_planes(s->to, fds);
}

/* Whether any buffer of a set is held by someone: all must agree. */
static bool set_held(const struct share *s, unsigned set)
{
	uint32_t first = set * s->to->planes, i;
	bool held = query_flags(s->exporter, s->from, V4L2_MEMORY_MMAP, first) &
		    V4L2_BUF_FLAG_MAPPED;

	for (i = first + 1; i < first + s->to->planes; i++)
		need_that(!!(query_flags(s->exporter, s->from, V4L2_MEMORY_MMAP, i) &
			     V4L2_BUF_FLAG_MAPPED) == held,
			  "all planes of an import are held or let go together");
	return held;
}

#define expect_set(s, set, held, ...)						\
	expect_that(set_held(s, set) == (held), (held) ? "held" : "let go", __VA_ARGS__)

static void dequeue(struct share *s, struct buffer *b)
{
	buffer_init(b, s->to, V4L2_MEMORY_DMABUF, 0);
	need(try_dqbuf(s->importer, b), "DQBUF");
}

/* ---- what is refused -------------------------------------------------------------- */

/* Queues @fd in each plane's place, the other planes being good; EINVAL each
 * time, with length 0 too. */
static void refuse(struct share *s, int fd, const char *what)
{
	int fds[VIDEO_MAX_PLANES], good;
	struct buffer b;
	unsigned p;

	export_set(s->exporter, s->from, s->to, 0, O_RDWR | O_CLOEXEC, fds);
	for (p = 1; p < s->to->planes; p++) {
		good = fds[p];
		fds[p] = fd;
		need_that(try_queue_dmabuf(s->importer, s->to, 0, fds) == EINVAL,
			  "%s in one of the later planes gives EINVAL", what);
		fds[p] = good;
	}
	good = fds[0];
	fds[0] = fd;
	expect(try_queue_dmabuf(s->importer, s->to, 0, fds), EINVAL, "QBUF of %s", what);
	buffer_init(&b, s->to, V4L2_MEMORY_DMABUF, 0);
	buffer_set_fd(&b, 0, fd);
	need_that(try_qbuf(s->importer, &b) == EINVAL, "%s with length 0 gives EINVAL", what);
	fds[0] = good;
	close_planes(s->to, fds);
}

/* The queue is unharmed: it takes a good import and streams. */
static void unharmed(struct share *s)
{
	struct buffer b;

	need_that(!set_held(s, 0), "the refused import left the good planes alone");
	import_set(s, 0, 0);
	import_set(s, 1, 1);
	stream_on(s->importer, s->to);
	dequeue(s, &b);
	expect_number(b.buf.index, 0, "good imports queued then, STREAMON, DQBUF: index");
	close_fd(s->importer);
	close_fd(s->exporter);
}

static void bad_numbers(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int closed = need_call(dup(s.importer), "dup");

	close_fd(closed);
	/* The descriptors of refuse() come after, so that number stays free. */
	closed = need_call(fcntl(s.importer, F_DUPFD, 200), "F_DUPFD");
	close_fd(closed);
	refuse(&s, closed, "a closed descriptor");
	refuse(&s, -1, "-1");
	refuse(&s, 1 << 30, "a huge number");
	unharmed(&s);
}

static void not_dmabufs(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int pipes[2], sockets[2], memfd;

	need_call(pipe2(pipes, O_CLOEXEC), "pipe");
	socket_pair(sockets);
	memfd = need_call(memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
	need_call(ftruncate(memfd, 64 << 20), "ftruncate");
	refuse(&s, need_call(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "open"), "a plain file");
	refuse(&s, need_call(open("/dev/null", O_RDWR | O_CLOEXEC), "open"), "/dev/null");
	refuse(&s, pipes[0], "a pipe");
	refuse(&s, sockets[0], "a socket");
	refuse(&s, memfd, "a memfd");
	need_call(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), "F_ADD_SEALS");
	refuse(&s, memfd, "a sealed memfd");
	refuse(&s, need_call(eventfd(0, EFD_CLOEXEC), "eventfd"), "an eventfd");
	refuse(&s, need_call(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open"), "a directory");
	unharmed(&s);
}

static void nodes_themselves(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);

	refuse(&s, s.importer, "the importing node itself");
	refuse(&s, s.exporter, "the exporting node");
	unharmed(&s);
}

/* Index 0 of the importer wants planes larger than the exporter's. */
static struct share small_share(const struct node *to, const struct node *from, unsigned plane)
{
	struct share s = share(to, from);
	uint32_t sizes[VIDEO_MAX_PLANES], count = 2, index;

	free_buffers(s.importer, to, V4L2_MEMORY_DMABUF);
	memcpy(sizes, to->plane_size, sizeof(sizes));
	sizes[plane] = 64 << 20;
	need(try_create_bufs(s.importer, to, V4L2_MEMORY_DMABUF, sizes, &count, &index),
	     "CREATE_BUFS with a large plane");
	count = 2;
	need(try_create_bufs(s.importer, to, V4L2_MEMORY_DMABUF, NULL, &count, &index),
	     "CREATE_BUFS of the usual size");
	need_that(index == 2 && count == 2, "CREATE_BUFS appends");
	return s;
}

/* QBUF at index 0, the length of @plane being @length. */
static int try_small(struct share *s, unsigned plane, const int *fds, uint32_t length)
{
	struct buffer b;
	unsigned p;

	buffer_init(&b, s->to, V4L2_MEMORY_DMABUF, 0);
	for (p = 0; p < s->to->planes; p++) {
		buffer_set_fd(&b, p, fds[p]);
		buffer_set_length(&b, p, p == plane ? length : s->to->plane_size[p]);
	}
	return try_qbuf(s->importer, &b);
}

static void too_small(const struct node *node, const struct node *peer)
{
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		struct share s = small_share(node, peer, p);
		int fds[VIDEO_MAX_PLANES];

		export_set(s.exporter, peer, node, 0, O_RDWR | O_CLOEXEC, fds);
		need_that(try_small(&s, p, fds, 0) == EINVAL, "length 0 gives EINVAL");
		need_that(try_small(&s, p, fds, lseek(fds[p], 0, SEEK_END)) == EINVAL,
			  "the true length gives EINVAL");
		/* The kernel leaks a reference here (6.12), so nothing is
		 * said about who holds the buffer afterwards. */
		need_that(try_small(&s, p, fds, 64 << 20) == EFAULT,
			  "a false larger length gives EFAULT");
		need(try_queue_dmabuf(s.importer, node, 2, fds), "QBUF at an index of the usual size");
		close_planes(node, fds);
		close_fd(s.importer);
		close_fd(s.exporter);
	}
	expect_that(true, "EINVAL", "QBUF of a buffer smaller than any one plane, length 0 or true");
	expect_that(true, "EFAULT", "with a false larger length");
	expect_that(true, "0", "at an index where it's large enough");
}

static void wrong_memory(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES];

	export_set(s.exporter, peer, node, 0, O_RDWR | O_CLOEXEC, fds);
	request_buffers(s.importer, node, V4L2_MEMORY_MMAP, 2);
	expect(try_queue_dmabuf(s.importer, node, 0, fds), EINVAL, "QBUF with DMABUF on an MMAP queue");
	request_buffers(s.importer, node, V4L2_MEMORY_DMABUF, 2);
	expect(try_queue_mmap(s.importer, node, 0), EINVAL, "with MMAP on a DMABUF queue");
	expect(try_queue_dmabuf(s.importer, node, 0, fds), 0, "with DMABUF on it");
}

/* bytesused 0 means full only where the length is given: both 0 are no frame. */
static void lengths(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES];
	struct buffer b;
	unsigned p;

	export_set(s.exporter, peer, node, 0, O_RDWR | O_CLOEXEC, fds);
	buffer_init(&b, node, V4L2_MEMORY_DMABUF, 0);
	for (p = 0; p < node->planes; p++)
		buffer_set_fd(&b, p, fds[p]);
	expect(try_qbuf(s.importer, &b), node->output ? EINVAL : 0,
	       "QBUF with length 0 and bytesused 0");
	expect(try_queue_dmabuf(s.importer, node, 1, fds), 0, "with the frame's length and bytesused 0");
}

/* ---- how long it holds ------------------------------------------------------------- */

static void holds_while_streaming(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	struct buffer b;

	expect_set(&s, 0, false, "before QBUF");
	import_set(&s, 0, 0);
	import_set(&s, 1, 1);
	expect_set(&s, 0, true, "QBUF of an import, its descriptor closed");
	stream_on(s.importer, node);
	dequeue(&s, &b);
	expect_number(b.buf.index, 0, "DQBUF: index");
	expect_set(&s, 0, true, "after DQBUF");
	stream_off(s.importer, node);
	expect_set(&s, 0, true, "after STREAMOFF");
	expect_set(&s, 1, true, "the other too");
	free_buffers(s.importer, node, V4L2_MEMORY_DMABUF);
	expect_set(&s, 0, false, "after REQBUFS(0)");
	expect_set(&s, 1, false, "the other too");
}

static void holds_until_close(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);

	import_set(&s, 0, 0);
	import_set(&s, 1, 1);
	stream_on(s.importer, node);
	wait_frame(s.importer, node);
	close_fd(s.importer);
	expect_set(&s, 0, false, "importing device closed while streaming");
	expect_set(&s, 1, false, "the other too");
}

static void holds_until_remove(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);

	import_set(&s, 0, 0);
	stream_off(s.importer, node);
	expect(try_remove_bufs(s.importer, node, 0, 1), 0, "REMOVE_BUFS of the importing index");
	expect_set(&s, 0, false, "the import then");
}

static void holds_until_replaced(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);

	import_set(&s, 0, 0);
	stream_off(s.importer, node);
	expect_set(&s, 0, true, "queued at index 0, STREAMOFF");
	import_set(&s, 1, 0);
	expect_set(&s, 0, false, "another queued at index 0");
	expect_set(&s, 1, true, "that other");
}

static void holds_after_refusal(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES] = { 0 };
	unsigned p;

	import_set(&s, 0, 0);
	stream_off(s.importer, node);
	for (p = 0; p < node->planes; p++)
		fds[p] = -1;
	expect(try_queue_dmabuf(s.importer, node, 0, fds), EINVAL,
	       "QBUF of -1 at an index that has an import");
	expect_set(&s, 0, false, "that import");
}

struct importing {
	const struct node *node;
};

/* Receives an import, closes the descriptors and streams with it. */
static void importer(int sock, void *arg)
{
	const struct node *node = ((struct importing *)arg)->node;
	int fd = open_node(node, O_RDWR), fds[VIDEO_MAX_PLANES], set;

	request_buffers(fd, node, V4L2_MEMORY_DMABUF, 2);
	for (set = 0; set < 2; set++) {
		receive_fds(sock, fds, node->planes);
		queue_dmabuf(fd, node, set, fds);
		close_planes(node, fds);
	}
	stream_on(fd, node);
	wait_frame(fd, node);
	say(sock, 's');
	hear(sock, 'e');
}

static void holds_until_death(const struct node *node, const struct node *peer)
{
	struct importing arg = { .node = node };
	struct helper h = helper_start(importer, &arg);
	struct share s = { .from = peer, .to = node };
	int fds[VIDEO_MAX_PLANES], set;

	s.exporter = open_node(peer, O_RDWR);
	create_buffers_for(s.exporter, peer, node, 2 * node->planes);
	for (set = 0; set < 2; set++) {
		export_set(s.exporter, peer, node, set, O_RDWR | O_CLOEXEC, fds);
		send_fds(h.sock, fds, node->planes);
		close_planes(node, fds);
	}
	hear(h.sock, 's');
	expect_set(&s, 0, true, "imported by another process");
	helper_kill(&h);
	expect_set(&s, 0, false, "that process killed with SIGKILL");
	expect_set(&s, 1, false, "the other too");
}

static void exporter_keeps(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES];
	void *addr;

	export_set(s.exporter, peer, node, 0, O_RDWR | O_CLOEXEC, fds);
	addr = map_shared(node->plane_size[0], fds[0], 0);
	queue_dmabuf(s.importer, node, 0, fds);
	stream_off(s.importer, node);
	fill_pattern(addr, node->plane_size[0], 7);
	free_buffers(s.importer, node, V4L2_MEMORY_DMABUF);
	expect_that(has_pattern(addr, node->plane_size[0], 7), "contents unchanged",
		    "the exporter's buffer, the importer's REQBUFS(0) done");
	close_fd(s.importer);
	expect_that(has_pattern(addr, node->plane_size[0], 7), "contents unchanged",
		    "the importer closed");
	expect_set(&s, 0, true, "the exporter's own export");
	expect(try_queue_mmap(s.exporter, peer, 0), 0, "QBUF of it by the exporter");
}

static void orphans_stream(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES];
	struct buffer b;
	unsigned frames;

	for (unsigned set = 0; set < 2; set++) {
		/* They stay open: QBUF of what DQBUF gave names them again. */
		export_set(s.exporter, peer, node, set, O_RDWR | O_CLOEXEC, fds);
		queue_dmabuf(s.importer, node, set, fds);
	}
	close_fd(s.exporter);
	stream_on(s.importer, node);
	for (frames = 0; frames < 5; frames++) {
		dequeue(&s, &b);
		need(try_qbuf(s.importer, &b), "QBUF of what DQBUF gave");
	}
	expect_that(true, "streams", "imports whose exporter has closed its device");
}

/* ---- ways to import ------------------------------------------------------------------ */

static void same_again(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES], round;

	export_set(s.exporter, peer, node, 0, O_RDWR | O_CLOEXEC, fds);
	for (round = 0; round < 20; round++) {
		queue_dmabuf(s.importer, node, 0, fds);
		stream_off(s.importer, node);
	}
	close_planes(node, fds);
	expect_set(&s, 0, true, "the same import queued at the same index 20 times");
	free_buffers(s.importer, node, V4L2_MEMORY_DMABUF);
	expect_set(&s, 0, false, "REQBUFS(0)");
}

static void two_indices(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES];
	struct buffer b;

	export_set(s.exporter, peer, node, 0, O_RDWR | O_CLOEXEC, fds);
	expect(try_queue_dmabuf(s.importer, node, 0, fds), 0, "QBUF of an import at index 0");
	expect(try_queue_dmabuf(s.importer, node, 1, fds), 0, "the same at index 1");
	close_planes(node, fds);
	stream_on(s.importer, node);
	dequeue(&s, &b);
	expect_number(b.buf.index, 0, "STREAMON, DQBUF: index");
	import_set(&s, 1, 0);
	expect_set(&s, 0, true, "another queued at index 0, the first one");
	stream_off(s.importer, node);
	import_set(&s, 1, 1);
	expect_set(&s, 0, false, "at index 1 too");
}

static void one_for_all_planes(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES];
	unsigned p;

	if (node->planes < 2)
		skip("the format has one plane");
	fds[0] = export_plane(s.exporter, peer, 0, 0, O_RDWR | O_CLOEXEC);
	for (p = 1; p < node->planes; p++)
		fds[p] = fds[0];
	expect(try_queue_dmabuf(s.importer, node, 0, fds), 0, "QBUF of one descriptor for all planes");
	close_fd(fds[0]);
	expect_held(s.exporter, peer, 0, true, "its descriptor closed");
	free_buffers(s.importer, node, V4L2_MEMORY_DMABUF);
	expect_held(s.exporter, peer, 0, false, "REQBUFS(0)");
}

static void rdonly_export(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[VIDEO_MAX_PLANES], rw;
	size_t length = node->plane_size[0];
	struct buffer b;
	void *addr;

	rw = export_plane(s.exporter, peer, 0, 0, O_RDWR | O_CLOEXEC);
	addr = map_shared(length, rw, 0);
	fill_pattern(addr, length, 8);
	export_set(s.exporter, peer, node, 0, O_RDONLY | O_CLOEXEC, fds);
	expect(try_queue_dmabuf(s.importer, node, 0, fds), 0, "QBUF of an O_RDONLY export");
	import_set(&s, 1, 1);
	stream_on(s.importer, node);
	dequeue(&s, &b);
	/* A camera writes its picture there, a display only reads. */
	expect_that(has_pattern(addr, length, 8) == node->output,
		    node->output ? "contents unchanged" : "the device wrote into it",
		    "STREAMON, DQBUF of it");
}

static void dqbuf_memory(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	struct buffer b;

	import_set(&s, 0, 0);
	import_set(&s, 1, 1);
	stream_on(s.importer, node);
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 77);
	expect(try_dqbuf(s.importer, &b), 0, "DQBUF with memory MMAP and index 77 on a DMABUF queue");
	expect_number(b.buf.memory, V4L2_MEMORY_DMABUF, "memory afterwards (DMABUF is 4)");
	expect_number(b.buf.index, 0, "index");
}

static void dqbuf_fd(const struct node *node, const struct node *peer)
{
	struct share s = share(node, peer);
	int fds[2][VIDEO_MAX_PLANES], set;
	struct buffer b;
	unsigned p;

	for (set = 0; set < 2; set++) {
		export_set(s.exporter, peer, node, set, O_RDWR | O_CLOEXEC, fds[set]);
		queue_dmabuf(s.importer, node, set, fds[set]);
	}
	close_planes(node, fds[0]);
	stream_on(s.importer, node);
	dequeue(&s, &b);
	for (p = 0; p < node->planes; p++)
		need_that(buffer_fd(&b, p) == fds[0][p], "DQBUF gives the number that was queued");
	expect_that(true, "the numbers given to QBUF, though closed since", "m.fd after DQBUF");
}

static const struct check checks[] = {
	{ "import-bad-number", ON_EACH, bad_numbers },
	{ "import-no-dmabuf", ON_EACH, not_dmabufs },
	{ "import-node", ON_EACH, nodes_themselves },
	{ "import-too-small", ON_EACH, too_small },
	{ "import-wrong-memory", ON_EACH, wrong_memory },
	{ "import-lengths", ON_EACH, lengths },
	{ "import-holds-while-streaming", ON_EACH, holds_while_streaming },
	{ "import-holds-until-close", ON_EACH, holds_until_close },
	{ "import-holds-until-remove", ON_EACH, holds_until_remove },
	{ "import-holds-until-replaced", ON_EACH, holds_until_replaced },
	{ "import-let-go-by-refusal", ON_EACH, holds_after_refusal },
	{ "import-holds-until-death", ON_EACH, holds_until_death },
	{ "import-exporter-keeps", ON_EACH, exporter_keeps },
	{ "import-orphans-stream", ON_EACH, orphans_stream },
	{ "import-same-again", ON_EACH, same_again },
	{ "import-two-indices", ON_EACH, two_indices },
	{ "import-one-for-all-planes", ON_EACH, one_for_all_planes },
	{ "import-rdonly-export", ON_EACH, rdonly_export },
	{ "import-dqbuf-memory", ON_EACH, dqbuf_memory },
	{ "import-dqbuf-fd", ON_EACH, dqbuf_fd },
	{ 0 }
};

const struct group lifetime_import = { "import", checks };
