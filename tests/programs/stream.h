/* The groups of the stream program, and what they share. */
#ifndef STREAM_H
#define STREAM_H

#include "check.h"
#include "setting.h"
#include "v4l2util.h"
#include "waiting.h"

extern const struct group stream_flow;		/* frames with all memories, in order */
extern const struct group stream_rate;		/* sequence and frame rate */
extern const struct group stream_state;		/* states of buffers and of the stream */
extern const struct group stream_fields;	/* what QBUF and DQBUF take, and ignore */
extern const struct group stream_read;		/* read on a camera */
extern const struct group stream_file_io;	/* who owns the queue then */
extern const struct group stream_poll;		/* poll and select */
extern const struct group stream_epoll;
extern const struct group stream_wait;		/* waiting in DQBUF */
extern const struct group stream_process;	/* threads, fork, dup, exec */
extern const struct group stream_event;		/* control events */

/* The frame rate the checks ask for: many frames in a short time. An interval of whole
 * clock ticks at every kernel's HZ: at 30 frames a second the reference driver gives two
 * frames one number where drawing takes half an interval. */
#define FAST_FPS 25
/* No display shows fewer frames in a second than this. */
#define SLOWEST_OUTPUT_FPS 10

/* ---- a queue of any memory ------------------------------------------------------- */

#define MAX_BUFFERS 4

struct queue {
	const struct node *node;
	int fd;
	uint32_t memory, count;
	void *addr[MAX_BUFFERS][VIDEO_MAX_PLANES];	/* the planes, mapped */
	int dmabuf[MAX_BUFFERS][VIDEO_MAX_PLANES];	/* DMABUF: exports of the peer */
	int exporter;					/* DMABUF: the opened peer */
	long long interval;		/* nanoseconds a frame lasts (at most, on an output node) */
};

/* Opens the node at a high frame rate, with @count buffers; none is queued. */
void queue_open(struct queue *q, const struct node *node, const struct node *peer,
		uint32_t memory, uint32_t count);
int queue_try_put(struct queue *q, uint32_t index);
void queue_put(struct queue *q, uint32_t index);
void queue_put_all(struct queue *q);
/* Waits up to FRAME_MS, then DQBUF. */
void queue_take(struct queue *q, struct buffer *b);
void queue_close(struct queue *q);

/* ---- file I/O ------------------------------------------------------------------------- */

/* Opens a node that has read and write, at a high frame rate; else the check is skipped. */
int open_for_read(const struct node *node, int flags);
/* The node with a format of one plane, which file I/O needs. */
const struct node *one_plane(const struct node *node);
/* Memory for a frame, and so many bytes behind. */
void *frame_memory(const struct node *node);
#define FRAME_ROOM 4096
int try_read(int fd, void *buffer, size_t size);

/* What the program does when a check runs it anew by exec: streams with @fd, which
 * has MMAP buffers (exit status 0), or finds it closed (EXEC_CLOSED). */
int exec_main(char **arguments);
#define EXEC_WORD "--stream-with"
enum { EXEC_CLOSED = 3 };

#endif
