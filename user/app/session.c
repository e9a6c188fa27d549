/* SPDX-License-Identifier: Apache-2.0 */
#include "app/session.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>

#include "app/naming.h"
#include "app/sample_code.h"
#include "app/sample_count.h"
#include "app/sample_stack.h"
#include "base/clock.h"
#include "base/log.h"
#include "ctx/context_sources.h"
#include "ctx/context_tracker.h"
#include "export/profile_pprof.h"
#include "proc/maps.h"
#include "proc/process.h"
#include "profile/profile.h"
#include "sym/jit_names.h"
#include "unwind/unwinder.h"

#define MAPS_MAX   (64u << 20) /* bytes of /proc/PID/maps that we are willing to read */
#define RESCAN_NS  NSEC_PER_SEC
#define SWEEP_NS   NSEC_PER_SEC
#define PEEK_PAUSE 20 /* times as long as looking at the last one took: 5 % of a CPU at most */

struct session {
	struct session_options opt;
	struct collector *collector;
	struct process_table procs;
	struct context_tracker *contexts;
	struct profile *profile;
	struct jit_names *jit;
	struct unwinder *unwinder;
	uint64_t counters[STAT_COUNT]; /* the session's own */
	VEC(pid_t) targets;	       /* that still run */
	uint64_t start_ns, end_ns, swept_ns;
	uint64_t peek_due_ns; /* no look ahead before */
	bool events_lost;     /* so what is known of processes may be wrong */
};

/* --- processes -------------------------------------------------------------------------------- */

static int tell_context(struct session *s, pid_t pid, const struct context_finding *f)
{
	int r = 0;

	for (int i = 0; r == 0 && i < CTX_SOURCES_MAX; i++)
		if (f->info.sources[i].format == CTX_FORMAT_PYTHON)
			r = collector_set_python(s->collector, f->info.sources[i].number,
						 &f->python);
	return r < 0 ? r : collector_set_proc(s->collector, pid, &f->info);
}

static void look_at_context(struct session *s, const struct process *p,
			    const struct context_maps *maps)
{
	struct context_finding last = context_tracker_last(s->contexts, p);
	struct context_finding now;
	int r = context_tracker_look(s->contexts, p, maps, &now);

	if (r < 0)
		return; /* gone meanwhile, or no memory: it is looked at again */
	if (r > 0) {
		char place[CONTEXT_PLACE_MAX];

		context_place_print(&now.info.sources[0], place);
		log_debug("process %d: thread context at %s (%s)", p->pid, place,
			  now.writers[0] ? now.writers[0] : "gone");
		if (tell_context(s, p->pid, &now) < 0)
			s->counters[STAT_CTX_NOT_TOLD]++;
	}
	if (now.sources_left_out && !last.sources_left_out)
		s->counters[STAT_CTX_SOURCES_LEFT_OUT]++;
	if (now.python_error != last.python_error && now.python_error == -ENOTSUP)
		s->counters[STAT_CTX_PYTHON_UNSUPPORTED]++;
	if (now.state == last.state)
		return;
	if (now.state == CONTEXT_UNREADABLE)
		s->counters[STAT_PROC_UNREADABLE]++;
	if (now.state == CONTEXT_MALFORMED)
		s->counters[STAT_CTX_PROC_MALFORMED]++;
	if (now.state == CONTEXT_UNSUPPORTED)
		s->counters[STAT_CTX_WRITER_UNSUPPORTED]++;
}

/* Takes all of a process from /proc. -ESRCH: it is gone. */
static int load_process(struct session *s, pid_t pid, struct process **ret)
{
	CLEANUP(freep) char *text = NULL;
	struct context_maps maps = { .began_cpu_ns = thread_cpu_ns() };
	uint64_t now = monotonic_ns();
	struct process *p;
	int r;

	r = maps_read(pid, MAPS_MAX, &text, &maps.len);
	if (r < 0) {
		if (r != -ESRCH)
			s->counters[STAT_PROC_UNREADABLE]++;
		return r;
	}
	maps.text = text;
	r = process_load(&s->procs, pid, text, maps.len, &p);
	if (r < 0)
		return r;
	p->scanned_ns = now;
	if (maps.len)
		look_at_context(s, p, &maps);
	*ret = p;
	return 0;
}

static int load_all(struct session *s)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!proc)
		return log_error_errno(-errno, "cannot read /proc");
	while (r != -ENOMEM && (entry = readdir(proc))) {
		struct process *p;

		if (isdigit((unsigned char)entry->d_name[0]))
			r = load_process(s, atoi(entry->d_name), &p);
	}
	closedir(proc);
	return r == -ENOMEM ? log_error_errno(r, "cannot read the processes of this host") : 0;
}

static int cannot_read_process(int err, pid_t pid)
{
	if (err == -EACCES || err == -EPERM)
		return log_error_errno(err,
				       "cannot read process %d; needs root, or CAP_SYS_PTRACE in "
				       "its user namespace",
				       pid);
	return log_error_errno(err, "cannot read process %d", pid);
}

