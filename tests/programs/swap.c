/*
 * The first REQBUFS: nothing but buffers comes of it. Whatever was done before with the descriptor,
 * its duplicates and those who wait for it holds afterwards, on a driver that can put another file
 * under a caller's number there, too.
 *
 *	swap [-l] [-g GROUP]... [-v] CAPTURE OUTPUT
 */
#include "swap.h"

#include <errno.h>
#include <string.h>

int try_allocate(int fd, const struct node *node)
{
	uint32_t count = BUFFERS;

	return try_reqbufs(fd, node, V4L2_MEMORY_MMAP, &count);
}

void allocate(int fd, const struct node *node)
{
	need_that(request_buffers(fd, node, V4L2_MEMORY_MMAP, BUFFERS) == BUFFERS,
		  "REQBUFS gives as many buffers as asked for");
}

void start(int fd, const struct node *node)
{
	uint32_t i;

	for (i = 0; i < BUFFERS; i++)
		queue_mmap(fd, node, i);
	stream_on(fd, node);
}

bool stream_frames_by(int take, int give, const struct node *node, uint32_t first)
{
	bool order = true;
	uint32_t n;

	for (n = 0; n < FRAMES; n++) {
		uint32_t index = dequeue(take, node);

		order &= index == (first + n) % BUFFERS;
		queue_mmap(give, node, index);
	}
	return order;
}

bool stream_frames(int fd, const struct node *node, uint32_t first)
{
	return stream_frames_by(fd, fd, node, first);
}

int try_map(int fd, const struct node *node)
{
	struct buffer b;
	unsigned p;
	int err = 0;

	query_buffer(fd, node, V4L2_MEMORY_MMAP, 0, &b);
	for (p = 0; p < node->planes && !err; p++)
		err = try_mmap(buffer_length(&b, p), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			       buffer_offset(&b, p), NULL);
	return err;
}

int try_share(int one, int other, const struct node *node)
{
	void *first, *second;
	struct buffer b;
	size_t length;
	int err;

	query_buffer(one, node, V4L2_MEMORY_MMAP, 0, &b);
	length = buffer_length(&b, 0);
	err = try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, one, buffer_offset(&b, 0), &first);
	if (err)
		return err;
	err = try_mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, other, buffer_offset(&b, 0), &second);
	if (err)
		return err;
	fill_pattern(first, length, 1);
	need_that(has_pattern(second, length, 1), "the two mappings are one memory");
	unmap(first, length);
	unmap(second, length);
	return 0;
}

/* ---- events ------------------------------------------------------------------------------ */

struct subscription subscribe(int fd, const struct node *node)
{
	struct v4l2_event_subscription sub = { .type = V4L2_EVENT_CTRL };
	struct subscription s = { .other = open_node(node, O_RDWR) };

	s.setting = find_setting(fd);
	s.value = s.setting.low;
	set_control(s.other, s.setting.id, s.value);
	sub.id = s.setting.id;
	need(try_ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &sub), "SUBSCRIBE_EVENT");
	return s;
}

void cause_event(struct subscription *s)
{
	s->value = s->value == s->setting.low ? s->setting.high : s->setting.low;
	set_control(s->other, s->setting.id, s->value);
}

int try_event(int fd)
{
	struct v4l2_event event;

	memset(&event, 0, sizeof(event));
	return try_ioctl(fd, VIDIOC_DQEVENT, &event);
}

int poll_event_call(void *fd)
{
	return poll_events(*(int *)fd, POLLPRI, FRAME_MS);
}

int main(int argc, char **argv)
{
	static const struct group *const groups[] = {
		&swap_dup, &swap_close, &swap_poll, &swap_epoll, &swap_flags, &swap_file,
		&swap_state, &swap_first, &swap_table, &swap_process, NULL
	};

	if (argc == 5 && !strcmp(argv[1], EXEC_WORD))
		return exec_main(argv + 2);
	return check_main("swap", groups, argc, argv);
}
