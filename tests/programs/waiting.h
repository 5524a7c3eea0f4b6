/* Waiting for frames, and threads that wait in a call. */
#ifndef WAITING_H
#define WAITING_H

#include "v4l2util.h"

#include <pthread.h>
#include <sys/syscall.h>

/* How long a frame may take. Even a slow device on a slow machine needs less. */
#define FRAME_MS 10000
/* How long a wait for something that must not come lasts: some frames. */
#define QUIET_MS 300

/* The system call that poll() makes. */
#ifdef SYS_poll
#define POLL_CALL SYS_poll
#else
#define POLL_CALL SYS_ppoll
#endif

/* What poll says where a buffer can be dequeued. */
int ready_events(const struct node *node);

/* Waits up to FRAME_MS until a buffer can be dequeued. */
void wait_ready(int fd, const struct node *node);
/* DQBUF of an MMAP queue, at once. */
int try_dequeue(int fd, const struct node *node);
/* Waits for a buffer of an MMAP queue, up to FRAME_MS, and dequeues it; its index. */
uint32_t dequeue(int fd, const struct node *node);

/* ---- a thread that waits ------------------------------------------------------------ */

struct waiter {
	pthread_t thread;
	int (*call)(void *arg);
	void *arg;
	volatile pid_t tid;
	volatile bool done;
	volatile int answer;
};

/* A descriptor and its node, as an argument for a thread. */
struct opened {
	int fd;
	const struct node *node;
};

/* Starts a thread that does @call. */
void waiter_run(struct waiter *w, int (*call)(void *arg), void *arg);
/* The same, and sees it asleep in system call @number. */
void waiter_start(struct waiter *w, int (*call)(void *arg), void *arg, long number);
bool waiter_sleeps(struct waiter *w, long number);
/* What @call returned; it must end within FRAME_MS. */
int waiter_join(struct waiter *w);

/* A call for these: DQBUF of an MMAP queue; @opened is a struct opened. */
int dequeue_call(void *opened);

#endif
