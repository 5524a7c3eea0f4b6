// A caller of an export ioctl that knows nothing of how its descriptor comes: it makes the call
// with every register of its own choosing, and afterwards everything must be as before but the
// answer. `caller NODE MODE ROUNDS`; prints what was wrong, exit status 1.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/videodev2.h>
#include <time.h>
#include <unistd.h>

static const char *node;
static int fd, rounds;
static int failures, ticks;

#define WRONG(...) \
	do { \
		__sync_fetch_and_add(&failures, 1); \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr); \
	} while (0)

// What a call may not change. The first eight are the arguments and callee-saved registers as
// they are set; `zone` is what lies below the stack pointer.
struct frame {
	uint64_t rdi, rsi, rdx, r10, r8, r9, rbx, r12, r13, r14, r15, rax;
	uint64_t flags, xmm[2], zone[16];
};

static void raw_call(struct frame *f)
{
	asm volatile(
		"pushq %%rbp\n"
		"movq %%rax, %%rbp\n"
		"movq 0(%%rbp), %%rdi\n movq 8(%%rbp), %%rsi\n movq 16(%%rbp), %%rdx\n"
		"movq 24(%%rbp), %%r10\n movq 32(%%rbp), %%r8\n movq 40(%%rbp), %%r9\n"
		"movq 48(%%rbp), %%rbx\n movq 56(%%rbp), %%r12\n movq 64(%%rbp), %%r13\n"
		"movq 72(%%rbp), %%r14\n movq 80(%%rbp), %%r15\n movdqu 104(%%rbp), %%xmm7\n"
		"movq %%rbp, -8(%%rsp)\n"
		"movq %%rsi, -120(%%rsp)\n movq %%rdx, -64(%%rsp)\n" // the red zone
		"movq 88(%%rbp), %%rax\n"
		"syscall\n"
		"movq %%rax, 88(%%rbp)\n"
		"movq %%rdi, 0(%%rbp)\n movq %%rsi, 8(%%rbp)\n movq %%rdx, 16(%%rbp)\n"
		"movq %%r10, 24(%%rbp)\n movq %%r8, 32(%%rbp)\n movq %%r9, 40(%%rbp)\n"
		"movq %%rbx, 48(%%rbp)\n movq %%r12, 56(%%rbp)\n movq %%r13, 64(%%rbp)\n"
		"movq %%r14, 72(%%rbp)\n movq %%r15, 80(%%rbp)\n movdqu %%xmm7, 104(%%rbp)\n"
		"movq -8(%%rsp), %%rax\n movq %%rax, 120(%%rbp)\n"
		"movq -120(%%rsp), %%rax\n movq %%rax, 128(%%rbp)\n"
		"movq -64(%%rsp), %%rax\n movq %%rax, 136(%%rbp)\n"
		"pushfq\n popq %%rax\n movq %%rax, 96(%%rbp)\n"
		"popq %%rbp\n"
		: "+a"(f)
		:
		: "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
		  "r13", "r14", "r15", "xmm7", "memory", "cc");
}

