/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which ticks are samples while one process or trace is looked at more closely. */
#ifndef BPF_FOCUS_BPF_H
#define BPF_FOCUS_BPF_H

#include "scratch.bpf.h"
#include "shared/focus.h"

struct sample_focus focus;

/* Is this tick one at which everything is sampled? */
static __always_inline bool focus_is_usual_tick(struct scratch *s)
{
	__u32 every = focus.every;

	if (++s->ticks < every)
		return false;
	s->ticks = 0;
	return true;
}

/* At other ticks: can it be in the focus? Of a trace that is known by its context only. */
static __always_inline bool focus_may_want(__u32 tgid)
{
	return !focus.tgid || focus.tgid == tgid;
}

/* Likewise, with its context. Ids that are in labels are user space's to read. */
static __always_inline bool focus_may_want_context(const struct sample_record *rec)
{
	bool same = true, none = true;

	for (int i = 0; i < FOCUS_TRACE_LEN; i++) {
		same = same && rec->trace_id[i] == focus.trace_id[i];
		none = none && !rec->trace_id[i];
	}
	return focus.tgid || same || (none && rec->labels_len);
}

#endif
