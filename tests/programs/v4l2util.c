/* Nodes, buffers, exports and mappings: see v4l2util.h. Processes and waiting
 * are in helper.c. */
#include "v4l2util.h"
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* ---- nodes ------------------------------------------------------------------ */

int try_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) == -1 ? errno : 0;
}

int try_open_node(const struct node *node, int flags, int *fd)
{
	*fd = open(node->path, flags | O_CLOEXEC);
	return *fd == -1 ? errno : 0;
}

int open_node(const struct node *node, int flags)
{
	int fd;

	need(try_open_node(node, flags, &fd), "open the %s node",
	     node->output ? "output" : "capture");
	return fd;
}

void close_fd(int fd)
{
	need_call(close(fd), "close");
}

int open_buffers(const struct node *node, uint32_t memory, uint32_t count)
{
	int fd = open_node(node, O_RDWR);

	need_that(request_buffers(fd, node, memory, count) >= count,
		  "REQBUFS gives as many buffers as asked for");
	return fd;
}

size_t page_rounded(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/* The format with the most to show: several planes on a multi-planar node. */
static uint32_t choose_pixelformat(int fd, const struct node *node)
{
	struct v4l2_format format = { .type = node->type };
	struct v4l2_fmtdesc desc = { .type = node->type };
	uint32_t first = 0;

	for (; !try_ioctl(fd, VIDIOC_ENUM_FMT, &desc); desc.index++) {
		if (!first)
			first = desc.pixelformat;
		if (!node->mplane && desc.pixelformat == V4L2_PIX_FMT_YUYV)
			return V4L2_PIX_FMT_YUYV;
		if (!node->mplane)
			continue;
		if (try_ioctl(fd, VIDIOC_G_FMT, &format))
			continue;
		format.fmt.pix_mp.pixelformat = desc.pixelformat;
		if (!try_ioctl(fd, VIDIOC_TRY_FMT, &format) &&
		    format.fmt.pix_mp.pixelformat == desc.pixelformat &&
		    format.fmt.pix_mp.num_planes > 1)
			return desc.pixelformat;
	}
	return first;
}

struct size {
	uint32_t width, height;
};

/* The smallest discrete size; @size itself if there are none. */
static struct size smallest_size(int fd, uint32_t pixelformat, struct size size)
{
	struct v4l2_frmsizeenum frame = { .pixel_format = pixelformat };

	for (; !try_ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &frame); frame.index++) {
		if (frame.type != V4L2_FRMSIZE_TYPE_DISCRETE)
			break;
		if (frame.index && (uint64_t)frame.discrete.width * frame.discrete.height >=
				   (uint64_t)size.width * size.height)
			continue;
		size.width = frame.discrete.width;
		size.height = frame.discrete.height;
	}
	return size;
}

static const char *choose_format(int fd, struct node *node)
{
	struct v4l2_format *f = &node->format;
	uint32_t pixelformat = choose_pixelformat(fd, node);
	struct size size;

	memset(f, 0, sizeof(*f));
	f->type = node->type;
	if (try_ioctl(fd, VIDIOC_G_FMT, f))
		return "G_FMT fails on the device";
	/* Width and height lie at the same place in both kinds of format. */
	size.width = f->fmt.pix.width;
	size.height = f->fmt.pix.height;
	size = smallest_size(fd, pixelformat, size);
	f->fmt.pix.width = size.width;
	f->fmt.pix.height = size.height;
	f->fmt.pix.pixelformat = pixelformat;
	if (!node->mplane)
		f->fmt.pix.bytesperline = 0;
	if (try_ioctl(fd, VIDIOC_S_FMT, f))
		return "S_FMT fails on the device";
	return NULL;
}

static void note_planes(struct node *node)
{
	unsigned i;

	node->planes = node->mplane ? node->format.fmt.pix_mp.num_planes : 1;
	for (i = 0; i < node->planes; i++)
		node->plane_size[i] = node->mplane ?
			node->format.fmt.pix_mp.plane_fmt[i].sizeimage :
			node->format.fmt.pix.sizeimage;
}

