/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What readers of trace context work on, and where they put the labels that they find. */
#ifndef SHARED_CTX_ROOM_H
#define SHARED_CTX_ROOM_H

#include "shared/proc_info.h"

#define CTX_LABELS_ROOM 1024 /* bytes; a power of two */

struct ctx_string {
	__u64 at, len;
};

/* Not on the stack of BPF: before Linux 5.12 that cannot be indexed. */
struct ctx_room {
	struct ctx_source source;     /* at hand */
	__u64 tp;		      /* thread pointer */
	__u64 mm;		      /* its struct space holds; 0: none does */
	__u64 go_g;		      /* aarch64: x28, which in Go code is the struct g */
	__u64 addr;		      /* of the source's variable */
	struct ctx_string key, value; /* of the label at hand */
	/* So far: */
	__u32 len;	    /* bytes of labels */
	__u8 is_cut;	    /* some were left out, or shortened */
	__u8 is_unreadable; /* one of them */
	__u8 reserved[2];
	__u8 labels[CTX_LABELS_ROOM]; /* as struct sample_record says */
};

#endif
