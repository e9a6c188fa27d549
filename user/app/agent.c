/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent.h"

#include <inttypes.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "app/agent_ctl.h"
#include "app/agent_settings.h"
#include "app/agent_shared.h"
#include "app/agent_spool.h"
#include "app/agent_status.h"
#include "app/control.h"
#include "app/courier.h"
#include "app/governor.h"
#include "app/host_limits.h"
#include "app/listener.h"
#include "app/namer.h"
#include "app/session.h"
#include "app/stop_signal.h"
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/seccomp_filter.h"
#include "proc/process.h"
#include "worker/worker.h"

#define FLUSH_MS 5000	      /* in the end, for endpoints that work */
#define AGAIN_NS NSEC_PER_SEC /* until an interval is ended that could not be */

struct agent {
	const struct agent_sources *sources;
	struct agent_settings settings;
	struct agent_shared *shared;
	struct courier *courier;
	struct spool *spool;
	struct context_options context;
	struct session *session;
	struct namer *namer;
	struct control *control;
	int shared_fd, listen_fd;
	struct governor governor;
	uint64_t rotate_ns; /* CLOCK_MONOTONIC: the interval is to end */
	uint64_t second_ns; /* the next look at what is done once a second */
	int reloads;	    /* of reload_signal_count, those that were handled */
	bool late;	    /* the interval at hand is, and has been counted */
};

static const struct agent_config *config_of(const struct agent *a)
{
	return agent_settings_config(&a->settings);
}

/* --- intervals -------------------------------------------------------------------------------- */

static void give_back(struct agent *a)
{
	struct namer_job job;
	bool any = false;

	while (namer_done(a->namer, &job)) {
		session_give_back(a->session, job.interval);
		agent_settings_release(&a->settings, job.number);
		any = true;
	}
	if (any)
		courier_wake(a->courier);
}

/* False: none that has ended is complete. */
static bool take(struct agent *a)
{
	struct namer_job job = { 0 };
	const struct session_interval *i;

	if (session_take(a->session, &job.interval) != 1)
		return false;
	i = job.interval;
	agent_shared_add(a->shared, AGENT_NUMBER_INTERVALS, 1);
	agent_shared_add(a->shared, AGENT_NUMBER_SAMPLES, i->profile->n_samples);
	job.config = config_of(a);
	job.number = agent_settings_use(&a->settings);
	namer_push(a->namer, &job);
	return true;
}

/* At once: with a focus, two end together. */
static void take_all(struct agent *a)
{
	while (take(a))
		;
}

/* What the kernel side took is asked for now: what is published may be a second old. */
static struct session_rate decide_rate(struct agent *a)
{
	struct run_time run = { .ns = agent_shared_get(a->shared, AGENT_NUMBER_BPF_TIME) };

	(void)session_run_time(a->session, &run);
	return governor_decide(&a->governor, config_of(a), run.ns);
}

/* An interval that cannot be named yet becomes longer: nothing is lost, and memory is bounded. */
static void rotate(struct agent *a)
{
	uint64_t now = monotonic_ns();
	struct governor before = a->governor;
	struct session_rate rate;

	if (now < a->rotate_ns)
		return;
	if (session_is_rotating(a->session))
		return;
	if (!namer_has_room(a->namer)) {
		if (!a->late)
			agent_shared_add(a->shared, AGENT_NUMBER_INTERVALS_LATE, 1);
		a->late = true;
		return;
	}
	rate = decide_rate(a);
	if (session_rotate(a->session, &rate) < 0) {
		a->governor = before;
		a->rotate_ns = now + AGAIN_NS;
		return;
	}
	a->late = false;
	a->rotate_ns = now + config_of(a)->interval_ns;
}

/* --- the configuration ------------------------------------------------------------------------ */

static void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_ns() / 1000);
}

