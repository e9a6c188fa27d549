/* SPDX-License-Identifier: Apache-2.0 */
#include "app/session.h"

#include <string.h>

#include "app/naming.h"
#include "app/sample_code.h"
#include "app/sample_count.h"
#include "app/sample_stack.h"
#include "app/session_internal.h"
#include "app/unwind_report.h"
#include "base/clock.h"
#include "base/log.h"
#include "export/profile_pprof.h"
#include "proc/maps.h"
#include "proc/remote_mem.h"

#define MAPS_MAX     (64u << 20) /* bytes of /proc/PID/maps that we are willing to read */
#define SWEEP_NS     NSEC_PER_SEC
#define RESCAN_PAUSE 20 /* times the CPU time of the last one: 5 % of a CPU at most */
#define PEEK_PAUSE   20 /* times as long as looking at the last one took: 5 % of a CPU at most */

/* --- samples ---------------------------------------------------------------------------------- */

/* The kernel side did what it could with the unwind tables that were loaded. */
static void finish_stack(struct session *s, const struct process *p, struct sample_record *rec,
			 uint64_t *frames, const struct sample_rest *rest)
{
	enum user_end end;

	rec->n_user =
		unwinder_finish(s->unwinder, p, rest, frames + rec->n_kernel, rec->n_user, &end);
	rec->user_end = end;
	if (end != USER_END_ENTRY && end != USER_END_ZERO)
		s->counters[STAT_UNWIND_CUT]++;
	if (end != USER_END_NOT_LOADED)
		s->counters[STAT_USTACK_NONE + end]++;
}

/*
 * A program that has just started is known only when its events have had their turn, and by then
 * many more samples would have come without rows. So it is looked at now, as far as that is cheap.
 */
static void load_rows_of_new(struct session *s, pid_t pid, const struct sample_rest *rest)
{
	CLEANUP(process_freep) struct process *p = NULL;
	CLEANUP(freep) char *text = NULL;
	uint64_t now = monotonic_ns(), used = thread_cpu_ns();
	size_t len;
	int r;

	if (now < s->peek_due_ns)
		return;
	r = maps_read(pid, MAPS_MAX, &text, &len);
	if (r == 0)
		r = process_peek(&s->procs, pid, text, len, &p);
	s->peek_due_ns = now + PEEK_PAUSE * (thread_cpu_ns() - used);
	if (r == 0)
		unwinder_load(s->unwinder, p, rest);
}

static void on_rows_missing(void *ctx, const struct sample_record *rec,
			    const struct sample_rest *rest)
{
	struct session *s = ctx;
	const struct process *p = process_find(&s->procs, rec->tgid);

	if (p && !p->exited_ns && unwinder_knows(p, rest))
		unwinder_load(s->unwinder, p, rest);
	else
		load_rows_of_new(s, rec->tgid, rest);
}

static bool is_in_focus(const struct sample_focus *f, const struct sample_record *rec,
			const struct sample_context *c)
{
	if (f->tgid)
		return rec->tgid == f->tgid;
	return memcmp(c->trace_id, f->trace_id, sizeof(f->trace_id)) == 0;
}

/* NULL: none, as its tick did not count for what it is. */
static struct profile *profile_of(const struct session *s, const struct sample_record *rec,
				  const struct sample_context *c)
{
	bool is_ending = s->ending && rec->time_ns < s->boundary_ns;
	const struct sample_focus *focus = is_ending ? &s->ending_focus : &s->focus;

	if (focus->every && is_in_focus(focus, rec, c))
		return is_ending ? s->ending_focused : s->focused;
	if (rec->flags & SAMPLE_EXTRA)
		return NULL;
	return is_ending ? s->ending : s->profile;
}

static int take_sample(struct session *s, struct sample_record *rec, uint64_t *frames,
		       const struct collector_sample *from)
{
	struct sample_context context;
	const struct identity *identity;
	struct context_finding finding;
	struct sample_stack stack;
	struct process *p;
	struct profile *to;
	int r;

	r = session_find_process(s, rec, &p);
	if (r < 0)
		return r;
	if (from->rest)
		finish_stack(s, p, rec, frames, from->rest);
	if (!(rec->flags & SAMPLE_KERNEL_THREAD) &&
	    context_tracker_due(s->contexts, p, monotonic_ns()))
		session_read_context(s, p);
	finding = context_tracker_last(s->contexts, p);
	sample_count_decode(&s->opt.context, &finding, rec, from->labels, &context);
	if (context.has_unknown_key)
		context_tracker_expect_keys(s->contexts, p);
	if (rec->flags & SAMPLE_CONTEXT_UNKNOWN)
		context_tracker_expect_classes(s->contexts, p);
	if (s->opt.observe)
		s->opt.observe(s->opt.observe_arg,
			       &(struct session_sample){ rec, &context, frames, from->rest });
	sample_stack_resolve(&s->procs.dsos, p, rec, frames, &stack);
	s->counters[STAT_FRAME_NO_MAPPING] += stack.n_unknown;
	r = sample_code_resolve(s->jit, &s->procs, p, rec->time_ns, &stack);
	if (r == 0)
		r = identity_get(s->identities, p, &identity);
	if (r < 0)
		return r;
	to = profile_of(s, rec, &context);
	r = to ? sample_count_add(to, &s->opt.context,
				  &(struct counted_sample){ p, rec, &stack, &finding, &context,
							    identity, s->opt.filter },
				  s->counters)
	       : 1;
	if (stack.n_unknown || rec->user_end == USER_END_NOT_LOADED)
		session_rescan(s, p);
	if (to && r == 1)
		session_leave_out(s, p);
	return r;
}

