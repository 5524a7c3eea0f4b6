/*
 * Who owns the queue: the file that allocated buffers, until it lets go of
 * them. Other files of the same node may look, but not touch.
 */
#include "lifetime.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Whether another opener gets the queue: REQBUFS, and away with it again. */
static int try_take(int other, const struct node *node)
{
	uint32_t count = 2, none = 0;
	int err = try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count);

	if (!err)
		need(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &none), "REQBUFS(0)");
	return err;
}

/* The node's format with another pixel format or size, that the device takes. */
static struct v4l2_format other_format(int fd, const struct node *node)
{
	struct v4l2_fmtdesc desc = { .type = node->type };
	struct v4l2_format format;

	for (; !try_ioctl(fd, VIDIOC_ENUM_FMT, &desc); desc.index++) {
		/* pixelformat lies at the same place in both kinds of format. */
		if (desc.pixelformat == node->format.fmt.pix.pixelformat)
			continue;
		format = node->format;
		format.fmt.pix.pixelformat = desc.pixelformat;
		if (!node->mplane)
			format.fmt.pix.bytesperline = 0;
		if (!try_ioctl(fd, VIDIOC_TRY_FMT, &format) &&
		    format.fmt.pix.pixelformat == desc.pixelformat)
			return format;
	}
	skip("the device has one format only");
}

/* ---- what a second opener can't do ---------------------------------------------------- */

static void second_allocates(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	uint32_t count = 2, none = 0;

	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &count), EBUSY,
	       "REQBUFS by a second opener");
	expect(try_reqbufs(other, node, V4L2_MEMORY_MMAP, &none), EBUSY, "REQBUFS(0)");
	count = 1;
	expect(try_create_bufs(other, node, V4L2_MEMORY_MMAP, NULL, &count, NULL), EBUSY,
	       "CREATE_BUFS");
	expect(try_remove_bufs(other, node, 0, 1), EBUSY, "REMOVE_BUFS");
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect(try_take(other, node), 0, "REQBUFS after the owner's REQBUFS(0)");
}

static void second_queues(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	struct buffer b;

	queue_mmap(fd, node, 0);
	expect(try_queue_mmap(other, node, 1), EBUSY, "QBUF by a second opener");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 1);
	expect(try_prepare_buf(other, &b), EBUSY, "PREPARE_BUF");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_dqbuf(other, &b), EBUSY, "DQBUF");
	expect(try_expbuf(other, node, 0, 0, O_RDWR, NULL), EBUSY, "EXPBUF");
}

static void second_streams(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	expect(try_streamon(other, node), EBUSY, "STREAMON by a second opener");
	stream_on(fd, node);
	expect(try_streamoff(other, node), EBUSY, "STREAMOFF");
	wait_frame(fd, node);
	expect_that(true, "streams on", "the owner");
}

static void second_bad_index(const struct node *node, const struct node *peer)
{
	int other;
	struct buffer b;

	open_buffers(node, V4L2_MEMORY_MMAP, 2);
	other = open_node(node, O_RDWR);
	expect(try_queue_mmap(other, node, 99), EBUSY, "QBUF of index 99 by a second opener");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 99);
	expect(try_prepare_buf(other, &b), EBUSY, "PREPARE_BUF of it");
	expect(try_expbuf(other, node, 99, 0, O_RDWR, NULL), EBUSY, "EXPBUF of it");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 99);
	expect(try_querybuf(other, &b), EINVAL, "QUERYBUF of it");
}

/* ---- what it can ------------------------------------------------------------------------ */

static void second_looks(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	struct v4l2_format format = { .type = node->type };
	struct v4l2_capability cap;
	struct buffer b;
	uint32_t none = 0;

	queue_mmap(fd, node, 0);
	expect(try_ioctl(other, VIDIOC_QUERYCAP, &cap), 0, "QUERYCAP by a second opener");
	expect(try_ioctl(other, VIDIOC_G_FMT, &format), 0, "G_FMT");
	expect(try_ioctl(other, VIDIOC_TRY_FMT, &format), 0, "TRY_FMT");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_querybuf(other, &b), 0, "QUERYBUF");
	expect_that(b.buf.flags & V4L2_BUF_FLAG_QUEUED, "flag QUEUED", "of the queued buffer");
	expect(try_create_bufs(other, node, V4L2_MEMORY_MMAP, NULL, &none, NULL), 0,
	       "CREATE_BUFS(0)");
}

