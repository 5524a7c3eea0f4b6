// A caller whose descriptor is another file after its first REQBUFS, and that knows nothing of it:
// the number, its flags, what epoll was told of it, and all that a call may not change must be as
// before. `swapper NODE MODE ROUNDS`; prints what was wrong, exit status 1. The node is that of node.rs.
#include "caller.h"
#include <sys/epoll.h>
#include <sys/stat.h>

static const char *node;
static int rounds, single;

// What the node is to put under the number.
enum kind { MEMORY, SOCKET, OTHER_DEVICE, SLOW_RELEASE };

struct small {
	uint32_t kind, told, rest[3];
};

struct large {
	uint32_t kind, told, rest[62];
};

#define SMALL _IOWR('V', 8, struct small)  // VIDIOC_REQBUFS
#define LARGE _IOWR('V', 92, struct large) // VIDIOC_CREATE_BUFS

struct padded {
	uint8_t before[128];
	struct large arg; // or as much of it as a small one has
	uint8_t after[128];
};

static void fill(struct padded *p, unsigned kind)
{
	memset(p, 0xa5, sizeof(*p));
	p->arg.kind = kind;
	p->arg.told = 7;
}

static int number_of_maps(void)
{
	char text[1 << 16];
	int n = 0, got, maps = open("/proc/self/maps", O_RDONLY);
	while ((got = read(maps, text, sizeof(text))) > 0)
		for (int i = 0; i < got; i++)
			n += text[i] == '\n';
	close(maps);
	return n;
}

static int opened(int i)
{
	int fd = open(node, O_RDWR | (i & 1 ? O_CLOEXEC : 0));
	if (fd < 0)
		WRONG("%s: %s", node, strerror(errno));
	if (i & 2)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static unsigned mode_of(int fd)
{
	struct stat stat;
	return fstat(fd, &stat) ? 0 : stat.st_mode & S_IFMT;
}

static void same_flags(int fd, int i)
{
	if (fcntl(fd, F_GETFD) != (i & 1 ? FD_CLOEXEC : 0))
		WRONG("close-on-exec is %d", fcntl(fd, F_GETFD));
	if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != (i & 2 ? O_NONBLOCK : 0))
		WRONG("flags are %#o", fcntl(fd, F_GETFL));
}

// The call on `fd`, which was `opened(i)`; the argument is as answered, or as before.
static long called(int fd, unsigned kind, int i)
{
	struct padded p, expected;
	sigset_t mask;
	int files = single ? count() : 0, maps = single ? number_of_maps() : 0;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	fill(&p, kind);
	expected = p;
	long answer = marked_call(fd, i & 4 ? LARGE : SMALL, &p.arg);
	same_mask(&mask);
	if (single && count() != files)
		WRONG("%d descriptors in place of %d", count(), files);
	if (single && number_of_maps() != maps)
		WRONG("%d mappings in place of %d", number_of_maps(), maps);
	if (!answer)
		expected.arg.told = 0x5a;
	if (memcmp(&p, &expected, sizeof(p)))
		WRONG("answer %ld, and the argument is not what it must be", answer);
	same_flags(fd, i);
	return answer;
}

static void is_memory(int fd)
{
	char text[8] = "";
	if (mode_of(fd) != S_IFREG || pread(fd, text, 6, 0) != 6 || strcmp(text, "shared"))
		WRONG("not the new file: mode %o, %s", mode_of(fd), text);
}

// Still the node's.
static void is_node(int fd)
{
	unsigned mode = mode_of(fd);
	if ((mode != S_IFCHR && mode != S_IFREG) || ioctl(fd, _IO('T', 99)) != -1 || errno != ENOTTY)
		WRONG("not the node any more: mode %o, %s", mode, strerror(errno));
}

// One swap that must succeed.
static void good(unsigned kind, int i)
{
	int fd = opened(i), other = i & 8 ? dup(fd) : -1;
	long answer = called(fd, kind, i);
	if (answer)
		WRONG("the call answers %ld", answer);
	else
		is_memory(fd);
	if (other >= 0)
		is_node(other);
	if (other >= 0 && close(other))
		WRONG("the duplicate can't be closed");
	if (close(fd))
		WRONG("it can't be closed");
}

// One that must fail and leave everything as it was.
static void bad(unsigned kind, int i, int error)
{
	int fd = opened(i);
	long answer = called(fd, kind, i);
	if (answer != -error)
		WRONG("the call answers %ld in place of %d", answer, -error);
	is_node(fd);
	close(fd);
}

static void *many(void *arg)
{
	for (int i = 0; i < rounds; i++)
		good(MEMORY, i);
	return arg;
}

static void threads(void)
{
	pthread_t all[4];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 1 << 16);
	for (int i = 0; i < 4; i++)
		pthread_create(&all[i], &small, many, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(all[i], NULL);
}

