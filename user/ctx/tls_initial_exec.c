/* SPDX-License-Identifier: Apache-2.0 */
/* Initial-exec: the dynamic linker has written the offset into one word of the GOT. */
#include <errno.h>

#include "ctx/tls_model.h"
#include "proc/remote_mem.h"

/*
 * 0 is what stands there before relocation. On aarch64 with musl it can be the offset itself (first
 * variable of the first library of a program without TLS): such a variable is never found, which
 * beats reading whatever lies at the thread pointer in all the others.
 */
int tls_initial_exec_locate(const struct tls_symbol *ts, const struct tls_process *p,
			    struct tls_var *ret)
{
	int64_t tp_off;
	int r = remote_mem_read(p->pid, p->bias + ts->got_vaddr, &tp_off, sizeof(tp_off));

	if (r < 0)
		return r;
	if (tp_off == 0)
		return -EAGAIN;
	return tls_var_static(TLS_ARCH_HOST, (int64_t)((uint64_t)tp_off + ts->off), ret);
}
