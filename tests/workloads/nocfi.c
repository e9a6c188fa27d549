/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-written code without CFI, in nocfi_asm.S. See burn.h.
 *
 *   nocfi frame       main → mode_frame → nocfi_call_frame → leaf: it keeps a frame pointer
 *   nocfi bare        main → mode_bare → nocfi_call_bare → leaf: it keeps none, who knows the way?
 *   nocfi leaf-frame  main → mode_leaf_frame → nocfi_spin_frame
 *   nocfi leaf-bare   main → mode_leaf_bare → nocfi_spin_bare
 */
#include "burn.h"

void nocfi_call_frame(void (*function)(void));
void nocfi_call_bare(void (*function)(void));
void nocfi_spin_frame(uint64_t steps);
void nocfi_spin_bare(uint64_t steps);

WORK_FUNCTION static void leaf(void)
{
	burn(BURN_STEPS);
}

WORK_FUNCTION static void mode_frame(void)
{
	nocfi_call_frame(leaf);
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_bare(void)
{
	nocfi_call_bare(leaf);
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_leaf_frame(void)
{
	nocfi_spin_frame(BURN_STEPS);
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_leaf_bare(void)
{
	nocfi_spin_bare(BURN_STEPS);
	BURN_NO_TAIL_CALL();
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "frame", mode_frame },
		{ "bare", mode_bare },
		{ "leaf-frame", mode_leaf_frame },
		{ "leaf-bare", mode_leaf_bare },
		{ NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
