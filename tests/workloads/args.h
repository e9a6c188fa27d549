/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of the test programs: --name VALUE in any order. */
#ifndef WORKLOADS_ARGS_H
#define WORKLOADS_ARGS_H

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value that follows --@name, or @fallback. */
static inline const char *arg_string(char **argv, const char *name, const char *fallback)
{
	for (; *argv; argv++) {
		if (strncmp(*argv, "--", 2) == 0 && strcmp(*argv + 2, name) == 0 && argv[1])
			return argv[1];
	}
	return fallback;
}

static inline double arg_number(char **argv, const char *name, double fallback)
{
	const char *value = arg_string(argv, name, NULL);
	char *end;
	double d;

	if (!value)
		return fallback;

	d = strtod(value, &end);
	if (end == value || *end || d < 0) {
		fprintf(stderr, "--%s: not a number: '%s'\n", name, value);
		exit(2);
	}
	return d;
}

/*
 * What a service does between publishing its context and its first request: nothing yet. A profiler
 * that was started before has this long to find the context.
 */
static inline void warm_up(double ms)
{
	poll(NULL, 0, (int)ms);
}

/* Up to @max numbers divided by commas. Returns how many. */
static inline unsigned int arg_list(const char *list, uint64_t *ret, unsigned int max)
{
	unsigned int n = 0;
	char *end;

	while (*list && n < max) {
		ret[n++] = strtoull(list, &end, 10);
		if (end == list) {
			fprintf(stderr, "not a list of numbers: '%s'\n", list);
			exit(2);
		}
		list = *end == ',' ? end + 1 : end;
	}
	return n;
}

#endif
