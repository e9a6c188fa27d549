/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to a whole profile that hold for whatever is made of it: tables, pages, pprof files. */
#ifndef EXPORT_PPROF_EDIT_H
#define EXPORT_PPROF_EDIT_H

#include "export/pprof.h"
#include "sym/demangle.h"

/*
 * Names of functions follow anew from the linker's names. A function whose linker's name is not
 * known, or cannot be read, keeps its name; so it does in DEMANGLE_FULL if it has been demangled,
 * maybe by a tool that knows better. -ENOMEM.
 */
int pprof_demangle(struct pprof *p, enum demangle_style style);

/* Calls that were inlined become part of the function that the code belongs to. */
void pprof_fold_inlined(struct pprof *p);

#endif
