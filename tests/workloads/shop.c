/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo: a small shop, slow for a reason that the profile is to show.
 *
 *   shop [--seconds S] [--requests-per-second R] [--threads N] [--log FILE]
 *
 * A request is one trace over three threads: a front-end thread has the span `checkout` and hands
 * `cart` and `payment` to workers. All pay in CPU time, but what makes payment slow is
 * validate_third_party(): it verifies a chain of certificates again for every request, and waits
 * for an answer in between.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "otel_ctx.h"
#include "truth.h"
#include "work.h"

#define MS		 1000000ull
#define CERTIFICATES	 3
#define VALIDATION_STEPS 10 /* per certificate, each 5 ms of CPU and 3.3 ms of waiting */
#define WAIT_TOTAL_MS	 100
#define ITEMS		 12
#define THREADS_MAX	 64
#define QUEUE_SIZE	 256

/* CPU time of a request. What a function's callees spend counts for it. */
#define PARSE_NS    (3 * MS)
#define RENDER_NS   (4 * MS)
#define CART_NS	    (60 * MS)
#define SIGN_NS	    (25 * MS)
#define VALIDATE_NS (150 * MS)

enum function {
	FN_PARSE,
	FN_RENDER,
	FN_CART,
	FN_SIGN,
	FN_VALIDATE,
};

static const char *const function_names[] = { "parse_request", "render_receipt",       "price_cart",
					      "sign_request",  "validate_third_party", NULL };

struct request {
	uint8_t trace_id[16];
	uint8_t checkout_id[8];
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned int open; /* jobs that have not ended */
};

struct job {
	void (*run)(struct request *);
	struct request *request;
};

/* Jobs of the workers. A NULL job is the end. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job jobs[QUEUE_SIZE];
	unsigned int head, used;
	bool closed;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* When the next request comes, for all front-end threads together. */
static struct {
	pthread_mutex_t lock;
	uint64_t next_ns, interval_ns, deadline_ns;
	unsigned int served;
} arrivals = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- queue --------------------------------------------------------------------------------- */

