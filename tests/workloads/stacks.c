/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several stacks in one thread. See burn.h.
 *
 *   stacks context    coroutines of makecontext: __start_context → coroutine → on_own_stack → leaf
 *   stacks fibers     those of a scheduler of its own, in stacks_asm.S:
 *                     fiber_begin → fiber_main → on_own_stack → leaf
 *   stacks borrowed   a function called on another stack, and from there one on a third, which lies
 *                     above the second:
 *                     main → mode_borrowed → call_on → on_low → call_on → on_high → leaf
 *   stacks below      a thread at the end of its stack calls functions whose frames end where
 * nothing is mapped, as they do on a stack that is about to grow; each is in a page of code of its
 * own: start_thread → near_the_end → spin_below
 */
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "burn.h"
#include "stacks_asm.h"

#define STACK_SIZE (256 * 1024)
#define COROUTINES 2
#define SWITCHES   100

WORK_FUNCTION static void leaf(void)
{
	burn(BURN_STEPS / SWITCHES);
}

WORK_FUNCTION static void on_own_stack(void)
{
	leaf();
	BURN_NO_TAIL_CALL();
}

/* The upper end of stack @i of all, the next of which lies above it. */
static void *stack_top(int i)
{
	static char *stacks;

	if (!stacks)
		stacks = mmap(NULL, COROUTINES * STACK_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stacks == MAP_FAILED)
		exit(1);
	return stacks + (i + 1) * STACK_SIZE;
}

/* --- makecontext --------------------------------------------------------------------------- */

static ucontext_t scheduler, contexts[COROUTINES];

WORK_FUNCTION static void coroutine(int i)
{
	for (;;) {
		on_own_stack();
		swapcontext(&contexts[i], &scheduler);
	}
}

static void start_contexts(void)
{
	for (int i = 0; i < COROUTINES; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = (char *)stack_top(i) - STACK_SIZE;
		contexts[i].uc_stack.ss_size = STACK_SIZE;
		contexts[i].uc_link = &scheduler;
		makecontext(&contexts[i], (void (*)(void))coroutine, 1, i);
	}
}

WORK_FUNCTION static void mode_context(void)
{
	static bool started;

	if (!started)
		start_contexts();
	started = true;
	for (int i = 0; i < SWITCHES; i++)
		swapcontext(&scheduler, &contexts[i % COROUTINES]);
}

/* --- a scheduler of its own ---------------------------------------------------------------- */

static void *scheduler_sp, *fiber_sp[COROUTINES];

/* Where fiber_begin leads to. */
WORK_FUNCTION void fiber_main(uint64_t i)
{
	for (;;) {
		on_own_stack();
		fiber_switch(&fiber_sp[i], scheduler_sp);
	}
}

WORK_FUNCTION static void mode_fibers(void)
{
	static bool started;

	for (int i = 0; i < COROUTINES && !started; i++)
		fiber_sp[i] = fiber_prepare(stack_top(i), (uint64_t)i);
	started = true;
	for (int i = 0; i < SWITCHES; i++)
		fiber_switch(&scheduler_sp, fiber_sp[i % COROUTINES]);
}

/* --- borrowed stacks ----------------------------------------------------------------------- */

WORK_FUNCTION static void on_high(void)
{
	for (int i = 0; i < SWITCHES; i++)
		leaf();
}

WORK_FUNCTION static void on_low(void)
{
	call_on(on_high, stack_top(1));
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_borrowed(void)
{
	call_on(on_low, stack_top(0));
	BURN_NO_TAIL_CALL();
}

/* --- below the mapping ---------------------------------------------------------------------- */

#define SMALL_STACK (32 * 1024) /* a copy of a stack has all of it */
#define NEAR	    1024
#define BELOW_STEPS 8000000 /* 3 to 8 ms */

WORK_FUNCTION static void *near_the_end(void *end)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	BURN_KEEP(__builtin_alloca(here - (uintptr_t)end - NEAR));
	for (int i = 0; i < SPIN_BELOW_N && burn_goes_on(); i++)
		spin_below(i, BELOW_STEPS);
	return NULL;
}

/* The end of a stack below which nothing is mapped. */
static char *small_stack(void)
{
	char *room = mmap(NULL, 3 * SMALL_STACK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED || munmap(room, SMALL_STACK) < 0 ||
	    munmap(room + 2 * SMALL_STACK, SMALL_STACK) < 0)
		exit(1);
	return room + SMALL_STACK;
}

WORK_FUNCTION static void mode_below(void)
{
	char *end = small_stack();
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr) != 0 || pthread_attr_setstack(&attr, end, SMALL_STACK) != 0 ||
	    pthread_create(&thread, &attr, near_the_end, end) != 0)
		exit(1);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	munmap(end, SMALL_STACK);
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "context", mode_context },
		{ "fibers", mode_fibers },
		{ "borrowed", mode_borrowed },
		{ "below", mode_below },
		{ NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