static int load_targets(struct session *s)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		pid_t pid = s->targets.data[i];
		struct process *p;
		int r;

		r = load_process(s, pid, &p);
		if (r < 0)
			return cannot_read_process(r, pid);
		r = collector_add_target(s->collector, pid);
		if (r < 0)
			return log_error_errno(r, "cannot filter by process %d", pid);
	}
	return 0;
}

static bool is_target(const struct session *s, pid_t pid)
{
	for (size_t i = 0; i < s->targets.n; i++)
		if (s->targets.data[i] == pid)
			return true;
	return false;
}

static void drop_target(struct session *s, pid_t pid)
{
	for (size_t i = 0; i < s->targets.n; i++)
		if (s->targets.data[i] == pid)
			s->targets.data[i--] = s->targets.data[--s->targets.n];
	/* With a command the kernel side does it. */
	if (!s->opt.collector.follow)
		collector_drop_target(s->collector, pid);
}

/* The last thread to go need not be the main thread, whose end is the only one that is announced.
 */
static void drop_ended_targets(struct session *s)
{
	for (size_t i = s->targets.n; i-- > 0;)
		if (process_is_over(s->targets.data[i]))
			drop_target(s, s->targets.data[i]);
}

static void forget_process(void *ctx, pid_t pid)
{
	struct session *s = ctx;

	context_tracker_forget(s->contexts, pid);
	collector_forget_proc(s->collector, pid);
	jit_names_end(s->jit, pid);
}

/* Will there be no sample of it? With a command, only the kernel side knows its children. */
static bool is_filtered(const struct session *s, pid_t pid)
{
	return s->opt.collector.filter_pids && !s->opt.collector.follow && !is_target(s, pid);
}

/* What came about at @time_ns: the process may publish a trace context soon. */
static int expect_context(struct session *s, pid_t pid, uint64_t time_ns)
{
	const struct process *p = is_filtered(s, pid) ? NULL : process_find(&s->procs, pid);

	return p ? context_tracker_hint(s->contexts, p, time_ns) : 0;
}

static int on_fork(struct session *s, const struct proc_event *ev)
{
	const struct process *parent, *child;
	int r = process_on_fork(&s->procs, ev->parent, ev->pid, ev->time_ns);

	parent = process_find(&s->procs, ev->parent);
	child = process_find(&s->procs, ev->pid);
	if (r == 0 && parent && child)
		r = context_tracker_fork(s->contexts, parent, child);
	return r < 0 ? r : expect_context(s, ev->pid, ev->time_ns);
}

static int on_exec(struct session *s, const struct proc_event *ev)
{
	int r;

	jit_names_end(s->jit, ev->pid);
	r = process_on_exec(&s->procs, ev->pid, ev->comm);
	return r < 0 ? r : expect_context(s, ev->pid, ev->time_ns);
}

static int on_mmap(struct session *s, const struct proc_event *ev)
{
	int r = process_on_mmap(&s->procs, ev->pid, &ev->map);

	return r < 0 || !ev->map.file.ino ? r : expect_context(s, ev->pid, ev->time_ns);
}

static int apply_event(struct session *s, const struct proc_event *ev)
{
	switch (ev->kind) {
	case PROC_EVENT_FORK:
		return on_fork(s, ev);
	case PROC_EVENT_EXEC:
		return on_exec(s, ev);
	case PROC_EVENT_COMM:
		return process_on_comm(&s->procs, ev->pid, ev->comm);
	case PROC_EVENT_MMAP:
		return on_mmap(s, ev);
	case PROC_EVENT_EXIT:
		process_on_exit(&s->procs, ev->pid, ev->time_ns);
		if (is_target(s, ev->pid) && process_is_over(ev->pid))
			drop_target(s, ev->pid);
		return 0;
	case PROC_EVENT_LOST:
		s->events_lost = true;
		return 0;
	default:
		return 0;
	}
}

static void on_event(void *ctx, const struct proc_event *ev)
{
	struct session *s = ctx;

	if (apply_event(s, ev) < 0)
		s->counters[STAT_EVENT_LOST]++;
}

/* --- samples ---------------------------------------------------------------------------------- */

static int find_process(struct session *s, const struct sample_record *rec, struct process **ret)
{
	char comm[COMM_LEN + 1];
	int r;

	*ret = process_find(&s->procs, rec->tgid);
	if (*ret)
		return 0;
	if (load_process(s, rec->tgid, ret) == 0) {
		s->counters[STAT_PROC_RESCAN]++;
		return 0;
	}
	s->counters[STAT_SAMPLE_NO_PROCESS]++;
	r = process_get(&s->procs, rec->tgid, ret);
	if (r < 0)
		return r;
	snprintf(comm, sizeof(comm), "%.*s", COMM_LEN, rec->comm);
	process_on_exit(&s->procs, rec->tgid, rec->time_ns); /* so that it is swept */
	return process_on_comm(&s->procs, rec->tgid, comm);
}

static void read_context(struct session *s, const struct process *p)
{
	CLEANUP(freep) char *text = NULL;
	struct context_maps maps;

	/* Most of the young of a storm: a look at the clock of CPU time is a system call. */
	if (p->exited_ns)
		return;
	maps.began_cpu_ns = thread_cpu_ns();
	if (maps_read(p->pid, MAPS_MAX, &text, &maps.len) < 0)
		return;
	maps.text = text;
	look_at_context(s, p, &maps);
}

