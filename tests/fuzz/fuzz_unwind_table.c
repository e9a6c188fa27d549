/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files: unwind tables from whatever they claim to have. */
#include <stdlib.h>

#include "unwind/unwind_table.h"

#define PAGES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The answers must keep the promises of the headers, whatever the file says. */
static void check(int ok)
{
	if (!ok)
		abort();
}

static int check_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	uint64_t *next = arg;

	check(page == (*next)++);
	check(rows->n_rows >= 1 && rows->n_rows <= UNWIND_PAGE_ROWS_MAX && rows->pc[0] == 0);
	check(rows->n_ext <= UNWIND_PAGE_EXT_MAX);
	for (unsigned i = 0; i < rows->n_rows; i++) {
		uint32_t rule = rows->rule[i];

		check(rows->pc[i] < UNWIND_PAGE_SIZE);
		check(i == 0 || (rows->pc[i] > rows->pc[i - 1] && rule != rows->rule[i - 1]));
		if ((rule & 3) == UNWIND_BASE_EXT)
			check(rule >> 2 < rows->n_ext);
		if ((rule & 3) == UNWIND_BASE_SPECIAL)
			check(rule >> 2 <= UNWIND_UNSUPPORTED);
	}
	return 0;
}

static int compile(struct unwind_table *t, uint64_t first, uint64_t n)
{
	uint64_t next = first;
	int r = unwind_table_compile(t, first, n, check_page, &next);

	check(r < 0 || next == first + n);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_table *t;
	struct elf_file *ef;
	uint64_t first, n;

	if (elf_file_open_memory(data, size, &ef) < 0)
		return 0;
	if (unwind_table_open(ef, &t) == 0) {
		unwind_table_pages(t, &first, &n);
		check(n <= (size >> UNWIND_PAGE_SHIFT) + 2);
		(void)compile(t, first, n < PAGES ? n : PAGES);
		for (uint64_t i = 0; i < n && i < PAGES; i++)
			(void)compile(t, first + n - 1 - i, 1);
		(void)compile(t, first + n, 1);
		(void)unwind_table_stats(t);
		unwind_table_close(t);
	}
	elf_file_close(ef);
	return 0;
}
