/* The camera in one process, the display in another: descriptors go over a socket
 * once, then only the numbers of buffers. */
#include "pipeline.h"

#include <string.h>
#include <unistd.h>

#define BUFFERS 4

/* Both processes see it. */
struct board {
	const struct node *output;
	enum exports exports;
	struct end camera;		/* as the camera's process has it */
	bool same_format;
	size_t size[VIDEO_MAX_PLANES];
	uint32_t bytesused[BUFFERS][VIDEO_MAX_PLANES], data_offset[BUFFERS][VIDEO_MAX_PLANES];
	uint64_t sum[BUFFERS];		/* of the frame in each buffer */
	bool fine;
};

static struct board *new_board(const struct node *output, enum exports exports)
{
	void *memory;
	struct board *board;

	need(try_mmap(sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0,
		      &memory), "mmap of shared memory");
	board = memory;
	board->output = output;
	board->exports = exports;
	board->fine = true;
	return board;
}

static uint64_t sum_of(void *const *views, const size_t *size, unsigned planes)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < planes; i++)
		sum = checksum(views[i], size[i], sum);
	return sum;
}

/* The display's process: receives all exports, then a message for each frame,
 * which it answers with the buffer that's free again ('-' while there's none). */
static void display_process(int sock, void *arg)
{
	struct board *board = arg;
	struct pipeline p = { .same_format = false };
	struct end *display = &p.display;
	const struct node *node = board->output;
	unsigned planes = node->planes, i;
	int k, n;

	end_open(display, node);
	display->memory = V4L2_MEMORY_DMABUF;
	display->count = request_buffers(display->fd, node, V4L2_MEMORY_DMABUF, BUFFERS);
	for (k = 0; k < BUFFERS; k++) {
		receive_fds(sock, p.shared[k].fds, planes);
		for (i = 0; i < planes; i++)
			p.shared[k].exported[i] = map_shared(board->size[i], p.shared[k].fds[i], 0);
	}
	stream_on(display->fd, node);
	for (n = 0; n < FRAMES; n++) {
		char message;

		need_that(read(sock, &message, 1) == 1, "the camera's process has a frame");
		k = message - '0';
		p.same_format = board->same_format;
		board->fine &= sum_of(p.shared[k].exported, board->size, planes) == board->sum[k];
		memcpy(p.shared[k].bytesused, board->bytesused[k], sizeof(board->bytesused[k]));
		memcpy(p.shared[k].data_offset, board->data_offset[k], sizeof(board->data_offset[k]));
		end_put(&p, display, k);
		if (n) {
			k = end_take(&p, display);
			board->fine &= sum_of(p.shared[k].exported, board->size, planes) ==
				       board->sum[k];
		}
		say(sock, n ? '0' + k : '-');
	}
}

/* Opens the camera with its buffers, and hands them over. */
static void camera_open(struct pipeline *p, const struct node *node, const struct node *peer,
			struct board *board)
{
	unsigned i;

	memset(p, 0, sizeof(*p));
	end_open(&p->camera, node);
	p->display.node = *peer;
	p->same_format = board->same_format = match_format(&p->camera, peer);
	p->exporter = &p->camera;
	pipeline_share(p, BUFFERS);
	for (i = 0; i < node->planes; i++)
		board->size[i] = p->camera.node.plane_size[i];
}

static void two_processes(const struct node *node, const struct node *peer)
{
	struct board *board = new_board(peer, CAMERA_EXPORTS);
	struct pipeline p;
	struct helper h;
	int n, k;

	if (node->planes != peer->planes)
		skip("the nodes have no format with as many planes in common");
	h = helper_start(display_process, board);
	camera_open(&p, node, peer, board);
	for (k = 0; k < BUFFERS; k++)
		send_fds(h.sock, p.shared[k].fds, node->planes);
	for (k = 0; k < BUFFERS; k++)
		end_put(&p, &p.camera, k);
	stream_on(p.camera.fd, &p.camera.node);
	for (n = 0; n < FRAMES; n++) {
		char answer;

		k = end_take(&p, &p.camera);
		board->sum[k] = sum_of(p.shared[k].own, board->size, node->planes);
		memcpy(board->bytesused[k], p.shared[k].bytesused, sizeof(board->bytesused[k]));
		memcpy(board->data_offset[k], p.shared[k].data_offset, sizeof(board->data_offset[k]));
		say(h.sock, '0' + k);
		need_that(read(h.sock, &answer, 1) == 1, "the display's process answers");
		if (answer != '-')
			end_put(&p, &p.camera, answer - '0');
	}
	helper_wait(&h);
	expect_that(board->fine, "the camera's",
		    "the camera here, the display in another process, %d frames: contents there, before and after",
		    FRAMES);
}

static const struct check checks[] = {
	{ "two-processes", ON_PAIR, two_processes },
	{ 0 }
};

const struct group pipeline_process = { "process", checks };
