/* SPDX-License-Identifier: Apache-2.0 */
#include "app/stats_output.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "app/stat_info.h"
#include "base/io.h"

void stats_print_losses(const uint64_t *counters, FILE *out)
{
	for (int id = 0; id < STAT_COUNT; id++) {
		const struct stat_info *info = stat_info(id);

		if (info->kind == STAT_KIND_LOSS && counters[id])
			fprintf(out, "  %-27s %10" PRIu64 "  %s\n", info->name, counters[id],
				info->help);
	}
}

static json_t *stats_to_json(const uint64_t *counters)
{
	json_t *obj = json_object();

	for (int id = 0; obj && id < STAT_COUNT; id++)
		if (json_object_set_new(obj, stat_info(id)->name, json_integer(counters[id])) < 0) {
			json_decref(obj);
			return NULL;
		}
	return obj;
}

int stats_write_json(const uint64_t *counters, const char *path)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;
	CLEANUP(freep) char *text = NULL;
	json_t *obj = stats_to_json(counters);
	int r;

	if (!obj)
		return -ENOMEM;
	text = json_dumps(obj, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(obj);
	if (!text)
		return -ENOMEM;

	r = atomic_file_open(path, &f);
	if (r == 0)
		r = atomic_file_write(f, text, strlen(text));
	if (r == 0)
		r = atomic_file_write(f, "\n", 1);
	return r < 0 ? r : atomic_file_commit(f);
}
