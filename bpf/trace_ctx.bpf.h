/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Trace context of the interrupted thread. The writer orders its stores with compiler barriers
 * only; as the thread stands still on this CPU, one look is exact and a second one would be of no
 * use.
 */
#ifndef BPF_TRACE_CTX_BPF_H
#define BPF_TRACE_CTX_BPF_H

#include <bpf/bpf_helpers.h>

#include "regs.bpf.h"
#include "scratch.bpf.h"
#include "shared/ctx_variable.h"
#include "shared/custom_labels.h"
#include "shared/elastic_ctx.h"
#include "shared/go_ctx.h"
#include "shared/node_ctx.h"
#include "shared/python_ctx.h"
#include "shared/thread_ctx.h"
#include "shared/tls_addr.h"
#include "space.bpf.h"
#include "stats.bpf.h"

/* Processes with a context. Preallocated (see filter.bpf.h), at 208 bytes each. */
#define PROCS_MAX 16384

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCS_MAX);
	__type(key, __u32); /* tgid */
	__type(value, struct proc_info);
} procs SEC(".maps") __weak;

/* An array, which takes no look-up: that of a hash costs as much as five steps of the reader. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PYTHONS_MAX);
	__type(key, __u32); /* number of the source */
	__type(value, struct python_info);
} pythons SEC(".maps") __weak;

/*
 * OpenTelemetry eBPF Instrumentation's map of what each thread works on: --obi-map puts theirs in
 * place of this one.
 */
struct obi_context {
	__u8 trace_id[TRACE_ID_LEN];
	__u8 span_id[SPAN_ID_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct obi_context);
} obi_contexts SEC(".maps") __weak;

const volatile bool cfg_obi __weak;
const volatile bool cfg_no_contexts __weak; /* processes are not asked */

/* What --tls-var says. */
const volatile struct ctx_variable cfg_variables[CTX_VARIABLES_MAX] __weak;

static __always_inline enum stat_id thread_ctx_stat(enum thread_ctx_state state)
{
	switch (state) {
	case THREAD_CTX_OK:
		return STAT_CTX_READ;
	case THREAD_CTX_NOT_VALID:
		return STAT_CTX_NOT_VALID;
	case THREAD_CTX_NO_IDS:
		return STAT_CTX_ABSENT;
	default:
		return STAT_CTX_INVALID;
	}
}

/* What the shared headers ask of: memory of the current process, all of it at hand. */
static __always_inline long ctx_read(struct ctx_memory *mem, void *dst, __u32 len, __u64 addr)
{
	return bpf_probe_read_user(dst, len, (void *)addr);
}

static __always_inline enum stat_id tls_stat(enum tls_found found)
{
	switch (found) {
	case TLS_NO_POINTER:
		return STAT_CTX_NO_TLS;
	case TLS_NOT_ALLOCATED:
		return STAT_CTX_ABSENT;
	default:
		return STAT_CTX_UNREADABLE;
	}
}

static __always_inline enum stat_id ctx_stat(enum ctx_found found)
{
	switch (found) {
	case CTX_FOUND:
		return STAT_CTX_READ;
	case CTX_NONE:
		return STAT_CTX_ABSENT;
	case CTX_UNREADABLE:
		return STAT_CTX_UNREADABLE;
	default:
		return STAT_CTX_INVALID;
	}
}

/* --- ids and labels, in records --------------------------------------------------------------- */

static __always_inline void ids_take(struct sample_record *rec, const __u8 *trace_id,
				     const __u8 *span_id)
{
	__builtin_memcpy(rec->trace_id, trace_id, TRACE_ID_LEN);
	__builtin_memcpy(rec->span_id, span_id, SPAN_ID_LEN);
}

