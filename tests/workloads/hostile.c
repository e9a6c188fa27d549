/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that publishes rubbish, in every way that a profiler must survive.
 *
 *   hostile --mode MODE [--cpu-seconds S]
 *
 * Ids come in two kinds. A good pair is one of which each part follows from the others (see
 * good_ids()): a torn mixture of two good pairs is not one. A bad pair has a trace id that starts
 * with ba d0 ba d0: it is only ever there while the record says that it must not be used.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "args.h"
#include "otel_ctx.h"
#include "truth.h"
#include "work.h"

#define PAGE		4096
#define DEEP_LEVELS	10000
#define BARRIER()	__asm__ volatile("" ::: "memory")
#define KERNEL_ADDRESS	0xffffffff81000000ull
#define NON_CANONICAL	0x4141414141414141ull
#define PAYLOAD_RUBBISH 300

static const char *const function_names[] = { "hostile", NULL };
static uint64_t budget_ns; /* of CPU time */
static volatile uint64_t sink;

static bool time_is_up(void)
{
	return truth_stopped() || clock_ns(CLOCK_PROCESS_CPUTIME_ID) >= budget_ns;
}

WORK_FUNCTION static void spin_a_while(void)
{
	sink = work_chain(sink, 20000);
}

static void spin_to_the_end(void)
{
	while (!time_is_up())
		spin_a_while();
}

/* --- ids ----------------------------------------------------------------------------------- */

/* span = trace[0..8) ^ 0x5a…, trace[8..16) = trace[0..8) ^ 0xa5…, all from @n. */
static void good_ids(struct otel_record *r, uint64_t n)
{
	uint64_t state = n, a = work_random(&state) | 1, b = a ^ 0xa5a5a5a5a5a5a5a5u,
		 span = a ^ 0x5a5a5a5a5a5a5a5au;

	memcpy(r->trace_id, &a, 8);
	memcpy(r->trace_id + 8, &b, 8);
	memcpy(r->span_id, &span, 8);
}

static void bad_ids(struct otel_record *r)
{
	static const uint8_t mark[4] = { 0xba, 0xd0, 0xba, 0xd0 };

	memset(r->trace_id, 0xee, sizeof(r->trace_id));
	memset(r->span_id, 0xee, sizeof(r->span_id));
	memcpy(r->trace_id, mark, sizeof(mark));
}

static void random_record(struct otel_record *r, uint64_t *state)
{
	for (size_t i = 0; i + 8 <= sizeof(*r); i += 8) {
		uint64_t x = work_random(state);

		memcpy((uint8_t *)r + i, &x, 8);
	}
}

/* --- thread context ------------------------------------------------------------------------ */

/* Rubbish, ever changing, in the thread's own record. */
static void mode_random_self(void)
{
	uint64_t state = 1;

	otel_thread_ctx_v1 = otel_thread_record();
	while (!time_is_up())
		random_record(otel_thread_record(), &state);
}

static void *scribbler_main(void *record)
{
	uint64_t state = 2;

	while (!time_is_up())
		random_record(record, &state);
	return NULL;
}

/* The same by another thread, which no rule of the specification allows. */
static void mode_random_other(void)
{
	pthread_t scribbler;

	otel_thread_ctx_v1 = otel_thread_record();
	if (pthread_create(&scribbler, NULL, scribbler_main, otel_thread_record()) != 0)
		exit(1);
	spin_to_the_end();
	pthread_join(scribbler, NULL);
}

/* Attributes as long as the length can say, in a record that ends where the memory does. */
static void mode_huge_attrs(void)
{
	uint8_t *p =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct otel_record *r =
		(struct otel_record *)(p + PAGE - offsetof(struct otel_record, attrs));

	munmap(p + PAGE, PAGE);
	bad_ids(r);
	r->valid = 1;
	r->attrs_size = 65535;
	otel_thread_ctx_v1 = r;
	spin_to_the_end();
}

