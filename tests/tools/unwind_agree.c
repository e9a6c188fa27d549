/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a stack right? Stops a program at random moments and some single steps later, and compares
 * what our walk makes of it, frame by frame, with libdwfl; where they differ, libunwind is asked as
 * well. With --record, writes a stop as a test case for tests/unit/test_unwind_replay.c.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agree_options.h"
#include "base/clock.h"
#include "chain_diff.h"
#include "judge_dwfl.h"
#include "judge_libunwind.h"
#include "live_walk.h"
#include "rule_text.h"
#include "snapshot_write.h"
#include "stop.h"
#include "tracee.h"

#define FINISH_STACK (64u << 10)
#define GOAL	     99.9 /* % */
#define ORACLE_STEPS 20000
#define ORACLE_NS    300000000 /* a thread may wait for others, which stand still meanwhile */

/* Disagreements of one kind at one function. */
struct group {
	char key[512];
	unsigned n;
	char example[2400];
};

struct agree {
	struct agree_options o;
	struct tracee tracee;
	struct stop stop;
	struct judge_dwfl *dwfl;
	struct live_walk *walk;
	struct live_result ours, finish;
	struct chain theirs, third;
	VEC(struct group) groups;
	uint64_t n_stops, n_frames, n_whole, n_unjudged, n_finish_differs;
	uint64_t n_kind[DIFF_COUNT], n_verdict[VERDICT_COUNT], n_tableless, n_tableless_ours;
	uint64_t pc_seen[1 << 16];
	uint64_t n_pcs;
};

/* --- what was seen ---------------------------------------------------------------------------- */

static void count_pc(struct agree *a, uint64_t pc)
{
	size_t slot = pc * 0x9e3779b97f4a7c15ULL >> 48;

	for (size_t i = 0; i < 64; i++) {
		uint64_t *seen = &a->pc_seen[(slot + i) & 0xffff];

		if (*seen == pc)
			return;
		if (*seen == 0) {
			*seen = pc;
			a->n_pcs++;
			return;
		}
	}
}

static const char *function_of(struct agree *a, const struct chain *c, uint32_t i, char *out,
			       size_t size)
{
	char *plus;

	if (i >= c->n)
		return "-";
	judge_dwfl_place(a->dwfl, c->frames[i], out, size);
	if (*out == '?')
		return "no file";
	plus = strrchr(out, '+');
	if (plus)
		*plus = '\0';
	return out;
}

static void print_side(struct agree *a, FILE *f, const char *who, const struct chain *c,
		       uint32_t at)
{
	uint32_t first = at > 2 ? at - 2 : 0;
	char place[200];

	fprintf(f, "    %s: %u frames, ended: %s\n", who, c->n,
		*c->why			    ? c->why
		: c->end == CHAIN_OUTERMOST ? "outermost"
					    : "failed");
	for (uint32_t i = first; i < c->n && i < at + 3; i++)
		fprintf(f, "    %c %3u %016" PRIx64 "%s%s %s\n", i == at ? '>' : ' ', i,
			c->frames[i] & (uint64_t)FRAME_ADDR_MASK,
			c->frames[i] & FRAME_EXACT ? " exact" : "",
			c->frames[i] & FRAME_BY_FALLBACK ? " fallback" : "",
			judge_dwfl_place(a->dwfl, c->frames[i], place, sizeof(place)));
}

/* For a look at it with a disassembler: where no table says what the code does, it has to tell. */
static void print_code(struct agree *a, FILE *f, uint64_t pc)
{
	uint8_t code[48];

	if (!stop_read(&a->stop, code, sizeof(code), pc - 32))
		return;
	fprintf(f, "    code from %016" PRIx64 " on, pc at +32:", pc - 32);
	for (size_t i = 0; i < sizeof(code); i++)
		fprintf(f, "%s%02x", i == 32 ? " | " : i % 8 ? "" : " ", code[i]);
	fputc('\n', f);
}