/* The attributes behind the record: @len is not above THREAD_CTX_ATTRS_MAX. */
static __always_inline void otel_attributes(struct scratch *s, __u64 addr, __u32 len)
{
	len &= CTX_LABELS_ROOM - 1; /* for the verifier */
	if (!len)
		return;
	if (bpf_probe_read_user(s->ctx.labels, len, (void *)addr))
		stat_inc(STAT_CTX_LABELS_CUT);
	else
		s->rec.labels_len = len;
}

static __always_inline enum stat_id otel_read(__u64 addr, struct scratch *s)
{
	struct thread_ctx tc;
	enum thread_ctx_state state;

	if (bpf_probe_read_user(&tc, sizeof(tc), (void *)addr))
		return STAT_CTX_UNREADABLE;
	state = thread_ctx_check(&tc);
	if (state == THREAD_CTX_OK)
		ids_take(&s->rec, tc.trace_id, tc.span_id);
	if (state == THREAD_CTX_OK || state == THREAD_CTX_NO_IDS)
		otel_attributes(s, addr + sizeof(tc), tc.attrs_len);
	if (state == THREAD_CTX_NO_IDS && s->rec.labels_len)
		return STAT_CTX_READ;
	return thread_ctx_stat(state);
}

static __always_inline enum stat_id elastic_read(__u64 addr, struct scratch *s)
{
	struct elastic_ctx ec;
	enum thread_ctx_state state;

	if (bpf_probe_read_user(&ec, sizeof(ec), (void *)addr))
		return STAT_CTX_UNREADABLE;
	state = elastic_ctx_check(&ec);
	if (state == THREAD_CTX_OK) {
		ids_take(&s->rec, ec.trace_id, ec.span_id);
		__builtin_memcpy(s->rec.local_root_id, ec.transaction_id, SPAN_ID_LEN);
	}
	return thread_ctx_stat(state);
}

/* --- one reader for each form: global functions, so that the verifier looks at them once ------ */

__noinline int ctx_label_taken(void)
{
	struct scratch *s = scratch_get();

	return s ? ctx_label_add(NULL, &s->ctx) : 0;
}

static __always_inline int ctx_label(struct ctx_memory *mem, struct ctx_room *room)
{
	return ctx_label_taken();
}

/* What a reader has collected. */
static __always_inline enum stat_id labels_take(enum ctx_found found, struct scratch *s)
{
	if (found == CTX_FOUND)
		s->rec.labels_len = s->ctx.len;
	if (s->ctx.is_cut)
		stat_inc(STAT_CTX_LABELS_CUT);
	return ctx_stat(found);
}

__noinline int go_read(void)
{
	struct scratch *s = scratch_get();

	if (!s)
		return STAT_CTX_UNREADABLE;
	return labels_take(go_ctx_read(NULL, &s->ctx), s);
}

__noinline int node_read(void)
{
	struct scratch *s = scratch_get();
	enum ctx_found found;
	__u64 record = 0;

	if (!s)
		return STAT_CTX_UNREADABLE;
	found = node_record(NULL, s->ctx.addr, &record);
	return found == CTX_FOUND ? otel_read(record, s) : ctx_stat(found);
}

__noinline int custom_labels_taken(void)
{
	struct scratch *s = scratch_get();

	if (!s)
		return STAT_CTX_UNREADABLE;
	return labels_take(custom_labels_read(NULL, s->ctx.addr, &s->ctx), s);
}

/* Behind those of other variables. */
__noinline int variable_taken(void)
{
	struct scratch *s = scratch_get();
	struct ctx_variable v;
	enum ctx_found found;
	__u32 number;

	if (!s)
		return STAT_CTX_UNREADABLE;
	number = s->ctx.source.number & (CTX_VARIABLES_MAX - 1);
	v = cfg_variables[number];
	s->ctx.len = s->rec.labels_len;
	found = ctx_variable_read(NULL, &v, number, &s->ctx);
	s->rec.labels_len = s->ctx.len;
	return ctx_stat(found);
}

