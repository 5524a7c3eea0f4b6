/*
 * A mount that never answers: it is served as far as a file of it can be opened and mapped, and
 * everything that is asked of the file is taken and left lying. The pages of the file "halfway" can be
 * read, and are not kept by a descriptor that is for reading only.
 */
#include "hostile.h"
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { SIZE = 1 << 20, ROOT_INODE = 1, FILE_INODE, HALFWAY_INODE };

static void answer(int fuse, uint64_t unique, int error, const void *bytes, size_t size)
{
	static char message[8192];
	struct fuse_out_header head = { .len = sizeof(head) + size, .error = -error, .unique = unique };

	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), bytes, size);
	if (write(fuse, message, head.len) < 0 && errno != ENOENT)
		fail("an answer");
}

static struct fuse_attr attributes(uint64_t inode)
{
	return (struct fuse_attr){
		.ino = inode,
		.size = SIZE,
		.blocks = SIZE / 512,
		.mode = inode == ROOT_INODE ? S_IFDIR | 0755 : S_IFREG | 0666,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void serve(int fuse, const struct fuse_in_header *head, const void *argument)
{
	const uint64_t inode = head->nodeid, forever = 1 << 20;

	switch (head->opcode) {
	case FUSE_INIT: {
		const struct fuse_init_in *in = argument;
		/* Without FUSE_ASYNC_READ: who reads a page waits for it himself. */
		struct fuse_init_out out = { .major = 7, .minor = in->minor, .max_write = 4096 };

		answer(fuse, head->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out out = { .entry_valid = forever, .attr_valid = forever };

		out.nodeid = strcmp(argument, "halfway") ? FILE_INODE : HALFWAY_INODE;
		out.attr = attributes(out.nodeid);
		answer(fuse, head->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out out = { .attr_valid = forever, .attr = attributes(inode) };

		answer(fuse, head->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		const struct fuse_open_in *in = argument;
		struct fuse_open_out out = { .fh = inode };

		if (inode == HALFWAY_INODE && (in->flags & O_ACCMODE) == O_RDONLY)
			out.open_flags = FOPEN_DIRECT_IO;
		answer(fuse, head->unique, 0, &out, sizeof(out));
		break;
	}
	case FUSE_READ: {
		static const char zeros[4096];

		if (inode == HALFWAY_INODE)
			answer(fuse, head->unique, 0, zeros, sizeof(zeros));
		break;
	}
	case FUSE_ACCESS:
		answer(fuse, head->unique, ENOSYS, NULL, 0);
		break;
	default:
		break; /* POLL, WRITE, FLUSH, IOCTL, …: never */
	}
}

/* Says "mounted", and serves until it is killed, which ends whatever waits. */
int mute(const char *folder)
{
	static union {
		char bytes[1 << 17];
		struct fuse_in_header head;
	} message;
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
	if (fuse < 0 || mount("mute", folder, "fuse", MS_NOSUID | MS_NODEV, options))
		fail("a mount on %s", folder);
	say("mounted\n");
	for (;;) {
		ssize_t got = read(fuse, message.bytes, sizeof(message.bytes));

		if (got < 0 && errno != EINTR && errno != ENOENT && errno != EAGAIN)
			return errno != ENODEV; /* unmounted */
		if (got >= (ssize_t)sizeof(message.head))
			serve(fuse, &message.head, message.bytes + sizeof(message.head));
	}
}
