/*
 * A camera's frames on a display, without a copy: one node exports its buffers,
 * the other imports them, many times round.
 *
 *	pipeline [-l] [-g GROUP]... [-v] CAPTURE OUTPUT
 *
 * Lines beginning with "# " are remarks: times, which differ from run to run.
 */
#include "pipeline.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- one end ------------------------------------------------------------------------ */

void end_open(struct end *end, const struct node *node)
{
	struct v4l2_fract interval = { 1, FAST_FPS };

	memset(end, 0, sizeof(*end));
	end->node = *node;
	end->fd = open_node(node, O_RDWR);
	if (!node->output)
		need(try_set_interval(end->fd, node, &interval), "S_PARM");
	end_forget(end);
}

void end_forget(struct end *end)
{
	int i;

	for (i = 0; i < MAX_INDICES; i++)
		end->holds[i] = NOTHING;
}

static void note_sizes(struct node *node)
{
	unsigned i;

	for (i = 0; i < node->planes; i++)
		node->plane_size[i] = node->mplane ?
			node->format.fmt.pix_mp.plane_fmt[i].sizeimage :
			node->format.fmt.pix.sizeimage;
}

/* Width, height and pixelformat lie at the same place in both kinds of format. */
static bool same_picture(const struct v4l2_format *a, const struct v4l2_format *b)
{
	return a->fmt.pix.width == b->fmt.pix.width && a->fmt.pix.height == b->fmt.pix.height &&
	       a->fmt.pix.pixelformat == b->fmt.pix.pixelformat;
}

static bool same_layout(const struct node *node, const struct v4l2_format *a,
			const struct v4l2_format *b)
{
	unsigned i;

	if (!node->mplane)
		return a->fmt.pix.bytesperline == b->fmt.pix.bytesperline &&
		       a->fmt.pix.sizeimage == b->fmt.pix.sizeimage;
	if (a->fmt.pix_mp.num_planes != b->fmt.pix_mp.num_planes)
		return false;
	for (i = 0; i < a->fmt.pix_mp.num_planes; i++)
		if (memcmp(&a->fmt.pix_mp.plane_fmt[i], &b->fmt.pix_mp.plane_fmt[i],
			   sizeof(a->fmt.pix_mp.plane_fmt[i])))
			return false;
	return true;
}

bool match_format(struct end *camera, const struct node *output)
{
	struct v4l2_format format = camera->node.format;

	if (camera->node.mplane != output->mplane)
		return false;
	format.fmt.pix.width = output->format.fmt.pix.width;
	format.fmt.pix.height = output->format.fmt.pix.height;
	format.fmt.pix.pixelformat = output->format.fmt.pix.pixelformat;
	if (camera->node.mplane)
		memcpy(format.fmt.pix_mp.plane_fmt, output->format.fmt.pix_mp.plane_fmt,
		       sizeof(format.fmt.pix_mp.plane_fmt));
	else
		format.fmt.pix.bytesperline = output->format.fmt.pix.bytesperline;
	if (try_ioctl(camera->fd, VIDIOC_TRY_FMT, &format) ||
	    !same_picture(&format, &output->format) ||
	    !same_layout(output, &format, &output->format))
		return false;
	need(try_ioctl(camera->fd, VIDIOC_S_FMT, &format), "S_FMT of the display's format");
	camera->node.format = format;
	note_sizes(&camera->node);
	return true;
}

static int index_of(const struct end *end, int k)
{
	return end->memory == V4L2_MEMORY_MMAP ? k : (int)end->next;
}

bool end_has_room(const struct end *end)
{
	return end->memory == V4L2_MEMORY_MMAP || end->holds[end->next] == NOTHING;
}

/* A display of the camera's format takes the frame as the camera gave it; another
 * one a whole frame of its own. */
static void fill_payload(const struct pipeline *p, const struct end *end,
			 const struct shared *s, struct buffer *b)
{
	unsigned i;

	for (i = 0; i < end->node.planes; i++) {
		bool as_it_came = p->same_format && s->bytesused[i];

		buffer_set_bytesused(b, i, as_it_came ? s->bytesused[i] : end->node.plane_size[i]);
		if (b->mplane && as_it_came)
			b->planes[i].data_offset = s->data_offset[i];
	}
}

void end_put(struct pipeline *p, struct end *end, int k)
{
	const struct shared *s = &p->shared[k];
	int index = index_of(end, k);
	struct buffer b;
	unsigned i;

	buffer_init(&b, &end->node, end->memory, index);
	for (i = 0; end->memory == V4L2_MEMORY_DMABUF && i < end->node.planes; i++) {
		buffer_set_fd(&b, i, s->fds[i]);
		buffer_set_length(&b, i, end->node.plane_size[i]);
	}
	if (end->node.output)
		fill_payload(p, end, s, &b);
	need(try_qbuf(end->fd, &b), "QBUF at the %s", end->node.output ? "display" : "camera");
	need_that(end->holds[index] == NOTHING, "the index was free");
	end->holds[index] = k;
	end->next = (end->next + 1) % end->count;
}

static int ready_event(const struct end *end)
{
	return end->node.output ? POLLOUT : POLLIN;
}

bool end_ready(const struct end *end)
{
	return poll_events(end->fd, ready_event(end), 0) & ready_event(end);
}

