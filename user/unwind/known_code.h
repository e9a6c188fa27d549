/* SPDX-License-Identifier: Apache-2.0 */
/* Code that is known by its instructions, whatever a table says of it. */
#ifndef UNWIND_KNOWN_CODE_H
#define UNWIND_KNOWN_CODE_H

#include "elf/elf_unwind.h"

#define KNOWN_CODE_MAX	16   /* bytes of the longest */
#define KNOWN_CODE_PAGE 4096 /* bytes of code that are looked at together */

/* The code of one page, and a little on both sides, so that nothing is cut. */
struct code_page {
	uint16_t machine;
	int begin, end; /* of the bytes at hand, from the page's start */
	uint8_t bytes[KNOWN_CODE_PAGE + 2 * KNOWN_CODE_MAX];
};

/* Of the page at file offset @page_off the part that @segment has. -EIO, -EBADMSG. */
int code_page_read(struct elf_file *ef, uint16_t machine, const struct elf_span *segment,
		   uint64_t page_off, struct code_page *ret);

/* Bytes of the code that a signal handler returns to: less room need not be looked at. */
unsigned sigreturn_stub_size(uint16_t machine);

/* The first such code that starts in [@from, @to), bytes from the page's start. */
bool sigreturn_stub_find(const struct code_page *page, int from, int to, int *ret);

/*
 * Is at @at glibc's __start_context(), to which the outermost function of a stack returns that
 * makecontext(3) has made? That is to its first byte, on aarch64 to the one behind a nop. Its table
 * says that it has a caller.
 */
bool context_start_is_at(const struct code_page *page, int at);

/* Bytes of its first instructions, before which nothing is called. */
unsigned context_start_size(uint16_t machine);

#endif
