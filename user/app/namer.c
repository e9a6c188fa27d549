/* SPDX-License-Identifier: Apache-2.0 */
#include "app/namer.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "app/agent_spool.h"
#include "app/naming.h"
#include "app/naming_budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "export/pprof_relabel.h"
#include "export/profile_pprof.h"
#include "export/spool.h"
#include "sym/debuginfod_files.h"
#include "sym/symbol_cache.h"
#include "sym/symbolizer.h"
#include "worker/worker.h"

#define NICE	   10
#define ROUND_NS   (60 * NSEC_PER_SEC) /* of the cache of names, which then is written */
#define BEHIND_NS  (10 * NSEC_PER_SEC) /* so long a profile may wait in any case */
#define AWAITED_NS (10 * NSEC_PER_SEC) /* so long the end may take, and the file at hand */

struct job_queue {
	struct namer_job jobs[NAMER_WAITING_MAX + NAMER_LAST_MAX];
	unsigned n;
};

struct namer {
	struct agent_shared *shared;
	struct spool *spool;
	struct naming *naming;
	uint64_t memory_max;

	pthread_t thread;
	pthread_mutex_t lock; /* of the next three */
	pthread_cond_t pushed;
	struct job_queue waiting, done;
	bool finish;
	_Atomic uint64_t finish_ns; /* since then somebody waits for the end; 0: nobody does */

	/* The thread's own. */
	unsigned queues_of; /* number of the configuration whose endpoints the spool knows */
	struct naming_budget budget;
	uint64_t rows_cpu_ns; /* of unwind tables, that the budget has paid */
	enum symbolizer_detail detail;
	uint64_t round_ns; /* when the cache's round began */
};

/* --- CPU time --------------------------------------------------------------------------------- */

struct cpu_mark {
	uint64_t own, worker;
};

static struct cpu_mark mark_cpu(const struct naming *names)
{
	return (struct cpu_mark){ thread_cpu_ns(), worker_cpu_ns(names->worker) };
}

static uint64_t worker_cpu_since(const struct naming *names, const struct cpu_mark *from)
{
	return worker_cpu_ns(names->worker) - from->worker;
}

static uint64_t cpu_since(const struct naming *names, const struct cpu_mark *from)
{
	return thread_cpu_ns() - from->own + worker_cpu_since(names, from);
}

/* Unwind tables are compiled when a program is new, as most names are made: one credit for both. */
static uint64_t rows_cpu_since(struct namer *n)
{
	uint64_t now = agent_shared_get(n->shared, AGENT_NUMBER_ROWS_CPU);
	uint64_t used = now - n->rows_cpu_ns;

	n->rows_cpu_ns = now;
	return used;
}

/* Has it waited for so long that the next one waits as well, for others than short intervals? */
static bool is_behind(const struct namer_job *job, uint64_t now)
{
	uint64_t waited = now - job->pushed_ns;

	return waited > job->config->interval_ns && waited > BEHIND_NS;
}

/* An end that takes long is an end by SIGKILL, which costs whole profiles. */
static bool is_awaited(const struct namer *n, uint64_t now)
{
	uint64_t since = atomic_load(&n->finish_ns);

	return since && now - since > AWAITED_NS;
}

static void tell_detail(enum symbolizer_detail detail)
{
	static const char *const texts[] = {
		[SYMBOLIZER_FULL] = "naming has CPU time again: all is named, with lines and "
				    "inlined calls",
		[SYMBOLIZER_SYMBOLS_ONLY] = "naming has used up its CPU time, or cannot keep up: "
					    "names come from symbol tables only, without lines "
					    "and inlined calls",
		[SYMBOLIZER_KNOWN_ONLY] = "naming is far behind, or far beyond its CPU time: only "
					  "addresses that were seen before have names, others "
					  "show as [file+0x…]",
	};

	log_info("%s", texts[detail]);
}

/* What has been seen before comes from the cache in full all the same. */
static void choose_detail(struct namer *n, const struct namer_job *job, uint64_t now)
{
	enum symbolizer_detail detail = naming_budget_detail(&n->budget, is_behind(job, now));

	if (is_awaited(n, now))
		detail = SYMBOLIZER_KNOWN_ONLY;
	if (detail != n->detail)
		tell_detail(detail);
	n->detail = detail;
	symbolizer_set_detail(n->naming->sym, detail);
	if (detail == SYMBOLIZER_SYMBOLS_ONLY)
		agent_shared_add(n->shared, AGENT_NUMBER_INTERVALS_BRIEF, 1);
	else if (detail == SYMBOLIZER_KNOWN_ONLY)
		agent_shared_add(n->shared, AGENT_NUMBER_INTERVALS_KNOWN, 1);
}

/* --- one interval ----------------------------------------------------------------------------- */

