/*
 * What a frame's hand-over costs without the frame: as many ioctls by as many processes at the same
 * pace as bench/crossing.c makes, but each of them a QUERYCAP that nobody has to wait for.
 *
 *   paced NODE DAEMON FPS BATCHES FRAMES
 *
 * One process wakes FPS times a second, asks once, and tells the other, which asks twice and tells the
 * first, which asks once more. Prints marks as bench/crossing.c does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/videodev2.h>

#include "measure.h"

#define WARM_UP 10		/* frames before the first batch */
#define SECONDS 60		/* for all of it, then SIGALRM ends it */

static void ask(int node)
{
	struct v4l2_capability capability;

	need(ioctl(node, VIDIOC_QUERYCAP, &capability), "VIDIOC_QUERYCAP");
}

static void other(const char *path, int sock)
{
	int node = open(path, O_RDWR | O_CLOEXEC);
	char word;

	need(node, path);
	while (recv(sock, &word, 1, 0) == 1) {
		ask(node);
		ask(node);
		need(send(sock, &word, 1, MSG_NOSIGNAL), "send");
	}
}

int main(int argc, char **argv)
{
	unsigned fps, batches, frames, last;
	struct timespec next;
	int pair[2], node;
	pid_t child;

	if (argc != 6 || !(fps = atoi(argv[3])) || !(batches = atoi(argv[4])) || !(frames = atoi(argv[5]))) {
		fprintf(stderr, "usage: paced NODE DAEMON FPS BATCHES FRAMES\n");
		return 2;
	}
	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	need(child = fork(), "fork");
	alarm(SECONDS);
	if (!child) {
		close(pair[0]);
		other(argv[1], pair[1]);
		return 0;
	}
	close(pair[1]);
	need(node = open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);
	need(clock_gettime(CLOCK_MONOTONIC, &next), "clock_gettime");
	last = WARM_UP + batches * frames;
	/* Half a second more: whoever measures is to find both processes at the last mark. */
	for (unsigned frame = 0; frame <= last + fps / 2; frame++) {
		char word = 0;

		if (frame >= WARM_UP && frame <= last && (frame - WARM_UP) % frames == 0)
			mark(atoi(argv[2]), child);
		next.tv_nsec += 1000000000 / fps;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		ask(node);
		need(send(pair[0], &word, 1, MSG_NOSIGNAL), "send");
		need(recv(pair[0], &word, 1, 0), "recv");
		ask(node);
	}
	close(pair[0]);
	need(waitpid(child, NULL, 0), "waitpid");
	return 0;
}
