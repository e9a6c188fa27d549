/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The record that a sample is on its way through the ring buffer. Host byte order. */
#ifndef SHARED_RECORD_H
#define SHARED_RECORD_H

#include "shared/types.h"

#define KERNEL_FRAMES_MAX 127 /* kernel.perf_event_max_stack's default */
#define USER_FRAMES_MAX	  254
#define TRACE_ID_LEN	  16
#define SPAN_ID_LEN	  8
#define COMM_LEN	  16
#define RINGS_MAX	  256 /* ring buffers: one per CPU, up to this many */

/* How the walk over the user stack ended. Only the first two can be a whole stack. */
enum user_end {
	USER_END_NONE,	     /* no user stack: kernel thread */
	USER_END_ZERO,	     /* frame pointer 0: what the psABI asks of the outermost frame */
	USER_END_NO_REGS,    /* registers not readable */
	USER_END_COMPAT,     /* 32-bit code: not walked */
	USER_END_UNREADABLE, /* frame could not be read */
	USER_END_NOT_RISING, /* next frame does not lie above this one */
	USER_END_BAD_RETURN, /* return address is 0 or no user address */
	USER_END_DEPTH,	     /* USER_FRAMES_MAX reached */
	USER_END_COUNT,
};

enum sample_flag {
	SAMPLE_HAS_CONTEXT = 1 << 0,	  /* trace_id and span_id are set */
	SAMPLE_KERNEL_TRUNCATED = 1 << 1, /* kernel stack deeper than KERNEL_FRAMES_MAX */
	SAMPLE_KERNEL_THREAD = 1 << 2,
};

/*
 * Followed by n_kernel + n_user addresses (__u64): the kernel stack, then the user stack, each
 * innermost first. The first of each is a program counter, the others are return addresses.
 */
struct sample_record {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 tgid;
	__u32 tid;
	__u32 cpu;
	__u16 n_kernel;
	__u16 n_user;
	__u8 flags;    /* enum sample_flag */
	__u8 user_end; /* enum user_end */
	__u8 reserved[6];
	char comm[COMM_LEN]; /* the thread's name */
	__u8 trace_id[TRACE_ID_LEN];
	__u8 span_id[SPAN_ID_LEN];
};

_Static_assert(sizeof(struct sample_record) == 72, "no padding that nobody writes");
_Static_assert(KERNEL_FRAMES_MAX + USER_FRAMES_MAX < 512, "frames are indexed with 9 bits");

#endif
