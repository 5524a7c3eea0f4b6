/*
 * What the test programs share: opening nodes, buffers, exports, waiting,
 * helper processes. "try_..." functions return an errno value (0 is success)
 * for expect(); the others end the check when they fail.
 */
#ifndef V4L2UTIL_H
#define V4L2UTIL_H

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <linux/videodev2.h>

/* ---- nodes ------------------------------------------------------------------ */

/* A device node, as found before the first check. */
struct node {
	const char *path;
	bool output;			/* a display; else a camera */
	bool mplane;			/* speaks the multi-planar API */
	uint32_t type;			/* its own buffer type */
	uint32_t caps;			/* device_caps */
	struct v4l2_format format;	/* set before every check */
	unsigned planes;		/* memory planes of that format */
	uint32_t plane_size[VIDEO_MAX_PLANES];	/* sizeimage of each */
};

/* Looks at a node and chooses its format: YUYV (multi-planar: the first format
 * with several planes) at the smallest size on offer. Returns NULL or what's
 * wrong, in words. */
const char *node_probe(struct node *node, const char *path, bool want_output);
/* Sets the chosen format again; an errno value. */
int node_reset(const struct node *node);

int open_node(const struct node *node, int flags);
int try_open_node(const struct node *node, int flags, int *fd);

int try_ioctl(int fd, unsigned long request, void *arg);
void close_fd(int fd);			/* a close that must succeed */
/* open_node() and REQBUFS of at least @count buffers in one. */
int open_buffers(const struct node *node, uint32_t memory, uint32_t count);
size_t page_rounded(size_t size);

/* ---- buffers ---------------------------------------------------------------- */

/* A v4l2_buffer with its planes: planes are used on multi-planar nodes. Not to
 * be copied or moved after buffer_init(), since buf points to planes. */
struct buffer {
	struct v4l2_buffer buf;
	struct v4l2_plane planes[VIDEO_MAX_PLANES];
	bool mplane;
};

/* All zero but for type, memory, index and (multi-planar) m.planes, length. */
void buffer_init(struct buffer *b, const struct node *node, uint32_t memory, uint32_t index);
uint32_t buffer_length(const struct buffer *b, unsigned plane);
uint32_t buffer_offset(const struct buffer *b, unsigned plane);
uint32_t buffer_bytesused(const struct buffer *b, unsigned plane);
int buffer_fd(const struct buffer *b, unsigned plane);
void buffer_set_fd(struct buffer *b, unsigned plane, int fd);
void buffer_set_userptr(struct buffer *b, unsigned plane, void *addr);
void buffer_set_length(struct buffer *b, unsigned plane, uint32_t length);
void buffer_set_bytesused(struct buffer *b, unsigned plane, uint32_t bytesused);

int try_reqbufs(int fd, const struct node *node, uint32_t memory, uint32_t *count);
/* REQBUFS that must give at least one buffer; returns how many. */
uint32_t request_buffers(int fd, const struct node *node, uint32_t memory, uint32_t count);
void free_buffers(int fd, const struct node *node, uint32_t memory);	/* REQBUFS(0) */

/* CREATE_BUFS of the node's format; @sizes, if not NULL, are the least sizes of
 * the planes. @count in: wanted, out: created; @index out: the first one. */
int try_create_bufs(int fd, const struct node *node, uint32_t memory,
		    const uint32_t *sizes, uint32_t *count, uint32_t *index);
int try_remove_bufs(int fd, const struct node *node, uint32_t index, uint32_t count);
/* MMAP buffers, large enough to be imported by @importer; the first has index 0. */
void create_buffers_for(int fd, const struct node *node, const struct node *importer,
			uint32_t count);

int try_querybuf(int fd, struct buffer *b);
int try_qbuf(int fd, struct buffer *b);
int try_dqbuf(int fd, struct buffer *b);
int try_prepare_buf(int fd, struct buffer *b);
/* QUERYBUF flags of one MMAP (or @memory) buffer. */
uint32_t query_flags(int fd, const struct node *node, uint32_t memory, uint32_t index);
void query_buffer(int fd, const struct node *node, uint32_t memory, uint32_t index,
		  struct buffer *b);

