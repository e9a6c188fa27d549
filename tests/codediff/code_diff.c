/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_diff [-s] [-v] [-n] FILE…: takes the code of ELF files as if no unwind table described it,
 * and compares what user/unwind/code_rows.c finds out with what .eh_frame says of the same places:
 * the table's rule, applied to what is known of the stack there, must lead to the CFA and to the
 * saved registers. -s: without .symtab, as in stripped files; -n: no symbols at all; -v: each
 * difference. Exit status 1 if there is one.
 */
#include "unwind/code_flow.h"

static int observe_ops(struct code_flow *f, code_flow_op_fn fn, void *arg);
#define code_flow_each_op(f, fn, arg) observe_ops(f, fn, arg)
#include "unwind/code_rows.c"
#undef code_flow_each_op

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "elf/elf_symtab.h"
#include "elf/elf_unwind.h"
#include "unwind/unwind_table.h"

#define CORE   (64 << 10)
#define MARGIN (32 << 10)

enum outcome {
	SAME,
	NO_RULE,     /* not understood */
	UNVERIFIED,  /* the table's rule needs what is not known here */
	REG_UNKNOWN, /* CFA is the same; a register that the table has is not known */
	WRONG_CFA,
	WRONG_REG,
	OTHER_KIND, /* the table says END, SIGNAL or the like */
	OUTCOMES,
};

static const char *const names[] = { "same",	  "no rule",   "unverified", "register unknown",
				     "wrong CFA", "wrong reg", "other kind" };

static struct {
	uint64_t insns[OUTCOMES], functions, accepted, no_fde, bytes;
	double seconds;
} total;

static bool verbose, no_symtab, no_symbols, only_build;

/* The window at hand. */
static struct {
	const char *path;
	uint64_t vaddr;
	uint32_t core_from, core_to;
	const uint32_t *rule; /* per byte, of the table */
	const struct unwind_ext *const *ext;
	uint8_t *outcome; /* per byte; enum outcome + 1 */
} w;

static struct stack_value cell(const struct stack_state *s, struct stack_value at)
{
	for (unsigned i = 0; i < s->n_cells; i++)
		if (s->cell[i].at.symbol == at.symbol && s->cell[i].at.off == at.off)
			return s->cell[i].held;
	return (struct stack_value){ 0 };
}

static struct stack_value reg_plus(const struct stack_state *s, unsigned reg, int64_t off)
{
	struct stack_value v = s->reg[reg];

	v.off += v.symbol ? off : 0;
	return v;
}

static struct stack_value place(const struct stack_state *s, const struct unwind_place *p,
				unsigned reg)
{
	switch (p->where) {
	case UNWIND_AS_IS:
		return s->reg[reg];
	case UNWIND_AT_CFA:
		return cell(s, (struct stack_value){ STACK_CFA, p->off });
	case UNWIND_AT_REG:
		return cell(s, reg_plus(s, p->reg, p->off));
	case UNWIND_IN_REG:
		return reg_plus(s, p->reg, p->off);
	default:
		return (struct stack_value){ 0 };
	}
}

static void widen(uint32_t rule, struct unwind_ext *ext)
{
	uint32_t slots = rule >> UNWIND_X86_SLOT_SHIFT;

	memset(ext, 0, sizeof(*ext));
	ext->cfa_reg = (rule & 3) == UNWIND_BASE_SP ? UNWIND_X86_RSP : UNWIND_X86_RBP;
	ext->cfa_off = (rule >> UNWIND_CFA_SHIFT & ((1 << UNWIND_CFA_BITS) - 1)) * 8;
	ext->ra = (struct unwind_place){ UNWIND_AT_CFA, 0, -8 };
	for (int i = 0; i < UNWIND_X86_SLOTS; i++, slots >>= UNWIND_X86_SLOT_BITS)
		if (slots & 7)
			ext->saved[i] = (struct unwind_place){ UNWIND_AT_CFA, 0,
							       -8 * ((int)(slots & 7) + 1) };
}

static enum outcome compare(const struct stack_state *s, uint32_t at)
{
	static const uint8_t regs[] = { 3, 6, 12, 13, 14, 15 };
	enum outcome out = SAME;
	struct unwind_ext theirs, ours;
	struct stack_value cfa;
	uint32_t rule = w.rule[at], own = stack_state_rule(s, &ours);