/* Which of the two buffer types the node speaks; false if neither. */
static bool note_type(struct node *node)
{
	uint32_t single = node->output ? V4L2_CAP_VIDEO_OUTPUT : V4L2_CAP_VIDEO_CAPTURE;
	uint32_t multi = node->output ? V4L2_CAP_VIDEO_OUTPUT_MPLANE :
					V4L2_CAP_VIDEO_CAPTURE_MPLANE;

	node->mplane = node->caps & multi;
	if (node->output)
		node->type = node->mplane ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE :
					    V4L2_BUF_TYPE_VIDEO_OUTPUT;
	else
		node->type = node->mplane ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE :
					    V4L2_BUF_TYPE_VIDEO_CAPTURE;
	return node->caps & (single | multi);
}

const char *node_probe(struct node *node, const char *path, bool want_output)
{
	static char wrong[4200];
	struct v4l2_capability cap;
	const char *problem = NULL;
	int fd;

	memset(node, 0, sizeof(*node));
	node->path = path;
	node->output = want_output;
	if (try_open_node(node, O_RDWR, &fd)) {
		snprintf(wrong, sizeof(wrong), "can't open %s: %s", path, strerror(errno));
		return wrong;
	}
	memset(&cap, 0, sizeof(cap));
	if (try_ioctl(fd, VIDIOC_QUERYCAP, &cap))
		problem = "not a V4L2 device";
	node->caps = cap.device_caps;
	if (!problem && !note_type(node))
		problem = want_output ? "not a video output device" : "not a video capture device";
	if (!problem && !(node->caps & V4L2_CAP_STREAMING))
		problem = "a device without streaming";
	if (!problem)
		problem = choose_format(fd, node);
	close(fd);
	if (problem) {
		snprintf(wrong, sizeof(wrong), "%s: %s", path, problem);
		return wrong;
	}
	note_planes(node);
	return NULL;
}

int node_reset(const struct node *node)
{
	struct v4l2_format format = node->format;
	int fd, err = try_open_node(node, O_RDWR, &fd);

	if (err)
		return err;
	err = try_ioctl(fd, VIDIOC_S_FMT, &format);
	close(fd);
	return err;
}

/* ---- buffers ---------------------------------------------------------------- */

void buffer_init(struct buffer *b, const struct node *node, uint32_t memory, uint32_t index)
{
	memset(b, 0, sizeof(*b));
	b->mplane = node->mplane;
	b->buf.type = node->type;
	b->buf.memory = memory;
	b->buf.index = index;
	if (node->mplane) {
		b->buf.m.planes = b->planes;
		b->buf.length = node->planes;
	}
}

uint32_t buffer_length(const struct buffer *b, unsigned plane)
{
	return b->mplane ? b->planes[plane].length : b->buf.length;
}

uint32_t buffer_offset(const struct buffer *b, unsigned plane)
{
	return b->mplane ? b->planes[plane].m.mem_offset : b->buf.m.offset;
}

uint32_t buffer_bytesused(const struct buffer *b, unsigned plane)
{
	return b->mplane ? b->planes[plane].bytesused : b->buf.bytesused;
}

int buffer_fd(const struct buffer *b, unsigned plane)
{
	return b->mplane ? b->planes[plane].m.fd : b->buf.m.fd;
}

void buffer_set_fd(struct buffer *b, unsigned plane, int fd)
{
	if (b->mplane)
		b->planes[plane].m.fd = fd;
	else
		b->buf.m.fd = fd;
}

void buffer_set_userptr(struct buffer *b, unsigned plane, void *addr)
{
	if (b->mplane)
		b->planes[plane].m.userptr = (unsigned long)addr;
	else
		b->buf.m.userptr = (unsigned long)addr;
}

void buffer_set_length(struct buffer *b, unsigned plane, uint32_t length)
{
	if (b->mplane)
		b->planes[plane].length = length;
	else
		b->buf.length = length;
}

void buffer_set_bytesused(struct buffer *b, unsigned plane, uint32_t bytesused)
{
	if (b->mplane)
		b->planes[plane].bytesused = bytesused;
	else
		b->buf.bytesused = bytesused;
}

int try_reqbufs(int fd, const struct node *node, uint32_t memory, uint32_t *count)
{
	struct v4l2_requestbuffers req = {
		.type = node->type, .memory = memory, .count = *count,
	};
	int err = try_ioctl(fd, VIDIOC_REQBUFS, &req);

	*count = req.count;
	return err;
}

uint32_t request_buffers(int fd, const struct node *node, uint32_t memory, uint32_t count)
{
	need(try_reqbufs(fd, node, memory, &count), "REQBUFS of some buffers");
	need_that(count > 0, "REQBUFS gives buffers");
	return count;
}

