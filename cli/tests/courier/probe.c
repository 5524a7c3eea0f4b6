// What the courier does to a caller besides giving it descriptors: `probe NODE SOCKET MODE`. The
// node's ioctls are those of node.rs.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/udmabuf.h>
#include <linux/userfaultfd.h>
#include <time.h>
#include <unistd.h>
#include "shrbuf.h"

struct argument {
	uint64_t address, len, answer, rest[5];
};

#define NODE_READ _IOWR('T', 1, struct argument)
#define NODE_WRITE _IOWR('T', 2, struct argument)
#define NODE_FLAGS _IOWR('T', 3, struct argument)
#define NODE_TAKE _IOWR('T', 4, struct argument)
#define NODE_KEEP _IOWR('T', 5, struct argument)
#define NODE_READ_KEPT _IOWR('T', 6, struct argument)
#define NODE_WRITE_KEPT _IOWR('T', 7, struct argument)

static int fd, failures;

#define CHECK(truth)                                                                  \
	do {                                                                          \
		int saved = errno;                                                    \
		if (!(truth)) {                                                       \
			failures++;                                                   \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #truth, saved); \
		}                                                                     \
	} while (0)

static struct argument last;

// 0, or the errno.
static int call(unsigned long command, uint64_t address, uint64_t len)
{
	last = (struct argument){ .address = address, .len = len };
	return ioctl(fd, command, &last) ? errno : 0;
}

static uint64_t sum(const uint8_t *bytes, size_t len)
{
	uint64_t total = 0;
	while (len--)
		total += *bytes++;
	return total;
}

static int is_pattern(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != i % 251)
			return 0;
	return 1;
}

static void memory(unsigned long read_command, unsigned long write_command)
{
	size_t page = 4096, sizes[] = { 1, 60, page, 262144, 262145, 3000001 };
	uint8_t *bytes = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t len = sizes[i];
		uint8_t *at = bytes + 4096 + 7;
		memset(bytes, 0xee, 4 << 20);
		CHECK(call(write_command, (uintptr_t)at, len) == 0);
		CHECK(is_pattern(at, len) && at[-1] == 0xee && at[len] == 0xee);
		CHECK(call(read_command, (uintptr_t)at, len) == 0 && last.answer == sum(at, len));
	}
	CHECK(call(read_command, 8, 8) == EFAULT);
	CHECK(call(read_command, UINT64_MAX - 3, 8) == EFAULT);
	mprotect(bytes + page, page, PROT_READ);
	CHECK(call(write_command, (uintptr_t)bytes + page, 8) == EFAULT);
	CHECK(call(read_command, (uintptr_t)bytes + page, 8) == 0);
	munmap(bytes + page, page);
	CHECK(call(read_command, (uintptr_t)bytes + page - 4, 8) == EFAULT);
	CHECK(call(write_command, (uintptr_t)bytes + page - 4, 8) == EFAULT);
}

// A kept process is that process, also from another thread, and no other.
static void kept(char **argv)
{
	static uint8_t bytes[100];
	int channel[2], status;
	char got = 0;

	CHECK(call(NODE_KEEP, 0, 0) == 0);
	memory(NODE_READ_KEPT, NODE_WRITE_KEPT);
	// The child keeps itself, and then runs another program: that memory is gone.
	CHECK(pipe2(channel, 0) == 0);
	pid_t child = fork();
	if (!child) {
		int keep = call(NODE_KEEP, 0, 0);
		if (keep || call(NODE_READ_KEPT, (uintptr_t)bytes, 8))
			_exit(1);
		char number[12];
		snprintf(number, sizeof(number), "%d", channel[1]);
		execl(argv[0], argv[0], argv[1], argv[2], "wait", number, NULL);
		_exit(2);
	}
	CHECK(read(channel[0], &got, 1) == 1 && got == 'x');
	CHECK(call(NODE_READ_KEPT, (uintptr_t)bytes, 8) == ESRCH);
	CHECK(call(NODE_WRITE_KEPT, (uintptr_t)bytes, 8) == ESRCH);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	CHECK(WIFSIGNALED(status));
	CHECK(call(NODE_READ_KEPT, (uintptr_t)bytes, 8) == ESRCH);
}

static void flags(void)
{
	CHECK(call(NODE_FLAGS, 0, 0) == 0 && !(last.answer & O_NONBLOCK) && (last.answer & O_ACCMODE) == O_RDWR);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	CHECK(call(NODE_FLAGS, 0, 0) == 0 && (last.answer & O_NONBLOCK));
	fcntl(fd, F_SETFL, 0);
	CHECK(call(NODE_FLAGS, 0, 0) == 0 && !(last.answer & O_NONBLOCK));
}

