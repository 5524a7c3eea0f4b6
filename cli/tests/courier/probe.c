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
#define NODE_FILE_ON _IOWR('T', 8, struct argument)

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

// The descriptor of the call is known by its number; or, where the kernel doesn't tell and there are
// several, it is said that it isn't.
static void file_on(void)
{
	int is_told = access("/proc/self/syscall", F_OK) == 0;

	CHECK(call(NODE_FILE_ON, 0, 0) == 0 && (uint32_t)last.answer == (uint32_t)fd && last.rest[0] == 1);
	CHECK((last.answer >> 32 & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC)) == O_RDWR);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(fd, F_SETFD, 0);
	CHECK(call(NODE_FILE_ON, 0, 0) == 0 && (uint32_t)last.answer == (uint32_t)fd && last.rest[0] == 0);
	CHECK((last.answer >> 32 & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC)) == (O_RDWR | O_NONBLOCK));
	int first = fd;
	fd = dup(fd);
	CHECK(call(NODE_FILE_ON, 0, 0) == (is_told ? 0 : ENODATA) && (!is_told || (uint32_t)last.answer == (uint32_t)fd));
	close(first);
	CHECK(call(NODE_FILE_ON, 0, 0) == 0 && (uint32_t)last.answer == (uint32_t)fd);
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

#define EXPBUF _IOWR('V', 16, struct argument)

// The same call through the entry of 32-bit programs: refused, nothing changed.
static void foreign(void)
{
	struct argument *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct argument before = { .address = 1, .len = 7 };
	int answer;

	for (int i = 0; i < 20; i++) {
		*low = before;
		asm volatile("int $0x80" : "=a"(answer)
			     : "a"(54), "b"(fd), "c"(EXPBUF), "d"(low) : "memory", "r8", "r9", "r10", "r11");
		CHECK(answer == -EOPNOTSUPP);
		CHECK(!memcmp(low, &before, sizeof(before)));
	}
}

static volatile int over;

// Puts other files under the lowest numbers, as fast as it can.
static void *swap(void *arg)
{
	int low = *(int *)arg, file = open("/proc/self/mem", O_RDONLY);
	while (!over)
		for (int i = 0; i < 3; i++) {
			dup2(file, low + i);
			close(low + i);
		}
	return NULL;
}

// Who does this harms nobody but himself: an answer comes, and the next caller has its due.
static void hostile(void)
{
	int low = dup(0), given = 0;
	pthread_t thread;

	close(low);
	low++; // that one is the thread's own
	pthread_create(&thread, NULL, swap, &low);
	for (int i = 0; i < 2000; i++) {
		struct argument arg = { .address = 1 };
		given += !ioctl(fd, EXPBUF, &arg);
	}
	over = 1;
	pthread_join(thread, NULL);
	printf("%d of 2000\n", given);
}

// Leaves descriptors of the node in the courier's socket, and waits for the end of the daemon.
static void deposit(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 0;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { NULL, 0, &part, 1, &control, sizeof(control), 0 };

	strcpy(address.sun_path, path);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	// More than the server has patience for at once; the rest lies in its backlog.
	for (int i = 0; i < 200; i++) {
		int to = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
		if (connect(to, (struct sockaddr *)&address, sizeof(address)))
			break;
		if (i >= 8)
			sendmsg(to, &message, MSG_NOSIGNAL);
	}
	printf("deposited\n");
	fflush(stdout);
	close(fd); // now those in the socket are the last
	pause();
}

// A ticket, redeemed by the header's functions.
static void ticket(char *path)
{
	char text[8] = "";
	setenv("SHRBUF_COURIER", path, 1);
	for (int i = 0; i < 100; i++) {
		int got = shrbuf_export(fd, 1, 0, 0, i & 1 ? O_CLOEXEC : 0);
		CHECK(got >= 0 && pread(got, text, 6, 0) == 6 && !strcmp(text, "shared"));
		CHECK(fcntl(got, F_GETFD) == (i & 1 ? FD_CLOEXEC : 0));
		close(got);
	}
	CHECK(shrbuf_export(0, 1, 0, 0, 0) == -1 && errno == ENOTTY);
	uint8_t none[16] = { 0 };
	CHECK(shrbuf_redeem(none) == -1 && errno == EACCES);
	setenv("SHRBUF_COURIER", "/nowhere", 1);
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
	else if (!strcmp(mode, "file"))
		file_on();
	else if (!strcmp(mode, "take"))
		take();
	else if (!strcmp(mode, "stall"))
		stall();
	else if (!strcmp(mode, "foreign"))
		foreign();
	else if (!strcmp(mode, "hostile"))
		hostile();
	else if (!strcmp(mode, "deposit"))
		deposit(argv[2]);
	else if (!strcmp(mode, "ticket"))
		ticket(argv[2]);
	return failures != 0;
}
