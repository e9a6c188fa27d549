/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_table.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <time.h>

#include "elf/elf_unwind.h"
#include "elf_samples.h"
#include "leak_check.h"

static void fini(void)
{
	samples_fini();
	leak_check();
}

TestSuite(unwind_table, .init = samples_init, .fini = fini);

#define LIBC	 "/lib/x86_64-linux-gnu/libc.so.6"
#define LIBC_A64 "/usr/aarch64-linux-gnu/lib/libc.so.6"
#define PYTHON	 "/usr/bin/python3.11"

#define NONE	    UNWIND_RULE_SPECIAL(UNWIND_NONE)
#define END	    UNWIND_RULE_SPECIAL(UNWIND_END)
#define SIGNAL	    UNWIND_RULE_SPECIAL(UNWIND_SIGNAL)
#define UNSUPPORTED UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)
/* As unwind_rule.h has it in words. */
#define SP(n)	  ((n) / 8 << 2 | UNWIND_BASE_SP)
#define FP(n)	  ((n) / 8 << 2 | UNWIND_BASE_FP)
#define RBP_AT_16 (1u << 17)
#define BY_CODE	  (1u << 13)

/* An open file with its table, and the page that was compiled last. */
struct sample_table {
	struct elf_file *ef;
	struct unwind_table *t;
	struct elf_span *segments;
	size_t n_segments;
	uint64_t page;
	struct unwind_page rows;
};

static int open_table(const char *name, struct sample_table *s)
{
	int fd = sample_open(name);
	int r;

	memset(s, 0, sizeof(*s));
	s->page = UINT64_MAX;
	cr_assert_eq(elf_file_open_fd(fd, &s->ef), 0);
	close(fd);
	cr_assert_eq(elf_code_segments(s->ef, &s->segments, &s->n_segments), 0);
	r = unwind_table_open(s->ef, &s->t);
	if (r < 0) {
		free(s->segments);
		elf_file_close(s->ef);
	}
	return r;
}

static void close_table(struct sample_table *s)
{
	unwind_table_close(s->t);
	free(s->segments);
	elf_file_close(s->ef);
}

static int keep_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct sample_table *s = arg;

	s->page = page;
	s->rows = *rows;
	return 0;
}

static uint32_t rule_in(const struct unwind_page *rows, unsigned pc)
{
	unsigned i = rows->n_rows;

	while (rows->pc[i - 1] > pc)
		i--;
	return rows->rule[i - 1];
}

static uint32_t rule_at(struct sample_table *s, uint64_t vaddr)
{
	for (size_t i = 0; i < s->n_segments; i++) {
		const struct elf_span *seg = &s->segments[i];
		uint64_t off = seg->off + vaddr - seg->vaddr;

		if (vaddr - seg->vaddr >= seg->size)
			continue;
		if (s->page != off >> 12)
			cr_assert_eq(unwind_table_compile(s->t, off >> 12, 1, keep_page, s), 0);
		return rule_in(&s->rows, off & 4095);
	}
	cr_assert(false, "%#" PRIx64 " is in no segment", vaddr);
	return NONE;
}

static void expect_rule(struct sample_table *s, uint64_t vaddr, uint32_t want)
{
	uint32_t rule = rule_at(s, vaddr);

	cr_assert_eq(rule, want, "at %#" PRIx64 ": %#x, not %#x", vaddr, rule, want);
}

/* A function whose rows are known, and one without. Nothing else is linked. */
#define FUNCTIONS                                                                                  \
	"	.text\n"                                                                                 \
	"	.globl f, bare, g, _start\n"                                                             \
	"_start:\n"                                                                                \
	"f:	.cfi_startproc\n"                                                                      \
	"	push %rbp\n" /* 1 byte */                                                          \
	"	.cfi_def_cfa_offset 16\n"                                                                \
	"	.cfi_offset rbp, -16\n"                                                                  \
	"	mov %rsp, %rbp\n" /* 3 */                                                          \
	"	.cfi_def_cfa_register rbp\n"                                                             \
	"	nop; nop; nop; nop\n"                                                                    \
	"	pop %rbp\n"                                                                              \
	"	.cfi_def_cfa rsp, 8\n"                                                                   \
	"	.cfi_restore rbp\n"                                                                      \
	"	ret\n" /* ends at 10 */                                                            \
	"	.cfi_endproc\n"                                                                          \
	"	.balign 16, 0xcc\n"                                                                      \
	"bare:	nop; ret\n"                                                                         \
	"	.balign 16, 0xcc\n"                                                                      \
	"g:	.cfi_startproc\n"                                                                      \
	"	.cfi_undefined rip\n"                                                                    \
	"	hlt\n"                                                                                   \
	"	.cfi_endproc\n"                                                                          \
	"	.skip 64, 0xcc\n"

#define LINK "gcc -nostdlib -shared -Wl,--build-id=none "

static void expect_functions(struct sample_table *s, const char *file)
{
	uint64_t f = nm_value(file, "f");

	expect_rule(s, f, SP(8));
	expect_rule(s, f + 1, SP(16) | RBP_AT_16);
	expect_rule(s, f + 3, SP(16) | RBP_AT_16);
	expect_rule(s, f + 4, FP(16) | RBP_AT_16);
	expect_rule(s, f + 8, FP(16) | RBP_AT_16);
	expect_rule(s, f + 9, SP(8));
	expect_rule(s, f + 10, NONE);
	expect_rule(s, f + 16, NONE);
	expect_rule(s, f + 31, NONE);
	expect_rule(s, f + 32, END);
	expect_rule(s, f + 33, NONE);
}

/*
 * Its table cannot be used: what f has is told by its code, that g is the outermost by none.
 * Neither may be the program's entry.
 */
