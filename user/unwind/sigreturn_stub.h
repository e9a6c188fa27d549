/* SPDX-License-Identifier: Apache-2.0 */
/* The code that a signal handler returns to: found by its instructions. */
#ifndef UNWIND_SIGRETURN_STUB_H
#define UNWIND_SIGRETURN_STUB_H

#include "elf/elf_unwind.h"

#define SIGRETURN_CODE_MAX 9	/* bytes of the longer one */
#define SIGRETURN_PAGE	   4096 /* bytes of code that are looked at together */

/* The code of one page, and a little on both sides, so that no stub is cut. */
struct sigreturn_page {
	uint16_t machine;
	int begin, end; /* of the bytes at hand, from the page's start */
	uint8_t bytes[SIGRETURN_PAGE + 2 * SIGRETURN_CODE_MAX];
};

/* Of the page at file offset @page_off the part that @segment has. -EIO, -EBADMSG. */
int sigreturn_page_read(struct elf_file *ef, uint16_t machine, const struct elf_span *segment,
			uint64_t page_off, struct sigreturn_page *ret);

/* Bytes of a stub of this machine: less room need not be looked at. */
unsigned sigreturn_stub_size(uint16_t machine);

/* The first stub that starts in [@from, @to), bytes from the page's start. */
bool sigreturn_stub_find(const struct sigreturn_page *page, int from, int to, int *ret);

#endif
