/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose split over functions and spans is known.
 *
 *   split [--threads N] [--cpu-seconds S] [--span-us LIST] [--shares LIST] [--outside PERCENT]
 *         [--writer swap|valid] [--seed N] [--warm-up-ms MS] [--fork 1] [--log FILE]
 *         [--local-root 1] [--republish-ms MS [--tenant NAME]]
 *
 * It ends when all threads together have worked for --cpu-seconds (5): a busy machine takes longer,
 * it does not make the work less. Each thread goes from span to span. A span of kind "ascending"
 * splits its work over the stages by --shares, one of kind "descending" in the reverse order; its
 * length is one of --span-us (of CPU time, ± 25 %), each of which gets the same share of CPU.
 * Between spans it works in idle_chatter(). Work is counted in steps that cost the same in every
 * stage: the log tells shares, not estimates.
 *
 * --local-root: all spans of a thread have one parent, which they publish as their local root.
 * --republish-ms: so long after the threads were started another process context is published, and
 * its time written to the standard output; spans from then on have NAME as an attribute "tenant",
 * whose key only that context has.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "otel_ctx.h"
#include "truth.h"
#include "work.h"

#define STAGES	    4
#define OUTSIDE	    STAGES /* index of idle_chatter() */
#define LENGTHS_MAX 8
#define ROUND_NS    5000000 /* longer spans do all stages again and again */

#define FORK_SETTLE_US 100000 /* until a profiler has seen the child */

enum kind {
	KIND_ASCENDING,
	KIND_DESCENDING,
};

struct split {
	unsigned int threads;
	uint64_t budget_ns; /* CPU time of all threads, by counted steps */
	uint64_t spent_ns;
	uint64_t lengths_us[LENGTHS_MAX];
	unsigned int n_lengths;
	uint64_t shares[STAGES];
	uint64_t shares_sum;
	uint64_t outside_percent;
	uint64_t seed;
	enum otel_style style;
	bool local_root;
	double republish_ms; /* 0: never */
	const char *tenant;
	bool republished;
	pthread_barrier_t ready;
};

static const char *const function_names[] = { "stage_parse",  "stage_match",  "stage_price",
					      "stage_render", "idle_chatter", NULL };
static const char *const kind_names[] = { "ascending", "descending" };
static struct split split;
static volatile uint64_t sink;

WORK_FUNCTION static void stage_parse(uint64_t steps)
{
	sink = work_chain(1, steps);
}

WORK_FUNCTION static void stage_match(uint64_t steps)
{
	sink = work_chain(2, steps);
}

WORK_FUNCTION static void stage_price(uint64_t steps)
{
	sink = work_chain(3, steps);
}

WORK_FUNCTION static void stage_render(uint64_t steps)
{
	sink = work_chain(4, steps);
}

WORK_FUNCTION static void idle_chatter(uint64_t steps)
{
	sink = work_chain(5, steps);
}

static void (*const stages[STAGES])(uint64_t) = { stage_parse, stage_match, stage_price,
						  stage_render };

static bool time_is_up(void)
{
	return truth_stopped() ||
	       __atomic_load_n(&split.spent_ns, __ATOMIC_RELAXED) >= split.budget_ns;
}

static void pay(uint64_t ns)
{
	__atomic_fetch_add(&split.spent_ns, ns, __ATOMIC_RELAXED);
}

/* All stages once, from a random one on, so that none keeps step with the sampling clock. */
WORK_FUNCTION static void do_round(struct truth_span *s, enum kind kind, uint64_t ns,
				   unsigned int first)
{
	for (unsigned int i = 0; i < STAGES; i++) {
		unsigned int stage = (first + i) % STAGES;
		uint64_t share = split.shares[kind == KIND_ASCENDING ? stage : STAGES - 1 - stage];
		uint64_t steps = work_steps(ns) * share / split.shares_sum;

		stages[stage](steps);
		truth_work(s, stage, steps);
	}
}

/*
 * Spends @ns in one span below @parent (NULL: none) and returns what was spent: less if the time is
 * up.
 */
WORK_FUNCTION static uint64_t do_span(enum kind kind, uint64_t ns, const uint8_t *parent,
				      uint64_t *random)
{
	struct truth_span s;
	uint8_t trace_id[16];
	uint64_t spent = 0;

	truth_trace_id(trace_id);
	truth_span_begin(&s, kind_names[kind], trace_id, parent);
	while (spent < ns && !(spent && time_is_up())) {
		uint64_t part = ns - spent < ROUND_NS ? ns - spent : ROUND_NS;

		do_round(&s, kind, part, work_random(random) % STAGES);
		spent += part;
		pay(part);
	}
	truth_span_end(&s);
	return spent;
}

