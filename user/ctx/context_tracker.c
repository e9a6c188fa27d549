/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/context_tracker.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "ctx/context_sources.h"
#include "ctx/elastic_storage.h"
#include "ctx/process_ctx.h"
#include "ctx/process_ctx_find.h"

#define PAUSE_MIN     (20 * NSEC_PER_MSEC)
#define PAUSE_MAX     (10 * NSEC_PER_SEC)
#define AGE_PER_PAUSE 2 /* a context that comes after 1 s is found within the next half */
#define YOUNG_NS      (2 * NSEC_PER_SEC)
#define COST_FACTOR   100
/* All looks together: 0.2 % of one CPU, saved up for bursts, owed for what could not wait. */
#define BUDGET_SHARE 500
#define BUDGET_MAX   ((int64_t)(20 * NSEC_PER_MSEC))
#define BUDGET_MIN   (-BUDGET_MAX / 2)
#define CANDIDATES   8

/* In /proc/PID/stat. */
#define STAT_FIELD_VSIZE      23
#define STAT_FIELD_STARTSTACK 28

struct tracked {
	pid_t pid;
	uint32_t process_id; /* another one: the process executed something since */
	uint64_t born_ns;    /* last reason to expect something new: fork, exec, a mapped file */
	uint64_t due_ns;
	bool is_young;	      /* is in the tracker's list of these */
	uint64_t header_addr; /* of the process context in force */
	struct process_ctx *ctx;
	/* Of the process that it was forked from, as long as it publishes none of its own. */
	enum process_ctx_schema inherited;
	char *inherited_service;
	struct elastic_storage *elastic;
	struct context_sources sources;
	enum context_state state;
	struct proc_info info;
};

struct context_tracker {
	struct hashmap by_pid;
	struct context_files *files;
	VEC(pid_t) young;
	int64_t budget_ns; /* of CPU time for looks */
	uint64_t refilled_ns;
};

int context_tracker_new(struct context_tracker **ret)
{
	CLEANUP(context_tracker_freep) struct context_tracker *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = context_files_new(&t->files);
	if (r == 0)
		*ret = TAKE_PTR(t);
	return r;
}

