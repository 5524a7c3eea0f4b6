/* What a frame costs this process: shared buffers beside a copy. The numbers are
 * remarks, as they differ from run to run. */
#include "pipeline.h"

#include <string.h>
#include <time.h>

static long long cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void remark_cost(const struct pipeline *p, const char *name, long long us, long long copied)
{
	const struct v4l2_format *f = &p->camera.node.format;

	remark("pipeline/%s: %ux%u, %u planes%s: %lld us of this process's CPU time for a frame, %lld bytes copied",
	       name, f->fmt.pix.width, f->fmt.pix.height, p->camera.node.planes,
	       p->same_format ? ", the display's format" : "",
	       us / FRAMES, copied / FRAMES);
}

static void shared_cost(const struct node *node, const struct node *peer, enum exports exports,
			const char *name, const char *done)
{
	struct pipeline p;
	long long us;
	int n;

	pipeline_open(&p, node, peer, exports, 4, 4);
	pipeline_start(&p);
	us = cpu_us();
	for (n = 0; n < FRAMES; n++) {
		end_put(&p, &p.display, end_take(&p, &p.camera));
		if (n)
			end_put(&p, &p.camera, end_take(&p, &p.display));
	}
	us = cpu_us() - us;
	expect_that(true, "flow", "%d frames, %s", FRAMES, done);
	remark_cost(&p, name, us, 0);
	pipeline_close(&p);
}

static void camera_exports(const struct node *node, const struct node *peer)
{
	shared_cost(node, peer, CAMERA_EXPORTS, "cost-camera-exports", "the camera's buffers on the display");
}

static void display_exports(const struct node *node, const struct node *peer)
{
	shared_cost(node, peer, DISPLAY_EXPORTS, "cost-display-exports", "the display's buffers in the camera");
}

/* ---- the comparison: both ends have buffers of their own ------------------------------------ */

struct copying {
	struct pipeline p;
	void *from[MAX_SHARED][VIDEO_MAX_PLANES], *to[MAX_SHARED][VIDEO_MAX_PLANES];
	size_t size[VIDEO_MAX_PLANES];
	long long copied;
};

static void own_buffers(struct end *end, uint32_t count, void *addr[][VIDEO_MAX_PLANES])
{
	uint32_t k;
	unsigned i;

	end->memory = V4L2_MEMORY_MMAP;
	end->count = request_buffers(end->fd, &end->node, V4L2_MEMORY_MMAP, count);
	need_that(end->count == count, "REQBUFS gives %u buffers", count);
	for (k = 0; k < count; k++)
		for (i = 0; i < end->node.planes; i++)
			addr[k][i] = map_plane(end->fd, &end->node, k, i, NULL);
}

static void copy_frame(struct copying *c, int from, int to)
{
	unsigned i;

	for (i = 0; i < c->p.camera.node.planes; i++) {
		memcpy(c->to[to][i], c->from[from][i], c->size[i]);
		c->copied += c->size[i];
	}
}

static void copying_open(struct copying *c, const struct node *node, const struct node *peer)
{
	unsigned i;
	int k;

	memset(c, 0, sizeof(*c));
	end_open(&c->p.camera, node);
	end_open(&c->p.display, peer);
	if (node->planes != peer->planes)
		skip("the nodes have no format with as many planes in common");
	c->p.same_format = match_format(&c->p.camera, peer);
	own_buffers(&c->p.camera, 4, c->from);
	own_buffers(&c->p.display, 4, c->to);
	for (i = 0; i < node->planes; i++)
		c->size[i] = c->p.camera.node.plane_size[i] < peer->plane_size[i] ?
			c->p.camera.node.plane_size[i] : peer->plane_size[i];
	for (k = 0; k < 4; k++)
		end_put(&c->p, &c->p.camera, k);
	stream_on(c->p.camera.fd, &c->p.camera.node);
	stream_on(c->p.display.fd, &c->p.display.node);
}

static void copies(const struct node *node, const struct node *peer)
{
	struct copying c;
	bool same = true;
	long long us, copied;
	int n, k, to;
	unsigned i;

	copying_open(&c, node, peer);
	us = cpu_us();
	for (n = 0; n < FRAMES; n++) {
		k = end_take(&c.p, &c.p.camera);
		/* The display's first buffers are free; then those that come back. */
		to = n < 4 ? n : end_take(&c.p, &c.p.display);
		copy_frame(&c, k, to);
		end_put(&c.p, &c.p.display, to);
		end_put(&c.p, &c.p.camera, k);
	}
	us = cpu_us() - us;
	copied = c.copied;
	k = end_take(&c.p, &c.p.camera);
	to = end_take(&c.p, &c.p.display);
	copy_frame(&c, k, to);
	for (i = 0; i < node->planes; i++)
		same &= !memcmp(c.from[k][i], c.to[to][i], c.size[i]);
	expect_that(same, "flow", "%d frames, copied from the camera's buffers to the display's", FRAMES);
	remark_cost(&c.p, "cost-copy", us, copied);
}

static const struct check checks[] = {
	{ "cost-camera-exports", ON_PAIR, camera_exports },
	{ "cost-display-exports", ON_PAIR, display_exports },
	{ "cost-copy", ON_PAIR, copies },
	{ 0 }
};

const struct group pipeline_cost = { "cost", checks };