// Makes the call with marked registers; the answer is that of the system call.
static long export_raw(int on, struct v4l2_exportbuffer *arg)
{
	static __thread uint64_t mark = 0x1234567800000000;
	struct frame f = { .rdi = on, .rsi = VIDIOC_EXPBUF, .rdx = (uintptr_t)arg, .rax = SYS_ioctl };
	uint64_t *plain[] = { &f.r10, &f.r8, &f.r9, &f.rbx, &f.r12, &f.r13, &f.r14, &f.r15, &f.xmm[0], &f.xmm[1] };

	for (unsigned i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		*plain[i] = mark++;
	struct frame before = f;
	raw_call(&f);
	if (memcmp(&before, &f, offsetof(struct frame, rax)) || memcmp(before.xmm, f.xmm, sizeof(f.xmm)))
		WRONG("a register has changed");
	if (f.zone[0] != (uintptr_t)&f || f.zone[1] != before.rsi || f.zone[2] != before.rdx)
		WRONG("the red zone has changed");
	if (f.flags & 0x500) // trap and direction
		WRONG("flags %#lx", (long)f.flags);
	return (long)f.rax;
}

struct padded {
	uint8_t before[128];
	struct v4l2_exportbuffer arg;
	uint8_t after[128];
};

static void fill(struct padded *p, unsigned flags)
{
	memset(p, 0xa5, sizeof(*p));
	memset(&p->arg, 0, sizeof(p->arg));
	p->arg.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	p->arg.flags = flags;
	p->arg.fd = -77;
	p->arg.reserved[10] = 9;
}

static void look_around(const struct padded *p)
{
	for (int i = 0; i < 128; i++)
		if (p->before[i] != 0xa5 || p->after[i] != 0xa5) {
			WRONG("memory beside the struct has changed");
			return;
		}
}

static void same_mask(const sigset_t *before)
{
	sigset_t now;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	for (int s = 1; s < 65; s++)
		if (sigismember(before, s) != sigismember(&now, s)) {
			WRONG("signal %d is %sblocked now", s, sigismember(&now, s) > 0 ? "" : "not ");
			return;
		}
}

static int lowest(void)
{
	int n = dup(0);
	close(n);
	return n;
}

static int count(void)
{
	int n = 0;
	for (int i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

// One export that must succeed; `expected` is the number it must get, -1 for any.
static void good(unsigned flags, int expected)
{
	struct padded p;
	char text[8] = "";
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	fill(&p, flags);
	long answer = export_raw(fd, &p.arg);
	same_mask(&mask);
	look_around(&p);
	if (answer) {
		WRONG("export answers %ld", answer);
		return;
	}
	if (p.arg.type != V4L2_BUF_TYPE_VIDEO_CAPTURE || p.arg.flags != flags || p.arg.reserved[10])
		WRONG("the struct is not as answered");
	if (expected >= 0 && p.arg.fd != expected)
		WRONG("number %d in place of %d", p.arg.fd, expected);
	int set = fcntl(p.arg.fd, F_GETFD);
	if (set != (flags & O_CLOEXEC ? FD_CLOEXEC : 0))
		WRONG("close-on-exec is %d for flags %#o", set, flags);
	if (pread(p.arg.fd, text, 6, 0) != 6 || strcmp(text, "shared"))
		WRONG("not the shared memory: %s", text);
	if (close(p.arg.fd))
		WRONG("it can't be closed");
}

// One export that must fail and leave everything as it was.
static void bad(int error)
{
	struct padded p, before;
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	fill(&p, 0);
	before = p;
	long answer = export_raw(fd, &p.arg);
	same_mask(&mask);
	if (answer != -error)
		WRONG("export answers %ld in place of %d", answer, -error);
	if (memcmp(&p, &before, sizeof(p)))
		WRONG("the struct has changed");
}

static unsigned some_flags(int i)
{
	return (i & 1 ? O_CLOEXEC : 0) | (i & 2 ? O_RDWR : 0);
}

static void tick(int signal)
{
	(void)signal;
	__sync_fetch_and_add(&ticks, 1);
}

static void tick_every_ms(void)
{
	struct sigaction action = { .sa_handler = tick };
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void *many(void *arg)
{
	for (int i = 0; i < rounds; i++)
		good(some_flags(i), -1);
	return arg;
}

static void plain(void)
{
	for (int i = 0; i < rounds; i++)
		good(some_flags(i), lowest());
}

static void threads(void)
{
	pthread_t all[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&all[i], NULL, many, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(all[i], NULL);
}

// A table of 64 numbers of which `free_numbers` are free; it could be made larger up to `hard`.
static void scarce(int free_numbers, int hard)
{
	struct rlimit limit = { 64, hard }, now;

	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(0) >= 0)
		;
	for (int i = 0; i < free_numbers; i++)
		close(40 - 3 * i);
	int before = count();
	for (int i = 0; i < rounds; i++) {
		if (free_numbers)
			good(some_flags(i), lowest());
		else
			bad(EMFILE);
	}
	getrlimit(RLIMIT_NOFILE, &now);
	if (now.rlim_cur != 64 || now.rlim_max != (unsigned)hard)
		WRONG("the limit is %ld, %ld", (long)now.rlim_cur, (long)now.rlim_max);
	if (count() != before)
		WRONG("%d descriptors in place of %d", count(), before);
}

static void filtered(int may_be_refused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		puts("no seccomp here");
		return;
	}
	for (int i = 0; i < rounds; i++)
		may_be_refused ? bad(EPERM) : good(some_flags(i), lowest());
}

// Whatever the answer is: a descriptor; or none and nothing changed; or, where the helper was
// killed between the answer and the stop, success without a number.
static void either(void)
{
	int got = 0, lost = 0;

	for (int i = 0; i < rounds; i++) {
		struct padded p;
		sigset_t mask;
		fill(&p, 0);
		pthread_sigmask(SIG_BLOCK, NULL, &mask);
		long answer = export_raw(fd, &p.arg);
		same_mask(&mask);
		look_around(&p);
		if (answer == 0 && p.arg.fd >= 0) {
			got++;
			close(p.arg.fd);
		} else if (answer == -EIO || answer == -ECONNABORTED || answer == -ENOTCONN) {
			if (p.arg.fd != -77)
				WRONG("fd %d after a failure", p.arg.fd);
			if (answer != -EIO)
				break;
		} else if (answer == 0 && p.arg.fd == -1) {
			lost++;
		} else {
			WRONG("answer %ld, fd %d", answer, p.arg.fd);
		}
	}
	printf("%d were given, %d came without a number\n", got, lost);
}

static void timed(void)
{
	struct timespec a, b;
	double *us = malloc(rounds * sizeof(*us));

	for (int i = 0; i < rounds; i++) {
		struct v4l2_exportbuffer arg = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (ioctl(fd, VIDIOC_EXPBUF, &arg))
			WRONG("%s", strerror(errno));
		clock_gettime(CLOCK_MONOTONIC, &b);
		close(arg.fd);
		us[i] = (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3;
		for (int j = i; j > 0 && us[j] < us[j - 1]; j--) {
			double t = us[j];
			us[j] = us[j - 1], us[j - 1] = t;
		}
	}
	printf("median %.0f us, 99 %% below %.0f us\n", us[rounds / 2], us[rounds * 99 / 100]);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	node = argv[1];
	rounds = atoi(argv[3]);
	fd = open(node, O_RDWR);
	if (fd < 0 && strstr(argv[2], "either") &&
	    (errno == ECONNABORTED || errno == ENOTCONN || errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return 0; // the daemon was killed before anything began
	if (fd < 0)
		return perror(node), 1;
	int before = count();
	const char *mode = argv[2];
	int hard = strstr(mode, "hard") ? 64 : 128;
	if (strstr(mode, "signals"))
		tick_every_ms();
	if (strstr(mode, "threads"))
		threads();
	else if (strstr(mode, "full"))
		scarce(0, hard), before = -1;
	else if (strstr(mode, "one"))
		scarce(1, hard), before = -1;
	else if (strstr(mode, "two"))
		scarce(2, hard), before = -1;
	else if (strstr(mode, "filtered"))
		filtered(strstr(mode, "refused") != NULL);
	else if (strstr(mode, "busy"))
		for (int i = 0; i < rounds; i++)
			bad(EBUSY);
	else if (strstr(mode, "either"))
		either();
	else if (strstr(mode, "timed"))
		timed();
	else
		plain();
	if (before >= 0 && count() != before)
		WRONG("%d descriptors in place of %d", count(), before);
	if (strstr(mode, "signals"))
		printf("%d signals\n", ticks);
	return failures != 0;
}