static void check_functions_by_code(const char *name)
{
	uint64_t f = nm_value("f.so", "f");
	struct sample_table s;

	cr_assert_eq(open_table(name, &s), 0, "%s", name);
	expect_rule(&s, f, SP(8) | BY_CODE);
	expect_rule(&s, f + 1, SP(16) | BY_CODE); /* rbp is as it was */
	expect_rule(&s, f + 4, SP(16) | RBP_AT_16 | BY_CODE);
	expect_rule(&s, f + 9, SP(8) | BY_CODE);
	cr_assert_neq(rule_at(&s, f + 32), END);
	close_table(&s);
}

/* @name is what was made of f.so, which has the symbols. */
static void check_functions(const char *name)
{
	struct sample_table s;

	cr_assert_eq(open_table(name, &s), 0, "%s", name);
	expect_functions(&s, "f.so");
	cr_assert_eq(unwind_table_stats(s.t).bad_fdes, 0);
	close_table(&s);
}

Test(unwind_table, rows_of_functions)
{
	sample_write("f.s", FUNCTIONS);
	sh(LINK "f.s -o f.so && cp f.so bare.so && strip f.so -o stripped.so");
	drop_sections("bare.so");
	check_functions("f.so");
	check_functions("stripped.so");
	check_functions("bare.so"); /* PT_GNU_EH_FRAME alone tells where it is */
}

static off_t section_off(const char *file, const char *name)
{
	const char *line =
		first_line("readelf -SW %s | sed 's/^.*] *//' | grep '^%s '", sample(file), name);
	uint64_t off;

	cr_assert_eq(sscanf(line, "%*s %*s %*x %" SCNx64, &off), 1, "%s: no %s", file, name);
	return off;
}

Test(unwind_table, without_a_table_that_can_be_searched)
{
	const uint8_t sdata8 = 0x3c, omit = 0xff, version = 2;
	uint64_t rows[2];
	off_t hdr;
	int fd;

	/* The FDEs of what comes last are the first. */
	sample_write("f.s", "	.section .fini, \"ax\"\n"
			    "	.rept 3\n	.cfi_startproc\n	ret\n	.cfi_endproc\n	"
			    ".endr\n" FUNCTIONS);
	sh(LINK "f.s -o f.so && for i in enc omit version unsorted; do cp f.so $i.so; done");
	sh(LINK "-Wl,--no-eh-frame-hdr f.s -o none.so");
	hdr = section_off("f.so", ".eh_frame_hdr");
	patch("enc.so", hdr + 3, &sdata8, 1);
	patch("omit.so", hdr + 3, &omit, 1);
	patch("version.so", hdr, &version, 1);

	fd = sample_open("f.so");
	cr_assert_eq(pread(fd, rows, 16, hdr + 12), 16);
	close(fd);
	patch("unsorted.so", hdr + 12, &rows[1], 8);
	patch("unsorted.so", hdr + 20, &rows[0], 8);

	check_functions("none.so");
	check_functions("enc.so");
	check_functions("omit.so");
	check_functions("version.so");
	check_functions("unsorted.so");

	/* Without section headers the pointer in the head is enough. */
	drop_sections("enc.so");
	check_functions("enc.so");
}

Test(unwind_table, debug_frame_as_it_is_and_packed)
{
	sample_write("f.s", "	.cfi_sections .debug_frame\n" FUNCTIONS);
	sh(LINK "-g f.s -o f.so && objcopy --compress-debug-sections=zlib f.so z.so && objcopy "
		"--compress-debug-sections=zlib-gnu f.so zdebug.so");
	cr_assert_neq(first_line("readelf -SW f.so | grep ' .debug_frame'")[0], '\0');
	check_functions("f.so");
	check_functions("z.so");
	check_functions("zdebug.so");
}