static void second_controls(const struct node *node, const struct node *peer)
{
	struct v4l2_queryctrl query = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };
	struct v4l2_control control;
	int other;

	open_buffers(node, V4L2_MEMORY_MMAP, 2);
	other = open_node(node, O_RDWR);
	for (; !try_ioctl(other, VIDIOC_QUERYCTRL, &query); query.id |= V4L2_CTRL_FLAG_NEXT_CTRL)
		if (query.type == V4L2_CTRL_TYPE_INTEGER && !(query.flags &
		    (V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_INACTIVE)))
			break;
	if (query.type != V4L2_CTRL_TYPE_INTEGER)
		skip("the node has no integer control");
	control.id = query.id;
	expect(try_ioctl(other, VIDIOC_G_CTRL, &control), 0, "G_CTRL by a second opener");
	expect(try_ioctl(other, VIDIOC_S_CTRL, &control), 0, "S_CTRL of the same value");
}

static void second_maps(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	size_t length;
	void *own = map_plane(fd, node, 0, 0, &length);
	void *seen = map_plane(other, node, 0, 0, NULL);

	fill_pattern(own, length, 3);
	expect_that(has_pattern(seen, length, 3), "the owner's memory",
		    "mmap of the node by a second opener");
}

static void second_polls(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	int want = node->output ? POLLOUT | POLLWRNORM : POLLIN | POLLRDNORM;
	struct buffer b;

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	expect_poll(poll_events(other, want, SOON_MS), want,
		    "poll by a second opener while the owner's buffer is ready");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_dqbuf(fd, &b), 0, "DQBUF by the owner");
}

static void second_closes(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	int third = open_node(node, O_RDWR);

	close_fd(other);
	expect(try_take(third, node), EBUSY, "REQBUFS by a third, a second opener having closed");
	expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), 0, "EXPBUF by the owner");
}

/* ---- how ownership ends ------------------------------------------------------------------ */

static void ends_with_close(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	int copy = need_call(dup(fd), "dup");

	close_fd(fd);
	expect(try_take(other, node), EBUSY, "REQBUFS by another, one of the owner's two dups closed");
	close_fd(copy);
	expect(try_take(other, node), 0, "both closed");
}

static void own_and_wait(int sock, void *arg)
{
	const struct node *node = arg;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	say(sock, 'o');
	hear(sock, 'e');
}

static void ends_with_death(const struct node *node, const struct node *peer)
{
	struct helper h = helper_start(own_and_wait, (void *)node);
	int other = open_node(node, O_RDWR);

	hear(h.sock, 'o');
	expect(try_take(other, node), EBUSY, "REQBUFS while another process streams");
	helper_kill(&h);
	expect(try_take(other, node), 0, "that process killed with SIGKILL");
}

static void kept_by_node_mapping(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	size_t length;
	void *addr = map_plane(fd, node, 0, 0, &length);

	close_fd(fd);
	expect(try_take(other, node), EBUSY,
	       "REQBUFS by another, the owner closed but its mapping of the node there");
	fill_pattern(addr, length, 4);
	expect_that(has_pattern(addr, length, 4), "still memory", "that mapping");
	unmap(addr, length);
	expect(try_take(other, node), 0, "the mapping gone");
}

static void kept_by_old_node_mapping(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	size_t length;
	void *addr = map_plane(fd, node, 0, 0, &length);

	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect(try_take(other, node), 0,
	       "REQBUFS by another, the owner's REQBUFS(0) done, its mapping of the node there");
	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	close_fd(fd);
	expect(try_take(other, node), EBUSY,
	       "the owner's REQBUFS again and close, only the mapping from before there");
	unmap(addr, length);
	expect(try_take(other, node), 0, "the mapping gone");
}

