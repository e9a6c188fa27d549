/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over recorded stacks, tests/unit/snapshots/: each must give the frames that an
 * independent unwinder gave when it was recorded. Of the architecture that is set before this is
 * included.
 */
#ifndef UNWIND_REPLAY_H
#define UNWIND_REPLAY_H

#include <dirent.h>

#include "shared/unwind_walk.h"
#include "snapshot.h"

#define SNAPSHOTS "tests/unit/snapshots"

struct unwind_memory {
	const struct snapshot *s;
	const char *path;
	__u64 none_at; /* where a recorded rule said last that there is none */
};

static long unwind_read(struct unwind_memory *mem, void *dst, __u32 len, __u64 addr)
{
	uint64_t *words = dst;

	cr_assert(len >= 8 && len <= 512 && len % 8 == 0, "%s: reads %u bytes", mem->path, len);
	for (__u32 i = 0; i < len / 8; i++)
		if (!snapshot_word(mem->s, addr + 8 * i, &words[i]))
			return -1;
	return 0;
}

static bool is_anonymous(const struct snapshot_map *m)
{
	return strcmp(m->file, "anon") == 0;
}

/*
 * Some stacks were recorded when a return address without a rule before it was not looked up
 * itself: there was no rule for it either.
 */
static int unwind_find(struct unwind_memory *mem, __u64 addr, struct unwind_found_rule *ret)
{
	const struct snapshot_map *m = snapshot_map_of(mem->s, addr);
	bool is_asked_again = mem->none_at && addr == mem->none_at + 1;

	if (!m || !m->exec)
		return UNWIND_NOT_CODE;
	mem->none_at = 0;
	ret->rule = UNWIND_RULE_SPECIAL(UNWIND_NONE);
	if (is_anonymous(m))
		return UNWIND_FOUND;
	for (size_t i = 0; i < mem->s->rules.n; i++) {
		const struct snapshot_rule *r = &mem->s->rules.data[i];

		if (r->offset != addr - m->start + m->offset || strcmp(r->file, m->file))
			continue;
		ret->rule = r->rule;
		ret->ext = r->ext;
		if (r->rule == UNWIND_RULE_SPECIAL(UNWIND_NONE))
			mem->none_at = addr;
		return UNWIND_FOUND;
	}
	if (is_asked_again)
		return UNWIND_FOUND;
	cr_assert_fail("%s: no rule for %" PRIx64 " of %s", mem->path,
		       (uint64_t)(addr - m->start + m->offset), m->file);
	return UNWIND_NOT_CODE;
}

static int unwind_is_jit(struct unwind_memory *mem, __u64 addr)
{
	const struct snapshot_map *m = snapshot_map_of(mem->s, addr);

	return m && m->exec && is_anonymous(m);
}

static int unwind_is_stack(struct unwind_memory *mem, __u64 sp, __u64 end)
{
	const struct snapshot_map *m = snapshot_map_of(mem->s, sp);

	return m && end <= m->end;
}

static enum user_end replay_end(const char *name)
{
	static const char *const names[USER_END_COUNT] = {
		[USER_END_ENTRY] = "entry",	      [USER_END_ZERO] = "zero",
		[USER_END_NO_CODE] = "no_code",	      [USER_END_UNREADABLE] = "unreadable",
		[USER_END_NOT_RISING] = "not_rising", [USER_END_BAD_RETURN] = "bad_return",
		[USER_END_NO_RULE] = "no_rule",	      [USER_END_UNSUPPORTED] = "unsupported",
		[USER_END_DEPTH] = "depth",
	};

	for (int i = 0; i < USER_END_COUNT; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return i;
	cr_assert_fail("no end is called '%s'", name);
	return USER_END_NONE;
}

static void replay(const char *path, const struct snapshot *s)
{
	struct unwind_memory mem = { .s = s, .path = path };
	struct unwind_walk w = { .regs = s->regs, .end = USER_END_NONE };
	__u64 frame;

	while (w.end == USER_END_NONE && w.n < USER_FRAMES_MAX) {
		__u32 at = w.n;

		if (!unwind_frame(&mem, &w, &frame))
			continue;
		cr_assert(at < s->frames.n, "%s: more than %zu frames", path, s->frames.n);
		cr_assert(frame == s->frames.data[at], "%s: frame %u is %llx, not %" PRIx64, path,
			  at, frame, s->frames.data[at]);
	}
	cr_assert(w.n == s->frames.n, "%s: %u frames of %zu", path, w.n, s->frames.n);
	if (w.end == USER_END_NONE)
		w.end = USER_END_DEPTH;
	cr_assert(w.end == replay_end(s->end), "%s: end %u is not %s", path, w.end, s->end);
}

/* Those of this architecture; returns how many. */
static unsigned replay_all(void)
{
	DIR *dir = opendir(SNAPSHOTS);
	struct dirent *entry;
	unsigned n = 0;

	cr_assert(dir != NULL, "no " SNAPSHOTS);
	while ((entry = readdir(dir))) {
		struct snapshot s;
		char path[512];

		if (!strstr(entry->d_name, ".txt"))
			continue;
		snprintf(path, sizeof(path), SNAPSHOTS "/%s", entry->d_name);
		if (snapshot_read(path, &s)) {
			replay(path, &s);
			n++;
		}
		snapshot_clear(&s);
	}
	closedir(dir);
	return n;
}

#endif
