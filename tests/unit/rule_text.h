/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as words that a person can read, and back:
 *
 *   none, end, signal, plt, plt_sec, unsupported
 *   sp+48 rbx@-24 rbp@-16              x86_64: the CFA, what was saved and where below it
 *   sp+32 pair@-32                     aarch64: pair, lr or fp
 *   ext rbp-8[]+0 ra=cfa[-8] rbx=r10+8 rbp=cfa+0 r12=rbp[-24] r13=?
 *
 * A register as it is goes unsaid. [off] is memory there, +off a value; rsp+8[r9]+8 as the CFA is
 * *(rsp + 8 + 8 * r9) + 8.
 */
#ifndef RULE_TEXT_H
#define RULE_TEXT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/unwind_regs.h"
#include "shared/unwind_rule.h"

static const char *const rule_text_specials[] = {
	[UNWIND_NONE] = "none",
	[UNWIND_END] = "end",
	[UNWIND_SIGNAL] = "signal",
	[UNWIND_PLT] = "plt",
	[UNWIND_PLT_SEC] = "plt_sec",
	[UNWIND_PLT_IBT] = "plt_ibt",
	[UNWIND_UNSUPPORTED] = "unsupported",
};
#define RULE_TEXT_SPECIALS (sizeof(rule_text_specials) / sizeof(rule_text_specials[0]))

