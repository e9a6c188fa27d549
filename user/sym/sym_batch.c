/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/sym_batch.h"

#include <errno.h>
#include <stdlib.h>

int sym_batch_init(struct sym_batch *b, struct name_table *names, size_t n)
{
	*b = (struct sym_batch){ .names = names };
	b->queries = calloc(n ? n : 1, sizeof(*b->queries));
	return b->queries ? 0 : -ENOMEM;
}

static int compare_queries(const void *a, const void *b)
{
	const struct sym_query *x = a, *y = b;

	return (x->vaddr > y->vaddr) - (x->vaddr < y->vaddr);
}

void sym_batch_sort(struct sym_batch *b)
{
	qsort(b->queries, b->n, sizeof(*b->queries), compare_queries);
}

void sym_batch_add(struct sym_batch *b, struct elf_file *ef, struct sym_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (elf_file_offset_to_vaddr(ef, results[i].vaddr, &results[i].vaddr) < 0)
			continue;
		b->queries[b->n++] =
			(struct sym_query){ .vaddr = results[i].vaddr, .res = &results[i] };
	}
	sym_batch_sort(b);
}

void sym_batch_clear(struct sym_batch *b)
{
	free(b->queries);
	*b = (struct sym_batch){ 0 };
}

size_t sym_batch_at_or_above(const struct sym_batch *b, uint64_t vaddr)
{
	size_t lo = 0, hi = b->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->queries[mid].vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int sym_batch_answer(struct sym_batch *b, struct sym_query *q, uint64_t start, const char *raw,
		     const char *suffix)
{
	int r = name_table_intern(b->names, raw, suffix, &q->res->frames);

	if (r < 0)
		return r;
	q->res->n_frames = 1;
	q->res->start = start;
	return 0;
}
