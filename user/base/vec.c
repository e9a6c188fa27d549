/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <stdint.h>

int vec_reserve_bytes(void **data, size_t *cap, size_t need, size_t elem)
{
	size_t bigger = *cap ? *cap : 8;
	void *p;

	if (need <= *cap)
		return 0;
	while (bigger < need) {
		if (bigger > SIZE_MAX / 2 / elem)
			return -ENOMEM;
		bigger *= 2;
	}

	p = realloc(*data, bigger * elem);
	if (!p)
		return -ENOMEM;
	*data = p;
	*cap = bigger;
	return 0;
}
