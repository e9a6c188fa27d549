/* SPDX-License-Identifier: Apache-2.0 */
/* What the values of a profile mean, and how they are written for people. */
#ifndef VIEW_METRIC_H
#define VIEW_METRIC_H

#include <stddef.h>
#include <stdint.h>

#include "export/pprof.h"

struct metric {
	size_t value; /* index of the values that are shown: cpu/nanoseconds, else the default */
	size_t count; /* index of samples/count; SIZE_MAX: each sample counts as one */
	const char *type, *unit; /* of the values, e.g. cpu, nanoseconds; borrowed */
};

#define METRIC_TEXT_MAX 40

void metric_of(const struct pprof *p, struct metric *ret);
int64_t metric_value(const struct metric *m, const struct pprof_sample *s);
int64_t metric_count(const struct metric *m, const struct pprof_sample *s);

/* Sums stop at the ends of the range: values are foreign. */
void metric_add(int64_t *sum, int64_t v);

/* "1.24 s", "10.1 ms", "3.50 MiB", "42"; returns @out. */
const char *metric_format(const struct metric *m, int64_t v, char out[METRIC_TEXT_MAX]);

/* 100 * part / whole; 0 if there is no whole. */
double metric_percent(int64_t part, int64_t whole);

/* "CPU time" or the type's own name. */
const char *metric_title(const struct metric *m);

#endif
