/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of every shape, main → mode_MODE → … → leaf. See burn.h.
 *
 *   frames recurse --levels N   … → mode_recurse → descend, N times → leaf
 *   frames large                a frame of 100 KiB
 *   frames alloca | vla         frames whose size is known at run time: they have a frame pointer
 *   frames aligned              a frame aligned to 64 bytes
 *   frames drap                 … of a function with arguments on the stack: CFA by an expression
 *   frames noreturn             the call of noreturn_leaf is the last instruction of ends_in_call
 *   frames tail                 tail_first jumps to tail_last, and is on no stack
 *   frames qsort                … → qsort of libc → compare
 *   frames pushes               arguments pushed one by one around a call
 */
#include <alloca.h>
#include <setjmp.h>

#include "burn.h"

#pragma GCC diagnostic ignored "-Wvla"

#define LARGE_SIZE (100 * 1024)
#define SORTED	   64

static volatile size_t some_size = 1000;
static volatile uint64_t sink;
static unsigned int levels;

WORK_FUNCTION static void leaf(void)
{
	burn(BURN_STEPS);
}

/* --- depth --------------------------------------------------------------------------------- */

WORK_FUNCTION static uint64_t descend(unsigned int more)
{
	uint64_t sum = more;

	if (more > 1)
		sum += descend(more - 1);
	else
		leaf();
	__asm__ volatile("" : "+r"(sum)); /* or it becomes a loop */
	return sum;
}

WORK_FUNCTION static void mode_recurse(void)
{
	descend(levels);
	BURN_NO_TAIL_CALL();
}

/* --- size ---------------------------------------------------------------------------------- */

WORK_FUNCTION static void large_frame(void)
{
	char room[LARGE_SIZE];

	BURN_KEEP(room);
	leaf();
	BURN_KEEP(room);
}

WORK_FUNCTION static void mode_large(void)
{
	large_frame();
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void alloca_frame(size_t n)
{
	char *room = alloca(n);

	BURN_KEEP(room);
	leaf();
	BURN_KEEP(room);
}

WORK_FUNCTION static void mode_alloca(void)
{
	alloca_frame(some_size);
	alloca_frame(40 * some_size);
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void vla_frame(size_t n)
{
	uint64_t room[n];

	BURN_KEEP(room);
	leaf();
	BURN_KEEP(room);
}

WORK_FUNCTION static void mode_vla(void)
{
	vla_frame(some_size);
	vla_frame(some_size / 7);
	BURN_NO_TAIL_CALL();
}

/* --- alignment ----------------------------------------------------------------------------- */

WORK_FUNCTION static void aligned_frame(void)
{
	_Alignas(64) char room[128];

	BURN_KEEP(room);
	leaf();
	BURN_KEEP(room);
}

WORK_FUNCTION static void mode_aligned(void)
{
	aligned_frame();
	BURN_NO_TAIL_CALL();
}

/* Arguments g and h are reached through the old stack pointer, the array through the new one. */
WORK_FUNCTION static uint64_t drap_frame(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
					 uint64_t f, uint64_t g, uint64_t h)
{
	_Alignas(64) uint64_t room[16] = { a, b, c, d, e, f, g, h };
	char *more = alloca(a);

	BURN_KEEP(room);
	BURN_KEEP(more);
	leaf();
	BURN_KEEP(room);
	BURN_KEEP(more);
	return room[3] + g + h;
}

WORK_FUNCTION static void mode_drap(void)
{
	drap_frame(some_size, 2, 3, 4, 5, 6, 7, 8);
	BURN_NO_TAIL_CALL();
}

/* --- calls --------------------------------------------------------------------------------- */

static jmp_buf home;

WORK_FUNCTION static __attribute__((noreturn)) void noreturn_leaf(void)
{
	burn(BURN_STEPS);
	longjmp(home, 1);
}

/* The return address of its call is the first instruction of what follows. */
WORK_FUNCTION static __attribute__((noreturn)) void ends_in_call(void)
{
	noreturn_leaf();
}

/* Follows, and has another frame at that place. */
WORK_FUNCTION static void after_the_end(void)
{
	leaf();
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_noreturn(void)
{
	if (setjmp(home) == 0)
		ends_in_call();
	if (!some_size)
		after_the_end();
}

WORK_FUNCTION static void tail_last(void)
{
	leaf();
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void tail_first(void)
{
	sink++;
	tail_last();
}

WORK_FUNCTION static void mode_tail(void)
{
	tail_first();
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static int compare(const void *a, const void *b)
{
	burn(BURN_STEPS / SORTED);
	return *(const int *)a - *(const int *)b;
}

WORK_FUNCTION static void mode_qsort(void)
{
	int values[SORTED];

	for (int i = 0; i < SORTED; i++)
		values[i] = i * 37 % SORTED;
	qsort(values, SORTED, sizeof(values[0]), compare);
	BURN_KEEP(values);
}

WORK_FUNCTION static void many_arguments(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
					 uint64_t f, uint64_t g, uint64_t h, uint64_t i)
{
	burn(200);
}

WORK_FUNCTION static void mode_pushes(void)
{
	for (unsigned int i = 0; i < BURN_STEPS / 200; i++)
		many_arguments(i, 1, 2, 3, 4, 5, i + 6, i + 7, i + 8);
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "recurse", mode_recurse },
		{ "large", mode_large },
		{ "alloca", mode_alloca },
		{ "vla", mode_vla },
		{ "aligned", mode_aligned },
		{ "drap", mode_drap },
		{ "noreturn", mode_noreturn },
		{ "tail", mode_tail },
		{ "qsort", mode_qsort },
		{ "pushes", mode_pushes },
		{ NULL, NULL },
	};

	(void)argc;
	levels = (unsigned int)arg_number(argv, "levels", 100);
	return burn_main(argv, modes);
}
