/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/map_memory.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"

uint64_t map_memory(int fd)
{
	CLEANUP(fclosep) FILE *f = NULL;
	char line[256];
	uint64_t bytes;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %" SCNu64, &bytes) == 1)
			return bytes;
	return 0;
}
