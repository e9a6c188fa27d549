/* SPDX-License-Identifier: Apache-2.0 */
#include "export/delivery.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/vec.h"
#include "export/endpoint.h"
#include "export/endpoint_copy.h"
#include "export/endpoint_equal.h"
#include "export/spool_queue.h"

#define STACK_SIZE	(512 * 1024)
#define BACKOFF_MS	1000ULL
#define BACKOFF_SLOW_MS (60 * 1000ULL)
#define BACKOFF_MAX_MS	(5 * 60 * 1000ULL)
#define RETRY_AFTER_MAX 3600
#define STUBBORN	5	       /* tries */
#define LOOK_MS		(30 * 1000ULL) /* without being woken */
#define BEAT_MS		1000ULL

struct courier {
	struct endpoint_options opt; /* a copy, in: */
	struct arena memory;
	struct delivery *delivery;
	struct delivery_stats *stats;
	pthread_t thread;
	struct endpoint_stop stop;
	unsigned seen; /* of delivery.wakes */
	unsigned failures;
	uint64_t outage_ns; /* CLOCK_REALTIME: began so; 0: nothing had to wait, or all is gone */
	uint64_t replayed;  /* of what had to */
	char failed[VERDICT_MESSAGE_MAX]; /* the words of the outage that were told last */
	char said[VERDICT_MESSAGE_MAX];	  /* likewise of what was taken; "": nothing */
	atomic_bool idle;		  /* its queue was empty, or it waits */
	atomic_bool fails;		  /* what was tried last did not work */
	uint64_t stubborn; /* number of the profile that the last failures were about */
	unsigned stubbornness;
	uint64_t postponed; /* the highest number of one that others went before */
};

struct couriers {
	VEC(struct courier *) all;
};

struct delivery {
	struct delivery_options opt;
	char *spool_dir; /* our own, which it names */
	struct couriers couriers;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	unsigned wakes;
};

/* --- one endpoint ----------------------------------------------------------------------------- */

static void tell(struct courier *c, enum delivery_change change, const char *message)
{
	struct delivery_event event = {
		.change = change,
		.endpoint = c->opt.name,
		.since_ns = c->outage_ns,
		.replayed = c->replayed,
		.message = message,
	};

	if (c->delivery->opt.on_event)
		c->delivery->opt.on_event(&event, c->delivery->opt.arg);
}

static bool stopped(struct courier *c)
{
	return atomic_load(&c->stop.asked) != 0;
}

static struct timespec in_ms(uint64_t ms)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;

	return (struct timespec){ end / NSEC_PER_SEC, end % NSEC_PER_SEC };
}

/* True if it was woken by something new. */
static bool wait_step(struct courier *c, uint64_t ms)
{
	struct delivery *d = c->delivery;
	struct timespec end = in_ms(ms < BEAT_MS ? ms : BEAT_MS);
	bool woken;
	int r = 0;

	delivery_stats_set(c->stats, heartbeat_ns, monotonic_ns());
	pthread_mutex_lock(&d->lock);
	while (c->seen == d->wakes && !stopped(c) && r == 0)
		r = pthread_cond_timedwait(&d->woken, &d->lock, &end);
	woken = c->seen != d->wakes;
	c->seen = d->wakes;
	pthread_mutex_unlock(&d->lock);
	return woken;
}

/* Until @ms have passed or it is stopped; with @for_news, or something new is there. */
static void wait_ms(struct courier *c, struct spool_queue *q, uint64_t ms, bool for_news)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC, now;

	while (!stopped(c) && (now = monotonic_ns()) < end) {
		if (!wait_step(c, (end - now) / NSEC_PER_MSEC + 1))
			continue;
		if (for_news)
			return;
		if (q)
			spool_queue_look(q); /* numbers of the queue stay true while it waits */
	}
}

/* Give or take a quarter: not all agents of a cluster at once. */
static uint64_t jitter(uint64_t ms)
{
	uint32_t random = 0;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return ms - ms / 4 + random % (ms / 2 + 1);
}

