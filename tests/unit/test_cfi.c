/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dwarf.h>
#include <elf.h>
#include <errno.h>

#include "cfi_bytes.h"
#include "leak_check.h"

TestSuite(cfi, .fini = leak_check);

#define AT     0x400000 /* address of a CIE */
#define START  0x1000
#define SIZE   0x100
#define X86    cfi_arch_of(EM_X86_64)
#define A64    cfi_arch_of(EM_AARCH64)
#define RBX    0
#define RBP    1
#define R12    2
#define RSP    6
#define RA     7
#define A64_LR 1

/* What a test's CIE says; the defaults are those of a compiler for x86_64. */
struct cie_spec {
	uint8_t version;
	const char *letters;
	const char *data; /* augmentation data */
	size_t data_len;
	const char *insns;
	size_t len;
};

#define TEXT(s) s, sizeof(s) - 1

static struct cfi_bytes cie_bytes(struct cie_spec s)
{
	struct cfi_bytes b = { .n = 0 };

	put_u32(&b, 0);
	put_u32(&b, 0); /* CIE id */
	put_u8(&b, s.version);
	put_bytes(&b, s.letters, strlen(s.letters) + 1);
	if (s.version == 4)
		PUT(&b, 8, 0);
	PUT(&b, 1, 0x78, 16); /* code and data alignment 1 and -8, return address column */
	if (s.letters[0] == 'z') {
		put_u8(&b, s.data_len);
		put_bytes(&b, s.data, s.data_len);
	}
	put_bytes(&b, s.insns, s.len);
	put_length(&b, 0);
	return b;
}

/* rsp + 8, return address at CFA - 8 */
#define USUAL TEXT("\x0c\x07\x08\x90\x01")

static const struct cie_spec usual = { 1, "zR", "\x1b", 1, USUAL };

static int parse(const struct cfi_bytes *b, struct cfi_cie *cie)
{
	return cfi_parse_cie(b->data, b->n, AT, X86, true, cie);
}

static int parse_spec(struct cie_spec s, struct cfi_cie *cie)
{
	struct cfi_bytes b = cie_bytes(s);
	/* Freed at once: what *cie keeps of it must not be read, so nothing that points into it. */
	return parse(&b, cie);
}

static struct cfi_cie cie_of(const struct cfi_arch *arch)
{
	static struct cfi_bytes b;
	struct cfi_cie cie;

	b = cie_bytes(usual);
	cr_assert_eq(cfi_parse_cie(b.data, b.n, AT, arch, true, &cie), 0);
	return cie;
}

Test(cfi, heads_of_entries)
{
	struct cfi_bytes b = { .n = 0 };
	struct cfi_head h;

	put_u32(&b, 20);
	put_u32(&b, 0);
	cr_assert_eq(cfi_read_head(b.data, b.n, true, &h), 0);
	cr_assert(h.is_cie);
	cr_assert(eq(u64, h.size, 24));
	cr_assert(eq(uint, h.head, 8));
	/* The same bytes are an FDE of .debug_frame, whose CIE is at 0. */
	cr_assert_eq(cfi_read_head(b.data, b.n, false, &h), 0);
	cr_assert_not(h.is_cie);
	cr_assert(zero(u64, h.cie_off));

	memset(b.data + 4, 0xff, 4);
	cr_assert_eq(cfi_read_head(b.data, b.n, false, &h), 0);
	cr_assert(h.is_cie);
	cr_assert_eq(cfi_read_head(b.data, b.n, true, &h), 0);
	cr_assert_not(h.is_cie);
	cr_assert(eq(u64, h.cie_back, 0xffffffff));

	cr_assert_eq(cfi_read_head("\0\0\0\0", 4, true, &h), 0);
	cr_assert(zero(u64, h.size));
	cr_assert_eq(cfi_read_head(b.data, 3, true, &h), -EBADMSG);
	cr_assert_eq(cfi_read_head(b.data, 7, true, &h), -EBADMSG);
	cr_assert_eq(cfi_read_head("\3\0\0\0\0\0\0\0", 8, true, &h), -EBADMSG);
	cr_assert_eq(cfi_read_head("\xf0\xff\xff\xff\0\0\0\0", 8, true, &h), -EBADMSG);
}

