// Kills the daemon, its helpers or their client at every step of a list, again and again, and looks at
// what comes of it.
//
//	faults SHRBUF CONFIG STEPS ROUNDS [WORD]
//
// SHRBUF   a binary with the feature `faults`
// STEPS    the list (see there); with WORD only rows that have it
// ROUNDS   of each row and each one who is killed
//
// A line for each of these says what came of it. Exit status: 1 where something is wrong, or a step is
// never come to.
#include "client.h"
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	UP_MS = 60000,
	SEEN_MS = 500, // for a step that comes after the call
	HELPERS = 3, // of a daemon
	TRIES = 20, // rounds in a row that may miss a step which is come to only if a frame takes its time
};

static const char FAULT[] = "/run/fault", NEXT[] = "/run/fault.next";
// A round's number, and what is there once its step was come to: one that comes late speaks of its own round.
static unsigned round_number;
static char seen_path[64];
static const char NOTIFY[] = "/run/fault.notify";

static const char *shrbuf, *config;
static pid_t daemon_pid;
static int notified;

static const struct scenario {
	const char *name;
	void (*begin)(void);
} scenarios[] = {
	{ "start", NULL }, { "expbuf", expbuf }, { "swap", swap }, { "swap-epoll", swap_epoll },
	{ "import", import }, { "dmabuf", dmabuf }, { "userptr", userptr }, { "dqbuf", dqbuf }, { "shutdown", waiting },
};

struct row {
	char scenario[32], step[64], who[16];
	int nth;
};

