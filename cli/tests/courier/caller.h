// What the callers have in common: a call with every register of its own choosing, and what must be
// as before afterwards.
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
static long marked_call(int on, unsigned command, void *arg)
{
	static __thread uint64_t mark = 0x1234567800000000;
	struct frame f = { .rdi = on, .rsi = command, .rdx = (uintptr_t)arg, .rax = SYS_ioctl };
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

static inline int lowest(void)
{
	int n = dup(0);
	close(n);
	return n;
}

static inline int count(void)
{
	int n = 0;
	for (int i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void tick(int signal)
{
	(void)signal;
	__sync_fetch_and_add(&ticks, 1);
}

static inline void tick_every_ms(void)
{
	struct sigaction action = { .sa_handler = tick };
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}
