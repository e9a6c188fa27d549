/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collects labels whose keys and values are strings somewhere in the process: Go's pprof labels,
 * custom labels. What they mean is decided in user space. Compiled for BPF and for tests.
 */
#ifndef SHARED_CTX_LABELS_H
#define SHARED_CTX_LABELS_H

#include "shared/ctx_memory.h"
#include "shared/ctx_room.h"

#define CTX_LABELS_MAX	    16 /* that are looked at */
#define CTX_LABEL_KEY_MAX   63 /* bytes: a longer key is left out, a longer value is shortened */
#define CTX_LABEL_VALUE_MAX 127
#define CTX_LABEL_MAX	    (2 + CTX_LABEL_KEY_MAX + CTX_LABEL_VALUE_MAX)
/* Where another label may still begin: with their padding they are less than the room. */
#define CTX_LABELS_LAST (CTX_LABELS_ROOM - 8 - CTX_LABEL_MAX)

static inline void ctx_labels_start(struct ctx_room *room)
{
	room->len = 0;
	room->is_cut = 0;
	room->is_unreadable = 0;
}

/* Adds room->key and room->value. */
static inline int ctx_label_add(struct ctx_memory *mem, struct ctx_room *room)
{
	__u64 key_len = room->key.len, value_len = room->value.len;
	__u32 at = room->len;

	if (value_len > CTX_LABEL_VALUE_MAX) {
		value_len = CTX_LABEL_VALUE_MAX;
		room->is_cut = 1;
	}
	if (!key_len || key_len > CTX_LABEL_KEY_MAX || at > CTX_LABELS_LAST) {
		room->is_cut = 1;
		return 0;
	}
	key_len &= CTX_LABEL_KEY_MAX; /* for the verifier, as it is when next used */
	value_len &= CTX_LABEL_VALUE_MAX;
	room->labels[at] = key_len;
	room->labels[at + 1] = value_len;
	at += 2;
	if (ctx_read(mem, &room->labels[at], key_len, room->key.at))
		room->is_unreadable = 1;
	at += key_len;
	if (value_len && ctx_read(mem, &room->labels[at], value_len, room->value.at))
		room->is_unreadable = 1;
	room->len = at + value_len;
	return 0;
}

/*
 * The same, defined by whoever includes this: for BPF a global function, at which the verifier
 * looks once and not for each label.
 */
static int ctx_label(struct ctx_memory *mem, struct ctx_room *room);

/* Is what was collected whole, and anything? */
static inline enum ctx_found ctx_labels_end(const struct ctx_room *room)
{
	if (room->is_unreadable)
		return CTX_UNREADABLE;
	return room->len ? CTX_FOUND : CTX_NONE;
}

#endif