static void describe(struct agree *a, struct diff d, char *out, size_t size)
{
	FILE *f = fmemopen(out, size, "w");

	fprintf(f, "    pid %d tid %d, differs at %u\n", a->stop.pid, a->stop.tid, d.at);
	if (d.at)
		print_code(a, f, a->ours.chain.frames[d.at - 1] & FRAME_ADDR_MASK);
	print_side(a, f, "ours", &a->ours.chain, d.at);
	print_side(a, f, "libdwfl", &a->theirs, d.at);
	if (a->third.n)
		print_side(a, f, "libunwind", &a->third, d.at);
	fclose(f);
}

static void add_to_group(struct agree *a, const char *key, struct diff d)
{
	struct group fresh = { .n = 1 };

	for (size_t i = 0; i < a->groups.n; i++)
		if (strcmp(a->groups.data[i].key, key) == 0) {
			a->groups.data[i].n++;
			return;
		}
	snprintf(fresh.key, sizeof(fresh.key), "%s", key);
	describe(a, d, fresh.example, sizeof(fresh.example));
	vec_push(&a->groups, fresh);
}

/* --- one stop --------------------------------------------------------------------------------- */

/* Has any of the walks gone by code without a table before they part? */
static bool is_tableless(const struct agree *a, struct diff d)
{
	const struct chain *c = &a->ours.chain;

	for (uint32_t i = 0; i <= d.at && i < c->n; i++)
		if (c->frames[i] & FRAME_BY_FALLBACK)
			return true;
	return d.at >= c->n && a->ours.end == USER_END_NO_RULE;
}

/*
 * The last word on the caller of the innermost frame has the processor: single steps, until it has
 * returned to what one of the two said. The stop is over then. In recursion both may say the same,
 * and mean another frame: one below the frame pointer, or above. (V8's functions take their
 * arguments off the stack: it is not enough to look where the stack pointer is.)
 */
static enum verdict ask_processor(struct agree *a)
{
	uint64_t ours = a->ours.chain.n > 1 ? a->ours.chain.frames[1] & FRAME_ADDR_MASK : 0;
	uint64_t theirs = a->theirs.n > 1 ? a->theirs.frames[1] & FRAME_ADDR_MASK : 0;
	uint64_t sp = a->stop.regs.rsp, fp = a->stop.regs.rbp;
	uint64_t end = monotonic_ns() + ORACLE_NS;
	struct user_regs_struct regs;

	for (int i = 0; i < ORACLE_STEPS && monotonic_ns() < end; i++) {
		if (tracee_step(&a->tracee, a->stop.tid) < 0 || tracee_regs(a->stop.tid, &regs) < 0)
			return VERDICT_NOBODY;
		if (regs.rsp <= sp)
			continue;
		if (ours != theirs && regs.rip == theirs)
			return VERDICT_THEIRS;
		if (regs.rip == ours)
			return ours != theirs || regs.rsp < fp + 16 ? VERDICT_OURS : VERDICT_THEIRS;
	}
	return VERDICT_NOBODY;
}

/* Do they differ in what the innermost frame returns to? Equal callers of a recursion hide it. */
static bool differ_at_caller(const struct agree *a, struct diff d)
{
	const uint64_t *ours = a->ours.chain.frames;

	if (d.at == 1)
		return d.kind != DIFF_SAME_CUT && d.kind != DIFF_END;
	if (d.at < 2 || d.at >= a->ours.chain.n || d.kind != DIFF_PC ||
	    !(ours[1] & FRAME_BY_FALLBACK))
		return false;
	for (uint32_t i = 2; i <= d.at; i++)
		if (ours[i] != ours[1])
			return false;
	return true;
}

/* The other goes on to where no code is. */
static bool is_absurd(const struct agree *a, struct diff d)
{
	const struct region *region;

	if (d.at >= a->theirs.n || (d.at < a->ours.chain.n && d.kind != DIFF_PC))
		return false;
	region = stop_region(&a->stop, (a->theirs.frames[d.at] & FRAME_ADDR_MASK) - 1);
	return !region || !region->exec;
}