/* A section so small does not shrink: objcopy keeps it as it is, so this one is large. */
Test(unwind_table, packed_debug_frame_is_unpacked)
{
	const uint64_t huge = 1ULL << 40, less = 100;
	off_t frame;

	sample_write("f.s", "	.cfi_sections .debug_frame\n" FUNCTIONS "	.rept 2000\n"
			    "	.cfi_startproc\n	ret\n	.cfi_endproc\n"
			    "	.endr\n");
	sh(LINK "-Wl,-e,0 f.s -o f.so && objcopy --compress-debug-sections=zlib f.so z.so && "
		"objcopy --compress-debug-sections=zlib-gnu f.so zdebug.so");
	cr_assert_neq(first_line("readelf -SW z.so | grep ' .debug_frame .* C '")[0], '\0');
	cr_assert_neq(first_line("readelf -SW zdebug.so | grep ' .zdebug_frame'")[0], '\0');
	check_functions("z.so");
	check_functions("zdebug.so");

	/* It is not what its head claims. */
	frame = section_off("z.so", ".debug_frame");
	sh("cp z.so huge.so && cp z.so less.so && cp z.so type.so && cp z.so broken.so");
	patch("huge.so", frame + 8, &huge, 8);
	patch("less.so", frame + 8, &less, 8);
	patch("type.so", frame, "\2", 1);
	patch("broken.so", frame + 24 + 40, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	check_functions_by_code("huge.so");
	check_functions_by_code("less.so");
	check_functions_by_code("type.so");
	check_functions_by_code("broken.so");
}

Test(unwind_table, debug_frame_for_what_eh_frame_does_not_cover)
{
	struct sample_table s;
	uint64_t f;

	sample_write("f.s", FUNCTIONS);
	sample_write("h.s", "	.cfi_sections .debug_frame\n"
			    "	.globl h\n"
			    "h:	.cfi_startproc\n"
			    "	nop\n"
			    "	.cfi_def_cfa_offset 48\n"
			    "	ret\n"
			    "	.cfi_endproc\n	.skip 64, 0xcc\n");
	sh(LINK "f.s h.s -o f.so");
	cr_assert_eq(open_table("f.so", &s), 0);
	expect_functions(&s, "f.so");
	f = nm_value("f.so", "h");
	expect_rule(&s, f, SP(8));
	expect_rule(&s, f + 1, SP(48));
	expect_rule(&s, f + 2, NONE);
	close_table(&s);
}

/* --- what cannot be used ---------------------------------------------------------------------- */

/* File offset of the FDE of the @nth function. */
static off_t fde_off(const char *file, int nth)
{
	return section_off(file, ".eh_frame") +
	       strtol(first_line("readelf -wf %s 2>/dev/null | grep FDE | sed -n %dp", sample(file),
				 nth + 1),
		      NULL, 16);
}

Test(unwind_table, a_bad_fde_costs_its_function)
{
	const uint32_t back = 4;
	struct sample_table s;
	uint64_t f;
	off_t fde;

	sample_write("f.s", FUNCTIONS);
	sh(LINK "f.s -o f.so && cp f.so insn.so && cp f.so cie.so && cp f.so moved.so && cp f.so "
		"table.so");
	f = nm_value("f.so", "f");
	fde = fde_off("f.so", 0);

	/* DW_CFA_advance_loc by 3 becomes an unknown instruction: rows before it stand. */
	cr_assert_neq(first_line("xxd -s %ld -l 8 -p f.so | grep 410e1086024 ", (long)fde + 17)[0],
		      '\0');
	patch("insn.so", fde + 17 + 5, "\x17", 1);
	cr_assert_eq(open_table("insn.so", &s), 0);
	expect_rule(&s, f, SP(8));
	expect_rule(&s, f + 1, UNSUPPORTED);
	expect_rule(&s, f + 9, UNSUPPORTED);
	expect_rule(&s, f + 10, NONE);
	expect_rule(&s, f + 32, END);
	cr_assert_eq(unwind_table_stats(s.t).bad_fdes, 1);
	cr_assert_eq(unwind_table_stats(s.t).unsupported_rows, 1);
	close_table(&s);

	/* Its CIE is no CIE: how far it reaches is unknown, up to the next one nothing is right. */
	patch("cie.so", fde + 4, &back, 4);
	cr_assert_eq(open_table("cie.so", &s), 0);
	expect_rule(&s, f, UNSUPPORTED);
	expect_rule(&s, f + 31, UNSUPPORTED);
	expect_rule(&s, f + 32, END);
	cr_assert_eq(unwind_table_stats(s.t).bad_fdes, 1);
	close_table(&s);

	/* It starts elsewhere than the table says; the table leads out of the section. */
	patch("moved.so", fde + 8, "\1\2", 2);
	patch("table.so", section_off("f.so", ".eh_frame_hdr") + 16, "\xff\xff\xff\x7f", 4);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(open_table(i ? "table.so" : "moved.so", &s), 0);
		expect_rule(&s, f, UNSUPPORTED);
		expect_rule(&s, f + 32, END);
		close_table(&s);
	}
}

/* As the binary search of a runtime: the last that starts at or before a place, if it covers it. */
Test(unwind_table, the_last_start_wins_where_functions_overlap)
{
	const uint32_t size = 64;
	struct sample_table s;
	uint64_t f;

	sample_write("f.s", FUNCTIONS);
	sh(LINK "f.s -o f.so");
	f = nm_value("f.so", "f");
	patch("f.so", fde_off("f.so", 0) + 12, &size, 4);
	cr_assert_eq(open_table("f.so", &s), 0);
	expect_rule(&s, f + 4, FP(16) | RBP_AT_16);
	expect_rule(&s, f + 31, SP(8));
	expect_rule(&s, f + 32, END);
	expect_rule(&s, f + 33, NONE);
	close_table(&s);
}

Test(unwind_table, an_empty_function_hides_none)
{
	struct sample_table s;
	uint64_t f, table;
	int fd;

	sample_write("f.s",
		     "	.text\n	.globl f\n"
		     "f:	.cfi_startproc\n	.cfi_endproc\n"
		     "	.cfi_startproc\n	nop\n	.cfi_def_cfa_offset 16\n	ret\n"
		     "	.cfi_endproc\n	.skip 64, 0xcc\n");
	sh(LINK "-Wl,--no-eh-frame-hdr f.s -o own.so && " LINK "f.s -o f.so 2>/dev/null || true");
	f = nm_value("own.so", "f");
	cr_assert_eq(open_table("own.so", &s), 0);
	expect_rule(&s, f, SP(8));
	expect_rule(&s, f + 1, SP(16));
	close_table(&s);

	/* BOLT's table has the first of the two only. */
	fd = sample_open("f.so");
	table = section_off("f.so", ".eh_frame_hdr");
	cr_assert_eq(pread(fd, &f, 8, table + 12), 8);
	close(fd);
	patch("f.so", table + 8, "\1\0\0\0", 4);
	cr_assert_eq(open_table("f.so", &s), 0);
	f = nm_value("f.so", "f");
	expect_rule(&s, f, SP(8));
	expect_rule(&s, f + 1, SP(16));
	expect_rule(&s, f + 2, NONE);
	close_table(&s);
}

Test(unwind_table, files_without)
{
	const uint16_t riscv = EM_RISCV;
	struct sample_table s;

	sample_write("f.s", FUNCTIONS);
	sh(LINK "f.s -o f.so && cp f.so machine.so && gcc -c f.s -o f.o && objcopy "
		"--only-keep-debug f.so f.debug");
	cr_assert_eq(open_table("f.o", &s), -ENODATA); /* has no segments */
	cr_assert_eq(open_table("f.debug", &s), -ENODATA);
	patch("machine.so", 18, &riscv, 2);
	cr_assert_eq(open_table("machine.so", &s), -ENODATA);
}

