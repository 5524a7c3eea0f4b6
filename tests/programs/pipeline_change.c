/* Pipelines that don't run smoothly: one end slow, restarted, reallocated. */
#include "pipeline.h"

/* Frames of these checks: fewer, as each takes long. */
#define SOME_FRAMES 10

static bool time_is(void *deadline)
{
	return now_ms() >= *(long long *)deadline;
}

static void wait_ms(int ms)
{
	long long until = now_ms() + ms;

	need_that(wait_until(time_is, &until), "the time passes");
}

static bool looks_right(struct pipeline *p, int k)
{
	struct sight sight = look(p, k);

	return sight.written && sight.alike;
}

/* A buffer from the display to the camera; whether its frame was unchanged. */
static bool give_back(struct pipeline *p)
{
	int k = end_take(p, &p->display);
	bool same = unchanged(p, k);

	spoil(p, k);
	end_put(p, &p->camera, k);
	return same;
}

/* One frame from end to end, and one back if the display has one already; whether
 * all was right. */
static bool one_frame(struct pipeline *p, bool held)
{
	int k = end_take(p, &p->camera);
	bool fine = looks_right(p, k);

	end_put(p, &p->display, k);
	if (held)
		fine &= give_back(p);
	return fine;
}

/* The buffer that the display keeps. */
static int shown_buffer(const struct pipeline *p)
{
	int i;

	for (i = 0; i < MAX_INDICES; i++)
		if (p->display.holds[i] != NOTHING)
			return p->display.holds[i];
	need_that(false, "the display keeps a buffer");
	return NOTHING;
}

/* ---- slow ends -------------------------------------------------------------------------- */

/* Every frame is held for some frames' time: the camera runs out of buffers. */
static void display_slow(const struct node *node, const struct node *peer, enum exports exports,
			 const char *done)
{
	const int hold_ms = 4 * 1000 / FAST_FPS;
	struct pipeline p;
	uint32_t first = 0, last = 0;
	bool fine = true;
	int n, k;

	pipeline_open(&p, node, peer, exports, 3, 3);
	pipeline_start(&p);
	for (n = 0; n < SOME_FRAMES; n++) {
		k = end_take(&p, &p.camera);
		last = p.shared[k].sequence;
		first = n ? first : last;
		fine &= looks_right(&p, k);
		wait_ms(hold_ms);
		fine &= unchanged(&p, k);
		end_put(&p, &p.display, k);
		if (n)
			fine &= give_back(&p);
	}
	expect_that(fine, "unchanged", "%s, each frame held for some frames: contents", done);
	expect_that(last - first > SOME_FRAMES, "counts the frames left out",
		    "the camera's sequence");
	pipeline_close(&p);
}

static void display_slow_camera_exports(const struct node *node, const struct node *peer)
{
	display_slow(node, peer, CAMERA_EXPORTS, "the camera's buffers");
}

static void display_slow_display_exports(const struct node *node, const struct node *peer)
{
	display_slow(node, peer, DISPLAY_EXPORTS, "the display's buffers");
}

/* The display waits for frames most of the time. */
static void camera_slow(const struct node *node, const struct node *peer, enum exports exports,
			const char *done)
{
	struct v4l2_fract interval = { 1, 5 };
	struct pipeline p;
	bool fine = true;
	int n;

	pipeline_open(&p, node, peer, exports, 3, 3);
	need(try_set_interval(p.camera.fd, node, &interval), "S_PARM");
	pipeline_start(&p);
	for (n = 0; n < SOME_FRAMES; n++)
		fine &= one_frame(&p, n > 0);
	expect_that(fine, "unchanged", "%s, 5 frames a second: contents", done);
	pipeline_close(&p);
}

static void camera_slow_camera_exports(const struct node *node, const struct node *peer)
{
	camera_slow(node, peer, CAMERA_EXPORTS, "the camera's buffers");
}

static void camera_slow_display_exports(const struct node *node, const struct node *peer)
{
	camera_slow(node, peer, DISPLAY_EXPORTS, "the display's buffers");
}

/* ---- one end stops --------------------------------------------------------------------------- */

/* The camera stops and starts again; the display shows the last frame meanwhile. */
static void camera_restarts(const struct node *node, const struct node *peer, enum exports exports,
			    const char *done)
{
	struct pipeline p;
	bool fine = true;
	int n, shown;

	pipeline_open(&p, node, peer, exports, 4, 4);
	pipeline_start(&p);
	for (n = 0; n < SOME_FRAMES; n++)
		fine &= one_frame(&p, n > 0);
	shown = shown_buffer(&p);
	stream_off(p.camera.fd, &p.camera.node);
	end_forget(&p.camera);
	expect_that(unchanged(&p, shown), "unchanged",
		    "%s, the camera stopped: the frame on the display", done);
	for (n = 0; n < (int)p.buffers; n++)
		if (n != shown) {
			spoil(&p, n);
			end_put(&p, &p.camera, n);
		}
	stream_on(p.camera.fd, &p.camera.node);
	for (n = 0; n < SOME_FRAMES; n++)
		fine &= one_frame(&p, true);
	expect_that(fine, "unchanged", "started again: contents of frames");
	pipeline_close(&p);
}

