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
	__s64 g_off;	/* of the pointer to the struct g, from the thread pointer */
	__u32 form;	/* enum go_labels_form */
	__u16 curg;	/* in struct m */
	__u16 labels;	/* in struct g */
	__u32 g_in_reg; /* 1: the pointer is in a register only, not in TLS (aarch64 without cgo) */
	__u32 reserved;
};

#define CTX_VARIABLES_MAX 8 /* that the user can tell of; a power of two */
#define CTX_STEPS_MAX	  4 /* pointers to follow */
#define CTX_VALUE_MAX	  63

/*
 * A thread-local variable that the user has told us of: how its value is reached.
 *
 *   address of the variable + off[0] ──▶ + off[1] ──▶ … the value is where the last one leads
 */
struct ctx_variable {
	__u16 n_steps; /* pointers that are followed */
	__u16 len;     /* bytes, 1 to CTX_VALUE_MAX */
	__s32 off[CTX_STEPS_MAX + 1];
};

enum ctx_format {
	CTX_FORMAT_NONE,
	CTX_FORMAT_OTEL,    /* a variable that points to a struct thread_ctx */
	CTX_FORMAT_ELASTIC, /* to a struct elastic_ctx */
	CTX_FORMAT_NODE,    /* a variable that is a struct node_var */
	CTX_FORMAT_GO,
	CTX_FORMAT_CUSTOM_LABELS, /* a variable that points to a set: shared/custom_labels.h */
	CTX_FORMAT_VARIABLE,	  /* one of struct ctx_variable */
	CTX_FORMAT_PYTHON,	  /* the interpreter's own: map `pythons` */
	CTX_FORMAT_OBI,		  /* not of the process: another agent's map */
	CTX_FORMAT_COUNT,
};

struct ctx_source {
	__u32 format; /* enum ctx_format; NONE: the end of the list */
	__u32 number; /* of CTX_FORMAT_VARIABLE: which one; of PYTHON: element of `pythons` */
	union {
		struct tls_var var;
		struct go_var go;
	};
};

_Static_assert(sizeof(struct go_var) == sizeof(struct tls_var), "map value ABI");

/*
 * Those of a process, the one to be believed first: the first in which a thread has a context
 * counts; but values of the user's variables add up. Several of one format: libraries that have a
 * copy of the writer each.
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
	__u64 unwanted;	   /* 1: by the agent's filters, it is not sampled */
	struct ctx_source sources[CTX_SOURCES_MAX];
};

_Static_assert(sizeof(struct proc_info) == 144, "map value ABI");

#endif
