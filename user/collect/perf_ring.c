/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/perf_ring.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"

int perf_event_open_cpu(struct perf_event_attr *attr, int cpu)
{
	int fd = syscall(SYS_perf_event_open, attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int perf_ring_open(int cpu, size_t data_size, struct perf_ring *ret)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = 1,
		.wakeup_watermark = data_size / 2,
	};
	CLEANUP(closep) int fd = -1;
	size_t page_size = sysconf(_SC_PAGESIZE);
	void *page;

	fd = perf_event_open_cpu(&attr, cpu);
	if (fd < 0)
		return fd;
	page = mmap(NULL, page_size + data_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;

	*ret = (struct perf_ring){ .fd = TAKE_FD(fd), .page = page, .data_size = data_size };
	return 0;
}

void perf_ring_close(struct perf_ring *ring)
{
	if (ring->page)
		munmap(ring->page, sysconf(_SC_PAGESIZE) + ring->data_size);
	ring->page = NULL;
	closep(&ring->fd);
	vec_free(&ring->whole);
}

uint64_t perf_ring_enabled_ns(const struct perf_ring *ring)
{
	struct {
		uint64_t value, enabled;
	} counter = { 0 };

	return read(ring->fd, &counter, sizeof(counter)) == sizeof(counter) ? counter.enabled : 0;
}

/* The record at @pos in one piece: in the ring, or copied when it wraps. */
static int record_at(struct perf_ring *ring, uint64_t pos, size_t len, const void **ret)
{
	const char *data = (const char *)ring->page + ring->page->data_offset;
	size_t at = pos & (ring->data_size - 1);
	size_t first = ring->data_size - at;
	int r;

	*ret = data + at;
	if (len <= first)
		return 0;
	r = vec_reserve(&ring->whole, len / sizeof(uint64_t) + 1);
	if (r < 0)
		return r;
	memcpy(ring->whole.data, data + at, first);
	memcpy((char *)ring->whole.data + first, data, len - first);
	*ret = ring->whole.data;
	return 0;
}

int perf_ring_drain(struct perf_ring *ring, perf_ring_fn fn, void *ctx)
{
	const char *data = (const char *)ring->page + ring->page->data_offset;
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;
	int r = 0;

	while (tail < head) {
		/* A header is 8 bytes and records are aligned to 8: it never wraps. */
		const struct perf_event_header *header =
			(const void *)(data + (tail & (ring->data_size - 1)));
		size_t len = header->size;
		const void *record;

		if (len < sizeof(*header) || len > head - tail) {
			tail = head; /* cannot be: start anew behind it */
			r = -EBADMSG;
			break;
		}
		r = record_at(ring, tail, len, &record);
		if (r < 0)
			break;
		fn(ctx, record, len);
		tail += len;
	}
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
	return r;
}
