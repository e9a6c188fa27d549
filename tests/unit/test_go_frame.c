/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/go_frame.h"

#include <criterion/criterion.h>
#include <elf.h>

#include "leak_check.h"

TestSuite(go_frame, .fini = leak_check);

#define UNSUPPORTED UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)

Test(go_frame, calls_of_c_from_any_depth)
{
	const struct go_frame f = { .kind = GO_CALLS_C,
				    .machine = EM_X86_64,
				    .begin = UINT64_MAX,
				    .leaving = UINT64_MAX,
				    .calls = { { .from = 0x1000, .to = 0x1010, .saved = 8 } } };
	struct unwind_ext ext = { 0 };

	cr_assert_eq(go_frame_rule(&f, 0x1004, 32, &ext), UNWIND_RULE_EXT(0));
	cr_assert_eq(ext.cfa_add, 40);
	cr_assert_eq(go_frame_rule(&f, 0x1004, INT32_MAX - 8, &ext), UNWIND_RULE_EXT(0));
	cr_assert_eq(ext.cfa_add, INT32_MAX);
	cr_assert_eq(go_frame_rule(&f, 0x1004, INT32_MAX - 7, &ext), UNSUPPORTED);
	cr_assert_eq(go_frame_rule(&f, 0x1004, 1ll << 32, &ext), UNSUPPORTED);
	cr_assert_eq(go_frame_rule(&f, 0x1004, -8, &ext), UNSUPPORTED);
}

static uint32_t rule_by_fp(int64_t size)
{
	const struct go_frame f = { .kind = GO_KEEPS_FP,
				    .machine = EM_AARCH64,
				    .begin = 0x1000,
				    .size = size,
				    .prologue = { .saves_lr = true, .fp_set = 12 },
				    .switched = UINT64_MAX,
				    .leaving = UINT64_MAX };
	struct unwind_ext ext;

	return go_frame_rule(&f, 0x1010, size, &ext);
}

Test(go_frame, aarch64_frames_by_frame_pointer_that_no_plain_rule_can_say)
{
	const uint32_t pair = UNWIND_BASE_FP | UNWIND_A64_PAIR << UNWIND_A64_SAVED_SHIFT;
	const int64_t most = ((1 << UNWIND_CFA_BITS) - 1) * 8;

	cr_assert_eq(rule_by_fp(32), pair | 5 << UNWIND_CFA_SHIFT | 5 << UNWIND_A64_AT_SHIFT);
	cr_assert_eq(rule_by_fp(most - 8) & 3, UNWIND_BASE_FP);
	cr_assert_eq(rule_by_fp(most), UNSUPPORTED);
	cr_assert_eq(rule_by_fp(1 << 20), UNSUPPORTED);
	cr_assert_eq(rule_by_fp(36), UNSUPPORTED);
}
