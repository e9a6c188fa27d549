/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_shared.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define SAMPLER_STUCK_NS  (15 * NSEC_PER_SEC)
#define NAMING_STUCK_NS	  (600 * NSEC_PER_SEC)
#define ENDPOINT_STUCK_NS (20 * NSEC_PER_SEC) /* beyond that of a request, twice */

#define AGENT_NUMBER_INFO_(id, kind, name, help) [AGENT_NUMBER_##id] = { AGENT_##kind, name, help },
static const struct agent_number_info infos[AGENT_NUMBER_COUNT] = { AGENT_NUMBERS(
	AGENT_NUMBER_INFO_) };
#undef AGENT_NUMBER_INFO_

const struct agent_number_info *agent_number_info(enum agent_number which)
{
	return &infos[which];
}

int agent_shared_map(int fd, struct agent_shared **ret)
{
	struct agent_shared *s;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(*s)) /* it would be SIGBUS */
		return -EBADMSG;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		return -errno;
	*ret = s;
	return 0;
}

int agent_shared_new(struct agent_shared **ret, int *ret_fd)
{
	CLEANUP(closep) int fd = -1;
	int r = memory_file_new("spanprof-shared", &fd);

	if (r < 0)
		return r;
	/* Who else has it is not to take the memory away under us. */
	if (ftruncate(fd, sizeof(**ret)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	r = agent_shared_map(fd, ret);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

void agent_shared_free(struct agent_shared *s)
{
	if (s)
		munmap(s, sizeof(*s));
}

void agent_shared_set(struct agent_shared *s, enum agent_number which, uint64_t value)
{
	atomic_store_explicit(&s->numbers[which], value, memory_order_relaxed);
}

void agent_shared_add(struct agent_shared *s, enum agent_number which, uint64_t by)
{
	atomic_fetch_add_explicit(&s->numbers[which], by, memory_order_relaxed);
}

uint64_t agent_shared_get(const struct agent_shared *s, enum agent_number which)
{
	return atomic_load_explicit(&s->numbers[which], memory_order_relaxed);
}

uint64_t agent_resident_bytes(pid_t pid)
{
	CLEANUP(fclosep) FILE *f = NULL;
	unsigned long pages;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/statm", pid ? pid : getpid());
	f = fopen(path, "re");
	if (!f || fscanf(f, "%*u %lu", &pages) != 1)
		return 0;
	return (uint64_t)pages * sysconf(_SC_PAGESIZE);
}

void agent_shared_note_process(struct agent_shared *s, enum agent_number cpu,
			       enum agent_number memory)
{
	struct timespec used = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	agent_shared_set(s, cpu, used.tv_sec * NSEC_PER_SEC + used.tv_nsec);
	agent_shared_set(s, memory, agent_resident_bytes(0));
}

uint64_t agent_shared_sum_memory(struct agent_shared *s)
{
	static const enum agent_number others[] = {
		AGENT_NUMBER_COURIER_MEMORY,
		AGENT_NUMBER_WORKER_MEMORY,
		AGENT_NUMBER_ROWS_MEMORY,
		AGENT_NUMBER_MAPS_MEMORY,
	};
	uint64_t sum = agent_shared_get(s, AGENT_NUMBER_SAMPLER_MEMORY);
	uint64_t mapped = agent_shared_get(s, AGENT_NUMBER_MAPS_MAPPED);

	sum -= mapped < sum ? mapped : sum;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		sum += agent_shared_get(s, others[i]);
	agent_shared_set(s, AGENT_NUMBER_MEMORY, sum);
	return sum;
}

static bool is_stuck(uint64_t now_ns, uint64_t beat_ns, uint64_t limit_ns)
{
	return beat_ns && now_ns > beat_ns && now_ns - beat_ns > limit_ns;
}

bool agent_shared_delivery_is_stuck(const struct agent_shared *s, uint64_t now_ns)
{
	uint64_t limit = ENDPOINT_STUCK_NS + 2 * atomic_load(&s->endpoint_timeout_ns);

	for (size_t i = 0; i < AGENT_ENDPOINT_PLACES; i++) {
		const struct delivery_stats *e = &s->endpoints[i];
		uint32_t state = atomic_load(&e->state);

		if (state != DELIVERY_UNUSED && state != DELIVERY_REMOVED &&
		    is_stuck(now_ns, atomic_load(&e->heartbeat_ns), limit))
			return true;
	}
	return false;
}

const char *agent_shared_sampler_illness(const struct agent_shared *s, uint64_t now_ns)
{
	if (is_stuck(now_ns, atomic_load(&s->sampler_beat_ns), SAMPLER_STUCK_NS))
		return "sampling is stuck";
	if (is_stuck(now_ns, atomic_load(&s->naming_since_ns), NAMING_STUCK_NS))
		return "naming is stuck";
	return NULL;
}

const char *agent_shared_illness(const struct agent_shared *s, uint64_t now_ns)
{
	const char *illness = agent_shared_sampler_illness(s, now_ns);

	if (!illness && agent_shared_delivery_is_stuck(s, now_ns))
		illness = "delivery is stuck";
	return illness;
}
