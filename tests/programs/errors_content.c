/* What a buffer brings to QBUF and PREPARE_BUF: how much of it is used, its field,
 * its flags, the caller's own memory. */
#include "errors.h"

#include <string.h>

/* ---- bytesused --------------------------------------------------------------------------- */

/* QBUF or PREPARE_BUF of buffer 0, one plane with @bytesused and the rest full. */
static int try_used(int fd, const struct node *node, bool prepare, unsigned plane,
		    uint32_t bytesused)
{
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	buffer_set_bytesused(&b, plane, bytesused);
	return prepare ? try_prepare_buf(fd, &b) : try_qbuf(fd, &b);
}

static void expect_used(const struct node *node, bool prepare, const char *name)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned last = node->planes - 1, p;
	uint32_t flags;
	struct buffer b;

	for (p = 0; p < node->planes; p++) {
		query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
		need_that(try_used(fd, node, prepare, p, 1) == EINVAL, "one byte of plane %u is EINVAL", p);
		need_that(try_used(fd, node, prepare, p, node->plane_size[p] / 2) == EINVAL,
			  "half of plane %u is EINVAL", p);
		need_that(try_used(fd, node, prepare, p, buffer_length(&b, p) + 1) == EINVAL,
			  "more than plane %u is EINVAL", p);
		need_that(try_used(fd, node, prepare, p, UINT32_MAX) == EINVAL,
			  "0xffffffff for plane %u is EINVAL", p);
	}
	expect_that(true, "EINVAL",
		    "%s with bytesused 1, half a frame, above the buffer, 0xffffffff in any one plane",
		    name);
	flags = query_flags(fd, node, V4L2_MEMORY_MMAP, 0);
	expect_that(!(flags & (V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_PREPARED)),
		    "neither QUEUED nor PREPARED", "the buffer then");
	expect(try_used(fd, node, prepare, last, 0), 0, "%s with bytesused 0", name);
	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	expect_that(buffer_bytesused(&b, last) == buffer_length(&b, last), "its length",
		    "bytesused then");
	stream_off(fd, node);
	expect(try_used(fd, node, prepare, last, node->plane_size[last]), 0,
	       "%s with bytesused a frame", name);
}

static void used_qbuf(const struct node *node, const struct node *peer)
{
	expect_used(node, false, "QBUF");
}

static void used_prepare(const struct node *node, const struct node *peer)
{
	expect_used(node, true, "PREPARE_BUF");
}

/* A frame that begins behind all that is used of its plane. */
static void data_offset(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;

	if (!node->mplane)
		skip("the node is single-planar");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.planes[0].data_offset = node->plane_size[0];
	expect(try_qbuf(fd, &b), EINVAL, "QBUF with data_offset at the plane's end");
	b.planes[0].data_offset = UINT32_MAX;
	expect(try_qbuf(fd, &b), EINVAL, "with data_offset 0xffffffff");
	b.planes[0].data_offset = node->plane_size[0] / 2;
	expect(try_qbuf(fd, &b), EINVAL, "with less than a frame behind it");
	b.planes[0].data_offset = 0;
	expect(try_qbuf(fd, &b), 0, "with data_offset 0");
}

/* What a camera gives isn't the caller's to say. */
static void used_capture(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned last = node->planes - 1;

	expect(try_used(fd, node, true, last, UINT32_MAX), 0, "PREPARE_BUF with bytesused 0xffffffff");
	stream_off(fd, node);
	expect(try_used(fd, node, false, last, 1), 0, "QBUF with bytesused 1");
}

/* ---- field and flags ---------------------------------------------------------------------- */

static int try_field(int fd, const struct node *node, uint32_t index, uint32_t field)
{
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, index);
	b.buf.field = field;
	return try_qbuf(fd, &b);
}

static void fields(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	expect(try_field(fd, node, 0, V4L2_FIELD_ALTERNATE), node->output ? EINVAL : 0,
	       "QBUF with field ALTERNATE");
	expect(try_field(fd, node, 1, UNKNOWN_ENUM), 0, "with an unknown field");
}

static void output_field(const struct node *node, const struct node *peer)
{
	/* field lies at the same place in both kinds of format. */
	uint32_t want = node->format.fmt.pix.field;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;

	need(try_field(fd, node, 0, UNKNOWN_ENUM), "QBUF with an unknown field");
	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	expect_that(b.buf.field == want, "the format's", "QUERYBUF of what was queued with another field");
}

static void request_flag(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.flags = V4L2_BUF_FLAG_REQUEST_FD;
	b.buf.request_fd = -1;
	expect(try_prepare_buf(fd, &b), EINVAL, "PREPARE_BUF with REQUEST_FD");
}