__noinline int python_read(void)
{
	struct scratch *s = scratch_get();
	struct python_ids ids = { 0 };
	struct python_info *py;
	struct space *space;
	enum ctx_found found;
	__u32 number;

	if (!s)
		return STAT_CTX_UNREADABLE;
	number = s->ctx.source.number;
	py = bpf_map_lookup_elem(&pythons, &number);
	if (!py)
		return STAT_CTX_ABSENT;
	space = s->ctx.mm ? space_of(s->ctx.mm) : NULL;
	found = python_ctx_read(NULL, py, s->ctx.tp, space ? &space->python_spans : NULL, &ids);
	if (found == CTX_FOUND)
		ids_take(&s->rec, (__u8 *)ids.trace_id, (__u8 *)&ids.span_id);
	if (found == CTX_MALFORMED)
		s->rec.flags |= SAMPLE_CONTEXT_UNKNOWN;
	return ctx_stat(found);
}

/*
 * s->ctx is for readers that need it: it lies in cache lines of its own, and those of most programs
 * do without.
 */

/* Of a variable that points to a record or a set. */
static __always_inline enum stat_id pointed_read(__u32 format, __u64 addr, struct scratch *s)
{
	__u64 record = 0;

	if (bpf_probe_read_user(&record, sizeof(record), (void *)addr))
		return STAT_CTX_UNREADABLE;
	if (!record)
		return STAT_CTX_ABSENT;
	if (format == CTX_FORMAT_ELASTIC)
		return elastic_read(record, s);
	if (format == CTX_FORMAT_OTEL)
		return otel_read(record, s);
	s->ctx.addr = record;
	return custom_labels_taken();
}

static __always_inline enum stat_id tls_read(const struct ctx_source *src, __u64 tp,
					     struct scratch *s)
{
	enum tls_found found;
	__u64 addr = 0;

	found = tls_addr(NULL, &src->var, tp, &addr);
	if (found != TLS_FOUND)
		return tls_stat(found);
	if (src->format != CTX_FORMAT_NODE && src->format != CTX_FORMAT_VARIABLE)
		return pointed_read(src->format, addr, s);
	s->ctx.source = *src;
	s->ctx.addr = addr;
	return src->format == CTX_FORMAT_NODE ? node_read() : variable_taken();
}

/* --- all of them ------------------------------------------------------------------------------ */

OUT_OF_LINE enum stat_id source_read(const struct ctx_source *src, __u64 tp, struct scratch *s)
{
	__u32 outcome;

	if (src->format == CTX_FORMAT_GO || src->format == CTX_FORMAT_PYTHON) {
		s->ctx.source = *src;
		s->ctx.tp = tp;
		outcome = src->format == CTX_FORMAT_GO ? go_read() : python_read();
	} else {
		outcome = tls_read(src, tp, s);
	}
	UNWIND_KEEP(outcome);
	return outcome < STAT_KERNEL_COUNT ? outcome : STAT_CTX_UNREADABLE; /* for the verifier */
}

/* Has it nothing to say, so that others are asked? */
static __always_inline bool is_silent(enum stat_id outcome)
{
	return outcome == STAT_CTX_ABSENT || outcome == STAT_CTX_NOT_VALID;
}

/* What counts of it all when one more source has been read. */
static __always_inline enum stat_id outcome_of(enum stat_id all, enum stat_id one)
{
	if (all == STAT_CTX_READ || (all == STAT_CTX_UNREADABLE && is_silent(one)))
		return all;
	return one;
}

/*
 * The first source that has something to say; values of the user's variables add up, and if one of
 * these cannot be read the others count all the same.
 */
static __always_inline enum stat_id sources_read(const struct ctx_source *sources, __u64 tp,
						 struct scratch *s)
{
	enum stat_id all = STAT_CTX_NO_WRITER, one;
	bool is_part = false;

