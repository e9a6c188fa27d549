/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space tells the kernel side about a process: value of the map `procs`, keyed by tgid.
 */
#ifndef SHARED_PROC_INFO_H
#define SHARED_PROC_INFO_H

#include "shared/types.h"

/* How the thread-local variable that holds the context is reached. One enumerator, one file. */
enum tls_model {
	TLS_MODEL_NONE,	  /* process publishes nothing */
	TLS_MODEL_STATIC, /* thread pointer + tp_off (local-exec, initial-exec, static TLS) */
};

struct tls_var {
	__u32 model; /* enum tls_model */
	__u32 reserved;
	__s64 tp_off; /* bytes from the thread pointer */
};

/*
 * The entry holds for one program image only. A pid lives on through exec, and comes back after
 * exit, faster than user space hears of it, and the old image's TLS offset means nothing in the new
 * one. mm->start_stack is set anew, and randomly, by every exec: an entry that does not agree is
 * not used.
 */
struct proc_info {
	__u64 start_stack;	   /* field 28 of /proc/PID/stat */
	struct tls_var thread_ctx; /* otel_thread_ctx_v1: pointer to struct thread_ctx */
};

_Static_assert(sizeof(struct proc_info) == 24, "map value ABI");

#endif