static void on_sample(void *ctx, const struct collector_sample *sample)
{
	const struct sample_record *rec = sample->rec;
	uint64_t room[SAMPLE_FRAMES_MAX];
	struct sample_record copy = *rec;
	struct session *s = ctx;
	int r = -EBADMSG;

	if (rec->n_kernel <= KERNEL_FRAMES_MAX && rec->n_user <= USER_FRAMES_MAX) {
		memcpy(room, sample->frames, (rec->n_kernel + rec->n_user) * sizeof(room[0]));
		r = take_sample(s, &copy, room, sample);
	}
	if (r > 0)
		s->counters[STAT_SAMPLE_UNWANTED]++;
	else
		s->counters[r < 0 ? STAT_SAMPLE_DROPPED : STAT_SAMPLE_DELIVERED]++;
}

/* --- life ------------------------------------------------------------------------------------- */

static int copy_targets(struct session *s, const struct session_options *opt)
{
	for (size_t i = 0; i < opt->n_pids; i++) {
		int r = vec_push(&s->targets, opt->pids[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int allocate(const struct session_options *opt, struct session **ret)
{
	CLEANUP(session_closep) struct session *s = calloc(1, sizeof(*s));
	const bool users = filter_asks_for_users(opt->filter);
	int r;

	if (!s)
		return -ENOMEM;
	s->opt = *opt;
	r = process_table_init(&s->procs);
	if (r == 0)
		r = context_tracker_new(&(struct context_choice){ opt->context.formats,
								  s->opt.context.variables,
								  opt->context.n_variables },
					&s->contexts);
	if (r == 0)
		r = identity_table_new(&(struct identity_options){ .processes = &s->procs,
								   .counters = s->counters,
								   .users = users },
				       &s->identities);
	if (r == 0)
		r = profile_new(&s->profile);
	if (r == 0)
		r = jit_names_new(&(struct jit_observer){ NULL, sample_code_log_trouble,
							  s->counters, opt->code_memory },
				  &s->jit);
	if (r == 0)
		r = copy_targets(s, opt);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

int session_open(const struct session_options *opt, struct session **ret)
{
	CLEANUP(session_closep) struct session *s = NULL;
	struct collector_handlers handlers = {
		.on_sample = on_sample,
		.on_event = session_on_event,
		.on_rows_missing = on_rows_missing,
	};
	struct row_store_backing backing;
	int r;

	r = allocate(opt, &s);
	if (r < 0)
		return log_error_errno(r, "cannot set up the session");
	handlers.ctx = s;
	s->stuck_before = remote_mem_given_up();
	s->opt.collector.no_contexts = !s->opt.context.formats && !s->opt.context.n_variables;
	s->opt.collector.variables = s->opt.context.variables;
	s->opt.collector.n_variables = s->opt.context.n_variables;
	s->opt.collector.obi_map = s->opt.context.obi_map;
	r = collector_open(&s->opt.collector, &handlers, &s->collector);
	if (r < 0)
		return r;
	backing = collector_unwind_backing(s->collector);
	r = unwinder_new(&backing, opt->collector.unwind_budget, &s->unwinder);
	if (r == 0)
		r = unwinder_use_worker(s->unwinder);
	if (r < 0)
		return log_error_errno(r, "cannot set up unwind tables");
	/* Events are collected by now: whatever happens while we read is not lost. */
	r = opt->collector.filter_pids ? session_load_targets(s) : session_load_all(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	unwinder_free(s->unwinder); /* before the memory of its tables */
	collector_close(s->collector);
	profile_free(s->profile);
	profile_free(s->focused);
	profile_free(s->ending);
	profile_free(s->ending_focused);
	jit_names_free(s->jit);
	context_tracker_free(s->contexts);
	identity_table_free(s->identities);
	process_table_clear(&s->procs);
	vec_free(&s->targets);
	vec_free(&s->taken);
	free(s);
}

void session_profile_begin(const struct session *s, struct profile *p, uint64_t now_ns,
			   unsigned every)
{
	p->contexts_max = s->opt.context.max;
	p->period_ns = NSEC_PER_SEC * every / s->opt.collector.frequency;
	p->start_realtime_ns = realtime_ns();
	p->clock_offset_ns = (int64_t)(p->start_realtime_ns - now_ns);
	p->keep_times = s->opt.keep_times;
}

int session_start(struct session *s)
{
	s->start_ns = s->swept_ns = monotonic_ns();
	session_profile_begin(s, s->profile, s->start_ns, 1);
	return collector_start(s->collector);
}

/*
 * Reads all processes, as news of some were lost. Not again at once: meanwhile no ring is emptied,
 * so that more may be lost.
 */
static int rescan(struct session *s)
{
	uint64_t cpu = thread_cpu_ns();
	int r;

	s->events_lost = false;
	r = session_load_all(s);
	if (r < 0)
		return r;
	process_end_missing(&s->procs, monotonic_ns());
	s->rescan_ns = monotonic_ns() + RESCAN_PAUSE * (thread_cpu_ns() - cpu);
	return 0;
}

int session_poll(struct session *s)
{
	uint64_t now = monotonic_ns();
	int r = collector_poll(s->collector);

	if (r < 0)
		return r;
	s->delivered_ns = now - COLLECTOR_DELAY_NS;
	if (s->events_lost && now >= s->rescan_ns) {
		r = rescan(s);
		if (r < 0)
			return r;
	}
	now = monotonic_ns();
	context_tracker_visit_young(s->contexts, now, session_visit_young, s);
	if (now - s->swept_ns >= SWEEP_NS) {
		process_sweep(&s->procs, s->swept_ns, session_forget_process, s);
		session_drop_ended_targets(s);
		if (filter_is_set(s->opt.filter))
			session_reconsider(s, now);
		jit_names_read(s->jit, now);
		s->swept_ns = now;
	}
	return 0;
}

int session_finish(struct session *s)
{
	int r;

	s->end_ns = monotonic_ns();
	s->profile->duration_ns = s->end_ns - s->start_ns;
	r = collector_finish(s->collector);
	s->delivered_ns = UINT64_MAX;
	jit_names_end(s->jit, 0);
	unwind_report(unwinder_reader(s->unwinder));
	return r;
}

int session_pprof(struct session *s, struct pprof **ret)
{
	CLEANUP(profile_files_clear) struct profile_files files = { 0 };
	CLEANUP(naming_closep) struct naming *names = NULL;
	struct name_sources from;
	int r = naming_open(&s->opt.symbols, &names);

	if (r < 0)
		return r;
	r = profile_files_collect(s->profile, &files);
	from = (struct name_sources){ &files, names->sym, names->servers, s->jit };
	if (r == 0)
		r = profile_to_pprof(s->profile, &from, s->counters, ret);
	if (r == 0)
		r = naming_demangle(names, *ret);
	naming_finish(names);
	return r < 0 ? log_error_errno(r, "cannot name the functions") : 0;
}

int session_stats(const struct session *s, uint64_t *ret)
{
	memcpy(ret, s->counters, sizeof(s->counters));
	ret[STAT_MEMORY_STUCK] = remote_mem_given_up() - s->stuck_before;
	unwinder_read_stats(s->unwinder, ret);
	return collector_read_stats(s->collector, ret);
}

void session_set_filter(struct session *s, const struct filter *f)
{
	s->opt.filter = f;
	identity_set_users(s->identities, filter_asks_for_users(f));
	session_take_in_all(s);
}

int session_run_time(const struct session *s, struct run_time *ret)
{
	return collector_run_time(s->collector, ret);
}

struct map_sizes session_map_sizes(struct session *s)
{
	return collector_map_sizes(s->collector);
}

const struct worker *session_rows_worker(const struct session *s)
{
	const struct rows_client *reader = unwinder_reader(s->unwinder);

	return reader ? rows_client_worker(reader) : NULL;
}

size_t session_n_targets(const struct session *s)
{
	return s->targets.n;
}

struct session_totals session_totals(const struct session *s)
{
	uint64_t counters[STAT_COUNT] = { 0 };

	session_stats(s, counters);
	return (struct session_totals){
		.samples = s->profile->n_samples,
		.cpu_ns = s->profile->n_samples * s->profile->period_ns,
		.lost = counters[STAT_SAMPLE_LOST_RING] + counters[STAT_SAMPLE_MALFORMED] +
			counters[STAT_SAMPLE_DROPPED],
		.processes = s->profile->processes.n,
		.event = collector_event_name(collector_event(s->collector)),
	};
}
