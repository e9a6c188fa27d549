/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One process or trace is sampled at each tick, all others only at some: user space writes this
 * while the kernel side runs.
 */
#ifndef SHARED_FOCUS_H
#define SHARED_FOCUS_H

#include "shared/types.h"

#define FOCUS_TRACE_LEN 16

struct sample_focus {
	__u32 every; /* others at every nth tick of a CPU; 0: there is no focus */
	__u32 tgid;  /* 0: the trace is wanted */
	__u8 trace_id[FOCUS_TRACE_LEN];
};

#endif