static uint64_t backoff_ms(const struct courier *c, const struct verdict_detail *v)
{
	uint64_t ms = v->verdict == VERDICT_HOPELESS ? BACKOFF_SLOW_MS : BACKOFF_MS;
	uint64_t wish = v->retry_after_s > 0 ? v->retry_after_s : 0;

	for (unsigned i = 1; i < c->failures && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	ms = jitter(ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS);
	wish = (wish < RETRY_AFTER_MAX ? wish : RETRY_AFTER_MAX) * 1000;
	return ms < wish ? wish : ms;
}

/* Numbers, such as times, do not make other words of them. */
static bool same_words(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, "0123456789");
		b += strspn(b, "0123456789");
		if (*a != *b)
			return false;
		if (!*a)
			return true;
	}
}

/* True: it says something else than what was told last, which it is from now on. */
static bool is_news(char told[VERDICT_MESSAGE_MAX], const char *message)
{
	if (same_words(told, message))
		return false;
	snprintf(told, VERDICT_MESSAGE_MAX, "%s", message);
	return true;
}

static void set_failing(struct courier *c, const char *message)
{
	delivery_stats_set_error(c->stats, message);
	if (c->failures++)
		return;
	delivery_stats_set(c->stats, failing_since_ns, realtime_ns());
	delivery_stats_set(c->stats, state, DELIVERY_FAILING);
}

static void set_active(struct courier *c)
{
	c->failures = 0;
	delivery_stats_set(c->stats, failing_since_ns, 0);
	delivery_stats_set(c->stats, state, DELIVERY_ACTIVE);
}

static void note_failure(struct courier *c, const char *message)
{
	bool news = is_news(c->failed, message);

	atomic_store(&c->fails, true);
	set_failing(c, message);
	if (!c->outage_ns) {
		c->outage_ns = realtime_ns();
		c->replayed = 0;
	} else if (!news) {
		return;
	}
	tell(c, DELIVERY_EVENT_FAILING, message);
}

/* The outage is over when what had to wait is gone, and not because it has expired. */
static void note_recovery(struct courier *c)
{
	if (!c->outage_ns || atomic_load(&c->fails))
		return;
	tell(c, DELIVERY_EVENT_RECOVERED, "");
	c->outage_ns = 0;
	*c->failed = '\0';
}

static void note_success(struct courier *c, const struct verdict_detail *v)
{
	atomic_store(&c->fails, false);
	c->replayed++;
	set_active(c);
	if (*v->message)
		delivery_stats_set_error(c->stats, v->message);
	if (is_news(c->said, v->message) && *v->message)
		tell(c, v->refused ? DELIVERY_EVENT_REFUSED : DELIVERY_EVENT_WARNED, v->message);
}

/*
 * Again and again it is the same one that fails: perhaps others fare better. After that it has one
 * try each time that there is no other one.
 */
static bool is_stubborn(struct courier *c, uint64_t seq)
{
	c->stubbornness = c->stubborn == seq ? c->stubbornness + 1 : 1;
	c->stubborn = seq;
	if (c->stubbornness > STUBBORN && seq > c->postponed)
		c->postponed = seq;
	return seq <= c->postponed;
}

/* Until there is something to send again, a profile's memory is nobody's. */
static void rest(struct courier *c, struct spool_queue *q, uint64_t ms, bool for_news)
{
	atomic_store(&c->idle, true);
	memory_give_back();
	wait_ms(c, q, ms, for_news);
}

/* The entry is given back, whatever happens. Returns how long to wait before the next; 0: not. */
static uint64_t send_entry(struct courier *c, struct endpoint *e, struct spool_queue *q,
			   struct spool_entry *entry)
{
	struct verdict_detail v;
	int r = endpoint_send(e, q, entry, &c->stop, &v);

	if (r == -EBADMSG) {
		spool_queue_set_aside(q, entry);
		return 0;
	}
	if (r == 0 && v.verdict == VERDICT_TAKEN) {
		spool_queue_done(q, entry);
		note_success(c, &v);
		return 0;
	}
	if (r != -ECANCELED && is_stubborn(c, entry->name.seq))
		spool_queue_postpone(q, entry);
	else
		spool_queue_release(q, entry);
	if (r == -ECANCELED)
		return 0;
	note_failure(c, r < 0 ? strerror(-r) : v.message);
	return backoff_ms(c, &v);
}

