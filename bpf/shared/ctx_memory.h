/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What readers of trace context ask of their surroundings. Declared here, and defined by each of
 * those who read: BPF over the current process, tests over made-up memory.
 */
#ifndef SHARED_CTX_MEMORY_H
#define SHARED_CTX_MEMORY_H

#include "shared/types.h"

struct ctx_memory;

/* Reads @len bytes of the process. 0, or negative if not all of them can be read. */
static long ctx_read(struct ctx_memory *mem, void *dst, __u32 len, __u64 addr);

enum ctx_found {
	CTX_FOUND,
	CTX_NONE,      /* the thread is in no context */
	CTX_MALFORMED, /* what is there is not what the mechanism says */
	CTX_UNREADABLE,
};

#endif
