/* SPDX-License-Identifier: Apache-2.0 */
#include "live_walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "elf/vdso.h"
#include "shared/unwind_walk.h"
#include "unwind/unwind_source.h"
#include "unwind/unwinder.h"

#define BUDGET (256u << 20)

/* What unwind_memory.h asks of: a thread that is stopped. */
struct unwind_memory {
	struct live_walk *l;
	const struct stop *stop;
	struct walk_trace *trace; /* NULL: nobody wants to know */
};

/* A store of our own, and an unwinder which has another. */
struct live_walk {
	struct unwind_control control, control_of_finish;
	VEC(void *) arenas;
	struct row_store *store;
	struct unwind_sources sources;
	struct unwind_source *vdso;
	struct unwinder *unwinder;
	struct process_table table;
	struct process *process;
	struct unwind_walk walk;
	struct sample_rest *rest; /* with a stack behind it */
};

/* --- surroundings of the walk ----------------------------------------------------------------- */

static long unwind_read(struct unwind_memory *mem, void *dst, __u32 len, __u64 addr)
{
	struct walk_trace *t = mem->trace;

	if (t && t->readable_end && addr + len > t->readable_end)
		return -1;
	if (!stop_read(mem->stop, dst, len, addr))
		return -1;
	for (__u32 i = 0; t && i < len / 8; i++)
		vec_push(&t->words,
			 (struct traced_word){ addr + 8 * i, ((const uint64_t *)dst)[i] });
	return 0;
}

static int unwind_is_jit(struct unwind_memory *mem, __u64 addr)
{
	const struct mapping *m = process_find_mapping(mem->l->process, addr);

	if (mem->trace)
		vec_push(&mem->trace->places, addr);
	return m && m->dso->kind == DSO_ANON;
}

static int unwind_is_stack(struct unwind_memory *mem, __u64 sp, __u64 end)
{
	const struct region *region = stop_region(mem->stop, sp);

	if (mem->trace)
		vec_push(&mem->trace->places, sp);
	return region && end <= region->end;
}

/* NULL: it has no table that can be used. */
static struct unwind_source *source_of(struct unwind_memory *mem, const struct mapping *m)
{
	struct live_walk *l = mem->l;
	struct unwind_source *src;

	if (m->dso->kind == DSO_VDSO)
		return l->vdso;
	if (m->dso->kind != DSO_FILE)
		return NULL;
	dso_open(m->dso, mem->stop->pid, m->start, m->end);
	return unwind_sources_get(&l->sources, l->store, m->dso, &src) < 0 ? NULL : src;
}

static int find(struct unwind_memory *mem, __u64 addr, struct unwind_found_rule *ret)
{
	const struct mapping *m = process_find_mapping(mem->l->process, addr);
	struct unwind_source *src;
	uint64_t off;

	ret->rule = UNWIND_RULE_SPECIAL(UNWIND_NONE);
	if (!m)
		return UNWIND_NOT_CODE;
	src = source_of(mem, m);
	off = addr - m->start + (m->dso->kind == DSO_VDSO ? 0 : m->offset);
	if (src && unwind_source_find(src, mem->l->store, off, monotonic_ns(), ret) < 0)
		fprintf(stderr, "no rows: %s\n", m->dso->path);
	return UNWIND_FOUND;
}

static int unwind_find(struct unwind_memory *mem, __u64 addr, struct unwind_found_rule *ret)
{
	int found = find(mem, addr, ret);

	if (mem->trace)
		vec_push(&mem->trace->rules, (struct traced_rule){ addr, found, *ret });
	return found;
}

/* --- memory for tables ------------------------------------------------------------------------ */

static int add_arena(void *ctx, uint32_t index, void **ret)
{
	struct live_walk *l = ctx;
	void *arena = calloc(1, UNWIND_ARENA_SIZE);
	int r = arena ? vec_push(&l->arenas, arena) : -ENOMEM;

	if (r < 0)
		free(arena);
	else
		*ret = arena;
	return r;
}

static int wait_readers(void *ctx)
{
	return 0;
}

static struct row_store_backing backing(struct live_walk *l, struct unwind_control *control)
{
	return (struct row_store_backing){
		.ctx = l,
		.control = control,
		.add_arena = add_arena,
		.wait_readers = wait_readers,
	};
}

static int open_vdso(struct live_walk *l)
{
	struct elf_file *ef;
	int r = vdso_open(&ef);

	return r < 0 ? r : unwind_source_new(l->store, ef, &l->vdso);
}