/* Where code is understood it is enough. */
Test(unwind_table, x86_64_files_without_a_table)
{
	struct sample_table s;

	sample_write("f.s", FUNCTIONS);
	sample_write("bare.s", ".globl f\nf: ret\n");
	sh(LINK "-Wl,-e,0 f.s -o f.so && cp f.so broken.so && " LINK "bare.s -o none.so");
	cr_assert_eq(open_table("none.so", &s), 0);
	expect_rule(&s, nm_value("none.so", "f"), SP(8) | BY_CODE);
	close_table(&s);

	drop_sections("broken.so");
	patch("broken.so", section_off("f.so", ".eh_frame_hdr"), "\7", 1);
	check_functions_by_code("broken.so");
}

Test(unwind_table, aarch64_files_with_a_broken_table)
{
	struct sample_table s;

	sample_write("f.s", "	.globl f\nf:	.cfi_startproc\n	ret\n	.cfi_endproc\n");
	sh("aarch64-linux-gnu-gcc -nostdlib -shared f.s -o f.so && cp f.so broken.so");
	drop_sections("broken.so");
	patch("broken.so", section_off("f.so", ".eh_frame_hdr"), "\7", 1);
	cr_assert_eq(open_table("broken.so", &s), -EBADMSG);
}

Test(unwind_table, a_file_truncated_while_open)
{
	struct sample_table s;
	uint64_t f;

	sample_write("f.s", FUNCTIONS);
	sh(LINK "f.s -o f.so");
	cr_assert_eq(open_table("f.so", &s), 0);
	f = s.segments[0].off >> 12;
	cr_assert_eq(truncate(sample("f.so"), 100), 0);
	cr_assert_eq(unwind_table_compile(s.t, f, 1, keep_page, &s), -EBADMSG);
	close_table(&s);
}

static int refuse(void *arg, uint64_t page, const struct unwind_page *rows)
{
	++*(int *)arg;
	return -ECANCELED;
}

Test(unwind_table, an_error_of_the_callback_ends_it)
{
	struct sample_table s;
	int calls = 0;

	cr_assert_eq(open_table(LIBC, &s), 0);
	cr_assert_eq(unwind_table_compile(s.t, s.segments[0].off >> 12, 10, refuse, &calls),
		     -ECANCELED);
	cr_assert_eq(calls, 1);
	close_table(&s);
}

/* --- special places --------------------------------------------------------------------------- */

Test(unwind_table, procedure_linkage_tables)
{
	struct sample_table s;
	uint64_t plt;

	sample_write("f.c", "void a(void); void f(void) { a(); }\n");
	sh("gcc -O1 -shared -fPIC -nostdlib -fcf-protection=none -Wl,-z,lazy f.c -o lazy.so");
	sh("gcc -O1 -shared -fPIC -nostdlib -fcf-protection=full -Wl,-z,lazy -Wl,-z,ibtplt f.c -o "
	   "ibt.so");
	plt = strtoull(first_line("readelf -SW lazy.so | sed -n 's/.* .plt  *PROGBITS *//p'"), NULL,
		       16);
	cr_assert_eq(open_table("lazy.so", &s), 0);
	expect_rule(&s, plt, SP(16)); /* after the push of the entry that jumped here */
	expect_rule(&s, plt + 6, SP(24));
	expect_rule(&s, plt + 16, UNWIND_RULE_SPECIAL(UNWIND_PLT));
	expect_rule(&s, plt + 31, UNWIND_RULE_SPECIAL(UNWIND_PLT));
	close_table(&s);

	plt = strtoull(first_line("readelf -SW ibt.so | sed -n 's/.* .plt  *PROGBITS *//p'"), NULL,
		       16);
	cr_assert_eq(open_table("ibt.so", &s), 0);
	/* Entries with endbr64 push at byte 9, or, with bnd, which is no longer used, at 10. */
	cr_assert_neq(first_line("readelf -wf ibt.so | grep 'DW_OP_lit9; DW_OP_ge'")[0], '\0');
	expect_rule(&s, plt + 16, UNWIND_RULE_SPECIAL(UNWIND_PLT_IBT));
	expect_rule(&s, plt + 31, UNWIND_RULE_SPECIAL(UNWIND_PLT_IBT));
	close_table(&s);
}

struct group_pages {
	bool handed_out[64];
	uint64_t first, unwanted;
	unsigned n;
};

static bool wants_page(void *arg, uint64_t page)
{
	const struct group_pages *g = arg;

	return page != g->unwanted;
}

static int note_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct group_pages *g = arg;

	(void)rows;
	g->handed_out[page - g->first] = true;
	g->n++;
	return 0;
}

/*
 * 40 pages of functions of 10 bytes with padding in between, also at the ends of pages. In page 30
 * one has no table.
 */
#define PADDED                                                                                     \
	"	.balign 16, 0x90\n	.cfi_startproc\n	.fill 9, 1, 0x90\n	ret\n"                            \
	"	.cfi_endproc\n"

Test(unwind_table, group_of_pages_around_one)
{
	struct group_pages got = { .unwanted = 3 };
	struct unwind_group group = { .n = 40, .wants = wants_page };
	struct sample_table s;

	sample_write("f.s", "	.text\n	.balign 4096\n"
			    "	.rept 30 * 256\n" PADDED "	.endr\n"
			    "	.fill 99, 1, 0x90\n	ret\n"
			    "	.rept 10 * 256\n" PADDED "	.endr\n");
	sh(LINK "f.s -o f.so");
	cr_assert_eq(open_table("f.so", &s), 0);
	got.first = group.first = s.segments[0].off >> 12;
	got.unwanted += got.first;

	group.page = group.first + 5;
	cr_assert_eq(unwind_table_compile_group(s.t, &group, note_page, &got), 0);
	cr_assert_eq(got.n, 37);
	cr_assert_not(got.handed_out[3]);
	cr_assert_not(got.handed_out[29]); /* ends with the first bytes of what may be code */
	cr_assert_not(got.handed_out[30]);

	memset(&got, 0, sizeof(got));
	got.first = group.first;
	group.wants = NULL;
	group.page = group.first + 30;
	cr_assert_eq(unwind_table_compile_group(s.t, &group, note_page, &got), 0);
	cr_assert_eq(got.n, 40);
	close_table(&s);
}

