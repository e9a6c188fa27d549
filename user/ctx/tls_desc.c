/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS descriptors: two words in the GOT, a resolver and its argument. The dynamic linker picks the
 * resolver when it has placed the module: in static TLS the argument is the offset from the thread
 * pointer, otherwise it points to a tls_index.
 */
#include <errno.h>
#include <stddef.h>

#include "ctx/tls_model.h"
#include "proc/remote_mem.h"

#define AARCH64_LDR_ARG	  0xf9400400 /* ldr x0, [x0, #8] */
#define AARCH64_SMALL_OFF 0x10000    /* no pointer is as low: vm.mmap_min_addr */

struct descriptor {
	uint64_t resolver;
	uint64_t arg;
};

/* glibc's struct tlsdesc_dynamic_arg; musl has the first two words of it. */
struct dynamic_arg {
	uint64_t module;
	uint64_t offset;
	uint64_t generation;
};

bool tls_desc_resolver_is_static(const uint32_t code[4])
{
	int i = 0;

	while (i < 2 && (code[i] & AARCH64_HINT_MASK) == AARCH64_HINT)
		i++;
	return code[i] == AARCH64_LDR_ARG && code[i + 1] == AARCH64_RET;
}

/*
 * The argument is a pointer. With an old glibc (lazy binding) it leads to the relocation until the
 * descriptor is first used: an Elf64_Rela, whose first word is where the descriptor is.
 */
static int locate_dynamic(const struct tls_symbol *ts, const struct tls_process *p, uint64_t addr,
			  struct tls_var *ret)
{
	size_t len = p->libc == TLS_LIBC_MUSL ? offsetof(struct dynamic_arg, generation)
					      : sizeof(struct dynamic_arg);
	struct dynamic_arg arg = { 0 };
	int r = remote_mem_read(p->pid, addr, &arg, len);

	if (r < 0)
		return r == -EFAULT ? -EAGAIN : r;
	if (arg.module == ts->got_vaddr)
		return -EAGAIN;
	return tls_var_dynamic(p->libc, arg.module, arg.offset + (uint64_t)ts->off, arg.generation,
			       ret);
}

/* Offsets are negative on x86_64. On aarch64 they look like pointers; the resolver's code tells. */
static int is_static(enum tls_arch arch, pid_t pid, const struct descriptor *d)
{
	uint32_t code[4];
	int r;

	if (arch == TLS_ARCH_X86_64)
		return (int64_t)d->arg < 0;
	if (d->arg < AARCH64_SMALL_OFF)
		return 1;

	r = remote_mem_read(pid, d->resolver, code, sizeof(code));
	return r < 0 ? r : tls_desc_resolver_is_static(code);
}

int tls_desc_locate(const struct tls_symbol *ts, const struct tls_process *p, struct tls_var *ret)
{
	struct descriptor d;
	int r = remote_mem_read(p->pid, p->bias + ts->got_vaddr, &d, sizeof(d));

	if (r < 0)
		return r;
	if (d.resolver == 0)
		return -EAGAIN;

	r = is_static(TLS_ARCH_HOST, p->pid, &d);
	if (r < 0)
		return r;
	if (r == 0)
		return locate_dynamic(ts, p, d.arg, ret);
	return tls_var_static(TLS_ARCH_HOST, (int64_t)(d.arg + (uint64_t)ts->off), ret);
}
