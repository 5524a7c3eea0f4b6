/* What can, and what can't be done with an exported descriptor. */
#include "lifetime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/dma-buf.h>

/* The errno of a system call's result. */
static int result(long got)
{
	return got == -1 ? errno : 0;
}

static int an_export(const struct node *node, uint32_t flags)
{
	return export_plane(open_buffers(node, V4L2_MEMORY_MMAP, 2), node, 0, 0, flags);
}

static void read_write(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDWR);
	char byte = 0;

	expect(result(read(export, &byte, 1)), EINVAL, "read of an export");
	expect(result(write(export, &byte, 1)), EINVAL, "write");
}

static void pread_pwrite(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDWR);
	char byte = 0;

	expect(result(pread(export, &byte, 1, 0)), ESPIPE, "pread of an export");
	expect(result(pwrite(export, &byte, 1, 0)), ESPIPE, "pwrite");
}

static void wrong_direction(const struct node *node, const struct node *peer)
{
	char byte = 0;

	expect(result(read(an_export(node, O_WRONLY), &byte, 1)), EBADF,
	       "read of an O_WRONLY export");
}

static void wrong_direction_write(const struct node *node, const struct node *peer)
{
	char byte = 0;

	expect(result(write(an_export(node, O_RDONLY), &byte, 1)), EBADF,
	       "write to an O_RDONLY export");
}

static void size(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		int export = export_plane(fd, node, 0, p, O_RDWR);
		struct buffer b;

		query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
		need_that(lseek(export, 0, SEEK_END) == (off_t)page_rounded(buffer_length(&b, p)),
			  "lseek(0, SEEK_END) gives the page-rounded length of the plane");
	}
	expect_that(true, "the plane's length, rounded up to pages", "lseek(0, SEEK_END)");
}

static void seek(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDWR);

	expect_number(lseek(export, 0, SEEK_SET), 0, "lseek(0, SEEK_SET)");
	expect(result(lseek(export, 1, SEEK_SET)), EINVAL, "(1, SEEK_SET)");
	expect(result(lseek(export, 0, SEEK_CUR)), EINVAL, "(0, SEEK_CUR)");
	expect(result(lseek(export, -1, SEEK_END)), EINVAL, "(-1, SEEK_END)");
	expect(result(lseek(export, 0, SEEK_DATA)), EINVAL, "(0, SEEK_DATA)");
}

static void file_calls(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDWR);

	expect(result(fallocate(export, 0, 0, 4096)), ENODEV, "fallocate");
	expect(result(fallocate(export, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)),
	       ENODEV, "fallocate(PUNCH_HOLE)");
	expect(result(ftruncate(export, 0)), EINVAL, "ftruncate");
	expect(result(fsync(export)), EINVAL, "fsync");
	expect(result(fcntl(export, F_GET_SEALS)), EINVAL, "F_GET_SEALS");
}

static void reopen(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDONLY);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", export);
	expect(result(open(path, O_RDONLY)), ENXIO, "open of an O_RDONLY export in /proc/self/fd");
	expect(result(open(path, O_RDWR)), ENXIO, "open of it with O_RDWR");
}

static void polled(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDWR);

	expect_poll(poll_events(export, POLLIN | POLLOUT, SOON_MS), POLLIN | POLLOUT,
		    "poll of an export for POLLIN|POLLOUT");
	expect_poll(poll_events(export, POLLIN, SOON_MS), POLLIN, "for POLLIN");
}

static void ioctls(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDWR);
	struct v4l2_capability cap;

	expect(try_ioctl(export, VIDIOC_QUERYCAP, &cap), ENOTTY, "VIDIOC_QUERYCAP on an export");
	expect(try_ioctl(export, _IO('x', 1), NULL), ENOTTY, "an unknown ioctl");
	expect(try_ioctl(export, _IO(DMA_BUF_BASE, 99), NULL), ENOTTY,
	       "an unknown one with dma-buf's letter");
}

static int try_sync(int export, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return try_ioctl(export, DMA_BUF_IOCTL_SYNC, &sync);
}

static void sync_ioctl(const struct node *node, const struct node *peer)
{
	int export = an_export(node, O_RDWR);

	expect(try_sync(export, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW), 0,
	       "DMA_BUF_IOCTL_SYNC start, read and write");
	expect(try_sync(export, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW), 0, "end");
	expect(try_sync(export, DMA_BUF_SYNC_START), EINVAL, "neither read nor write");
	expect(try_sync(export, ~0ull), EINVAL, "unknown flags");
	expect(try_ioctl(export, DMA_BUF_IOCTL_SYNC, NULL), EFAULT, "a NULL pointer");
}

static void past_end(const struct node *node, const struct node *peer)
{
	int fd = open_buffers(node, V4L2_MEMORY_MMAP, 2);
	unsigned p;

	for (p = 0; p < node->planes; p++) {
		int export = export_plane(fd, node, 0, p, O_RDWR);
		size_t size = page_rounded(node->plane_size[p]), page = page_rounded(1);
		unsigned char *addr;

		need_that(try_mmap(size + page, PROT_READ, MAP_SHARED, export, 0, NULL) == EINVAL,
			  "mmap of one page too many gives EINVAL");
		need_that(try_mmap(page, PROT_READ, MAP_SHARED, export, size, NULL) == EINVAL,
			  "mmap of a page from the end gives EINVAL");
		need_that(try_mmap(size, PROT_READ, MAP_SHARED, export, page, NULL) == EINVAL,
			  "mmap of the whole length one page further gives EINVAL");
		addr = map_shared(size, export, 0);
		addr[size - 1] = 0x5a;
		need_that(addr[size - 1] == 0x5a, "the last byte of the last page is memory");
	}
	expect_that(true, "EINVAL", "mmap of an export past its end (too long, or from a later offset)");
	expect_that(true, "memory to the last byte", "mmap of all its pages");
}

static const struct check checks[] = {
	{ "export-read-write", ON_EACH, read_write },
	{ "export-pread-pwrite", ON_EACH, pread_pwrite },
	{ "export-read-wronly", ON_EACH, wrong_direction },
	{ "export-write-rdonly", ON_EACH, wrong_direction_write },
	{ "export-size", ON_EACH, size },
	{ "export-seek", ON_EACH, seek },
	{ "export-file-calls", ON_EACH, file_calls },
	{ "export-reopen", ON_EACH, reopen },
	{ "export-poll", ON_EACH, polled },
	{ "export-ioctl-unknown", ON_EACH, ioctls },
	{ "export-sync", ON_EACH, sync_ioctl },
	{ "export-map-past-end", ON_EACH, past_end },
	{ 0 }
};

const struct group lifetime_export = { "export", checks };
