/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * VIDIOC_EXPBUF for programs that know shrbuf: the descriptor comes over a socket, so nobody
 * needs ptrace, and it works where that is forbidden (kernel.yama.ptrace_scope = 3) or where the
 * program is being debugged. Header only.
 *
 *	int fd = shrbuf_export(node, V4L2_BUF_TYPE_VIDEO_CAPTURE, index, 0, O_RDWR | O_CLOEXEC);
 *
 * The node is asked for a ticket (an ioctl of shrbuf's, ENOTTY on every other driver's node, upon
 * which a program falls back on VIDIOC_EXPBUF), and the ticket is given up at the courier's
 * socket for the descriptor.
 */
#ifndef SHRBUF_H
#define SHRBUF_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where the daemon's courier listens; the environment's SHRBUF_COURIER comes first. */
#define SHRBUF_COURIER "/run/shrbuf/courier.sock"

struct shrbuf_export {
	uint32_t type; /* these four as in struct v4l2_exportbuffer */
	uint32_t index;
	uint32_t plane;
	uint32_t flags;
	uint8_t ticket[16]; /* answer: good for one descriptor, for five seconds, for this user */
	uint32_t reserved[4]; /* zero */
};

#define SHRBUF_IOC_EXPORT _IOWR('s', 0x52, struct shrbuf_export)

#define SHRBUF_IOC_UNMAPPED _IO('s', 0x53)

/*
 * Says that this program never maps the open node. Its VIDIOC_REQBUFS and VIDIOC_CREATE_BUFS of
 * V4L2_MEMORY_MMAP buffers then need no descriptor that can be mapped, which only ptrace can bring.
 * Returns 0, or -1 with errno (ENOTTY on every other driver's node).
 */
static inline int shrbuf_will_not_map(int node)
{
	return ioctl(node, SHRBUF_IOC_UNMAPPED);
}

/* Gives up a ticket. Returns the descriptor (close-on-exec), or -1 with errno. */
static inline int shrbuf_redeem(const uint8_t ticket[16])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	int32_t error = 0;
	struct iovec part = { &error, sizeof(error) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	const char *path = getenv("SHRBUF_COURIER");
	struct cmsghdr *header;
	ssize_t got = -1;
	int fd = -1, socket_fd, saved;

	if (!path)
		path = SHRBUF_COURIER;
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return -1;
	if (!connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) &&
	    (send(socket_fd, ticket, 16, MSG_NOSIGNAL) == 16 || errno == EPIPE)) /* refused unasked: why, follows */
		do
			got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
		while (got < 0 && errno == EINTR);
	saved = errno;
	if (got >= 0) {
		header = CMSG_FIRSTHDR(&message);
		saved = got == sizeof(error) && error ? error : EPROTO;
		if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		/* The daemon has let go of its own when it hangs up. */
		while (recv(socket_fd, control.space, 1, 0) < 0 && errno == EINTR)
			;
	}
	close(socket_fd);
	if (fd < 0)
		errno = saved;
	return fd;
}

/* As VIDIOC_EXPBUF. Returns the descriptor, or -1 with errno. */
static inline int shrbuf_export(int node, uint32_t type, uint32_t index, uint32_t plane, uint32_t flags)
{
	struct shrbuf_export request;
	int fd;

	memset(&request, 0, sizeof(request));
	request.type = type;
	request.index = index;
	request.plane = plane;
	request.flags = flags;
	if (ioctl(node, SHRBUF_IOC_EXPORT, &request))
		return -1;
	fd = shrbuf_redeem(request.ticket);
	if (fd >= 0 && !(flags & O_CLOEXEC))
		fcntl(fd, F_SETFD, 0);
	return fd;
}

#endif
