/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, source lines and inlined calls of Go functions from .gopclntab, which stripped programs
 * have, too. Foreign bytes: bounded in time and memory. Never logs.
 */
#ifndef SYM_GO_NAMES_H
#define SYM_GO_NAMES_H

#include "sym/sym_batch.h"
#include "unwind/gopclntab.h"

/*
 * Answers those queries of @b that have no answer yet, or a guessed one, and lie in a Go function
 * of @ef: by its name, of Go 1.18 and later with lines and inlined calls. -ENODATA: no Go program;
 * -ENOMEM.
 */
int go_names_answer(struct elf_file *ef, struct sym_batch *b);

/*
 * The same from a table at hand. @inlined: what the table's functions say of inlined calls,
 * go:func.*; NULL: not known.
 */
int go_names_answer_from(struct gopclntab *tab, const struct byte_source *inlined,
			 struct sym_batch *b);

#endif