WORK_FUNCTION static void do_outside(uint64_t inside_ns)
{
	uint64_t percent = split.outside_percent;
	uint64_t ns = inside_ns * percent / (100 - percent);
	uint64_t steps = work_steps(ns);

	idle_chatter(steps);
	pay(ns);
	truth_work(NULL, OUTSIDE, steps);
}

/* The length that has had the least CPU time so far. */
static unsigned int next_length(const uint64_t *spent)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < split.n_lengths; i++) {
		if (spent[i] < spent[best])
			best = i;
	}
	return best;
}

static void publish_root(uint8_t id[16])
{
	char text[17];

	truth_trace_id(id);
	for (int i = 0; i < 8; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	otel_thread_second(1, text);
}

static void *worker_main(void *arg)
{
	uint64_t random = split.seed ^ (uintptr_t)arg << 32;
	uint64_t spent[LENGTHS_MAX] = { 0 };
	uint8_t root[16];

	truth_thread_begin(split.style);
	if (split.local_root)
		publish_root(root);
	pthread_barrier_wait(&split.ready);
	while (!time_is_up()) {
		unsigned int length = next_length(spent);
		uint64_t ns = split.lengths_us[length] * (750 + work_random(&random) % 501);
		uint64_t done;

		if (split.tenant && __atomic_load_n(&split.republished, __ATOMIC_ACQUIRE))
			otel_thread_second(1, split.tenant);
		done = do_span(work_random(&random) & 1, ns, split.local_root ? root : NULL,
			       &random);
		spent[length] += done;
		do_outside(done);
	}
	truth_thread_end();
	return NULL;
}

static void options_read(char **argv)
{
	const char *writer = arg_string(argv, "writer", "swap");

	split.threads = (unsigned int)arg_number(argv, "threads", 2);
	split.n_lengths =
		arg_list(arg_string(argv, "span-us", "1000"), split.lengths_us, LENGTHS_MAX);
	split.outside_percent = (uint64_t)arg_number(argv, "outside", 10);
	split.budget_ns = (uint64_t)(arg_number(argv, "cpu-seconds", 5) * 1e9);
	split.seed = (uint64_t)arg_number(argv, "seed", 1);
	split.style = strcmp(writer, "valid") == 0 ? OTEL_FLIP_VALID : OTEL_SWAP_POINTER;
	split.local_root = arg_number(argv, "local-root", 0) != 0;
	split.republish_ms = arg_number(argv, "republish-ms", 0);
	split.tenant = arg_string(argv, "tenant", NULL);
	arg_list(arg_string(argv, "shares", "10,20,30,40"), split.shares, STAGES);
	for (int i = 0; i < STAGES; i++)
		split.shares_sum += split.shares[i];

	if (!split.threads || !split.n_lengths || split.outside_percent > 99 || !split.shares_sum) {
		fprintf(stderr, "split: threads, lengths and shares must not be 0\n");
		exit(2);
	}
}

/* A writer that is opened later has it published then. */
static void publish(const char *service, const char *version, const char *second_key)
{
	static const char *keys[] = { "span.name", NULL, NULL };
	static struct otel_process process = {
		.schema_version = OTEL_SCHEMA_NATIVE,
		.key_map = keys,
	};

	process.service_name = service;
	process.service_version = version;
	keys[1] = second_key;
	if (otel_process_publish(&process) < 0)
		exit(1);
}

static void republish(void)
{
	uint64_t now;

	warm_up(split.republish_ms);
	now = clock_ns(CLOCK_MONOTONIC);
	publish("split-again", "2", split.tenant ? "tenant" : NULL);
	__atomic_store_n(&split.republished, true, __ATOMIC_RELEASE);
	printf("republished at %" PRIu64 "\n", now);
}

static void run_threads(void)
{
	pthread_t *threads = calloc(split.threads, sizeof(*threads));

	if (!threads)
		exit(1);

	pthread_barrier_init(&split.ready, NULL, split.threads);
	for (uintptr_t i = 0; i < split.threads; i++) {
		if (pthread_create(&threads[i], NULL, worker_main, (void *)i) != 0)
			exit(1);
	}
	if (split.republish_ms > 0)
		republish();
	for (unsigned int i = 0; i < split.threads; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

/* As servers do that fork a worker for the work: it publishes nothing of its own. */
static void go_on_in_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		exit(1);
	if (pid > 0) {
		if (waitpid(pid, &status, 0) != pid)
			exit(1);
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	usleep(FORK_SETTLE_US);
}

int main(int argc, char **argv)
{
	const char *log;

	(void)argc;
	options_read(argv);
	log = arg_string(argv, "log", NULL);
	truth_init("split", "steps", function_names, split.seed);
	work_calibrate();
	publish("split", "1", split.local_root ? "datadog.local_root_span_id" : NULL);
	warm_up(arg_number(argv, "warm-up-ms", 0));
	if (arg_number(argv, "fork", 0) != 0)
		go_on_in_child();
	run_threads();
	return log && truth_write(log) < 0;
}