static int apply_rules(struct namer *n, const struct agent_config *c, struct pprof *p)
{
	CLEANUP(relabel_freep) struct relabel *rules = NULL;
	CLEANUP(freep) struct pprof_label *fixed = calloc(c->n_labels + 1, sizeof(*fixed));
	struct pprof_relabel how = { fixed, c->n_labels, NULL };
	const struct relabel_counts *counts;
	struct relabel_problem why;
	uint64_t dropped = 0;
	int r = 0;

	if (!fixed)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_labels; i++)
		fixed[i] = (struct pprof_label){ c->labels[i].name, c->labels[i].value, 0, "" };
	if (c->n_relabel_rules)
		r = relabel_new(c->relabel_rules, c->n_relabel_rules, &why, &rules);
	how.rules = rules;
	if (r == 0)
		r = pprof_relabel(p, &how, &dropped);
	agent_shared_add(n->shared, AGENT_NUMBER_SAMPLES_DROPPED, dropped);
	if (r < 0 || !rules)
		return r;
	counts = relabel_get_counts(rules);
	agent_shared_add(n->shared, AGENT_NUMBER_RELABEL_LIMIT, counts->match_limit);
	agent_shared_add(n->shared, AGENT_NUMBER_RELABEL_TOO_LARGE, counts->too_large);
	return 0;
}

/* What cannot be had now is tried again with the next profile; the others are served. */
static void set_queues(struct namer *n, const struct namer_job *job)
{
	if (n->queues_of != job->number &&
	    agent_spool_set_queues(n->spool, job->config, n->shared) == 0)
		n->queues_of = job->number;
}

static uint64_t samples_of(const struct pprof *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		sum += p->samples[i].values[0];
	return sum;
}

static int put(struct namer *n, const struct pprof *p)
{
	CLEANUP(freep) uint8_t *bytes = NULL;
	struct spool_profile profile = { .time_ns = p->time_nanos };
	int r;

	profile.samples = samples_of(p);
	if (!profile.samples) { /* an idle host */
		spool_trim(n->spool);
		return 0;
	}
	r = pprof_encode(p, true, &bytes, &profile.len);
	if (r < 0)
		return r;
	profile.pprof = bytes;
	agent_shared_set(n->shared, AGENT_NUMBER_PROFILE_BYTES, profile.len);
	/* What it could not put it has counted for each endpoint, if there is one. */
	r = spool_put(n->spool, &profile);
	if (r == -EDESTADDRREQ)
		return r;
	if (r < 0)
		log_error_errno(r, "cannot put a profile of %llu samples into the spool",
				(unsigned long long)profile.samples);
	return 0;
}

static int put_into_queues(struct namer *n, const struct namer_job *job, const struct pprof *p)
{
	int r;

	set_queues(n, job);
	r = put(n, p);
	agent_shared_set(n->shared, AGENT_NUMBER_SAMPLES_EXPIRED_ELSEWHERE,
			 spool_expired_elsewhere(n->spool));
	return r;
}

static int name(struct namer *n, const struct namer_job *job)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	struct session_interval *i = job->interval;
	const struct name_sources from = { &i->files, n->naming->sym, n->naming->servers, i->jit };
	int r;

	r = profile_to_pprof(i->profile, &from, i->counters, &p);
	if (r == 0)
		r = naming_demangle(n->naming, p);
	if (r == 0)
		r = apply_rules(n, job->config, p);
	return r < 0 ? r : put_into_queues(n, job, p);
}

/* Names cost most of the memory: what is not wanted for long goes, and comes back when it is. */
static void forget_names(struct namer *n)
{
	uint64_t now = monotonic_ns();

	symbolizer_forget(n->naming->sym);
	if (!n->naming->cache || now - n->round_ns < ROUND_NS)
		return;
	symbol_cache_end_round(n->naming->cache);
	n->round_ns = now;
}

static void bound_memory(struct namer *n)
{
	struct symbol_cache *cache = n->naming->cache;
	uint64_t names = symbolizer_memory(n->naming->sym);
	pid_t pid = worker_pid(n->naming->worker);

	agent_shared_set(n->shared, AGENT_NUMBER_WORKER_MEMORY,
			 pid ? agent_resident_bytes(pid) : 0);
	if (cache)
		names += symbol_cache_memory(cache);
	agent_shared_set(n->shared, AGENT_NUMBER_SYMBOL_MEMORY, names);
	if (agent_shared_sum_memory(n->shared) <= n->memory_max)
		return;
	agent_shared_add(n->shared, AGENT_NUMBER_MEMORY_OVER, 1);
	if (cache)
		symbol_cache_forget(cache);
}

