/* SPDX-License-Identifier: Apache-2.0 */
/* Names of functions from DWARF, for code whose symbols were removed. */
#ifndef SYM_DWARF_NAMES_H
#define SYM_DWARF_NAMES_H

#include "elf/elf_file.h"
#include "sym/sym_batch.h"

/*
 * Answers those queries of @b that have no answer yet, or a guessed one, and lie in a function that
 * the debug information of @ef describes. A file with more of it than a fixed limit is left alone:
 * libdw would hold all of it in memory. -ENODATA if there is nothing to use, -ENOMEM.
 */
int dwarf_names_answer(struct elf_file *ef, struct sym_batch *b);

#endif
