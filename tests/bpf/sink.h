/* SPDX-License-Identifier: Apache-2.0 */
/* A collector whose deliveries are kept, and children that use a known amount of CPU time. */
#ifndef SINK_H
#define SINK_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/vec.h"
#include "collect/collector.h"
#include "spin.h"

#define HZ	499
#define SPIN_MS 300
/* Ticks in SPIN_MS, and what a busy machine may take away from or add to them. */
#define TICKS	 (HZ * SPIN_MS / 1000)
#define TICKS_OK (TICKS / 3)

struct seen {
	struct sample_record rec;
	uint64_t user_ip;	    /* 0: none */
	struct unwind_file_key key; /* of the rest, if there is one */
};

struct seen_event {
	enum proc_event_kind kind;
	pid_t pid, parent;
};

/* All that one collector delivered. */
struct sink {
	struct collector *c;
	VEC(struct seen) samples;
	VEC(struct seen_event) events;
	uint64_t last_ns;
	size_t n_rows_missing;
	uint64_t counters[STAT_COUNT];
};

static inline void note_time(struct sink *s, uint64_t time_ns)
{
	cr_assert(ge(u64, time_ns, s->last_ns), "out of order");
	s->last_ns = time_ns;
}

/* The walk's last frame and the registers that go with it are of one piece, and so is the copy. */
static inline void check_rest(const struct sample_record *rec, const uint64_t *frames,
			      const struct sample_rest *rest)
{
	cr_assert(eq(int, rest != NULL, rec->user_end == USER_END_NOT_LOADED));
	if (!rest)
		return;
	cr_assert(gt(uint, rec->n_user, 0));
	cr_assert(
		eq(u64, rest->regs.pc, frames[rec->n_kernel + rec->n_user - 1] & FRAME_ADDR_MASK));
	cr_assert(le(u32, rest->stack_len, REST_STACK_MAX));
	cr_assert(zero(u32, rest->stack_len % 8));
}

static inline void on_sample(void *ctx, const struct collector_sample *sample)
{
	const struct sample_record *rec = sample->rec;
	struct sink *s = ctx;
	struct seen seen = { *rec, 0, { 0 } };

	note_time(s, rec->time_ns);
	check_rest(rec, sample->frames, sample->rest);
	if (rec->n_user) {
		cr_assert(ne(u64, sample->frames[rec->n_kernel] & FRAME_EXACT, 0));
		seen.user_ip = sample->frames[rec->n_kernel] & FRAME_ADDR_MASK;
	}
	if (sample->rest)
		seen.key = sample->rest->key;
	cr_assert(zero(int, vec_push(&s->samples, seen)));
}

static inline void on_rows_missing(void *ctx, const struct sample_record *rec,
				   const struct sample_rest *rest)
{
	struct sink *s = ctx;

	s->n_rows_missing += rec->user_end == USER_END_NOT_LOADED && rest;
}

static inline void on_event(void *ctx, const struct proc_event *ev)
{
	struct sink *s = ctx;
	struct seen_event seen = { ev->kind, ev->pid, ev->parent };

	note_time(s, ev->time_ns);
	cr_assert(zero(int, vec_push(&s->events, seen)));
}

static inline struct collector_options whole_system(void)
{
	return (struct collector_options){
		.frequency = HZ,
		.event = COLLECTOR_EVENT_CPU_CLOCK,
		.cgroup_fd = -1,
		.unwind_budget = 1 << 20,
	};
}

static inline void sink_open(struct sink *s, struct collector_options opt)
{
	struct collector_handlers handlers = { s, on_sample, on_event, on_rows_missing };

	*s = (struct sink){ 0 };
	cr_assert(zero(int, collector_open(&opt, &handlers, &s->c)));
}

static inline void sink_clear(struct sink *s)
{
	collector_close(s->c);
	vec_free(&s->samples);
	vec_free(&s->events);
}