static void tracked_free(struct tracked *tr)
{
	if (!tr)
		return;
	process_ctx_free(tr->ctx);
	elastic_storage_free(tr->elastic);
	free(tr->inherited_service);
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

static void reset(struct tracked *tr, uint32_t process_id)
{
	process_ctx_free(tr->ctx);
	elastic_storage_free(tr->elastic);
	free(tr->inherited_service);
	*tr = (struct tracked){
		.pid = tr->pid,
		.process_id = process_id,
		.is_young = tr->is_young,
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
	tracked_free(hashmap_remove(&t->by_pid, hash_u64(0, pid), tracked_eq, &pid));
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

int context_tracker_hint(struct context_tracker *t, const struct process *p, uint64_t now_ns)
{
	struct tracked *tr;
	int r;

	r = get(t, p, &tr);
	if (r < 0)
		return r;
	tr->born_ns = now_ns;
	if (tr->due_ns > now_ns + PAUSE_MIN)
		tr->due_ns = now_ns + PAUSE_MIN;
	if (tr->is_young)
		return 0;
	r = vec_push(&t->young, p->pid);
	tr->is_young = r == 0;
	return r;
}

void context_tracker_visit_young(struct context_tracker *t, uint64_t now_ns,
				 context_tracker_visit_fn fn, void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->young.n; i++) {
		pid_t pid = t->young.data[i];
		struct tracked *tr = find(t, pid);

		if (!tr)
			continue; /* has ended */
		if (now_ns > tr->born_ns + YOUNG_NS) {
			tr->is_young = false;
			continue;
		}
		t->young.data[kept++] = pid;
		if (now_ns >= tr->due_ns && has_budget(t, now_ns))
			fn(ctx, pid);
	}
	t->young.n = kept;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void schedule(struct context_tracker *t, struct tracked *tr, uint64_t began_ns)
{
	uint64_t now = monotonic_ns();
	uint64_t pause = (now - tr->born_ns) / AGE_PER_PAUSE;

	t->budget_ns -= now - began_ns;
	if (t->budget_ns < BUDGET_MIN)
		t->budget_ns = BUDGET_MIN;
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	pause = max_u64(pause, PAUSE_MIN);
	tr->due_ns = now + max_u64(pause, (now - began_ns) * COST_FACTOR);
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

/*
 * Where the stack begins tells one program image of the pid from the next. -EACCES: we may not
 * know; -ESRCH: a zombie, which has none any more, or nothing.
 */
static int read_start_stack(pid_t pid, __u64 *ret)
{
	CLEANUP(freep) char *text = NULL;
	char path[32];
	__u64 vsize;
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = read_whole_file(path, 4096, &text, &len);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = parse_stat_field(text, STAT_FIELD_VSIZE, &vsize);
	if (r == 0)
		r = parse_stat_field(text, STAT_FIELD_STARTSTACK, ret);
	if (r < 0 || *ret)
		return r;
	return vsize ? -EACCES : -ESRCH;
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
	return tr->ctx ? process_ctx_schema_of(tr->ctx) : tr->inherited;
}

/* In the order in which they are believed. */
static int find_sources(struct context_tracker *t, struct tracked *tr, const struct process *p)
{
	int r = 0;

	tr->sources = (struct context_sources){ 0 };
	if (schema_of(tr) == PROCESS_CTX_NATIVE)
		r = context_sources_find(t->files, p, CTX_FORMAT_OTEL, &tr->sources);
	if (schema_of(tr) == PROCESS_CTX_NODEJS)
		r = context_sources_find(t->files, p, CTX_FORMAT_NODE, &tr->sources);
	if (r == 0)
		r = context_sources_find(t->files, p, CTX_FORMAT_ELASTIC, &tr->sources);
	if (r == 0)
		r = context_sources_find(t->files, p, CTX_FORMAT_GO, &tr->sources);
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

static const char *service_of(const struct tracked *tr)
{
	if (tr->ctx && tr->ctx->service_name)
		return tr->ctx->service_name;
	return tr->elastic && tr->elastic->service_name ? tr->elastic->service_name
							: tr->inherited_service;
}

static struct context_finding finding_of(const struct tracked *tr)
{
	struct context_finding f = {
		.state = tr->state,
		.info = tr->info,
		.has_process_ctx = tr->ctx != NULL,
		.service = service_of(tr),
		.schema = tr->ctx ? tr->ctx->schema_version : NULL,
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
	CLEANUP(freep) char *service = NULL;
	struct tracked *to;
	int r;

	if (!from || from->process_id != parent->id || schema_of(from) == PROCESS_CTX_NO_THREADS)
		return 0;
	if (service_of(from)) {
		service = strdup(service_of(from));
		if (!service)
			return -ENOMEM;
	}
	r = get(t, child, &to);
	if (r < 0)
		return r;
	to->inherited = schema_of(from);
	free(to->inherited_service);
	to->inherited_service = TAKE_PTR(service);
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

	tr->state = state;
	tr->info = *info;
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
	__u64 start_stack;
	int r;

	r = read_start_stack(p->pid, &info.start_stack);
	if (r == -EACCES)
		return conclude(tr, CONTEXT_UNREADABLE, &info);
	if (r < 0)
		return r;
	r = update_process_ctx(tr, maps->text, maps->len);
	if (r == -ENOMEM)
		return r;
	r = examine(t, tr, p, r, &state);
	if (r < 0)
		return r;
	memcpy(info.sources, tr->sources.sources, sizeof(info.sources));

	/* All of the above must have been one program image's. */
	r = read_start_stack(p->pid, &start_stack);
	if (r < 0 || start_stack != info.start_stack)
		return r < 0 ? r : -ESRCH;
	return conclude(tr, state, &info);
}

int context_tracker_look(struct context_tracker *t, const struct process *p,
			 const struct context_maps *maps, struct context_finding *ret)
{
	struct tracked *tr;
	int r;

	r = get(t, p, &tr);
	if (r < 0)
		return r;
	r = look(t, tr, p, maps);
	schedule(t, tr, maps->began_ns);
	if (r >= 0)
		*ret = finding_of(tr);
	return r;
}
