/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The record that a sample is on its way through the ring buffer. Host byte order. */
#ifndef SHARED_RECORD_H
#define SHARED_RECORD_H

#include "shared/types.h"
#include "shared/unwind_arena.h"
#include "shared/unwind_regs.h"

#define KERNEL_FRAMES_MAX 127 /* kernel.perf_event_max_stack's default */
#define USER_FRAMES_MAX	  1024
#define TRACE_ID_LEN	  16
#define SPAN_ID_LEN	  8
#define COMM_LEN	  16
#define RINGS_MAX	  256 /* ring buffers: one per CPU, up to this many */

/* How the walk over the user stack ended. Only USER_END_ENTRY and _ZERO can be a whole stack. */
enum user_end {
	USER_END_NONE,	      /* no user stack: kernel thread, or in execve */
	USER_END_ENTRY,	      /* the unwind table says: the outermost frame */
	USER_END_ZERO,	      /* frame pointer 0: what the psABI asks of the outermost frame */
	USER_END_NO_REGS,     /* registers not readable */
	USER_END_COMPAT,      /* 32-bit code: not walked */
	USER_END_NO_CODE,     /* the program counter is in no executable mapping */
	USER_END_UNREADABLE,  /* a part of the stack could not be read */
	USER_END_NOT_RISING,  /* the next frame would not lie above this one */
	USER_END_BAD_RETURN,  /* a return address leads to no code */
	USER_END_NO_RULE,     /* no table, and the frame pointer is not to be believed */
	USER_END_UNSUPPORTED, /* the table's rule is of a kind that is not followed */
	USER_END_NOT_LOADED,  /* the table is not loaded; the rest follows the frames */
	USER_END_DEPTH,	      /* USER_FRAMES_MAX reached */
	USER_END_COUNT,
};

/*
 * A user frame is an address with these bits above it. The first frame of a stack and one that a
 * signal interrupted are at the instruction itself, all others behind a call.
 */
#define FRAME_EXACT	  (1ULL << 63)
#define FRAME_BY_FALLBACK (1ULL << 62) /* found by frame pointer or code, for want of a table */
#define FRAME_ADDR_MASK	  ((1ULL << 57) - 1)

enum sample_flag {
	SAMPLE_KERNEL_TRUNCATED = 1 << 0, /* kernel stack deeper than KERNEL_FRAMES_MAX */
	SAMPLE_KERNEL_THREAD = 1 << 1,
	SAMPLE_CONTEXT_UNKNOWN = 1 << 2, /* of an object that user space has not told of (yet) */
	SAMPLE_EXTRA =
		1 << 3, /* at a tick that only counts for what is in the focus, as this may be */
};

/*
 * Followed by n_kernel addresses and n_user frames (__u64 each): the kernel stack, then the user
 * stack, innermost first; then by labels_len bytes of labels and padding to a multiple of 8; and
 * after USER_END_NOT_LOADED by a struct sample_rest. The first address of the kernel stack is a
 * program counter, the others are return addresses.
 *
 * Labels are as the context's format has them, one behind the other, a byte for each number:
 *   OTEL, NODE         number of the key, length of the value, value
 *   GO, CUSTOM_LABELS  length of the key, length of the value, key, value
 *   VARIABLE           number of the user's variable, length of the value, value
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
	__u16 labels_len;
	__u8 ctx_format; /* enum ctx_format: where the context is from; NONE: there is none */
	__u8 reserved[3];
	char comm[COMM_LEN]; /* the thread's name */
	/* Zeroes: not known. Labels may have them, too. */
	__u8 trace_id[TRACE_ID_LEN];
	__u8 span_id[SPAN_ID_LEN];
	__u8 local_root_id[SPAN_ID_LEN]; /* span id of the local root */
};

_Static_assert(sizeof(struct sample_record) == 80, "no padding that nobody writes");
_Static_assert(KERNEL_FRAMES_MAX + USER_FRAMES_MAX < 2048, "frames are indexed with 11 bits");

#define REST_STACK_MAX 65536 /* bytes of stack, a multiple of the following */
#define REST_CHUNK     4096  /* a page, or a part of one */

/* What is needed to go on with a walk: registers of its last frame, and the stack above it. */
struct sample_rest {
	struct unwind_file_key key; /* file of the missing table; zero: the vDSO, or no file */
	struct unwind_backing backing;
	__u64 stack_addr; /* of the first byte */
	__u32 stack_len;  /* bytes of stack behind this struct, a multiple of 8 */
	__u32 absent;	  /* bit n: the nth page of these was not in memory, and reads as zeroes */
	struct unwind_regs regs;
};

_Static_assert(REST_STACK_MAX / REST_CHUNK < 32, "a bit for each page of a copy");

#endif
