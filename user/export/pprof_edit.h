/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to a whole profile that hold for whatever is made of it: tables, pages, pprof files. */
#ifndef EXPORT_PPROF_EDIT_H
#define EXPORT_PPROF_EDIT_H

#include "base/arena.h"
#include "export/pprof.h"
#include "sym/demangle.h"

/*
 * Names of functions follow anew from the linker's names. A function whose linker's name is not
 * known, or cannot be read, keeps its name; so it does in DEMANGLE_FULL if it has been demangled,
 * maybe by a tool that knows better. -ENOMEM.
 */
int pprof_demangle(struct pprof *p, enum demangle_style style);

/*
 * The same by @read, in another process maybe: fills ret[0..n), from @memory, with the readable
 * forms of names[0..n), NULL for those that have none. What it returns is returned; names that it
 * has read are used all the same.
 */
typedef int (*pprof_read_names_fn)(void *ctx, enum demangle_style style, const char *const *names,
				   size_t n, struct arena *memory, const char **ret);
int pprof_demangle_by(struct pprof *p, enum demangle_style style, pprof_read_names_fn read,
		      void *ctx);

/* Calls that were inlined become part of the function that the code belongs to. */
void pprof_fold_inlined(struct pprof *p);

#endif