static void reload(struct agent *a)
{
	int signals = atomic_load(&reload_signal_count);
	uint64_t now = monotonic_ns();

	if (signals == a->reloads)
		return;
	a->reloads = signals;
	notify_reloading();
	agent_shared_add(a->shared, AGENT_NUMBER_RELOADS, 1);
	if (agent_settings_reload(&a->settings, a->sources) < 0) {
		agent_shared_add(a->shared, AGENT_NUMBER_RELOADS_REFUSED, 1);
	} else {
		agent_config_set_log(config_of(a));
		session_set_filter(a->session, &config_of(a)->filter);
		agent_spool_claim(config_of(a), a->shared);
		courier_reload(a->courier, config_of(a));
		if (a->rotate_ns > now + config_of(a)->interval_ns)
			a->rotate_ns = now + config_of(a)->interval_ns;
	}
	sd_notify(0, "READY=1");
}

/* --- requests --------------------------------------------------------------------------------- */

/* As much of it as there is room for. */
static void answer_status(const struct agent *a, char *answer, size_t size)
{
	CLEANUP(fclosep) FILE *out = fmemopen(answer, size - 1, "w");

	answer[size - 1] = '\0';
	if (out)
		agent_status_write(a->shared, out);
}

/* "", " pid N", " trace HEX". False: neither of these. */
static bool parse_focus(const char *text, struct sample_focus *ret)
{
	char end;

	*ret = (struct sample_focus){ 0 };
	if (strncmp(text, " trace ", 7) == 0)
		return parse_hex(text + 7, ret->trace_id, sizeof(ret->trace_id)) == 0;
	return !*text || (sscanf(text, " pid %u%c", &ret->tgid, &end) == 1 && ret->tgid);
}

/* "raise HZ SECONDS", and of what. */
static void answer_raise(struct agent *a, const char *text, char *answer, size_t size)
{
	struct sample_focus focus;
	unsigned hz, seconds;
	int n = 0;

	if (sscanf(text, "raise %u %u%n", &hz, &seconds, &n) != 2 || !n || hz < 1 ||
	    hz > FREQUENCY_MAX || seconds < 1 || seconds > RAISE_SECONDS_MAX ||
	    !parse_focus(text + n, &focus)) {
		snprintf(answer, size, "error: 1 to %d Hz, for 1 to %d seconds\n", FREQUENCY_MAX,
			 RAISE_SECONDS_MAX);
		return;
	}
	if (host_limits_check_frequency("agent ctl", hz) < 0) {
		snprintf(answer, size, "error: the kernel allows fewer samples a second\n");
		return;
	}
	if (focus.tgid && process_is_over(focus.tgid)) {
		snprintf(answer, size, "error: there is no process %u\n", focus.tgid);
		return;
	}
	governor_raise(&a->governor, hz, text[n] ? &focus : NULL,
		       monotonic_ns() + seconds * NSEC_PER_SEC);
	a->rotate_ns = 0; /* now */
	log_info("sampling at %u Hz for %u s%s%s, as asked by 'agent ctl raise'", hz, seconds,
		 text[n] ? " of" : "", text + n);
	snprintf(answer, size, "ok: %u Hz for %u s%s%s\n", hz, seconds, text[n] ? " of" : "",
		 text + n);
}

static void on_request(void *arg, const char *text, char *answer, size_t size)
{
	struct agent *a = arg;

	if (strcmp(text, "status") == 0)
		answer_status(a, answer, size);
	else if (strncmp(text, "raise ", 6) == 0)
		answer_raise(a, text, answer, size);
	else
		snprintf(answer, size, "error: unknown request\n");
}

/* --- once a second ---------------------------------------------------------------------------- */

static void publish_memory(struct agent *a)
{
	const struct map_sizes maps = session_map_sizes(a->session);
	const struct worker *rows = session_rows_worker(a->session);
	pid_t pid = rows ? worker_pid(rows) : 0;

	if (rows)
		agent_shared_set(a->shared, AGENT_NUMBER_ROWS_CPU, worker_cpu_ns(rows));
	agent_shared_set(a->shared, AGENT_NUMBER_ROWS_MEMORY, pid ? agent_resident_bytes(pid) : 0);
	agent_shared_set(a->shared, AGENT_NUMBER_MAPS_MEMORY, maps.kernel);
	agent_shared_set(a->shared, AGENT_NUMBER_MAPS_MAPPED, maps.mapped);
	agent_shared_sum_memory(a->shared);
}