static void work_on(struct namer *n, const struct namer_job *job)
{
	struct cpu_mark mark = mark_cpu(n->naming);
	uint64_t began = monotonic_ns(), used;
	uint64_t samples = job->interval->profile->n_samples;
	uint64_t dropped = agent_shared_get(n->shared, AGENT_NUMBER_SAMPLES_DROPPED);
	int r;

	atomic_store(&n->shared->naming_since_ns, began);
	naming_budget_refill(&n->budget, began, job->config->budgets.cpu_percent);
	choose_detail(n, job, began);
	r = name(n, job);
	if (r < 0) {
		samples -= agent_shared_get(n->shared, AGENT_NUMBER_SAMPLES_DROPPED) - dropped;
		agent_shared_add(n->shared, AGENT_NUMBER_INTERVALS_FAILED, 1);
		agent_shared_add(n->shared, AGENT_NUMBER_SAMPLES_FAILED, samples);
		log_error_errno(r, "cannot name a profile of %llu samples",
				(unsigned long long)samples);
	}
	naming_tell_bad_files(n->naming);
	bound_memory(n);
	forget_names(n);
	used = cpu_since(n->naming, &mark);
	agent_shared_add(n->shared, AGENT_NUMBER_WORKER_CPU, worker_cpu_since(n->naming, &mark));
	naming_budget_spend(&n->budget, used + rows_cpu_since(n));
	agent_shared_add(n->shared, AGENT_NUMBER_NAMING_CPU, used);
	agent_shared_add(n->shared, AGENT_NUMBER_NAMING_TIME, monotonic_ns() - began);
	atomic_store(&n->shared->naming_since_ns, 0);
}

/* --- the thread ------------------------------------------------------------------------------- */

static struct namer_job take(struct job_queue *q)
{
	struct namer_job first = q->jobs[0];

	q->n--;
	memmove(q->jobs, q->jobs + 1, q->n * sizeof(q->jobs[0]));
	return first;
}

static void lower_priority(void)
{
	const struct sched_param param = { 0 };

	(void)sched_setscheduler(0, SCHED_BATCH, &param);
	(void)setpriority(PRIO_PROCESS, syscall(SYS_gettid), NICE);
}

static void *run(void *arg)
{
	struct namer *n = arg;

	(void)prctl(PR_SET_NAME, "spanprof-namer");
	lower_priority();
	pthread_mutex_lock(&n->lock);
	while (n->waiting.n || !n->finish) {
		struct namer_job job;

		if (!n->waiting.n) {
			pthread_cond_wait(&n->pushed, &n->lock);
			continue;
		}
		job = n->waiting.jobs[0];
		pthread_mutex_unlock(&n->lock);
		work_on(n, &job);
		pthread_mutex_lock(&n->lock);
		n->done.jobs[n->done.n++] = take(&n->waiting);
	}
	pthread_mutex_unlock(&n->lock);
	/* Here, as the worker is a child of this thread. */
	naming_finish(n->naming);
	naming_close(n->naming);
	return NULL;
}

static int start_thread(struct namer *n)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&n->thread, NULL, run, n);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int namer_start(const struct agent_config *config, struct agent_shared *s, struct spool *spool,
		struct namer **ret)
{
	CLEANUP(freep) struct namer *n = calloc(1, sizeof(*n));
	const struct agent_symbols *sym = &config->symbols;
	struct symbol_options opt = {
		.debuginfod = *sym->debuginfod ? sym->debuginfod : NULL,
		.cache = *sym->cache ? sym->cache : NULL,
		.again = true,
		.demangle = sym->demangle,
	};
	int r;

	if (!n)
		return log_error_errno(-ENOMEM, "cannot name functions");
	n->shared = s;
	n->spool = spool;
	n->memory_max = config->budgets.memory;
	n->round_ns = monotonic_ns();
	naming_budget_start(&n->budget, n->round_ns);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->pushed, NULL);
	r = naming_open(&opt, &n->naming);
	if (r < 0)
		return r;
	r = start_thread(n);
	if (r < 0) {
		naming_close(n->naming);
		return log_error_errno(r, "cannot start a thread to name functions");
	}
	*ret = TAKE_PTR(n);
	return 0;
}

bool namer_has_room(struct namer *n)
{
	bool room;

	pthread_mutex_lock(&n->lock);
	room = n->waiting.n + n->done.n < NAMER_WAITING_MAX;
	agent_shared_set(n->shared, AGENT_NUMBER_INTERVALS_WAITING, n->waiting.n);
	pthread_mutex_unlock(&n->lock);
	return room;
}

void namer_push(struct namer *n, const struct namer_job *job)
{
	struct namer_job pushed = *job;

	pushed.pushed_ns = monotonic_ns();
	pthread_mutex_lock(&n->lock);
	n->waiting.jobs[n->waiting.n++] = pushed;
	pthread_cond_signal(&n->pushed);
	pthread_mutex_unlock(&n->lock);
}

bool namer_done(struct namer *n, struct namer_job *ret)
{
	bool any;

	pthread_mutex_lock(&n->lock);
	any = n->done.n > 0;
	if (any)
		*ret = take(&n->done);
	pthread_mutex_unlock(&n->lock);
	return any;
}

void namer_finish(struct namer *n)
{
	atomic_store(&n->finish_ns, monotonic_ns());
	if (n->naming->servers)
		debuginfod_files_cancel(n->naming->servers);
	pthread_mutex_lock(&n->lock);
	n->finish = true;
	pthread_cond_signal(&n->pushed);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
}

void namer_free(struct namer *n)
{
	if (!n)
		return;
	pthread_cond_destroy(&n->pushed);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
