/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "resident.h"

#define MIB    (1ul << 20)
#define BLOCKS 16
#define SMALL  1024

TestSuite(memory);

/* The compiler does not see that nobody reads it. */
static char *take(size_t size)
{
	char *volatile p = malloc(size);

	memset(p, 1, size);
	return p;
}

/* A busy moment in a thread's own heap, after a block that glibc's limits would grow with. */
static void *be_busy(void *unused)
{
	char *blocks[BLOCKS];

	free(take(20 * MIB));
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = take(MIB);
	for (size_t i = BLOCKS; i-- > 0;)
		free(blocks[i]);
	return NULL;
}

static void in_a_thread(void *(*what)(void *), void *arg)
{
	pthread_t t;

	cr_assert(zero(int, pthread_create(&t, NULL, what, arg)));
	cr_assert(zero(int, pthread_join(t, NULL)));
}

Test(memory, what_was_freed_is_the_hosts_at_once)
{
	size_t before = resident();

	memory_stay_small();
	in_a_thread(be_busy, NULL);
	cr_assert(lt(sz, resident(), before + BLOCKS * MIB / 2));
}

/* Small blocks with one that stays at the end of all, so that the heap cannot become shorter. */
Test(memory, pages_between_blocks_are_given_back)
{
	static char *blocks[16 * MIB / SMALL];
	size_t n = sizeof(blocks) / sizeof(blocks[0]), before;
	char *last;

	memory_stay_small();
	before = resident();
	for (size_t i = 0; i < n; i++)
		blocks[i] = take(SMALL);
	last = take(SMALL);
	cr_assert(gt(sz, resident(), before + 12 * MIB));
	for (size_t i = 0; i < n; i++)
		free(blocks[i]);
	memory_give_back();
	cr_assert(lt(sz, resident(), before + 8 * MIB));
	free(last);
}