// The table has `free_numbers` free ones; with `lowered` the limit lies below all that are in use.
static void scarce(int free_numbers, int hard, int lowered)
{
	struct rlimit limit = { 64, hard }, low = { 5, hard }, now, *set = lowered ? &low : &limit;
	int all[64];

	for (int i = 0; i < 16; i++)
		all[i] = opened(i);
	setrlimit(RLIMIT_NOFILE, &limit);
	int held = 0, given[64];
	while ((given[held] = dup(0)) >= 0)
		held++;
	for (int i = 0; i < free_numbers; i++)
		close(given[3 * i]);
	setrlimit(RLIMIT_NOFILE, set);
	for (int i = 0; i < 16; i++) {
		int files = count();
		long answer;
		struct padded p;
		fill(&p, MEMORY);
		answer = marked_call(all[i], SMALL, &p.arg);
		if (answer || p.arg.told != 0x5a)
			WRONG("the call answers %ld", answer);
		is_memory(all[i]);
		same_flags(all[i], i);
		if (count() != files)
			WRONG("%d descriptors in place of %d", count(), files);
	}
	getrlimit(RLIMIT_NOFILE, &now);
	if (now.rlim_cur != set->rlim_cur || now.rlim_max != (unsigned)hard)
		WRONG("the limit is %ld, %ld", (long)now.rlim_cur, (long)now.rlim_max);
}

static int registered(int with, int fd, int operation, unsigned events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };
	return epoll_ctl(with, operation, fd, &event);
}

// At once one event with this datum, and no more.
static void delivers(int from, uint64_t data)
{
	struct epoll_event events[4];
	int n = epoll_wait(from, events, 4, 5000);
	if (n != 1 || events[0].data.u64 != data)
		WRONG("%d events, datum %#lx", n, n > 0 ? (long)events[0].data.u64 : 0);
}

static void epolls(int i)
{
	uint64_t datum = 0xdeadbeefcafef00d;
	int fd = opened(i), old = dup(fd), a = epoll_create1(EPOLL_CLOEXEC), again = dup(a), b = epoll_create1(0), c = epoll_create1(0);
	struct epoll_event events[4];

	registered(a, fd, EPOLL_CTL_ADD, EPOLLPRI | EPOLLET, datum);
	registered(b, fd, EPOLL_CTL_ADD, EPOLLIN | EPOLLONESHOT, 3);
	registered(c, old, EPOLL_CTL_ADD, EPOLLIN, 4); // stays with the old file
	long answer = called(fd, SOCKET, i);
	if (answer)
		WRONG("the call answers %ld", answer);
	if (mode_of(fd) != S_IFSOCK)
		WRONG("not the new file: mode %o", mode_of(fd));
	if (epoll_wait(a, events, 4, 0) != 0)
		WRONG("an event that nobody asked for");
	if (registered(a, fd, EPOLL_CTL_ADD, EPOLLIN, 0) != -1 || errno != EEXIST)
		WRONG("not registered any more");
	if (registered(a, fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLET, datum + 1))
		WRONG("can't be changed: %s", strerror(errno));
	delivers(again, datum + 1);
	if (epoll_wait(a, events, 4, 0) != 0)
		WRONG("not only once");
	delivers(b, 3);
	if (epoll_wait(b, events, 4, 0) != 0)
		WRONG("more than one shot");
	delivers(c, 4);
	if (registered(a, fd, EPOLL_CTL_DEL, 0, 0) || registered(b, fd, EPOLL_CTL_DEL, 0, 0) ||
	    registered(c, old, EPOLL_CTL_DEL, 0, 0))
		WRONG("can't be taken out: %s", strerror(errno));
	if (registered(a, fd, EPOLL_CTL_DEL, 0, 0) != -1 || errno != ENOENT)
		WRONG("was registered twice");
	close(a), close(again), close(b), close(c), close(fd), close(old);
}

// The new file can't be registered: all is as it was, the registration too.
static void unpollable(int i)
{
	int fd = opened(i), a = epoll_create1(0);

	registered(a, fd, EPOLL_CTL_ADD, EPOLLIN | EPOLLET, 5);
	delivers(a, 5);
	long answer = called(fd, MEMORY, i);
	if (answer != -EPERM)
		WRONG("the call answers %ld", answer);
	is_node(fd);
	delivers(a, 5); // a new edge
	if (registered(a, fd, EPOLL_CTL_MOD, EPOLLOUT, 6))
		WRONG("can't be changed: %s", strerror(errno));
	delivers(a, 6);
	if (registered(a, fd, EPOLL_CTL_DEL, 0, 0))
		WRONG("can't be taken out: %s", strerror(errno));
	close(a), close(fd);
}