static uint64_t inode(int of)
{
	struct stat stat;
	return fstat(of, &stat) ? 0 : stat.st_ino;
}

static void *take_from_thread(void *arg)
{
	int memory = *(int *)arg;
	CHECK(call(NODE_TAKE, memory, 0) == 0 && last.answer == inode(memory));
	return NULL;
}

static void take(void)
{
	int memory = memfd_create("x", MFD_ALLOW_SEALING), channel[2];
	pthread_t thread;

	CHECK(ftruncate(memory, 8192) == 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK(call(NODE_TAKE, memory, 0) == 0 && last.answer == inode(memory));
	pthread_create(&thread, NULL, take_from_thread, &memory);
	pthread_join(thread, NULL);
	// Everything else is left alone.
	CHECK(pipe(channel) == 0);
	char path[] = "/tmp/memfd:XXXXXX";
	int file = mkstemp(path);
	unlink(path);
	int others[] = { fd, 0, channel[0], eventfd(0, 0), file, open("/dev/null", O_RDWR), open("/tmp", O_RDONLY),
			 open("/tmp", O_TMPFILE | O_RDWR, 0600), open("/proc/self/mem", O_RDWR), -1, 1000000, INT32_MIN };
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		CHECK(call(NODE_TAKE, (uint32_t)others[i], 0) == EINVAL);
	int device = open("/dev/udmabuf", O_RDWR);
	if (device < 0) {
		puts("no udmabuf here");
		return;
	}
	struct udmabuf_create create = { .memfd = memory, .size = 8192 };
	int dmabuf = ioctl(device, UDMABUF_CREATE, &create);
	CHECK(dmabuf >= 0 && call(NODE_TAKE, dmabuf, 0) == 0 && last.answer == inode(dmabuf));
}

// Memory that never comes costs its own caller the deadline, and nobody else anything.
static void stall(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	uint8_t *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = { { (uintptr_t)bytes, 4096 }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct timespec a, b;

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &range)) {
		puts("no userfaultfd here");
		return;
	}
	for (int i = 0; i < 4; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		CHECK(call(i & 1 ? NODE_READ : NODE_WRITE, (uintptr_t)bytes, 8) == ETIMEDOUT);
		clock_gettime(CLOCK_MONOTONIC, &b);
		CHECK(b.tv_sec - a.tv_sec < 8);
	}
	CHECK(call(NODE_READ, (uintptr_t)&last, 8) == 0);
}

// A ticket, redeemed by the header's functions.
static void ticket(char *path)
{
	char text[8] = "";
	setenv("SHRBUF_SOCKET", path, 1);
	for (int i = 0; i < 100; i++) {
		int got = shrbuf_export(fd, 1, 0, 0, i & 1 ? O_CLOEXEC : 0);
		CHECK(got >= 0 && pread(got, text, 6, 0) == 6 && !strcmp(text, "shared"));
		CHECK(fcntl(got, F_GETFD) == (i & 1 ? FD_CLOEXEC : 0));
		close(got);
	}
	CHECK(shrbuf_export(0, 1, 0, 0, 0) == -1 && errno == ENOTTY);
	uint8_t none[16] = { 0 };
	CHECK(shrbuf_redeem(none) == -1 && errno == EACCES);
	setenv("SHRBUF_SOCKET", "/nowhere", 1);
	CHECK(shrbuf_export(fd, 1, 0, 0, 0) == -1 && errno == ENOENT);
}

// Runs a program under a tracer that only looks on: argv from 3.
static int traced(char **argv)
{
	int status;
	pid_t child = fork();
	if (!child) {
		raise(SIGSTOP);
		execv(argv[0], argv);
		_exit(2);
	}
	if (ptrace(PTRACE_SEIZE, child, 0, 0))
		return perror("seize"), 2;
	kill(child, SIGCONT);
	while (waitpid(child, &status, __WALL) == child) {
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 2;
		int signal = status >> 16 ? 0 : WSTOPSIG(status);
		ptrace(PTRACE_CONT, child, 0, signal == SIGTRAP || signal == SIGSTOP ? 0 : signal);
	}
	return 2;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	const char *mode = argv[3];
	if (!strcmp(mode, "wait"))
		return write(atoi(argv[4]), "x", 1) + pause();
	if (!strcmp(mode, "traced"))
		return traced(argv + 4);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return perror(argv[1]), 1;
	if (!strcmp(mode, "memory"))
		memory(NODE_READ, NODE_WRITE);
	else if (!strcmp(mode, "kept"))
		kept(argv);
	else if (!strcmp(mode, "flags"))
		flags();
	else if (!strcmp(mode, "take"))
		take();
	else if (!strcmp(mode, "stall"))
		stall();
	else if (!strcmp(mode, "ticket"))
		ticket(argv[2]);
	return failures != 0;
}
