/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/kallsyms. Input: the number of addresses, less one; these, 8 bytes each; then the text,
 * which is taken for that of /proc/modules, too.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "sym/kallsyms.h"

#define PLACES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sym_result results[PLACES];

static void check(const struct sym_result *res)
{
	assert(res->n_frames <= 1);
	if (!res->n_frames)
		return;
	assert(res->start && res->start <= res->vaddr);
	assert(res->frames[0].function[0]);
	assert(utf8_is_printable(res->frames[0].function, strlen(res->frames[0].function)));
}

/* What is taken from the front of the input. */
static void take(const uint8_t **data, size_t *size, void *to, size_t len)
{
	if (len > *size)
		len = *size;
	memcpy(to, *data, len);
	*data += len;
	*size -= len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct name_table names = { 0 };
	struct kallsyms *k = NULL;
	struct sym_batch b;
	uint8_t n = 0;
	FILE *f;
	int r;

	take(&data, &size, &n, sizeof(n));
	assert(sym_batch_init(&b, &names, PLACES) == 0);
	for (size_t i = 0; i <= n % PLACES; i++) {
		results[i] = (struct sym_result){ 0 };
		take(&data, &size, &results[i].vaddr, sizeof(results[i].vaddr));
		b.queries[b.n++] =
			(struct sym_query){ .vaddr = results[i].vaddr, .res = &results[i] };
	}
	sym_batch_sort(&b);
	f = size ? fmemopen((void *)data, size, "r") : NULL;
	r = f ? kallsyms_read(f, &k) : 0;
	if (k) {
		rewind(f);
		r = kallsyms_read_modules(k, f);
		assert(r == 0);
		r = kallsyms_answer(k, &b);
	}
	assert(r == 0 || r == -EPERM);
	for (size_t i = 0; i < b.n; i++)
		check(&results[i]);
	if (f)
		fclose(f);
	kallsyms_free(k);
	sym_batch_clear(&b);
	name_table_clear(&names);
	return 0;
}