	if (own == NONE)
		return NO_RULE;
	if (own == UNWIND_RULE_SPECIAL(UNWIND_END) || (rule & 3) == UNWIND_BASE_SPECIAL)
		return rule == own ? SAME : OTHER_KIND;
	if ((rule & 3) == UNWIND_BASE_EXT)
		theirs = *w.ext[at];
	else
		widen(rule, &theirs);
	if ((own & 3) != UNWIND_BASE_EXT)
		widen(own, &ours);
	cfa = reg_plus(s, theirs.cfa_reg, theirs.cfa_off);
	if (theirs.cfa == UNWIND_CFA_DEREF) {
		cfa = cell(s, cfa);
		cfa.off += theirs.cfa_add;
	}
	if (cfa.symbol == STACK_UNKNOWN)
		out = UNVERIFIED;
	else if (cfa.symbol != STACK_CFA || cfa.off != 0)
		return WRONG_CFA;
	if (place(s, &theirs.ra, 0).symbol != STACK_RA)
		return theirs.ra.where == UNWIND_UNKNOWN ? OTHER_KIND : WRONG_REG;
	for (unsigned i = 0; i < 6; i++) {
		struct stack_value v = place(s, &theirs.saved[i], regs[i]);

		if (theirs.saved[i].where == UNWIND_UNKNOWN)
			continue;
		if (v.symbol == STACK_ORIG + regs[i])
			continue;
		if (ours.saved[i].where != UNWIND_UNKNOWN)
			return WRONG_REG;
		if (out == SAME)
			out = REG_UNKNOWN;
	}
	return out;
}

static int observe(void *arg, uint32_t at, const struct stack_state *s)
{
	enum outcome out;

	if (at < w.core_from || at >= w.core_to)
		return 0;
	if (w.rule[at] == NONE) {
		total.no_fde++;
		return 0;
	}
	out = compare(s, at);
	w.outcome[at] = out + 1;
	return 0;
}

static int observe_ops(struct code_flow *f, code_flow_op_fn fn, void *arg)
{
	int r = only_build ? 0 : code_flow_each_op(f, observe, NULL);

	return r < 0 ? r : code_flow_each_op(f, fn, arg);
}

/* --- files ------------------------------------------------------------------------------------ */

struct table_rules {
	uint64_t first_off;
	size_t len;
	uint32_t *rule;
	const struct unwind_ext **ext;
	VEC(struct unwind_ext *) kept;
};

static int take_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct table_rules *t = arg;
	struct unwind_ext *ext = NULL;

	if (rows->n_ext) {
		ext = malloc(sizeof(*ext) * rows->n_ext);
		memcpy(ext, rows->ext, sizeof(*ext) * rows->n_ext);
		if (vec_push(&t->kept, ext) < 0)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < rows->n_rows; i++) {
		unsigned end = i + 1 < rows->n_rows ? rows->pc[i + 1] : UNWIND_PAGE_SIZE;

		for (unsigned pc = rows->pc[i]; pc < end; pc++) {
			size_t at = (page << UNWIND_PAGE_SHIFT) + pc - t->first_off;

			if (at >= t->len)
				continue;
			t->rule[at] = rows->rule[i];
			t->ext[at] = (rows->rule[i] & 3) == UNWIND_BASE_EXT
					     ? &ext[rows->rule[i] >> 2]
					     : NULL;
		}
	}
	return 0;
}

