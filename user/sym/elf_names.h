/* SPDX-License-Identifier: Apache-2.0 */
/* Names from the symbol tables of an ELF file. */
#ifndef SYM_ELF_NAMES_H
#define SYM_ELF_NAMES_H

#include "elf/elf_file.h"
#include "sym/sym_batch.h"

/*
 * Answers the queries of @b that symbols of @ef, of its separate debug file @debug, or of the small
 * one @mini that it holds itself cover; NULL: there is none. The tables are streamed once; memory
 * grows with the batch, not with the file.
 *
 * A symbol with a size covers its bytes; of several the one that starts closest wins, then a typed
 * one, then alias_compare() decides. A symbol without a size (assembly) reaches up to the next
 * symbol or the end of its section, and counts, as a guess, where no sized one does. Nothing else
 * has a name: a gap after a symbol is not the symbol. -ENOMEM.
 */
int elf_names_answer(struct elf_file *ef, struct elf_file *debug, struct elf_file *mini,
		     struct sym_batch *b);

/* Would a separate debug file know more symbols than @ef does? */
bool elf_names_needs_debug_file(struct elf_file *ef);

#endif
