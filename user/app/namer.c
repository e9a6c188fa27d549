/* SPDX-License-Identifier: Apache-2.0 */
#include "app/namer.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "app/naming.h"
#include "app/naming_budget.h"
#include "app/outbox.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "export/profile_pprof.h"
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
	struct outbox outbox;
	struct naming *naming;
	uint64_t memory_max;

	pthread_t thread, keeper;
	pthread_mutex_t lock; /* of those up to finish */
	pthread_cond_t changed;
	struct job_queue waiting, done;
	bool finish;
	_Atomic uint64_t keeper_cpu_ns; /* that the budget has not paid */
	_Atomic uint64_t finish_ns;	/* since then somebody waits for the end; 0: nobody does */

	/* The thread's own. */
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

static int name(struct namer *n, const struct namer_job *job)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	const struct outbox_rules by = { job->config, job->number };
	struct session_interval *i = job->interval;
	const struct name_sources from = { &i->files, n->naming->sym, n->naming->servers, i->jit };
	int r;

	r = profile_to_pprof(i->profile, &from, i->counters, &p);
	if (r == 0)
		r = naming_demangle(n->naming, p);
	if (r < 0)
		outbox_drop(&n->outbox, job->kept);
	return r < 0 ? r : outbox_put(&n->outbox, &by, p, job->kept);
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
	naming_tell_troubles(n->naming);
	bound_memory(n);
	forget_names(n);
	memory_give_back();
	used = cpu_since(n->naming, &mark) + atomic_exchange(&n->keeper_cpu_ns, 0);
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

/* NULL: there is none. */
static struct namer_job *first_unkept(struct namer *n)
{
	for (unsigned i = 0; i < n->waiting.n; i++)
		if (!n->waiting.jobs[i].was_kept)
			return &n->waiting.jobs[i];
	return NULL;
}

/* Called and returns with the lock held. Jobs before it may be done meanwhile. */
static void keep_one(struct namer *n, const struct session_interval *i)
{
	uint64_t kept, cpu_ns = thread_cpu_ns();
	unsigned k = 0;

	pthread_mutex_unlock(&n->lock);
	kept = outbox_keep(&n->outbox, i);
	memory_give_back();
	atomic_fetch_add(&n->keeper_cpu_ns, thread_cpu_ns() - cpu_ns);
	pthread_mutex_lock(&n->lock);
	while (n->waiting.jobs[k].interval != i)
		k++;
	n->waiting.jobs[k].kept = kept;
	n->waiting.jobs[k].was_kept = true;
	pthread_cond_broadcast(&n->changed);
}

static void *keep(void *arg)
{
	struct namer *n = arg;

	(void)prctl(PR_SET_NAME, "spanprof-keeper");
	lower_priority();
	pthread_mutex_lock(&n->lock);
	for (struct namer_job *next; (next = first_unkept(n)) || !n->finish;) {
		if (next)
			keep_one(n, next->interval);
		else
			pthread_cond_wait(&n->changed, &n->lock);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

static void *run(void *arg)
{
	struct namer *n = arg;

	(void)prctl(PR_SET_NAME, "spanprof-namer");
	lower_priority();
	pthread_mutex_lock(&n->lock);
	while (n->waiting.n || !n->finish) {
		struct namer_job job;

		/* One after the other, as both take memory. */
		if (!n->waiting.n || !n->waiting.jobs[0].was_kept) {
			pthread_cond_wait(&n->changed, &n->lock);
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

/* Signals are for the main thread. */
static int start_thread(struct namer *n, void *(*fn)(void *), pthread_t *ret)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(ret, NULL, fn, n);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void finish(struct namer *n)
{
	pthread_mutex_lock(&n->lock);
	n->finish = true;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

static int start_threads(struct namer *n)
{
	int r = start_thread(n, keep, &n->keeper);

	if (r < 0)
		return r;
	r = start_thread(n, run, &n->thread);
	if (r < 0) {
		finish(n);
		pthread_join(n->keeper, NULL);
	}
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
	n->outbox = (struct outbox){ .shared = s, .spool = spool };
	n->memory_max = config->budgets.memory;
	n->round_ns = monotonic_ns();
	naming_budget_start(&n->budget, n->round_ns);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, NULL);
	r = naming_open(&opt, &n->naming);
	if (r < 0)
		return r;
	outbox_recover(&n->outbox, &(struct outbox_rules){ config, 1 });
	r = start_threads(n);
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
	pthread_cond_broadcast(&n->changed);
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
	finish(n);
	pthread_join(n->keeper, NULL);
	pthread_join(n->thread, NULL);
}

void namer_free(struct namer *n)
{
	if (!n)
		return;
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
