// A caller of an export ioctl that knows nothing of how its descriptor comes: it makes the call
// with every register of its own choosing, and afterwards everything must be as before but the
// answer. `caller NODE MODE ROUNDS`; prints what was wrong, exit status 1.
#include "caller.h"

static const char *node;
static int fd, rounds;

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

// One export that must succeed; `expected` is the number it must get, -1 for any.
static void good(unsigned flags, int expected)
{
	struct padded p;
	char text[8] = "";
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	fill(&p, flags);
	long answer = marked_call(fd, VIDIOC_EXPBUF, &p.arg);
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
	long answer = marked_call(fd, VIDIOC_EXPBUF, &p.arg);
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

// Whatever the answer is: a descriptor; or none and nothing changed.
static void either(void)
{
	int got = 0, failed = 0;

	for (int i = 0; i < rounds; i++) {
		struct padded p;
		sigset_t mask;
		fill(&p, 0);
		pthread_sigmask(SIG_BLOCK, NULL, &mask);
		long answer = marked_call(fd, VIDIOC_EXPBUF, &p.arg);
		same_mask(&mask);
		look_around(&p);
		if (answer == 0 && p.arg.fd >= 0) {
			got++;
			close(p.arg.fd);
		} else if (answer == -EIO || answer == -ECONNABORTED || answer == -ENOTCONN) {
			if (p.arg.fd != -77)
				WRONG("fd %d after a failure", p.arg.fd);
			failed++;
			if (answer != -EIO)
				break;
		} else {
			WRONG("answer %ld, fd %d", answer, p.arg.fd);
		}
	}
	printf("%d were given, %d failed\n", got, failed);
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