#define START(first)                                                                               \
	"	.text\n	.globl start\n	.type start, @function\n"                                         \
	"start:	" first "\n	call g\n	ret\ng:	.fill 600, 1, 0x90\n	ret\n"

/* Old linkers name the begin of a library's code as its entry. */
Test(unwind_table, only_a_program_has_an_outermost_function)
{
	const struct {
		const char *code, *link;
		uint32_t rule;
	} cases[] = {
		{ START(""), LINK "-Wl,-e,start", SP(8) | 1u << UNWIND_BY_CODE_SHIFT },
		{ START("xor %ebp, %ebp"), LINK "-Wl,-e,start", UNWIND_RULE_SPECIAL(UNWIND_END) },
		{ START("xor %rbp, %rbp"), LINK "-Wl,-e,start", UNWIND_RULE_SPECIAL(UNWIND_END) },
		{ START(""), "gcc -nostdlib -no-pie -Wl,-e,start ",
		  UNWIND_RULE_SPECIAL(UNWIND_END) },
	};
	struct sample_table s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sample_write("f.s", cases[i].code);
		sh("%s f.s -o f.so", cases[i].link);
		cr_assert_eq(open_table("f.so", &s), 0);
		expect_rule(&s, nm_value("f.so", "start"), cases[i].rule);
		close_table(&s);
	}
}

#define X86_STUB "	mov $15, %rax\n	syscall\n"

Test(unwind_table, trampolines_of_signal_handlers)
{
	struct sample_table s;
	uint64_t at;

	/* musl's: nothing is said of it. One is cut by the end of a page. */
	sample_write("f.s", FUNCTIONS "	.balign 16\n"
				      "	.globl stub, cut\n"
				      "stub:	nop\n" X86_STUB "	ud2\n"
				      "	.balign 4096, 0x90\n	.skip 4096 - 4, 0x90\n"
				      "cut:\n" X86_STUB "	nop\n");
	sh(LINK "f.s -o f.so");
	cr_assert_eq(open_table("f.so", &s), 0);
	expect_functions(&s, "f.so");
	at = nm_value("f.so", "stub");
	expect_rule(&s, at, NONE);
	expect_rule(&s, at + 1, SIGNAL);
	expect_rule(&s, at + 9, SIGNAL);
	expect_rule(&s, at + 10, NONE);
	at = nm_value("f.so", "cut");
	cr_assert_eq(at % 4096, 4092);
	expect_rule(&s, at - 1, NONE);
	expect_rule(&s, at, SIGNAL);
	expect_rule(&s, at + 4, SIGNAL);
	expect_rule(&s, at + 8, SIGNAL);
	expect_rule(&s, at + 9, NONE);
	close_table(&s);

	/* In described code an ordinary function is believed; Go's .debug_frame is not. */
	for (int debug = 0; debug < 2; debug++) {
		sample_write("f.s",
			     debug ? "	.cfi_sections .debug_frame\n"
				     "	.globl stub\n	.text\n"
				     "stub:	.cfi_startproc\n" X86_STUB "	.cfi_endproc\n"
				   : "	.globl stub\n	.text\n"
				     "stub:	.cfi_startproc\n" X86_STUB "	.cfi_endproc\n");
		sh(LINK "f.s -o f.so");
		cr_assert_eq(open_table("f.so", &s), 0);
		at = nm_value("f.so", "stub");
		expect_rule(&s, at, debug ? SIGNAL : SP(8));
		close_table(&s);
	}
}

Test(unwind_table, glibcs_trampoline)
{
	struct sample_table s;
	const char *line;
	uint64_t at;

	/* The only FDE of libc whose CIE has the letter S. */
	line = first_line(
		"readelf -wf " LIBC " 2>/dev/null | awk '/CIE/ { cie = $1; } "
		"/Augmentation:/ && /S/ { s = cie } /FDE/ && s && $5 == \"cie=\" s { print; "
		"exit }'");
	cr_assert_eq(sscanf(line, "%*x %*x %*x FDE cie=%*x pc=%" SCNx64, &at), 1, "%s", line);
	cr_assert_eq(open_table(LIBC, &s), 0);
	for (int i = 0; i < 10; i++)
		expect_rule(&s, at + i, SIGNAL);
	close_table(&s);
}

/* makecontext(3) has its function return to the first byte of __start_context(). */
Test(unwind_table, glibcs_begin_of_contexts)
{
	struct sample_table s;
	uint64_t at;

	/* By its first two instructions, which no other code of libc has. */
	at = strtoull(first_line("objdump -d " LIBC " | grep -A1 'mov  *%%rbx,%%rsp' | "
				 "grep -B1 'mov  *(%%rsp),%%rdi' | head -1"),
		      NULL, 16);
	cr_assert_neq(at, 0);
	cr_assert_eq(open_table(LIBC, &s), 0);
	expect_rule(&s, at - 1, NONE);
	for (int i = 0; i < 3; i++)
		expect_rule(&s, at + i, UNWIND_RULE_SPECIAL(UNWIND_END));
	expect_rule(&s, at + 3, SP(8));
	close_table(&s);

	/* aarch64's, of the compiler's own library, is behind a nop. */
	at = strtoull(first_line("aarch64-linux-gnu-objdump -d " LIBC_A64 " | "
				 "grep -A2 'mov.x0, x19' | grep -A1 -B1 'cbnz.x0,' | "
				 "grep -B2 '	b	' | head -1"),
		      NULL, 16);
	cr_assert_neq(at, 0);
	cr_assert_eq(open_table(LIBC_A64, &s), 0);
	expect_rule(&s, at - 5, NONE);
	for (int i = -4; i < 4; i++)
		expect_rule(&s, at + i, UNWIND_RULE_SPECIAL(UNWIND_END));
	expect_rule(&s, at + 4, SP(0));
	close_table(&s);
}

