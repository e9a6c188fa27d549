/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the spool: the first byte chooses between profile, progress and name. What is accepted
 * of a progress file is what its valid part alone says, and never more samples than it names.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "export/spool_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void try_profile(const uint8_t *data, size_t size)
{
	struct spool_header h;

	if (spool_header_check(data, size, &h) == 0)
		check(h.payload_len == size - sizeof(h));
}

static void try_progress(const uint8_t *data, size_t size)
{
	CLEANUP(spool_progress_clear) struct spool_progress p = { 0 };
	CLEANUP(spool_progress_clear) struct spool_progress again = { 0 };
	struct spool_progress_header h = { 0 };

	if (size >= sizeof(h))
		memcpy(&h, data, sizeof(h));
	check(spool_progress_read(data, size, h.id, &p) == 0);
	check(p.valid_len <= size && p.n_pending <= p.settled.n);
	check(spool_progress_read(data, p.valid_len, h.id, &again) == 0);
	check(again.valid_len == p.valid_len && again.settled.n == p.settled.n &&
	      again.samples == p.samples && again.pending == p.pending);
	for (size_t i = 0; i < p.settled.n; i++)
		check(p.settled.data[i].from < p.settled.data[i].to);
}

static void try_name(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = strndup((const char *)data, size);
	struct spool_name name, again;
	char formatted[SPOOL_FILE_NAME];

	if (!text || !spool_name_parse(text, &name))
		return;
	spool_name_format(&name, formatted);
	check(spool_name_parse(formatted, &again) && memcmp(&name, &again, sizeof(name)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Aligned, as what was read from a file is. */
	CLEANUP(freep) uint8_t *copy = malloc(size);

	if (size == 0 || !copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] % 3 == 0)
		try_profile(copy, size - 1);
	else if (data[0] % 3 == 1)
		try_progress(copy, size - 1);
	else
		try_name(copy, size - 1);
	return 0;
}
