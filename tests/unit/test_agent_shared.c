/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_shared.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <sys/mman.h>

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