static void serve(struct courier *c, struct endpoint *e, struct spool_queue *q)
{
	while (!stopped(c)) {
		struct spool_entry entry;
		int r = spool_queue_take(q, &entry);
		uint64_t wait = r == 0 ? send_entry(c, e, q, &entry) : LOOK_MS;

		delivery_stats_set(c->stats, heartbeat_ns, monotonic_ns());
		if (r == -ENOENT)
			note_recovery(c);
		else if (r < 0)
			note_failure(c, strerror(-r));
		if (wait)
			rest(c, q, wait, r != 0);
		atomic_store(&c->idle, false);
	}
}

/* The queue is another process's, or the disk is away: perhaps not for ever. */
static int prepare(struct courier *c, struct endpoint **ret_e, struct spool_queue **ret_q)
{
	char message[256] = "";
	int r = 0;

	if (!*ret_e)
		r = endpoint_new(&c->opt, c->stats, ret_e, message, sizeof(message));
	if (r >= 0)
		r = spool_queue_open(c->delivery->opt.spool_dir, c->opt.name, c->stats, ret_q);
	atomic_store(&c->idle, r < 0);
	if (r >= 0) {
		set_active(c);
		return 0;
	}
	if (!*message)
		snprintf(message, sizeof(message), "it cannot be used: %s", strerror(-r));
	if (is_news(c->failed, message))
		tell(c, DELIVERY_EVENT_UNUSABLE, message);
	set_failing(c, message);
	return r;
}

static void *run(void *arg)
{
	struct courier *c = arg;
	CLEANUP(endpoint_freep) struct endpoint *e = NULL;
	CLEANUP(spool_queue_closep) struct spool_queue *q = NULL;

	while (!stopped(c) && prepare(c, &e, &q) < 0)
		wait_ms(c, NULL, BACKOFF_MS, false);
	if (q)
		serve(c, e, q);
	atomic_store(&c->idle, true);
	return NULL;
}

/* --- all of them ------------------------------------------------------------------------------ */

int delivery_new(const struct delivery_options *opt, struct delivery **ret)
{
	struct delivery *d = calloc(1, sizeof(*d));
	pthread_condattr_t attr;

	if (!d)
		return -ENOMEM;
	d->opt = *opt;
	d->spool_dir = strdup(opt->spool_dir);
	if (!d->spool_dir) {
		free(d);
		return -ENOMEM;
	}
	d->opt.spool_dir = d->spool_dir;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->woken, &attr);
	pthread_condattr_destroy(&attr);
	*ret = d;
	return 0;
}

void delivery_wake(struct delivery *d)
{
	pthread_mutex_lock(&d->lock);
	d->wakes++;
	pthread_cond_broadcast(&d->woken);
	pthread_mutex_unlock(&d->lock);
}

static void courier_free(struct courier *c)
{
	if (!c)
		return;
	arena_clear(&c->memory);
	free(c);
}
DEFINE_CLEANUP(struct courier *, courier_free)

