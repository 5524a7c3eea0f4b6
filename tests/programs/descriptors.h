/* The groups of the descriptors program. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "check.h"
#include "v4l2util.h"

extern const struct group descriptors_pass;	/* SCM_RIGHTS */
extern const struct group descriptors_death;	/* exporters and importers killed */
extern const struct group descriptors_share;	/* fork, dup, exec */
extern const struct group descriptors_many;	/* the same very often */

/* An exporting process: opens the node, writes pattern p into plane p of
 * buffer 0, hands its exports over, and holds on until it hears 'e'. */
void exporting_process(int sock, void *node);
/* Receives exports, writes the patterns, says 'c', and holds on until 'e'. */
void changing_process(int sock, void *node);
/* Receives two sets of exports of the other node, imports them into @node and
 * streams; says 's' after a DQBUF and holds on until 'e'. */
void importing_process(int sock, void *node);
/* Makes and sends these two sets: @node's buffers for @peer. */
void send_sets(int fd, const struct node *node, const struct node *peer, int sock);
/* Whether new mappings of the descriptors show these patterns. */
bool exports_intact(const struct node *node, const int *fds);
/* Writes them. */
void fill_exports(const struct node *node, const int *fds);
/* Whether the node can be taken and streams (for its answer: 0). */
int try_use(const struct node *node);

/* What the program does when a check runs it anew by exec: looks whether
 * descriptor @fd is there (exit status EXEC_OPEN or EXEC_CLOSED). */
int exec_main(const char *fd);
#define EXEC_WORD "--see-descriptor"
enum { EXEC_CLOSED = 3, EXEC_OPEN = 4 };

/* V4L2_BUF_FLAG_MAPPED, as a step of a check. */
#define expect_held(fd, node, index, held, ...)					\
	expect_that(!!(query_flags(fd, node, V4L2_MEMORY_MMAP, index) &		\
		       V4L2_BUF_FLAG_MAPPED) == (held),				\
		    (held) ? "flag MAPPED" : "no flag MAPPED", __VA_ARGS__)

#endif
