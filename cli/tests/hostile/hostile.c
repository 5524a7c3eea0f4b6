/*
 * Callers that mean harm, and who stands by.
 *
 *	hostile ATTACK SECONDS CAMERA DISPLAY PLANAR SOCKETS MUTE
 *				attacks, by the nodes that are its own; says on one line what it got, and
 *				fails if that is not what it is to get
 *	hostile bystander OWN BESIDE
 *				streams from OWN; at "go" on its input it begins to take the time of its
 *				calls, and at "stop" it says what they took
 *	hostile mute FOLDER	serves a mount there that never answers, until it is killed; as root
 *
 * Exit status: 0 fine, 1 something is wrong (and said).
 */
#include "hostile.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

struct place at;

static long long ends_at;

bool going(void)
{
	return now_ms() < ends_at;
}

/* ---- what was got ------------------------------------------------------------------ */

enum { KINDS = 32 };

static struct {
	char name[24];
	unsigned long count;
} answers[KINDS];
static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER;

void got_word(const char *name)
{
	unsigned i;

	pthread_mutex_lock(&answers_lock);
	for (i = 0; i < KINDS - 1 && answers[i].count && strcmp(answers[i].name, name); i++)
		;
	snprintf(answers[i].name, sizeof(answers[i].name), "%s", name);
	answers[i].count++;
	pthread_mutex_unlock(&answers_lock);
}

void got(int wrong)
{
	const char *name = strerrorname_np(wrong);

	got_word(wrong == 0 ? "fine" : name ? name : "unknown");
}

void conclude(const struct foreseen *all, unsigned count)
{
	bool wrong = false;
	unsigned i, k;

	for (k = 0; k < KINDS && answers[k].count; k++) {
		say("%s%lu x %s", k ? ", " : "", answers[k].count, answers[k].name);
		for (i = 0; i < count && strcmp(all[i].name, answers[k].name); i++)
			;
		if (i == count) {
			fprintf(stderr, "hostile: %s is not what it is to get\n", answers[k].name);
			wrong = true;
		}
	}
	say("\n");
	for (i = 0; i < count; i++) {
		for (k = 0; k < KINDS && strcmp(all[i].name, answers[k].name); k++)
			;
		if (all[i].must && k == KINDS) {
			fprintf(stderr, "hostile: %s never came\n", all[i].name);
			wrong = true;
		}
	}
	if (wrong)
		_exit(1);
}

/* ---- a node ------------------------------------------------------------------------ */

int opened(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("open of %s", path);
	return fd;
}

int request(int fd, unsigned type, unsigned memory, unsigned count)
{
	struct v4l2_requestbuffers r = { .count = count, .type = type, .memory = memory };

	return call(fd, VIDIOC_REQBUFS, &r);
}

int export(int fd, unsigned index, int flags, int *exported)
{
	struct v4l2_exportbuffer e = { .type = CAPTURE, .index = index, .flags = flags | O_CLOEXEC };
	int wrong = call(fd, VIDIOC_EXPBUF, &e);

	*exported = wrong ? -1 : e.fd;
	return wrong;
}

int camera_with(unsigned count)
{
	int fd = opened(at.camera);

	need(request(fd, CAPTURE, MMAP, count), "REQBUFS of its own camera");
	return fd;
}

pthread_t thread(void *(*run)(void *), void *argument)
{
	pthread_t made;

	need(pthread_create(&made, NULL, run, argument), "a thread");
	return made;
}

pid_t child(void (*run)(int told))
{
	int told[2];
	char byte;
	pid_t made;

	if (pipe(told))
		fail("a pipe");
	made = fork();
	if (!made) {
		run(told[1]);
		_exit(1);
	}
	close(told[1]);
	if (made < 0 || read(told[0], &byte, 1) != 1)
		fail("a child has not come up");
	close(told[0]);
	return made;
}

unsigned descriptors(void)
{
	DIR *listing = opendir("/proc/self/fd");
	unsigned count = 0;

	while (listing && readdir(listing))
		count++;
	if (listing)
		closedir(listing);
	return count;
}

void same_descriptors(unsigned before)
{
	unsigned now = descriptors();
	char path[64], link[256];

	if (now == before)
		return;
	for (int fd = 0; fd < 1 << 16; fd++) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, link, sizeof(link));
		if (length > 0)
			fprintf(stderr, "hostile: %d: %.*s\n", fd, (int)length, link);
	}
	fail("it has %u descriptors, not %u", now, before);
}

void pause_some(unsigned most)
{
	usleep(rand() % most);
}

int main(int count, char **word)
{
	const struct {
		const char *name;
		void (*attack)(void);
	} all[] = {
		/* injected.c: what is done to a caller while it is made to receive a descriptor */
		{ "closes", closes }, { "replaces", replaces }, { "blocks", blocks }, { "swapped", swapped },
		{ "forks", forks }, { "execs", execs }, { "dies", dies },
		/* reached.c: its memory and its descriptors */
		{ "changes", changes }, { "unmaps", unmaps }, { "unserved", unserved },
		{ "mapped-mute", mapped_mute }, { "queues-mute", queues_mute },
		{ "withholds-mute", withholds }, { "remakes", remakes },
		/* exported.c: what it was given */
		{ "reopens", reopens }, { "pages", pages },
		/* storms.c */
		{ "opens", opens }, { "exports", exports }, { "orphans", orphans },
		{ "crowds", crowds }, { "harmless", harmless },
		/* sockets.c */
		{ "malformed", malformed }, { "slow", slow }, { "many", many }, { "tickets", tickets },
	};
	const char *what = count > 1 ? word[1] : "";
	unsigned i;

	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(what, "nothing"))
		return 0; /* what an attack executes */
	if (!strcmp(what, "bystander") && count == 4)
		return bystander(word[2], word[3]);
	if (!strcmp(what, "mute") && count == 3)
		return mute(word[2]);
	for (i = 0; count == 8 && i < sizeof(all) / sizeof(*all); i++) {
		if (!strcmp(what, all[i].name)) {
			at = (struct place){ word[3], word[4], word[5], word[6], word[7] };
			ends_at = now_ms() + atoi(word[2]) * 1000;
			srand(ends_at);
			all[i].attack();
			return 0;
		}
	}
	fprintf(stderr, "hostile: see the head of hostile.c\n");
	return 2;
}
