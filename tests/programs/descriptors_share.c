/* Exports that are inherited, duplicated, and carried across exec. */
#include "descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- fork ------------------------------------------------------------------------ */

struct inherited {
	const struct node *node;
	int fd, export;
	void *addr;		/* a mapping, or NULL */
	size_t length;
};

/* Maps the inherited descriptor and writes there. */
static void write_there(int sock, void *arg)
{
	struct inherited *in = arg;
	void *addr = map_shared(in->length, in->export, 0);

	fill_pattern(addr, in->length, 1);
}

static void fork_shares(const struct node *node, const struct node *peer)
{
	struct inherited in = { .node = node, .length = node->plane_size[0] };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	void *own = map_plane(fd, node, 0, 0, NULL);
	struct helper h;

	in.export = export_plane(fd, node, 0, 0, O_RDWR);
	h = helper_start(write_there, &in);
	helper_wait(&h);
	expect_that(has_pattern(own, in.length, 1), "what the child wrote",
		    "export inherited by a child, the node's mapping of it");
}

static void close_there(int sock, void *arg)
{
	struct inherited *in = arg;

	close_fd(in->export);
	unmap(in->addr, in->length);
}

static void fork_closes(const struct node *node, const struct node *peer)
{
	struct inherited in = { .node = node, .length = node->plane_size[0] };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct helper h;

	in.export = export_plane(fd, node, 0, 0, O_RDWR);
	in.addr = map_shared(in.length, in.export, 0);
	fill_pattern(in.addr, in.length, 2);
	h = helper_start(close_there, &in);
	helper_wait(&h);
	expect_that(has_pattern(in.addr, in.length, 2), "contents unchanged",
		    "export closed and unmapped by a child, the parent's mapping");
	expect_that(has_pattern(map_shared(in.length, in.export, 0), in.length, 2),
		    "contents unchanged", "a new mapping of the parent's descriptor");
}

static void hold_mapping(int sock, void *arg)
{
	struct inherited *in = arg;

	say(sock, 'h');
	hear(sock, 'e');
	need_that(has_pattern(in->addr, in->length, 3), "the inherited mapping has the contents");
}

static void fork_mapping(const struct node *node, const struct node *peer)
{
	struct inherited in = { .node = node, .length = node->plane_size[0] };
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	struct helper h;

	in.export = export_plane(fd, node, 0, 0, O_RDWR);
	in.addr = map_shared(in.length, in.export, 0);
	close_fd(in.export);
	fill_pattern(in.addr, in.length, 3);
	h = helper_start(hold_mapping, &in);
	hear(h.sock, 'h');
	unmap(in.addr, in.length);
	expect_held(fd, node, 0, true, "mapping of an export undone here, still there in a child");
	say(h.sock, 'e');
	helper_wait(&h);
	expect_held(fd, node, 0, false, "the child ended");
}

/* Exports through the inherited device, into its own descriptor table. */
static void export_there(int sock, void *arg)
{
	struct inherited *in = arg;
	unsigned before = open_descriptors();
	int export = export_plane(in->fd, in->node, 0, 0, O_RDWR | O_CLOEXEC);

	need_that(open_descriptors() == before + 1, "the export is in the child's table");
	send_fds(sock, &export, 1);
	hear(sock, 'e');
}

static void fork_exports(const struct node *node, const struct node *peer)
{
	struct inherited in = { .node = node, .length = node->plane_size[0] };
	unsigned before;
	struct helper h;
	int export;

	in.fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	h = helper_start(export_there, &in);
	before = open_descriptors();
	need_that(poll_events(h.sock, POLLIN, SOON_MS) & POLLIN, "the child has exported");
	expect_number((int)open_descriptors() - (int)before, 0,
		      "EXPBUF by a child on the inherited device: descriptors more here");
	expect_held(in.fd, node, 0, true, "QUERYBUF here");
	receive_fds(h.sock, &export, 1);
	say(h.sock, 'e');
	helper_wait(&h);
	fill_pattern(map_shared(in.length, export, 0), in.length, 4);
	expect_that(has_pattern(map_plane(in.fd, node, 0, 0, NULL), in.length, 4),
		    "one memory", "that export, received, and the node's mapping");
}

/* ---- dup -------------------------------------------------------------------------- */

