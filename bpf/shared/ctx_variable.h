/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The value of a thread-local variable that the user has told us of (--tls-var). Compiled for BPF
 * and for tests.
 */
#ifndef SHARED_CTX_VARIABLE_H
#define SHARED_CTX_VARIABLE_H

#include "shared/ctx_memory.h"
#include "shared/ctx_room.h"

/* Appends the value to the labels, behind the number of the variable. */
static inline enum ctx_found ctx_variable_read(struct ctx_memory *mem, const struct ctx_variable *v,
					       __u32 number, struct ctx_room *room)
{
	__u64 addr = room->addr + v->off[0];
	__u32 at, len, n_steps = v->n_steps;

	NO_UNROLL
	for (__u32 i = 0; i < CTX_STEPS_MAX; i++) {
		if (i >= n_steps)
			break;
		if (ctx_read(mem, &addr, sizeof(addr), addr))
			return CTX_UNREADABLE;
		if (!addr)
			return CTX_NONE;
		addr += v->off[i + 1];
	}
	/* Read behind the loop: verifiers up to 6.1 do not relate a spilled value to its check. */
	at = room->len;
	len = v->len & CTX_VALUE_MAX;
	if (at > CTX_LABELS_ROOM - 2 - CTX_VALUE_MAX)
		return CTX_NONE; /* cannot be: CTX_SOURCES_MAX of these fit */
	if (ctx_read(mem, &room->labels[at + 2], len, addr)) {
		/* A short string may be the last thing before memory that is not there. */
		len = -addr & 4095;
		if (!len || len >= v->len ||
		    ctx_read(mem, &room->labels[at + 2], len & CTX_VALUE_MAX, addr))
			return CTX_UNREADABLE;
		len &= CTX_VALUE_MAX;
	}
	room->labels[at] = number;
	room->labels[at + 1] = len;
	room->len = at + 2 + len;
	return CTX_FOUND;
}

#endif
