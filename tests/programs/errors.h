/* The groups of the errors program, and what they share. */
#ifndef ERRORS_H
#define ERRORS_H

#include "check.h"
#include "v4l2util.h"

#include <errno.h>

extern const struct group errors_size;		/* known numbers of a wrong size or direction */
extern const struct group errors_pointer;	/* memory that isn't there */
extern const struct group errors_unknown;	/* ioctls the node doesn't have */
extern const struct group errors_value;		/* types, indices, formats, inputs */
extern const struct group errors_control;	/* controls and events */
extern const struct group errors_allocate;	/* REQBUFS, CREATE_BUFS, REMOVE_BUFS */
extern const struct group errors_queue;		/* QUERYBUF to STREAMOFF */
extern const struct group errors_content;	/* bytesused, field, flags, user memory */
extern const struct group errors_planes;	/* the array of planes */
extern const struct group errors_owner;		/* second openers, priority, formats in use */
extern const struct group errors_access;	/* how the node was opened, mmap, file I/O */
extern const struct group errors_reserved;	/* reserved fields come back zeroed */

/* ---- the ioctls of our nodes ------------------------------------------------- */

/* The largest argument of them all (v4l2_create_buffers), and some more. */
#define ARGUMENT_MAX 512

/* When an ioctl with the argument of its fill() succeeds. */
enum call_when {
	ALWAYS,
	WITH_BUFFERS,		/* two MMAP buffers allocated */
	WITH_CONTROLS,		/* the node has controls */
	WITH_EVENT,		/* an event is pending: not by itself */
	WITH_FRAME,		/* streaming, a buffer is ready: not by itself */
};

struct call {
	const char *name;	/* without VIDIOC_ */
	unsigned long request;
	enum check_on on;	/* the nodes that have it */
	enum call_when when;
	/* Makes a zeroed argument one that succeeds. NULL: zeroes do. */
	void (*fill)(int fd, const struct node *node, void *arg);
};

/* Every ioctl that our kind of node has; ends with an entry without a name. */
extern const struct call calls[];

bool call_is_on(const struct call *call, const struct node *node);

/* ---- wrong values -------------------------------------------------------------- */

struct wrong_type {
	uint32_t type;
	const char *name;	/* "type 0" */
};

#define WRONG_TYPES 7

/* Buffer types that @node doesn't speak. The first (OTHER_API) is that of the
 * other API, single- or multi-planar, for the node's own direction. */
void wrong_types(const struct node *node, struct wrong_type types[WRONG_TYPES]);
enum { OTHER_API };

/* No such buffer type, memory, field, ... in any version of the API. */
#define UNKNOWN_ENUM 99

/*
 * Formats of the other API: the standard has EINVAL for a type that the node
 * doesn't speak; vivid, which has both APIs in one driver, says ENOTTY here.
 */
#define expect_refused(err, ...)						\
	expect_that((err) == EINVAL || (err) == ENOTTY, "EINVAL or ENOTTY", __VA_ARGS__)

/* ---- memory -------------------------------------------------------------------- */

/* The end of accessible memory: writable up to here, no access from here on. */
char *memory_end(void);
/* Memory that may be read only, with @size bytes of @from. */
void *read_only_copy(const void *from, size_t size);

bool all_zero(const void *memory, size_t size);

/* ---- controls and events --------------------------------------------------------- */

/* The first control of @type that can be set and has more values than one. */
bool find_control(int fd, uint32_t type, struct v4l2_queryctrl *query);
/* Subscribes to a control's events, with one pending at once. */
void subscribe_pending(int fd);

#endif
