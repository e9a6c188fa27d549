/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our walk over a stop: as the kernel side makes it, reading whatever memory the process has, and
 * as user space makes it over a copy of the stack.
 */
#ifndef LIVE_WALK_H
#define LIVE_WALK_H

#include "base/cleanup.h"
#include "stop.h"

struct live_walk;

int live_walk_new(struct live_walk **ret); /* negative errno */
void live_walk_free(struct live_walk *l);
DEFINE_CLEANUP(struct live_walk *, live_walk_free)

struct traced_word {
	uint64_t addr, word;
};

struct traced_rule {
	uint64_t addr;
	int found; /* enum unwind_found */
	struct unwind_found_rule rule;
};

/* All that a walk asked for, in the order in which it did; a zeroed struct is empty. */
struct walk_trace {
	uint64_t readable_end; /* memory from here on is not, 0: no limit */
	VEC(struct traced_word) words;
	VEC(struct traced_rule) rules;
	VEC(uint64_t) places; /* whose mapping it asked for */
};

void walk_trace_clear(struct walk_trace *t);

struct live_result {
	struct chain chain;
	enum user_end end;
};

/* Takes up the mappings of the stop. Before the other two. Negative errno. */
int live_walk_enter(struct live_walk *l, const struct stop *s);

/* @trace: NULL, or what is filled. */
void live_walk_run(struct live_walk *l, const struct stop *s, struct walk_trace *trace,
		   struct live_result *ret);

/* unwinder_finish() over at most @len bytes of the stack. */
void live_walk_finish(struct live_walk *l, const struct stop *s, size_t len,
		      struct live_result *ret);

const struct process *live_walk_process(const struct live_walk *l);

const char *user_end_name(enum user_end end);

#endif
