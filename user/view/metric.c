/* SPDX-License-Identifier: Apache-2.0 */
#include "view/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t find_type(const struct pprof *p, const char *type, const char *unit)
{
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (strcmp(p->sample_types[i].type, type) == 0 &&
		    strcmp(p->sample_types[i].unit, unit) == 0)
			return i;
	return SIZE_MAX;
}

void metric_of(const struct pprof *p, struct metric *ret)
{
	size_t value = find_type(p, "cpu", "nanoseconds");

	*ret = (struct metric){ SIZE_MAX, find_type(p, "samples", "count"), "samples", "count" };
	if (value == SIZE_MAX && p->default_value < p->n_sample_types)
		value = p->default_value;
	if (value == SIZE_MAX)
		return;

	ret->value = value;
	ret->type = p->sample_types[value].type;
	ret->unit = p->sample_types[value].unit;
}

int64_t metric_value(const struct metric *m, const struct pprof_sample *s)
{
	return m->value == SIZE_MAX ? 1 : s->values[m->value];
}

int64_t metric_count(const struct metric *m, const struct pprof_sample *s)
{
	return m->count == SIZE_MAX ? 1 : s->values[m->count];
}

void metric_add(int64_t *sum, int64_t v)
{
	int64_t out;

	if (__builtin_add_overflow(*sum, v, &out))
		out = v > 0 ? INT64_MAX : INT64_MIN;
	*sum = out;
}

struct scale {
	double from;
	const char *unit;
};

/* @scales: largest first; the last one takes what is left. */
static void format_scaled(double v, const struct scale *scales, char out[METRIC_TEXT_MAX])
{
	const struct scale *s = scales;

	if (v == 0) {
		snprintf(out, METRIC_TEXT_MAX, "0 s");
		return;
	}
	while (s->from > 1 && fabs(v) < s->from * 0.9995)
		s++;
	v /= s->from;
	snprintf(out, METRIC_TEXT_MAX, "%.*f %s",
		 s->from <= 1	   ? 0
		 : fabs(v) < 99.95 ? 2
				   : 1,
		 v, s->unit);
}

static double time_unit_ns(const char *unit)
{
	static const struct scale units[] = {
		{ 1, "nanoseconds" },	 { 1, "ns" },	{ 1e3, "microseconds" }, { 1e3, "us" },
		{ 1e6, "milliseconds" }, { 1e6, "ms" }, { 1e9, "seconds" },	 { 1e9, "s" },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].unit) == 0)
			return units[i].from;
	return 0;
}

const char *metric_format(const struct metric *m, int64_t v, char out[METRIC_TEXT_MAX])
{
	static const struct scale times[] = {
		{ 1e9, "s" }, { 1e6, "ms" }, { 1e3, "µs" }, { 1, "ns" }
	};
	static const struct scale sizes[] = {
		{ 1099511627776.0, "TiB" },
		{ 1073741824.0, "GiB" },
		{ 1048576, "MiB" },
		{ 1024, "KiB" },
		{ 1, "B" },
	};
	double ns = time_unit_ns(m->unit);

	if (ns > 0)
		format_scaled((double)v * ns, times, out);
	else if (strcmp(m->unit, "bytes") == 0)
		format_scaled((double)v, sizes, out);
	else
		snprintf(out, METRIC_TEXT_MAX, "%lld", (long long)v);
	return out;
}

double metric_percent(int64_t part, int64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

const char *metric_title(const struct metric *m)
{
	return strcmp(m->type, "cpu") == 0 ? "CPU time" : m->type;
}
