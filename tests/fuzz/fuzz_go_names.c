/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names by a table of Go functions. Input: 4 bytes with the length of what is told of inlined
 * calls; that; the table, of code at 0x401000.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "sym/go_names.h"

#define TEXT   0x401000
#define HEAD   4
#define PLACES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sym_result results[PLACES];

static void ask(struct gopclntab *tab, const struct byte_source *inlined, struct name_table *names)
{
	struct sym_batch b;

	assert(sym_batch_init(&b, names, PLACES) == 0);
	for (size_t i = 0; i < PLACES; i++) {
		results[i] = (struct sym_result){ .vaddr = TEXT - 4 + i * 9 };
		b.queries[b.n++] =
			(struct sym_query){ .vaddr = results[i].vaddr, .res = &results[i] };
	}
	assert(go_names_answer_from(tab, inlined, &b) != -ENOMEM);
	sym_batch_clear(&b);
}

static void check(const struct sym_result *res)
{
	if (!res->n_frames)
		return;
	assert(res->n_frames <= 64 && res->start <= res->vaddr);
	for (size_t i = 0; i < res->n_frames; i++) {
		assert(res->frames[i].function && res->frames[i].function[0]);
		assert(res->frames[i].file || !res->frames[i].line);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gopclntab tab;
	struct byte_source inlined = { 0 }, table = { 0 };
	struct name_table names = { 0 };
	uint32_t len;

	if (size < HEAD)
		return 0;
	memcpy(&len, data, HEAD);
	data += HEAD;
	size -= HEAD;
	inlined.mem = data;
	inlined.span.size = len < size ? len : size;
	table.mem = data + inlined.span.size;
	table.span.size = size - inlined.span.size;
	if (gopclntab_open(&table, &tab) < 0)
		return 0;
	tab.text = tab.version >= GOPCLNTAB_118 ? TEXT : 0;
	ask(&tab, inlined.span.size ? &inlined : NULL, &names);
	for (size_t i = 0; i < PLACES; i++)
		check(&results[i]);
	name_table_clear(&names);
	return 0;
}
