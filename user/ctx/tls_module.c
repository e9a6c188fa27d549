/* SPDX-License-Identifier: Apache-2.0 */
/*
 * General-dynamic and local-dynamic: two words in the GOT, the number that the dynamic linker has
 * given the library, and an offset in its block. Each thread has a block of its own, and a vector
 * of them.
 */
#include <errno.h>

#include "ctx/tls_model.h"
#include "proc/remote_mem.h"

#define MODULE_MAX 65535

int tls_var_dynamic(enum tls_libc libc, uint64_t module, uint64_t off, uint64_t generation,
		    struct tls_var *ret)
{
	if (module == 0 || module > MODULE_MAX || off > INT32_MAX)
		return -EAGAIN;
	if (libc == TLS_LIBC_UNKNOWN)
		return -ENOTSUP;

	*ret = (struct tls_var){
		.model = libc == TLS_LIBC_MUSL ? TLS_MODEL_MUSL : TLS_MODEL_GLIBC,
		.module = (uint32_t)module,
		.off = (int64_t)off,
		.generation = generation,
	};
	return 0;
}

int tls_module_locate(const struct tls_symbol *ts, const struct tls_process *p, struct tls_var *ret)
{
	struct {
		uint64_t module;
		uint64_t offset;
	} got;
	uint64_t off = (uint64_t)ts->off;
	int r = remote_mem_read(p->pid, p->bias + ts->got_vaddr, &got, sizeof(got));

	if (r < 0)
		return r;
	if (ts->access == TLS_ACCESS_GENERAL)
		off += got.offset;
	return tls_var_dynamic(p->libc, got.module, off, 0, ret);
}