static void publish(struct agent *a)
{
	uint64_t counters[STAT_COUNT] = { 0 };
	struct run_time run;

	if (session_stats(a->session, counters) == 0)
		for (int i = 0; i < STAT_COUNT; i++)
			atomic_store_explicit(&a->shared->counters[i], counters[i],
					      memory_order_relaxed);
	if (session_run_time(a->session, &run) == 0) {
		agent_shared_set(a->shared, AGENT_NUMBER_BPF_TIME, run.ns);
		agent_shared_set(a->shared, AGENT_NUMBER_BPF_RUNS, run.runs);
	}
	agent_shared_note_process(a->shared, AGENT_NUMBER_SAMPLER_CPU, AGENT_NUMBER_SAMPLER_MEMORY);
	publish_memory(a);
	agent_shared_set(a->shared, AGENT_NUMBER_FREQUENCY, governor_frequency(&a->governor));
	agent_shared_set(a->shared, AGENT_NUMBER_FREQUENCY_WANTED, config_of(a)->frequency);
	agent_shared_set(a->shared, AGENT_NUMBER_INTERVAL, config_of(a)->interval_ns);
}

static void every_second(struct agent *a)
{
	uint64_t now = monotonic_ns();

	if (now < a->second_ns)
		return;
	a->second_ns = now + NSEC_PER_SEC;
	atomic_store(&a->shared->sampler_beat_ns, now);
	publish(a);
	courier_tend(a->courier);
	reload(a);
	if (governor_raise_is_over(&a->governor, now))
		a->rotate_ns = 0;
	log_tell_left_out();
	/* Delivery has a process of its own, which is all that needs to be started again for it. */
	if (!agent_shared_sampler_illness(a->shared, now))
		sd_notify(0, "WATCHDOG=1");
}

/* --- life ------------------------------------------------------------------------------------- */