Test(cfi, heads_of_64_bit_entries)
{
	struct cfi_bytes b = { .n = 0 };
	struct cfi_head h;

	put_u32(&b, UINT32_MAX);
	put_u64(&b, 0x100000000);
	put_u64(&b, UINT64_MAX);
	cr_assert_eq(cfi_read_head(b.data, b.n, false, &h), 0);
	cr_assert(h.is_cie);
	cr_assert(eq(u64, h.size, 0x10000000c));
	cr_assert(eq(uint, h.head, 20));
	/* In .eh_frame the id has four bytes all the same. */
	cr_assert_eq(cfi_read_head(b.data, b.n, true, &h), 0);
	cr_assert(eq(uint, h.head, 16));
	cr_assert_eq(cfi_read_head(b.data, 16, false, &h), -EBADMSG);

	memset(b.data + 4, 0xff, 8);
	cr_assert_eq(cfi_read_head(b.data, b.n, false, &h), -EBADMSG);
}

Test(cfi, versions_of_cies)
{
	struct cie_spec s = usual;
	struct cfi_cie cie;

	for (s.version = 0; s.version < 7; s.version++)
		cr_assert_eq(parse_spec(s, &cie),
			     s.version == 1 || s.version == 3 || s.version == 4 ? 0 : -EBADMSG,
			     "version %u", s.version);
	s.version = 3;
	cr_assert_eq(parse_spec(s, &cie), 0);
	cr_assert(eq(u64, cie.code_align, 1));
	cr_assert(eq(i64, cie.data_align, -8));
	cr_assert(eq(u64, cie.ra, 16));
	cr_assert(eq(u8, cie.enc, 0x1b));
	cr_assert_eq(cie.initial.cfa.how, CFI_OFFSET);
	cr_assert(eq(u8, cie.initial.cfa.reg, 7));
	cr_assert(eq(i64, cie.initial.cfa.off, 8));
	cr_assert_eq(cie.initial.slot[RA].how, CFI_OFFSET);
	cr_assert(eq(i64, cie.initial.slot[RA].off, -8));
	cr_assert_eq(cie.initial.slot[RBX].how, CFI_UNSPECIFIED);
}

Test(cfi, version_4_has_addresses_of_8_bytes_and_no_segments)
{
	struct cie_spec s = usual;
	struct cfi_bytes b;
	struct cfi_cie cie;

	s.version = 4;
	b = cie_bytes(s);
	cr_assert_eq(b.data[12], 8);
	b.data[12] = 4;
	cr_assert_eq(parse(&b, &cie), -EBADMSG);
	b.data[12] = 8;
	b.data[13] = 1;
	cr_assert_eq(parse(&b, &cie), -EBADMSG);
}