#define A64_PAIR(n) (UNWIND_A64_PAIR << 14 | (n) / 8 << 16)

Test(unwind_table, aarch64_files)
{
	struct sample_table s;
	uint64_t f, stub;

	/* The trampoline as the vDSOs up to Linux 5.8 have it. */
	sample_write("f.s", "	.text\n	.globl f, stub, bare\n"
			    "f:	.cfi_startproc\n"
			    "	stp x29, x30, [sp, -48]!\n"
			    "	.cfi_def_cfa_offset 48\n"
			    "	.cfi_offset 29, -48\n"
			    "	.cfi_offset 30, -40\n"
			    "	mov x29, sp\n"
			    "	.cfi_def_cfa_register 29\n"
			    "	ldp x29, x30, [sp], 48\n"
			    "	.cfi_restore 29\n"
			    "	.cfi_restore 30\n"
			    "	.cfi_def_cfa 31, 0\n"
			    "	ret\n"
			    "	.cfi_endproc\n"
			    "	.cfi_startproc\n"
			    "	.cfi_signal_frame\n"
			    "	.cfi_def_cfa 29, 0\n"
			    "	.cfi_offset 29, 0\n"
			    "	.cfi_offset 30, 8\n"
			    "	nop\n"
			    "stub:	mov x8, #139\n	svc #0\n"
			    "	.cfi_endproc\n"
			    "bare:	mov x8, #139\n	svc #0\n	nop\n");
	sh("aarch64-linux-gnu-gcc -nostdlib -shared f.s -o f.so");
	cr_assert_eq(open_table("f.so", &s), 0);
	f = nm_value("f.so", "f");
	expect_rule(&s, f, SP(0));
	expect_rule(&s, f + 4, SP(48) | A64_PAIR(48));
	expect_rule(&s, f + 8, FP(48) | A64_PAIR(48));
	expect_rule(&s, f + 12, SP(0));
	stub = nm_value("f.so", "stub");
	expect_rule(&s, stub - 4, UNSUPPORTED);
	expect_rule(&s, stub, SIGNAL);
	expect_rule(&s, stub + 7, SIGNAL);
	cr_assert_eq(nm_value("f.so", "bare"), stub + 8);
	expect_rule(&s, stub + 8, SIGNAL);
	expect_rule(&s, stub + 15, SIGNAL);
	expect_rule(&s, stub + 16, NONE);
	close_table(&s);
}

/* aarch64's vDSO has had no CFI since Linux 6.10 or so; signal handlers return to it. */
Test(unwind_table, aarch64_trampolines_without_a_table)
{
	struct sample_table s;
	uint64_t stub;

	sample_write("f.s", "	.text\n	.globl f, stub\n"
			    "f:	nop\n	ret\n"
			    "stub:	mov x8, #139\n	svc #0\n	nop\n");
	sh("aarch64-linux-gnu-gcc -nostdlib -shared f.s -o f.so");
	cr_assert_eq(open_table("f.so", &s), 0);
	stub = nm_value("f.so", "stub");
	expect_rule(&s, stub - 8, NONE);
	expect_rule(&s, stub, SIGNAL);
	expect_rule(&s, stub + 7, SIGNAL);
	expect_rule(&s, stub + 8, NONE);
	close_table(&s);
}

/* --- pages ------------------------------------------------------------------------------------ */

struct all_rows {
	struct unwind_page *pages;
	uint64_t first, n, next;
};

static int check_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct all_rows *all = arg;

	cr_assert_eq(page, all->next++);
	cr_assert_geq(rows->n_rows, 1);
	cr_assert_eq(rows->pc[0], 0);
	for (unsigned i = 0; i < rows->n_rows; i++) {
		uint32_t rule = rows->rule[i];

		cr_assert_lt(rows->pc[i], UNWIND_PAGE_SIZE);
		if ((rule & 3) == UNWIND_BASE_EXT)
			cr_assert_lt(rule >> 2, rows->n_ext);
		if (i)
			cr_assert(rows->pc[i - 1] < rows->pc[i] && rows->rule[i - 1] != rule);
	}
	all->pages[page - all->first] = *rows;
	return 0;
}

static int compare_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	const struct all_rows *all = arg;
	const struct unwind_page *want = &all->pages[page - all->first];

	cr_assert_eq(rows->n_rows, want->n_rows);
	cr_assert_eq(rows->n_ext, want->n_ext);
	cr_assert_eq(memcmp(rows->pc, want->pc, want->n_rows * sizeof(want->pc[0])), 0);
	cr_assert_eq(memcmp(rows->rule, want->rule, want->n_rows * sizeof(want->rule[0])), 0);
	cr_assert_eq(memcmp(rows->ext, want->ext, want->n_ext * sizeof(want->ext[0])), 0);
	return 0;
}

/* Pages are the same, however many are asked for at once and in whatever order. */
static void check_order(const char *name)
{
	struct all_rows all = { 0 };
	struct sample_table s;

	cr_assert_eq(open_table(name, &s), 0);
	unwind_table_pages(s.t, &all.first, &all.n);
	all.next = all.first;
	all.pages = calloc(all.n, sizeof(*all.pages));
	cr_assert_not_null(all.pages);
	cr_assert_eq(unwind_table_compile(s.t, all.first, all.n, check_page, &all), 0);
	cr_assert_eq(all.next, all.first + all.n);

	for (uint64_t i = all.n; i-- > 0;)
		cr_assert_eq(unwind_table_compile(s.t, all.first + i, 1, compare_page, &all), 0);
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t at = i * 7919 % all.n;

		cr_assert_eq(unwind_table_compile(s.t, all.first + at,
						  all.n - at < 16 ? all.n - at : 16, compare_page,
						  &all),
			     0);
	}
	free(all.pages);
	close_table(&s);
}

