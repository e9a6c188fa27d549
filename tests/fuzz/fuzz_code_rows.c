/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code without unwind tables. The input is a byte of flags (1: functions begin at byte 0; 2: the
 * program's entry is in it), the number of known functions, two bytes for the begin of each, and
 * the code.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/code_rows.h"

#define STARTS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t starts[STARTS_MAX] = { 0 };
	struct code_rows_input in = { .vaddr = 0x400000, .starts = starts };
	struct code_rows rows;
	size_t head;

	if (size < 2)
		return 0;
	in.n_starts = data[1] % (STARTS_MAX + 1);
	head = 2 + 2 * in.n_starts;
	if (size < head)
		return 0;
	for (size_t i = 0; i < in.n_starts; i++)
		starts[i] = data[2 + 2 * i] | data[3 + 2 * i] << 8;
	in.begins = data[0] & 1;
	in.has_entry = data[0] & 2;
	in.entry = starts[0];
	in.bytes = data + head;
	in.len = size - head;

	if (code_rows_build(&in, &rows) == 0) {
		for (size_t i = 0; i < rows.rows.n; i++) {
			const struct code_row *row = &rows.rows.data[i];

			check(row->at <= in.len && (i == 0 || row->at > row[-1].at));
			check(i == 0 || row->rule != row[-1].rule);
			check((row->rule & 3) != UNWIND_BASE_EXT || row->rule >> 2 < rows.ext.n);
		}
		check(rows.accepted <= rows.functions);
	}
	code_rows_clear(&rows);
	return 0;
}
