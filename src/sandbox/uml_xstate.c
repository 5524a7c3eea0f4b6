/*
 * Preloaded into the kernel of the engine uml: lets its guests start on processors whose register
 * state is larger than that kernel knows.
 *
 * User-mode Linux before 6.13 switches the floating-point state of its processes with
 * PTRACE_GETREGSET and PTRACE_SETREGSET of NT_X86_XSTATE through a buffer of 2696 bytes: all there
 * was up to AVX-512. Where the processor has AMX too, the state has some 11 KB, and the machine's
 * kernel refuses to set a part of it (EFAULT; xstateregs_set() in arch/x86/kernel/fpu/regset.c), so
 * that the guest's first process dies. Here such a part is laid over the whole state as it is now,
 * and the whole is set. What is past the part can't be in use: a guest's process gets no permission
 * for AMX, which is asked of the guest's kernel.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bytes. AMX's 8 KiB of tiles and all before them make 11008; there is room for one as large again. */
#define WHOLE_STATE 32768

long ptrace(enum __ptrace_request request, ...)
{
	static char whole[WHOLE_STATE] __attribute__((aligned(64)));
	struct iovec *part, all = { whole, sizeof(whole) };
	void *addr, *data;
	va_list list;
	pid_t pid;
	long word, answer;

	va_start(list, request);
	pid = va_arg(list, pid_t);
	addr = va_arg(list, void *);
	data = va_arg(list, void *);
	va_end(list);

	/* The C library's: the word that was read is the result, not stored through data. */
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		answer = syscall(SYS_ptrace, request, pid, addr, &word);
		if (answer < 0)
			return answer;
		errno = 0;
		return word;
	}
	answer = syscall(SYS_ptrace, request, pid, addr, data);
	if (answer >= 0 || errno != EFAULT || request != PTRACE_SETREGSET || addr != (void *)NT_X86_XSTATE)
		return answer;

	part = data;
	if (part->iov_len >= sizeof(whole) ||
	    syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all) < 0 || part->iov_len > all.iov_len) {
		errno = EFAULT;
		return -1;
	}
	memcpy(whole, part->iov_base, part->iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &all);
}
