/* The check framework: see check.h. */
#include "check.h"
#include "v4l2util.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_UNFIT = 77 };

enum state { RUNNING, PASSED, FAILED, SKIPPED };

/* What a check says of itself, in memory it shares with the program. */
struct report {
	volatile enum state state;
	char text[8192];	/* the steps so far; the reason of a skip */
	char failure[2048];	/* the step that failed */
	char doing[1024];	/* the step under way, as far as it was named */
};

static struct report *report;

static struct {
	unsigned passed, failed, skipped;
	bool verbose;
} totals;

/* ---- inside a check ---------------------------------------------------------- */

static void __attribute__((noreturn)) end_check(enum state state)
{
	/* The first end counts: a helper process may have failed already. */
	if (report->state == RUNNING)
		report->state = state;
	_exit(state == FAILED);
}

static void __attribute__((noreturn, format(printf, 2, 0)))
fail(const char *verdict, const char *done, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), done, ap);
	if (report->state == RUNNING)
		snprintf(report->failure, sizeof(report->failure), "%s -> %s", text, verdict);
	end_check(FAILED);
}

static void __attribute__((format(printf, 2, 0)))
passed_step(const char *answer, const char *done, va_list ap)
{
	size_t used = strlen(report->text);
	char text[1024];

	vsnprintf(text, sizeof(text), done, ap);
	snprintf(report->text + used, sizeof(report->text) - used, "%s%s -> %s",
		 used ? "; " : "", text, answer);
	report->doing[0] = 0;
}

/* One step with its answer in words: @got is shown only if it's wrong. */
static void __attribute__((format(printf, 4, 0)))
step(bool right, const char *got, const char *want, const char *done, va_list ap)
{
	char verdict[512];

	if (right) {
		passed_step(want, done, ap);
		return;
	}
	snprintf(verdict, sizeof(verdict), "got %s, expected %s", got, want);
	fail(verdict, done, ap);
}

void expect(int got, int want, const char *done, ...)
{
	char got_name[32], want_name[32];
	va_list ap;

	snprintf(got_name, sizeof(got_name), "%s", errno_name(got));
	snprintf(want_name, sizeof(want_name), "%s", errno_name(want));
	va_start(ap, done);
	step(got == want, got_name, want_name, done, ap);
	va_end(ap);
}

void expect_number(long long got, long long want, const char *done, ...)
{
	char got_text[32], want_text[32];
	va_list ap;

	snprintf(got_text, sizeof(got_text), "%lld", got);
	snprintf(want_text, sizeof(want_text), "%lld", want);
	va_start(ap, done);
	step(got == want, got_text, want_text, done, ap);
	va_end(ap);
}

static void poll_names(char *out, size_t size, int events)
{
	static const struct { int bit; const char *name; } names[] = {
		{ POLLIN, "POLLIN" }, { POLLRDNORM, "POLLRDNORM" },
		{ POLLOUT, "POLLOUT" }, { POLLWRNORM, "POLLWRNORM" },
		{ POLLPRI, "POLLPRI" }, { POLLERR, "POLLERR" },
		{ POLLHUP, "POLLHUP" }, { POLLNVAL, "POLLNVAL" },
	};
	size_t i;

	snprintf(out, size, "%s", events ? "" : "nothing");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t used = strlen(out);

		if (!(events & names[i].bit))
			continue;
		snprintf(out + used, size - used, "%s%s", used ? "|" : "", names[i].name);
		events &= ~names[i].bit;
	}
	if (events) {
		size_t used = strlen(out);

		snprintf(out + used, size - used, "%s0x%x", used ? "|" : "", events);
	}
}

void expect_poll(int got, int want, const char *done, ...)
{
	char got_text[128], want_text[128];
	va_list ap;

	poll_names(got_text, sizeof(got_text), got);
	poll_names(want_text, sizeof(want_text), want);
	va_start(ap, done);
	step(got == want, got_text, want_text, done, ap);
	va_end(ap);
}

void expect_that(bool so, const char *answer, const char *done, ...)
{
	char verdict[512];
	va_list ap;

	va_start(ap, done);
	snprintf(verdict, sizeof(verdict), "not so: %s", answer);
	if (so)
		passed_step(answer, done, ap);
	else
		fail(verdict, done, ap);
	va_end(ap);
}