Test(cfi, augmentations)
{
	static const struct {
		const char *letters, *data;
		size_t len;
		int result;
	} cases[] = {
		{ "", TEXT(""), 0 },
		{ "z", TEXT(""), 0 },
		{ "z", TEXT("\1\2\3"), 0 }, /* data that no letter claims */
		{ "zR", TEXT("\x1b"), 0 },
		{ "zR", TEXT(""), -EBADMSG },
		{ "zPLR", TEXT("\x9b\1\2\3\4\x1b\x1b"), 0 },
		{ "zPLR", TEXT("\x03\1\2\3\x1b\x1b"), -EBADMSG }, /* one byte too few */
		{ "zRSGB", TEXT("\x1b"), 0 },
		{ "zPR", TEXT("\x50\1\2\3\4\5\6\7\x8\x1b"), -EBADMSG }, /* aligned */
		{ "zXR", TEXT("\x1b"), -EBADMSG },
		{ "S", TEXT(""), 0 },
		{ "R", TEXT(""), -EBADMSG },
		{ "eh", TEXT(""), -EBADMSG },
		{ "zRRRRRRRRRRRRRRRRR", TEXT("\x1b"), -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cie_spec s = { 1, cases[i].letters, cases[i].data, cases[i].len, USUAL };
		struct cfi_cie cie;

		cr_assert_eq(parse_spec(s, &cie), cases[i].result, "case %zu", i);
		if (cases[i].result == 0) {
			cr_assert_eq(cie.signal_frame, !!strchr(s.letters, 'S'));
			cr_assert_eq(cie.has_augmentation_data, s.letters[0] == 'z');
			cr_assert_eq(cie.enc, strchr(s.letters, 'R') ? 0x1b : 0);
		}
	}
}

Test(cfi, cies_cut_at_every_byte_are_malformed_or_shorter)
{
	struct cfi_bytes b = cie_bytes(usual);
	struct cfi_cie cie;

	for (size_t len = 0; len < b.n; len++) {
		struct cfi_bytes cut = b;

		cr_assert_eq(cfi_parse_cie(b.data, len, AT, X86, true, &cie), -EBADMSG);
		cut.n = len;
		if (len < 4)
			continue;
		/* With a length to match it may end between two instructions only. */
		put_length(&cut, 0);
		cr_assert_eq(parse(&cut, &cie), len == 17 || len == 20 ? 0 : -EBADMSG, "%zu", len);
	}
}

Test(cfi, instructions_of_a_cie_do_not_move)
{
	struct cie_spec s = usual;
	struct cfi_cie cie;

	s.insns = "\x41"; /* advance */
	s.len = 1;
	cr_assert_eq(parse_spec(s, &cie), -EBADMSG);
	s.insns = "\xc3"; /* restore: to what? */
	cr_assert_eq(parse_spec(s, &cie), -EBADMSG);
	s.insns = "\x0a"; /* remember */
	cr_assert_eq(parse_spec(s, &cie), -EBADMSG);
	s.insns = "\x40";
	cr_assert_eq(parse_spec(s, &cie), 0);
}

static struct cfi_bytes fde_bytes(const char *range, size_t range_len, const char *insns,
				  size_t len)
{
	struct cfi_bytes b = { .n = 0 };

	put_u32(&b, 0);
	put_u32(&b, 100);
	put_bytes(&b, range, range_len);
	put_u8(&b, 0); /* augmentation data */
	put_bytes(&b, insns, len);
	put_length(&b, 0);
	return b;
}

Test(cfi, ranges_in_other_encodings)
{
	struct cfi_cie cie = cie_of(X86);
	struct cfi_bytes b = fde_bytes(TEXT("\xf8\xff\xff\xff\x10\0\0\0"), TEXT("\0\0\0"));
	struct cfi_fde fde;

	/* pcrel: of the field at 8 */
	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), 0);
	cr_assert(eq(u64, fde.start, AT));
	cr_assert(eq(u64, fde.end, AT + 16));
	cr_assert(eq(sz, (size_t)(fde.insns.end - fde.insns.pos), 3));
	cr_assert(eq(u64, fde.insns.addr, AT + 17));
	cr_assert_eq(cfi_parse_range(b.data, 16, AT, &cie, &fde), 0);
	cr_assert(eq(u64, fde.end, AT + 16));
	cr_assert_eq(cfi_parse_range(b.data, 15, AT, &cie, &fde), -EBADMSG);
	cr_assert_eq(cfi_parse_fde(b.data, b.n - 1, AT, &cie, &fde), -EBADMSG);

	cie.enc = DW_EH_PE_absptr;
	b = fde_bytes(TEXT("\0\x10\0\0\0\0\0\0\x20\0\0\0\0\0\0\0"), TEXT(""));
	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), 0);
	cr_assert(eq(u64, fde.start, 0x1000));
	cr_assert(eq(u64, fde.end, 0x1020));

	cie.enc = DW_EH_PE_udata2;
	b = fde_bytes(TEXT("\0\xf0\xff\xff"), TEXT(""));
	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), 0);
	cr_assert(eq(u64, fde.start, 0xf000));
	cr_assert(eq(u64, fde.end, 0x1efff));
	cie.enc = DW_EH_PE_datarel | DW_EH_PE_sdata4;
	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), -EBADMSG);
	cie.enc = DW_EH_PE_omit;
	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), -EBADMSG);
}

