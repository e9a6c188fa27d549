/* SPDX-License-Identifier: Apache-2.0 */
/* The machine of line programs, on programs that are written here, opcode by opcode. */
#include "sym/line_program.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dwarf.h>
#include <string.h>

#include "leak_check.h"
#include "sym/sym_batch.h"

TestSuite(line_program, .fini = leak_check);

#define CODE  0x1000
#define HITS  100
#define TURNS 50

static struct elf_code_range range = { .start = CODE, .end = CODE + 0x10000 };
static const struct elf_code code = { .ranges = &range, .n = 1 };
static const uint8_t lengths[] = { 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1 };

static struct sym_query queries[HITS];
static struct unit_hit hits[HITS];
static struct line_place places[HITS];
static uint8_t bytes[4096];
static size_t n_bytes;

/* One hit every 16 bytes of the code. */
static void begin(void)
{
	n_bytes = 0;
	memset(places, 0, sizeof(places));
	for (size_t i = 0; i < HITS; i++) {
		queries[i] = (struct sym_query){ .vaddr = CODE + 16 * i };
		hits[i] = (struct unit_hit){ .query = &queries[i] };
	}
}

static void put(uint8_t byte)
{
	bytes[n_bytes++] = byte;
}

static void set_address(uint64_t addr)
{
	put(0);
	put(9);
	put(DW_LNE_set_address);
	memcpy(bytes + n_bytes, &addr, sizeof(addr));
	n_bytes += sizeof(addr);
}

static void row(uint64_t addr)
{
	set_address(addr);
	put(DW_LNS_copy);
}

static void advance_line(uint8_t by)
{
	put(DW_LNS_advance_line);
	put(by);
}

static void end_sequence(uint64_t addr)
{
	set_address(addr);
	put(0);
	put(1);
	put(DW_LNE_end_sequence);
}

static void run(struct dwarf_effort *effort)
{
	struct line_program p = {
		.min_length = 1,
		.line_range = 14,
		.line_base = -5,
		.opcode_base = sizeof(lengths) + 1,
		.lengths = lengths,
		.pos = bytes,
		.end = bytes + n_bytes,
	};

	cr_assert(zero(int, line_program_run(&p, hits, HITS, &code, effort, places)));
}

Test(line_program, a_row_holds_up_to_the_next_one)
{
	struct dwarf_effort effort = { 1000 };

	begin();
	row(CODE + 8); /* line 1 */
	advance_line(6);
	row(CODE + 32); /* line 7 */
	end_sequence(CODE + 64);
	run(&effort);
	cr_assert(not(places[0].known));
	cr_assert(eq(u32, places[1].line, 1));
	cr_assert(eq(u32, places[2].line, 7));
	cr_assert(eq(u32, places[3].line, 7));
	cr_assert(not(places[4].known));
	cr_assert(eq(u64, effort.left, 1000 - 3));
}

static void up_and_down(void)
{
	begin();
	for (int i = 0; i < TURNS; i++) {
		advance_line(1);
		row(CODE);
		row(CODE + 16 * HITS);
	}
}

/* Rows are in order of addresses, says the standard; this goes back to the begin 50 times. */
Test(line_program, each_answer_takes_effort)
{
	struct dwarf_effort effort = { 1000000 };

	up_and_down();
	run(&effort);
	cr_assert(eq(u64, effort.left, 1000000 - HITS * TURNS));
}

Test(line_program, ends_with_the_effort)
{
	struct dwarf_effort effort = { HITS + 7 };

	up_and_down();
	run(&effort);
	cr_assert(zero(u64, effort.left));
	cr_assert(eq(u32, places[6].line, 3), "the second turn has come so far");
	cr_assert(eq(u32, places[7].line, 2), "and no further");
}
