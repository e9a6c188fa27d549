/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library of which there are two of the same size, whose functions lie at the same places but
 * have frames of other sizes (PLUGIN_ROOM): whoever takes one for the other finds no way back.
 * See plugins.c.
 */
#include "burn.h"

void plugin_run(void);

/* Named by PLUGIN_LEAF, so that the two can be told apart. */
WORK_FUNCTION static void PLUGIN_LEAF(void)
{
	uint64_t room[PLUGIN_ROOM];

	BURN_KEEP(room);
	burn(BURN_STEPS);
	BURN_KEEP(room);
}

WORK_FUNCTION static void plugin_middle(void)
{
	uint64_t room[2 * PLUGIN_ROOM];

	BURN_KEEP(room);
	PLUGIN_LEAF();
	BURN_KEEP(room);
}

WORK_FUNCTION void plugin_run(void)
{
	plugin_middle();
	BURN_NO_TAIL_CALL();
}
