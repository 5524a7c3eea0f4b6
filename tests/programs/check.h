/*
 * The check framework of the V4L2 test programs.
 *
 * A program is a list of groups, a group is a list of checks, a check is a
 * function that does something to a device and says what must come back. The
 * program prints one line for each check:
 *
 *	ok   lifetime/capture-expbuf-unallocated: EXPBUF before REQBUFS -> EINVAL
 *	FAIL lifetime/...: EXPBUF before REQBUFS -> got 0, expected EINVAL
 *	SKIP lifetime/...: the node has one plane only
 *
 * and "N passed, N failed, N skipped" as its last line. The text of a line
 * must be the same in every run and on every device that answers the same:
 * no descriptor numbers, sizes, addresses, times or device paths.
 *
 * Every check runs in a child process of its own, in a process group of its
 * own: what it opens, maps and starts is gone when the next one runs. A check
 * that crashes or hangs is a FAIL line and the others go on.
 *
 *	static void expbuf_unallocated(const struct node *node, const struct node *peer)
 *	{
 *		int fd = open_node(node, O_RDWR);
 *
 *		expect(try_expbuf(fd, node, 0, 0, O_RDWR, NULL), EINVAL,
 *		       "EXPBUF before REQBUFS");
 *	}
 *
 *	static const struct check checks[] = {
 *		{ "expbuf-unallocated", ON_EACH, expbuf_unallocated },
 *		{ 0 }
 *	};
 *	const struct group group_expbuf = { "expbuf", checks };
 *
 * The rules for a step: what it did and what came back are text in the
 * transcript (expect...), or it's preparation and is silent unless it fails
 * (need...). Either way a step that fails ends the check.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct node;

/* On which node(s) a check runs. */
enum check_on {
	ON_CAPTURE = 1,		/* node = capture, peer = output; id is "capture-<name>" */
	ON_OUTPUT = 2,		/* node = output, peer = capture; id is "output-<name>" */
	ON_EACH = 3,		/* both of the above, one after the other */
	ON_PAIR = 4,		/* once, node = capture, peer = output; id is "<name>" */
};

struct check {
	const char *name;	/* kebab-case, unique in its program */
	enum check_on on;
	void (*run)(const struct node *node, const struct node *peer);
};

struct group {
	const char *name;		/* for -g */
	const struct check *checks;	/* ends with an entry without a name */
};

/*
 * The whole main() of a program: reads the arguments, looks at the two nodes,
 * runs the checks and returns the exit status (0 fine, 1 a check failed,
 * 2 usage, 77 the devices can't be used). @groups ends with NULL.
 */
int check_main(const char *program, const struct group *const groups[],
	       int argc, char **argv);

/* A check that isn't done within this many seconds hangs. Under emulation on a
 * busy machine the slowest takes a tenth of it. */
#define CHECK_SECONDS 240

/* ---- steps that are shown ------------------------------------------------- */

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* @got and @want are errno values, 0 is success: "DONE -> EINVAL", "DONE -> 0". */
void expect(int got, int want, const char *done, ...) PRINTF_LIKE(3, 4);

/* Numbers. Only for values that are the same on every device. */
void expect_number(long long got, long long want, const char *done, ...) PRINTF_LIKE(3, 4);

/* poll(2) events, shown by name ("POLLIN|POLLRDNORM", "nothing" for 0). */
void expect_poll(int got, int want, const char *done, ...) PRINTF_LIKE(3, 4);

/*
 * Anything else: @answer says in words what must come back,
 * "DONE -> ANSWER" or "FAIL ...: DONE -> not so: ANSWER".
 */
void expect_that(bool so, const char *answer, const char *done, ...) PRINTF_LIKE(3, 4);

/* ---- steps that are silent unless they fail --------------------------------- */

/* @got is an errno value and must be 0. */
void need(int got, const char *done, ...) PRINTF_LIKE(2, 3);
/* @so must be true; @what says what was needed. */
void need_that(bool so, const char *what, ...) PRINTF_LIKE(2, 3);
/* For system calls: "need_call(fd = dup(x), ...)": fails on -1, shows errno. Gives @got back. */
long need_call(long got, const char *done, ...) PRINTF_LIKE(2, 3);

/* ---- the rest ---------------------------------------------------------------- */

/* What the check is about to do; named in the FAIL line if it hangs or crashes there. */
void doing(const char *what, ...) PRINTF_LIKE(1, 2);

/* Ends the check as skipped: only for what the device truly doesn't offer. */
void skip(const char *reason, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

/* "EINVAL"; "0" for 0. */
const char *errno_name(int err);

/* Milliseconds of the monotonic clock: for deadlines, never for the transcript. */
long long now_ms(void);

/* The deadline for anything that must happen soon: generous, as a wait that
 * succeeds doesn't last that long. */
#define SOON_MS 60000

#endif