int end_take(struct pipeline *p, struct end *end)
{
	struct shared *s;
	struct buffer b;
	unsigned i;
	int k;

	need_that(poll_events(end->fd, ready_event(end), FRAME_MS) & ready_event(end),
		  "the %s has a buffer", end->node.output ? "display" : "camera");
	buffer_init(&b, &end->node, end->memory, 0);
	need(try_dqbuf(end->fd, &b), "DQBUF");
	need_that(b.buf.index < MAX_INDICES && end->holds[b.buf.index] != NOTHING,
		  "DQBUF gives what was queued");
	k = end->holds[b.buf.index];
	end->holds[b.buf.index] = NOTHING;
	if (end->node.output)
		return k;
	s = &p->shared[k];
	s->sequence = b.buf.sequence;
	for (i = 0; i < end->node.planes; i++) {
		s->bytesused[i] = buffer_bytesused(&b, i);
		s->data_offset[i] = b.mplane ? b.planes[i].data_offset : 0;
	}
	return k;
}

/* ---- both ---------------------------------------------------------------------------------- */

/* Buffers that are large enough for both ends. */
static void create_shared(struct pipeline *p, uint32_t count)
{
	const struct node *camera = &p->camera.node, *display = &p->display.node;
	uint32_t sizes[VIDEO_MAX_PLANES], created = count, index;
	unsigned i;

	for (i = 0; i < camera->planes; i++)
		sizes[i] = camera->plane_size[i] > display->plane_size[i] ?
			camera->plane_size[i] : display->plane_size[i];
	need(try_create_bufs(p->exporter->fd, &p->exporter->node, V4L2_MEMORY_MMAP, sizes,
			     &created, &index), "CREATE_BUFS of buffers for both nodes");
	need_that(created == count && index == 0, "CREATE_BUFS gives all, from index 0");
}

void pipeline_share(struct pipeline *p, uint32_t buffers)
{
	struct end *e = p->exporter;
	uint32_t k;
	unsigned i;

	create_shared(p, buffers);
	e->memory = V4L2_MEMORY_MMAP;
	e->count = p->buffers = buffers;
	for (k = 0; k < buffers; k++) {
		struct shared *s = &p->shared[k];

		memset(s, 0, sizeof(*s));
		export_buffer(e->fd, &e->node, k, s->fds);
		for (i = 0; i < e->node.planes; i++) {
			s->size[i] = p->camera.node.plane_size[i];
			s->own[i] = map_plane(e->fd, &e->node, k, i, &s->length[i]);
			s->exported[i] = map_shared(s->size[i], s->fds[i], 0);
		}
	}
}

void pipeline_unmap_own(struct pipeline *p)
{
	uint32_t k;
	unsigned i;

	for (k = 0; k < p->buffers; k++)
		for (i = 0; i < p->exporter->node.planes; i++)
			unmap(p->shared[k].own[i], p->shared[k].length[i]);
}

void pipeline_unshare(struct pipeline *p)
{
	uint32_t k;
	unsigned i;

	pipeline_unmap_own(p);
	for (k = 0; k < p->buffers; k++) {
		struct shared *s = &p->shared[k];

		for (i = 0; i < p->exporter->node.planes; i++)
			unmap(s->exported[i], s->size[i]);
		close_planes(&p->exporter->node, s->fds);
	}
	end_forget(p->exporter);
	free_buffers(p->exporter->fd, &p->exporter->node, V4L2_MEMORY_MMAP);
	p->buffers = 0;
}

void pipeline_open(struct pipeline *p, const struct node *capture, const struct node *output,
		   enum exports exports, uint32_t buffers, uint32_t indices)
{
	memset(p, 0, sizeof(*p));
	end_open(&p->camera, capture);
	end_open(&p->display, output);
	if (capture->planes != output->planes)
		skip("the nodes have no format with as many planes in common");
	p->same_format = match_format(&p->camera, output);
	p->exporter = exports == CAMERA_EXPORTS ? &p->camera : &p->display;
	p->importer = exports == CAMERA_EXPORTS ? &p->display : &p->camera;
	pipeline_share(p, buffers);
	p->importer->memory = V4L2_MEMORY_DMABUF;
	p->importer->count = request_buffers(p->importer->fd, &p->importer->node,
					     V4L2_MEMORY_DMABUF, indices);
	need_that(p->importer->count == indices, "REQBUFS gives %u buffers", indices);
}

void pipeline_start(struct pipeline *p)
{
	uint32_t k;

	for (k = 0; k < p->buffers && end_has_room(&p->camera); k++) {
		spoil(p, k);
		end_put(p, &p->camera, k);
	}
	need_that(k == p->buffers, "the camera takes all buffers");
	stream_on(p->camera.fd, &p->camera.node);
	stream_on(p->display.fd, &p->display.node);
}

void pipeline_close(struct pipeline *p)
{
	stream_off(p->camera.fd, &p->camera.node);
	stream_off(p->display.fd, &p->display.node);
	pipeline_unshare(p);
	close_fd(p->camera.fd);
	close_fd(p->display.fd);
}

void remark(const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	printf("# ");
	vprintf(text, ap);
	putchar('\n');
	/* A check ends without the usual clean-up of stdio. */
	fflush(stdout);
	va_end(ap);
}

int main(int argc, char **argv)
{
	static const struct group *const groups[] = {
		&pipeline_flow, &pipeline_change, &pipeline_process, &pipeline_cost, NULL
	};

	return check_main("pipeline", groups, argc, argv);
}