static void point_at(uint64_t address)
{
	otel_thread_ctx_v1 = (struct otel_record *)(uintptr_t)address;
	BARRIER();
	for (int i = 0; i < 100; i++)
		spin_a_while();
}

/* Pointers that lead nowhere, half out of the memory, or into the kernel's. */
static void mode_unmapped(void)
{
	uint8_t *p =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(p, 0xee, PAGE);
	munmap(p + PAGE, PAGE);
	while (!time_is_up()) {
		point_at((uintptr_t)p + PAGE);
		point_at((uintptr_t)p + PAGE - 8);
		point_at(KERNEL_ADDRESS);
		point_at(NON_CANONICAL);
		point_at(1);
		point_at(UINT64_MAX);
	}
}

static void mode_prot_none(void)
{
	struct otel_record *r =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bad_ids(r);
	r->valid = 1;
	mprotect(r, PAGE, PROT_NONE);
	otel_thread_ctx_v1 = r;
	spin_to_the_end();
}

/*
 * A correct writer in a great hurry: ids change all the time, byte by byte, and are good whenever
 * the flag says so.
 */
static void mode_flicker(void)
{
	struct otel_record *r = otel_thread_record();
	volatile uint8_t *valid = &r->valid;

	otel_thread_ctx_v1 = r;
	for (uint64_t n = 1; n % 256 || !time_is_up(); n++) {
		*valid = n & 1 ? 0 : (uint8_t)(2 + n % 254);
		BARRIER();
		bad_ids(r);
		BARRIER();
		sink = work_chain(sink, 200);
		good_ids(r, n);
		BARRIER();
		*valid = 1;
		BARRIER();
		sink = work_chain(sink, 200);
	}
	*valid = 0;
}

/* Form against the rules: flag neither 0 nor 1, half of the ids zero. */
static void mode_malformed(void)
{
	struct otel_record *r = otel_thread_record();
	volatile uint8_t *valid = &r->valid;

	otel_thread_ctx_v1 = r;
	for (uint64_t n = 0; !time_is_up(); n++) {
		*valid = 0;
		BARRIER();
		bad_ids(r);
		if (n % 3 == 1)
			memset(r->span_id, 0, sizeof(r->span_id));
		if (n % 3 == 2)
			memset(r->trace_id, 0, sizeof(r->trace_id));
		BARRIER();
		*valid = n % 3 ? 1 : (uint8_t)(2 + n % 254);
		BARRIER();
		spin_a_while();
	}
	*valid = 0;
}

/* --- process context ----------------------------------------------------------------------- */

static void publish_raw(uint64_t payload, uint32_t size, uint64_t time_ns)
{
	if (otel_process_publish_raw(payload, size, time_ns, NULL) < 0)
		exit(1);
}

/* A new rubbish payload a thousand times a second, of which only the length is true. */
static void mode_process_rubbish(void)
{
	static uint8_t payload[PAYLOAD_RUBBISH];
	uint64_t state = 3;

	while (!time_is_up()) {
		for (size_t i = 0; i < sizeof(payload); i++)
			payload[i] = (uint8_t)work_random(&state);
		publish_raw((uintptr_t)payload, sizeof(payload), clock_ns(CLOCK_BOOTTIME));
		sink = work_chain(sink, work_steps_per_ms);
	}
}

static void mode_process_huge(void)
{
	static uint8_t payload[PAGE];

	publish_raw((uintptr_t)payload, UINT32_MAX, clock_ns(CLOCK_BOOTTIME));
	spin_to_the_end();
}

/* A writer that died while it wrote. */
static void mode_process_zero_time(void)
{
	static uint8_t payload[PAGE];

	publish_raw((uintptr_t)payload, 100, 0);
	spin_to_the_end();
}

static void mode_process_unmapped(void)
{
	publish_raw(NON_CANONICAL, 1000, clock_ns(CLOCK_BOOTTIME));
	spin_to_the_end();
}

