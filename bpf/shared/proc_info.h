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

/* Where Go's runtime keeps the labels of the goroutine that runs: shared/go_ctx.h. */
enum go_labels_form { GO_LABELS_MAP, GO_LABELS_SLICE };

struct go_var {
	__s64 g_off;  /* of the pointer to the struct g, from the thread pointer */
	__u32 form;   /* enum go_labels_form */
	__u16 curg;   /* in struct m */
	__u16 labels; /* in struct g */
	__u64 reserved;
};

enum ctx_format {
	CTX_FORMAT_NONE,
	CTX_FORMAT_OTEL,    /* a variable that points to a struct thread_ctx */
	CTX_FORMAT_ELASTIC, /* to a struct elastic_ctx */
	CTX_FORMAT_NODE,    /* a variable that is a struct node_var */
	CTX_FORMAT_GO,
};

struct ctx_source {
	__u32 format; /* enum ctx_format; NONE: the end of the list */
	__u32 reserved;
	union {
		struct tls_var var;
		struct go_var go;
	};
};

_Static_assert(sizeof(struct go_var) == sizeof(struct tls_var), "map value ABI");

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