static void die(const char *what, const struct row *r)
{
	if (r)
		fprintf(stderr, "faults: %s %s %d %s: ", r->scenario, r->step, r->nth, r->who);
	fprintf(stderr, "%s (%s)\n", what, strerror(errno));
	if (daemon_pid > 0)
		kill(daemon_pid, SIGKILL);
	exit(1);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool is_seen(void)
{
	return !access(seen_path, F_OK);
}

// Before any child of this round's is made.
static void begin_round(void)
{
	snprintf(seen_path, sizeof(seen_path), "%s.seen-%u", FAULT, ++round_number);
}

// From now on the step is one: a new file each time.
static void arm(const struct row *r, pid_t client)
{
	int fd = open(NEXT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	dprintf(fd, "%s %d %s %d %u\n", r->step, r->nth, r->who, client, round_number);
	close(fd);
	need(rename(NEXT, FAULT), "rename");
}

static void disarm(void)
{
	unlink(FAULT);
	unlink(seen_path);
}

// Whether it ended within `ms`; it stays to be waited for.
static bool ended(pid_t pid, int ms)
{
	struct pollfd p = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool did = p.fd < 0 || poll(&p, 1, ms) > 0;

	close(p.fd);
	return did;
}

// ---- the daemon ---------------------------------------------------------------------------------

static void start(void)
{
	daemon_pid = fork();
	if (daemon_pid)
		return;
	setenv("NOTIFY_SOCKET", NOTIFY, 1);
	setenv("SHRBUF_FAULTS", FAULT, 1);
	execl(shrbuf, shrbuf, "daemon", "--config", config, NULL);
	_exit(127);
}

// Waits until it says that it is ready; whether it did before its end.
static bool is_up(void)
{
	struct pollfd p[] = {
		{ .fd = notified, .events = POLLIN },
		{ .fd = syscall(SYS_pidfd_open, daemon_pid, 0), .events = POLLIN },
	};
	long long until = now_ms() + UP_MS;
	bool up = false;
	char text[256];

	while (!up && poll(p, 2, until > now_ms() ? until - now_ms() : 0) > 0) {
		ssize_t got = recv(notified, text, sizeof(text) - 1, MSG_DONTWAIT);
		if (got > 0)
			text[got] = 0, up = strstr(text, "READY=1") != NULL;
		else if (p[1].revents)
			break;
	}
	close(p[1].fd);
	return up;
}

// Everything that the daemon has started ends with it.
static void gone(const struct row *r)
{
	long long until = now_ms() + END_MS;
	int status;
	char text[256];

	while (waitpid(-1, &status, WNOHANG) >= 0) {
		if (now_ms() > until)
			die("a helper of a daemon that is gone lives on", r);
		poll(NULL, 0, 1);
	}
	daemon_pid = 0;
	while (recv(notified, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

static void up(const struct row *r)
{
	start();
	if (!is_up())
		die("the next daemon does not come up", r);
}

static void down(const struct row *r)
{
	int status;

	kill(daemon_pid, SIGTERM);
	if (!ended(daemon_pid, END_MS))
		die("the daemon does not end", r);
	if (waitpid(daemon_pid, &status, 0) < 0 || status)
		die("the daemon does not end as it should", r);
	gone(r);
}

// `shrbuf list` answers.
static void lists(const struct row *r)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		dup2(open("/dev/null", O_WRONLY), 1);
		execl(shrbuf, shrbuf, "list", NULL);
		_exit(127);
	}
	if (!ended(pid, END_MS) || waitpid(pid, &status, 0) < 0 || status)
		die("shrbuf list", r);
}

// ---- the client ------------------------------------------------------------------------------------

// What the client says: the errno of its call, or this.
enum { WRONG_STATUS = 200, MISSED = 201 };

enum { NOBODY = 65534 };

static void query_until_lost(void)
{
	long long until = now_ms() + END_MS;
	struct v4l2_capability cap;

	while (!ioctl(node, VIDIOC_QUERYCAP, &cap))
		if (now_ms() > until) {
			WRONG("QUERYCAP is answered by a daemon that is dead");
			return;
		}
	if (!is_loss(errno))
		WRONG("QUERYCAP gives %s after the daemon's death", strerror(errno));
}

// After its helper's death the next call is as good as any, but for one that comes to the next helper
// that is just being killed.
static void call_again(int answer)
{
	int tries = HELPERS, wrong;

	room = room_before;
	look(&before);
	if (command == VIDIOC_REQBUFS && !answer)
		return;
	if (command == VIDIOC_QBUF && !answer)
		room.arg.buffer.index = 1;
	if (command == VIDIOC_DQBUF)
		return;
	do
		wrong = ioctl(node, command, &room.arg) ? errno : 0;
	while (wrong == EIO && --tries);
	if (wrong)
		WRONG("the next call gives %s", strerror(wrong));
	else if (command == VIDIOC_EXPBUF)
		good_export(room.arg.export.fd);
}

// The call is an ordinary user's; all around it is root's. Who changes its user is nobody's to look at by
// the kernel's default, which no program that is started by that user is.
static void as_user(uid_t user)
{
	need(seteuid(user), "seteuid");
	need(prctl(PR_SET_DUMPABLE, 1), "PR_SET_DUMPABLE");
}

static int client(const struct scenario *s, const struct row *r)
{
	bool daemons = !strcmp(r->who, "daemon") || !strcmp(r->who, "both");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s->begin();
	if (s->begin == waiting) {
		pid_t parent = getppid();
		// The parent arms, and ends the daemon, when this has called.
		kill(parent, SIGUSR1);
	} else {
		arm(r, getpid());
	}
	as_user(NOBODY);
	int answer = look_and_call();
	as_user(0);
	// The step may come after the answer.
	for (int i = 0; i < SEEN_MS && s->begin != waiting && !is_seen(); i++)
		poll(NULL, 0, 1);
	if (!strcmp(r->who, "client") && is_seen())
		poll(NULL, 0, END_MS); // it is on its way
	if (failures)
		return WRONG_STATUS;
	if (!is_seen() && s->begin != waiting)
		return MISSED;
	if (daemons)
		query_until_lost();
	else if (!strcmp(r->who, "helper") && s->begin != waiting)
		call_again(answer);
	return failures ? WRONG_STATUS : answer;
}

// A client that waits for the node to be there.
static void opener(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (open(CAPTURE, O_RDWR) < 0)
		poll(NULL, 0, 1);
	for (;;)
		pause();
}

static int end_of(pid_t pid, const struct row *r)
{
	int status;

	if (!ended(pid, END_MS)) {
		kill(pid, SIGKILL);
		die("the client hangs", r);
	}
	waitpid(pid, &status, 0);
	return status;
}

// ---- rounds ------------------------------------------------------------------------------------------

struct tally {
	int good, killed, refused[256];
};

static bool kills_daemon(const struct row *r)
{
	return !strcmp(r->who, "daemon") || !strcmp(r->who, "both");
}

// The daemon is dead, or is as well as before.
static void look_after(const struct row *r)
{
	int status;

	if (!kills_daemon(r)) {
		if (waitpid(daemon_pid, &status, WNOHANG))
			die("the daemon has ended, too", r);
		return;
	}
	if (!ended(daemon_pid, END_MS))
		die("the daemon can't be killed", r);
	gone(r);
}

static void round_of_start(const struct row *r)
{
	pid_t waits = -1;

	begin_round();
	if (daemon_pid)
		down(r);
	if (!strcmp(r->who, "client")) {
		waits = fork();
		if (!waits)
			opener();
	}
	arm(r, waits > 0 ? waits : 0);
	start();
	bool came = is_up();
	// A helper may come to it when the daemon is ready already.
	for (int i = 0; i < SEEN_MS * 10 && !is_seen(); i++)
		poll(NULL, 0, 1);
	if (!is_seen())
		die("the step is never come to", r);
	if (!kills_daemon(r) && !came)
		die("the daemon does not come up", r);
	if (waits > 0 && (end_of(waits, r) & 0x7f) != SIGKILL)
		die("the client was not killed", r);
	look_after(r);
	disarm();
	if (!daemon_pid)
		up(r);
	lists(r);
}

static volatile sig_atomic_t told;

static void tell(int number)
{
	(void)number;
	told = 1;
}

// Ends the daemon when the client sits in its call.
static void end_daemon(const struct row *r, pid_t pid)
{
	long long until = now_ms() + END_MS;
	unsigned still = 0;
	char path[64], text[512];

	while (!told && now_ms() < until && !ended(pid, 1))
		;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (still < 10 && now_ms() < until) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[got > 0 ? got : 0] = 0;
		char *state = strrchr(text, ')');
		still = state && state[2] == 'S' ? still + 1 : 0;
		poll(NULL, 0, 1);
	}
	arm(r, pid);
	kill(daemon_pid, SIGTERM);
}

static bool round_of(const struct scenario *s, const struct row *r, struct tally *tally)
{
	bool ends = s->begin == waiting;

	begin_round();
	if (!daemon_pid)
		up(r);
	told = 0;
	pid_t pid = fork();
	if (!pid)
		_exit(client(s, r));
	if (ends)
		end_daemon(r, pid);
	int status = end_of(pid, r);
	if (ends) {
		int how = 0;
		if (!ended(daemon_pid, END_MS) || waitpid(daemon_pid, &how, 0) < 0)
			die("the daemon does not end", r);
		if (!kills_daemon(r) && how)
			die("the daemon does not end as it should", r);
		gone(r);
	}
	bool seen = is_seen();
	disarm();
	if (ends && !seen)
		die("the step is never come to", r);
	bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (!seen && WIFEXITED(status) && WEXITSTATUS(status) == MISSED)
		return false;
	if (!WIFEXITED(status) && !died)
		die("the client was ended by a signal", r);
	if (died != (!strcmp(r->who, "client") && !(ends && WIFEXITED(status))))
		die(died ? "the client was killed" : "the client was not killed", r);
	if (!died && (WEXITSTATUS(status) == WRONG_STATUS || WEXITSTATUS(status) == 4))
		die("the client has something to say", r);
	if (died)
		tally->killed++;
	else if (WEXITSTATUS(status))
		tally->refused[WEXITSTATUS(status)]++;
	else
		tally->good++;
	if (!ends)
		look_after(r);
	return true;
}

static void all_rounds(const struct row *r, int rounds)
{
	const struct scenario *s = NULL;
	struct tally tally = { 0 };
	long long began = now_ms();

	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		if (!strcmp(scenarios[i].name, r->scenario))
			s = &scenarios[i];
	if (!s)
		die("no such scenario", r);
	for (int round = 0, missed = 0; round < rounds;) {
		if (!s->begin) {
			round_of_start(r);
			round++;
		} else if (round_of(s, r, &tally)) {
			round++;
			missed = 0;
		} else if (++missed == TRIES) {
			die("the step is never come to", r);
		}
	}
	if (!daemon_pid)
		up(r);
	lists(r);
	printf("%s %s %d %s: %d rounds", r->scenario, r->step, r->nth, r->who, rounds);
	if (tally.good)
		printf(", %d succeeded", tally.good);
	if (tally.killed)
		printf(", %d clients killed", tally.killed);
	for (int i = 1; i < 256; i++)
		if (tally.refused[i])
			printf(", %d %s", tally.refused[i], strerrorname_np(i));
	printf(" (%lld ms)\n", now_ms() - began);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char line[256];

	if (argc < 5)
		return 2;
	shrbuf = argv[1], config = argv[2];
	// Helpers of a daemon that was killed are this process's then, to be waited for.
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGUSR1, tell);
	strcpy(address.sun_path, NOTIFY);
	unlink(NOTIFY);
	notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notified < 0 || bind(notified, (struct sockaddr *)&address, sizeof(address)))
		die("the socket", NULL);
	disarm();
	FILE *steps = fopen(argv[3], "re");
	if (!steps)
		die(argv[3], NULL);
	while (fgets(line, sizeof(line), steps)) {
		struct row r = { 0 };
		char *rest, *word;

		if (*line == '#' || *line == '\n' || (argc > 5 && !strstr(line, argv[5])))
			continue;
		strcpy(r.scenario, strtok_r(line, " \n", &rest));
		strcpy(r.step, strtok_r(NULL, " \n", &rest));
		r.nth = atoi(strtok_r(NULL, " \n", &rest));
		while ((word = strtok_r(NULL, " \n", &rest))) {
			if (argc > 6 && strcmp(word, argv[6]))
				continue;
			strcpy(r.who, word);
			all_rounds(&r, atoi(argv[4]));
		}
	}
	if (daemon_pid)
		down(NULL);
	return 0;
}
