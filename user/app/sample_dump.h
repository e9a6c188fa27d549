/* SPDX-License-Identifier: Apache-2.0 */
/* Each sample as a line of JSON (record --dump-samples): what tests compare with the truth. */
#ifndef APP_SAMPLE_DUMP_H
#define APP_SAMPLE_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ctx/sample_context.h"
#include "shared/record.h"

/* @context: what its labels say. @finished: its stack was completed in user space. */
void sample_dump(FILE *out, const struct sample_record *rec, const struct sample_context *context,
		 const uint64_t *frames, bool finished);

#endif
