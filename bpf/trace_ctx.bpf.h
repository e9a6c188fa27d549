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
#include "shared/elastic_ctx.h"
#include "shared/go_ctx.h"
#include "shared/node_ctx.h"
#include "shared/thread_ctx.h"
#include "shared/tls_addr.h"
#include "stats.bpf.h"

/* Processes with a context. Preallocated (see filter.bpf.h), at 208 bytes each. */
#define PROCS_MAX 16384

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCS_MAX);
	__type(key, __u32); /* tgid */
	__type(value, struct proc_info);
} procs SEC(".maps") __weak;

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

static __always_inline void ids_take(struct sample_record *rec, const __u8 *trace_id,
				     const __u8 *span_id)
{
	__builtin_memcpy(rec->trace_id, trace_id, TRACE_ID_LEN);
	__builtin_memcpy(rec->span_id, span_id, SPAN_ID_LEN);
}

static __always_inline enum stat_id otel_read(__u64 addr, struct sample_record *rec)
{
	struct thread_ctx tc;
	enum thread_ctx_state state;

	if (bpf_probe_read_user(&tc, sizeof(tc), (void *)addr))
		return STAT_CTX_UNREADABLE;
	state = thread_ctx_check(&tc);
	if (state == THREAD_CTX_OK)
		ids_take(rec, tc.trace_id, tc.span_id);
	return thread_ctx_stat(state);
}

static __always_inline enum stat_id elastic_read(__u64 addr, struct sample_record *rec)
{
	struct elastic_ctx ec;
	enum thread_ctx_state state;

	if (bpf_probe_read_user(&ec, sizeof(ec), (void *)addr))
		return STAT_CTX_UNREADABLE;
	state = elastic_ctx_check(&ec);
	if (state == THREAD_CTX_OK)
		ids_take(rec, ec.trace_id, ec.span_id);
	return thread_ctx_stat(state);
}

static __always_inline enum stat_id go_stat(enum go_found found)
{
	switch (found) {
	case GO_FOUND:
		return STAT_CTX_READ;
	case GO_NO_LABELS:
		return STAT_CTX_ABSENT;
	case GO_UNREADABLE:
		return STAT_CTX_UNREADABLE;
	default:
		return STAT_CTX_INVALID;
	}
}

/* Global functions, so that the verifier looks at them once; as user_stack_frame(). */
__noinline int go_label_taken(void)
{
	struct scratch *s = scratch_get();

	return s ? go_take_label(NULL, &s->go) : 0;
}

static __always_inline int go_label(struct ctx_memory *mem, struct go_room *room)
{
	return go_label_taken();
}

__noinline int go_read(void)
{
	struct scratch *s = scratch_get();
	enum go_found found;

	if (!s)
		return STAT_CTX_UNREADABLE;
	found = go_ctx_read(NULL, &s->go);
	if (found == GO_FOUND)
		ids_take(&s->rec, s->go.trace_id, s->go.span_id);
	return go_stat(found);
}

static __always_inline enum stat_id node_stat(enum node_found found)
{
	switch (found) {
	case NODE_NONE:
		return STAT_CTX_ABSENT;
	case NODE_UNREADABLE:
		return STAT_CTX_UNREADABLE;
	default:
		return STAT_CTX_INVALID;
	}
}

__noinline int node_read(void)
{
	struct scratch *s = scratch_get();
	enum node_found found;
	__u64 record = 0;

	if (!s)
		return STAT_CTX_UNREADABLE;
	found = node_record(NULL, s->node_var, &record);
	return found == NODE_FOUND ? otel_read(record, &s->rec) : node_stat(found);
}

/* Of a variable that points to a record. */
static __always_inline enum stat_id record_read(const struct ctx_source *src, __u64 addr,
						struct sample_record *rec)
{
	__u64 record = 0;

	if (bpf_probe_read_user(&record, sizeof(record), (void *)addr))
		return STAT_CTX_UNREADABLE;
	if (!record)
		return STAT_CTX_ABSENT;
	return src->format == CTX_FORMAT_ELASTIC ? elastic_read(record, rec)
						 : otel_read(record, rec);
}

static __always_inline enum stat_id variable_read(const struct ctx_source *src, __u64 tp,
						  struct scratch *s)
{
	enum tls_found found;
	__u64 addr = 0;

	found = tls_addr(NULL, &src->var, tp, &addr);
	if (found != TLS_FOUND)
		return tls_stat(found);
	if (src->format != CTX_FORMAT_NODE)
		return record_read(src, addr, &s->rec);
	s->node_var = addr;
	return node_read();
}

/* Fills the ids of the record when, and only when, the outcome is STAT_CTX_READ. */
OUT_OF_LINE enum stat_id source_read(const struct ctx_source *src, __u64 tp, struct scratch *s)
{
	__u32 outcome;

	if (src->format == CTX_FORMAT_GO) {
		s->go.var = src->go;
		s->go.tp = tp;
		outcome = go_read();
	} else {
		outcome = variable_read(src, tp, s);
	}
	UNWIND_KEEP(outcome);
	return outcome < STAT_KERNEL_COUNT ? outcome : STAT_CTX_UNREADABLE; /* for the verifier */
}

/* The first source that has something to say. */
static __always_inline enum stat_id sources_read(const struct ctx_source *sources, __u64 tp,
						 struct scratch *s)
{
	enum stat_id outcome = STAT_CTX_NO_WRITER;

	NO_UNROLL
	for (int i = 0; i < CTX_SOURCES_MAX; i++) {
		if (sources[i].format == CTX_FORMAT_NONE)
			break;
		outcome = source_read(&sources[i], tp, s);
		if (outcome != STAT_CTX_ABSENT && outcome != STAT_CTX_NOT_VALID)
			break;
	}
	return outcome;
}

/* What user space says of the process, into @space. 0: that was another program of the same pid. */
OUT_OF_LINE int sources_find(struct space *space, __u32 tgid, struct task_struct *task)
{
	__u64 publisher = space_publisher(tgid); /* before the look: what comes after it is newer */
	struct proc_info *proc = bpf_map_lookup_elem(&procs, &tgid);

	if (proc && BPF_CORE_READ(task, mm, start_stack) != proc->start_stack)
		return 0;
	if (proc)
		__builtin_memcpy(space->sources, proc->sources, sizeof(space->sources));
	else
		space->sources[0].format = CTX_FORMAT_NONE;
	space->publisher = publisher;
	return 1;
}

/* Every tick ends in exactly one of the CTX counters. @space may be NULL. */
static __always_inline enum stat_id trace_ctx_find(struct task_struct *task, struct space *space,
						   struct scratch *s)
{
	if (!space)
		return STAT_CTX_NO_WRITER;
	if (space->publisher != space_publisher(s->rec.tgid) &&
	    !sources_find(space, s->rec.tgid, task))
		return STAT_CTX_STALE;
	if (space->sources[0].format == CTX_FORMAT_NONE)
		return STAT_CTX_NO_WRITER;
	return sources_read(space->sources, thread_pointer(task), s);
}

static __always_inline void trace_ctx_add(struct scratch *s, struct task_struct *task,
					  struct space *space)
{
	enum stat_id outcome;

	__builtin_memset(s->rec.trace_id, 0, sizeof(s->rec.trace_id));
	__builtin_memset(s->rec.span_id, 0, sizeof(s->rec.span_id));
	outcome = trace_ctx_find(task, space, s);
	stat_inc(outcome);
	if (outcome == STAT_CTX_READ)
		s->rec.flags |= SAMPLE_HAS_CONTEXT;
}

#endif
