/* SPDX-License-Identifier: Apache-2.0 */
/* A perf-PID.map. Input: the size of the parts that it comes in, less one, then the text. */
#include <assert.h>
#include <string.h>

#include "sym/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t lines_of(const uint8_t *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void check(const struct code_names *names)
{
	for (uint32_t i = 1; i <= code_names_count(names); i++) {
		const struct code_name *c = code_names_get(names, i);
		uint32_t at = code_names_at(names, c->start, c->time_ns);

		assert(c->start < c->end && strlen(c->name) <= CODE_NAME_MAX);
		/* It, or one that came later. */
		assert(at >= i && code_names_get(names, at)->start <= c->start);
		assert(c->start < code_names_get(names, at)->end);
		assert(code_names_after(names, c->start, 0) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(code_names_freep) struct code_names *names = NULL;
	struct perf_map map = { 0 };
	size_t part;

	if (!size || code_names_new(&names) < 0)
		return 0;
	part = data[0] + 1u;
	data++;
	size--;
	for (size_t at = 0; at < size; at += part)
		assert(perf_map_feed(&map, (const char *)data + at,
				     part < size - at ? part : size - at, 1, names) == 0);
	assert(code_names_count(names) + map.malformed == lines_of(data, size));
	check(names);
	return 0;
}
