/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is accepted must be consistent enough to be written, and be read again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "export/pprof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	CLEANUP(pprof_freep) struct pprof *again = NULL;
	CLEANUP(freep) uint8_t *first = NULL;
	CLEANUP(freep) uint8_t *second = NULL;
	size_t n_first, n_second;

	if (pprof_decode(data, size, &p) < 0)
		return 0;

	check(pprof_encode(p, false, &first, &n_first) == 0);
	check(pprof_decode(first, n_first, &again) == 0);
	check(again->n_samples == p->n_samples && again->n_locations == p->n_locations);
	check(pprof_encode(again, false, &second, &n_second) == 0);
	check(n_first == n_second && memcmp(first, second, n_first) == 0);
	check(pprof_merge_samples(again) == 0);
	return 0;
}
