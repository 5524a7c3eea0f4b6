/* Frames from the camera to the display, in either's buffers. */
#include "pipeline.h"

/* What was seen of all frames. */
struct result {
	bool written, alike, unchanged, order, sequence;
	int64_t last;
	int queue[MAX_SHARED], queued;	/* at the display, oldest first */
};

static void to_display(struct pipeline *p, struct result *r, int k)
{
	struct sight sight = look(p, k);

	r->written &= sight.written;
	r->alike &= sight.alike;
	r->sequence &= p->shared[k].sequence > r->last;
	r->last = p->shared[k].sequence;
	end_put(p, &p->display, k);
	r->queue[r->queued++] = k;
}

static void from_display(struct pipeline *p, struct result *r)
{
	int k = end_take(p, &p->display), i;

	r->order &= r->queued > 0 && k == r->queue[0];
	r->unchanged &= unchanged(p, k);
	for (i = 1; i < r->queued; i++)
		r->queue[i - 1] = r->queue[i];
	r->queued--;
	spoil(p, k);
	end_put(p, &p->camera, k);
}

/* Lets FRAMES frames through. The display keeps its last buffer, so one more than
 * it has indices must be elsewhere. */
static void run(struct pipeline *p, struct result *r)
{
	int n;

	*r = (struct result) { true, true, true, true, true, .last = -1 };
	for (n = 0; n < FRAMES; n++) {
		int k = end_take(p, &p->camera);

		while (!end_has_room(&p->display) || r->queued == (int)p->buffers - 1)
			from_display(p, r);
		to_display(p, r, k);
		while (r->queued > 1 && end_ready(&p->display))
			from_display(p, r);
	}
}

static void expect_result(const struct result *r, const char *done)
{
	expect_that(r->written, "the camera wrote each", "%s, %d frames", done, FRAMES);
	expect_that(r->alike, "the same", "the exporter's mapping and the export's, the whole frame");
	expect_that(r->unchanged, "unchanged", "both, back from the display");
	expect_that(r->order, "in order", "buffers at the display");
	expect_that(r->sequence, "rises", "the camera's sequence");
}

static void pass_frames(const struct node *node, const struct node *peer, enum exports exports,
			uint32_t buffers, uint32_t indices, const char *done)
{
	struct pipeline p;
	struct result r;

	pipeline_open(&p, node, peer, exports, buffers, indices);
	pipeline_start(&p);
	run(&p, &r);
	expect_result(&r, done);
	pipeline_close(&p);
}

static void camera_exports(const struct node *node, const struct node *peer)
{
	pass_frames(node, peer, CAMERA_EXPORTS, 4, 4, "the camera's buffers on the display");
}

static void display_exports(const struct node *node, const struct node *peer)
{
	pass_frames(node, peer, DISPLAY_EXPORTS, 4, 4, "the display's buffers in the camera");
}

/* Fewer indices than buffers: each index imports one after the other. */
static void few_indices(const struct node *node, const struct node *peer)
{
	pass_frames(node, peer, CAMERA_EXPORTS, 7, 3, "the camera's 7 buffers, 3 indices at the display");
}

/* More: each buffer comes at all of them in turn. */
static void many_indices(const struct node *node, const struct node *peer)
{
	pass_frames(node, peer, CAMERA_EXPORTS, 3, 8, "the camera's 3 buffers, 8 indices at the display");
}

static void many_indices_camera(const struct node *node, const struct node *peer)
{
	pass_frames(node, peer, DISPLAY_EXPORTS, 3, 8, "the display's 3 buffers, 8 indices at the camera");
}

/* ---- a new export for each frame -------------------------------------------------------------- */

/* @k under new numbers, as programs do that export whenever they queue. */
static void export_anew(struct pipeline *p, int k)
{
	struct shared *s = &p->shared[k];

	close_planes(&p->exporter->node, s->fds);
	export_buffer(p->exporter->fd, &p->exporter->node, k, s->fds);
}

static void exports_anew(const struct node *node, const struct node *peer, enum exports exports,
			 const char *done)
{
	struct pipeline p;
	unsigned before;
	bool same = true;
	int n;

	pipeline_open(&p, node, peer, exports, 4, 4);
	pipeline_start(&p);
	before = open_descriptors();
	for (n = 0; n < FRAMES; n++) {
		int k = end_take(&p, &p.camera);

		same &= look(&p, k).alike;
		export_anew(&p, k);
		end_put(&p, &p.display, k);
		if (!n)
			continue;
		k = end_take(&p, &p.display);
		same &= unchanged(&p, k);
		export_anew(&p, k);
		end_put(&p, &p.camera, k);
	}
	expect_that(same, "unchanged", "%s, a new export for each frame: contents", done);
	expect_number(open_descriptors() - before, 0, "descriptors more");
	pipeline_close(&p);
}

static void camera_exports_anew(const struct node *node, const struct node *peer)
{
	exports_anew(node, peer, CAMERA_EXPORTS, "the camera's buffers on the display");
}

static void display_exports_anew(const struct node *node, const struct node *peer)
{
	exports_anew(node, peer, DISPLAY_EXPORTS, "the display's buffers in the camera");
}

/* ---- no frame of one buffer shows in another ---------------------------------------------------- */

static void frames_apart(const struct node *node, const struct node *peer)
{
	const int kept = 0;	/* never given back */
	struct pipeline p;
	bool same = true;
	int n;

	pipeline_open(&p, node, peer, CAMERA_EXPORTS, 4, 4);
	pipeline_start(&p);
	need_that(end_take(&p, &p.camera) == kept, "the first frame comes first");
	look(&p, kept);
	for (n = 0; n < FRAMES; n++) {
		end_put(&p, &p.display, end_take(&p, &p.camera));
		if (n)
			end_put(&p, &p.camera, end_take(&p, &p.display));
	}
	same = unchanged(&p, kept);
	expect_that(same, "unchanged", "one frame kept, %d others through the other buffers: its contents",
		    FRAMES);
	pipeline_close(&p);
}

static const struct check checks[] = {
	{ "camera-exports", ON_PAIR, camera_exports },
	{ "display-exports", ON_PAIR, display_exports },
	{ "camera-exports-few-indices", ON_PAIR, few_indices },
	{ "camera-exports-many-indices", ON_PAIR, many_indices },
	{ "display-exports-many-indices", ON_PAIR, many_indices_camera },
	{ "camera-exports-anew", ON_PAIR, camera_exports_anew },
	{ "display-exports-anew", ON_PAIR, display_exports_anew },
	{ "frame-kept", ON_PAIR, frames_apart },
	{ 0 }
};

const struct group pipeline_flow = { "flow", checks };
