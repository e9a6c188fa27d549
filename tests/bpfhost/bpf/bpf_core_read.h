/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads of kernel memory become plain ones; through NULL they give 0, as in the kernel. */
#ifndef BPFHOST_BPF_CORE_READ_H
#define BPFHOST_BPF_CORE_READ_H

#define BPFHOST_READ_1(src, a)		   ((src)->a)
#define BPFHOST_READ_2(src, a, b)	   ((src)->a ? (src)->a->b : 0)
#define BPFHOST_PICK_(one, two, name, ...) name
#define BPF_CORE_READ(src, ...)                                                                    \
	BPFHOST_PICK_(__VA_ARGS__, BPFHOST_READ_2, BPFHOST_READ_1, )(src, __VA_ARGS__)

/* Of this kernel: 0 for one that is older than the enumerator. */
extern int bpfhost_enum_value_exists;

#define bpf_core_enum_value_exists(type, value) bpfhost_enum_value_exists
#define bpf_core_type_size(type)		sizeof(type)

#endif