/* How each walk ended is counted, also of samples that are lost. */
static inline void assert_ends(const struct sink *s)
{
	static const enum stat_id counters[USER_END_COUNT] = {
		[USER_END_ENTRY] = STAT_USTACK_ENTRY,
		[USER_END_ZERO] = STAT_USTACK_END_ZERO,
		[USER_END_NO_REGS] = STAT_USTACK_NO_REGS,
		[USER_END_COMPAT] = STAT_USTACK_COMPAT,
		[USER_END_NO_CODE] = STAT_USTACK_NO_CODE,
		[USER_END_UNREADABLE] = STAT_USTACK_UNREADABLE,
		[USER_END_NOT_RISING] = STAT_USTACK_NOT_RISING,
		[USER_END_BAD_RETURN] = STAT_USTACK_BAD_RETURN,
		[USER_END_NO_RULE] = STAT_USTACK_NO_RULE,
		[USER_END_UNSUPPORTED] = STAT_USTACK_UNSUPPORTED,
		[USER_END_NOT_LOADED] = STAT_USTACK_NOT_LOADED,
		[USER_END_DEPTH] = STAT_USTACK_DEPTH,
	};
	uint64_t seen[USER_END_COUNT] = { 0 };

	for (size_t i = 0; i < s->samples.n; i++)
		seen[s->samples.data[i].rec.user_end]++;
	for (int end = USER_END_NONE + 1; end < USER_END_COUNT; end++) {
		uint64_t n = s->counters[counters[end]];

		cr_assert(n >= seen[end] && n <= seen[end] + s->counters[STAT_SAMPLE_LOST_RING],
			  "end %d: %zu counted, %zu seen", end, (size_t)n, (size_t)seen[end]);
	}
}

/* What must hold of every recording. */
static inline void assert_identities(const struct sink *s)
{
	const uint64_t *n = s->counters;

	cr_assert(eq(u64, n[STAT_SAMPLE_TAKEN],
		     s->samples.n + n[STAT_SAMPLE_LOST_RING] + n[STAT_SAMPLE_MALFORMED]));
	cr_assert(eq(u64, n[STAT_SAMPLE_TAKEN],
		     n[STAT_CTX_NO_WRITER] + n[STAT_CTX_STALE] + n[STAT_CTX_NO_TLS] +
			     n[STAT_CTX_ABSENT] + n[STAT_CTX_READ] + n[STAT_CTX_NOT_VALID] +
			     n[STAT_CTX_INVALID] + n[STAT_CTX_UNREADABLE]));
	cr_assert(zero(u64, n[STAT_SAMPLE_MALFORMED] + n[STAT_EVENT_MALFORMED]));
	assert_ends(s);
	cr_assert(zero(u64, n[STAT_EVENT_LATE]));
}

static inline void sink_finish(struct sink *s)
{
	cr_assert(zero(int, collector_finish(s->c)));
	cr_assert(zero(int, collector_read_stats(s->c, s->counters)));
	assert_identities(s);
}

/* --- children --------------------------------------------------------------------------------- */

/* A child that does @work when its pipe is written to. */
struct worker {
	pid_t pid;
	int go;
};

typedef void (*work_fn)(void);

static inline void spin(void)
{
	spin_ms(SPIN_MS);
}

static inline struct worker worker_start(work_fn work)
{
	struct worker w;
	int fds[2];
	char c;

	cr_assert(zero(int, pipe2(fds, O_CLOEXEC)));
	w.pid = fork();
	if (w.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		if (read(fds[0], &c, 1) != 1)
			_exit(1);
		work();
		_exit(0);
	}
	close(fds[0]);
	w.go = fds[1];
	return w;
}

static inline void worker_go(struct worker *w)
{
	cr_assert(eq(int, write(w->go, "g", 1), 1));
	closep(&w->go);
}

/* Polls until the worker is over. */
static inline void sink_watch(struct sink *s, const struct worker *w)
{
	int status;

	while (waitpid(w->pid, &status, WNOHANG) == 0)
		cr_assert(zero(int, collector_poll(s->c)));
	cr_assert(zero(int, status));
}

static inline size_t count_samples(const struct sink *s, pid_t pid)
{
	size_t n = 0;

	for (size_t i = 0; i < s->samples.n; i++)
		n += s->samples.data[i].rec.tgid == (uint32_t)pid;
	return n;
}

/* Of one process: 'F'ork, 'E'xec, 'M'map, e'X'it, in their order, equal neighbours as one. */
static inline void life_of(const struct sink *s, pid_t pid, char *ret, size_t len)
{
	static const char letters[] = { [PROC_EVENT_FORK] = 'F',
					[PROC_EVENT_EXEC] = 'E',
					[PROC_EVENT_MMAP] = 'M',
					[PROC_EVENT_EXIT] = 'X' };
	size_t n = 0;

	for (size_t i = 0; i < s->events.n && n + 1 < len; i++) {
		const struct seen_event *ev = &s->events.data[i];
		char letter = ev->pid == pid && ev->kind < sizeof(letters) ? letters[ev->kind] : 0;

		if (letter && (n == 0 || ret[n - 1] != letter))
			ret[n++] = letter;
	}
	ret[n] = '\0';
}

#endif
