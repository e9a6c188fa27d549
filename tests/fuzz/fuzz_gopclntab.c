/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of Go functions and its code. Input: 4 bytes with the length of the code and, above its
 * 24 bits, the machine; the code, at 0x401000; the table.
 */
#include <assert.h>
#include <elf.h>
#include <string.h>

#include "unwind/go_table.h"

#define TEXT	0x401000
#define HEAD	4
#define BUDGET	65536
#define REACHED 65536 /* bytes of code that are walked */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t pos;

static int take(void *arg, const struct fde_span *span)
{
	assert(span->from == pos && span->to > span->from);
	assert(span->covered || span->rule == UNWIND_RULE_SPECIAL(UNWIND_NONE));
	pos = span->to;
	return 0;
}

static void walk(struct go_table *t, uint64_t from, uint64_t to)
{
	size_t budget = BUDGET;
	uint64_t bad = 0;
	const struct fde_range range = { from, to, &budget, &bad };

	pos = from;
	assert(go_table_range(t, &range, take, NULL) == 0);
	assert(pos == to);
}

/* Also what no code bears out. */
static void read_all(const struct byte_source *table)
{
	static struct gopclntab tab;
	char name[GOFUNC_NAME_MAX];
	struct gofunc f;
	struct gopcsp s;
	uint64_t i;

	if (gopclntab_open(table, &tab) < 0)
		return;
	tab.text = TEXT;
	for (i = 0; i < tab.n_funcs && i < 64 && gopclntab_func(&tab, i, &f) == 0; i++) {
		(void)gopclntab_name(&tab, &f, name);
		gopcsp_begin(&tab, &f, &s);
		for (int n = 0; n < 256 && gopcsp_next(&tab, &s) == 1; n++)
			assert(s.from <= s.to);
	}
	if (gopclntab_find(&tab, TEXT + 100, &i) == 0)
		assert(i < tab.n_funcs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(go_table_freep) struct go_table *t = NULL;
	struct byte_source code = { .span = { .vaddr = TEXT } }, table = { 0 };
	uint32_t head;

	if (size < HEAD)
		return 0;
	memcpy(&head, data, HEAD);
	data += HEAD;
	size -= HEAD;
	code.mem = data;
	code.span.size = (head & 0xffffff) < size ? head & 0xffffff : size;
	table.mem = data + code.span.size;
	table.span.size = size - code.span.size;
	read_all(&table);
	if (go_table_of(&table, &code, head >> 24 & 1 ? EM_AARCH64 : EM_X86_64, &t) < 0)
		return 0;
	walk(t, TEXT - 4096, TEXT + REACHED);
	walk(t, TEXT + 1000, TEXT + 1001);
	return 0;
}