Test(cfi, functions_that_a_linker_discarded_cover_nothing)
{
	struct cfi_cie cie = cie_of(X86);
	struct cfi_bytes b = fde_bytes(TEXT("\0\0\0\0\x10\0\0\0"), TEXT(""));
	struct cfi_fde fde;

	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), -ERANGE);
	b = fde_bytes(TEXT("\1\0\0\0\0\0\0\0"), TEXT(""));
	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), -ERANGE);
	cie.enc = DW_EH_PE_absptr;
	for (int last = 0xfe; last <= 0xff; last++) {
		b = fde_bytes(TEXT("\xfe\xff\xff\xff\xff\xff\xff\xff\x20\0\0\0\0\0\0\0"), TEXT(""));
		b.data[8] = last;
		cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), -ERANGE);
	}
	/* A range that wraps around is no mark of anyone. */
	b = fde_bytes(TEXT("\xf0\xff\xff\xff\xff\xff\xff\xff\x20\0\0\0\0\0\0\0"), TEXT(""));
	cr_assert_eq(cfi_parse_fde(b.data, b.n, AT, &cie, &fde), -EBADMSG);
}

/* --- instructions ----------------------------------------------------------------------------- */

static struct cfi_exec exec;

static void begin(const struct cfi_cie *cie, const char *insns, size_t len)
{
	struct cfi_fde fde = { .cie = cie, .start = START, .end = START + SIZE };

	fde.insns = dw_cursor_of(insns, len, AT);
	cfi_exec_init(&exec, &fde);
}

static void expect_row(uint64_t want_from, uint64_t want_to)
{
	uint64_t from = 0, to = 0;

	cr_assert_eq(cfi_exec_next(&exec, &from, &to), 1);
	cr_assert(eq(u64, from, START + want_from));
	cr_assert(eq(u64, to, START + want_to));
}

static int next(void)
{
	uint64_t from, to;

	return cfi_exec_next(&exec, &from, &to);
}

static void expect_place(unsigned slot, enum cfi_how how, int64_t off)
{
	cr_assert_eq(exec.now.slot[slot].how, how, "%d", exec.now.slot[slot].how);
	cr_assert(eq(i64, exec.now.slot[slot].off, off));
}

static void expect_cfa(unsigned reg, int64_t off)
{
	cr_assert_eq(exec.now.cfa.how, CFI_OFFSET);
	cr_assert(eq(u8, exec.now.cfa.reg, reg));
	cr_assert(eq(i64, exec.now.cfa.off, off));
}

/* gcc's prologue and epilogue: push rbp; mov rsp, rbp; … leave; ret */
Test(cfi, rows_of_a_function_with_frame_pointer)
{
	struct cfi_cie cie = cie_of(X86);

	begin(&cie, TEXT("\x41\x0e\x10\x86\x02\x43\x0d\x06\x02\x80\x0c\x07\x08\xc6\0\0"));
	expect_row(0, 1);
	expect_cfa(7, 8);
	expect_place(RBP, CFI_UNSPECIFIED, 0);
	expect_row(1, 4);
	expect_cfa(7, 16);
	expect_place(RBP, CFI_OFFSET, -16);
	expect_row(4, 0x84);
	expect_cfa(6, 16);
	expect_row(0x84, SIZE);
	expect_cfa(7, 8);
	expect_place(RBP, CFI_UNSPECIFIED, 0);
	expect_place(RA, CFI_OFFSET, -8);
	cr_assert_eq(next(), 0);
	cr_assert_eq(next(), 0);
}

