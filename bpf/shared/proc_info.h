/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space tells the kernel side about a process: value of the map `procs`, keyed by tgid.
 */
#ifndef SHARED_PROC_INFO_H
#define SHARED_PROC_INFO_H

#include "shared/types.h"

/* How the thread-local variable that holds the context is reached. */
enum tls_model {
	TLS_MODEL_NONE,	  /* process publishes nothing */
	TLS_MODEL_STATIC, /* thread pointer + off (local-exec, initial-exec, static TLS) */
	TLS_MODEL_GLIBC,  /* block of the module in the thread's vector + off (dynamic TLS) */
	TLS_MODEL_MUSL,	  /* likewise */
};

struct tls_var {
	__u32 model;	  /* enum tls_model */
	__u32 module;	  /* dynamic TLS: number of the library in the process, from 1 on */
	__s64 off;	  /* bytes */
	__u64 generation; /* of glibc's vectors that have the module; 0: not known */
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

_Static_assert(sizeof(struct proc_info) == 32, "map value ABI");

#endif
