/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of another process. */
#ifndef PROC_REMOTE_MEM_H
#define PROC_REMOTE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads exactly @len bytes at @addr of process @pid. -EFAULT: not mapped (also a part of it);
 * -ESRCH: no such process; -EPERM: needs CAP_SYS_PTRACE.
 */
int remote_mem_read(pid_t pid, uint64_t addr, void *buf, size_t len);

#endif
