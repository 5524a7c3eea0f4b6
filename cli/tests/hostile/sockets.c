/*
 * The daemon's sockets: requests that are none, that don't end, and too many of them.
 */
#include "hostile.h"
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	MANY = 2000,		/* connections */
	ANSWER_MS = 10000,
	LONGEST = 65536,	/* bytes of a request; see docs/CONTROL.md */
	DRIP_US = 100000,
};

static int connected(const char *name, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", at.sockets, name);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int why = errno;

		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

static int control(void)
{
	return connected("control.sock", SOCK_STREAM);
}

/* The kind of an error, or of an answer, or "closed". Answers have more bytes than one read may bring. */
static void hear(int fd)
{
	static __thread char text[1 << 16];
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char kind[24], *found;
	size_t have = 0;

	while (have < sizeof(text) - 1) {
		ssize_t more;

		if (poll(&ready, 1, ANSWER_MS) != 1)
			fail("no answer within %d ms", ANSWER_MS);
		more = read(fd, text + have, sizeof(text) - 1 - have);
		if (more <= 0)
			break;
		have += more;
		if (memchr(text, '\n', have))
			break;
	}
	text[have] = 0;
	found = strstr(text, "\"kind\":\"");
	if (found && sscanf(found, "\"kind\":\"%23[a-z-]", kind) == 1)
		got_word(kind);
	else
		got_word(have ? "fine" : "closed");
}

/* All of @bytes, unless the other side has hung up. */
static void tell(int fd, const char *bytes, size_t length)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	size_t done = 0;

	while (done < length && poll(&ready, 1, ANSWER_MS) == 1) {
		ssize_t written = write(fd, bytes + done, length - done);

		if (written < 0 && errno != EAGAIN)
			return;
		done += written > 0 ? written : 0;
	}
}

void malformed(void)
{
	static char deep[2000], large[LONGEST + 100];
	const struct {
		const char *bytes;
		size_t length;
	} all[] = {
		{ "\n", 1 }, { "{}\n", 3 }, { "nonsense\n", 9 }, { "\0\0\0\0\n", 5 }, { "\xff\xfe\x80\n", 4 },
		{ "{\"request\":\"list\",\"more\":1}\n", 28 }, { "{\"request\":\"buffers\",\"node\":7}\n", 31 },
		{ deep, sizeof(deep) }, { large, sizeof(large) },
		{ "{\"request\":\"remove\",\"node\":\"video-sim\",\"force\":true}\n", 53 },
		{ "{\"request\":\"snapshot\",\"node\":\"../../etc/shadow\"}\n", 49 },
	};

	memset(deep, '[', sizeof(deep));
	deep[sizeof(deep) - 1] = '\n';
	memset(large, 'x', sizeof(large));
	for (unsigned i = 0; going(); i++) {
		unsigned which = i % (sizeof(all) / sizeof(*all));
		int fd = control();

		if (fd < 0) {
			got(errno);
			continue;
		}
		tell(fd, all[which].bytes, all[which].length);
		hear(fd);
		close(fd);
		usleep(20000); /* below that all it hears is "busy" */
	}
	CONCLUDE(MUST("malformed"), MUST("too-long"), MUST("forbidden"), MUST("no-such-node"), MAY("busy"), MAY("EAGAIN"));
}

static void *drip(void *unused)
{
	int fd = control();

	(void)unused;
	if (fd < 0)
		fail("a connection");
	/* It is hung up on for that, whatever comes. */
	for (struct pollfd over = { .fd = fd, .events = POLLIN }; !poll(&over, 1, 0); usleep(DRIP_US))
		tell(fd, " ", 1);
	hear(fd);
	close(fd);
	return NULL;
}

/* Requests that come byte by byte, on as many connections as a user may have. */
void slow(void)
{
	pthread_t all[8];

	for (unsigned i = 0; i < 8; i++)
		all[i] = thread(drip, NULL);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(all[i], NULL);
	CONCLUDE(MUST("too-slow"));
}

/* Thousands of connections. */
void many(void)
{
	struct rlimit limit;
	static int all[MANY];

	if (getrlimit(RLIMIT_NOFILE, &limit))
		fail("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		fail("setrlimit");
	while (going()) {
		for (unsigned i = 0; i < MANY; i++) {
			char byte;

			all[i] = control();
			if (all[i] < 0)
				got(errno);
			else if (recv(all[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1)
				hear(all[i]);
		}
		for (unsigned i = 0; i < MANY; i++)
			if (all[i] >= 0)
				close(all[i]);
	}
	got_word("connected");
	CONCLUDE(MUST("connected"), MUST("busy"), MAY("closed"), MAY("EAGAIN"), MAY("EMFILE"));
}

/* The courier's socket: tickets that are none. */
void tickets(void)
{
	while (going()) {
		int fd = connected("courier.sock", SOCK_SEQPACKET);
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		char bytes[17] = "";
		int answer = 0;

		if (fd < 0) {
			got(errno);
			continue;
		}
		send(fd, bytes, rand() % 2 ? 16 : 17, MSG_NOSIGNAL);
		if (poll(&ready, 1, ANSWER_MS) != 1)
			fail("no answer within %d ms", ANSWER_MS);
		if (recv(fd, &answer, sizeof(answer), 0) == sizeof(answer))
			got(answer);
		else
			got_word("closed");
		close(fd);
	}
	CONCLUDE(MUST("EINVAL"), MUST("EACCES"), MAY("EBUSY"), MAY("EAGAIN"));
}