	NO_UNROLL
	for (int i = 0; i < CTX_SOURCES_MAX; i++) {
		if (sources[i].format == CTX_FORMAT_NONE)
			break;
		one = source_read(&sources[i], tp, s);
		all = outcome_of(all, one);
		if (one == STAT_CTX_READ)
			s->rec.ctx_format = sources[i].format;
		if (one == STAT_CTX_UNREADABLE)
			is_part = true;
		if (sources[i].format != CTX_FORMAT_VARIABLE && !is_silent(one))
			break;
	}
	if (is_part && all == STAT_CTX_READ)
		stat_inc(STAT_CTX_LABELS_CUT);
	return all;
}

/* What another agent knows of the thread, if the process itself says nothing. */
RARELY enum stat_id obi_read(enum stat_id outcome, struct scratch *s)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct obi_context *found = bpf_map_lookup_elem(&obi_contexts, &pid_tgid);

	if (!found || thread_ctx_is_zero(found->trace_id, TRACE_ID_LEN) ||
	    thread_ctx_is_zero(found->span_id, SPAN_ID_LEN))
		return outcome;
	ids_take(&s->rec, found->trace_id, found->span_id);
	s->rec.ctx_format = CTX_FORMAT_OBI;
	return STAT_CTX_READ;
}

/* What user space says of the process, into @space. 0: that was another program of the same pid. */
OUT_OF_LINE int sources_find(struct space *space, __u32 tgid, struct task_struct *task)
{
	__u64 publisher = space_publisher(tgid); /* before the look: what comes after it is newer */
	struct proc_info *proc = bpf_map_lookup_elem(&procs, &tgid);

	space->unwanted = 0;
	if (proc && BPF_CORE_READ(task, mm, start_stack) != proc->start_stack)
		return 0;
	if (proc)
		space->unwanted = proc->unwanted;
	if (proc)
		__builtin_memcpy(space->sources, proc->sources, sizeof(space->sources));
	else
		space->sources[0].format = CTX_FORMAT_NONE;
	space->publisher = publisher;
	return 1;
}

/* Of the process itself. @space may be NULL. */
static __always_inline enum stat_id trace_ctx_find(struct bpf_perf_event_data *ctx,
						   struct task_struct *task, struct space *space,
						   bool in_user, struct scratch *s)
{
	if (cfg_no_contexts || !space)
		return STAT_CTX_NO_WRITER;
	if (space->publisher != space_publisher(s->rec.tgid) &&
	    !sources_find(space, s->rec.tgid, task))
		return STAT_CTX_STALE;
	if (space->sources[0].format == CTX_FORMAT_NONE)
		return STAT_CTX_NO_WRITER;
	regs_take_go_g(ctx, task, in_user, &s->ctx.go_g);
	s->ctx.mm = space->mm;
	return sources_read(space->sources, thread_pointer(task), s);
}

/* Every tick ends in exactly one of the CTX counters. */
static __always_inline void trace_ctx_add(struct bpf_perf_event_data *ctx, struct task_struct *task,
					  struct space *space, bool in_user, struct scratch *s)
{
	enum stat_id outcome;

	__builtin_memset(s->rec.trace_id, 0, sizeof(s->rec.trace_id));
	__builtin_memset(s->rec.span_id, 0, sizeof(s->rec.span_id));
	__builtin_memset(s->rec.local_root_id, 0, sizeof(s->rec.local_root_id));
	outcome = trace_ctx_find(ctx, task, space, in_user, s);
	if (cfg_obi && (is_silent(outcome) || outcome == STAT_CTX_NO_WRITER))
		outcome = obi_read(outcome, s);
	stat_inc(outcome);
}

/* Bytes of them behind the frames, when these are all there. */
static __always_inline __u32 trace_ctx_labels_add(struct scratch *s)
{
	__u32 n = (s->rec.n_kernel + s->rec.n_user) & SCRATCH_FRAMES_MASK;
	__u32 len = (s->rec.labels_len + 7) & (CTX_LABELS_ROOM - 8);

	if (len)
		bpf_probe_read_kernel(&s->frames[n], len, s->ctx.labels);
	return len;
}

#endif
