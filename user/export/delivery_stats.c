/* SPDX-License-Identifier: Apache-2.0 */
#include "export/delivery_stats.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

#define READ_TRIES 100

const uint64_t delivery_latency_bounds[DELIVERY_LATENCY_BUCKETS] = {
	5 * NSEC_PER_MSEC,   10 * NSEC_PER_MSEC, 50 * NSEC_PER_MSEC, 100 * NSEC_PER_MSEC,
	500 * NSEC_PER_MSEC, 1 * NSEC_PER_SEC,	 2 * NSEC_PER_SEC,   5 * NSEC_PER_SEC,
	10 * NSEC_PER_SEC,   30 * NSEC_PER_SEC,
};

static bool has_name(const struct delivery_stats *s, const char *name)
{
	return strncmp(s->name, name, sizeof(s->name)) == 0;
}

/* The agent does so before it tells the process that delivers: others only read meanwhile. */
static bool claim(struct delivery_stats *s, uint32_t from, const char *name)
{
	if (atomic_load(&s->state) != from)
		return false;
	atomic_store(&s->state, DELIVERY_UNUSED);
	memset(s->name, 0, sizeof(s->name));
	memset((char *)s + offsetof(struct delivery_stats, type), 0,
	       sizeof(*s) - offsetof(struct delivery_stats, type));
	strcpy(s->name, name);
	atomic_store(&s->state, DELIVERY_ACTIVE);
	return true;
}

struct delivery_stats *delivery_stats_of(struct delivery_stats *all, size_t n, const char *name)
{
	static const uint32_t usable[] = { DELIVERY_UNUSED, DELIVERY_REMOVED };

	if (strlen(name) >= sizeof(all->name))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (atomic_load(&all[i].state) != DELIVERY_UNUSED && has_name(&all[i], name))
			return &all[i];
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < n; i++)
			if (claim(&all[i], usable[round], name))
				return &all[i];
	return NULL;
}

void delivery_stats_remove(struct delivery_stats *s)
{
	if (atomic_load(&s->state) == DELIVERY_UNUSED)
		return;
	atomic_store(&s->failing_since_ns, 0);
	atomic_store(&s->state, DELIVERY_REMOVED);
}

static size_t bucket_of(uint64_t ns)
{
	size_t i = 0;

	while (i < DELIVERY_LATENCY_BUCKETS && ns > delivery_latency_bounds[i])
		i++;
	return i;
}

void delivery_stats_request(struct delivery_stats *s, enum delivery_outcome o, size_t bytes,
			    uint64_t ns)
{
	delivery_stats_set(s, heartbeat_ns, monotonic_ns());
	delivery_stats_add(s, requests[o], 1);
	if (o == DELIVERY_UNREACHED)
		return;
	delivery_stats_add(s, bytes_sent, bytes);
	delivery_stats_add(s, latency_sum_ns, ns);
	delivery_stats_add(s, latency[bucket_of(ns)], 1);
}

void delivery_stats_set_error(struct delivery_stats *s, const char *text)
{
	if (!s)
		return;
	atomic_fetch_or(&s->error_version, 1);
	atomic_thread_fence(memory_order_release);
	strncpy(s->error, text, sizeof(s->error) - 1);
	atomic_fetch_add_explicit(&s->error_version, 1, memory_order_release);
}

void delivery_stats_error(const struct delivery_stats *s, char ret[DELIVERY_ERROR_MAX])
{
	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t before = atomic_load_explicit(&s->error_version, memory_order_acquire);

		memcpy(ret, s->error, DELIVERY_ERROR_MAX);
		ret[DELIVERY_ERROR_MAX - 1] = '\0';
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 &&
		    atomic_load_explicit(&s->error_version, memory_order_relaxed) == before)
			return;
	}
	*ret = '\0';
}