static void visit_young(void *ctx, pid_t pid)
{
	struct session *s = ctx;
	const struct process *p = process_find(&s->procs, pid);

	if (p)
		read_context(s, p);
}

/* A mapping that no event announced (mremap moves one silently): known from the next sample on. */
static void rescan(struct session *s, struct process *p)
{
	uint64_t now = monotonic_ns();
	struct process *again;

	if (p->exited_ns)
		return;
	if (now - p->scanned_ns < RESCAN_NS)
		return;
	p->scanned_ns = now;
	if (load_process(s, p->pid, &again) == 0)
		s->counters[STAT_PROC_RESCAN]++;
}

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

static int take_sample(struct session *s, struct sample_record *rec, uint64_t *frames,
		       const struct collector_sample *from)
{
	struct sample_context context;
	struct context_finding finding;
	struct sample_stack stack;
	struct process *p;
	int r;

	r = find_process(s, rec, &p);
	if (r < 0)
		return r;
	if (from->rest)
		finish_stack(s, p, rec, frames, from->rest);
	if (!(rec->flags & SAMPLE_KERNEL_THREAD) &&
	    context_tracker_due(s->contexts, p, monotonic_ns()))
		read_context(s, p);
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
	if (r < 0)
		return r;
	r = sample_count_add(s->profile, &s->opt.context,
			     &(struct counted_sample){ p, rec, &stack, &finding, &context },
			     s->counters);
	if (stack.n_unknown || rec->user_end == USER_END_NOT_LOADED)
		rescan(s, p);
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
		r = profile_new(&s->profile);
	if (r == 0)
		r = jit_names_new(
			&(struct jit_observer){ NULL, sample_code_log_trouble, s->counters },
			&s->jit);
	if (r == 0)
		r = copy_targets(s, opt);
	if (r < 0)
		return r;
	s->profile->contexts_max = opt->context.max;
	s->profile->period_ns = NSEC_PER_SEC / opt->collector.frequency;
	*ret = TAKE_PTR(s);
	return 0;
}

int session_open(const struct session_options *opt, struct session **ret)
{
	CLEANUP(session_closep) struct session *s = NULL;
	struct collector_handlers handlers = {
		.on_sample = on_sample,
		.on_event = on_event,
		.on_rows_missing = on_rows_missing,
	};
	struct row_store_backing backing;
	int r;

	r = allocate(opt, &s);
	if (r < 0)
		return log_error_errno(r, "cannot set up the session");
	handlers.ctx = s;
	s->opt.collector.no_contexts = !s->opt.context.formats && !s->opt.context.n_variables;
	s->opt.collector.variables = s->opt.context.variables;
	s->opt.collector.n_variables = s->opt.context.n_variables;
	s->opt.collector.obi_map = s->opt.context.obi_map;
	r = collector_open(&s->opt.collector, &handlers, &s->collector);
	if (r < 0)
		return r;
	backing = collector_unwind_backing(s->collector);
	r = unwinder_new(&backing, opt->collector.unwind_budget, &s->unwinder);
	if (r < 0)
		return log_error_errno(r, "cannot set up unwind tables");
	/* Events are collected by now: whatever happens while we read is not lost. */
	r = opt->collector.filter_pids ? load_targets(s) : load_all(s);
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
	jit_names_free(s->jit);
	context_tracker_free(s->contexts);
	process_table_clear(&s->procs);
	vec_free(&s->targets);
	free(s);
}

int session_start(struct session *s)
{
	s->profile->start_realtime_ns = realtime_ns();
	s->start_ns = s->swept_ns = monotonic_ns();
	return collector_start(s->collector);
}

int session_poll(struct session *s)
{
	uint64_t now;
	int r = collector_poll(s->collector);

	if (r < 0)
		return r;
	if (s->events_lost) {
		s->events_lost = false;
		r = load_all(s);
		if (r < 0)
			return r;
	}
	now = monotonic_ns();
	context_tracker_visit_young(s->contexts, now, visit_young, s);
	if (now - s->swept_ns >= SWEEP_NS) {
		process_sweep(&s->procs, s->swept_ns, forget_process, s);
		drop_ended_targets(s);
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
	jit_names_end(s->jit, 0);
	return r;
}

int session_pprof(struct session *s, struct pprof **ret)
{
	CLEANUP(naming_closep) struct naming *names = NULL;
	struct name_sources from;
	int r = naming_open(&s->opt.symbols, &names);

	if (r < 0)
		return r;
	from = (struct name_sources){ &s->procs.dsos, names->sym, names->servers, s->jit };
	r = profile_to_pprof(s->profile, &from, s->counters, ret);
	naming_finish(names);
	return r < 0 ? log_error_errno(r, "cannot name the functions") : 0;
}

int session_stats(const struct session *s, uint64_t *ret)
{
	memcpy(ret, s->counters, sizeof(s->counters));
	unwinder_read_stats(s->unwinder, ret);
	return collector_read_stats(s->collector, ret);
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