/* QBUF of an MMAP buffer; on an output node with full planes. */
int try_queue_mmap(int fd, const struct node *node, uint32_t index);
void queue_mmap(int fd, const struct node *node, uint32_t index);
/* QBUF of descriptors, one for each plane of @node, with that plane's size as
 * length (an output node takes no length 0: there bytesused would be 0 too). */
int try_queue_dmabuf(int fd, const struct node *node, uint32_t index, const int *fds);
void queue_dmabuf(int fd, const struct node *node, uint32_t index, const int *fds);

int try_streamon(int fd, const struct node *node);
int try_streamoff(int fd, const struct node *node);
void stream_on(int fd, const struct node *node);
void stream_off(int fd, const struct node *node);

/* S_PARM of @interval, which becomes what the device has chosen. */
int try_set_interval(int fd, const struct node *node, struct v4l2_fract *interval);
/* Nanoseconds of a buffer's timestamp; of the clock it's taken from. */
long long buffer_time(const struct buffer *b);
long long now_ns(void);

/* ---- exports and mappings --------------------------------------------------- */

/* @out may be NULL: a descriptor that comes back is then closed. */
int try_expbuf(int fd, const struct node *node, uint32_t index, uint32_t plane,
	       uint32_t flags, int *out);
int export_plane(int fd, const struct node *node, uint32_t index, uint32_t plane,
		 uint32_t flags);
/* All planes of a buffer, O_RDWR | O_CLOEXEC. */
void export_buffer(int fd, const struct node *node, uint32_t index, int *fds);
void close_planes(const struct node *node, const int *fds);
/* Exports of @exporter's buffers that @importer can queue at one index: one for
 * each plane of the importer, of the buffers @set * importer->planes and up,
 * which create_buffers_for() has made large enough. */
void export_set(int fd, const struct node *exporter, const struct node *importer,
		unsigned set, uint32_t flags, int *fds);

/* @out may be NULL: the mapping is then undone. */
int try_mmap(size_t length, int prot, int flags, int fd, off_t offset, void **out);
/* MAP_SHARED, read and write, must succeed. */
void *map_shared(size_t length, int fd, off_t offset);
/* Maps one plane of an MMAP buffer through the node. */
void *map_plane(int fd, const struct node *node, uint32_t index, uint32_t plane,
		size_t *length);
void unmap(void *addr, size_t length);

/* A pattern that differs for each seed and at each place of the memory. */
void fill_pattern(void *addr, size_t length, unsigned seed);
bool has_pattern(const void *addr, size_t length, unsigned seed);

/* ---- waiting ------------------------------------------------------------------ */

/* poll() for up to @ms milliseconds; the revents, 0 if nothing came. */
int poll_events(int fd, int events, int ms);
/* Waits until DQBUF can be done (capture POLLIN, output POLLOUT) or SOON_MS is over. */
void wait_frame(int fd, const struct node *node);
/* True as soon as @condition(@arg) is, false after SOON_MS. */
bool wait_until(bool (*condition)(void *arg), void *arg);
/* True once thread @tid (of process @pid) sleeps in system call @number and
 * stays there; false once it has ended, or after SOON_MS. The caller must be
 * allowed to read /proc. */
bool wait_asleep_in(pid_t pid, pid_t tid, long number);
pid_t thread_id(void);

/* ---- helper processes ------------------------------------------------------ */

/* A forked process and the socket to it. It has copies of all descriptors that
 * are open at that moment: start it before opening what it must not hold. */
struct helper {
	pid_t pid;
	int sock;
};

/* @run's end of the process is a clean exit. */
struct helper helper_start(void (*run)(int sock, void *arg), void *arg);
void helper_wait(struct helper *h);	/* closes the socket, needs a clean exit */
void helper_kill(struct helper *h);	/* SIGKILL, and waits until it's gone */

/* One-byte messages and descriptors over a helper's socket. */
void say(int sock, char message);
void hear(int sock, char message);	/* needs exactly this message */
void send_fds(int sock, const int *fds, unsigned count);
void receive_fds(int sock, int *fds, unsigned count);	/* close-on-exec */
void socket_pair(int pair[2]);		/* AF_UNIX, SOCK_SEQPACKET, close-on-exec */

/* How many descriptors this process has open. */
unsigned open_descriptors(void);

#endif
