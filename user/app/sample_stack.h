/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of a sample as places in files, by the mappings that its process has now. */
#ifndef APP_SAMPLE_STACK_H
#define APP_SAMPLE_STACK_H

#include "proc/process.h"
#include "profile/profile.h"
#include "shared/record.h"

#define SAMPLE_FRAMES_MAX (KERNEL_FRAMES_MAX + USER_FRAMES_MAX)

struct sample_stack {
	struct profile_frame frames[SAMPLE_FRAMES_MAX]; /* innermost first */
	uint32_t n;
	enum profile_stack_end end;
	uint64_t n_unknown; /* user addresses in no mapping */
};

/*
 * A return address in no mapping is none: it and all above it are left out. A program counter in no
 * mapping is kept, as a place in DSO_UNKNOWN. Opens the files, while the process lives.
 */
void sample_stack_resolve(const struct dso_table *dsos, const struct process *p,
			  const struct sample_record *rec, const uint64_t *frames,
			  struct sample_stack *ret);

#endif