static void kept_by_streaming_mapping(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	int ready = node->output ? POLLOUT : POLLIN;
	size_t length;
	void *addr = map_plane(fd, node, 0, 0, &length);

	queue_mmap(fd, node, 0);
	queue_mmap(fd, node, 1);
	stream_on(fd, node);
	close_fd(fd);
	expect_that(poll_events(other, ready, SOON_MS) & ready, "a buffer ready",
		    "streaming, the owner closed but its mapping there, poll by another");
	unmap(addr, length);
	expect(try_take(other, node), 0, "REQBUFS by another, the mapping gone");
}

static void not_kept_by_export(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	void *addr = map_shared(node->plane_size[0], export_plane(fd, node, 0, 0, O_RDWR), 0);

	fill_pattern(addr, node->plane_size[0], 5);
	close_fd(fd);
	expect(try_take(other, node), 0,
	       "REQBUFS by another, the owner closed, an export and its mapping there");
	expect_that(has_pattern(addr, node->plane_size[0], 5), "contents unchanged", "that mapping");
}

static void not_kept_by_others_mapping(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	int third = open_node(node, O_RDWR);
	size_t length;
	void *addr = map_plane(other, node, 0, 0, &length);

	fill_pattern(addr, length, 6);
	close_fd(fd);
	expect(try_take(third, node), 0,
	       "REQBUFS by a third, the owner closed, a second opener's mapping of the node there");
	expect_that(has_pattern(addr, length, 6), "contents unchanged", "that mapping");
}

static void reqbufs0_other_memory(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2), other = open_node(node, O_RDWR);
	uint32_t none = 0;
	struct buffer b;

	expect(try_reqbufs(fd, node, V4L2_MEMORY_DMABUF, &none), 0,
	       "REQBUFS(0) naming DMABUF on an MMAP queue");
	buffer_init(&b, node, V4L2_MEMORY_MMAP, 0);
	expect(try_querybuf(fd, &b), EINVAL, "QUERYBUF then");
	expect(try_take(other, node), 0, "REQBUFS by another then");
	need(try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &(uint32_t){ 2 }), "REQBUFS");
	expect(try_reqbufs(fd, node, 99, &none), EINVAL, "REQBUFS(0) naming an unknown memory type");
	expect(try_take(other, node), EBUSY, "REQBUFS by another then");
}

static void remove_all(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), other = open_node(node, O_RDWR);
	uint32_t count = request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);

	expect(try_remove_bufs(fd, node, 0, count), 0, "REMOVE_BUFS of all buffers");
	expect(try_take(other, node), EBUSY, "REQBUFS by another then");
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect(try_take(other, node), 0, "after REQBUFS(0)");
}

/* ---- formats and priority ------------------------------------------------------------------ */

static void s_fmt_other(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), second = open_node(node, O_RDWR);
	struct v4l2_format other = other_format(fd, node), format = other;

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), EBUSY,
	       "S_FMT to another format with buffers allocated");
	format = other;
	expect(try_ioctl(second, VIDIOC_S_FMT, &format), EBUSY, "by a second opener");
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	format = other;
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), 0, "after REQBUFS(0)");
}

static void s_fmt_same(const struct node *node, const struct node *peer)
{
	struct v4l2_format format = node->format;
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);

	/* vivid's output takes it if it's of type HDMI, and not if it's S-Video. */
	expect(try_ioctl(fd, VIDIOC_S_FMT, &format), EBUSY,
	       "S_FMT to the same format with buffers allocated");
}

static void s_fmt_orphans(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	struct v4l2_format other = other_format(fd, node);

	request_buffers(fd, node, V4L2_MEMORY_MMAP, 2);
	export_plane(fd, node, 0, 0, O_RDWR);
	free_buffers(fd, node, V4L2_MEMORY_MMAP);
	expect(try_ioctl(fd, VIDIOC_S_FMT, &other), 0,
	       "S_FMT to another format, an orphaned buffer still exported");
}

static void s_parm(const struct node *node, const struct node *peer)
{
	struct v4l2_streamparm parm = { .type = node->type };
	int fd = open_node(node, O_RDWR);

	expect(try_ioctl(fd, VIDIOC_G_PARM, &parm), 0, "G_PARM");
	expect(try_ioctl(fd, VIDIOC_S_PARM, &parm), node->output ? ENOTTY : 0,
	       "S_PARM of the same");
}

