/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/remote_mem.h"

#include <errno.h>
#include <sys/uio.h>

int remote_mem_read(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}

int remote_mem_read_many(pid_t pid, const uint64_t *addrs, size_t n, void *buf, size_t len)
{
	struct iovec local = { buf, n * len }, remote[REMOTE_MEM_MANY];
	ssize_t got;

	if (n > REMOTE_MEM_MANY)
		n = REMOTE_MEM_MANY;
	for (size_t i = 0; i < n; i++)
		remote[i] = (struct iovec){ (void *)(uintptr_t)addrs[i], len };
	got = process_vm_readv(pid, &local, 1, remote, n, 0);
	if (got < 0)
		return errno == EFAULT ? 0 : -errno;
	return (int)((size_t)got / len);
}