static void queue_push(struct job job)
{
	pthread_mutex_lock(&queue.lock);
	while (queue.used == QUEUE_SIZE)
		pthread_cond_wait(&queue.changed, &queue.lock);
	queue.jobs[(queue.head + queue.used++) % QUEUE_SIZE] = job;
	pthread_cond_broadcast(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
}

/* False when the shop is closed and all is done. */
static bool queue_pop(struct job *ret)
{
	bool got;

	pthread_mutex_lock(&queue.lock);
	while (!queue.used && !queue.closed)
		pthread_cond_wait(&queue.changed, &queue.lock);
	got = queue.used > 0;
	if (got) {
		*ret = queue.jobs[queue.head];
		queue.head = (queue.head + 1) % QUEUE_SIZE;
		queue.used--;
		pthread_cond_broadcast(&queue.changed);
	}
	pthread_mutex_unlock(&queue.lock);
	return got;
}

static void queue_close(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.closed = true;
	pthread_cond_broadcast(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
}

/* --- cart ---------------------------------------------------------------------------------- */

WORK_FUNCTION static uint64_t apply_discounts(uint64_t ns)
{
	return work_spend(ns);
}

/* A quarter of it in apply_discounts(), the rest its own. */
WORK_FUNCTION static uint64_t price_cart(void)
{
	uint64_t spent = 0;

	for (int i = 0; i < ITEMS; i++) {
		spent += work_spend(CART_NS / ITEMS * 3 / 4);
		spent += apply_discounts(CART_NS / ITEMS / 4);
	}
	return spent;
}

WORK_FUNCTION static void cart(struct request *r)
{
	struct truth_span s;

	truth_span_begin(&s, "cart", r->trace_id, r->checkout_id);
	truth_work(&s, FN_CART, price_cart());
	truth_span_end(&s);
}

/* --- payment ------------------------------------------------------------------------------- */

WORK_FUNCTION static uint64_t modexp(uint64_t ns)
{
	return work_spend(ns);
}

WORK_FUNCTION static uint64_t hmac_block(uint64_t ns)
{
	return work_spend(ns);
}

WORK_FUNCTION static uint64_t sign_request(void)
{
	uint64_t spent = work_spend(SIGN_NS / 5);

	return spent + hmac_block(SIGN_NS - SIGN_NS / 5);
}

/* The other side takes its time. */
WORK_FUNCTION static void await_answer(void)
{
	static unsigned int calls;
	const unsigned int n = CERTIFICATES * VALIDATION_STEPS;
	unsigned int i = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % n;

	/* Whole milliseconds that add up to the total. */
	poll(NULL, 0, (int)(WAIT_TOTAL_MS * (i + 1) / n - WAIT_TOTAL_MS * i / n));
}

WORK_FUNCTION static uint64_t verify_chain(void)
{
	uint64_t spent = 0;

	for (int i = 0; i < VALIDATION_STEPS; i++) {
		spent += modexp(VALIDATE_NS / CERTIFICATES / VALIDATION_STEPS);
		await_answer();
	}
	return spent;
}

WORK_FUNCTION static uint64_t validate_third_party(void)
{
	uint64_t spent = 0;

	for (int i = 0; i < CERTIFICATES; i++)
		spent += verify_chain();
	return spent;
}

WORK_FUNCTION static void payment(struct request *r)
{
	struct truth_span s;

	truth_span_begin(&s, "payment", r->trace_id, r->checkout_id);
	truth_work(&s, FN_SIGN, sign_request());
	truth_work(&s, FN_VALIDATE, validate_third_party());
	truth_span_end(&s);
}

/* --- checkout ------------------------------------------------------------------------------ */

WORK_FUNCTION static uint64_t parse_request(void)
{
	return work_spend(PARSE_NS);
}

WORK_FUNCTION static uint64_t render_receipt(void)
{
	return work_spend(RENDER_NS);
}

static void request_wait(struct request *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->open)
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

WORK_FUNCTION static void checkout(void)
{
	struct request r = { .lock = PTHREAD_MUTEX_INITIALIZER,
			     .done = PTHREAD_COND_INITIALIZER,
			     .open = 2 };
	struct truth_span s;

	truth_trace_id(r.trace_id);
	truth_span_begin(&s, "checkout", r.trace_id, NULL);
	memcpy(r.checkout_id, s.span_id, sizeof(r.checkout_id));
	truth_work(&s, FN_PARSE, parse_request());
	queue_push((struct job){ cart, &r });
	queue_push((struct job){ payment, &r });
	request_wait(&r);
	truth_work(&s, FN_RENDER, render_receipt());
	truth_span_end(&s);
}

/* --- threads ------------------------------------------------------------------------------- */

static void *worker_main(void *arg)
{
	struct job job;

	(void)arg;
	pthread_setname_np(pthread_self(), "shop-worker");
	truth_thread_begin(OTEL_SWAP_POINTER);
	while (queue_pop(&job)) {
		struct request *r = job.request;

		job.run(r);
		pthread_mutex_lock(&r->lock);
		r->open--;
		pthread_cond_signal(&r->done);
		pthread_mutex_unlock(&r->lock);
	}
	truth_thread_end();
	return NULL;
}

/* The time of the next request, or 0 when the shop closes before. */
static uint64_t next_arrival(void)
{
	uint64_t at, now = clock_ns(CLOCK_MONOTONIC);

	pthread_mutex_lock(&arrivals.lock);
	/* One that could not be served in time is not made up for: load stays what it is. */
	at = arrivals.next_ns > now ? arrivals.next_ns : now;
	arrivals.next_ns = at + arrivals.interval_ns;
	pthread_mutex_unlock(&arrivals.lock);
	return at < arrivals.deadline_ns ? at : 0;
}

/* False if the shop is closed before @at. */
static bool sleep_until(uint64_t at)
{
	while (!truth_stopped()) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		uint64_t ms = now < at ? (at - now + MS - 1) / MS : 0;

		if (!ms)
			return true;
		poll(NULL, 0, ms < 50 ? (int)ms : 50);
	}
	return false;
}

static void *frontend_main(void *arg)
{
	uint64_t at;

	(void)arg;
	pthread_setname_np(pthread_self(), "shop-frontend");
	truth_thread_begin(OTEL_FLIP_VALID);
	while ((at = next_arrival()) != 0 && sleep_until(at)) {
		checkout();
		__atomic_fetch_add(&arrivals.served, 1, __ATOMIC_RELAXED);
	}
	truth_thread_end();
	return NULL;
}

static void start(pthread_t *threads, unsigned int n, void *(*main_function)(void *))
{
	for (unsigned int i = 0; i < n; i++) {
		if (pthread_create(&threads[i], NULL, main_function, NULL) != 0) {
			perror("shop: pthread_create");
			exit(1);
		}
	}
}

static void join(const pthread_t *threads, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static int open_shop(void)
{
	static const char *const keys[] = { "span.name", NULL };
	struct otel_process process = {
		.service_name = "shop",
		.service_version = "1.0",
		.deployment_environment_name = "demo",
		.schema_version = OTEL_SCHEMA_NATIVE,
		.key_map = keys,
	};

	truth_init("shop", "ns", function_names, clock_ns(CLOCK_REALTIME));
	work_calibrate();
	return otel_process_publish(&process);
}

static void serve(unsigned int n, double seconds, double rate)
{
	pthread_t workers[THREADS_MAX], frontends[THREADS_MAX];

	arrivals.interval_ns = (uint64_t)(1e9 / rate);
	arrivals.next_ns = clock_ns(CLOCK_MONOTONIC);
	arrivals.deadline_ns = arrivals.next_ns + (uint64_t)(seconds * 1e9);
	start(workers, n, worker_main);
	start(frontends, n, frontend_main);
	join(frontends, n);
	queue_close();
	join(workers, n);
}

int main(int argc, char **argv)
{
	double seconds = arg_number(argv, "seconds", 10);
	double rate = arg_number(argv, "requests-per-second", 4);
	unsigned int n = (unsigned int)arg_number(argv, "threads", 4);
	const char *log = arg_string(argv, "log", NULL);
	int r;

	(void)argc;
	if (!n || n > THREADS_MAX || rate <= 0) {
		fprintf(stderr, "shop: 1 to %d threads, and a rate above 0\n", THREADS_MAX);
		return 2;
	}

	r = open_shop();
	if (r < 0) {
		fprintf(stderr, "shop: cannot publish process context: %s\n", strerror(-r));
		return 1;
	}

	printf("shop: open, pid %d\n", getpid());
	fflush(stdout);
	serve(n, seconds, rate);

	r = log ? truth_write(log) : 0;
	if (r < 0)
		fprintf(stderr, "shop: cannot write '%s': %s\n", log, strerror(-r));
	printf("shop: closed, %u requests served\n", arrivals.served);
	return r < 0;
}
