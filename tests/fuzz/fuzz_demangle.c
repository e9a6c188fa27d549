/* SPDX-License-Identifier: Apache-2.0 */
/* Linker names of foreign files. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sym/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *name = strndup((const char *)data, size);
	char buf[256];

	if (!name)
		return 0;
	for (int style = DEMANGLE_FULL; style <= DEMANGLE_NONE; style++) {
		demangle_styled(name, style, buf, sizeof(buf));
		if (strnlen(buf, sizeof(buf)) == sizeof(buf))
			abort();
	}
	return 0;
}