void need(int got, const char *done, ...)
{
	char verdict[64];
	va_list ap;

	if (!got)
		return;
	snprintf(verdict, sizeof(verdict), "got %s, needed 0", errno_name(got));
	va_start(ap, done);
	fail(verdict, done, ap);
}

void need_that(bool so, const char *what, ...)
{
	va_list ap;

	if (so)
		return;
	va_start(ap, what);
	fail("not so, but needed", what, ap);
}

long need_call(long got, const char *done, ...)
{
	char verdict[64];
	va_list ap;

	if (got != -1)
		return got;
	snprintf(verdict, sizeof(verdict), "got %s, needed success", errno_name(errno));
	va_start(ap, done);
	fail(verdict, done, ap);
}

void doing(const char *what, ...)
{
	va_list ap;

	va_start(ap, what);
	vsnprintf(report->doing, sizeof(report->doing), what, ap);
	va_end(ap);
}

void skip(const char *reason, ...)
{
	va_list ap;

	va_start(ap, reason);
	vsnprintf(report->text, sizeof(report->text), reason, ap);
	va_end(ap);
	end_check(SKIPPED);
}

const char *errno_name(int err)
{
	static char unknown[32];
	const char *name;

	if (!err)
		return "0";
	name = strerrorname_np(err);
	if (name)
		return name;
	snprintf(unknown, sizeof(unknown), "errno %d", err);
	return unknown;
}

long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* ---- around a check ------------------------------------------------------------ */

static void __attribute__((noreturn))
check_child(const struct check *check, const struct node *node, const struct node *peer)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check->run(node, peer);
	if (!report->text[0])
		need_that(false, "the check expects something");
	end_check(PASSED);
}

/* Waits for the end of @pid, at most CHECK_SECONDS. */
static bool ended_in_time(pid_t pid)
{
	struct pollfd pfd = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	long long deadline = now_ms() + CHECK_SECONDS * 1000LL;
	int got = 0;

	while (got <= 0 && now_ms() < deadline)
		got = poll(&pfd, 1, 1000);
	close(pfd.fd);
	return got > 0;
}

/* Ends what the check has left behind: only its own process group, whose
 * orphans come to us as their subreaper. Returns the check's wait status. */
static int end_group(pid_t pid)
{
	int status = 0, last;
	pid_t got;

	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	do
		got = waitpid(-pid, &last, 0);
	while (got > 0 || (got < 0 && errno == EINTR));
	return status;
}

static void print_failure(const char *id, const char *verdict)
{
	totals.failed++;
	printf("FAIL %s: %s\n", id, verdict);
	if (totals.verbose && report->text[0])
		printf("     before that: %s\n", report->text);
}

