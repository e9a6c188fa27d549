/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of another process. A page that it has from a file system or a program that does not
 * deliver costs 0.2 s once: -ETIMEDOUT, as of all of the process until the page is there or it
 * ends.
 */
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

/*
 * Reads @len bytes at each of the @n addresses, one behind the other into @buf. How many of them
 * from the first on were read: fewer than @n if the next one cannot be, or if these are more than
 * REMOTE_MEM_MANY. Negative as above.
 */
#define REMOTE_MEM_MANY 128
int remote_mem_read_many(pid_t pid, const uint64_t *addrs, size_t n, void *buf, size_t len);

/* Reads that wait for such a page. With so many of them nothing is read any more: -ETIMEDOUT. */
#define REMOTE_MEM_STUCK_MAX 64
unsigned remote_mem_stuck(void);

/* Reads so far that were not waited for any longer, or not begun as there were so many of these. */
uint64_t remote_mem_given_up(void);

#endif
