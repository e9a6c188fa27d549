/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles made in tests: stacks are written as text. Aborts when memory runs out. */
#ifndef PROFILE_FIXTURE_H
#define PROFILE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/pprof.h"

#define FIXTURE_DEPTH_MAX  512
#define FIXTURE_LABELS_MAX 8

struct fixture_sample {
	const char *stack; /* "outermost;…;leaf", each "name" or "name@module" */
	int64_t count;	   /* each weighs fixture.period ns */
	const char *span, *trace, *service, *process, *thread; /* NULL: no such label */
	int64_t pid, tid;				       /* 0: no such label */
};

struct fixture {
	struct pprof_builder *builder;
	int64_t period;
};

static inline void fixture_check(int r)
{
	if (r < 0)
		abort();
}

/* A profile as `record` makes it, of 10 s at @hz. */
static inline struct fixture fixture_new(int64_t hz)
{
	struct fixture fx = { .period = 1000000000 / hz };

	fixture_check(pprof_builder_new(&fx.builder));
	fixture_check(pprof_builder_sample_type(fx.builder, "samples", "count"));
	fixture_check(pprof_builder_sample_type(fx.builder, "cpu", "nanoseconds"));
	fixture_check(pprof_builder_period(fx.builder, "cpu", "nanoseconds", fx.period));
	fixture_check(pprof_builder_time(fx.builder, 1700000000000000000, 10000000000));
	return fx;
}

static inline uint64_t fixture_hash(const char *str)
{
	uint64_t hash = 5381;

	for (; *str; str++)
		hash = hash * 33 + (unsigned char)*str;
	return hash;
}

/* One location a function; its address follows from the names. */
static inline const struct pprof_location *fixture_location(struct fixture *fx, const char *name,
							    const char *module)
{
	uint64_t start = (fixture_hash(module) & 0xffff) << 32;
	struct pprof_mapping m = { .start = start,
				   .limit = start + (1ull << 32),
				   .filename = module,
				   .build_id = "",
				   .has_functions = true };
	struct pprof_function f = { .name = name, .system_name = name, .filename = "" };
	struct pprof_line line = { 0 };
	struct pprof_location loc = { .lines = &line, .n_lines = 1 };
	const struct pprof_location *ret;

	loc.address = start + (fixture_hash(name) & 0xffffffff);
	if (module[0])
		fixture_check(pprof_builder_mapping(fx->builder, &m, &loc.mapping));
	fixture_check(pprof_builder_function(fx->builder, &f, &line.function));
	fixture_check(pprof_builder_location(fx->builder, &loc, &ret));
	return ret;
}

static inline size_t fixture_stack(struct fixture *fx, const char *text,
				   const struct pprof_location **ret)
{
	const struct pprof_location *outermost_first[FIXTURE_DEPTH_MAX];
	char *copy = strdup(text), *rest = copy, *frame;
	size_t n = 0;

	if (!copy)
		abort();
	while ((frame = strsep(&rest, ";")) && n < FIXTURE_DEPTH_MAX && text[0]) {
		char *at = strchr(frame, '@');

		if (at)
			*at = '\0';
		outermost_first[n++] = fixture_location(fx, frame, at ? at + 1 : "");
	}
	free(copy);
	for (size_t i = 0; i < n; i++)
		ret[i] = outermost_first[n - 1 - i];
	return n;
}

static inline size_t fixture_labels(const struct fixture_sample *s, struct pprof_label *ret)
{
	const struct pprof_label all[] = {
		{ .key = PPROF_LABEL_SPAN_ID, .str = s->span },
		{ .key = PPROF_LABEL_TRACE_ID, .str = s->trace },
		{ .key = PPROF_LABEL_SERVICE, .str = s->service },
		{ .key = PPROF_LABEL_PROCESS, .str = s->process },
		{ .key = PPROF_LABEL_THREAD, .str = s->thread },
		{ .key = PPROF_LABEL_PID, .num = s->pid, .num_unit = "" },
		{ .key = PPROF_LABEL_TID, .num = s->tid, .num_unit = "" },
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].str || all[i].num)
			ret[n++] = all[i];
	return n;
}

static inline void fixture_add(struct fixture *fx, const struct fixture_sample *s)
{
	const struct pprof_location *locations[FIXTURE_DEPTH_MAX];
	struct pprof_label labels[FIXTURE_LABELS_MAX];
	int64_t values[] = { s->count, s->count * fx->period };
	struct pprof_sample sample = { .locations = locations,
				       .n_locations = fixture_stack(fx, s->stack, locations),
				       .values = values,
				       .labels = labels,
				       .n_labels = fixture_labels(s, labels) };

	fixture_check(pprof_builder_sample(fx->builder, &sample));
}

static inline struct pprof *fixture_finish(struct fixture *fx)
{
	struct pprof *p = pprof_builder_finish(fx->builder);

	pprof_builder_free(fx->builder);
	fx->builder = NULL;
	if (!p)
		abort();
	return p;
}

#define SHOP_TRACE   "4bf92f3577b34da6a3ce929d0e0e4736"
#define SHOP_OTHER   "00000000000000010000000000000002"
#define SPAN_PAYMENT "00f067aa0ba902b7"
#define SPAN_CART    "b7ad6b7169203331"
#define SPAN_OTHER   "0000000000000abc"
#define SHOP	     "/usr/bin/shop"
#define LIBC	     "/usr/lib/x86_64-linux-gnu/libc.so.6"
#define KERNEL	     "[kernel.kallsyms]"

/*
 * At 100 Hz, of 100 samples: span payment 50 (validate_third_party 30 self and 35 total,
 * sign_request 15), cart 20 (all in price_cart, which recurs), another trace's 5, without span 25,
 * of which 10 are truncated and 5 in the idle process of the kernel.
 */
static inline struct pprof *fixture_shop(void)
{
#define SHOP_LABELS .process = "shop", .thread = "worker", .pid = 100
#define PAYMENT	    .span = SPAN_PAYMENT, .trace = SHOP_TRACE, .service = "payment", .tid = 101
#define CART	    .span = SPAN_CART, .trace = SHOP_TRACE, .service = "cart", .tid = 102
	const struct fixture_sample samples[] = {
		{ "main@" SHOP ";pay@" SHOP ";validate_third_party@" SHOP, 30, PAYMENT,
		  SHOP_LABELS },
		{ "main@" SHOP ";pay@" SHOP ";validate_third_party@" SHOP ";read@" LIBC
		  ";sys_read@" KERNEL,
		  5, PAYMENT, SHOP_LABELS },
		{ "main@" SHOP ";pay@" SHOP ";sign_request@" SHOP, 15, PAYMENT, SHOP_LABELS },
		{ "main@" SHOP ";price_cart@" SHOP ";price_cart@" SHOP, 20, CART, SHOP_LABELS },
		{ "main@" SHOP ";price_cart@" SHOP, 5, .span = SPAN_OTHER, .trace = SHOP_OTHER,
		  .service = "cart", .tid = 102, SHOP_LABELS },
		{ "[truncated];memcpy@" LIBC, 10, .tid = 103, SHOP_LABELS },
		{ "main@/usr/bin/cat;[cat+0x1234]@/usr/bin/cat", 10, .process = "cat", .pid = 200,
		  .tid = 200, .thread = "cat" },
		{ "do_idle@" KERNEL, 5, .process = "swapper" },
	};
	struct fixture fx = fixture_new(100);

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		fixture_add(&fx, &samples[i]);
	return fixture_finish(&fx);
#undef SHOP_LABELS
#undef PAYMENT
#undef CART
}

#endif