static void print_broken(const char *id, bool in_time, int status)
{
	char verdict[4096], place[2048];

	snprintf(place, sizeof(place), "%.1000s",
		 report->doing[0] ? report->doing :
		 report->text[0] ? report->text : "(the first step)");
	if (!in_time)
		snprintf(verdict, sizeof(verdict), "%s -> hangs, was killed", place);
	else if (WIFSIGNALED(status))
		snprintf(verdict, sizeof(verdict), "%s -> died of SIG%s", place,
			 sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(verdict, sizeof(verdict), "%s -> ended without a result", place);
	print_failure(id, verdict);
}

static void print_result(const char *id, bool in_time, int status)
{
	switch (report->state) {
	case RUNNING:
		print_broken(id, in_time, status);
		break;
	case PASSED:
		totals.passed++;
		printf("ok   %s: %s\n", id, report->text);
		break;
	case FAILED:
		print_failure(id, report->failure);
		break;
	case SKIPPED:
		totals.skipped++;
		printf("SKIP %s: %s\n", id, report->text);
		break;
	}
}

static void run_check(const char *id, const struct check *check,
		      const struct node *node, const struct node *peer)
{
	long long start = now_ms();
	bool in_time;
	int status;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	if (node_reset(node) || node_reset(peer)) {
		print_failure(id, "S_FMT before the check -> failed: an earlier check still holds the queue");
		return;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		check_child(check, node, peer);
	if (pid < 0) {
		print_failure(id, "fork -> failed");
		return;
	}
	setpgid(pid, pid);
	in_time = ended_in_time(pid);
	status = end_group(pid);
	print_result(id, in_time, status);
	fflush(stdout);
	if (totals.verbose)
		fprintf(stderr, "%s: %lld ms\n", id, now_ms() - start);
}

/* ---- the program ------------------------------------------------------------------ */

static const struct { enum check_on on; const char *prefix; } lanes[] = {
	{ ON_PAIR, "" }, { ON_CAPTURE, "capture-" }, { ON_OUTPUT, "output-" },
};

/* Runs (or, without nodes, lists) one check on each of its nodes. */
static void each_lane(const char *program, const struct check *check,
		      const struct node *capture, const struct node *output)
{
	char id[256];
	size_t i;

	for (i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++) {
		if (!(check->on & lanes[i].on))
			continue;
		snprintf(id, sizeof(id), "%s/%s%s", program, lanes[i].prefix, check->name);
		if (!capture)
			puts(id);
		else if (lanes[i].on == ON_OUTPUT)
			run_check(id, check, output, capture);
		else
			run_check(id, check, capture, output);
	}
}

static void each_group(const char *program, const struct group *const groups[],
		       char **chosen, int chosen_count,
		       const struct node *capture, const struct node *output)
{
	const struct check *check;
	bool run;
	int i, j;

	for (i = 0; groups[i]; i++) {
		run = !chosen_count;
		for (j = 0; j < chosen_count; j++)
			run |= !strcmp(chosen[j], groups[i]->name);
		for (check = groups[i]->checks; run && check->name; check++)
			each_lane(program, check, capture, output);
	}
}

static bool is_group(const struct group *const groups[], const char *name)
{
	int i;

	for (i = 0; groups[i]; i++)
		if (!strcmp(groups[i]->name, name))
			return true;
	return false;
}

static int usage(const char *program, const struct group *const groups[])
{
	int i;

	fprintf(stderr, "usage: %s [-l] [-g GROUP]... [-v] CAPTURE OUTPUT\n"
		"  -l  list the checks instead of running them (needs no devices)\n"
		"  -g  run only this group; groups:", program);
	for (i = 0; groups[i]; i++)
		fprintf(stderr, " %s", groups[i]->name);
	fprintf(stderr, "\n  -v  say more about failures, and show times (stderr)\n"
		"CAPTURE and OUTPUT are device nodes. Exit status: 0 fine, 1 a check failed,\n"
		"2 usage, 77 the devices can't be used.\n");
	return EXIT_USAGE;
}

static int run(const char *program, const struct group *const groups[],
	       char **chosen, int chosen_count, char **paths)
{
	static struct node capture, output;
	const char *wrong;

	wrong = node_probe(&capture, paths[0], false);
	if (!wrong)
		wrong = node_probe(&output, paths[1], true);
	if (wrong) {
		fprintf(stderr, "%s: %s\n", program, wrong);
		return EXIT_UNFIT;
	}
	/* What a check leaves behind must come to us, to be ended and waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED) {
		perror(program);
		return EXIT_UNFIT;
	}
	each_group(program, groups, chosen, chosen_count, &capture, &output);
	printf("%u passed, %u failed, %u skipped\n",
	       totals.passed, totals.failed, totals.skipped);
	return totals.failed || fflush(stdout) ? 1 : 0;
}

int check_main(const char *program, const struct group *const groups[],
	       int argc, char **argv)
{
	char *chosen[32];
	int chosen_count = 0, option;
	bool list = false;

	while ((option = getopt(argc, argv, "lg:v")) != -1) {
		if (option == 'l')
			list = true;
		else if (option == 'v')
			totals.verbose = true;
		else if (option == 'g' && chosen_count < 32 && is_group(groups, optarg))
			chosen[chosen_count++] = optarg;
		else
			return usage(program, groups);
	}
	if (list && optind == argc) {
		each_group(program, groups, chosen, chosen_count, NULL, NULL);
		return 0;
	}
	if (list || argc - optind != 2)
		return usage(program, groups);
	return run(program, groups, chosen, chosen_count, argv + optind);
}