int live_walk_new(struct live_walk **ret)
{
	CLEANUP(live_walk_freep) struct live_walk *l = calloc(1, sizeof(*l));
	struct row_store_backing own, finish;
	int r;

	if (!l)
		return -ENOMEM;
	l->rest = malloc(sizeof(*l->rest) + STOP_COPY_MAX);
	if (!l->rest)
		return -ENOMEM;
	own = backing(l, &l->control);
	finish = backing(l, &l->control_of_finish);
	r = row_store_new(&own, BUDGET, &l->store);
	if (r == 0)
		r = open_vdso(l);
	if (r == 0)
		r = unwinder_new(&finish, BUDGET, &l->unwinder);
	if (r == 0)
		r = process_table_init(&l->table);
	if (r == 0)
		*ret = TAKE_PTR(l);
	return r;
}

void live_walk_free(struct live_walk *l)
{
	if (!l)
		return;
	unwinder_free(l->unwinder);
	unwind_sources_clear(&l->sources);
	unwind_source_free(l->vdso);
	row_store_free(l->store);
	process_table_clear(&l->table);
	for (size_t i = 0; i < l->arenas.n; i++)
		free(l->arenas.data[i]);
	vec_free(&l->arenas);
	free(l->rest);
	free(l);
}

void walk_trace_clear(struct walk_trace *t)
{
	vec_free(&t->words);
	vec_free(&t->rules);
	vec_free(&t->places);
}

/* --- walks ------------------------------------------------------------------------------------ */

int live_walk_enter(struct live_walk *l, const struct stop *s)
{
	if (!s->code_changed && l->process && l->process->pid == s->pid)
		return 0;
	return process_load(&l->table, s->pid, s->maps, s->maps_len, &l->process);
}

const struct process *live_walk_process(const struct live_walk *l)
{
	return l->process;
}

static void take_end(struct live_result *r, enum user_end end)
{
	r->end = end;
	r->chain.end = end == USER_END_ENTRY || end == USER_END_ZERO ? CHAIN_OUTERMOST
		       : end == USER_END_DEPTH			     ? CHAIN_FULL
								     : CHAIN_FAILED;
	snprintf(r->chain.why, sizeof(r->chain.why), "%s", user_end_name(end));
}

void live_walk_run(struct live_walk *l, const struct stop *s, struct walk_trace *trace,
		   struct live_result *ret)
{
	struct unwind_memory mem = { l, s, trace };
	struct unwind_walk *w = &l->walk;

	stop_unwind_regs(s, &w->regs);
	unwind_start(w, 0);
	while (w->end == USER_END_NONE && w->n < USER_FRAMES_MAX) {
		uint32_t at = w->n;
		__u64 frame;

		if (unwind_frame(&mem, w, &frame))
			ret->chain.frames[at] = frame;
	}
	ret->chain.n = w->n;
	take_end(ret, w->end == USER_END_NONE ? USER_END_DEPTH : w->end);
}

void live_walk_finish(struct live_walk *l, const struct stop *s, size_t len,
		      struct live_result *ret)
{
	struct sample_rest *rest = l->rest;
	enum user_end end;

	*rest = (struct sample_rest){
		.stack_addr = s->stack_addr,
		.stack_len = len < s->stack_len ? len : s->stack_len,
	};
	stop_unwind_regs(s, &rest->regs);
	memcpy(rest + 1, s->stack, rest->stack_len);
	ret->chain.frames[0] = rest->regs.pc | FRAME_EXACT;
	ret->chain.n = unwinder_finish(l->unwinder, l->process, rest, ret->chain.frames, 1, &end);
	take_end(ret, end);
}

const char *user_end_name(enum user_end end)
{
	static const char *const names[USER_END_COUNT] = {
		[USER_END_NONE] = "none",
		[USER_END_ENTRY] = "entry",
		[USER_END_ZERO] = "zero",
		[USER_END_NO_REGS] = "no_regs",
		[USER_END_COMPAT] = "compat",
		[USER_END_NO_CODE] = "no_code",
		[USER_END_UNREADABLE] = "unreadable",
		[USER_END_NOT_RISING] = "not_rising",
		[USER_END_BAD_RETURN] = "bad_return",
		[USER_END_NO_RULE] = "no_rule",
		[USER_END_UNSUPPORTED] = "unsupported",
		[USER_END_NOT_LOADED] = "not_loaded",
		[USER_END_DEPTH] = "depth",
	};

	return end < USER_END_COUNT && names[end] ? names[end] : "?";
}
