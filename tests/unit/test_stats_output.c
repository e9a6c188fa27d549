/* SPDX-License-Identifier: Apache-2.0 */
#include "app/stats_output.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/io.h"
#include "leak_check.h"
#include "shared/stat.h"

TestSuite(stats_output, .fini = leak_check);

static char *printed(const uint64_t *counters)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	stats_print_losses(counters, f);
	fclose(f);
	return text;
}

Test(stats_output, only_losses_that_happened_are_printed)
{
	uint64_t counters[STAT_COUNT] = { 0 };
	CLEANUP(freep) char *none = printed(counters), *some = NULL;

	cr_assert(eq(str, none, ""));
	counters[STAT_SAMPLE_TAKEN] = 1000;
	counters[STAT_SAMPLE_LOST_RING] = 7;
	counters[STAT_PUSH_REJECTED] = UINT64_MAX;
	some = printed(counters);
	cr_assert(ne(ptr, strstr(some, "samples_lost_ring"), NULL));
	cr_assert(ne(ptr, strstr(some, " 7 "), NULL));
	cr_assert(ne(ptr, strstr(some, " 18446744073709551615 "), NULL));
	cr_assert(zero(ptr, strstr(some, "samples_taken")));
	cr_assert(eq(ptr, strchr(strchr(some, '\n') + 1, '\n') + 1, some + strlen(some)),
		  "two lines");
}

Test(stats_output, json_has_every_counter)
{
	char path[] = "/tmp/test_statsXXXXXX";
	uint64_t counters[STAT_COUNT];
	json_t *obj;

	close(mkstemp(path));
	for (int id = 0; id < STAT_COUNT; id++)
		counters[id] = 1000 + id;
	cr_assert(zero(int, stats_write_json(counters, path)));
	obj = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	unlink(path);
	cr_assert(ne(ptr, obj, NULL));
	cr_assert(eq(sz, json_object_size(obj), STAT_COUNT));
	cr_assert(eq(long, json_integer_value(json_object_get(obj, "samples_taken")),
		     1000 + STAT_SAMPLE_TAKEN));
	cr_assert(eq(long, json_integer_value(json_object_get(obj, "push_samples_rejected")),
		     1000 + STAT_PUSH_REJECTED));
	json_decref(obj);
}

Test(stats_output, file_that_cannot_be_written)
{
	uint64_t counters[STAT_COUNT] = { 0 };

	cr_assert(eq(int, stats_write_json(counters, "/none/x"), -ENOENT));
	cr_assert(eq(int, stats_write_json(counters, "/dev/full"), -ENOSPC));
}
