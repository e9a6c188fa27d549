/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space tells the kernel side about a process: value of the map `procs`, keyed by tgid.
 */
#ifndef SHARED_PROC_INFO_H
#define SHARED_PROC_INFO_H

#include "shared/types.h"

/* How the thread-local variable that holds the context is reached. */
enum tls_model {
	TLS_MODEL_NONE,
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

/* What a thread-local variable points to. */
enum ctx_format {
	CTX_FORMAT_NONE,
	CTX_FORMAT_OTEL,    /* struct thread_ctx */
	CTX_FORMAT_ELASTIC, /* struct elastic_ctx */
};

struct ctx_source {
	__u32 format; /* enum ctx_format; NONE: the end of the list */
	__u32 reserved;
	struct tls_var var;
};

/*
 * Those of a process, the one to be believed first: the first in which a thread has a context
 * counts. Several of one format: libraries that have a copy of the writer each.
 */
#define CTX_SOURCES_MAX 4

/*
 * The entry holds for one program image only. A pid lives on through exec, and comes back after
 * exit, faster than user space hears of it, and the old image's TLS offset means nothing in the new
 * one. mm->start_stack is set anew, and randomly, by every exec: an entry that does not agree is
 * not used.
 */
struct proc_info {
	__u64 start_stack; /* field 28 of /proc/PID/stat */
	struct ctx_source sources[CTX_SOURCES_MAX];
};

_Static_assert(sizeof(struct proc_info) == 136, "map value ABI");

#endif
