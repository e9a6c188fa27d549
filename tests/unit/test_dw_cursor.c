/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/dw_cursor.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dwarf.h>

#include "leak_check.h"

TestSuite(dw_cursor, .fini = leak_check);

#define CURSOR(...)                                                                                \
	dw_cursor_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }),   \
		     0x1000)

Test(dw_cursor, fixed_sizes_and_address)
{
	struct dw_cursor c = CURSOR(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

	cr_assert(eq(u8, dw_u8(&c), 1));
	cr_assert(eq(u16, dw_u16(&c), 0x0302));
	cr_assert(eq(u32, dw_u32(&c), 0x07060504));
	cr_assert(eq(u64, c.addr, 0x1007));
	cr_assert(eq(u64, dw_u64(&c), 0x0f0e0d0c0b0a0908));
	cr_assert_not(c.bad);
	cr_assert_eq(c.pos, c.end);
}

Test(dw_cursor, reads_past_the_end_are_remembered)
{
	struct dw_cursor c = CURSOR(1, 2, 3);

	cr_assert(zero(u32, dw_u32(&c)));
	cr_assert(c.bad);
	cr_assert_eq(c.pos, c.end);
	cr_assert(zero(u8, dw_u8(&c)));
	c = CURSOR(1, 2, 3);
	cr_assert_null(dw_take(&c, UINT64_MAX));
	cr_assert(c.bad);
	c = CURSOR(0x80, 0x80);
	(void)dw_uleb(&c);
	cr_assert(c.bad);
}

static uint64_t uleb(struct dw_cursor c, bool bad)
{
	uint64_t v = dw_uleb(&c);

	cr_assert_eq(c.bad, bad);
	return v;
}

static int64_t sleb(struct dw_cursor c, bool bad)
{
	int64_t v = dw_sleb(&c);

	cr_assert_eq(c.bad, bad);
	return v;
}

/* The examples of DWARF 5, 7.6, and the ends of 64 bits. */
Test(dw_cursor, leb128)
{
	cr_assert(eq(u64, uleb(CURSOR(2), false), 2));
	cr_assert(eq(u64, uleb(CURSOR(0x80, 1), false), 128));
	cr_assert(eq(u64, uleb(CURSOR(57 + 0x80, 100), false), 12857));
	cr_assert(eq(u64, uleb(CURSOR(0x82, 0x80, 0x80, 0), false), 2));
	cr_assert(eq(u64,
		     uleb(CURSOR(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), false),
		     UINT64_MAX));
	(void)uleb(CURSOR(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3), true);
	(void)uleb(CURSOR(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), true);

	cr_assert(eq(i64, sleb(CURSOR(2), false), 2));
	cr_assert(eq(i64, sleb(CURSOR(0x7e), false), -2));
	cr_assert(eq(i64, sleb(CURSOR(127 + 0x80, 0), false), 127));
	cr_assert(eq(i64, sleb(CURSOR(1 + 0x80, 0x7f), false), -127));
	cr_assert(eq(i64, sleb(CURSOR(0x80, 0x7f), false), -128));
	cr_assert(eq(i64, sleb(CURSOR(1 + 0x80, 0x7e), false), -255));
	cr_assert(
		eq(i64,
		   sleb(CURSOR(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f), false),
		   INT64_MIN));
	(void)sleb(CURSOR(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), true);
	(void)sleb(CURSOR(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), true);
}

static uint64_t pointer(struct dw_cursor c, uint8_t enc, uint64_t base, bool bad)
{
	uint64_t v = dw_pointer(&c, enc, base);

	cr_assert_eq(c.bad, bad, "encoding %#x", enc);
	return v;
}

Test(dw_cursor, pointers_in_every_format)
{
	cr_assert(eq(u64, pointer(CURSOR(1, 2, 3, 4, 5, 6, 7, 8), DW_EH_PE_absptr, 0, false),
		     0x0807060504030201));
	cr_assert(eq(u64, pointer(CURSOR(0xfe, 0xff), DW_EH_PE_udata2, 0, false), 0xfffe));
	cr_assert(eq(u64, pointer(CURSOR(0xfe, 0xff), DW_EH_PE_sdata2, 0, false), -2ull));
	cr_assert(eq(u64, pointer(CURSOR(0xfe, 0xff, 0xff, 0xff), DW_EH_PE_udata4, 0, false),
		     0xfffffffe));
	cr_assert(
		eq(u64, pointer(CURSOR(0xfe, 0xff, 0xff, 0xff), DW_EH_PE_sdata4, 0, false), -2ull));
	cr_assert(eq(u64, pointer(CURSOR(1, 0, 0, 0, 0, 0, 0, 1), DW_EH_PE_udata8, 0, false),
		     0x0100000000000001));
	cr_assert(eq(u64, pointer(CURSOR(1, 0, 0, 0, 0, 0, 0, 1), DW_EH_PE_sdata8, 0, false),
		     0x0100000000000001));
	cr_assert(eq(u64, pointer(CURSOR(0x80, 1), DW_EH_PE_uleb128, 0, false), 128));
	cr_assert(eq(u64, pointer(CURSOR(0x7f), DW_EH_PE_sleb128, 0, false), -1ull));
	(void)pointer(CURSOR(1, 2, 3, 4, 5, 6, 7, 8), 0x05, 0, true);
	(void)pointer(CURSOR(1, 2, 3, 4, 5, 6, 7, 8), DW_EH_PE_omit, 0, true);
}

Test(dw_cursor, pointers_relative_to_what_is_known)
{
	const uint8_t pcrel = DW_EH_PE_pcrel | DW_EH_PE_sdata4;
	const uint8_t datarel = DW_EH_PE_datarel | DW_EH_PE_sdata4;

	cr_assert(eq(u64, pointer(CURSOR(0xfc, 0xff, 0xff, 0xff), pcrel, 0, false), 0xffc));
	cr_assert(zero(u64, pointer(CURSOR(0, 0, 0, 0), pcrel, 0, false)));
	cr_assert(eq(u64, pointer(CURSOR(4, 0, 0, 0), datarel, 0x2000, false), 0x2004));
	(void)pointer(CURSOR(4, 0, 0, 0), datarel, UINT64_MAX, true);
	(void)pointer(CURSOR(4, 0, 0, 0), DW_EH_PE_textrel | DW_EH_PE_sdata4, 0x2000, true);
	(void)pointer(CURSOR(4, 0, 0, 0), DW_EH_PE_funcrel | DW_EH_PE_sdata4, 0x2000, true);
	(void)pointer(CURSOR(4, 0, 0, 0, 0, 0, 0, 0), DW_EH_PE_aligned, 0x2000, true);
	(void)pointer(CURSOR(4, 0, 0, 0), pcrel | DW_EH_PE_indirect, 0, true);
}
