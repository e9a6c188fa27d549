/* SPDX-License-Identifier: Apache-2.0 */
#define UNWIND_ARCH_X86_64
#include "unwind_replay.h"

#include <criterion/new/assert.h>

#include "leak_check.h"

TestSuite(unwind_replay, .fini = leak_check);

Test(unwind_replay, x86_64_stacks_come_out_as_they_were)
{
	cr_assert(ge(u32, replay_all(), 20));
}