Test(cfi, every_way_to_advance)
{
	struct cfi_cie cie = cie_of(X86);
	char set_loc[] = "\x01\x00\x00\x00\x00";
	int32_t loc = START + 0x42 - (AT + 1);

	begin(&cie, TEXT("\x41\x02\x05\x03\x10\0\x04\x20\0\0\0\x1d\1\0\0\0\0\0\0\0\x40\x02\0"));
	expect_row(0, 1);
	expect_row(1, 6);
	expect_row(6, 0x16);
	expect_row(0x16, 0x36);
	expect_row(0x36, 0x37);
	expect_row(0x37, SIZE);
	cr_assert_eq(next(), 0);

	memcpy(set_loc + 1, &loc, 4); /* pcrel, as the addresses of the FDEs */
	begin(&cie, set_loc, 5);
	expect_row(0, 0x42);
	expect_row(0x42, SIZE);

	loc = START - 1 - (AT + 1);
	memcpy(set_loc + 1, &loc, 4);
	begin(&cie, set_loc, 5);
	cr_assert_eq(next(), -EBADMSG);

	cie.code_align = 4;
	begin(&cie, TEXT("\x41\x02\x05"));
	expect_row(0, 4);
	expect_row(4, 0x18);
}

Test(cfi, advancing_beyond_the_function_ends_it)
{
	struct cfi_cie cie = cie_of(X86);

	begin(&cie, TEXT("\x41\x04\xff\xff\xff\xff\xff"));
	expect_row(0, 1);
	expect_row(1, SIZE);
	cr_assert_eq(next(), 0);

	cie.code_align = UINT64_MAX / 2;
	begin(&cie, TEXT("\x43"));
	expect_row(0, SIZE);
	cr_assert_eq(next(), 0);
}

Test(cfi, every_rule_of_a_cfa)
{
	struct cfi_cie cie = cie_of(X86);

	begin(&cie, TEXT("\x0c\x06\x20\x41"
			 "\x12\x07\x7c\x41" /* def_cfa_sf: -4 * -8 */
			 "\x0e\x80\x02\x41"
			 "\x13\x7e\x41"
			 "\x0d\x03\x41"
			 "\x0f\x02\x77\x08\x41"
			 "\x0c\x91\x81\x04\x08"));
	expect_row(0, 1);
	expect_cfa(6, 0x20);
	expect_row(1, 2);
	expect_cfa(7, 32);
	expect_row(2, 3);
	expect_cfa(7, 0x100);
	expect_row(3, 4);
	expect_cfa(7, 16);
	expect_row(4, 5);
	expect_cfa(3, 16);
	expect_row(5, 6);
	cr_assert_eq(exec.now.cfa.how, CFI_EXPR);
	cr_assert(eq(u16, exec.now.cfa.len, 2));
	cr_assert_eq(memcmp(exec.now.cfa.expr, "\x77\x08", 2), 0);
	expect_row(6, SIZE);
	expect_cfa(CFI_NO_REG, 8);
}

Test(cfi, a_part_of_an_expression_cannot_be_changed)
{
	struct cfi_cie cie = cie_of(X86);

	begin(&cie, TEXT("\x0f\x02\x77\x08\x41\x0d\x06"));
	expect_row(0, 1);
	cr_assert_eq(next(), -EBADMSG);
	begin(&cie, TEXT("\x0f\x02\x77\x08\x0e\x10"));
	cr_assert_eq(next(), -EBADMSG);
	begin(&cie, TEXT("\x0f\x02\x77\x08\x13\x10"));
	cr_assert_eq(next(), -EBADMSG);
}

