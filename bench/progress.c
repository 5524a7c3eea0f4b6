/*
 * Runs a program that prints "<" for each frame that it has, as v4l2-ctl does, for somebody who measures
 * what a frame costs.
 *
 *   progress SOURCE BATCHES SECONDS PROGRAM ARGUMENT...
 *
 * SOURCE is the process that the frames come from, or 0 where it is none. Prints "mark" when frames
 * come, and after each of BATCHES times SECONDS "rate N", the frames a second in thousandths, "frames N",
 * and "mark". The program is ended then. It is not looked at in between: what it says waits in a pipe.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#define WARM_UP 10		/* frames before the first batch */
#define ALARM_SECONDS 90	/* for all of it, then SIGALRM ends it */
#define ROOM (1 << 20)		/* of the pipe: all the frames of a batch */

/* Frames that the program has told of since the last call. Ends with its last words where it has ended. */
static unsigned frames_of(int said)
{
	static char text[ROOM];
	static ssize_t words;
	ssize_t got = read(said, text, sizeof(text));
	unsigned frames = 0;

	if (got == -1 && errno == EAGAIN)
		return 0;
	need(got, "read what the program says");
	if (!got) {
		fprintf(stderr, "bench: no more frames come; the program's last words: %.*s\n", (int)words, text);
		exit(1);
	}
	words = got;
	for (ssize_t i = 0; i < got; i++)
		frames += text[i] == '<';
	return frames;
}

int main(int argc, char **argv)
{
	unsigned batches, seconds;
	int said[2];
	pid_t child;

	if (argc < 5 || !(batches = atoi(argv[2])) || !(seconds = atoi(argv[3]))) {
		fprintf(stderr, "usage: progress SOURCE BATCHES SECONDS PROGRAM ARGUMENT...\n");
		return 2;
	}
	need(pipe2(said, O_CLOEXEC), "pipe2");
	need(fcntl(said[0], F_SETPIPE_SZ, ROOM), "F_SETPIPE_SZ");
	need(child = fork(), "fork");
	if (!child) {
		need(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
		need(dup2(said[1], STDERR_FILENO), "dup2");
		need(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO), "dup2");
		execvp(argv[4], argv + 4);
		fail(argv[4]);
	}
	close(said[1]);
	alarm(ALARM_SECONDS);
	for (unsigned seen = 0; seen < WARM_UP;)
		seen += frames_of(said[0]);
	need(fcntl(said[0], F_SETFL, O_NONBLOCK), "O_NONBLOCK");
	mark(atoi(argv[1]), child);
	frames_of(said[0]);
	for (unsigned batch = 0; batch < batches; batch++) {
		struct timespec length = { .tv_sec = seconds };
		uint64_t start = now(CLOCK_MONOTONIC);
		unsigned frames;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &length, NULL);
		frames = frames_of(said[0]);
		printf("rate %llu\nframes %u\n",
			frames * 1000000000000ull / (unsigned long long)(now(CLOCK_MONOTONIC) - start), frames);
		mark(atoi(argv[1]), child);
		/* While somebody reads the mark, the next frames come: they are none of the next batch. */
		frames_of(said[0]);
	}
	need(kill(child, SIGKILL), "kill");
	need(waitpid(child, NULL, 0), "waitpid");
	return 0;
}
