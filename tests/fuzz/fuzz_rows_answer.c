/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker answers to questions for rows. The first 8 bytes say which of 64 pages were asked
 * for; then messages follow: kind, length (two bytes) and as many bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "unwind/rows_answer.h"

#define FIRST 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

struct seen {
	uint64_t wanted, pages;
};

static void check_place(const struct unwind_place *p)
{
	check(p->where <= UNWIND_UNKNOWN && p->reg < UNWIND_X86_REGS);
}

static void check_ext(const struct unwind_ext *ext)
{
	check(ext->cfa <= UNWIND_CFA_GO_STACK && ext->cfa_reg < UNWIND_X86_REGS);
	check(ext->cfa_index <= UNWIND_X86_REGS && ext->flags < 4);
	check_place(&ext->ra);
	for (int i = 0; i < UNWIND_EXT_SAVED_MAX; i++)
		check_place(&ext->saved[i]);
}

static void check_rows(const struct unwind_page *rows)
{
	check(rows->n_rows >= 1 && rows->n_rows <= UNWIND_PAGE_ROWS_MAX && rows->pc[0] == 0);
	check(rows->n_ext <= UNWIND_PAGE_EXT_MAX);
	for (unsigned i = 0; i < rows->n_rows; i++) {
		uint32_t rule = rows->rule[i];

		check(rows->pc[i] < UNWIND_PAGE_SIZE);
		check(i == 0 || rows->pc[i] > rows->pc[i - 1]);
		if ((rule & 3) == UNWIND_BASE_EXT)
			check(rule >> 2 < rows->n_ext);
		if ((rule & 3) == UNWIND_BASE_SPECIAL)
			check(rule >> 2 <= UNWIND_UNSUPPORTED);
	}
	for (unsigned i = 0; i < rows->n_ext; i++)
		check_ext(&rows->ext[i]);
}

static int check_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct seen *seen = arg;
	uint64_t bit = 1ULL << (page - FIRST);

	check(page >= FIRST && page < FIRST + ROWS_PAGES_MAX);
	check((seen->wanted & bit) && seen->pages < bit);
	seen->pages |= bit;
	check_rows(rows);
	return 0;
}

static int take_message(struct rows_answer *a, const uint8_t **pos, const uint8_t *end)
{
	CLEANUP(freep) uint8_t *payload = NULL;
	struct rows_opened opened;
	unsigned kind;
	size_t len;

	if (end - *pos < 3)
		return -1;
	kind = (*pos)[0];
	len = (*pos)[1] | (*pos)[2] << 8;
	*pos += 3;
	if (len > (size_t)(end - *pos))
		len = end - *pos;
	/* On its own, so that a byte too many is seen. */
	payload = malloc(len ? len : 1);
	if (!payload)
		return -1;
	memcpy(payload, *pos, len);
	*pos += len;
	if (kind != ROWS_OPENED)
		return rows_answer_take(a, kind, payload, len);
	if (rows_opened_decode(payload, len, &opened) == 0)
		check(opened.error <= 0 && opened.n_pages << UNWIND_PAGE_SHIFT <= INT64_MAX);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	struct seen seen = { 0 };
	struct rows_answer a = { .first = FIRST, .fn = check_page, .arg = &seen };

	if (size < sizeof(a.wanted))
		return 0;
	memcpy(&a.wanted, data, sizeof(a.wanted));
	seen.wanted = a.wanted;
	data += sizeof(a.wanted);
	while (!a.done && take_message(&a, &data, end) == 0)
		;
	check(!a.done || a.end.error <= 0);
	return 0;
}