Test(cfi, every_rule_of_a_register)
{
	struct cfi_cie cie = cie_of(X86);

	begin(&cie, TEXT("\x83\x02\x41"		    /* offset */
			 "\x05\x03\x03\x41"	    /* offset_extended */
			 "\x11\x03\x7e\x41"	    /* offset_extended_sf */
			 "\x2f\x03\x02\x41"	    /* GNU_negative_offset_extended */
			 "\x14\x03\x01\x41"	    /* val_offset */
			 "\x15\x03\x7f\x41"	    /* val_offset_sf */
			 "\x07\x03\x41"		    /* undefined */
			 "\x08\x03\x41"		    /* same_value */
			 "\x09\x03\x0c\x41"	    /* register */
			 "\x10\x03\x02\x76\x70\x41" /* expression */
			 "\x16\x03\x02\x76\x70\x41" /* val_expression */
			 "\x06\x03"));
	expect_row(0, 1);
	expect_place(RBX, CFI_OFFSET, -16);
	expect_row(1, 2);
	expect_place(RBX, CFI_OFFSET, -24);
	expect_row(2, 3);
	expect_place(RBX, CFI_OFFSET, 16);
	expect_row(3, 4);
	expect_place(RBX, CFI_OFFSET, 16);
	expect_row(4, 5);
	expect_place(RBX, CFI_VAL_OFFSET, -8);
	expect_row(5, 6);
	expect_place(RBX, CFI_VAL_OFFSET, 8);
	expect_row(6, 7);
	expect_place(RBX, CFI_UNDEFINED, 0);
	expect_row(7, 8);
	expect_place(RBX, CFI_SAME, 0);
	expect_row(8, 9);
	cr_assert_eq(exec.now.slot[RBX].how, CFI_REGISTER);
	cr_assert(eq(u8, exec.now.slot[RBX].reg, 12));
	expect_row(9, 10);
	cr_assert_eq(exec.now.slot[RBX].how, CFI_EXPR);
	cr_assert(eq(u16, exec.now.slot[RBX].len, 2));
	expect_row(10, 11);
	cr_assert_eq(exec.now.slot[RBX].how, CFI_VAL_EXPR);
	expect_row(11, SIZE);
	expect_place(RBX, CFI_UNSPECIFIED, 0);
}

Test(cfi, what_does_not_concern_unwinding_is_passed_over)
{
	struct cfi_cie cie = cie_of(X86);

	begin(&cie, TEXT("\x2e\x80\x01\0\x80\x05\x05\x11\x09\x07\x0a\x41\x83\x02"));
	expect_row(0, 1); /* args_size, nop, rax at, xmm0 at, r10 undefined … remember */
	expect_row(1, SIZE);
	expect_place(RBX, CFI_OFFSET, -16);
}

Test(cfi, states_are_remembered_with_their_cfa)
{
	struct cfi_cie cie = cie_of(X86);

	begin(&cie, TEXT("\x83\x02\x0e\x10\x0a\x41\xc3\x0e\x08\x0a\x41\x0e\x30\x0b\x41\x0b"));
	expect_row(0, 1);
	expect_row(1, 2);
	expect_cfa(7, 8);
	expect_place(RBX, CFI_UNSPECIFIED, 0);
	expect_row(2, 3);
	expect_cfa(7, 8);
	expect_row(3, SIZE);
	expect_cfa(7, 16);
	expect_place(RBX, CFI_OFFSET, -16);

	begin(&cie, TEXT("\x0b"));
	cr_assert_eq(next(), -EBADMSG);
}

Test(cfi, memory_for_remembered_states_is_bounded)
{
	struct cfi_cie cie = cie_of(X86);
	char deep[2 * CFI_REMEMBER_MAX + 1];

	memset(deep, 0x0a, CFI_REMEMBER_MAX);
	memset(deep + CFI_REMEMBER_MAX, 0x0b, CFI_REMEMBER_MAX);
	begin(&cie, deep, 2 * CFI_REMEMBER_MAX);
	expect_row(0, SIZE);

	memset(deep, 0x0a, sizeof(deep));
	begin(&cie, deep, CFI_REMEMBER_MAX + 1);
	cr_assert_eq(next(), -EBADMSG);
}

