/*
 * What the clients in C of this folder's lanes begin with. Define PROGRAM, the name in their messages,
 * before this is included.
 */
#ifndef SHRBUF_TESTS_CLIENT_H
#define SHRBUF_TESTS_CLIENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2), noreturn)) static inline void fail(const char *text, ...)
{
	va_list ap;
	int why = errno;

	va_start(ap, text);
	fprintf(stderr, PROGRAM ": ");
	vfprintf(stderr, text, ap);
	fprintf(stderr, " (errno %d: %s)\n", why, strerror(why));
	va_end(ap);
	_exit(1);
}

/* Fails unless @wrong, an errno, is 0. */
static inline void need(int wrong, const char *what)
{
	errno = wrong;
	if (wrong)
		fail("%s", what);
}

__attribute__((format(printf, 1, 2))) static inline void say(const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	vprintf(text, ap);
	va_end(ap);
	fflush(stdout);
}

static inline long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static inline long long now_ms(void)
{
	return now_us() / 1000;
}

/* 0, or the errno. */
static inline int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

#endif
