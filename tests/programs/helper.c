/* Waiting and helper processes: see v4l2util.h. */
#include "v4l2util.h"
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- waiting ------------------------------------------------------------------ */

int poll_events(int fd, int events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	long long deadline = now_ms() + ms;
	int got;

	do {
		long long left = deadline - now_ms();

		got = poll(&pfd, 1, left > 0 ? left : 0);
	} while (got < 0 && errno == EINTR);
	need_call(got, "poll");
	return pfd.revents;
}

void wait_frame(int fd, const struct node *node)
{
	int want = node->output ? POLLOUT : POLLIN;

	need_that(poll_events(fd, want, SOON_MS) & want, "a buffer becomes ready");
}

bool wait_until(bool (*condition)(void *arg), void *arg)
{
	/* Between two looks: short beside any frame, long beside a look. */
	const struct timespec pause = { .tv_nsec = 2000000 };
	long long deadline = now_ms() + SOON_MS;

	while (!condition(arg)) {
		if (now_ms() > deadline)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

pid_t thread_id(void)
{
	return syscall(SYS_gettid);
}

struct sleeper {
	pid_t pid, tid;
	long number;
	unsigned seen;		/* looks in a row that found it asleep and not woken */
	unsigned long switches;
	bool gone;		/* has ended, or was never there */
};

/* A kernel without CONFIG_HAVE_ARCH_TRACEHOOK, as user-mode Linux, has no "syscall": there a thread
 * that sleeps through all looks is taken to sleep in the one call that it was started for. */
static bool has_proc(const struct sleeper *s, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", s->pid, s->tid, name);
	return access(path, F_OK) == 0;
}

static bool read_proc(const struct sleeper *s, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", s->pid, s->tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, size - 1);
	close(fd);
	text[got > 0 ? got : 0] = 0;
	return got > 0;
}

/* Asleep in the system call, and not scheduled since the last look. */
static bool still_asleep(struct sleeper *s)
{
	char text[4096], number[256], *line;
	unsigned long switches;

	s->gone = !read_proc(s, "status", text, sizeof(text)) || strstr(text, "State:\tZ");
	if (s->gone || !strstr(text, "State:\tS"))
		return false;
	if (has_proc(s, "syscall") &&
	    (!read_proc(s, "syscall", number, sizeof(number)) ||
	     strtol(number, NULL, 10) != s->number || !strncmp(number, "running", 7)))
		return false;
	line = strstr(text, "\nvoluntary_ctxt_switches:");
	switches = line ? strtoul(line + 25, NULL, 10) : 0;
	if (switches == s->switches)
		return true;
	s->switches = switches;
	return false;
}

static bool settled(void *arg)
{
	/* Looks in a row, 2 ms apart: longer than any answer takes. */
	const unsigned enough = 50;
	struct sleeper *s = arg;

	s->seen = still_asleep(s) ? s->seen + 1 : 0;
	return s->gone || s->seen >= enough;
}

bool wait_asleep_in(pid_t pid, pid_t tid, long number)
{
	struct sleeper s = { .pid = pid, .tid = tid, .number = number };

	return wait_until(settled, &s) && !s.gone;
}

/* ---- helper processes ------------------------------------------------------ */

void socket_pair(int pair[2])
{
	need_call(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
}

struct helper helper_start(void (*run)(int sock, void *arg), void *arg)
{
	struct helper h;
	int pair[2];

	socket_pair(pair);
	h.pid = need_call(fork(), "fork");
	if (!h.pid) {
		close(pair[0]);
		run(pair[1], arg);
		_exit(0);
	}
	close(pair[1]);
	h.sock = pair[0];
	return h;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		need_that(errno == EINTR, "waitpid for a helper");
	return status;
}

void helper_wait(struct helper *h)
{
	close(h->sock);
	need_that(wait_for(h->pid) == 0, "the helper process ends well");
}

void helper_kill(struct helper *h)
{
	need_call(kill(h->pid, SIGKILL), "kill of the helper");
	need_that(WIFSIGNALED(wait_for(h->pid)), "the helper process dies of SIGKILL");
	close(h->sock);
}

/* The message and the descriptors of one packet. */
static struct msghdr packet(struct iovec *iov, char *control, size_t size)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 1 };

	memset(control, 0, size);
	msg.msg_control = control;
	msg.msg_controllen = size;
	return msg;
}

void say(int sock, char message)
{
	need_call(send(sock, &message, 1, MSG_NOSIGNAL), "send to the other process");
}

void hear(int sock, char message)
{
	char got = 0;

	need_that(recv(sock, &got, 1, 0) == 1 && got == message,
		  "the other process says '%c'", message);
}

void send_fds(int sock, const int *fds, unsigned count)
{
	char byte = 'F', control[CMSG_SPACE(8 * sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = packet(&iov, control, CMSG_SPACE(count * sizeof(int)));
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	need_that(count <= 8, "no more than 8 descriptors at once");
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	need_call(sendmsg(sock, &msg, MSG_NOSIGNAL), "sendmsg with SCM_RIGHTS");
}

void receive_fds(int sock, int *fds, unsigned count)
{
	char byte = 0, control[CMSG_SPACE(8 * sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = packet(&iov, control, sizeof(control));
	struct cmsghdr *cmsg;

	need_call(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC), "recvmsg with SCM_RIGHTS");
	cmsg = CMSG_FIRSTHDR(&msg);
	need_that(byte == 'F' && cmsg && cmsg->cmsg_type == SCM_RIGHTS &&
		  cmsg->cmsg_len == CMSG_LEN(count * sizeof(int)) &&
		  !(msg.msg_flags & MSG_CTRUNC),
		  "the descriptors arrive");
	memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
}

unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	need_that(dir != NULL, "/proc/self/fd can be read");
	while (readdir(dir))
		count++;
	closedir(dir);
	/* Less ".", ".." and the one it was read through. */
	return count - 3;
}
