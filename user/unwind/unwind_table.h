/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwind information of one ELF file (.gopclntab for Go code, .eh_frame, else .debug_frame,
 * else the instructions themselves), compiled to rows page by page when it is asked for. Foreign
 * bytes: bounded in time and memory. Never logs.
 */
#ifndef UNWIND_UNWIND_TABLE_H
#define UNWIND_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "elf/elf_file.h"
#include "shared/unwind_arena.h"

/*
 * Rows of one page of the file (not of memory), by ascending pc, the first at 0: each holds up to
 * the next one. Neighbours differ. Where no FDE covers a place, its rule is UNWIND_NONE.
 */
struct unwind_page {
	uint16_t n_rows; /* at least 1 */
	uint16_t n_ext;
	uint16_t pc[UNWIND_PAGE_ROWS_MAX]; /* bytes from the page's start */
	uint32_t rule[UNWIND_PAGE_ROWS_MAX];
	struct unwind_ext ext[UNWIND_PAGE_EXT_MAX];
};

struct unwind_table;

/* What was met that could not be used, since the table was opened. */
struct unwind_table_stats {
	uint64_t bad_fdes;	   /* malformed: their functions have no rows */
	uint64_t unsupported_rows; /* UNWIND_UNSUPPORTED */
	uint64_t dense_pages; /* more than UNWIND_PAGE_ROWS_MAX rows or too many extended rules:
				 what is beyond is UNWIND_UNSUPPORTED */
};

/*
 * @ef must outlive the table. -ENODATA: the file has no unwind information (of its architecture);
 * -EBADMSG: what it has cannot be read.
 */
int unwind_table_open(struct elf_file *ef, struct unwind_table **ret);
void unwind_table_close(struct unwind_table *t); /* NULL is fine */
DEFINE_CLEANUP(struct unwind_table *, unwind_table_close)

/* Pages of the file that hold code: those of its executable segments, [*ret_first, *ret_first + n).
 */
void unwind_table_pages(const struct unwind_table *t, uint64_t *ret_first, uint64_t *ret_n);

/*
 * Compiles @n pages from page number @first (file offset >> UNWIND_PAGE_SHIFT) on, and hands out
 * each, in order; the page is valid during the call. A negative errno from @fn ends it and is the
 * result. -ENOMEM, -EBADMSG, -EIO.
 */
typedef int (*unwind_page_fn)(void *arg, uint64_t page, const struct unwind_page *rows);
int unwind_table_compile(struct unwind_table *t, uint64_t first, uint64_t n, unwind_page_fn fn,
			 void *arg);

/*
 * Pages around one that is needed. Looking through code takes some ms for 16 KiB: it is done only
 * for UNWIND_CODE_PAGES pages, aligned, around @page. Others with code that no table covers are
 * left out, as are those that are not wanted.
 */
struct unwind_group {
	uint64_t first, n;
	uint64_t page;
	bool (*wants)(void *arg, uint64_t page); /* NULL: all are */
};

#define UNWIND_CODE_PAGES 4

int unwind_table_compile_group(struct unwind_table *t, const struct unwind_group *group,
			       unwind_page_fn fn, void *arg);

struct unwind_table_stats unwind_table_stats(const struct unwind_table *t);

#endif