static int set_context(const struct agent_context *from, struct context_options *to)
{
	*to = context_options_default();
	to->formats = from->formats & to->formats;
	to->scope = from->scope;
	to->max = from->max;
	to->obi_map = from->obi_map;
	to->elastic_register = from->elastic_register;
	to->service_name = from->service_name && *from->service_name ? from->service_name : NULL;
	to->trace_id_key = from->trace_id_key;
	to->span_id_key = from->span_id_key;
	for (size_t i = 0; i < from->n_variables; i++) {
		int r = context_options_add_variable(to, from->variables[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int open_session(struct agent *a)
{
	const struct agent_config *c = config_of(a);
	struct session_options opt = {
		.collector = {
			.frequency = c->frequency,
			.cgroup_fd = -1,
			.unwind_budget = c->budgets.unwind_tables,
		},
		.keep_times = true,
		.code_memory = config_of(a)->budgets.memory / 2,
		.filter = &c->filter,
	};
	int r = set_context(&c->context, &a->context);

	opt.context = a->context;
	return r < 0 ? r : session_open(&opt, &a->session);
}

/* Before there are other threads, each of which has rights of its own. */
static int give_up_rights(const struct agent_config *c)
{
	static const char *const refused[] = { "execveat",	  "kcmp",
					       "pidfd_getfd",	  "ptrace",
					       "process_madvise", "process_vm_writev" };
	int r = capabilities_keep_for_sampling(c->context.elastic_register);

	if (r < 0)
		return log_error_errno(r, "cannot give up capabilities that are not needed");
	r = seccomp_refuse(refused, sizeof(refused) / sizeof(refused[0]));
	if (r < 0)
		log_warning("runs without a filter of system calls, which this kernel does not "
			    "have, or refuses");
	return 0;
}

static int open_all(struct agent *a)
{
	const struct agent_config *c = config_of(a);
	struct courier_options co = { a->shared, a->shared_fd, -1, c->spool.directory };
	int r = host_limits_check_frequency("frequency", c->frequency);

	if (r == 0)
		r = agent_spool_open(&c->spool, &a->spool);
	if (r == 0) /* one that cannot be had is tried again with each profile */
		(void)agent_spool_set_queues(a->spool, c, a->shared);
	if (r == 0 && *c->listen)
		r = listener_bind(c->listen, &a->listen_fd);
	if (r < 0)
		return r;
	host_limits_raise_files();
	host_limits_raise_locked_memory();
	if (*c->control_socket) /* before there are threads, as it changes the umask */
		r = control_open(c->control_socket, &a->control);
	if (r == 0)
		r = give_up_rights(c);
	co.listen_fd = a->listen_fd;
	if (r == 0)
		r = courier_start(&co, c, &a->courier);
	if (r == 0)
		r = open_session(a);
	if (r == 0)
		r = namer_start(c, a->shared, a->spool, &a->namer);
	return r;
}

static int start(struct agent *a)
{
	int r = session_start(a->session);

	if (r < 0)
		return r;
	governor_start(&a->governor, config_of(a)->frequency);
	/* Those of the start hold: the keys do not change by SIGHUP. */
	agent_shared_set(a->shared, AGENT_NUMBER_UNWIND_MAX, config_of(a)->budgets.unwind_tables);
	agent_shared_set(a->shared, AGENT_NUMBER_MEMORY_MAX, config_of(a)->budgets.memory);
	a->rotate_ns = monotonic_ns() + config_of(a)->interval_ns;
	atomic_store(&a->shared->sampler_beat_ns, monotonic_ns());
	publish(a);
	atomic_store(&a->shared->sampling, true);
	log_info("sampling at %u Hz, a profile every %.3g s to %zu endpoint%s",
		 config_of(a)->frequency, (double)config_of(a)->interval_ns / NSEC_PER_SEC,
		 config_of(a)->n_endpoints, config_of(a)->n_endpoints == 1 ? "" : "s");
	sd_notify(0, "READY=1");
	return 0;
}

static int go_on(struct agent *a)
{
	int r = 0;

	while (r == 0 && !atomic_load(&stop_signal_count)) {
		r = session_poll(a->session);
		take_all(a);
		give_back(a);
		rotate(a);
		if (a->control)
			control_poll(a->control, on_request, a);
		every_second(a);
	}
	return r;
}

/* What has been sampled is named, too, and brought to the spool. */
static int end(struct agent *a)
{
	int r;

	sd_notify(0, "STOPPING=1");
	r = session_finish(a->session);
	take_all(a); /* what was ended before, if there is any */
	if (session_rotate(a->session, NULL) == 0)
		take_all(a);
	publish(a);
	return r;
}

static void clear(struct agent *a)
{
	if (a->namer) {
		namer_finish(a->namer);
		give_back(a);
	}
	control_close(a->control);
	courier_stop(a->courier, FLUSH_MS);
	namer_free(a->namer);
	session_close(a->session);
	spool_close(a->spool);
	closep(&a->shared_fd);
	closep(&a->listen_fd);
	context_options_clear(&a->context);
	agent_settings_clear(&a->settings);
	agent_shared_free(a->shared);
	log_tell_all_left_out();
}

static int run(struct agent *a)
{
	int r = open_all(a);

	if (r == 0)
		r = start(a);
	if (r < 0)
		return r;
	r = go_on(a);
	return end(a) < 0 || r < 0 ? -EIO : 0;
}

int agent_run(const struct agent_sources *sources, struct agent_config *config)
{
	struct agent a = { .sources = sources, .shared_fd = -1, .listen_fd = -1 };
	int r = agent_settings_init(&a.settings, config);

	if (r == 0)
		agent_config_set_log(config);
	if (r == 0)
		r = agent_shared_new(&a.shared, &a.shared_fd);
	if (r < 0)
		log_error_errno(r, "cannot start");
	if (r == 0)
		r = stop_signal_install();
	if (r == 0)
		r = stop_signal_reload_on_hangup();
	if (r == 0)
		r = run(&a);
	clear(&a);
	return r;
}
