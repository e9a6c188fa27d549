/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the stack of unwind_fake.h. */
#ifndef WALK_FAKE_H
#define WALK_FAKE_H

#include "unwind_fake.h"

#include "shared/unwind_walk.h"

#define WALK_MAX 100

static struct unwind_walk walk;
static __u64 frames[WALK_MAX];

/* All registers are known; the frame pointer is none that could be followed. */
static inline void walk_reset(void)
{
	fake_reset();
	memset(&walk, 0xa5, sizeof(walk));
	memset(frames, 0, sizeof(frames));
	for (int i = 0; i < UNWIND_REGS; i++)
		walk.regs.reg[i] = 1;
	walk.regs.pc = FAKE_CODE + 0x100;
	walk.regs.reg[UNWIND_SP] = at(100);
	walk.regs.known = UNWIND_KNOWN_ALL;
	walk.regs.is_exact = 1;
	walk.regs.by_fallback = 0;
	walk.regs.falls = 0;
	walk.regs.by_fp = 0;
	unwind_start(&walk, 0);
}

static inline void add_rule(__u64 start, __u64 end, __u32 rule)
{
	fake.rules[fake.n_rules++] =
		(struct fake_rule){ start, end, UNWIND_FOUND, { rule, { 0 } } };
}

static inline void add_found(__u64 start, __u64 end, int found)
{
	fake.rules[fake.n_rules++] = (struct fake_rule){ start, end, found, { 0 } };
}

static inline enum user_end walk_on(void)
{
	while (walk.end == USER_END_NONE && walk.n < WALK_MAX) {
		__u64 frame = 0;
		__u32 i = walk.n;

		if (unwind_frame(&fake, &walk, &frame))
			frames[i] = frame;
	}
	return walk.end;
}

static inline void assert_frames(const __u64 *want, __u32 n)
{
	cr_assert(eq(u32, walk.n, n));
	for (__u32 i = 0; i < n; i++)
		cr_assert(eq(u64, frames[i], want[i]), "frame %u", i);
}

#define ASSERT_FRAMES(...)                                                                         \
	assert_frames((const __u64[]){ __VA_ARGS__ },                                              \
		      sizeof((const __u64[]){ __VA_ARGS__ }) / sizeof(__u64))

#define RULE_NONE   UNWIND_RULE_SPECIAL(UNWIND_NONE)
#define RULE_END    UNWIND_RULE_SPECIAL(UNWIND_END)
#define RULE_SIGNAL UNWIND_RULE_SPECIAL(UNWIND_SIGNAL)

#endif
