/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_shared.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/io.h"
#include "leak_check.h"

TestSuite(agent_shared, .fini = leak_check, .timeout = 60);

Test(agent_shared, is_one_memory_for_all_who_map_it)
{
	CLEANUP(agent_shared_freep) struct agent_shared *a = NULL, *b = NULL;
	CLEANUP(closep) int fd = -1;

	cr_assert(zero(int, agent_shared_new(&a, &fd)));
	cr_assert(zero(int, agent_shared_map(fd, &b)));
	cr_assert(ne(ptr, a, b));
	cr_expect(zero(u64, agent_shared_get(b, AGENT_NUMBER_SAMPLES)));
	agent_shared_add(a, AGENT_NUMBER_SAMPLES, 7);
	cr_expect(eq(u64, agent_shared_get(b, AGENT_NUMBER_SAMPLES), 7));
}

/* A page that is gone would be the end of who looks at it. */
Test(agent_shared, nobody_takes_the_memory_away)
{
	CLEANUP(agent_shared_freep) struct agent_shared *a = NULL;
	CLEANUP(closep) int fd = -1;

	cr_assert(zero(int, agent_shared_new(&a, &fd)));
	cr_expect(eq(int, ftruncate(fd, 0), -1));
	cr_expect(eq(int, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1));
	cr_expect(eq(u32, fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC));
}

Test(agent_shared, a_file_that_is_too_small_is_not_taken)
{
	CLEANUP(closep) int fd = -1;
	struct agent_shared *s = NULL;

	cr_assert(zero(int, memory_file_new("small", &fd)));
	cr_assert(zero(int, ftruncate(fd, sizeof(*s) - 1)));
	cr_expect(eq(int, agent_shared_map(fd, &s), -EBADMSG));
	cr_expect(eq(ptr, s, NULL));
}

#define S NSEC_PER_SEC

struct beats {
	uint64_t sampler, naming, delivery; /* how long ago; 0: never */
	uint32_t state;
	uint64_t timeout;
};

/* What is said 1000 s after the start, of all and of the sampler. */
static void assert_illness(struct beats b, const char *all, const char *of_sampler)
{
	static struct agent_shared s;
	const uint64_t now = 1000 * S;
	const char *got;

	memset(&s, 0, sizeof(s));
	atomic_store(&s.sampler_beat_ns, b.sampler ? now - b.sampler : 0);
	atomic_store(&s.naming_since_ns, b.naming ? now - b.naming : 0);
	atomic_store(&s.endpoints[1].heartbeat_ns, b.delivery ? now - b.delivery : 0);
	atomic_store(&s.endpoints[1].state, b.state);
	atomic_store(&s.endpoint_timeout_ns, b.timeout);
	got = agent_shared_illness(&s, now);
	cr_expect(all ? got && strcmp(got, all) == 0 : !got, "%s", got ? got : "ok");
	got = agent_shared_sampler_illness(&s, now);
	cr_expect(of_sampler ? got && strcmp(got, of_sampler) == 0 : !got, "%s", got ? got : "ok");
}

Test(agent_shared, old_beats_are_an_illness)
{
	const char *sampling = "sampling is stuck", *naming = "naming is stuck";

	assert_illness((struct beats){ 0 }, NULL, NULL);
	assert_illness((struct beats){ .sampler = 14 * S, .naming = 599 * S }, NULL, NULL);
	assert_illness((struct beats){ .sampler = 16 * S }, sampling, sampling);
	assert_illness((struct beats){ .naming = 601 * S }, naming, naming);
}

/* Not of the sampler: it starts only what delivers again, and does not have itself ended. */
Test(agent_shared, an_endpoint_that_hangs_is_no_illness_of_the_sampler)
{
	const char *delivery = "delivery is stuck";
	struct beats b = { S, S, 25 * S, DELIVERY_ACTIVE, 3 * S };

	assert_illness(b, NULL, NULL);
	b.delivery = 27 * S;
	assert_illness(b, delivery, NULL);
	b.state = DELIVERY_FAILING;
	assert_illness(b, delivery, NULL);
	b.timeout = 30 * S;
	assert_illness(b, NULL, NULL);
	b.delivery = 81 * S;
	assert_illness(b, delivery, NULL);
	b.state = DELIVERY_REMOVED;
	assert_illness(b, NULL, NULL);
}

Test(agent_shared, memory_is_counted_once)
{
	CLEANUP(agent_shared_freep) struct agent_shared *s = NULL;
	CLEANUP(closep) int fd = -1;

	cr_assert(zero(int, agent_shared_new(&s, &fd)));
	agent_shared_set(s, AGENT_NUMBER_SAMPLER_MEMORY, 20000000);
	agent_shared_set(s, AGENT_NUMBER_COURIER_MEMORY, 5000000);
	agent_shared_set(s, AGENT_NUMBER_WORKER_MEMORY, 700000);
	agent_shared_set(s, AGENT_NUMBER_ROWS_MEMORY, 30000);
	agent_shared_set(s, AGENT_NUMBER_MAPS_MEMORY, 4000);
	agent_shared_set(s, AGENT_NUMBER_MAPS_MAPPED, 3000);
	cr_expect(eq(u64, agent_shared_sum_memory(s), 25731000));
	cr_expect(eq(u64, agent_shared_get(s, AGENT_NUMBER_MEMORY), 25731000));
}

/* A kernel that does not count mapped maps, or a process that could not be looked at. */
Test(agent_shared, memory_that_is_mapped_and_not_resident)
{
	CLEANUP(agent_shared_freep) struct agent_shared *s = NULL;
	CLEANUP(closep) int fd = -1;

	cr_assert(zero(int, agent_shared_new(&s, &fd)));
	agent_shared_set(s, AGENT_NUMBER_SAMPLER_MEMORY, 2000);
	agent_shared_set(s, AGENT_NUMBER_MAPS_MEMORY, 4000);
	agent_shared_set(s, AGENT_NUMBER_MAPS_MAPPED, 3000);
	cr_expect(eq(u64, agent_shared_sum_memory(s), 4000));
}
