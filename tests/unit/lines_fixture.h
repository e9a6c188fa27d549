/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles with lines and inlined calls, as text. */
#ifndef LINES_FIXTURE_H
#define LINES_FIXTURE_H

#include "profile_fixture.h"

#define LINES_PROGRAM "/usr/bin/prog"

/* "name|file:line" */
static inline struct pprof_line lines_line(struct fixture *fx, char *text)
{
	char *file = strchr(text, '|'), *colon = file ? strrchr(file, ':') : NULL;
	struct pprof_function f = { .name = text, .system_name = text, .filename = "" };
	struct pprof_line line = { 0 };

	if (colon) {
		*file = *colon = '\0';
		f.filename = file + 1;
		line.line = strtoll(colon + 1, NULL, 10);
	}
	fixture_check(pprof_builder_function(fx->builder, &f, &line.function));
	return line;
}

/* "outer|file:line>inner|file:line": inner was inlined at that line of outer. */
static inline const struct pprof_location *lines_location(struct fixture *fx, char *text)
{
	struct pprof_mapping m = { .start = 1 << 20,
				   .limit = 1ull << 40,
				   .filename = LINES_PROGRAM,
				   .build_id = "",
				   .has_functions = true,
				   .has_inline_frames = true };
	struct pprof_line lines[16];
	struct pprof_location loc = { .lines = lines,
				      .address = (1 << 20) + (fixture_hash(text) & 0xffffff) };
	const struct pprof_location *ret;
	char *call;

	while ((call = strrchr(text, '>'))) {
		lines[loc.n_lines++] = lines_line(fx, call + 1);
		*call = '\0';
	}
	lines[loc.n_lines++] = lines_line(fx, text);
	fixture_check(pprof_builder_mapping(fx->builder, &m, &loc.mapping));
	fixture_check(pprof_builder_location(fx->builder, &loc, &ret));
	return ret;
}

/* @stack: locations from the outermost on, separated by ';'. */
static inline void lines_add(struct fixture *fx, const char *stack, int64_t count)
{
	const struct pprof_location *reverse[64], *locations[64];
	int64_t values[] = { count, count * fx->period };
	char *copy = strdup(stack), *rest = copy, *one;
	struct pprof_sample s = { .locations = locations, .values = values };

	if (!copy)
		abort();
	while ((one = strsep(&rest, ";")))
		reverse[s.n_locations++] = lines_location(fx, one);
	for (size_t i = 0; i < s.n_locations; i++)
		locations[i] = reverse[s.n_locations - 1 - i];
	fixture_check(pprof_builder_sample(fx->builder, &s));
	free(copy);
}

/*
 * 100 samples of 10 ms. hot() is inlined in work() at line 12 and called from main(): of its 70
 * self, 50 are in line 3 and 20 in line 4. rec() calls itself from line 31.
 */
static inline struct pprof *lines_profile(const char *file)
{
	static const char *const stacks[] = {
		"main|/src/main.c:20;work|%1$s:12>hot|%1$s:3",
		"main|/src/main.c:20;work|%1$s:12>hot|%1$s:4",
		"main|/src/main.c:22;hot|%1$s:3",
		"main|/src/main.c:20;work|%1$s:14",
		"main|/src/main.c:23;rec|%1$s:31;rec|%1$s:31;rec|%1$s:30",
	};
	static const int64_t counts[] = { 40, 20, 10, 10, 20 };
	struct fixture fx = fixture_new(100);

	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		char text[1024];

		snprintf(text, sizeof(text), stacks[i], file);
		lines_add(&fx, text, counts[i]);
	}
	return fixture_finish(&fx);
}

#endif