static int try_priority(int fd, uint32_t priority)
{
	return try_ioctl(fd, VIDIOC_S_PRIORITY, &priority);
}

static void priority_values(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR);
	uint32_t priority = 0;

	need(try_ioctl(fd, VIDIOC_G_PRIORITY, &priority), "G_PRIORITY");
	expect_number(priority, V4L2_PRIORITY_INTERACTIVE, "G_PRIORITY at first");
	expect(try_priority(fd, 0), EINVAL, "S_PRIORITY 0");
	expect(try_priority(fd, 42), EINVAL, "S_PRIORITY 42");
	expect(try_priority(fd, V4L2_PRIORITY_RECORD), 0, "S_PRIORITY RECORD");
	need(try_ioctl(fd, VIDIOC_G_PRIORITY, &priority), "G_PRIORITY");
	expect_number(priority, V4L2_PRIORITY_RECORD, "G_PRIORITY then");
}

static void priority_shared(const struct node *node, const struct node *peer)
{
	int fd = open_node(node, O_RDWR), second = open_node(node, O_RDWR);
	int elsewhere = open_node(peer, O_RDWR);
	struct v4l2_format format = node->format;
	uint32_t priority = 0;

	need(try_priority(fd, V4L2_PRIORITY_RECORD), "S_PRIORITY RECORD");
	need(try_ioctl(second, VIDIOC_G_PRIORITY, &priority), "G_PRIORITY");
	expect_number(priority, V4L2_PRIORITY_RECORD,
		      "G_PRIORITY by a second opener, the first having RECORD");
	expect(try_ioctl(second, VIDIOC_S_FMT, &format), EBUSY, "S_FMT by the second");
	need(try_ioctl(elsewhere, VIDIOC_G_PRIORITY, &priority), "G_PRIORITY");
	expect_number(priority, V4L2_PRIORITY_INTERACTIVE, "G_PRIORITY on the other device");
	close_fd(fd);
	format = node->format;
	expect(try_ioctl(second, VIDIOC_S_FMT, &format), 0, "S_FMT by the second, the first closed");
}

static const struct check checks[] = {
	{ "owner-second-allocates", ON_EACH, second_allocates },
	{ "owner-second-queues", ON_EACH, second_queues },
	{ "owner-second-streams", ON_EACH, second_streams },
	{ "owner-second-bad-index", ON_EACH, second_bad_index },
	{ "owner-second-looks", ON_EACH, second_looks },
	{ "owner-second-controls", ON_EACH, second_controls },
	{ "owner-second-maps", ON_EACH, second_maps },
	{ "owner-second-polls", ON_EACH, second_polls },
	{ "owner-second-closes", ON_EACH, second_closes },
	{ "owner-until-close", ON_EACH, ends_with_close },
	{ "owner-until-death", ON_EACH, ends_with_death },
	{ "owner-kept-by-node-mapping", ON_EACH, kept_by_node_mapping },
	{ "owner-kept-by-old-node-mapping", ON_EACH, kept_by_old_node_mapping },
	{ "owner-kept-by-mapping-streams", ON_EACH, kept_by_streaming_mapping },
	{ "owner-not-kept-by-export", ON_EACH, not_kept_by_export },
	{ "owner-not-kept-by-others-mapping", ON_EACH, not_kept_by_others_mapping },
	{ "owner-reqbufs0-other-memory", ON_EACH, reqbufs0_other_memory },
	{ "owner-remove-all", ON_EACH, remove_all },
	{ "s-fmt-other", ON_EACH, s_fmt_other },
	{ "s-fmt-same", ON_EACH, s_fmt_same },
	{ "s-fmt-orphans", ON_EACH, s_fmt_orphans },
	{ "s-parm", ON_EACH, s_parm },
	{ "priority-values", ON_EACH, priority_values },
	{ "priority-shared", ON_EACH, priority_shared },
	{ 0 }
};

const struct group lifetime_owner = { "owner", checks };
