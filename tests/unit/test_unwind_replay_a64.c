/* SPDX-License-Identifier: Apache-2.0 */
#define UNWIND_ARCH_AARCH64
#include "unwind_replay.h"

#include <criterion/new/assert.h>

#include "leak_check.h"

TestSuite(unwind_replay_a64, .fini = leak_check);

Test(unwind_replay_a64, aarch64_stacks_come_out_as_they_were)
{
	cr_assert(ge(u32, replay_all(), 1));
}
