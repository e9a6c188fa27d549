/* SPDX-License-Identifier: Apache-2.0 */
#include "truth.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work.h"

#define BLOCK_SPANS 8192

/* Filled front to back; its pages are there before the first span is written to it. */
struct block {
	struct block *next;
	unsigned int used;
	struct truth_span spans[BLOCK_SPANS];
};

struct thread {
	struct thread *next;
	pid_t tid;
	uint64_t start, end, cpu_ns;
	uint64_t random;
	uint64_t outside[TRUTH_FUNCTIONS_MAX];
	struct block *first, *last;
};

static struct {
	const char *program, *unit;
	const char *const *names;
	uint64_t seed, start;
	pthread_mutex_t lock;
	struct thread *threads;
	unsigned int n_threads;
} truth = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread struct thread *self;
static volatile sig_atomic_t stopped;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

bool truth_stopped(void)
{
	return stopped;
}

void truth_init(const char *program, const char *unit, const char *const *names, uint64_t seed)
{
	struct sigaction sa = { .sa_handler = on_signal };

	truth.program = program;
	truth.unit = unit;
	truth.names = names;
	truth.seed = seed;
	truth.start = clock_ns(CLOCK_MONOTONIC);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
}

/* --- while it runs ------------------------------------------------------------------------- */

static struct block *block_new(void)
{
	struct block *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (b == MAP_FAILED)
		die("mmap");
	return b;
}

void truth_thread_begin(enum otel_style style)
{
	self = calloc(1, sizeof(*self));
	if (!self || otel_thread_init(style) < 0)
		die("truth_thread_begin");

	self->tid = (pid_t)syscall(SYS_gettid);
	self->first = self->last = block_new();
	self->start = clock_ns(CLOCK_MONOTONIC);

	pthread_mutex_lock(&truth.lock);
	self->random = truth.seed + 0x632be59bd9b4e019u * ++truth.n_threads;
	self->next = truth.threads;
	truth.threads = self;
	pthread_mutex_unlock(&truth.lock);
}

void truth_thread_end(void)
{
	self->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	self->end = clock_ns(CLOCK_MONOTONIC);
	otel_thread_exit();
}

static void random_bytes(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t r = work_random(&self->random);

		memcpy(p + i, &r, 8);
	}
}

void truth_trace_id(uint8_t ret[16])
{
	random_bytes(ret, 16);
}

void truth_span_begin(struct truth_span *s, const char *name, const uint8_t trace_id[16],
		      const uint8_t *parent_id)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->trace_id, trace_id, sizeof(s->trace_id));
	random_bytes(s->span_id, sizeof(s->span_id));
	if (parent_id)
		memcpy(s->parent_id, parent_id, sizeof(s->parent_id));
	s->name = name;

	s->outer_start = clock_ns(CLOCK_MONOTONIC);
	otel_thread_attach(s->trace_id, s->span_id, name);
	s->inner_start = clock_ns(CLOCK_MONOTONIC);
	s->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void truth_span_end(struct truth_span *s)
{
	struct block *b = self->last;

	s->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - s->cpu_ns;
	s->inner_end = clock_ns(CLOCK_MONOTONIC);
	otel_thread_detach();
	s->outer_end = clock_ns(CLOCK_MONOTONIC);

	if (b->used == BLOCK_SPANS) {
		b->next = block_new();
		b = self->last = b->next;
	}
	b->spans[b->used++] = *s;
}

void truth_work(struct truth_span *s, unsigned int index, uint64_t amount)
{
	(s ? s->work : self->outside)[index] += amount;
}

/* --- at the end ---------------------------------------------------------------------------- */

static void write_id(FILE *f, const char *key, const uint8_t *id, size_t len)
{
	fprintf(f, ",\"%s\":\"", key);
	for (size_t i = 0; i < len; i++)
		fprintf(f, "%02x", id[i]);
	fputc('"', f);
}

static void write_work(FILE *f, const uint64_t *work)
{
	fputs(",\"work\":{", f);
	for (unsigned int i = 0, n = 0; truth.names[i]; i++) {
		if (work[i])
			fprintf(f, "%s\"%s\":%" PRIu64, n++ ? "," : "", truth.names[i], work[i]);
	}
	fputs("}}\n", f);
}

static void write_span(FILE *f, const struct truth_span *s, pid_t tid)
{
	fprintf(f, "{\"type\":\"span\",\"name\":\"%s\",\"tid\":%d", s->name, tid);
	write_id(f, "span_id", s->span_id, sizeof(s->span_id));
	write_id(f, "trace_id", s->trace_id, sizeof(s->trace_id));
	write_id(f, "parent_id", s->parent_id, sizeof(s->parent_id));
	fprintf(f, ",\"outer_start\":%" PRIu64 ",\"inner_start\":%" PRIu64, s->outer_start,
		s->inner_start);
	fprintf(f, ",\"inner_end\":%" PRIu64 ",\"outer_end\":%" PRIu64 ",\"cpu_ns\":%" PRIu64,
		s->inner_end, s->outer_end, s->cpu_ns);
	write_work(f, s->work);
}

static void write_thread(FILE *f, const struct thread *t)
{
	for (const struct block *b = t->first; b; b = b->next) {
		for (unsigned int i = 0; i < b->used; i++)
			write_span(f, &b->spans[i], t->tid);
	}

	fprintf(f,
		"{\"type\":\"thread\",\"tid\":%d,\"start\":%" PRIu64 ",\"end\":%" PRIu64
		",\"cpu_ns\":%" PRIu64,
		t->tid, t->start, t->end, t->cpu_ns);
	write_work(f, t->outside);
}

int truth_write(const char *path)
{
	FILE *f = fopen(path, "we");
	int r;

	if (!f)
		return -errno;

	for (const struct thread *t = truth.threads; t; t = t->next)
		write_thread(f, t);

	/* Last, so that its CPU time has the writing of all that in it. */
	fprintf(f,
		"{\"type\":\"process\",\"program\":\"%s\",\"pid\":%d,\"unit\":\"%s\","
		"\"start\":%" PRIu64 ",\"end\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 "}\n",
		truth.program, getpid(), truth.unit, truth.start, clock_ns(CLOCK_MONOTONIC),
		clock_ns(CLOCK_PROCESS_CPUTIME_ID));

	r = ferror(f) ? -EIO : 0;
	return fclose(f) == 0 ? r : -errno;
}
