/* SPDX-License-Identifier: Apache-2.0 */
/* Local-exec: the program's own variables, at offsets that the linker has fixed. */
#include "ctx/tls_model.h"

#define AARCH64_TCB_LEN 16

/*
 * The psABIs' layouts, for a segment that need not begin at a multiple of its alignment: on x86_64
 * it ends at the thread pointer (variant II), on aarch64 it follows a thread control block of 16
 * bytes (variant I); the distance keeps the address congruent to p_vaddr.
 */
int64_t tls_local_exec_offset(enum tls_arch arch, const struct elf_tls_segment *seg, uint64_t value)
{
	uint64_t mask = seg->align - 1;

	if (arch == TLS_ARCH_X86_64)
		return (int64_t)(value - seg->memsz - ((-seg->vaddr - seg->memsz) & mask));
	return (int64_t)(value + AARCH64_TCB_LEN + ((seg->vaddr - AARCH64_TCB_LEN) & mask));
}

int tls_local_exec_locate(const struct tls_symbol *ts, const struct tls_process *p,
			  struct tls_var *ret)
{
	return tls_var_static(TLS_ARCH_HOST, ts->off, ret);
}
