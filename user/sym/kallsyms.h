/* SPDX-License-Identifier: Apache-2.0 */
/* Names of kernel code, from text in the format of /proc/kallsyms. */
#ifndef SYM_KALLSYMS_H
#define SYM_KALLSYMS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "sym/sym_batch.h"

struct kallsyms;

/*
 * Reads it all: the kernel makes that text anew for each reader, 50 to 100 ms of CPU time. The
 * names of functions are kept packed, 10 to 15 bytes each. -EPERM if all addresses are zero, as the
 * kernel shows them to who may not know; -EIO; -ENOMEM.
 */
int kallsyms_read(FILE *f, struct kallsyms **ret);
void kallsyms_free(struct kallsyms *k); /* NULL is fine */
DEFINE_CLEANUP(struct kallsyms *, kallsyms_free)

/*
 * Takes the extents of modules from text in the format of /proc/modules. Those whose address is
 * hidden stay unknown. -ENOMEM.
 */
int kallsyms_read_modules(struct kallsyms *k, FILE *f);

/*
 * Answers the queries of @b. Names of modules and BPF programs are given as "name [module]".
 *
 * The text tells where functions start, not where they end. A function reaches up to the next
 * symbol; one of the kernel proper not past _etext, or _einittext; any other not past a symbol of
 * data; one of a module not past its end, if that is known, else not further than 1 MiB; one that
 * the kernel made at run time (BPF program, trampoline) not further than 128 KiB. -ENOMEM.
 */
int kallsyms_answer(struct kallsyms *k, struct sym_batch *b);

/* Is @addr in the kernel proper, which is the same until the next boot, other than all else? */
bool kallsyms_is_fixed(const struct kallsyms *k, uint64_t addr);

size_t kallsyms_bytes(const struct kallsyms *k); /* of memory */

#endif
