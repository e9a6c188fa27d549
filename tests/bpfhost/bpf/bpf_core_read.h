/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads of kernel memory become bpf_probe_read_kernel(), which gives 0 where nothing is. */
#ifndef BPFHOST_BPF_CORE_READ_H
#define BPFHOST_BPF_CORE_READ_H

#include <stddef.h>
#include <stdint.h>

struct inode___6_6;
struct inode___6_11;
struct mm_struct___rb;
struct mm_struct___5_10;
struct mm_struct___6_4;
struct mm_struct___6_13;
struct vm_area_struct___rb;
struct vm_area_struct___6_4;
struct backing_file___6_7;

/* Where in struct X the fields of struct X___Y are. */
#define BPFHOST_IS(ptr, type) __builtin_types_compatible_p(__typeof__(ptr), type *)
#define BPFHOST_BASE(ptr)                                                                          \
	(BPFHOST_IS(ptr, struct inode___6_6)		? offsetof(struct inode, ctime_6_6)        \
	 : BPFHOST_IS(ptr, struct inode___6_11)		? offsetof(struct inode, ctime_6_11)       \
	 : BPFHOST_IS(ptr, struct mm_struct___rb)	? offsetof(struct mm_struct, rb)           \
	 : BPFHOST_IS(ptr, struct mm_struct___5_10)	? offsetof(struct mm_struct, seq_5_10)     \
	 : BPFHOST_IS(ptr, struct mm_struct___6_4)	? offsetof(struct mm_struct, seq_6_4)      \
	 : BPFHOST_IS(ptr, struct mm_struct___6_13)	? offsetof(struct mm_struct, seq_6_13)     \
	 : BPFHOST_IS(ptr, struct vm_area_struct___rb)	? offsetof(struct vm_area_struct, rb)      \
	 : BPFHOST_IS(ptr, struct backing_file___6_7)	? offsetof(struct file, user_6_7)          \
	 : BPFHOST_IS(ptr, struct vm_area_struct___6_4) ? offsetof(struct vm_area_struct, seq_6_4) \
							: 0)

#define BPFHOST_FIELD(value, src, field)                                                           \
	({                                                                                         \
		__typeof__((src)->field) value;                                                    \
		bpf_probe_read_kernel(&value, sizeof(value),                                       \
				      (const void *)((uintptr_t)(src) + BPFHOST_BASE(src) +        \
						     offsetof(__typeof__(*(src)), field)));        \
		value;                                                                             \
	})
#define BPFHOST_READ_1(src, a)		   BPFHOST_FIELD(field1_, src, a)
#define BPFHOST_READ_2(src, a, b)	   BPFHOST_FIELD(field2_, BPFHOST_READ_1(src, a), b)
#define BPFHOST_PICK_(one, two, name, ...) name
#define BPF_CORE_READ(src, ...)                                                                    \
	BPFHOST_PICK_(__VA_ARGS__, BPFHOST_READ_2, BPFHOST_READ_1, )(src, __VA_ARGS__)

#define BPF_CORE_READ_BITFIELD_PROBED(src, field)                                                  \
	({                                                                                         \
		__typeof__(*(src)) copy_;                                                          \
		bpf_probe_read_kernel(&copy_, sizeof(copy_), src);                                 \
		copy_.field;                                                                       \
	})

/* Of this kernel: 0 for one that is older than the enumerator. */
extern int bpfhost_enum_value_exists;

/* Has this kernel such a field? @type is "struct X" or "struct X___Y". By the test. */
int bpfhost_field_exists(const char *type, const char *field);

#define bpf_core_enum_value_exists(type, value) bpfhost_enum_value_exists
#define bpf_core_enum_value(type, value)	(value)
#define bpf_core_type_size(type)		sizeof(type)
#define bpf_core_field_exists(type, field)	bpfhost_field_exists(#type, #field)
#define bpf_core_field_offset(type, field)                                                         \
	((uintptr_t)(BPFHOST_BASE((type *)NULL) + offsetof(type, field)))

#endif
