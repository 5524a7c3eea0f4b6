/*
 * Which system calls some processes make, and how often.
 *
 *   count SECONDS NAME=PID...
 *
 * Watches all threads of the processes by ptrace for so long, and prints "call NAME WHAT COUNT" for
 * each kind of call, an ioctl by its name. While it watches, they are slow: it is for numbers, not
 * for times. A process that is watched can't be given descriptors (VIDIOC_EXPBUF): begin later.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/videodev2.h>

#include "measure.h"

#define PROCESSES 8
#define THREADS 64
#define KINDS 64
/* To begin with, calls are seen that were interrupted and begin again. */
#define SETTLING_NS 300000000ull

struct kind {
	unsigned process;
	unsigned long number, request;
	unsigned long count;
};

static struct { const char *name; unsigned length; } processes[PROCESSES];
static struct { pid_t tid; unsigned process; int inside; } threads[THREADS];
static struct kind kinds[KINDS];
static unsigned process_count, thread_count, kind_count;
static volatile sig_atomic_t over;

static void stop(int signal)
{
	(void)signal;
	over = 1;
}

static const char *what(const struct kind *kind)
{
	static const struct { unsigned long number; const char *name; } calls[] = {
		{ SYS_read, "read" }, { SYS_write, "write" }, { SYS_writev, "writev" }, { SYS_poll, "poll" },
		{ SYS_futex, "futex" }, { SYS_sendmsg, "sendmsg" }, { SYS_recvmsg, "recvmsg" },
		{ SYS_recvfrom, "recv" }, { SYS_openat, "openat" }, { SYS_close, "close" },
		{ SYS_readlink, "readlink" }, { SYS_statx, "statx" }, { SYS_newfstatat, "fstatat" },
		{ SYS_kcmp, "kcmp" }, { SYS_getpid, "getpid" }, { SYS_fcntl, "fcntl" }, { SYS_clock_gettime, "clock_gettime" },
		{ SYS_restart_syscall, "restart_syscall" }, { SYS_clock_nanosleep, "clock_nanosleep" },
	};
	static char text[40];

	if (kind->number == SYS_ioctl) {
		switch ((unsigned)kind->request) {
		case (unsigned)VIDIOC_DQBUF: return "DQBUF";
		case (unsigned)VIDIOC_QBUF: return "QBUF";
		case (unsigned)VIDIOC_QUERYCAP: return "QUERYCAP";
		}
		snprintf(text, sizeof(text), "ioctl-%#x", (unsigned)kind->request);
		return text;
	}
	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (calls[i].number == kind->number)
			return calls[i].name;
	snprintf(text, sizeof(text), "call-%lu", kind->number);
	return text;
}

static void count(unsigned process, unsigned long number, unsigned long request)
{
	unsigned i;

	if (number != SYS_ioctl)
		request = 0;
	for (i = 0; i < kind_count; i++)
		if (kinds[i].process == process && kinds[i].number == number && kinds[i].request == request)
			break;
	if (i == KINDS)
		return;
	if (i == kind_count)
		kinds[kind_count++] = (struct kind) { process, number, request, 0 };
	kinds[i].count++;
}

static void watch(unsigned process, pid_t pid)
{
	char path[40];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (!(tasks = opendir(path)))
		fail(path);
	while ((entry = readdir(tasks))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0 || thread_count == THREADS)
			continue;
		need(ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD), "PTRACE_SEIZE");
		need(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), "PTRACE_INTERRUPT");
		threads[thread_count].tid = tid;
		threads[thread_count++].process = process;
	}
	closedir(tasks);
}

/* One stop of a thread: a call's begin or end, or a signal on its way. */
static void go_on(pid_t tid, int status, int counting)
{
	struct user_regs_struct regs;
	int signal = 0;
	unsigned i;

	for (i = 0; i < thread_count && threads[i].tid != tid; i++)
		;
	if (i == thread_count)
		return;
	if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
		threads[i].inside = !threads[i].inside;
		if (threads[i].inside && counting && !ptrace(PTRACE_GETREGS, tid, NULL, &regs))
			count(threads[i].process, regs.orig_rax, regs.rsi);
	} else if (status >> 16 != PTRACE_EVENT_STOP) {
		signal = WSTOPSIG(status);
	}
	ptrace(PTRACE_SYSCALL, tid, NULL, signal);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 2 ? atoi(argv[1]) : 0;
	struct sigaction action = { .sa_handler = stop };	/* without SA_RESTART */
	uint64_t start;

	if (!seconds || argc > 2 + PROCESSES) {
		fprintf(stderr, "usage: count SECONDS NAME=PID...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');

		if (!equals) {
			fprintf(stderr, "count: %s is no NAME=PID\n", argv[i]);
			return 2;
		}
		processes[process_count].name = argv[i];
		processes[process_count].length = equals - argv[i];
		watch(process_count++, atoi(equals + 1));
	}
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
	start = now(CLOCK_MONOTONIC);
	while (!over) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid == -1 && errno == ECHILD)
			break;
		if (tid > 0 && WIFSTOPPED(status))
			go_on(tid, status, now(CLOCK_MONOTONIC) - start > SETTLING_NS);
	}
	for (unsigned i = 0; i < kind_count; i++) {
		unsigned process = kinds[i].process;

		printf("call %.*s %s %lu\n", processes[process].length, processes[process].name, what(&kinds[i]),
		       kinds[i].count);
	}
	/* Whoever is still watched goes on when this process ends. */
	return 0;
}
