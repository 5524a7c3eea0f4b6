/* The groups of the lifetime program. */
#ifndef LIFETIME_H
#define LIFETIME_H

#include "check.h"
#include "v4l2util.h"

extern const struct group lifetime_expbuf;	/* VIDIOC_EXPBUF itself */
extern const struct group lifetime_export;	/* what an exported descriptor can do */
extern const struct group lifetime_mapping;	/* mmap of the node, and who holds a buffer */
extern const struct group lifetime_orphan;	/* memory that outlives its queue */
extern const struct group lifetime_owner;	/* who owns the queue */
extern const struct group lifetime_import;	/* QBUF of foreign buffers */
extern const struct group lifetime_queue;	/* QBUF, DQBUF, poll, signals */

/* The states of V4L2_BUF_FLAG_MAPPED, as a step of a check. */
#define expect_held(fd, node, index, held, ...)					\
	expect_that(!!(query_flags(fd, node, V4L2_MEMORY_MMAP, index) &		\
		       V4L2_BUF_FLAG_MAPPED) == (held),				\
		    (held) ? "flag MAPPED" : "no flag MAPPED", __VA_ARGS__)

#endif
