/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule_text.h"

#define WORDS_IN_LINE 6

/* --- registers and memory --------------------------------------------------------------------- */

static void write_regs(FILE *f, const struct snapshot *s)
{
	struct unwind_regs regs;

	stop_unwind_regs(s->stop, &regs);
	fprintf(f, "reg pc %" PRIx64 "\n", (uint64_t)regs.pc);
	for (int i = 0; i < UNWIND_REGS; i++)
		fprintf(f, "reg %s %" PRIx64 "\n", rule_text_regs[i], (uint64_t)regs.reg[i]);
}

static int by_addr(const void *a, const void *b)
{
	uint64_t x = ((const struct traced_word *)a)->addr,
		 y = ((const struct traced_word *)b)->addr;

	return x < y ? -1 : x > y;
}

static size_t sort_words(struct traced_word *w, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(w, n, sizeof(*w), by_addr);
	for (size_t i = 0; i < n; i++)
		if (!kept || w[kept - 1].addr != w[i].addr)
			w[kept++] = w[i];
	return kept;
}

/* How many words from @w on are the same at the same distance. */
static size_t repeated(const struct traced_word *w, size_t n)
{
	size_t i = 1;

	while (i < n && w[i].word == w[0].word &&
	       w[i].addr - w[i - 1].addr == w[1].addr - w[0].addr)
		i++;
	return i;
}

static size_t adjacent(const struct traced_word *w, size_t n)
{
	size_t i = 1;

	while (i < n && i < WORDS_IN_LINE && w[i].addr == w[i - 1].addr + 8)
		i++;
	return i;
}

static void write_words(FILE *f, const struct snapshot *s)
{
	struct traced_word *w = s->trace->words.data;
	size_t n = sort_words(w, s->trace->words.n), step;

	for (size_t i = 0; i < n; i += step) {
		step = repeated(w + i, n - i);
		if (step > 3) {
			fprintf(f, "mem %" PRIx64 "+%" PRIx64 "*%zu %" PRIx64 "\n", w[i].addr,
				w[i + 1].addr - w[i].addr, step, w[i].word);
			continue;
		}
		step = adjacent(w + i, n - i);
		fprintf(f, "mem %" PRIx64, w[i].addr);
		for (size_t k = i; k < i + step; k++)
			fprintf(f, " %" PRIx64, w[k].word);
		fputc('\n', f);
	}
}

/* --- mappings and rules ----------------------------------------------------------------------- */

static const char *file_of(const struct snapshot *s, uint64_t addr)
{
	const struct mapping *m = process_find_mapping(s->process, addr);

	if (!m || m->dso->kind == DSO_ANON)
		return "anon";
	return m->dso->kind == DSO_VDSO ? "[vdso]" : m->dso->name;
}

static uint64_t offset_of(const struct snapshot *s, uint64_t addr)
{
	const struct mapping *m = process_find_mapping(s->process, addr);

	return m && m->dso->kind == DSO_FILE ? addr - m->start + m->offset
	       : m			     ? addr - m->start
					     : 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of all addresses that were asked for, each mapping once. */
static void write_maps(FILE *f, const struct snapshot *s)
{
	VEC(uint64_t) addrs = { 0 };
	uint64_t end = 0;

	for (size_t i = 0; i < s->trace->rules.n; i++)
		vec_push(&addrs, s->trace->rules.data[i].addr);
	for (size_t i = 0; i < s->trace->places.n; i++)
		vec_push(&addrs, s->trace->places.data[i]);
	if (addrs.n)
		qsort(addrs.data, addrs.n, sizeof(*addrs.data), by_value);
	for (size_t i = 0; i < addrs.n; i++) {
		const struct region *r = stop_region(s->stop, addrs.data[i]);

		if (!r || addrs.data[i] < end)
			continue;
		end = r->end;
		fprintf(f, "map %" PRIx64 "-%" PRIx64 " %" PRIx64 " %s %s\n", r->start, r->end,
			offset_of(s, r->start), r->exec ? "x" : "-",
			r->exec ? file_of(s, r->start) : "data");
	}
	vec_free(&addrs);
}

static int by_rule_addr(const void *a, const void *b)
{
	uint64_t x = ((const struct traced_rule *)a)->addr,
		 y = ((const struct traced_rule *)b)->addr;

	return x < y ? -1 : x > y;
}

static void write_rules(FILE *f, const struct snapshot *s)
{
	struct traced_rule *r = s->trace->rules.data;
	size_t n = s->trace->rules.n;

	if (n)
		qsort(r, n, sizeof(*r), by_rule_addr);
	for (size_t i = 0; i < n; i++) {
		if (r[i].found != UNWIND_FOUND || (i && r[i].addr == r[i - 1].addr))
			continue;
		fprintf(f, "rule %s %" PRIx64 " ", file_of(s, r[i].addr), offset_of(s, r[i].addr));
		rule_text_write(f, r[i].rule.rule, &r[i].rule.ext);
		fputc('\n', f);
	}
}

/* --- what is expected ------------------------------------------------------------------------- */

static void write_frames(FILE *f, const struct snapshot *s)
{
	const struct chain *c = s->expected;
	char place[200];
	uint32_t step;

	for (uint32_t i = 0; i < c->n && i < USER_FRAMES_MAX; i += step) {
		for (step = 1; i + step < c->n && i + step < USER_FRAMES_MAX; step++)
			if (c->frames[i + step] != c->frames[i])
				break;
		fprintf(f, "frame %" PRIx64 " %s", c->frames[i] & (uint64_t)FRAME_ADDR_MASK,
			c->frames[i] & FRAME_EXACT ? "exact" : "call");
		if (c->frames[i] & FRAME_BY_FALLBACK)
			fputs(" fallback", f);
		if (step > 1)
			fprintf(f, " *%u", step);
		fprintf(f, " # %s\n",
			judge_dwfl_place(s->places, c->frames[i], place, sizeof(place)));
	}
	fprintf(f, "end %s\n", s->end);
}

int snapshot_write(const char *path, const struct snapshot *s)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	fprintf(f, "# %s\narch " RULE_TEXT_ARCH "\n", s->title);
	write_regs(f, s);
	write_maps(f, s);
	write_rules(f, s);
	write_words(f, s);
	write_frames(f, s);
	return fclose(f) == 0 ? 0 : -EIO;
}
