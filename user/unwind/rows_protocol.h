/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WORKER_SERVICE_ROWS: the unwind tables of a file, compiled. Every question comes with the file
 * and the number that the parent has given it; the worker keeps the tables of the last ones open.
 * It answers ROWS_OPEN with ROWS_OPENED, and ROWS_COMPILE with ROWS_PAGES and ROWS_DONE.
 */
#ifndef UNWIND_ROWS_PROTOCOL_H
#define UNWIND_ROWS_PROTOCOL_H

#include "shared/unwind_arena.h"
#include "worker/message.h"

#define ROWS_PAGES_MAX 64 /* of one question */

enum rows_message {
	ROWS_OPEN,    /* struct rows_ask, of which only @file counts */
	ROWS_COMPILE, /* struct rows_ask */
	ROWS_OPENED,  /* struct rows_opened */
	ROWS_PAGES,   /* one or more struct rows_page, each with its rows behind */
	ROWS_DONE,    /* struct rows_done */
};

struct rows_ask {
	uint64_t file;
	uint64_t first;	 /* page */
	uint64_t wanted; /* bit i: page @first + i */
	uint64_t page;	 /* that is needed; it decides where code is looked through */
};

struct rows_opened {
	int32_t error; /* negative errno of elf_file_open_fd() or unwind_table_open(); or 0 */
	uint32_t reserved;
	uint64_t first_page, n_pages;
	uint64_t code_off; /* elf_file_code_offset() */
	uint64_t bad_fdes; /* met when it was opened first */
};

/*
 * A struct unwind_page: n_ext extended rules follow, n_rows rules, n_rows times 16 bits of pc, and
 * what makes the next one begin at a multiple of 8.
 */
struct rows_page {
	uint64_t page;
	uint16_t n_rows;
	uint16_t n_ext;
	uint32_t reserved;
};

#define ROWS_PAGE_SIZE(n_rows, n_ext)                                                              \
	((sizeof(struct rows_page) + (n_ext) * sizeof(struct unwind_ext) + (n_rows)*6 + 7) &       \
	 ~(size_t)7)

struct rows_done {
	int32_t error; /* negative errno of unwind_table_compile(), or 0 */
	uint32_t dense_pages;
	uint64_t bad_fdes;
	uint64_t unsupported_rows;
};

_Static_assert(sizeof(struct rows_ask) == 32, "no holes that send memory");
_Static_assert(sizeof(struct rows_opened) == 40, "no holes that send memory");
_Static_assert(sizeof(struct rows_page) == 16, "no holes that send memory");
_Static_assert(sizeof(struct rows_done) == 24, "no holes that send memory");
_Static_assert(ROWS_PAGE_SIZE(UNWIND_PAGE_ROWS_MAX, UNWIND_PAGE_EXT_MAX) <= WORKER_PAYLOAD_MAX,
	       "a page fits into a message");

#endif
