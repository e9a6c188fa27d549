/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A section of call frame information: the first byte is 1 for .eh_frame, plus 2 for aarch64, the
 * rest is the section.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/fde_index.h"
#include "unwind/fde_walk.h"
#include "unwind/rule_encode.h"

#define AT	0x80000000 /* address of the section: code is within 2 GiB on either side */
#define ENTRIES 64
#define ROWS	4096
#define PIECES	7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void check_rule(const struct cfi_arch *arch, uint32_t rule, const struct unwind_ext *ext)
{
	if ((rule & 3) == UNWIND_BASE_SPECIAL)
		check(rule >> 2 <= UNWIND_UNSUPPORTED);
	if ((rule & 3) != UNWIND_BASE_EXT)
		return;

	check(rule == UNWIND_RULE_EXT(0));
	check(ext->cfa <= UNWIND_CFA_DEREF && ext->cfa_reg < arch->n_regs &&
	      ext->cfa_index <= arch->n_regs);
	check(ext->ra.where < UNWIND_UNKNOWN && ext->ra.reg < arch->n_regs);
	for (unsigned i = 0; i < UNWIND_EXT_SAVED_MAX; i++)
		check(ext->saved[i].where <= UNWIND_UNKNOWN && ext->saved[i].reg < arch->n_regs);
}

/* Each FDE by itself. */
static void execute(struct fde_reader *reader, const struct fde_source *src, uint64_t off)
{
	static struct cfi_exec x;
	struct unwind_ext ext;
	struct cfi_fde fde, range;
	uint64_t last, from, to;

	if (fde_reader_load(reader, off, &fde) < 0)
		return;
	check(fde.end > fde.start);
	last = fde.start;
	cfi_exec_init(&x, &fde);
	while (cfi_exec_next(&x, &from, &to) == 1) {
		check(from == last && to > from && to <= fde.end);
		check_rule(src->arch, rule_encode(fde.cie, &x.now, &ext), &ext);
		last = to;
	}
	check(fde_reader_range(reader, off, &range) == 0);
	check(range.start == fde.start && range.end == fde.end);
}

struct spans {
	uint64_t pos;
	uint32_t rule[ROWS];
	uint64_t end[ROWS];
	size_t n;
};

/* Keeps spans; equal neighbours are one. */
static int keep(void *arg, const struct fde_span *span)
{
	struct spans *s = arg;
	uint32_t rule = span->rule;

	check(span->from == s->pos && span->to > span->from);
	check(span->covered || rule == UNWIND_RULE_SPECIAL(UNWIND_NONE));
	s->pos = span->to;
	/* An extended rule by what it says. */
	if (rule == UNWIND_RULE_EXT(0))
		for (size_t i = 0; i < sizeof(span->ext); i++)
			rule = rule * 31 + ((const uint8_t *)&span->ext)[i];
	if (s->n && s->rule[s->n - 1] == rule)
		s->n--;
	if (s->n == ROWS)
		return -ENOSPC;
	s->rule[s->n] = rule;
	s->end[s->n++] = span->to;
	return 0;
}

static int walk(const struct fde_source *src, struct fde_index *ix, uint64_t from, uint64_t to,
		unsigned pieces, struct spans *ret)
{
	struct fde_walk *w;
	uint64_t bad = 0;
	int r;

	ret->pos = from;
	ret->n = 0;
	r = fde_walk_new(src, ix, &w);
	for (unsigned i = 0; r == 0 && i < pieces; i++) {
		size_t budget = SIZE_MAX;
		struct fde_range range = { ret->pos, to, &budget, &bad };

		if (i + 1 < pieces)
			range.to = from + (to - from) * (i + 1) / pieces;
		if (range.to > range.from)
			r = fde_walk_range(w, &range, keep, ret);
	}
	if (r == 0)
		check(ret->pos == to);
	fde_walk_free(w);
	return r;
}

/* A range of code gives the same rules, whether it is walked at once or in pieces. */
static void compare_walks(const struct fde_source *src, struct fde_index *ix, uint64_t from)
{
	static struct spans whole, pieces;
	uint64_t to = from + 0x10000;

	if (walk(src, ix, from, to, 1, &whole) < 0 || walk(src, ix, from, to, PIECES, &pieces) < 0)
		return;
	check(whole.n == pieces.n);
	check(memcmp(whole.rule, pieces.rule, whole.n * sizeof(whole.rule[0])) == 0);
	check(memcmp(whole.end, pieces.end, whole.n * sizeof(whole.end[0])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(fde_reader_freep) struct fde_reader *reader = NULL;
	CLEANUP(fde_index_freep) struct fde_index *ix = NULL;
	struct fde_source src = { 0 };
	struct fde_entry entry;
	uint64_t bad;

	if (size == 0)
		return 0;
	src.eh = data[0] & 1;
	src.arch = cfi_arch_of(data[0] & 2 ? EM_AARCH64 : EM_X86_64);
	src.mem = data + 1;
	src.span.size = size - 1;
	src.span.vaddr = src.eh ? AT : 0;

	if (fde_reader_new(&src, &reader) < 0)
		return 0;
	for (size_t off = 0; off < size && off < 1024; off += 4)
		execute(reader, &src, off);
	if (fde_index_build(&src, 0, &bad, &ix) < 0)
		return 0;
	for (uint64_t i = 0; i < ENTRIES && fde_index_get(ix, i, &entry) == 0; i++) {
		execute(reader, &src, entry.off);
		if (i % 8 == 0)
			compare_walks(&src, ix, entry.start & ~0xfffULL);
	}
	return 0;
}
