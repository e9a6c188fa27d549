/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the linker's stubs, which lead to functions of other files: "name@plt". */
#ifndef SYM_PLT_NAMES_H
#define SYM_PLT_NAMES_H

#include "elf/elf_file.h"
#include "sym/sym_batch.h"

/*
 * Answers those queries of @b that have no answer yet and lie in a section of stubs of @ef, by what
 * the stub jumps to. The function of an ifunc's stub is what a symbol of @ef calls it, else
 * "*ABS*+0x…". -ENOMEM.
 */
int plt_names_answer(struct elf_file *ef, struct sym_batch *b);

#endif