void free_buffers(int fd, const struct node *node, uint32_t memory)
{
	uint32_t count = 0;

	need(try_reqbufs(fd, node, memory, &count), "REQBUFS(0)");
}

int try_create_bufs(int fd, const struct node *node, uint32_t memory,
		    const uint32_t *sizes, uint32_t *count, uint32_t *index)
{
	struct v4l2_create_buffers create = {
		.count = *count, .memory = memory, .format = node->format,
	};
	unsigned i;
	int err;

	for (i = 0; sizes && i < node->planes; i++) {
		if (node->mplane)
			create.format.fmt.pix_mp.plane_fmt[i].sizeimage = sizes[i];
		else
			create.format.fmt.pix.sizeimage = sizes[i];
	}
	err = try_ioctl(fd, VIDIOC_CREATE_BUFS, &create);
	*count = create.count;
	if (index)
		*index = create.index;
	return err;
}

int try_remove_bufs(int fd, const struct node *node, uint32_t index, uint32_t count)
{
	struct v4l2_remove_buffers remove = {
		.index = index, .count = count, .type = node->type,
	};

	return try_ioctl(fd, VIDIOC_REMOVE_BUFS, &remove);
}

void create_buffers_for(int fd, const struct node *node, const struct node *importer,
			uint32_t count)
{
	uint32_t sizes[VIDEO_MAX_PLANES], created = count, index, largest = 0;
	unsigned i;

	/* The planes of the two formats need not match, so all are as large as
	 * the largest: any plane may then stand for any other. */
	for (i = 0; i < importer->planes; i++)
		largest = importer->plane_size[i] > largest ? importer->plane_size[i] : largest;
	for (i = 0; i < node->planes; i++)
		largest = node->plane_size[i] > largest ? node->plane_size[i] : largest;
	for (i = 0; i < node->planes; i++)
		sizes[i] = largest;
	need(try_create_bufs(fd, node, V4L2_MEMORY_MMAP, sizes, &created, &index),
	     "CREATE_BUFS of buffers for the other node");
	need_that(created == count && index == 0, "CREATE_BUFS gives all, from index 0");
}

int try_querybuf(int fd, struct buffer *b)
{
	return try_ioctl(fd, VIDIOC_QUERYBUF, &b->buf);
}

int try_qbuf(int fd, struct buffer *b)
{
	return try_ioctl(fd, VIDIOC_QBUF, &b->buf);
}

int try_dqbuf(int fd, struct buffer *b)
{
	return try_ioctl(fd, VIDIOC_DQBUF, &b->buf);
}

int try_prepare_buf(int fd, struct buffer *b)
{
	return try_ioctl(fd, VIDIOC_PREPARE_BUF, &b->buf);
}

void query_buffer(int fd, const struct node *node, uint32_t memory, uint32_t index,
		  struct buffer *b)
{
	buffer_init(b, node, memory, index);
	need(try_querybuf(fd, b), "QUERYBUF of buffer %u", index);
}

uint32_t query_flags(int fd, const struct node *node, uint32_t memory, uint32_t index)
{
	struct buffer b;

	query_buffer(fd, node, memory, index, &b);
	return b.buf.flags;
}

int try_queue_mmap(int fd, const struct node *node, uint32_t index)
{
	struct buffer b;

	/* On an output node bytesused 0 means full. */
	buffer_init(&b, node, V4L2_MEMORY_MMAP, index);
	return try_qbuf(fd, &b);
}

void queue_mmap(int fd, const struct node *node, uint32_t index)
{
	need(try_queue_mmap(fd, node, index), "QBUF of buffer %u", index);
}

int try_queue_dmabuf(int fd, const struct node *node, uint32_t index, const int *fds)
{
	struct buffer b;
	unsigned i;

	buffer_init(&b, node, V4L2_MEMORY_DMABUF, index);
	for (i = 0; i < node->planes; i++) {
		buffer_set_fd(&b, i, fds[i]);
		buffer_set_length(&b, i, node->plane_size[i]);
	}
	return try_qbuf(fd, &b);
}

void queue_dmabuf(int fd, const struct node *node, uint32_t index, const int *fds)
{
	need(try_queue_dmabuf(fd, node, index, fds), "QBUF of an import at index %u", index);
}

