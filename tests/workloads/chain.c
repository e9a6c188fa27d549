/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plainest chain, main → MODE → outer → middle → leaf, for whatever is to be tried with another
 * compiler, linker, C library or way to start it. See burn.h.
 *
 *   chain long    nearly all samples are in leaf
 *   chain short   leaf is so short that samples are everywhere, also on pushes, pops and returns
 */
#include "burn.h"

#define SHORT_STEPS  10
#define SHORT_ROUNDS 10000

static volatile uint64_t sink;

WORK_FUNCTION static void leaf(uint64_t steps)
{
	burn(steps);
}

/* With registers to save: several values live across the call. */
WORK_FUNCTION static void middle(uint64_t steps)
{
	uint64_t a = sink, b = a * 3, c = a ^ 5, d = a + 7;

	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	leaf(steps);
	sink = a + b + c + d;
}

/* With room for an array. */
WORK_FUNCTION static void outer(uint64_t steps)
{
	uint64_t room[20];

	BURN_KEEP(room);
	middle(steps);
	BURN_KEEP(room);
}

WORK_FUNCTION static void mode_long(void)
{
	outer(BURN_STEPS);
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_short(void)
{
	for (int i = 0; i < SHORT_ROUNDS; i++)
		outer(SHORT_STEPS);
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "long", mode_long },
		{ "short", mode_short },
		{ NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
