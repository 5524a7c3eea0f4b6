/* What the measuring programs share: errors, time, medians. */
#ifndef MEASURE_H
#define MEASURE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

static inline void fail(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void need(int answer, const char *what)
{
	if (answer == -1)
		fail(what);
}

/* In ns, of any clock. */
static inline uint64_t now(clockid_t clock)
{
	struct timespec t;

	need(clock_gettime(clock, &t), "clock_gettime");
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The processor time of a process, whosever it is. */
static inline uint64_t spent(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock))
		fail("clock_getcpuclockid");
	return now(clock);
}

/* "mark DAEMON THIS OTHER": the end of a batch, and what three processes have had, in ns; 0 where there is
   no such process. */
static inline void mark(pid_t daemon, pid_t other)
{
	printf("mark %llu %llu %llu\n", (unsigned long long)(daemon ? spent(daemon) : 0),
		(unsigned long long)spent(0), (unsigned long long)(other ? spent(other) : 0));
	fflush(stdout);
}

static inline int smaller(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* "NAME MEDIAN P99", by nearest rank, of ns. Sorts the times. */
static inline void report(const char *name, uint64_t *times, unsigned count)
{
	qsort(times, count, sizeof(*times), smaller);
	printf("%s %llu %llu\n", name, (unsigned long long)times[(count + 1) / 2 - 1],
		(unsigned long long)times[(count * 99 + 99) / 100 - 1]);
}

#endif