int try_streamon(int fd, const struct node *node)
{
	int type = node->type;

	return try_ioctl(fd, VIDIOC_STREAMON, &type);
}

int try_streamoff(int fd, const struct node *node)
{
	int type = node->type;

	return try_ioctl(fd, VIDIOC_STREAMOFF, &type);
}

void stream_on(int fd, const struct node *node)
{
	need(try_streamon(fd, node), "STREAMON");
}

void stream_off(int fd, const struct node *node)
{
	need(try_streamoff(fd, node), "STREAMOFF");
}

int try_set_interval(int fd, const struct node *node, struct v4l2_fract *interval)
{
	/* The interval lies at the same place for both directions. */
	struct v4l2_streamparm parm = {
		.type = node->type, .parm.capture.timeperframe = *interval,
	};
	int err = try_ioctl(fd, VIDIOC_S_PARM, &parm);

	*interval = parm.parm.capture.timeperframe;
	return err;
}

long long buffer_time(const struct buffer *b)
{
	return b->buf.timestamp.tv_sec * 1000000000LL + b->buf.timestamp.tv_usec * 1000LL;
}

long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* ---- exports and mappings --------------------------------------------------- */

int try_expbuf(int fd, const struct node *node, uint32_t index, uint32_t plane,
	       uint32_t flags, int *out)
{
	struct v4l2_exportbuffer exp = {
		.type = node->type, .index = index, .plane = plane, .flags = flags, .fd = -1,
	};
	int err = try_ioctl(fd, VIDIOC_EXPBUF, &exp);

	if (out)
		*out = exp.fd;
	else if (!err)
		close_fd(exp.fd);
	return err;
}

int export_plane(int fd, const struct node *node, uint32_t index, uint32_t plane,
		 uint32_t flags)
{
	int out;

	need(try_expbuf(fd, node, index, plane, flags, &out), "EXPBUF of buffer %u plane %u",
	     index, plane);
	return out;
}

void export_buffer(int fd, const struct node *node, uint32_t index, int *fds)
{
	unsigned i;

	for (i = 0; i < node->planes; i++)
		fds[i] = export_plane(fd, node, index, i, O_RDWR | O_CLOEXEC);
}

void close_planes(const struct node *node, const int *fds)
{
	unsigned i;

	for (i = 0; i < node->planes; i++)
		close_fd(fds[i]);
}

void export_set(int fd, const struct node *exporter, const struct node *importer,
		unsigned set, uint32_t flags, int *fds)
{
	unsigned i;

	for (i = 0; i < importer->planes; i++)
		fds[i] = export_plane(fd, exporter, set * importer->planes + i,
				      i % exporter->planes, flags);
}

int try_mmap(size_t length, int prot, int flags, int fd, off_t offset, void **out)
{
	void *addr = mmap(NULL, length, prot, flags, fd, offset);

	if (addr == MAP_FAILED)
		return errno;
	if (out)
		*out = addr;
	else
		unmap(addr, length);
	return 0;
}

void *map_shared(size_t length, int fd, off_t offset)
{
	void *addr;

	need(try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset, &addr),
	     "mmap for reading and writing");
	return addr;
}

void *map_plane(int fd, const struct node *node, uint32_t index, uint32_t plane,
		size_t *length)
{
	struct buffer b;

	query_buffer(fd, node, V4L2_MEMORY_MMAP, index, &b);
	if (length)
		*length = buffer_length(&b, plane);
	return map_shared(buffer_length(&b, plane), fd, buffer_offset(&b, plane));
}

void unmap(void *addr, size_t length)
{
	need_call(munmap(addr, length), "munmap");
}

static uint32_t pattern_word(size_t i, unsigned seed)
{
	return (uint32_t)i * 2654435761u ^ (seed + 1) * 40503u << 8;
}

/* Whole words only: a tail of up to three bytes is left alone. */
void fill_pattern(void *addr, size_t length, unsigned seed)
{
	volatile uint32_t *words = addr;
	size_t i;

	for (i = 0; i < length / 4; i++)
		words[i] = pattern_word(i, seed);
}

bool has_pattern(const void *addr, size_t length, unsigned seed)
{
	const volatile uint32_t *words = addr;
	size_t i;

	for (i = 0; i < length / 4; i++)
		if (words[i] != pattern_word(i, seed))
			return false;
	return true;
}
