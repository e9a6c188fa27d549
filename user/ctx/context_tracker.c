/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/context_tracker.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "ctx/context_sources.h"
#include "ctx/elastic_storage.h"
#include "ctx/plain_programs.h"
#include "ctx/process_ctx.h"
#include "ctx/process_ctx_find.h"

#define PAUSE_MIN     (20 * NSEC_PER_MSEC) /* between two looks */
#define PAUSE_MAX     (10 * NSEC_PER_SEC)
#define AGE_PER_PAUSE 2 /* a context that comes after 1 s is found within the next half */
#define YOUNG_NS      (2 * NSEC_PER_SEC)
#define COST_FACTOR   100
#define HINT_NS	      (40 * NSEC_PER_MSEC) /* after the last of several hints, so late */
#define HINTS_NS      (80 * NSEC_PER_MSEC) /* of hints in a row the first one waits so long */
#define PLAIN_NS      NSEC_PER_SEC	   /* so long a process of a plain program waits */
/* All looks together: 0.5 % of one CPU, saved up for bursts, owed for what could not wait. */
#define BUDGET_SHARE 200
#define BUDGET_MAX   ((int64_t)(50 * NSEC_PER_MSEC))
#define BUDGET_MIN   (-(int64_t)(10 * NSEC_PER_MSEC))
#define CANDIDATES   8

/* In /proc/PID/stat. */
#define STAT_FIELD_VSIZE      23
#define STAT_FIELD_STARTSTACK 28

struct tracked {
	pid_t pid;
	uint64_t process_id; /* another one: the process executed something since */
	uint64_t began_ns;   /* the first reason to expect something; 0: there was none */
	uint64_t born_ns;    /* last reason to expect something new: fork, exec, a mapped file */
	uint64_t due_ns;
	uint64_t hinted_ns;   /* the first such reason since it was looked at; 0: none */
	bool is_young;	      /* is in the tracker's list of these */
	uint64_t keys_of_ns;  /* published_at_ns of the context that was found to lack keys */
	uint64_t header_addr; /* of the process context in force */
	struct process_ctx *ctx;
	struct process_ctx *inherited; /* of the process that it was forked from */
	struct elastic_storage *elastic;
	struct python_source python;
	int python_error;
	bool expected_classes; /* once they were */
	uint64_t vsize;	       /* its address space in bytes, as of the last look */
	bool is_settled;       /* that was the same as of the look before */
	bool is_noted;	       /* among those of its program that had nothing */
	bool has_python_number;
	uint32_t python_number;
	struct context_sources sources;
	enum context_state state;
	struct proc_info info;
	struct python_info told_python; /* of the kernel side, with info */
};

struct context_tracker {
	struct hashmap by_pid;
	struct context_files *files;
	struct python_files *pythons;
	struct plain_programs *plain;
	uint64_t python_numbers[PYTHONS_MAX / 64]; /* bits of those in use */
	struct context_choice choice;
	VEC(pid_t) young;
	uint64_t visit_ns; /* none of these is due before */
	int64_t budget_ns; /* of CPU time for looks */
	uint64_t refilled_ns;
};