/* The hints about caches aren't taken, and don't come back. */
static void cache_flags(const struct node *node, const struct node *peer)
{
	const uint32_t hints = V4L2_BUF_FLAG_NO_CACHE_INVALIDATE | V4L2_BUF_FLAG_NO_CACHE_CLEAN;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct buffer b;

	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	b.buf.flags = hints;
	expect(try_qbuf(fd, &b), 0, "QBUF with NO_CACHE_INVALIDATE and NO_CACHE_CLEAN");
	expect_that(!(b.buf.flags & hints), "without them", "the flags that come back");
}

/* ---- USERPTR --------------------------------------------------------------------------------- */

static void *user_memory(const struct node *node, unsigned plane)
{
	void *memory;

	need(try_mmap(page_rounded(node->plane_size[plane]), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &memory), "mmap of memory");
	return memory;
}

/* Good memory in all planes. */
static void user_buffer(struct buffer *b, const struct node *node)
{
	unsigned p;

	buffer_init(b, node, V4L2_MEMORY_USERPTR, 0);
	for (p = 0; p < node->planes; p++) {
		buffer_set_userptr(b, p, user_memory(node, p));
		buffer_set_length(b, p, node->plane_size[p]);
	}
}

/* QBUF of buffer 0, its last plane bad. */
static int try_user(int fd, const struct node *node, void *addr, uint32_t length)
{
	unsigned last = node->planes - 1;
	struct buffer b;

	user_buffer(&b, node);
	buffer_set_userptr(&b, last, addr);
	buffer_set_length(&b, last, length);
	return try_qbuf(fd, &b);
}

static void user_pointers(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_USERPTR, 2);
	unsigned last = node->planes - 1;
	uint32_t size = node->plane_size[last];
	size_t whole = page_rounded(size), page = page_rounded(1);
	char *memory = user_memory(node, last);
	struct buffer b;

	expect(try_user(fd, node, NULL, size), EFAULT, "QBUF of user memory at NULL");
	expect(try_user(fd, node, memory_end(), size), EFAULT, "of memory without access");
	expect(try_user(fd, node, memory_end() - page, size), EFAULT, "of which only a page is there");
	need_call(mprotect(memory + whole - page, page, PROT_NONE), "mprotect");
	expect(try_user(fd, node, memory, size), EFAULT, "of which only the last page isn't there");
	expect(try_user(fd, node, memory, size - 1), EINVAL, "of one byte too few");
	expect(try_user(fd, node, memory, 0), EINVAL, "of length 0");
	expect_that(!(query_flags(fd, node, V4L2_MEMORY_USERPTR, 0) & V4L2_BUF_FLAG_QUEUED),
		    "not QUEUED", "the buffer then");
	user_buffer(&b, node);
	expect(try_qbuf(fd, &b), 0, "QBUF of good memory");
}

/* A camera writes into it, a display only reads it. */
static void user_read_only(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_USERPTR, 2);
	unsigned last = node->planes - 1;
	void *memory = user_memory(node, last);

	need_call(mprotect(memory, page_rounded(node->plane_size[last]), PROT_READ), "mprotect");
	expect(try_user(fd, node, memory, node->plane_size[last]), node->output ? 0 : EFAULT,
	       "QBUF of user memory that is read-only");
}

static void user_not_yet(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct buffer b;

	user_buffer(&b, node);
	expect(try_qbuf(fd, &b), EINVAL, "QBUF of user memory before REQBUFS");
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_qbuf(fd, &b), EINVAL, "on an MMAP queue");
	request_buffers(fd, node, V4L2_MEMORY_USERPTR, 2);
	expect(try_qbuf(fd, &b), 0, "on a USERPTR queue");
	expect(try_queue_mmap(fd, node, 1), EINVAL, "QBUF of MMAP on it");
}

static const struct check checks[] = {
	{ "content-bytesused", ON_OUTPUT, used_qbuf },
	{ "content-bytesused-prepare", ON_OUTPUT, used_prepare },
	{ "content-data-offset", ON_OUTPUT, data_offset },
	{ "content-bytesused-ignored", ON_CAPTURE, used_capture },
	{ "content-field", ON_EACH, fields },
	{ "content-field-given-back", ON_OUTPUT, output_field },
	{ "content-request-flag", ON_EACH, request_flag },
	{ "content-cache-flags", ON_EACH, cache_flags },
	{ "content-user-memory", ON_EACH, user_pointers },
	{ "content-user-memory-read-only", ON_EACH, user_read_only },
	{ "content-user-memory-too-early", ON_EACH, user_not_yet },
	{ 0 }
};

const struct group errors_content = { "content", checks };
