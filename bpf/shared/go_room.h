/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What reading a goroutine's labels works on (shared/go_ctx.h). */
#ifndef SHARED_GO_ROOM_H
#define SHARED_GO_ROOM_H

#include "shared/proc_info.h"
#include "shared/record.h"

#define GO_TEXT_MAX 32

struct go_string {
	__u64 at, len;
};

/* Not on the stack of BPF: before Linux 5.12 that cannot be indexed. */
struct go_room {
	struct go_var var;
	__u64 tp;
	struct go_string key, value; /* of the label at hand */
	__u8 text[GO_TEXT_MAX];
	__u8 trace_id[TRACE_ID_LEN]; /* 0: there was none */
	__u8 span_id[SPAN_ID_LEN];
	__u8 has_span, is_malformed, is_unreadable; /* so far */
	__u8 reserved[5];
};

#endif
