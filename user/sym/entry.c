/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions are the outermost of a process or thread. */
#include <string.h>

#include "sym/symbolizer.h"

/* No start-up code is longer; it serves where the file has no symbols. */
#define ENTRY_CODE_MAX 64

/*
 * What was seen outermost in real programs, by a debugger that knows unwind tables. The C library's
 * functions between these and main() or a thread's function (__libc_start_main, start_thread) are
 * not here: a walk that ends in one of them has missed frames. Nor is runtime.systemstack, behind
 * which a goroutine's frames are missing.
 */
static const char *const entries[] = {
	"_start",	  /* programs, and the dynamic linker before them */
	"_dl_start_user", /* the dynamic linker runs constructors */
	"clone",	  /* glibc and musl: threads */
	"__clone",
	"clone3",
	"__clone3",
	"thread_start",	       /* the same on aarch64 */
	"runtime.goexit.abi0", /* Go: bottom of every goroutine; without .abi0 before Go 1.17 */
	"runtime.goexit",
	"runtime.mstart.abi0", /* Go: a thread's own stack */
	"runtime.mstart",
	"runtime.mcall",	  /* Go: the scheduler, after it has left a goroutine for good */
	"runtime.morestack.abi0", /* the same, of a goroutine that had run for long enough */
	"runtime.morestack",
	"runtime.rt0_go.abi0",
	"runtime.rt0_go",
};

int symbol_is_entry(const struct sym_result *res, uint64_t e_entry)
{
	const char *outermost;

	if (res->not_read)
		return 1;
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
