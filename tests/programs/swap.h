/* The groups of the swap program, and what they share. */
#ifndef SWAP_H
#define SWAP_H

#include "check.h"
#include "setting.h"
#include "v4l2util.h"
#include "waiting.h"

extern const struct group swap_dup;	/* duplicates made before */
extern const struct group swap_close;	/* what closing and replacing them does */
extern const struct group swap_poll;	/* poll, select, and threads that wait meanwhile */
extern const struct group swap_epoll;	/* registrations made before */
extern const struct group swap_flags;	/* of the descriptor and of the open file */
extern const struct group swap_file;	/* what other calls say of the descriptor */
extern const struct group swap_state;	/* what a node keeps of its opener */
extern const struct group swap_first;	/* other ways to the first buffers */
extern const struct group swap_table;	/* descriptor tables: full, shared, with threads */
extern const struct group swap_process;	/* fork, exec, SCM_RIGHTS */

/* The buffers of a check. */
#define BUFFERS 3
/* Frames each check streams: a multiple of BUFFERS, so that the next index is the first again. */
#define FRAMES 6

/* The first REQBUFS of MMAP buffers. */
void allocate(int fd, const struct node *node);
int try_allocate(int fd, const struct node *node);
/* QBUF of all, and STREAMON. */
void start(int fd, const struct node *node);
/* Takes FRAMES buffers of a started queue, the first of which is @first, and gives them back;
 * whether they come in order. */
bool stream_frames(int fd, const struct node *node, uint32_t first);

/* The same with two descriptors: DQBUF through @take, QBUF through @give. */
bool stream_frames_by(int take, int give, const struct node *node, uint32_t first);

/* Writes a pattern into buffer 0 through the mapping of one descriptor, and sees it through
 * another's. An errno value of the mmap calls; 0 only if they are one memory. */
int try_share(int one, int other, const struct node *node);
/* mmap of each plane of buffer 0. */
int try_map(int fd, const struct node *node);

/* A control event subscribed by @fd, and another opener that can cause it. */
struct subscription {
	int other;
	struct setting setting;
	int32_t value;		/* the control's, that changes each time */
};

struct subscription subscribe(int fd, const struct node *node);
/* S_CTRL by the other. */
void cause_event(struct subscription *s);
int try_event(int fd);

/* @call for a waiter: poll for POLLPRI; @fd points to a descriptor. */
int poll_event_call(void *fd);

/* What the program does when a check runs it anew by exec: @arguments are a descriptor, a buffer
 * type, and what is to be done with it. */
int exec_main(char **arguments);
#define EXEC_WORD "--with"

#endif
