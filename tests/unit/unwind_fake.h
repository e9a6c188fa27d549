/* SPDX-License-Identifier: Apache-2.0 */
/* A stack, code and rules for walks over them, for shared/unwind_memory.h. Reset by fake_reset().
 */
#ifndef UNWIND_FAKE_H
#define UNWIND_FAKE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "shared/unwind_memory.h"

#define FAKE_STACK	 0x7ffd00000000ULL
#define FAKE_STACK_WORDS 4096
#define FAKE_STACK_END	 (FAKE_STACK + 2 * 8 * FAKE_STACK_WORDS) /* of the mapping */
#define FAKE_CODE	 0x400000ULL
#define FAKE_CODE_SIZE	 65536
#define FAKE_RULES_MAX	 32

/* Code from @start to @end has one rule. */
struct fake_rule {
	__u64 start, end;
	int found; /* enum unwind_found */
	struct unwind_found_rule rule;
};

struct unwind_memory {
	__u64 stack[FAKE_STACK_WORDS];
	__u8 code[FAKE_CODE_SIZE];
	int code_is_unreadable;
	int code_is_jit;
	struct fake_rule rules[FAKE_RULES_MAX]; /* the first that covers an address counts */
	int n_rules;
	__u64 looked_up; /* last */
	int n_reads;
	__u32 read_len; /* of the last one */
};

static struct unwind_memory fake;

static inline void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
}

/* The address of a word of the stack. */
static inline __u64 at(int word)
{
	return FAKE_STACK + 8 * word;
}

static long unwind_read(struct unwind_memory *mem, void *dst, __u32 len, __u64 addr)
{
	const void *src = NULL;

	cr_assert(len >= 8 && len <= 512 && len % 8 == 0, "%u bytes", len);
	mem->n_reads++;
	mem->read_len = len;
	if (addr >= FAKE_STACK && addr - FAKE_STACK <= sizeof(mem->stack) - len)
		src = (char *)mem->stack + (addr - FAKE_STACK);
	if (addr >= FAKE_CODE && addr - FAKE_CODE <= sizeof(mem->code) - len &&
	    !mem->code_is_unreadable)
		src = mem->code + (addr - FAKE_CODE);
	memset(dst, 0, len);
	if (!src)
		return -14;
	memcpy(dst, src, len);
	return 0;
}

static __attribute__((unused)) int unwind_find(struct unwind_memory *mem, __u64 addr,
					       struct unwind_found_rule *ret)
{
	mem->looked_up = addr;
	for (int i = 0; i < mem->n_rules; i++) {
		const struct fake_rule *r = &mem->rules[i];

		if (addr < r->start || addr >= r->end)
			continue;
		*ret = r->rule;
		return r->found;
	}
	return UNWIND_NOT_CODE;
}

static __attribute__((unused)) int unwind_is_jit(struct unwind_memory *mem, __u64 addr)
{
	return addr >= FAKE_CODE && addr < FAKE_CODE + sizeof(mem->code) && mem->code_is_jit;
}

static __attribute__((unused)) int unwind_is_stack(struct unwind_memory *mem, __u64 sp, __u64 end)
{
	return sp >= FAKE_STACK && sp < FAKE_STACK_END && end <= FAKE_STACK_END;
}

#endif
