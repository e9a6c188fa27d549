/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What vma_lookup.bpf.c is asked, and answers. */
#ifndef VMA_LOOKUP_H
#define VMA_LOOKUP_H

#include "shared/unwind_arena.h"

#define LOOKUPS 256 /* in one run; a power of two */

struct vma_lookup {
	__u64 addr;
	/* The answer; the others are 0 where it is not found. */
	__u64 is_found;
	__u64 start, end, offset, flags;
	struct unwind_file_key key; /* zero: there is no file */
};

#endif
