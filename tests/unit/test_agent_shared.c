/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_shared.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "leak_check.h"

static struct agent_shared *s;

static void init(void)
{
	s = agent_shared_new();
	cr_assert(s != NULL);
}

static void fini(void)
{
	agent_shared_free(s);
	leak_check();
}

TestSuite(agent_shared, .init = init, .fini = fini);

Test(agent_shared, memory_is_counted_once)
{
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
	agent_shared_set(s, AGENT_NUMBER_SAMPLER_MEMORY, 2000);
	agent_shared_set(s, AGENT_NUMBER_MAPS_MEMORY, 4000);
	agent_shared_set(s, AGENT_NUMBER_MAPS_MAPPED, 3000);
	cr_expect(eq(u64, agent_shared_sum_memory(s), 4000));
}
