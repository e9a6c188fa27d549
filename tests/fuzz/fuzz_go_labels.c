/* SPDX-License-Identifier: Apache-2.0 */
/* Code of a Go program, from which offsets are taken. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctx/go_labels.h"
#include "unwind/go_code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1); /* so that nothing is read behind it */
	struct go_labels gl = { 0 };
	uint16_t off = 0;
	int r;

	assert(copy);
	if (size)
		memcpy(copy, data, size);
	r = go_labels_find_g_x86(copy, size, 0x401000, &gl);
	assert(r == 0 || r == -ENOTSUP);
	r = go_labels_find_g_a64(copy, size, 0x401000, &gl);
	assert(r == 0 || r == -ENOTSUP);
	r = go_labels_find_offset_x86(copy, size, &off);
	assert(r == -ENOTSUP || (r == 0 && off % 8 == 0 && off));
	r = go_labels_find_offset_a64(copy, size, &off);
	assert(r == -ENOTSUP || (r == 0 && off % 8 == 0 && off));
	go_curg_a64(copy, size);
	free(copy);
	return 0;
}
