/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a session: what is known of them, and what the kernel and /proc say. */
#include <ctype.h>
#include <dirent.h>
#include <string.h>

#include "app/session_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "ctx/context_sources.h"
#include "ctx/elastic_socket.h"
#include "meta/host_name.h"
#include "proc/maps.h"

#define MAPS_MAX  (64u << 20) /* bytes of /proc/PID/maps that we are willing to read */
#define RESCAN_NS NSEC_PER_SEC

/* --- from /proc ------------------------------------------------------------------------------- */

static int tell_kernel(struct session *s, struct process *p, const struct proc_info *info)
{
	int r = collector_set_proc(s->collector, p->pid, info);

	p->told |= r == 0;
	return r;
}

static int tell_context(struct session *s, struct process *p, const struct context_finding *f)
{
	int r = 0;

	p->unwanted = false; /* it is told anew */

	for (int i = 0; r == 0 && i < CTX_SOURCES_MAX; i++)
		if (f->info.sources[i].format == CTX_FORMAT_PYTHON)
			r = collector_set_python(s->collector, f->info.sources[i].number,
						 &f->python);
	return r < 0 ? r : tell_kernel(s, p, &f->info);
}

/* Only if the user asked for it: all else leaves processes alone. */
static void register_with_elastic(struct session *s, pid_t pid, const struct elastic_storage *es)
{
	char host[HOST_NAME_LEN_MAX + 1];
	int r;

	if (!s->opt.context.elastic_register || !es->socket_path)
		return;
	host_id(host);
	r = elastic_socket_register(pid, es->socket_path, host);
	if (r == 0) {
		s->counters[STAT_ELASTIC_REGISTERED]++;
		return;
	}
	s->counters[STAT_ELASTIC_NOT_REGISTERED]++;
	log_warning("process %d: cannot register with its Elastic APM agent at '%s': %s; its spans "
		    "may stay unknown",
		    pid, es->socket_path, strerror(-r));
}

static void look_at_context(struct session *s, struct process *p, const struct context_maps *maps)
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
		if (tell_context(s, p, &now) < 0)
			s->counters[STAT_CTX_NOT_TOLD]++;
	}
	if (now.elastic_is_new)
		register_with_elastic(s, p->pid, now.elastic);
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

int session_load_process(struct session *s, pid_t pid, struct process **ret)
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

int session_load_all(struct session *s)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!proc)
		return log_error_errno(-errno, "cannot read /proc");
	while (r != -ENOMEM && (entry = readdir(proc))) {
		struct process *p;

		if (isdigit((unsigned char)entry->d_name[0]))
			r = session_load_process(s, atoi(entry->d_name), &p);
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

int session_load_targets(struct session *s)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		pid_t pid = s->targets.data[i];
		struct process *p;
		int r;

		r = session_load_process(s, pid, &p);
		if (r < 0)
			return cannot_read_process(r, pid);
		r = collector_add_target(s->collector, pid);
		if (r < 0)
			return log_error_errno(r, "cannot filter by process %d", pid);
	}
	return 0;
}

/* --- which are sampled ------------------------------------------------------------------------ */

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
void session_drop_ended_targets(struct session *s)
{
	for (size_t i = s->targets.n; i-- > 0;)
		if (process_is_over(s->targets.data[i]))
			drop_target(s, s->targets.data[i]);
}

/* --- that the filter leaves out -------------------------------------------------------------- */

void session_leave_out(struct session *s, struct process *p)
{
	struct proc_info info = context_tracker_last(s->contexts, p).info;

	if (p->unwanted || !info.start_stack || !filter_is_lasting(s->opt.filter))
		return;
	info.unwanted = 1;
	p->unwanted = tell_kernel(s, p, &info) == 0;
	p->left_out_ns = monotonic_ns();
}

/* A program takes its user when it has begun: a sample is looked at again, as identity.h does. */
void session_reconsider(struct session *s, uint64_t now_ns)
{
	static const uint64_t after_ns[] = { 1500 * NSEC_PER_MSEC, 10 * NSEC_PER_SEC };
	struct process *p;
	size_t pos = 0;

	while ((p = hashmap_next(&s->procs.by_pid, &pos))) {
		if (!p->unwanted || p->n_reconsidered == sizeof(after_ns) / sizeof(after_ns[0]) ||
		    now_ns - p->left_out_ns < after_ns[p->n_reconsidered])
			continue;
		p->n_reconsidered++;
		session_take_in(s, p);
	}
}

void session_take_in(struct session *s, struct process *p)
{
	struct proc_info info = context_tracker_last(s->contexts, p).info;

	if (!p->unwanted)
		return;
	p->unwanted = false;
	if (tell_kernel(s, p, &info) < 0)
		s->counters[STAT_CTX_NOT_TOLD]++;
}

void session_take_in_all(struct session *s)
{
	struct process *p;
	size_t pos = 0;

	while ((p = hashmap_next(&s->procs.by_pid, &pos)))
		session_take_in(s, p);
}

/* --- events ----------------------------------------------------------------------------------- */

void session_forget_process(void *ctx, const struct process *p)
{
	struct session *s = ctx;

	context_tracker_forget(s->contexts, p->pid);
	identity_forget(s->identities, p->pid);
	if (p->told)
		collector_forget_proc(s->collector, p->pid);
	jit_names_end(s->jit, p->pid);
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

/* Another name is another question to the filter. */
static int on_comm(struct session *s, const struct proc_event *ev)
{
	struct process *p = process_find(&s->procs, ev->pid);

	if (p)
		session_take_in(s, p);
	return process_on_comm(&s->procs, ev->pid, ev->comm);
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
		return on_comm(s, ev);
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

void session_on_event(void *ctx, const struct proc_event *ev)
{
	struct session *s = ctx;

	if (apply_event(s, ev) < 0)
		s->counters[STAT_EVENT_LOST]++;
}

/* --- for the sake of samples ------------------------------------------------------------------ */

int session_find_process(struct session *s, const struct sample_record *rec, struct process **ret)
{
	char comm[COMM_LEN + 1];
	int r;

	*ret = process_find(&s->procs, rec->tgid);
	if (*ret)
		return 0;
	if (session_load_process(s, rec->tgid, ret) == 0) {
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

void session_read_context(struct session *s, struct process *p)
{
	CLEANUP(freep) char *text = NULL;
	struct context_maps maps;

	/* Most of the young of a storm: a look at the clock of CPU time is a system call. */
	if (p->exited_ns || context_tracker_may_wait(s->contexts, p, monotonic_ns()))
		return;
	maps.began_cpu_ns = thread_cpu_ns();
	if (context_tracker_is_unchanged(s->contexts, p, maps.began_cpu_ns))
		return;
	if (maps_read(p->pid, MAPS_MAX, &text, &maps.len) < 0)
		return;
	maps.text = text;
	look_at_context(s, p, &maps);
}

bool session_visit_young(void *ctx, pid_t pid)
{
	struct session *s = ctx;
	struct process *p = process_find(&s->procs, pid);

	if (!p || p->exited_ns)
		return false;
	session_read_context(s, p);
	return true;
}

/* mremap moves a mapping silently. */
void session_rescan(struct session *s, struct process *p)
{
	uint64_t now = monotonic_ns();
	struct process *again;

	if (p->exited_ns)
		return;
	if (now - p->scanned_ns < RESCAN_NS)
		return;
	p->scanned_ns = now;
	if (session_load_process(s, p->pid, &again) == 0)
		s->counters[STAT_PROC_RESCAN]++;
}
