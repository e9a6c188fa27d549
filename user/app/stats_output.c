/* SPDX-License-Identifier: Apache-2.0 */
#include "app/stats_output.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/io.h"
#include "shared/stat.h"

struct stat_info {
	const char *name;
	const char *help;
	enum stat_kind kind;
};

#define STAT_INFO_(id, kind, name, help) [STAT_##id] = { name, help, STAT_KIND_##kind },
static const struct stat_info stat_infos[STAT_COUNT] = { STATS_KERNEL(STAT_INFO_)
								 STATS_USER(STAT_INFO_) };
#undef STAT_INFO_

void stats_print_losses(const uint64_t *counters, FILE *out)
{
	for (int id = 0; id < STAT_COUNT; id++)
		if (stat_infos[id].kind == STAT_KIND_LOSS && counters[id])
			fprintf(out, "  %-27s %10" PRIu64 "  %s\n", stat_infos[id].name,
				counters[id], stat_infos[id].help);
}

static json_t *stats_to_json(const uint64_t *counters)
{
	json_t *obj = json_object();

	for (int id = 0; obj && id < STAT_COUNT; id++)
		if (json_object_set_new(obj, stat_infos[id].name, json_integer(counters[id])) < 0) {
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