static void dups(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int export = export_plane(fd, node, 0, 0, O_RDWR), copies[3];
	size_t length = node->plane_size[0];
	void *addr = map_shared(length, export, 0);
	bool same = true;
	int i;

	copies[0] = need_call(dup(export), "dup");
	copies[1] = need_call(dup2(export, 90), "dup2");
	copies[2] = need_call(fcntl(export, F_DUPFD_CLOEXEC, 0), "F_DUPFD_CLOEXEC");
	fill_pattern(addr, length, 5);
	close_fd(export);
	for (i = 0; i < 3; i++)
		same &= has_pattern(map_shared(length, copies[i], 0), length, 5);
	expect_that(same, "the same memory", "dup, dup2, F_DUPFD_CLOEXEC of an export, itself closed");
}

static void dup2_replaces(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int first = export_plane(fd, node, 0, 0, O_RDWR);
	int second = export_plane(fd, node, 1, 0, O_RDWR);

	need_call(dup2(second, first), "dup2");
	expect_held(fd, node, 0, false, "an export of another buffer put over the export by dup2");
	expect_held(fd, node, 1, true, "the other buffer");
	close_fd(second);
	expect_held(fd, node, 1, true, "its first descriptor closed");
	close_fd(first);
	expect_held(fd, node, 1, false, "its second closed");
}

/* ---- exec ------------------------------------------------------------------------- */

int exec_main(const char *fd)
{
	/* A descriptor that isn't there is EBADF; an export can be asked its size. */
	return lseek(atoi(fd), 0, SEEK_END) > 0 ? EXEC_OPEN : EXEC_CLOSED;
}

/* Forks, runs this program anew in the child, and gives back what it found. */
static int seen_after_exec(int fd)
{
	char number[16];
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", fd);
	pid = need_call(fork(), "fork");
	if (!pid) {
		execl("/proc/self/exe", "descriptors", EXEC_WORD, number, NULL);
		_exit(1);
	}
	need_call(waitpid(pid, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void exec_keeps(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	int kept = export_plane(fd, node, 0, 0, O_RDWR);
	int closed = export_plane(fd, node, 0, 0, O_RDWR | O_CLOEXEC);

	expect_that(seen_after_exec(kept) == EXEC_OPEN, "open",
		    "export without O_CLOEXEC, after exec");
	expect_that(seen_after_exec(closed) == EXEC_CLOSED, "closed", "with O_CLOEXEC");
}

/* Only this process holds the export, and then runs another program. */
static void exec_process(int sock, void *arg)
{
	struct inherited *in = arg;
	int keep = dup(sock);

	say(sock, 'm');
	hear(sock, 'x');
	/* `sh` reads from the socket until it is closed: alive, but holding nothing. */
	dup2(keep, 0);
	execl("/bin/sh", "sh", "-c", "read line", NULL);
	need_that(in == NULL, "exec of /bin/sh");
}

static bool let_go(void *arg)
{
	struct inherited *in = arg;

	return !(query_flags(in->fd, in->node, V4L2_MEMORY_MMAP, 0) & V4L2_BUF_FLAG_MAPPED);
}

static void exec_unmaps(const struct node *node, const struct node *peer)
{
	struct inherited in = { .node = node, .length = node->plane_size[0] };
	struct helper h;

	in.fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	in.export = export_plane(in.fd, node, 0, 0, O_RDWR | O_CLOEXEC);
	in.addr = map_shared(in.length, in.export, 0);
	h = helper_start(exec_process, &in);
	hear(h.sock, 'm');
	unmap(in.addr, in.length);
	close_fd(in.export);
	expect_held(in.fd, node, 0, true, "export and mapping only in a child");
	say(h.sock, 'x');
	expect_that(wait_until(let_go, &in), "no flag MAPPED",
		    "that child runs another program, O_CLOEXEC having been given");
	helper_kill(&h);
}

static const struct check checks[] = {
	{ "fork-shares", ON_EACH, fork_shares },
	{ "fork-closes", ON_EACH, fork_closes },
	{ "fork-mapping", ON_EACH, fork_mapping },
	{ "fork-exports", ON_EACH, fork_exports },
	{ "dup-same", ON_EACH, dups },
	{ "dup2-replaces", ON_EACH, dup2_replaces },
	{ "exec-cloexec", ON_EACH, exec_keeps },
	{ "exec-lets-go", ON_EACH, exec_unmaps },
	{ 0 }
};

const struct group descriptors_share = { "share", checks };
