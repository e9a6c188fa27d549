/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <malloc.h>

/* glibc's first limits. Setting one ends that they grow. */
#define LARGE (128 * 1024)

void memory_stay_small(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
	(void)mallopt(M_TRIM_THRESHOLD, LARGE);
}

void memory_give_back(void)
{
	(void)malloc_trim(0);
}
