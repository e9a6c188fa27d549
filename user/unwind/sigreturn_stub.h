/* SPDX-License-Identifier: Apache-2.0 */
/* The code that a signal handler returns to: found by its instructions. */
#ifndef UNWIND_SIGRETURN_STUB_H
#define UNWIND_SIGRETURN_STUB_H

#include "elf/elf_unwind.h"

#define SIGRETURN_STUBS_MAX 16 /* in one page; a C library has one */

struct sigreturn_stub {
	uint16_t from,
		to; /* bytes from the page's start; from is one before the first instruction */
};

/*
 * Stubs in the part of the page at file offset @page_off that @segment has, by address; one that
 * reaches over an end of the page is cut. -EIO, -EBADMSG.
 */
int sigreturn_stub_find(struct elf_file *ef, uint16_t machine, const struct elf_span *segment,
			uint64_t page_off, struct sigreturn_stub ret[SIGRETURN_STUBS_MAX],
			size_t *ret_n);

#endif