static void too_many_epolls(void)
{
	int fd = opened(0), first = 0;
	for (int i = 0; i < 70; i++) {
		int epoll = epoll_create1(0);
		registered(epoll, fd, EPOLL_CTL_ADD, EPOLLIN, i);
		first = first ? first : epoll;
	}
	long answer = called(fd, SOCKET, 0);
	if (answer != -ENOSPC)
		WRONG("the call answers %ld", answer);
	is_node(fd);
	delivers(first, 0);
}

static void filtered(int may_be_refused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup3, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 5, code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		puts("no seccomp here");
		return;
	}
	for (int i = 0; i < rounds; i++)
		may_be_refused ? bad(MEMORY, i, EPERM) : good(MEMORY, i);
}

// Whatever the answer is: the new file; or the old one and nothing changed.
static void either(void)
{
	int got = 0, failed = 0;

	for (int i = 0; i < rounds; i++) {
		struct padded p;
		sigset_t mask;
		int fd = open(node, O_RDWR);
		if (fd < 0)
			break;
		fill(&p, MEMORY);
		pthread_sigmask(SIG_BLOCK, NULL, &mask);
		long answer = marked_call(fd, SMALL, &p.arg);
		same_mask(&mask);
		if (answer == 0 && p.arg.told == 0x5a && mode_of(fd) == S_IFREG)
			got++;
		else if ((answer == -EIO || answer == -ECONNABORTED || answer == -ENOTCONN) &&
			 p.arg.told == 7 && mode_of(fd) == S_IFCHR)
			failed++;
		else
			WRONG("answer %ld, told %u, mode %o", answer, p.arg.told, mode_of(fd));
		if (i == 0) {
			puts("begun"); // from now on anybody may be killed
			fflush(stdout);
		}
		close(fd);
		if (answer == -ECONNABORTED || answer == -ENOTCONN)
			break;
	}
	printf("%d were swapped, %d failed\n", got, failed);
}

static volatile int over;

// Other files under the number in question and under those that the caller is made to use.
static void *disturb(void *arg)
{
	int *target = arg, file = open("/proc/self/mem", O_RDONLY);
	for (unsigned i = 0; !over; i++) {
		if (i % 7 == 0)
			dup2(file, *target);
		for (int n = 1; n < 4; n++) {
			dup2(file, *target + n);
			close(*target + n);
		}
	}
	return NULL;
}

static void hostile(void)
{
	int swapped = 0, target = dup(0) + 1; // above the thread's own
	pthread_t thread;

	pthread_create(&thread, NULL, disturb, &target);
	for (int i = 0; i < 1000; i++) {
		struct padded p;
		int fd = open(node, O_RDWR);
		fill(&p, MEMORY);
		target = fd;
		swapped += !ioctl(fd, SMALL, &p.arg);
		close(fd);
	}
	over = 1;
	pthread_join(thread, NULL);
	printf("%d of 1000\n", swapped);
}

static void timed(void)
{
	struct timespec a, b;
	double *us = malloc(rounds * sizeof(*us));

	for (int i = 0; i < rounds; i++) {
		struct small arg = { .kind = MEMORY };
		int fd = opened(0);
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (ioctl(fd, SMALL, &arg))
			WRONG("%s", strerror(errno));
		clock_gettime(CLOCK_MONOTONIC, &b);
		close(fd);
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
	const char *mode = argv[2];
	int hard = strstr(mode, "hard") ? 64 : 128;
	single = !strstr(mode, "threads");
	if (strstr(mode, "signals"))
		tick_every_ms();
	if (strstr(mode, "threads"))
		threads();
	else if (strstr(mode, "full"))
		scarce(0, hard, 0);
	else if (strstr(mode, "one"))
		scarce(1, hard, 0);
	else if (strstr(mode, "lowered"))
		scarce(2, hard, 1);
	else if (strstr(mode, "filtered"))
		filtered(strstr(mode, "refused") != NULL);
	else if (strstr(mode, "too many epolls"))
		too_many_epolls();
	else if (strstr(mode, "either"))
		either();
	else if (strstr(mode, "hostile"))
		hostile();
	else if (strstr(mode, "timed"))
		timed();
	else if (strstr(mode, "no memory")) {
		struct rlimit limit = { 1 << 20, 1 << 20 };
		setrlimit(RLIMIT_AS, &limit);
		for (int i = 0; i < rounds; i++)
			bad(MEMORY, i, ENOMEM);
	} else if (strstr(mode, "slow")) {
		good(SLOW_RELEASE, 0);
	} else {
		for (int i = 0; i < rounds; i++) {
			if (strstr(mode, "epoll"))
				epolls(i);
			else if (strstr(mode, "unpollable"))
				unpollable(i);
			else if (strstr(mode, "busy"))
				bad(MEMORY, i, EBUSY);
			else if (strstr(mode, "other device"))
				bad(OTHER_DEVICE, i, EBADF);
			else
				good(MEMORY, i);
		}
	}
	if (strstr(mode, "signals"))
		printf("%d signals\n", ticks);
	return failures != 0;
}