static void disagree(struct agree *a, struct diff d)
{
	const char *judge = "libunwind";
	uint32_t before = d.at ? d.at - 1 : 0;
	enum verdict v = VERDICT_NOBODY;
	bool tableless = is_tableless(a, d);
	char key[512], function[200];

	a->third.n = 0;
	if (judge_libunwind_walk(&a->stop, &a->third) == 0)
		v = chain_judge(d, &a->ours.chain, &a->theirs, &a->third);
	if (differ_at_caller(a, d)) {
		judge = "processor";
		v = ask_processor(a);
	}
	if (is_absurd(a, d)) {
		judge = "memory";
		v = VERDICT_OURS;
	}
	if (d.kind == DIFF_SAME_CUT) {
		; /* as it is; only shown */
	} else if (tableless) {
		a->n_tableless++;
		a->n_tableless_ours += v == VERDICT_OURS;
	} else {
		a->n_verdict[v]++;
	}
	snprintf(key, sizeof(key), "%s (%s)%s, %s is with %s, behind %s", diff_kind_name(d.kind),
		 a->ours.chain.why, tableless ? ", no table" : "", judge, verdict_name(v),
		 function_of(a, &a->ours.chain, before, function, sizeof(function)));
	add_to_group(a, key, d);
}

/* The walk over a copy sees less memory, and otherwise the same. */
static void check_finish(struct agree *a)
{
	struct diff d;

	live_walk_finish(a->walk, &a->stop, FINISH_STACK, &a->finish);
	d = chain_diff(&a->finish.chain, &a->ours.chain);
	if (d.kind == DIFF_SAME || d.kind == DIFF_SAME_CUT)
		return;
	/* The copy has no code: calls that it leads behind cannot be seen. */
	if (d.at < a->ours.chain.n && a->ours.chain.frames[d.at] & FRAME_BY_FALLBACK)
		return;
	if (d.kind == DIFF_SHORT &&
	    (a->finish.end == USER_END_UNREADABLE || a->finish.end == USER_END_NO_RULE))
		return;
	a->n_finish_differs++;
	a->third = a->theirs;
	a->theirs = a->finish.chain;
	add_to_group(a, "unwinder_finish() differs (shown as libdwfl)", d);
	a->theirs = a->third;
}

static bool matches(struct agree *a, const struct chain *c, const char *glob)
{
	char place[200];

	for (uint32_t i = 0; i < c->n; i++)
		if (fnmatch(glob, judge_dwfl_place(a->dwfl, c->frames[i], place, sizeof(place)),
			    0) == 0)
			return true;
	return false;
}

static bool has_rule(const struct walk_trace *t, const char *wanted)
{
	for (size_t i = 0; i < t->rules.n; i++) {
		char text[200] = "";
		FILE *f = fmemopen(text, sizeof(text), "w");

		rule_text_write(f, t->rules.data[i].rule.rule, &t->rules.data[i].rule.ext);
		fclose(f);
		if (strstr(text, wanted))
			return true;
	}
	return false;
}

static bool is_wanted(struct agree *a, const struct walk_trace *trace)
{
	if (a->ours.chain.n < a->o.min_depth)
		return false;
	if (a->o.rule && !has_rule(trace, a->o.rule))
		return false;
	for (size_t i = 0; i < a->o.n_frames; i++)
		if (!matches(a, &a->theirs, a->o.frames[i]))
			return false;
	return true;
}

