/* SPDX-License-Identifier: Apache-2.0 */
#include "view/metric.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "leak_check.h"

TestSuite(metric, .fini = leak_check);

static void assert_format(const char *unit, int64_t v, const char *want)
{
	struct metric m = { .type = "x", .unit = unit };
	char text[METRIC_TEXT_MAX];

	cr_expect(eq(str, (char *)metric_format(&m, v, text), (char *)want));
}

Test(metric, values_carry_their_unit)
{
	assert_format("nanoseconds", 0, "0 s");
	assert_format("nanoseconds", 7, "7 ns");
	assert_format("nanoseconds", 10101010, "10.10 ms");
	assert_format("nanoseconds", 999999, "1.00 ms");
	assert_format("nanoseconds", 1234567890, "1.23 s");
	assert_format("nanoseconds", 123456789012, "123.5 s");
	assert_format("nanoseconds", -2500000000, "-2.50 s");
	assert_format("microseconds", 1500, "1.50 ms");
	assert_format("bytes", 3670016, "3.50 MiB");
	assert_format("count", 1234567, "1234567");
}

Test(metric, cpu_time_goes_before_the_default)
{
	struct pprof_value_type types[] = { { "cpu", "nanoseconds" },
					    { "samples", "count" },
					    { "wall", "nanoseconds" } };
	struct pprof p = { .sample_types = types, .n_sample_types = 3, .default_value = 2 };
	struct metric m;

	metric_of(&p, &m);
	cr_expect(eq(sz, m.value, 0));
	cr_expect(eq(sz, m.count, 1));
	cr_expect(eq(str, (char *)metric_title(&m), "CPU time"));
}

Test(metric, foreign_profile_shows_its_default)
{
	struct pprof_value_type types[] = { { "alloc_objects", "count" },
					    { "inuse_space", "bytes" } };
	struct pprof p = { .sample_types = types, .n_sample_types = 2, .default_value = 1 };
	int64_t values[] = { 3, 4096 };
	struct pprof_sample s = { .values = values };
	struct metric m;

	metric_of(&p, &m);
	cr_expect(eq(i64, metric_value(&m, &s), 4096));
	cr_expect(eq(i64, metric_count(&m, &s), 1));
	cr_expect(eq(str, (char *)metric_title(&m), "inuse_space"));
}

Test(metric, profile_without_values_counts_samples)
{
	struct pprof p = { 0 };
	struct pprof_sample s = { 0 };
	struct metric m;

	metric_of(&p, &m);
	cr_expect(eq(i64, metric_value(&m, &s), 1));
}

Test(metric, sums_stop_at_the_ends)
{
	int64_t sum = INT64_MAX - 1;

	metric_add(&sum, 5);
	cr_expect(eq(i64, sum, INT64_MAX));
	sum = INT64_MIN + 1;
	metric_add(&sum, -5);
	cr_expect(eq(i64, sum, INT64_MIN));
}