/* --- stack --------------------------------------------------------------------------------- */

WORK_FUNCTION static uint64_t deep(unsigned int levels)
{
	if (!levels) {
		spin_to_the_end();
		return 1;
	}
	return deep(levels - 1) + levels;
}

static void mode_deep(void)
{
	sink = deep(DEEP_LEVELS);
}

/* Spins for @steps with the frame pointer register holding @fp. */
WORK_FUNCTION static void spin_with_fp(uint64_t fp, uint64_t steps)
{
	uint64_t saved;

#if defined(__x86_64__)
	__asm__ volatile("mov %%rbp, %0\n\t"
			 "mov %2, %%rbp\n"
			 "1:\tdec %1\n\t"
			 "jnz 1b\n\t"
			 "mov %0, %%rbp"
			 : "=&r"(saved), "+r"(steps)
			 : "r"(fp)
			 : "memory", "cc");
#elif defined(__aarch64__)
	__asm__ volatile("mov %0, x29\n\t"
			 "mov x29, %2\n"
			 "1:\tsubs %1, %1, #1\n\t"
			 "b.ne 1b\n\t"
			 "mov x29, %0"
			 : "=&r"(saved), "+r"(steps)
			 : "r"(fp)
			 : "memory", "cc");
#endif
}

/* Frames are pairs {caller's frame pointer, return address}. */
static void mode_frame_pointers(void)
{
	uint64_t own[2] = { (uintptr_t)own, (uintptr_t)spin_a_while };
	uint64_t second[2], first[2] = { (uintptr_t)second, (uintptr_t)spin_a_while };
	const uint64_t fps[] = {
		(uintptr_t)own, (uintptr_t)first,	 KERNEL_ADDRESS,    NON_CANONICAL, 8,
		UINT64_MAX - 7, (uintptr_t)spin_a_while, (uintptr_t)own + 3
	};

	second[0] = (uintptr_t)first;
	second[1] = (uintptr_t)spin_a_while;
	for (unsigned int i = 0; !time_is_up(); i++)
		spin_with_fp(fps[i % (sizeof(fps) / sizeof(fps[0]))], 2000000);
}

/* --- main ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
	bool own_process_context; /* publishes it by itself */
} modes[] = {
	{ "random-self", mode_random_self, false },
	{ "random-other", mode_random_other, false },
	{ "huge-attrs", mode_huge_attrs, false },
	{ "unmapped", mode_unmapped, false },
	{ "prot-none", mode_prot_none, false },
	{ "flicker", mode_flicker, false },
	{ "malformed", mode_malformed, false },
	{ "process-rubbish", mode_process_rubbish, true },
	{ "process-huge", mode_process_huge, true },
	{ "process-zero-time", mode_process_zero_time, true },
	{ "process-unmapped", mode_process_unmapped, true },
	{ "deep", mode_deep, false },
	{ "frame-pointers", mode_frame_pointers, false },
};

static void run(unsigned int mode)
{
	struct otel_process process = {
		.service_name = "hostile",
		.schema_version = OTEL_SCHEMA_NATIVE,
	};

	work_calibrate();
	if (!modes[mode].own_process_context && otel_process_publish(&process) < 0)
		exit(1);
	if (otel_thread_init(OTEL_SWAP_POINTER) < 0)
		exit(1);

	modes[mode].run();
	otel_thread_ctx_v1 = NULL;
}

int main(int argc, char **argv)
{
	const char *name = arg_string(argv, "mode", "");

	(void)argc;
	truth_init("hostile", "steps", function_names, 1);
	budget_ns = (uint64_t)(arg_number(argv, "cpu-seconds", 3) * 1e9);
	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, name) != 0)
			continue;
		run(i);
		return 0;
	}

	fprintf(stderr, "hostile: --mode is one of:");
	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, " %s", modes[i].name);
	fprintf(stderr, "\n");
	return 2;
}
