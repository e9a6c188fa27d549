/* SPDX-License-Identifier: Apache-2.0 */
/* One of storm.c's: main → child_outer → child_leaf, for so many steps. */
#include "burn.h"

WORK_FUNCTION static void child_leaf(uint64_t steps)
{
	burn(steps);
}

WORK_FUNCTION static void child_outer(uint64_t steps)
{
	uint64_t room[20];

	BURN_KEEP(room);
	child_leaf(steps);
	BURN_KEEP(room);
}

int main(int argc, char **argv)
{
	child_outer(argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000);
	return 0;
}
