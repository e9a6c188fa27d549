/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The set behind custom_labels_current_set (Polar Signals custom labels, ABI version 1,
 * custom-labels-v1.md). Its writer takes care that it is consistent at every instruction of its
 * thread. Compiled for BPF and for tests.
 */
#ifndef SHARED_CUSTOM_LABELS_H
#define SHARED_CUSTOM_LABELS_H

#include "shared/ctx_labels.h"

struct custom_label {
	__u64 key_len, key; /* key 0: the slot is empty */
	__u64 value_len, value;
};

_Static_assert(sizeof(struct custom_label) == 32, "custom labels v1");

/* Of the set at @set. */
static inline enum ctx_found custom_labels_read(struct ctx_memory *mem, __u64 set,
						struct ctx_room *room)
{
	struct ctx_string list = { 0 }; /* len: of labels */
	struct custom_label label;

	ctx_labels_start(room);
	if (ctx_read(mem, &list, sizeof(list), set))
		return CTX_UNREADABLE;
	NO_UNROLL
	for (__u32 i = 0; i < CTX_LABELS_MAX; i++) {
		if (i >= list.len)
			break;
		if (ctx_read(mem, &label, sizeof(label), list.at + sizeof(label) * i))
			return CTX_UNREADABLE;
		if (!label.key)
			continue;
		room->key = (struct ctx_string){ label.key, label.key_len };
		room->value = (struct ctx_string){ label.value, label.value_len };
		ctx_label(mem, room);
	}
	if (list.len > CTX_LABELS_MAX)
		room->is_cut = 1;
	return ctx_labels_end(room);
}

#endif
