/*
 * The groups of the pipeline program, and what they share: a camera and a
 * display joined by buffers of the one that the other imports.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "check.h"
#include "v4l2util.h"

extern const struct group pipeline_flow;	/* frames through shared buffers */
extern const struct group pipeline_change;	/* one end slow, restarted, reallocated */
extern const struct group pipeline_process;	/* the two ends in two processes */
extern const struct group pipeline_cost;	/* shared buffers beside a copy */

/* How long a frame may take. Even a slow device on a slow machine needs less. */
#define FRAME_MS 10000
/* The frame rate the checks ask for: many frames in a short time. An interval of whole
 * clock ticks at every kernel's HZ: at 30 frames a second the reference driver gives two
 * frames one number where drawing takes half an interval. */
#define FAST_FPS 25
/* Frames a check lets through: every buffer comes round many times. */
#define FRAMES 40

#define MAX_SHARED 8		/* buffers of the exporter */
#define MAX_INDICES 8		/* of the importer's queue */
#define NOTHING (-1)

/* One end of a pipeline. */
struct end {
	struct node node;
	int fd;
	uint32_t memory, count;
	int holds[MAX_INDICES];		/* the shared buffer queued at an index, or NOTHING */
	uint32_t next;			/* DMABUF: the index to be used next, round and round */
};

/* A buffer that both ends use: always at one of them, or in our hands. */
struct shared {
	int fds[VIDEO_MAX_PLANES];			/* exports, one for each plane */
	void *own[VIDEO_MAX_PLANES];			/* mapped through the exporting node */
	void *exported[VIDEO_MAX_PLANES];		/* mapped through the exports */
	size_t size[VIDEO_MAX_PLANES];			/* of a camera's frame */
	size_t length[VIDEO_MAX_PLANES];		/* of the buffer */
	uint32_t bytesused[VIDEO_MAX_PLANES], data_offset[VIDEO_MAX_PLANES];
	uint32_t sequence;
	uint64_t sum;					/* of the frame, when it came */
};

struct pipeline {
	struct end camera, display;
	struct end *exporter, *importer;
	bool same_format;
	uint32_t buffers;
	struct shared shared[MAX_SHARED];
};

/* Who has the memory. */
enum exports { CAMERA_EXPORTS, DISPLAY_EXPORTS };

/* Opens both nodes (the camera with the display's format, if it has it), @buffers
 * of the exporter, exported and mapped, and @indices of the importer. */
void pipeline_open(struct pipeline *p, const struct node *capture, const struct node *output,
		   enum exports exports, uint32_t buffers, uint32_t indices);
/* The exporter's part of that, and how to undo it. */
void pipeline_share(struct pipeline *p, uint32_t buffers);
void pipeline_unshare(struct pipeline *p);
/* Only the mappings through the exporting node. */
void pipeline_unmap_own(struct pipeline *p);
void pipeline_start(struct pipeline *p);	/* all buffers to the camera, STREAMON of both */
void pipeline_close(struct pipeline *p);

/* Opens one end, without buffers. */
void end_open(struct end *end, const struct node *node);
/* After STREAMOFF: nothing is queued. */
void end_forget(struct end *end);
/* Sets the camera to the display's format; false (and no change) if it hasn't got it. */
bool match_format(struct end *camera, const struct node *output);

bool end_has_room(const struct end *end);
/* QBUF of a shared buffer; at the display with the frame's bytesused. */
void end_put(struct pipeline *p, struct end *end, int k);
/* Waits up to FRAME_MS, then DQBUF; which shared buffer it was. */
int end_take(struct pipeline *p, struct end *end);
/* Whether DQBUF needn't wait. */
bool end_ready(const struct end *end);

/* ---- what's in a frame -------------------------------------------------------------- */

/* Spoils a buffer, so that a frame that isn't written is seen. */
void spoil(struct pipeline *p, int k);
/* Looks at a frame from the camera, through both mappings: */
struct sight {
	bool written;	/* the camera wrote it */
	bool alike;	/* both mappings show the same */
};
struct sight look(struct pipeline *p, int k);
/* Whether the frame is as it was then, in both mappings; in the export's. */
bool unchanged(struct pipeline *p, int k);
bool export_unchanged(struct pipeline *p, int k);
uint64_t checksum(const void *addr, size_t size, uint64_t sum);

/* A remark: a line that isn't compared with other runs. */
void remark(const char *text, ...) PRINTF_LIKE(1, 2);

#endif