/* Is it known to be right? What is to be expected is in a->theirs then. */
static bool is_right(struct agree *a, struct diff d)
{
	if (d.kind == DIFF_SHORT && a->o.copy) {
		a->theirs.n = d.at;
		return true;
	}
	if (d.kind == DIFF_PC && d.at == 1 && is_tableless(a, d) &&
	    ask_processor(a) == VERDICT_OURS) {
		a->theirs = a->ours.chain;
		return true;
	}
	if (a->o.disputed)
		return false;
	return d.kind == DIFF_SAME || (d.kind == DIFF_SAME_CUT && a->o.cut);
}

/* 1: written. The frames are libdwfl's, as far as ours goes; how each was found is ours. */
static int record(struct agree *a)
{
	struct walk_trace trace = {
		.readable_end = a->o.copy ? a->stop.regs.rsp + a->o.copy : 0,
	};
	struct snapshot s = {
		.title = a->o.title,
		.stop = &a->stop,
		.process = live_walk_process(a->walk),
		.trace = &trace,
		.expected = &a->theirs,
		.places = a->dwfl,
	};
	int r = 0;
	struct diff d;

	live_walk_run(a->walk, &a->stop, &trace, &a->ours);
	d = chain_diff(&a->ours.chain, &a->theirs);
	if (is_wanted(a, &trace) && is_right(a, d)) {
		for (uint32_t i = 0; i < a->theirs.n && i < a->ours.chain.n; i++)
			a->theirs.frames[i] |= a->ours.chain.frames[i] & FRAME_BY_FALLBACK;
		s.end = user_end_name(a->ours.end);
		r = snapshot_write(a->o.record, &s);
		r = r < 0 ? r : 1;
	}
	walk_trace_clear(&trace);
	return r;
}

