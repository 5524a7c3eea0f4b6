/*
 * What attacks share: a camera that is their own, what they got of each kind of answer, and what they
 * were to get.
 */
#ifndef SHRBUF_TESTS_HOSTILE_H
#define SHRBUF_TESTS_HOSTILE_H

#define PROGRAM "hostile"
#include "../support/client.h"
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdint.h>

enum {
	CAPTURE = V4L2_BUF_TYPE_VIDEO_CAPTURE,
	OUTPUT_MP = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
	OUTPUT = V4L2_BUF_TYPE_VIDEO_OUTPUT,
	MMAP = V4L2_MEMORY_MMAP,
};

/* Where an attack works, from the command line. */
struct place {
	const char *camera;	/* the attacker's own, single-planar */
	const char *display;	/* single-planar */
	const char *planar;	/* a display, multi-planar */
	const char *sockets;	/* the folder of the daemon's sockets */
	const char *mute;	/* a file of a mount that never answers, or "-" */
};

extern struct place at;

/* Whether the attack is to go on. */
bool going(void);

/* ---- what was got ------------------------------------------------------------------ */

/* One more answer of this name, by whichever thread. */
void got_word(const char *name);
/* The same of an errno; 0 is "fine". */
void got(int wrong);

/* An answer that is foreseen: MUST come at least once, or MAY. */
struct foreseen {
	const char *name;
	bool must;
};
#define MUST(name) { name, true }
#define MAY(name) { name, false }

/* Says on one line what was got, and fails at what was not foreseen, or did not come. */
void conclude(const struct foreseen *all, unsigned count);
#define CONCLUDE(...)                                                                       \
	conclude((const struct foreseen[]){ __VA_ARGS__ },                                  \
		 sizeof((const struct foreseen[]){ __VA_ARGS__ }) / sizeof(struct foreseen))

/* ---- a node ------------------------------------------------------------------------ */

int opened(const char *path);
int request(int fd, unsigned type, unsigned memory, unsigned count);
/* EXPBUF of the first plane of buffer @index, with @flags; the descriptor or -1 in @fd. */
int export(int fd, unsigned index, int flags, int *exported);
/* A camera of the attacker's with some buffers. */
int camera_with(unsigned count);
pthread_t thread(void *(*run)(void *), void *argument);
/* A child that runs @run, which has written a byte to @told: it has come so far. */
pid_t child(void (*run)(int told));
/* How many descriptors this process has. */
unsigned descriptors(void);
/* Fails, and says which there are, unless it has as many as @before. */
void same_descriptors(unsigned before);
/* Microseconds at random below @most. */
void pause_some(unsigned most);

/* ---- attacks, each in the file that its name is listed under in hostile.c -------------- */

void closes(void), replaces(void), blocks(void), swapped(void), forks(void), execs(void), dies(void);
void changes(void), unmaps(void), unserved(void), mapped_mute(void), queues_mute(void);
void withholds(void), remakes(void), reopens(void), pages(void);
void opens(void), exports(void), orphans(void), crowds(void), harmless(void);
void malformed(void), slow(void), many(void), tickets(void);

/* Not attacks: see the head of hostile.c. */
int bystander(const char *own, const char *beside);
int mute(const char *folder);

#endif
