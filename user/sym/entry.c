/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions are the outermost of a process or thread. */
#include <string.h>

#include "sym/symbolizer.h"

/* No start-up code is longer; it serves where the file has no symbols. */
#define ENTRY_CODE_MAX 64

static const char *const entries[] = {
	"_start", /* the program's, and the dynamic linker's before it */
};

int symbol_is_entry(const struct sym_result *res, uint64_t e_entry)
{
	const char *outermost;

	if (res->n_frames == 0)
		return res->vaddr >= e_entry && res->vaddr - e_entry < ENTRY_CODE_MAX;
	if (res->start == e_entry)
		return 1;

	outermost = res->frames[res->n_frames - 1].function;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (strcmp(outermost, entries[i]) == 0)
			return 1;
	return 0;
}
