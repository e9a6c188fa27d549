/* SPDX-License-Identifier: Apache-2.0 */
/* Functions, inlined calls, source files and lines from DWARF. */
#ifndef SYM_DWARF_NAMES_H
#define SYM_DWARF_NAMES_H

#include "elf/debug_image.h"
#include "elf/elf_file.h"
#include "sym/file_source.h"
#include "sym/sym_batch.h"

struct dwarf_names_input {
	struct elf_file *code;		      /* the file that was mapped */
	struct elf_file *debug;		      /* that or its debug file: the one with DWARF */
	const struct sym_file_source *source; /* of the files that it refers to; NULL: none */
	struct debug_budget *budget;
};

/*
 * Completes those answers of @b that lie in a function which the debug information describes: with
 * the calls that were inlined there, each with its place in the source. A function of its own keeps
 * the name that a symbol gave it, unless that was guessed. -ENODATA if there is no DWARF to use,
 * -EFBIG if it is more than the budget, -ENOMEM.
 */
int dwarf_names_answer(const struct dwarf_names_input *in, struct sym_batch *b);

#endif
