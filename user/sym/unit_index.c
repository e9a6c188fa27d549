/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/unit_index.h"

#include "sym/dwarf_entry.h"
#include "unwind/dw_cursor.h"

#define ABBREV_BYTES_AN_EFFORT 8

struct search {
	const struct unit_index_input *in;
	struct unit_hit *hits; /* as the queries are sorted */
	uint64_t unit;	       /* whose ranges are looked at */
	size_t missing;
};

/* The first unit that claims an address keeps it. */
static int claim(void *arg, uint64_t start, uint64_t end)
{
	struct search *s = arg;
	const struct sym_batch *b = s->in->batch;
	size_t i = sym_batch_at_or_above(b, start);

	if (i == b->n || b->queries[i].vaddr >= end || elf_code_range_of(s->in->code, start) < 0)
		return 0;
	for (; i < b->n && b->queries[i].vaddr < end; i++) {
		if (!dwarf_effort_take(s->in->effort))
			break;
		if (s->hits[i].unit != UINT64_MAX)
			continue;
		s->hits[i].unit = s->unit;
		s->missing--;
	}
	return 0;
}

/* --- .debug_aranges --------------------------------------------------------------------------- */

/* A length of 4 bytes, or of 8 behind the highest of 4. */
static uint64_t initial_length(struct dw_cursor *c, unsigned *ret_offset_size)
{
	uint64_t len = dw_u32(c);

	*ret_offset_size = 4;
	if (len == UINT32_MAX) {
		len = dw_u64(c);
		*ret_offset_size = 8;
	}
	return len;
}

/* Pairs of address and length, aligned to their size, until one of zeros. */
static void read_pairs(struct search *s, struct dw_cursor *c, size_t header)
{
	dw_take(c, (16 - header % 16) % 16);
	while (!c->bad && dwarf_effort_take(s->in->effort)) {
		uint64_t start = dw_u64(c), len = dw_u64(c);

		if (c->bad || (start == 0 && len == 0))
			return;
		if (len <= UINT64_MAX - start)
			(void)claim(s, start, start + len);
	}
}

static void read_set(struct search *s, struct dw_cursor *c)
{
	const uint8_t *begin = c->pos;
	unsigned offset_size, version, addr_size, segment_size;
	uint64_t len = initial_length(c, &offset_size);
	const uint8_t *body = dw_take(c, len);
	struct dw_cursor set;

	if (!body)
		return;
	set = dw_cursor_of(body, len, 0);
	version = dw_u16(&set);
	s->unit = offset_size == 4 ? dw_u32(&set) : dw_u64(&set);
	addr_size = dw_u8(&set);
	segment_size = dw_u8(&set);
	if (version == 2 && addr_size == 8 && segment_size == 0)
		read_pairs(s, &set, set.pos - begin);
}

static void by_aranges(struct search *s)
{
	const struct debug_bytes *a = &s->in->img->sections[DEBUG_ARANGES];
	struct dw_cursor c = dw_cursor_of(a->data, a->len, 0);

	while (!c.bad && c.pos < c.end && s->missing && dwarf_effort_take(s->in->effort))
		read_set(s, &c);
}

/* --- units ------------------------------------------------------------------------------------ */

static void by_units(struct search *s)
{
	uint64_t next;

	for (uint64_t off = 0; off != UINT64_MAX && s->missing; off = next) {
		CLEANUP(dwarf_unit_clear) struct dwarf_unit unit = { 0 };
		struct dwarf_entry own;

		if (!dwarf_effort_take(s->in->effort))
			break;
		s->unit = off;
		if (dwarf_unit_open(s->in->img, off, &unit, &next) == 0 &&
		    dwarf_entry_read(&unit, unit.entries, &own) == 0)
			(void)dwarf_unit_ranges(&unit, &own, s->in->effort, claim, s);
		dwarf_effort_spend(s->in->effort, dwarf_abbrevs_bytes_read(&unit.abbrevs) /
							  ABBREV_BYTES_AN_EFFORT);
	}
}

static int compare_hits(const void *a, const void *b)
{
	const struct unit_hit *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (x->query > y->query) - (x->query < y->query);
}

int unit_index_build(const struct unit_index_input *in, struct unit_index *ret)
{
	struct sym_batch *b = in->batch;
	struct search s = { .in = in, .missing = b->n };

	s.hits = calloc(b->n ? b->n : 1, sizeof(*s.hits));
	if (!s.hits)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++)
		s.hits[i] = (struct unit_hit){ UINT64_MAX, &b->queries[i] };
	by_aranges(&s);
	by_units(&s);
	qsort(s.hits, b->n, sizeof(*s.hits), compare_hits);
	*ret = (struct unit_index){ s.hits, b->n };
	return 0;
}

void unit_index_clear(struct unit_index *index)
{
	free(index->hits);
	*index = (struct unit_index){ 0 };
}

size_t unit_hits_from(const struct unit_hit *hits, size_t n, uint64_t vaddr)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hits[mid].query->vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}