/* By DWARF number. */
#if defined(UNWIND_ARCH_AARCH64)
#define RULE_TEXT_ARCH "aarch64"
static const char *const rule_text_regs[UNWIND_REGS] = {
	"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",	 "x7",	"x8",  "x9",  "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
	"x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",
};
static const int rule_text_saved[] = { UNWIND_A64_FP_REG, UNWIND_A64_LR_REG };
static const char *const rule_text_pairs[] = { "", "pair", "lr", "fp" };
#else
#define RULE_TEXT_ARCH "x86_64"
static const char *const rule_text_regs[UNWIND_REGS] = {
	"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
	"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};
static const int rule_text_saved[] = { UNWIND_X86_RBX, UNWIND_X86_RBP, 12, 13, 14, 15 };
#endif

/* The number of the register that @s begins with, and what follows it; -1: none. */
static inline int rule_text_reg(const char *s, const char **ret_rest)
{
	int best = -1;
	size_t best_len = 0;

	for (int i = 0; i < UNWIND_REGS; i++) {
		size_t len = strlen(rule_text_regs[i]);

		if (len > best_len && strncmp(s, rule_text_regs[i], len) == 0) {
			best = i;
			best_len = len;
		}
	}
	*ret_rest = s + best_len;
	return best;
}

/* --- out -------------------------------------------------------------------------------------- */

static inline void rule_text_write_plain(FILE *f, __u32 rule)
{
	fprintf(f, "%s+%u", (rule & 3) == UNWIND_BASE_SP ? "sp" : "fp",
		(rule >> UNWIND_CFA_SHIFT & ((1u << UNWIND_CFA_BITS) - 1)) * 8);
#if defined(UNWIND_ARCH_AARCH64)
	__u32 saved = rule >> UNWIND_A64_SAVED_SHIFT & 3;

	if (saved)
		fprintf(f, " %s@-%u", rule_text_pairs[saved],
			(rule >> UNWIND_A64_AT_SHIFT & ((1u << UNWIND_A64_AT_BITS) - 1)) * 8);
#else
	for (int i = 0; i < UNWIND_X86_SLOTS; i++) {
		__u32 slot = rule >> (UNWIND_X86_SLOT_SHIFT + UNWIND_X86_SLOT_BITS * i) & 7;

		if (slot)
			fprintf(f, " %s@-%u", rule_text_regs[rule_text_saved[i]], 8 * (slot + 1));
	}
#endif
}

static inline void rule_text_write_place(FILE *f, const char *name, const struct unwind_place *p)
{
	const char *base = p->where == UNWIND_AT_CFA || p->where == UNWIND_CFA_PLUS
				   ? "cfa"
				   : rule_text_regs[p->reg & (UNWIND_REGS - 1)];

	if (p->where == UNWIND_AS_IS)
		return;
	if (p->where == UNWIND_UNKNOWN)
		fprintf(f, " %s=?", name);
	else if (p->where == UNWIND_AT_CFA || p->where == UNWIND_AT_REG)
		fprintf(f, " %s=%s[%+d]", name, base, p->off);
	else
		fprintf(f, " %s=%s%+d", name, base, p->off);
}

static inline void rule_text_write_ext(FILE *f, const struct unwind_ext *ext)
{
	fprintf(f, "ext %s%+d", rule_text_regs[ext->cfa_reg & (UNWIND_REGS - 1)], ext->cfa_off);
	if (ext->cfa == UNWIND_CFA_DEREF)
		fprintf(f, "[%s]%+d",
			ext->cfa_index ? rule_text_regs[(ext->cfa_index - 1) & (UNWIND_REGS - 1)]
				       : "",
			ext->cfa_add);
	rule_text_write_place(f, "ra", &ext->ra);
	for (int i = 0; i < UNWIND_EXT_SAVED; i++)
		rule_text_write_place(f, rule_text_regs[rule_text_saved[i]], &ext->saved[i]);
}

static inline void rule_text_write(FILE *f, __u32 rule, const struct unwind_ext *ext)
{
	if ((rule & 3) == UNWIND_BASE_EXT)
		rule_text_write_ext(f, ext);
	else if ((rule & 3) != UNWIND_BASE_SPECIAL)
		rule_text_write_plain(f, rule);
	else if (rule >> 2 < RULE_TEXT_SPECIALS)
		fputs(rule_text_specials[rule >> 2], f);
	else
		fprintf(f, "unknown");
}

/* --- in; false: it is no such text ------------------------------------------------------------ */

/* "rbx@-24" into the rule. */
static inline bool rule_text_read_saved(const char *word, __u32 *rule)
{
	const char *at = strchr(word, '@');
	long off = at ? strtol(at + 1, NULL, 10) : 0;
	size_t len = at ? (size_t)(at - word) : 0;

	if (off >= 0 || off % 8)
		return false;
#if defined(UNWIND_ARCH_AARCH64)
	for (__u32 i = 1; i < 4; i++) {
		if (strlen(rule_text_pairs[i]) != len || strncmp(word, rule_text_pairs[i], len))
			continue;
		*rule |= i << UNWIND_A64_SAVED_SHIFT | (__u32)(-off / 8) << UNWIND_A64_AT_SHIFT;
		return true;
	}
#else
	for (int i = 0; i < UNWIND_X86_SLOTS; i++) {
		const char *name = rule_text_regs[rule_text_saved[i]];

		if (strlen(name) != len || strncmp(word, name, len))
			continue;
		*rule |= (__u32)(-off / 8 - 1)
			 << (UNWIND_X86_SLOT_SHIFT + UNWIND_X86_SLOT_BITS * i);
		return true;
	}
#endif
	return false;
}

static inline bool rule_text_read_place(const char *s, struct unwind_place *ret)
{
	const char *rest = s + 3;
	bool is_cfa = strncmp(s, "cfa", 3) == 0;
	int reg = is_cfa ? 0 : rule_text_reg(s, &rest);
	bool in_memory = *rest == '[';

	if (strcmp(s, "?") == 0) {
		ret->where = UNWIND_UNKNOWN;
		return true;
	}
	if (reg < 0)
		return false;
	ret->where = is_cfa ? (in_memory ? UNWIND_AT_CFA : UNWIND_CFA_PLUS)
			    : (in_memory ? UNWIND_AT_REG : UNWIND_IN_REG);
	ret->reg = reg;
	ret->off = strtol(rest + in_memory, NULL, 10);
	return true;
}

/* "rbx=cfa[-24]" */
static inline bool rule_text_read_ext_word(const char *word, struct unwind_ext *ext)
{
	const char *eq = strchr(word, '='), *rest;
	int reg;

	if (!eq)
		return false;
	if (strncmp(word, "ra=", 3) == 0)
		return rule_text_read_place(eq + 1, &ext->ra);
	reg = rule_text_reg(word, &rest);
	for (int i = 0; rest == eq && i < UNWIND_EXT_SAVED; i++)
		if (reg == rule_text_saved[i])
			return rule_text_read_place(eq + 1, &ext->saved[i]);
	return false;
}

/* "rbp-8[]+0" */
static inline bool rule_text_read_ext_cfa(const char *word, struct unwind_ext *ext)
{
	const char *rest;
	int reg = word ? rule_text_reg(word, &rest) : -1;
	char *end;

	if (reg < 0)
		return false;
	ext->cfa_reg = reg;
	ext->cfa_off = strtol(rest, &end, 10);
	if (*end != '[')
		return *end == '\0';
	ext->cfa = UNWIND_CFA_DEREF;
	reg = rule_text_reg(end + 1, &rest);
	ext->cfa_index = reg < 0 ? 0 : reg + 1;
	if (*rest != ']')
		return false;
	ext->cfa_add = strtol(rest + 1, NULL, 10);
	return true;
}

/* @text is cut into words by it. The extended rule is number 0. */
static inline bool rule_text_read(char *text, __u32 *ret_rule, struct unwind_ext *ret_ext)
{
	char *save, *word = strtok_r(text, " ", &save);
	bool ok = true;

	memset(ret_ext, 0, sizeof(*ret_ext));
	for (size_t i = 0; word && i < RULE_TEXT_SPECIALS; i++)
		if (strcmp(word, rule_text_specials[i]) == 0) {
			*ret_rule = UNWIND_RULE_SPECIAL(i);
			return true;
		}
	if (!word)
		return false;
	if (strcmp(word, "ext") == 0) {
		*ret_rule = UNWIND_RULE_EXT(0);
		ok = rule_text_read_ext_cfa(strtok_r(NULL, " ", &save), ret_ext);
		while (ok && (word = strtok_r(NULL, " ", &save)))
			ok = rule_text_read_ext_word(word, ret_ext);
		return ok;
	}
	if (strncmp(word, "sp+", 3) && strncmp(word, "fp+", 3))
		return false;
	*ret_rule = (*word == 's' ? UNWIND_BASE_SP : UNWIND_BASE_FP) |
		    (__u32)(strtoul(word + 3, NULL, 10) / 8) << UNWIND_CFA_SHIFT;
	while (ok && (word = strtok_r(NULL, " ", &save)))
		ok = rule_text_read_saved(word, ret_rule);
	return ok;
}

#endif