static int add_start(void *arg, const struct elf_symtab *st, const Elf64_Sym *sym)
{
	struct {
		uint64_t vaddr;
		size_t len;
		VEC(uint32_t) v;
	} *s = arg;

	if (ELF64_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx &&
	    sym->st_value - s->vaddr < s->len)
		return vec_push(&s->v, sym->st_value - s->vaddr);
	return 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void count(const uint8_t *bytes, const struct code_rows *rows, const struct table_rules *t,
		  uint64_t base)
{
	struct x86_decoder d;
	size_t row = 0;

	x86_decoder_init(&d, bytes, w.core_to, w.vaddr);
	for (uint32_t at = w.core_from; at < w.core_to;) {
		struct code_op op;
		uint32_t rule = NONE;
		enum outcome out;

		if (w.rule[at] == NONE) {
			at++;
			continue;
		}
		x86_decode(&d, at, &op);
		while (row < rows->rows.n && rows->rows.data[row].at <= at)
			row++;
		if (row)
			rule = rows->rows.data[row - 1].rule;
		if (op.kind == CODE_OP_PADDING) {
			at += op.len;
			continue;
		}
		out = rule == NONE || !w.outcome[at] ? NO_RULE : w.outcome[at] - 1;
		total.insns[out]++;
		if ((out >= WRONG_CFA || verbose) && out != SAME &&
		    (verbose || total.insns[out] < 30))
			printf("%s: %#" PRIx64 ": %s (ours %#x, table %#x)\n", w.path, w.vaddr + at,
			       names[out], rule, w.rule[at]);
		at += op.len;
	}
}

static void compare_window(struct elf_file *ef, const struct elf_span *seg,
			   const struct table_rules *t, uint64_t from)
{
	static const enum elf_symtab_kind kinds[] = { ELF_SYMTAB_DYNAMIC, ELF_SYMTAB_FULL };
	uint64_t lo = from > MARGIN ? from - MARGIN : 0;
	uint64_t hi = from + CORE + MARGIN < seg->size ? from + CORE + MARGIN : seg->size;
	uint8_t *bytes = malloc(hi - lo);
	struct code_rows_input in = { .bytes = bytes, .len = hi - lo, .begins = lo == 0 };
	struct code_rows rows;
	struct elf_symtab st;
	double begin;
	struct {
		uint64_t vaddr;
		size_t len;
		VEC(uint32_t) v;
	} starts = { seg->vaddr + lo, hi - lo, { 0 } };

	if (elf_span_read(ef, seg->off + lo, bytes, hi - lo) < 0)
		return;
	for (int k = 0; k < (no_symbols ? 0 : no_symtab ? 1 : 2); k++)
		if (elf_symtab_find(ef, kinds[k], &st) == 0)
			elf_symtab_walk(&st, add_start, &starts);
	in.vaddr = seg->vaddr + lo;
	in.starts = starts.v.data;
	in.n_starts = starts.v.n;
	w.vaddr = in.vaddr;
	w.core_from = from - lo;
	w.core_to = from + CORE < seg->size ? from - lo + CORE : seg->size - lo;
	w.rule = t->rule + lo;
	w.ext = t->ext + lo;
	w.outcome = calloc(hi - lo, 1);
	begin = now();
	if (code_rows_build(&in, &rows) < 0)
		abort();
	total.seconds += now() - begin;
	total.bytes += hi - lo;
	total.functions += rows.functions;
	total.accepted += rows.accepted;
	count(bytes, &rows, t, 0);
	code_rows_clear(&rows);
	free(w.outcome);
	free(bytes);
	vec_free(&starts.v);
}

static void compare_file(const char *path)
{
	CLEANUP(unwind_table_closep) struct unwind_table *t = NULL;
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_span *segs;
	size_t n;

	if (fd < 0 || elf_file_open_fd(fd, &ef) < 0 || unwind_table_open(ef, &t) < 0 ||
	    elf_code_segments(ef, &segs, &n) < 0)
		return;
	w.path = path;
	for (size_t i = 0; i < n; i++) {
		struct table_rules rules = { .first_off = segs[i].off, .len = segs[i].size };

		rules.rule = calloc(segs[i].size, sizeof(*rules.rule));
		rules.ext = calloc(segs[i].size, sizeof(*rules.ext));
		unwind_table_compile(t, segs[i].off >> UNWIND_PAGE_SHIFT,
				     ((segs[i].off + segs[i].size - 1) >> UNWIND_PAGE_SHIFT) -
					     (segs[i].off >> UNWIND_PAGE_SHIFT) + 1,
				     take_page, &rules);
		for (uint64_t from = 0; from < segs[i].size; from += CORE)
			compare_window(ef, &segs[i], &rules, from);
		free(rules.rule);
		free(rules.ext);
		for (size_t k = 0; k < rules.kept.n; k++)
			free(rules.kept.data[k]);
		vec_free(&rules.kept);
	}
	free(segs);
}

static int print_totals(void)
{
	uint64_t all = 0, wrong = 0;

	for (int i = 0; i < OUTCOMES; i++)
		all += total.insns[i];
	printf("%" PRIu64 " instructions with a table, %" PRIu64 " of %" PRIu64
	       " tried starts accepted, %.1f MB in %.2f s: %.1f MB/s\n",
	       all, total.accepted, total.functions, total.bytes / 1e6, total.seconds,
	       total.bytes / 1e6 / total.seconds);
	for (int i = 0; i < OUTCOMES; i++) {
		printf("%12" PRIu64 " %6.2f %% %s\n", total.insns[i], 100.0 * total.insns[i] / all,
		       names[i]);
		wrong += i >= WRONG_CFA ? total.insns[i] : 0;
	}
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "svnb")) != -1) {
		no_symtab |= opt == 's';
		no_symbols |= opt == 'n';
		verbose |= opt == 'v';
		only_build |= opt == 'b';
	}
	for (int i = optind; i < argc; i++)
		compare_file(argv[i]);
	return print_totals();
}