/* Negative: nothing to compare. 1: recorded. */
static int compare(struct agree *a, const struct tracee_thread *thread)
{
	struct diff d;
	int r = stop_take(&a->stop, thread->pid, thread->tid);

	if (r == 0)
		r = live_walk_enter(a->walk, &a->stop);
	if (r == 0)
		r = judge_dwfl_walk(a->dwfl, &a->stop, &a->theirs);
	if (r < 0) {
		a->n_unjudged++;
		a->stop.pid = 0; /* the next is looked at anew */
		return r;
	}
	if (a->o.record)
		return record(a);
	live_walk_run(a->walk, &a->stop, NULL, &a->ours);
	d = chain_diff(&a->ours.chain, &a->theirs);
	a->n_stops++;
	a->n_frames += a->ours.chain.n;
	a->n_whole += a->ours.chain.end == CHAIN_OUTERMOST;
	a->n_kind[d.kind]++;
	count_pc(a, a->stop.regs.rip);
	check_finish(a);
	if (d.kind != DIFF_SAME)
		disagree(a, d);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

static int begin(struct agree *a)
{
	int r = a->o.n_pids ? 0 : tracee_spawn(&a->tracee, a->o.argv);

	for (size_t i = 0; r == 0 && i < a->o.n_pids; i++)
		r = tracee_attach(&a->tracee, a->o.pids[i]);
	if (r == 0)
		tracee_run(&a->tracee, a->o.skip_ms * 1000000);
	return r;
}

/* A program that has ended is started again. */
static int run(struct agree *a)
{
	unsigned n_empty = 0;
	int r = begin(a);

	while (r == 0 && a->n_stops < a->o.stops && n_empty < 5000) {
		struct tracee_thread thread;

		tracee_run(&a->tracee, 1000 * tracee_random(&a->tracee, 2 * a->o.pause_us + 1));
		if (!a->tracee.threads.n) {
			if (a->o.n_pids)
				break;
			n_empty++;
			r = begin(a);
			continue;
		}
		if (tracee_stop(&a->tracee, a->o.steps, &thread) < 0) {
			n_empty++;
			continue;
		}
		r = compare(a, &thread);
		tracee_continue(&a->tracee, thread.tid);
		if (r > 0)
			return 0;
		n_empty = r < 0 || a->o.record ? n_empty + 1 : 0;
		r = r == -ENOMEM ? r : 0;
	}
	if (a->o.record)
		return -ENOENT;
	return r;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = ((const struct group *)a)->n, y = ((const struct group *)b)->n;

	return x < y ? 1 : x == y ? 0 : -1;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static uint64_t agreed(const struct agree *a)
{
	return a->n_kind[DIFF_SAME] + a->n_kind[DIFF_SAME_CUT] + a->n_verdict[VERDICT_OURS] +
	       a->n_tableless_ours;
}

static void print_json(const struct agree *a)
{
	printf("{\"name\": \"%s\", \"stops\": %" PRIu64 ", \"frames\": %" PRIu64
	       ", \"pcs\": %" PRIu64 ", \"whole\": %" PRIu64,
	       a->o.name, a->n_stops, a->n_frames, a->n_pcs, a->n_whole);
	for (int i = 0; i < DIFF_COUNT; i++)
		printf(", \"%s\": %" PRIu64, diff_kind_name(i), a->n_kind[i]);
	printf(", \"judged_ours\": %" PRIu64 ", \"judged_theirs\": %" PRIu64
	       ", \"judged_nobody\": %" PRIu64 ", \"no_table\": %" PRIu64
	       ", \"no_table_ours\": %" PRIu64 ", \"finish_differs\": %" PRIu64
	       ", \"agreement\": %.3f}\n",
	       a->n_verdict[VERDICT_OURS], a->n_verdict[VERDICT_THEIRS],
	       a->n_verdict[VERDICT_NOBODY], a->n_tableless, a->n_tableless_ours,
	       a->n_finish_differs, percent(agreed(a), a->n_stops));
}

static void print_table(struct agree *a)
{
	printf("%s: %" PRIu64 " stops at %" PRIu64 " places, %.1f frames each, %.2f %% whole\n",
	       a->o.name, a->n_stops, a->n_pcs, a->n_stops ? (double)a->n_frames / a->n_stops : 0,
	       percent(a->n_whole, a->n_stops));
	for (int i = 0; i < DIFF_COUNT; i++)
		if (a->n_kind[i])
			printf("  %-10s %6" PRIu64 "  %7.3f %%\n", diff_kind_name(i), a->n_kind[i],
			       percent(a->n_kind[i], a->n_stops));
	printf("  agreement, two of three: %.3f %%\n", percent(agreed(a), a->n_stops));
	if (a->groups.n)
		qsort(a->groups.data, a->groups.n, sizeof(*a->groups.data), by_number);
	for (size_t i = 0; i < a->groups.n && !a->o.quiet; i++)
		printf("  %u times: %s\n%s", a->groups.data[i].n, a->groups.data[i].key,
		       a->groups.data[i].example);
}

int main(int argc, char **argv)
{
	struct agree *a = calloc(1, sizeof(*a));
	int r;

	if (!a || agree_options_parse(argc, argv, &a->o) < 0) {
		fputs(agree_usage, stderr);
		return 2;
	}
	a->tracee.random = a->o.seed * 0x9e3779b97f4a7c15ULL | 1;
	a->tracee.with_children = a->o.with_children;
	memcpy(a->tracee.programs, a->o.programs, sizeof(a->o.programs));
	a->tracee.n_programs = a->o.n_programs;
	r = judge_dwfl_new(&a->dwfl);
	if (r == 0)
		r = live_walk_new(&a->walk);
	if (r == 0)
		r = run(a);
	tracee_end(&a->tracee);
	if (r < 0) {
		fprintf(stderr, "unwind_agree: %s: %s\n", a->o.name, strerror(-r));
		return 2;
	}
	if (!a->o.record)
		print_table(a);
	if (a->o.json)
		print_json(a);
	judge_dwfl_free(a->dwfl);
	live_walk_free(a->walk);
	stop_clear(&a->stop);
	vec_free(&a->groups);
	r = a->o.record || percent(agreed(a), a->n_stops) >= GOAL ? 0 : 1;
	free(a);
	return r;
}
