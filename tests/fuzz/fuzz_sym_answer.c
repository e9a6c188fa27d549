/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker process answers. The first byte says how many offsets were asked for; then messages
 * follow: kind, length (two bytes) and as many bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "sym/names_answer.h"
#include "sym/names_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void check_string(const char *str)
{
	size_t len = strlen(str);

	check(len <= NAMES_STRING_MAX && utf8_is_printable(str, len));
}

static void check_result(const struct sym_result *res)
{
	check(res->n_frames <= NAMES_DEPTH_MAX);
	check(res->n_frames || !res->start);
	for (size_t i = 0; i < res->n_frames; i++) {
		check_string(res->frames[i].function);
		if (res->frames[i].file)
			check_string(res->frames[i].file);
	}
}

static void check_wanted(const uint8_t *payload, size_t len)
{
	struct sym_file_wanted wanted;
	unsigned nth;

	if (names_wanted_decode(payload, len, &wanted, &nth) < 0)
		return;
	check(wanted.kind < SYM_FILE_KINDS);
	check(!wanted.name || strlen(wanted.name) < len);
	check(!wanted.comp_dir || strlen(wanted.comp_dir) < len);
	check(!wanted.build_id || wanted.build_id_len < len);
	if (wanted.build_id)
		check(memchr(wanted.build_id, wanted.build_id[0], wanted.build_id_len) != NULL);
}

static int take_message(struct names_answer *a, const uint8_t **pos, const uint8_t *end)
{
	CLEANUP(freep) uint8_t *payload = NULL;
	unsigned kind;
	size_t len;

	if (end - *pos < 3)
		return -EBADMSG;
	kind = (*pos)[0];
	len = (*pos)[1] | (*pos)[2] << 8;
	*pos += 3;
	if (len > (size_t)(end - *pos))
		len = end - *pos;
	/* On its own, so that a byte too many is seen. */
	payload = malloc(len ? len : 1);
	if (!payload)
		return -ENOMEM;
	memcpy(payload, *pos, len);
	*pos += len;
	if (kind == NAMES_WANTED) {
		check_wanted(payload, len);
		return 0;
	}
	return names_answer_take(a, kind, payload, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sym_result results[UINT8_MAX] = { 0 };
	struct frame_store store = { 0 };
	struct names_answer a = { .store = &store, .results = results };
	const uint8_t *end = data + size;

	if (size == 0)
		return 0;
	a.n_results = *data++;
	while (!a.done && take_message(&a, &data, end) == 0)
		;
	check(a.n_filled <= a.n_results);
	check(!a.done || a.error || a.n_filled == a.n_results);
	for (size_t i = 0; i < a.n_filled; i++)
		check_result(&results[i]);
	names_answer_clear(&a);
	frame_store_clear(&store);
	return 0;
}
