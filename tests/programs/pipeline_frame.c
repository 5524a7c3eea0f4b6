/* What's in a frame, seen through both mappings: see pipeline.h. */
#include "pipeline.h"

#include <linux/dma-buf.h>

uint64_t checksum(const void *addr, size_t size, uint64_t sum)
{
	const uint64_t prime = 1099511628211u;	/* FNV's, over words */
	const uint32_t *words = addr;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		sum = (sum ^ words[i]) * prime;
	return sum;
}

static uint64_t frame_sum(const struct pipeline *p, void *const *views, const struct shared *s)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < p->exporter->node.planes; i++)
		sum = checksum(views[i], s->size[i], sum);
	return sum;
}

/* Reading an export properly begins and ends with DMA_BUF_IOCTL_SYNC. */
static void sync_exports(const struct pipeline *p, const struct shared *s, uint64_t when)
{
	struct dma_buf_sync sync = { .flags = when | DMA_BUF_SYNC_READ };
	unsigned i;

	for (i = 0; i < p->exporter->node.planes; i++)
		need(try_ioctl(s->fds[i], DMA_BUF_IOCTL_SYNC, &sync), "DMA_BUF_IOCTL_SYNC");
}

static uint64_t exported_sum(const struct pipeline *p, const struct shared *s)
{
	uint64_t sum;

	sync_exports(p, s, DMA_BUF_SYNC_START);
	sum = frame_sum(p, s->exported, s);
	sync_exports(p, s, DMA_BUF_SYNC_END);
	return sum;
}

void spoil(struct pipeline *p, int k)
{
	struct shared *s = &p->shared[k];
	unsigned i;

	for (i = 0; i < p->exporter->node.planes; i++)
		fill_pattern(s->own[i], s->size[i], k + i);
}

struct sight look(struct pipeline *p, int k)
{
	struct shared *s = &p->shared[k];
	struct sight sight = { .written = true };
	unsigned i;

	for (i = 0; i < p->exporter->node.planes; i++)
		sight.written &= !has_pattern(s->own[i], s->size[i], k + i);
	s->sum = frame_sum(p, s->own, s);
	sight.alike = exported_sum(p, s) == s->sum;
	return sight;
}

bool unchanged(struct pipeline *p, int k)
{
	struct shared *s = &p->shared[k];

	return frame_sum(p, s->own, s) == s->sum && export_unchanged(p, k);
}

bool export_unchanged(struct pipeline *p, int k)
{
	return exported_sum(p, &p->shared[k]) == p->shared[k].sum;
}
