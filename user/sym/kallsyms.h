/* SPDX-License-Identifier: Apache-2.0 */
/* Names of kernel code, from text in the format of /proc/kallsyms. */
#ifndef SYM_KALLSYMS_H
#define SYM_KALLSYMS_H

#include <stdio.h>

#include "sym/sym_batch.h"

/*
 * Answers the queries of @b from @f, read once, line by line; memory grows with the batch only.
 * Names of modules and BPF programs are given as "name [module]".
 *
 * The file tells where functions start, not where they end. A function reaches up to the next
 * symbol; one of the kernel proper not past _etext, or _einittext; any other (module, BPF program,
 * trampoline) not past a symbol of data and not further than 1 MiB.
 *
 * -EPERM if all addresses are zero, as the kernel shows them to who may not know; -ENOMEM.
 */
int kallsyms_answer(FILE *f, struct sym_batch *b);

#endif
