/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a frame of a frame pointer chain must look like to be believed. */
#ifndef SHARED_FP_FRAME_H
#define SHARED_FP_FRAME_H

#include "shared/types.h"

#define USER_ADDR_MIN 4096ULL	   /* vm.mmap_min_addr at its lowest sane value */
#define USER_ADDR_END (1ULL << 56) /* 5-level page tables, the largest user space there is */

static inline int fp_is_user_addr(__u64 addr)
{
	return addr >= USER_ADDR_MIN && addr < USER_ADDR_END;
}

/* May a frame lie at @fp, when the stack pointer (or the frame before) is at @below? */
static inline int fp_may_be_frame(__u64 fp, __u64 below)
{
	return fp >= below && fp % sizeof(__u64) == 0 && fp_is_user_addr(fp);
}

#endif