Test(unwind_table, pages_do_not_depend_on_their_order)
{
	check_order(LIBC);
	check_order(PYTHON);
}

Test(unwind_table, memory_and_file_say_the_same)
{
	struct all_rows all = { 0 };
	struct elf_file *ef;
	struct sample_table s;
	struct unwind_table *t;
	off_t size;
	void *buf;
	int fd;

	cr_assert_eq(open_table(LIBC, &s), 0);
	unwind_table_pages(s.t, &all.first, &all.n);
	all.next = all.first;
	all.pages = calloc(all.n, sizeof(*all.pages));
	cr_assert_eq(unwind_table_compile(s.t, all.first, all.n, check_page, &all), 0);

	fd = sample_open(LIBC);
	size = lseek(fd, 0, SEEK_END);
	buf = malloc(size);
	cr_assert_eq(pread(fd, buf, size, 0), size);
	close(fd);
	cr_assert_eq(elf_file_open_memory(buf, size, &ef), 0);
	cr_assert_eq(unwind_table_open(ef, &t), 0);
	cr_assert_eq(unwind_table_compile(t, all.first, all.n, compare_page, &all), 0);
	unwind_table_close(t);
	elf_file_close(ef);
	free(buf);
	free(all.pages);
	close_table(&s);
}

Test(unwind_table, pages_are_those_of_executable_segments)
{
	struct sample_table s;
	uint64_t first, n, off, size;

	sample_write("f.s", FUNCTIONS "	.skip 10000\n");
	sh(LINK "f.s -o f.so");
	cr_assert_eq(sscanf(first_line("readelf -lW f.so | grep 'LOAD.* R E '"),
			    " LOAD %" SCNx64 " %*x %*x %" SCNx64, &off, &size),
		     2);
	cr_assert_eq(open_table("f.so", &s), 0);
	unwind_table_pages(s.t, &first, &n);
	cr_assert_eq(first, off >> 12);
	cr_assert_eq(first + n, (off + size + 4095) >> 12);

	/* What lies outside of them has no rows, but can be asked for. */
	cr_assert_eq(unwind_table_compile(s.t, first + n + 5, 1, keep_page, &s), 0);
	cr_assert_eq(s.rows.n_rows, 1);
	cr_assert_eq(s.rows.rule[0], NONE);
	cr_assert_eq(unwind_table_compile(s.t, UINT64_MAX >> 12, 1, keep_page, &s), 0);
	cr_assert_eq(s.rows.rule[0], NONE);
	close_table(&s);
}

Test(unwind_table, functions_over_several_pages)
{
	struct sample_table s;
	uint64_t f;

	sample_write("f.s", "	.text\n	.globl f\n"
			    "f:	.cfi_startproc\n"
			    "	.skip 3000, 0x90\n	.cfi_def_cfa_offset 16\n"
			    "	.skip 9000, 0x90\n	.cfi_def_cfa_offset 24\n"
			    "	.skip 9000, 0x90\n"
			    "	.cfi_endproc\n	.skip 64, 0xcc\n");
	sh(LINK "f.s -o f.so");
	f = nm_value("f.so", "f");
	cr_assert_eq(open_table("f.so", &s), 0);
	expect_rule(&s, f + 20999, SP(24)); /* the last page first */
	expect_rule(&s, f + 21000, NONE);
	expect_rule(&s, f + 12000, SP(24));
	expect_rule(&s, f + 11999, SP(16));
	expect_rule(&s, f + 3000, SP(16));
	expect_rule(&s, f + 2999, SP(8));
	close_table(&s);
}

Test(unwind_table, pages_that_are_too_dense_say_so)
{
	struct unwind_table_stats stats;
	struct sample_table s;
	uint64_t f;

	/* 2000 rows in one page, and more than 64 extended rules in another. */
	sample_write("f.s", "	.text\n	.balign 4096\n	.globl f, g\n"
			    "f:	.cfi_startproc\n"
			    "	.rept 2000\n	nop\n	.cfi_adjust_cfa_offset 8\n	.endr\n"
			    "	nop\n	.cfi_endproc\n"
			    "	.balign 4096\n"
			    "g:	.cfi_startproc\n"
			    "	.rept 100\n	nop\n	.cfi_adjust_cfa_offset 8\n"
			    "	.cfi_adjust_cfa_offset -1\n	.endr\n"
			    "	nop\n	.cfi_endproc\n	.skip 64, 0xcc\n");
	sh(LINK "f.s -o f.so");
	f = nm_value("f.so", "f");
	cr_assert_eq(open_table("f.so", &s), 0);
	expect_rule(&s, f, SP(8));
	expect_rule(&s, f + 1021, SP(8 + 1021 * 8));
	expect_rule(&s, f + 1022, UNSUPPORTED);
	expect_rule(&s, f + 4095, UNSUPPORTED);
	stats = unwind_table_stats(s.t);
	cr_assert_eq(stats.dense_pages, 1);
	cr_assert_eq(stats.unsupported_rows, 1);

	f = nm_value("f.so", "g");
	cr_assert_eq(rule_at(&s, f + 1) & 3, UNWIND_BASE_EXT);
	expect_rule(&s, f + 100, UNSUPPORTED);
	expect_rule(&s, f + 101, NONE);
	cr_assert_eq(unwind_table_stats(s.t).dense_pages, 2);
	close_table(&s);
}

