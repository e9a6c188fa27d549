/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack as it was: registers, the memory and the rules that a walk asks for, and the frames that
 * have to come out. Text of one word and its values a line, numbers in hex; # begins a comment:
 *
 *   arch x86_64
 *   reg NAME VALUE                     of the innermost frame; the program counter is pc
 *   map START-END OFFSET x|- FILE      x: code; OFFSET: of START in the file
 *   rule FILE OFFSET RULE              of the instruction there (rule_text.h)
 *   mem ADDRESS WORD...                words from there on
 *   mem ADDRESS+STEP*COUNT WORD        the same word COUNT times (decimal), STEP apart
 *   frame ADDRESS exact|call [fallback] [*COUNT]
 *   end NAME                           of the walk: entry, zero, ...
 *
 * Written by tests/tools/unwind_agree --record, or by hand. Memory that is not here cannot be read.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "rule_text.h"
#include "shared/record.h"

struct snapshot_map {
	uint64_t start, end, offset;
	bool exec;
	char file[64];
};

struct snapshot_rule {
	char file[64];
	uint64_t offset;
	uint32_t rule;
	struct unwind_ext ext;
};

struct snapshot_words {
	uint64_t addr, step, n;
	uint64_t word;
};

struct snapshot {
	char arch[16], end[16];
	struct unwind_regs regs;
	VEC(struct snapshot_map) maps;
	VEC(struct snapshot_rule) rules;
	VEC(struct snapshot_words) words;
	VEC(uint64_t) frames;
};

static inline void snapshot_clear(struct snapshot *s)
{
	vec_free(&s->maps);
	vec_free(&s->rules);
	vec_free(&s->words);
	vec_free(&s->frames);
}

/* --- lines; false: not of the form ------------------------------------------------------------ */

static inline bool snapshot_read_reg(struct snapshot *s, const char *args)
{
	const char *rest;
	char name[8];
	uint64_t value;
	int reg;

	if (sscanf(args, "%7s %" SCNx64, name, &value) != 2)
		return false;
	if (strcmp(name, "pc") == 0) {
		s->regs.pc = value;
		return true;
	}
	reg = rule_text_reg(name, &rest);
	if (reg < 0 || *rest)
		return false;
	s->regs.reg[reg] = value;
	return true;
}

static inline bool snapshot_read_map(struct snapshot *s, const char *args)
{
	struct snapshot_map m = { 0 };
	char kind;

	if (sscanf(args, "%" SCNx64 "-%" SCNx64 " %" SCNx64 " %c %63s", &m.start, &m.end, &m.offset,
		   &kind, m.file) != 5)
		return false;
	m.exec = kind == 'x';
	return vec_push(&s->maps, m) == 0;
}

static inline bool snapshot_read_rule(struct snapshot *s, char *args)
{
	struct snapshot_rule r = { 0 };
	int len = 0;

	return sscanf(args, "%63s %" SCNx64 " %n", r.file, &r.offset, &len) == 2 && len &&
	       rule_text_read(args + len, &r.rule, &r.ext) && vec_push(&s->rules, r) == 0;
}

static inline bool snapshot_read_mem(struct snapshot *s, char *args)
{
	struct snapshot_words w = { .step = 8, .n = 1 };
	char *save, *at = strtok_r(args, " ", &save), *word;

	if (!at)
		return false;
	if (strchr(at, '+') &&
	    sscanf(at, "%" SCNx64 "+%" SCNx64 "*%" SCNu64, &w.addr, &w.step, &w.n) != 3)
		return false;
	w.addr = strtoull(at, NULL, 16);
	for (; (word = strtok_r(NULL, " ", &save)); w.addr += 8) {
		w.word = strtoull(word, NULL, 16);
		if (vec_push(&s->words, w) < 0)
			return false;
	}
	return true;
}

static inline bool snapshot_read_frame(struct snapshot *s, const char *args)
{
	const char *star = strchr(args, '*');
	unsigned long n = star ? strtoul(star + 1, NULL, 10) : 1;
	uint64_t frame;
	char kind[8];

	if (sscanf(args, "%" SCNx64 " %7s", &frame, kind) != 2)
		return false;
	if (strcmp(kind, "exact") == 0)
		frame |= FRAME_EXACT;
	else if (strcmp(kind, "call") != 0)
		return false;
	if (strstr(args, "fallback"))
		frame |= FRAME_BY_FALLBACK;
	while (n--)
		if (vec_push(&s->frames, frame) < 0)
			return false;
	return true;
}

static inline bool snapshot_read_line(struct snapshot *s, const char *key, char *args)
{
	if (strcmp(key, "reg") == 0)
		return snapshot_read_reg(s, args);
	if (strcmp(key, "map") == 0)
		return snapshot_read_map(s, args);
	if (strcmp(key, "rule") == 0)
		return snapshot_read_rule(s, args);
	if (strcmp(key, "mem") == 0)
		return snapshot_read_mem(s, args);
	if (strcmp(key, "frame") == 0)
		return snapshot_read_frame(s, args);
	if (strcmp(key, "end") == 0)
		return sscanf(args, "%15s", s->end) == 1;
	return false;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* False: it is of another architecture. What is not of the form fails the test. */
static inline bool snapshot_read(const char *path, struct snapshot *s)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	unsigned n = 0;
	bool ours = true;

	cr_assert(f != NULL, "%s", path);
	*s = (struct snapshot){ .regs = { .known = UNWIND_KNOWN_ALL, .is_exact = 1 } };
	while (ours && getline(&line, &cap, f) > 0) {
		char *key, *args;

		n++;
		line[strcspn(line, "#\n")] = '\0';
		key = strtok_r(line, " ", &args);
		if (!key)
			continue;
		if (strcmp(key, "arch") == 0)
			ours = sscanf(args, "%15s", s->arch) == 1 &&
			       strcmp(s->arch, RULE_TEXT_ARCH) == 0;
		else
			cr_assert(snapshot_read_line(s, key, args), "%s:%u", path, n);
	}
	free(line);
	fclose(f);
	cr_assert(!ours || (*s->arch && *s->end && s->frames.n), "%s is not whole", path);
	return ours;
}

/* NULL: @addr is in none. */
static inline const struct snapshot_map *snapshot_map_of(const struct snapshot *s, uint64_t addr)
{
	for (size_t i = 0; i < s->maps.n; i++)
		if (addr >= s->maps.data[i].start && addr < s->maps.data[i].end)
			return &s->maps.data[i];
	return NULL;
}

static inline bool snapshot_word(const struct snapshot *s, uint64_t addr, uint64_t *ret)
{
	for (size_t i = 0; i < s->words.n; i++) {
		const struct snapshot_words *w = &s->words.data[i];

		if (addr < w->addr || (addr - w->addr) % w->step ||
		    (addr - w->addr) / w->step >= w->n)
			continue;
		*ret = w->word;
		return true;
	}
	return false;
}

#endif