static int start(struct delivery *d, const struct endpoint_options *opt, struct courier **ret)
{
	CLEANUP(courier_freep) struct courier *c = calloc(1, sizeof(*c));
	pthread_attr_t attr;
	int r;

	if (!c)
		return -ENOMEM;
	r = endpoint_options_copy(&c->memory, opt, &c->opt);
	if (r < 0)
		return r;
	c->delivery = d;
	c->seen = d->wakes;
	c->stats = delivery_stats_of(d->opt.stats, d->opt.n_stats, opt->name);
	if (!c->stats)
		return -EINVAL;
	delivery_stats_set(c->stats, type, opt->type);
	delivery_stats_set(c->stats, state, DELIVERY_ACTIVE);
	delivery_stats_set(c->stats, failing_since_ns, 0);
	delivery_stats_set(c->stats, heartbeat_ns, monotonic_ns());
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = -pthread_create(&c->thread, &attr, run, c);
	pthread_attr_destroy(&attr);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

static void join(struct courier *c)
{
	pthread_join(c->thread, NULL);
	delivery_stats_remove(c->stats);
	courier_free(c);
}

static void wait_a_moment(void)
{
	const struct timespec step = { .tv_nsec = 20 * NSEC_PER_MSEC };

	nanosleep(&step, NULL);
}

static bool has_twins(const struct endpoint_options *set, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (strcmp(set[i].name, set[k].name) == 0)
				return true;
	return false;
}

static const struct endpoint_options *find_equal(const struct endpoint_options *set, size_t n,
						 const struct endpoint_options *opt)
{
	for (size_t i = 0; i < n; i++)
		if (endpoint_options_equal(&set[i], opt))
			return &set[i];
	return NULL;
}

static struct courier *find_courier(const struct delivery *d, const char *name)
{
	for (size_t i = 0; i < d->couriers.all.n; i++)
		if (strcmp(d->couriers.all.data[i]->opt.name, name) == 0)
			return d->couriers.all.data[i];
	return NULL;
}

/* One that was asked to stop and has no request under way begins none, so that it is idle. */
static bool all_at_rest(const struct delivery *d)
{
	for (size_t i = 0; i < d->couriers.all.n; i++)
		if (stopped(d->couriers.all.data[i]) &&
		    !atomic_load(&d->couriers.all.data[i]->idle))
			return false;
	return true;
}

/* All are asked first, as each may take its time. */
static void ask_others_to_stop(struct delivery *d, const struct endpoint_options *set, size_t n,
			       unsigned grace_ms)
{
	uint64_t end = monotonic_ns() + grace_ms * NSEC_PER_MSEC;

	for (size_t i = 0; i < d->couriers.all.n; i++)
		if (!find_equal(set, n, &d->couriers.all.data[i]->opt))
			atomic_store(&d->couriers.all.data[i]->stop.asked, 1);
	delivery_wake(d);
	while (!all_at_rest(d) && monotonic_ns() < end)
		wait_a_moment();
	for (size_t i = 0; i < d->couriers.all.n; i++)
		if (stopped(d->couriers.all.data[i]))
			atomic_store(&d->couriers.all.data[i]->stop.now, 1);
}

/* Those that are not in the new set as they are. */
static void stop_others(struct delivery *d, const struct endpoint_options *set, size_t n,
			unsigned grace_ms)
{
	size_t kept = 0;

	ask_others_to_stop(d, set, n, grace_ms);
	for (size_t i = 0; i < d->couriers.all.n; i++) {
		struct courier *c = d->couriers.all.data[i];

		if (stopped(c))
			join(c);
		else
			d->couriers.all.data[kept++] = c;
	}
	d->couriers.all.n = kept;
}

int delivery_set(struct delivery *d, const struct endpoint_options *set, size_t n)
{
	int first = 0;

	if (has_twins(set, n))
		return -EINVAL;
	stop_others(d, set, n, DELIVERY_GRACE_MS);
	for (size_t i = 0; i < n; i++) {
		struct courier *c = find_courier(d, set[i].name);
		int r = c ? 0 : vec_reserve(&d->couriers.all, 1);

		if (r == 0 && !c)
			r = start(d, &set[i], &c);
		if (r == 0 && !find_courier(d, set[i].name))
			d->couriers.all.data[d->couriers.all.n++] = c;
		if (first == 0)
			first = r;
	}
	return first;
}

static bool is_idle(struct courier *c)
{
	return atomic_load(&c->idle) || atomic_load(&c->fails);
}

static bool all_idle(const struct delivery *d)
{
	for (size_t i = 0; i < d->couriers.all.n; i++)
		if (!is_idle(d->couriers.all.data[i]))
			return false;
	return true;
}

static void flush(struct delivery *d, unsigned ms)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;

	if (!ms)
		return;
	for (size_t i = 0; i < d->couriers.all.n; i++)
		atomic_store(&d->couriers.all.data[i]->idle, false);
	delivery_wake(d);
	while (monotonic_ns() < end && !all_idle(d))
		wait_a_moment();
}

void delivery_stop(struct delivery *d, unsigned flush_ms, unsigned grace_ms)
{
	if (!d)
		return;

	flush(d, flush_ms);
	stop_others(d, NULL, 0, grace_ms);
	vec_free(&d->couriers.all);
	pthread_cond_destroy(&d->woken);
	pthread_mutex_destroy(&d->lock);
	free(d->spool_dir);
	free(d);
}
