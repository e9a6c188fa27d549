/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <malloc.h>

/* What glibc begins with. That it is set ends that this limit, and the one for heaps, grow. */
#define LARGE (128 * 1024)

void memory_stay_small(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
}

void memory_give_back(void)
{
	(void)malloc_trim(0);
}