int context_tracker_new(const struct context_choice *choice, struct context_tracker **ret)
{
	CLEANUP(context_tracker_freep) struct context_tracker *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->choice = *choice;
	r = context_files_new(&t->files);
	if (r == 0)
		r = python_files_new(&t->pythons);
	if (r == 0)
		r = plain_programs_new(&t->plain);
	if (r == 0)
		*ret = TAKE_PTR(t);
	return r;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void give_python_number(struct context_tracker *t, struct tracked *tr)
{
	if (tr && tr->has_python_number)
		t->python_numbers[tr->python_number / 64] &= ~(1ull << (tr->python_number % 64));
}

static void tracked_free(struct tracked *tr)
{
	if (!tr)
		return;
	process_ctx_free(tr->ctx);
	process_ctx_free(tr->inherited);
	elastic_storage_free(tr->elastic);
	free(tr);
}
DEFINE_CLEANUP(struct tracked *, tracked_free)

void context_tracker_free(struct context_tracker *t)
{
	size_t pos = 0;
	void *value;

	if (!t)
		return;
	while ((value = hashmap_next(&t->by_pid, &pos)))
		tracked_free(value);
	hashmap_clear(&t->by_pid);
	context_files_free(t->files);
	python_files_free(t->pythons);
	plain_programs_free(t->plain);
	vec_free(&t->young);
	free(t);
}

static bool tracked_eq(const void *value, const void *key)
{
	return ((const struct tracked *)value)->pid == *(const pid_t *)key;
}

static struct tracked *find(const struct context_tracker *t, pid_t pid)
{
	return hashmap_get(&t->by_pid, hash_u64(0, pid), tracked_eq, &pid);
}

/* Of the process itself, else of its parent. */
static struct process_ctx *ctx_of(const struct tracked *tr)
{
	return tr->ctx ? tr->ctx : tr->inherited;
}

static void reset(struct tracked *tr, uint64_t process_id)
{
	process_ctx_free(tr->ctx);
	process_ctx_free(tr->inherited);
	elastic_storage_free(tr->elastic);
	*tr = (struct tracked){
		.pid = tr->pid,
		.process_id = process_id,
		.is_young = tr->is_young,
		.has_python_number = tr->has_python_number,
		.python_number = tr->python_number,
	};
}

static int get(struct context_tracker *t, const struct process *p, struct tracked **ret)
{
	CLEANUP(tracked_freep) struct tracked *fresh = NULL;
	int r;

	*ret = find(t, p->pid);
	if (*ret) {
		if ((*ret)->process_id != p->id)
			reset(*ret, p->id);
		return 0;
	}

	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->pid = p->pid;
	reset(fresh, p->id);
	r = hashmap_put(&t->by_pid, hash_u64(0, p->pid), fresh);
	if (r == 0)
		*ret = TAKE_PTR(fresh);
	return r;
}

void context_tracker_forget(struct context_tracker *t, pid_t pid)
{
	struct tracked *tr = hashmap_remove(&t->by_pid, hash_u64(0, pid), tracked_eq, &pid);

	give_python_number(t, tr);
	tracked_free(tr);
}

static bool has_budget(struct context_tracker *t, uint64_t now_ns)
{
	if (now_ns > t->refilled_ns) {
		t->budget_ns += (now_ns - t->refilled_ns) / BUDGET_SHARE;
		t->refilled_ns = now_ns;
	}
	if (t->budget_ns > BUDGET_MAX)
		t->budget_ns = BUDGET_MAX;
	return t->budget_ns > 0;
}

bool context_tracker_due(struct context_tracker *t, const struct process *p, uint64_t now_ns)
{
	const struct tracked *tr = find(t, p->pid);

	if (tr && tr->process_id == p->id && now_ns < tr->due_ns)
		return false;
	return has_budget(t, now_ns);
}

/*
 * A program that starts maps file after file: one look when that is over finds as much as one after
 * each of them.
 */
static void expect(struct tracked *tr, uint64_t time_ns)
{
	bool waits = tr->hinted_ns;
	uint64_t due;

	if (!waits)
		tr->hinted_ns = time_ns;
	due = time_ns + HINT_NS;
	if (due > tr->hinted_ns + HINTS_NS)
		due = tr->hinted_ns + HINTS_NS;
	if (waits || tr->due_ns > due)
		tr->due_ns = due;
}

int context_tracker_hint(struct context_tracker *t, const struct process *p, uint64_t time_ns)
{
	struct tracked *tr;
	int r;

	r = get(t, p, &tr);
	if (r < 0)
		return r;
	tr->born_ns = time_ns;
	if (!tr->began_ns)
		tr->began_ns = time_ns;
	expect(tr, time_ns);
	t->visit_ns = min_u64(t->visit_ns, tr->due_ns);
	if (tr->is_young)
		return 0;
	r = vec_push(&t->young, p->pid);
	tr->is_young = r == 0;
	return r;
}

void context_tracker_expect_keys(struct context_tracker *t, const struct process *p)
{
	struct tracked *tr = find(t, p->pid);

	if (!tr || tr->process_id != p->id || !ctx_of(tr) ||
	    tr->keys_of_ns == ctx_of(tr)->published_at_ns)
		return;
	tr->keys_of_ns = ctx_of(tr)->published_at_ns;
	tr->due_ns = t->visit_ns = 0;
}

void context_tracker_expect_classes(struct context_tracker *t, const struct process *p)
{
	struct tracked *tr = find(t, p->pid);

	if (!tr || tr->process_id != p->id || tr->expected_classes)
		return;
	tr->expected_classes = true;
	tr->due_ns = t->visit_ns = 0;
}

void context_tracker_visit_young(struct context_tracker *t, uint64_t now_ns,
				 context_tracker_visit_fn fn, void *ctx)
{
	uint64_t next = UINT64_MAX;
	size_t kept = 0;

	if (now_ns < t->visit_ns)
		return;
	for (size_t i = 0; i < t->young.n; i++) {
		pid_t pid = t->young.data[i];
		struct tracked *tr = find(t, pid);

		if (!tr)
			continue; /* has ended */
		tr->is_young = now_ns <= tr->born_ns + YOUNG_NS;
		if (tr->is_young && now_ns >= tr->due_ns && has_budget(t, now_ns))
			tr->is_young = fn(ctx, pid);
		if (!tr->is_young)
			continue;
		t->young.data[kept++] = pid;
		next = min_u64(next, tr->due_ns);
	}
	t->young.n = kept;
	t->visit_ns = next;
}

static void schedule(struct context_tracker *t, struct tracked *tr, uint64_t began_cpu_ns)
{
	uint64_t now = monotonic_ns(), cost = thread_cpu_ns() - began_cpu_ns;
	uint64_t pause = (now - tr->born_ns) / AGE_PER_PAUSE;

	t->budget_ns -= cost;
	if (t->budget_ns < BUDGET_MIN)
		t->budget_ns = BUDGET_MIN;
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	pause = max_u64(pause, PAUSE_MIN);
	tr->hinted_ns = 0;
	tr->due_ns = now + max_u64(pause, cost * COST_FACTOR);
}

/* The number in field @wanted of /proc/PID/stat, from 3 on; see proc(5). */
static int parse_stat_field(const char *text, int wanted, __u64 *ret)
{
	/* The name in field 2 may contain anything, blanks and parentheses too. */
	const char *p = strrchr(text, ')');

	for (int field = 2; p && field < wanted; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EBADMSG;
	*ret = strtoull(p + 1, NULL, 10);
	return 0;
}

struct image {
	__u64 start_stack; /* where the stack begins: it tells one program image of the pid from the
			      next */
	__u64 vsize;
};

/* -EACCES: we may not know; -ESRCH: a zombie, which has none any more, or nothing. */
static int read_image(pid_t pid, struct image *ret)
{
	CLEANUP(freep) char *text = NULL;
	char path[32];
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = read_whole_file(path, 4096, &text, &len);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = parse_stat_field(text, STAT_FIELD_VSIZE, &ret->vsize);
	if (r == 0)
		r = parse_stat_field(text, STAT_FIELD_STARTSTACK, &ret->start_stack);
	if (r < 0 || ret->start_stack)
		return r;
	return ret->vsize ? -EACCES : -ESRCH;
}

/* --- process context -------------------------------------------------------------------------- */

/* 0: tr->ctx is what the process publishes now (NULL: nothing); negative: why it cannot be said. */
static int update_process_ctx(struct tracked *tr, const char *maps, size_t len)
{
	uint64_t addrs[CANDIDATES];
	size_t n = process_ctx_find(maps, len, addrs, CANDIDATES);
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t known =
			tr->ctx && addrs[i] == tr->header_addr ? tr->ctx->published_at_ns : 0;
		struct process_ctx *fresh;

		r = process_ctx_read(tr->pid, addrs[i], known, &fresh);
		if (r == -EALREADY)
			return 0;
		if (r < 0)
			continue;
		process_ctx_free(tr->ctx);
		tr->ctx = fresh;
		tr->header_addr = addrs[i];
		return 0;
	}
	/* Being written right now: what was read before holds on. */
	if (r == -EAGAIN || r == -ENOMEM)
		return r;
	process_ctx_free(TAKE_PTR(tr->ctx));
	return r == -EBADMSG || r == -EPERM ? r : 0;
}

/* --- thread context --------------------------------------------------------------------------- */

static enum process_ctx_schema schema_of(const struct tracked *tr)
{
	return ctx_of(tr) ? process_ctx_schema_of(ctx_of(tr)) : PROCESS_CTX_NO_THREADS;
}

/* Has the interpreter told of all that its threads may be in? Its objects do not move. */
static bool is_python_known(const struct tracked *tr)
{
	return tr->python.info.spans[0].type && tr->python.info.spans[1].type;
}

/* -ENOSPC: there are PYTHONS_MAX processes. */
static int take_python_number(struct context_tracker *t, struct tracked *tr)
{
	if (tr->has_python_number)
		return 0;
	for (uint32_t i = 0; i < PYTHONS_MAX; i++) {
		uint64_t bit = 1ull << (i % 64);

		if (t->python_numbers[i / 64] & bit)
			continue;
		t->python_numbers[i / 64] |= bit;
		tr->python_number = i;
		tr->has_python_number = true;
		return 0;
	}
	return -ENOSPC;
}

static int find_python(struct context_tracker *t, struct tracked *tr, const struct process *p)
{
	struct context_sources *s = &tr->sources;
	struct python_source found;

	if (!is_python_known(tr)) {
		tr->python_error = python_source_find(t->pythons, p, &found);
		if (memcmp(&tr->python.info, &found.info, sizeof(found.info)) != 0)
			tr->expected_classes = false;
		if (tr->python_error == 0 || !tr->python.info.variable)
			tr->python = found;
	}
	if (tr->python_error)
		return tr->python_error == -ENOMEM ? -ENOMEM : 0;
	if (s->n == CTX_SOURCES_MAX || take_python_number(t, tr) < 0) {
		s->is_full = true;
		return 0;
	}
	s->sources[s->n] =
		(struct ctx_source){ .format = CTX_FORMAT_PYTHON, .number = tr->python_number };
	s->writers[s->n++] = tr->python.dso;
	return 0;
}

static bool is_announced(const struct tracked *tr, enum ctx_format format)
{
	if (format == CTX_FORMAT_OTEL)
		return schema_of(tr) == PROCESS_CTX_NATIVE;
	return format != CTX_FORMAT_NODE || schema_of(tr) == PROCESS_CTX_NODEJS;
}

static int find_sources(struct context_tracker *t, struct tracked *tr, const struct process *p)
{
	/* In the order in which they are believed. */
	static const enum ctx_format formats[] = { CTX_FORMAT_OTEL, CTX_FORMAT_NODE,
						   CTX_FORMAT_ELASTIC, CTX_FORMAT_GO,
						   CTX_FORMAT_CUSTOM_LABELS };
	const struct context_choice *c = &t->choice;
	int r = 0;

	tr->sources = (struct context_sources){ 0 };
	for (size_t i = 0; r == 0 && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (c->formats >> formats[i] & 1 && is_announced(tr, formats[i]))
			r = context_sources_find(t->files, p, formats[i], &tr->sources);
	for (size_t i = 0; r == 0 && i < c->n_variables; i++)
		r = context_sources_find_variable(t->files, p, &c->variables[i], i, &tr->sources);
	if (r == 0 && c->formats >> CTX_FORMAT_PYTHON & 1)
		r = find_python(t, tr, p);
	if (r == 0 && tr->sources.elastic_storage && !tr->elastic)
		r = elastic_storage_read(p->pid, tr->sources.elastic_storage, &tr->elastic);
	return r == -ENOMEM ? r : 0;
}

static enum context_state state_of(const struct tracked *tr)
{
	if (tr->sources.n)
		return CONTEXT_THREAD;
	if (tr->sources.unsupported || schema_of(tr) == PROCESS_CTX_UNKNOWN)
		return CONTEXT_UNSUPPORTED;
	return tr->ctx ? CONTEXT_NO_THREAD : CONTEXT_NONE;
}

static struct context_finding finding_of(const struct tracked *tr)
{
	struct context_finding f = {
		.state = tr->state,
		.info = tr->info,
		.process_ctx = ctx_of(tr),
		.is_inherited = !tr->ctx,
		.sources_left_out = tr->sources.is_full,
		.elastic = tr->elastic,
		.python = tr->python.info,
		.python_minor = tr->python.minor,
		.python_error = tr->python_error,
		.unsupported = tr->sources.unsupported ? tr->sources.unsupported->path : NULL,
		.unsupported_format = tr->sources.unsupported_format,
	};

	for (size_t i = 0; i < tr->sources.n; i++)
		f.writers[i] = tr->sources.writers[i]->path;
	return f;
}

/* Its mappings and variables are those of the parent; the header of a process context is not. */
int context_tracker_fork(struct context_tracker *t, const struct process *parent,
			 const struct process *child)
{
	const struct tracked *from = find(t, parent->pid);
	struct tracked *to;
	int r;

	if (!from || from->process_id != parent->id || !ctx_of(from))
		return 0;
	r = get(t, child, &to);
	if (r < 0)
		return r;
	process_ctx_free(to->inherited);
	to->inherited = process_ctx_ref(ctx_of(from));
	return 0;
}

struct context_finding context_tracker_last(const struct context_tracker *t,
					    const struct process *p)
{
	const struct tracked *tr = find(t, p->pid);

	if (!tr || tr->process_id != p->id)
		return (struct context_finding){ .state = CONTEXT_NONE };
	return finding_of(tr);
}

/* 1: the kernel side must be told. */
static int conclude(struct tracked *tr, enum context_state state, const struct proc_info *info)
{
	bool same = memcmp(&tr->info, info, sizeof(*info)) == 0;
	bool none = tr->info.sources[0].format == CTX_FORMAT_NONE &&
		    info->sources[0].format == CTX_FORMAT_NONE;

	same = same && memcmp(&tr->told_python, &tr->python.info, sizeof(tr->told_python)) == 0;
	tr->state = state;
	tr->info = *info;
	tr->told_python = tr->python.info;
	return !same && !none;
}

/* What cannot be read publishes nothing that could be. */
static int examine(struct context_tracker *t, struct tracked *tr, const struct process *p, int err,
		   enum context_state *ret)
{
	int r;

	tr->sources = (struct context_sources){ 0 };
	*ret = CONTEXT_UNREADABLE;
	if (err == -EPERM)
		return 0;
	r = find_sources(t, tr, p);
	*ret = err == -EBADMSG && !tr->sources.n ? CONTEXT_MALFORMED : state_of(tr);
	return r;
}

static int look(struct context_tracker *t, struct tracked *tr, const struct process *p,
		const struct context_maps *maps)
{
	struct proc_info info = { 0 };
	enum context_state state;
	struct image image, then;
	int r;

	r = read_image(p->pid, &image);
	if (r == -EACCES)
		return conclude(tr, CONTEXT_UNREADABLE, &info);
	if (r < 0)
		return r;
	info.start_stack = image.start_stack;
	tr->is_settled = tr->vsize == image.vsize;
	tr->vsize = image.vsize;
	r = update_process_ctx(tr, maps->text, maps->len);
	if (r == -ENOMEM)
		return r;
	r = examine(t, tr, p, r, &state);
	if (r < 0)
		return r;
	memcpy(info.sources, tr->sources.sources, sizeof(info.sources));

	/* All of the above must have been one program image's. */
	r = read_image(p->pid, &then);
	if (r < 0 || then.start_stack != image.start_stack)
		return r < 0 ? r : -ESRCH;
	return conclude(tr, state, &info);
}

/* Had it nothing that could come to be a context where it is? */
static bool has_nothing(const struct tracked *tr)
{
	return tr->state == CONTEXT_NONE && !ctx_of(tr) && !tr->sources.n &&
	       !tr->sources.elastic_storage && (!tr->python_error || tr->python_error == -ENOENT);
}

bool context_tracker_may_wait(struct context_tracker *t, const struct process *p, uint64_t now_ns)
{
	struct tracked *tr = find(t, p->pid);

	if (!tr || tr->process_id != p->id || now_ns >= tr->began_ns + PLAIN_NS ||
	    !has_nothing(tr) || !plain_programs_has(t->plain, p))
		return false;
	tr->hinted_ns = 0;
	tr->due_ns = tr->began_ns + PLAIN_NS;
	return true;
}

bool context_tracker_is_unchanged(struct context_tracker *t, const struct process *p,
				  uint64_t began_cpu_ns)
{
	struct tracked *tr = find(t, p->pid);
	struct image image;

	if (!tr || tr->process_id != p->id || tr->hinted_ns || !tr->due_ns || !tr->is_settled ||
	    !has_nothing(tr))
		return false;
	if (read_image(p->pid, &image) < 0 || image.vsize != tr->vsize)
		return false;
	schedule(t, tr, began_cpu_ns);
	return true;
}

static void note_program(struct context_tracker *t, struct tracked *tr, const struct process *p)
{
	int had = has_nothing(tr) ? 0 : 1;

	if (!had && tr->is_noted)
		return;
	if (!had)
		had = context_files_may_write(t->files, p);
	if (had < 0)
		return;
	tr->is_noted = true;
	plain_programs_note(t->plain, p, had);
}

int context_tracker_look(struct context_tracker *t, const struct process *p,
			 const struct context_maps *maps, struct context_finding *ret)
{
	bool had_elastic;
	struct tracked *tr;
	int r;

	r = get(t, p, &tr);
	if (r < 0)
		return r;
	had_elastic = tr->elastic;
	r = look(t, tr, p, maps);
	schedule(t, tr, maps->began_cpu_ns);
	if (r < 0)
		return r;
	note_program(t, tr, p);
	*ret = finding_of(tr);
	ret->elastic_is_new = tr->elastic && !had_elastic;
	return r;
}

static bool uses(const struct tracked *tr, const struct dso *dso)
{
	for (size_t i = 0; i < tr->sources.n; i++)
		if (tr->sources.writers[i] == dso)
			return true;
	return tr->sources.unsupported == dso || tr->python.dso == dso;
}

void context_tracker_forget_dso(struct context_tracker *t, const struct dso *dso)
{
	struct tracked *tr;
	size_t pos = 0;

	context_files_forget(t->files, dso);
	python_files_forget(t->pythons, dso);
	plain_programs_forget(t->plain, dso);
	while ((tr = hashmap_next(&t->by_pid, &pos))) {
		if (!uses(tr, dso))
			continue;
		tr->sources = (struct context_sources){ 0 };
		tr->python = (struct python_source){ 0 };
		tr->state = CONTEXT_NONE;
		tr->due_ns = t->visit_ns = 0;
	}
}