/* --- hostile files ---------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Four thousand functions in one page, of 600 bytes of instructions that do not move. */
Test(unwind_table, the_work_for_one_page_is_bounded)
{
	struct sample_table s;
	double start;

	sample_write("f.s",
		     "	.text\n	.balign 4096\n	.globl f\n"
		     "f:	.rept 4000\n"
		     "	.cfi_startproc\n"
		     "	.rept 60\n"
		     "	.cfi_escape 0x0e, 0x10, 0x0e, 0x10, 0x0e, 0x10, 0x0e, 0x10, 0x0e, 0x10\n"
		     "	.endr\n"
		     "	nop\n	.cfi_endproc\n"
		     "	.endr\n");
	sh(LINK "-Wl,-z,max-page-size=4096 f.s -o f.so");
	cr_assert_eq(open_table("f.so", &s), 0);
	start = cpu_seconds();
	for (int i = 0; i < 10; i++) {
		s.page = UINT64_MAX;
		expect_rule(&s, nm_value("f.so", "f") + 3999, UNSUPPORTED);
	}
	/* Under ASAN. */
	cr_assert_lt(cpu_seconds() - start, 5.0);
	expect_rule(&s, nm_value("f.so", "f"), SP(16));
	close_table(&s);
}

/* Offset in the file of the program header that readelf prints with @word. */
static off_t program_header(const char *file, const char *word)
{
	return 64 + 56 * (atoi(first_line("readelf -lW %s | grep -A99 'Type  ' | grep -n '%s'",
					  sample(file), word)) -
			  2);
}

/*
 * Puts a table of @n rows at the end of the file, each like the first of the one that was there,
 * @step bytes of code behind the one before it.
 */
static void repeat_first_row(const char *name, uint32_t n, uint32_t step)
{
	const uint64_t at = 1 << 20, size = 12 + 8ull * n;
	off_t old = section_off(name, ".eh_frame_hdr");
	struct {
		uint8_t head[8];
		uint32_t n;
		struct {
			uint32_t start, fde;
		} rows[1000];
	} __attribute__((packed)) h;
	int fd = sample_open(name);

	cr_assert_eq(pread(fd, &h, 20, old), 20);
	h.n = n;
	for (int i = 1; i < 1000; i++) {
		h.rows[i] = h.rows[i - 1];
		h.rows[i].start += step;
	}
	cr_assert_eq(pwrite(fd, &h, 12, at), 12);
	for (uint32_t i = 0; i < n; i += 1000) {
		cr_assert_eq(pwrite(fd, h.rows, 8000, at + 12 + 8ull * i), 8000);
		for (int k = 0; k < 1000; k++)
			h.rows[k].start += 1000 * step;
	}
	close(fd);
	old = program_header(name, "GNU_EH_FRAME");
	patch(name, old + 8, &at, 8);
	patch(name, old + 32, &size, 8);
}

/* The table says that four million functions start at the same place. */
Test(unwind_table, a_table_of_equal_starts)
{
	struct sample_table s;
	double start;

	/* Not at the begin of a page: they are gone through one by one. */
	sample_write("f.s", "	.text\n	.skip 64, 0xcc\n" FUNCTIONS);
	sh(LINK "f.s -o f.so && cp f.so many.so");
	repeat_first_row("many.so", 4000000, 0);
	cr_assert_eq(open_table("many.so", &s), 0);
	start = cpu_seconds();
	expect_rule(&s, nm_value("f.so", "f"), SP(8));
	expect_rule(&s, nm_value("f.so", "f") + 9, SP(8));
	/* The other function is not in it. */
	expect_rule(&s, nm_value("f.so", "g"), NONE);
	cr_assert_lt(cpu_seconds() - start, 2.0);
	close_table(&s);
}

/* Each byte of code has a row; all of these lead to one FDE of 240,000 bytes, which is of one. */
Test(unwind_table, a_long_fde_of_other_code_is_paid_for)
{
	struct sample_table s;
	uint64_t f;

	sample_write("f.s",
		     "	.text\n	.balign 4096\n	.globl f\n"
		     "f:	.cfi_startproc\n"
		     "	.rept 24000\n"
		     "	.cfi_escape 0x0e, 0x10, 0x0e, 0x10, 0x0e, 0x10, 0x0e, 0x10, 0x0e, 0x10\n"
		     "	.endr\n"
		     "	nop\n	.cfi_endproc\n	.skip 8192, 0x90\n");
	sh(LINK "-Wl,-z,max-page-size=4096 f.s -o f.so");
	f = nm_value("f.so", "f");
	repeat_first_row("f.so", 4000, 1);
	cr_assert_eq(open_table("f.so", &s), 0);
	expect_rule(&s, f, SP(16));
	expect_rule(&s, f + 1, UNSUPPORTED);
	expect_rule(&s, f + 3000, UNSUPPORTED);
	/* Of those that were read; the others were not looked at. */
	cr_assert_leq(unwind_table_stats(s.t).bad_fdes, 5);
	close_table(&s);
}

/* 1 GiB of code with one FDE: asked for in small parts and all at once. */
Test(unwind_table, a_function_of_a_gigabyte)
{
	const uint64_t size = 1ull << 30;
	const uint32_t size32 = size;
	struct sample_table s;
	uint64_t f, first, n;
	off_t load;

	sample_write("f.s", FUNCTIONS);
	sh(LINK "f.s -o f.so && cp f.so big.so && truncate -s 1100M big.so");
	f = nm_value("f.so", "f");
	load = program_header("f.so", " R E ");
	patch("big.so", load + 32, &size, 8);
	patch("big.so", load + 40, &size, 8);
	patch("big.so", fde_off("f.so", 1) + 12, &size32, 4);
	drop_sections("big.so"); /* they would tell what is not code */
	cr_assert_eq(open_table("big.so", &s), 0);
	expect_rule(&s, f + (1 << 29), END);
	unwind_table_pages(s.t, &first, &n);
	cr_assert_geq(n, size >> 12);
	cr_assert_eq(unwind_table_compile(s.t, first, 20000, keep_page, &s), 0);
	cr_assert_eq(s.rows.n_rows, 1);
	cr_assert_eq(s.rows.rule[0], END);
	close_table(&s);
}
