/* SPDX-License-Identifier: Apache-2.0 */
/* A jitdump file. Input: the size of the parts that it comes in, less one, then the file. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "sym/jitdump.h"

#define NOW (1ULL << 40)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct code_names *names)
{
	for (uint32_t i = 1; i <= code_names_count(names); i++) {
		const struct code_name *c = code_names_get(names, i);

		assert(c->start < c->end && c->time_ns <= NOW);
		assert(strlen(c->name) <= CODE_NAME_MAX);
		assert(code_names_at(names, c->start, NOW) != 0);
		for (uint32_t k = 1; k < c->n_lines; k++)
			assert(c->lines[k].file[0]);
	}
}

static int feed(const uint8_t *data, size_t size, size_t part, struct code_names *names,
		uint64_t *ret_malformed)
{
	CLEANUP(jitdump_freep) struct jitdump *dump = NULL;
	int r = jitdump_new(&dump);

	for (size_t at = 0; r == 0 && at < size; at += part)
		r = jitdump_feed(dump, data + at, part < size - at ? part : size - at, NOW, names);
	*ret_malformed = dump ? jitdump_malformed(dump) : 0;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(code_names_freep) struct code_names *names = NULL;
	CLEANUP(code_names_freep) struct code_names *whole = NULL;
	uint64_t malformed, of_whole;
	size_t part;
	int r;

	if (!size || code_names_new(&names) < 0 || code_names_new(&whole) < 0)
		return 0;
	part = data[0] + 1u;
	r = feed(data + 1, size - 1, part, names, &malformed);
	assert(r == 0 || r == -EBADMSG || r == -ENOSPC);
	check(names);
	/* Parts make no difference. */
	assert(feed(data + 1, size - 1, size, whole, &of_whole) == r);
	assert(code_names_count(whole) == code_names_count(names) && of_whole == malformed);
	return 0;
}
