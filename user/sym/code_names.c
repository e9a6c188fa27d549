/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/code_names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/vec.h"

#define TEXT_MAX (64u << 20) /* bytes of names and lines */

/* Entries not in the index yet are looked at one by one: few, and fewer than are added meanwhile.
 */
#define TAIL_MAX 256

/* Sound code hardly overlaps. Of what does, the closest starts are looked at. */
#define LOOKS_MAX 512

struct code_names {
	VEC(struct code_name) entries; /* as they came */
	struct arena text;
	uint32_t *by_start; /* numbers, from 0, of the first n_indexed entries */
	uint64_t *max_end;  /* of all up to here, in the order of by_start */
	size_t n_indexed, cap_index;
};

int code_names_new(struct code_names **ret)
{
	struct code_names *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->text.limit = TEXT_MAX;
	*ret = t;
	return 0;
}

void code_names_free(struct code_names *t)
{
	if (!t)
		return;
	vec_free(&t->entries);
	arena_clear(&t->text);
	free(t->by_start);
	free(t->max_end);
	free(t);
}

/* --- index ------------------------------------------------------------------------------------ */

static int compare_starts(const void *x, const void *y, void *arg)
{
	const struct code_name *entries = arg;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	if (entries[a].start != entries[b].start)
		return entries[a].start < entries[b].start ? -1 : 1;
	return (a > b) - (a < b);
}

static int reserve_index(struct code_names *t)
{
	size_t cap = t->entries.cap;
	void *grown;

	if (t->cap_index >= t->entries.n)
		return 0;
	grown = realloc(t->by_start, cap * sizeof(*t->by_start));
	if (!grown)
		return -ENOMEM;
	t->by_start = grown;
	grown = realloc(t->max_end, cap * sizeof(*t->max_end));
	if (!grown)
		return -ENOMEM;
	t->max_end = grown;
	t->cap_index = cap;
	return 0;
}

/* Puts the @n sorted numbers @fresh among the others, from the end on. */
static void merge(struct code_names *t, const uint32_t *fresh, size_t n)
{
	size_t old = t->n_indexed;

	for (size_t to = old + n; n; to--) {
		if (old &&
		    compare_starts(&t->by_start[old - 1], &fresh[n - 1], t->entries.data) > 0)
			t->by_start[to - 1] = t->by_start[--old];
		else
			t->by_start[to - 1] = fresh[--n];
	}
}

static int index_all(struct code_names *t)
{
	size_t n = t->entries.n - t->n_indexed;
	CLEANUP(freep) uint32_t *fresh = calloc(n, sizeof(*fresh));
	uint64_t end = 0;

	if (!fresh || reserve_index(t) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		fresh[i] = (uint32_t)(t->n_indexed + i);
	qsort_r(fresh, n, sizeof(*fresh), compare_starts, t->entries.data);
	merge(t, fresh, n);
	t->n_indexed += n;
	for (size_t i = 0; i < t->n_indexed; i++) {
		const struct code_name *c = &t->entries.data[t->by_start[i]];

		if (c->end > end)
			end = c->end;
		t->max_end[i] = end;
	}
	return 0;
}

/* --- adding ----------------------------------------------------------------------------------- */

static int copy_lines(struct code_names *t, struct code_name *c)
{
	const char *file = NULL, *own = NULL;
	struct code_line *lines;

	if (!c->n_lines) {
		c->lines = NULL;
		return 0;
	}
	lines = arena_memdup(&t->text, c->lines, c->n_lines * sizeof(*lines));
	if (!lines)
		return -ENOSPC;
	for (uint32_t i = 0; i < c->n_lines; i++) {
		if (!file || strcmp(lines[i].file, file) != 0) {
			file = lines[i].file;
			own = arena_strndup(&t->text, file, strnlen(file, CODE_NAME_MAX));
		}
		if (!own)
			return -ENOSPC;
		lines[i].file = own;
	}
	c->lines = lines;
	return 0;
}

int code_names_add(struct code_names *t, const struct code_name *c, size_t name_len)
{
	struct code_name own = *c;
	int r;

	if (own.end <= own.start)
		return -EINVAL;
	if (t->entries.n >= CODE_NAMES_MAX)
		return -ENOSPC;
	own.name = arena_strndup(&t->text, c->name,
				 name_len < CODE_NAME_MAX ? name_len : CODE_NAME_MAX);
	if (!own.name)
		return -ENOSPC;
	r = copy_lines(t, &own);
	if (r == 0)
		r = vec_push(&t->entries, own);
	if (r < 0)
		return r;
	if (t->entries.n - t->n_indexed > TAIL_MAX + t->n_indexed / 64)
		return index_all(t);
	return 0;
}

/* --- looking up ------------------------------------------------------------------------------- */

struct wanted {
	uint64_t addr, time_ns;
	bool later; /* what came after time_ns */
};

static bool fits(const struct code_name *c, const struct wanted *w)
{
	return c->start <= w->addr && w->addr < c->end && (c->time_ns > w->time_ns) == w->later;
}

/* Numbers from 1 on; 0 for none. */
static uint32_t better(const struct code_names *t, uint32_t a, uint32_t b, bool later)
{
	const struct code_name *x, *y;

	if (!a || !b)
		return a ? a : b;
	x = &t->entries.data[a - 1];
	y = &t->entries.data[b - 1];
	if (x->time_ns != y->time_ns)
		return (x->time_ns < y->time_ns) == later ? a : b;
	return a > b ? a : b;
}

/* How many of the index start at or below @addr. */
static size_t upper_bound(const struct code_names *t, uint64_t addr)
{
	size_t lo = 0, hi = t->n_indexed;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->entries.data[t->by_start[mid]].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint32_t look_up(const struct code_names *t, const struct wanted *w)
{
	uint32_t best = 0;
	size_t i = upper_bound(t, w->addr);

	for (size_t looks = 0; i-- > 0 && t->max_end[i] > w->addr && looks < LOOKS_MAX; looks++)
		if (fits(&t->entries.data[t->by_start[i]], w))
			best = better(t, best, t->by_start[i] + 1, w->later);
	for (size_t k = t->n_indexed; k < t->entries.n; k++)
		if (fits(&t->entries.data[k], w))
			best = better(t, best, (uint32_t)k + 1, w->later);
	return best;
}

uint32_t code_names_at(const struct code_names *t, uint64_t addr, uint64_t time_ns)
{
	return look_up(t, &(struct wanted){ .addr = addr, .time_ns = time_ns });
}

uint32_t code_names_after(const struct code_names *t, uint64_t addr, uint64_t time_ns)
{
	return look_up(t, &(struct wanted){ .addr = addr, .time_ns = time_ns, .later = true });
}

const struct code_name *code_names_get(const struct code_names *t, uint32_t n)
{
	return &t->entries.data[n - 1];
}

uint32_t code_names_count(const struct code_names *t)
{
	return (uint32_t)t->entries.n;
}

size_t code_names_bytes(const struct code_names *t)
{
	size_t index = t->cap_index * (sizeof(*t->by_start) + sizeof(*t->max_end));

	return sizeof(*t) + t->text.total + index + t->entries.cap * sizeof(*t->entries.data);
}
