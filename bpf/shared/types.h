/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* __u8 … __s64 on either side: vmlinux.h brings them to BPF, linux/types.h to user space. */
#ifndef SHARED_TYPES_H
#define SHARED_TYPES_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * Before a loop of few turns: as it stands, not written out. A profiler's code has left the caches
 * when the next sample comes, and each line of it costs more than the branch.
 */
#ifdef __clang__
#define NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define NO_UNROLL
#endif

/* Of functions that many places need: code takes room in the caches, too. */
#define OUT_OF_LINE __attribute__((noinline, unused)) static

/* Of functions that few frames need: out of the way of those that all do. */
#define RARELY OUT_OF_LINE

#endif