Test(cfi, registers_are_restored_to_what_the_cie_says)
{
	struct cie_spec s = usual;
	static struct cfi_bytes b;
	struct cfi_cie cie;

	s.insns = "\x0c\x07\x08\x90\x01\x8c\x04";
	s.len = 7;
	b = cie_bytes(s);
	cr_assert_eq(parse(&b, &cie), 0);
	begin(&cie, TEXT("\x08\x0c\x41\xcc"));
	expect_row(0, 1);
	expect_place(R12, CFI_SAME, 0);
	expect_row(1, SIZE);
	expect_place(R12, CFI_OFFSET, -32);
}

Test(cfi, rows_before_a_malformed_instruction_stand)
{
	static const struct {
		const char *insns;
		size_t len;
	} bad[] = {
		{ TEXT("\x17") }, /* unknown */
		{ TEXT("\x2d") }, /* aarch64's or SPARC's */
		{ TEXT("\x3f") }, /* unknown of a vendor */
		{ TEXT("\x83") }, /* its operand is missing */
		{ TEXT("\x0c\x07") },
		{ TEXT("\x04\1\0\0") },
		{ TEXT("\x0f\x05\x77\x08") }, /* an expression longer than the entry */
		{ TEXT("\x83\x80") },
		{ TEXT("\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") }, /* times -8 overflows */
		{ TEXT("\x0e\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
		{ TEXT("\x2f\x03\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01") }, /* -2^63 */
		{ TEXT("\x16\x03\x80\x80\x04") },
	};
	struct cfi_cie cie = cie_of(X86);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char insns[32] = "\x41\x0e\x10\x41";
		uint64_t from = 0, to;

		memcpy(insns + 4, bad[i].insns, bad[i].len);
		begin(&cie, insns, 4 + bad[i].len);
		expect_row(0, 1);
		expect_row(1, 2);
		cr_assert_eq(cfi_exec_next(&exec, &from, &to), -EBADMSG, "case %zu", i);
		cr_assert(eq(u64, from, START + 2));
	}
}

Test(cfi, aarch64_keeps_its_own_registers)
{
	struct cie_spec s = { 1, "zR", "\x1b", 1, TEXT("\x0c\x1f\0") };
	static struct cfi_bytes b;
	struct cfi_cie cie;

	b = cie_bytes(s);
	b.data[14] = 30; /* return address column */
	cr_assert_eq(cfi_parse_cie(b.data, b.n, AT, A64, true, &cie), 0);
	cr_assert(eq(u64, cie.ra, 30));
	cr_assert(eq(u8, cie.ra_slot, A64_LR));
	begin(&cie, TEXT("\x2d\x41\x0e\x20\x9d\x04\x9e\x03\x93\x02\x2c"));
	expect_row(0, 1);
	expect_row(1, SIZE);
	expect_place(0, CFI_OFFSET, -32);
	expect_place(1, CFI_OFFSET, -24);
	expect_cfa(31, 32);

	/* A return address in x15 has a slot of its own. */
	b.data[14] = 15;
	cr_assert_eq(cfi_parse_cie(b.data, b.n, AT, A64, true, &cie), 0);
	begin(&cie, TEXT("\x8f\x02\x9e\x03"));
	expect_row(0, SIZE);
	expect_place(cie.ra_slot, CFI_OFFSET, -16);
	expect_place(A64_LR, CFI_OFFSET, -24);
}

Test(cfi, machines_that_are_known)
{
	cr_assert_not_null(X86);
	cr_assert_not_null(A64);
	cr_assert_null(cfi_arch_of(EM_RISCV));
	cr_assert_eq(cfi_slot_of(X86, 3), RBX);
	cr_assert_eq(cfi_slot_of(X86, 7), RSP);
	cr_assert_eq(cfi_slot_of(X86, 0), -1);
	cr_assert_eq(cfi_slot_of(X86, UINT64_MAX), -1);
}