static void camera_restarts_camera_exports(const struct node *node, const struct node *peer)
{
	camera_restarts(node, peer, CAMERA_EXPORTS, "the camera's buffers");
}

static void camera_restarts_display_exports(const struct node *node, const struct node *peer)
{
	camera_restarts(node, peer, DISPLAY_EXPORTS, "the display's buffers");
}

/* The display stops: what it had comes back at once and can be used. */
static void display_restarts(const struct node *node, const struct node *peer)
{
	struct pipeline p;
	bool fine = true;
	int n, shown;

	pipeline_open(&p, node, peer, CAMERA_EXPORTS, 4, 4);
	pipeline_start(&p);
	for (n = 0; n < SOME_FRAMES; n++)
		fine &= one_frame(&p, n > 0);
	shown = shown_buffer(&p);
	stream_off(p.display.fd, &p.display.node);
	fine &= unchanged(&p, shown);
	spoil(&p, shown);
	end_put(&p, &p.camera, shown);
	end_forget(&p.display);
	stream_on(p.display.fd, &p.display.node);
	for (n = 0; n < SOME_FRAMES; n++)
		fine &= one_frame(&p, n > 0);
	expect_that(fine, "unchanged",
		    "the display stopped, its buffer back to the camera, started: contents of frames");
	pipeline_close(&p);
}

/* ---- other buffers ----------------------------------------------------------------------------- */

/* The camera frees its buffers while the display still shows one, and makes new ones. */
static void camera_reallocates(const struct node *node, const struct node *peer)
{
	struct pipeline p;
	bool fine = true;
	uint64_t sum;
	size_t size;
	void *shown;
	int n, k;

	pipeline_open(&p, node, peer, CAMERA_EXPORTS, 4, 8);
	pipeline_start(&p);
	for (n = 0; n < SOME_FRAMES; n++)
		fine &= one_frame(&p, n > 0);
	k = shown_buffer(&p);
	size = p.shared[k].size[0];
	shown = map_shared(size, p.shared[k].fds[0], 0);
	sum = checksum(shown, size, 0);
	stream_off(p.camera.fd, &p.camera.node);
	pipeline_unshare(&p);
	pipeline_share(&p, 3);
	for (k = 0; k < 3; k++) {
		spoil(&p, k);
		end_put(&p, &p.camera, k);
	}
	stream_on(p.camera.fd, &p.camera.node);
	k = end_take(&p, &p.camera);
	fine &= looks_right(&p, k);
	expect_that(checksum(shown, size, 0) == sum, "unchanged",
		    "the camera's buffers freed, new ones streaming: the frame on the display");
	end_put(&p, &p.display, k);
	/* The old buffer comes back, and has no place at the camera any more. */
	end_take(&p, &p.display);
	expect_that(checksum(shown, size, 0) == sum, "unchanged", "that frame, back from the display");
	for (n = 0; n < SOME_FRAMES; n++)
		fine &= one_frame(&p, true);
	expect_that(fine, "unchanged", "contents of frames in the new buffers");
	unmap(shown, size);
	pipeline_close(&p);
}

/* The last frames' memory stays with the display when the camera is gone. */
static void camera_goes(const struct node *node, const struct node *peer)
{
	struct pipeline p;
	bool fine = true;
	int n, k;

	pipeline_open(&p, node, peer, CAMERA_EXPORTS, 4, 4);
	pipeline_start(&p);
	for (n = 0; n < 2; n++) {
		k = end_take(&p, &p.camera);
		fine &= looks_right(&p, k);
		end_put(&p, &p.display, k);
	}
	/* A mapping of the node would keep it open. */
	pipeline_unmap_own(&p);
	close_fd(p.camera.fd);
	for (n = 0; n < SOME_FRAMES; n++) {
		k = end_take(&p, &p.display);
		fine &= export_unchanged(&p, k);
		end_put(&p, &p.display, k);
	}
	expect_that(fine, "unchanged", "the camera closed, its two last frames in turn on the display");
}

static const struct check checks[] = {
	{ "display-slow-camera-exports", ON_PAIR, display_slow_camera_exports },
	{ "display-slow-display-exports", ON_PAIR, display_slow_display_exports },
	{ "camera-slow-camera-exports", ON_PAIR, camera_slow_camera_exports },
	{ "camera-slow-display-exports", ON_PAIR, camera_slow_display_exports },
	{ "camera-restarts-camera-exports", ON_PAIR, camera_restarts_camera_exports },
	{ "camera-restarts-display-exports", ON_PAIR, camera_restarts_display_exports },
	{ "display-restarts", ON_PAIR, display_restarts },
	{ "camera-reallocates", ON_PAIR, camera_reallocates },
	{ "camera-goes", ON_PAIR, camera_goes },
	{ 0 }
};

const struct group pipeline_change = { "change", checks };
