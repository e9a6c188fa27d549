/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory this process has, as the kernel counts it. */
#ifndef RESIDENT_H
#define RESIDENT_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Bytes. Allocates nothing: AddressSanitizer would keep that for long. */
static inline size_t resident(void)
{
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char buf[128] = "";
	size_t pages = 0;

	cr_assert_gt(read(fd, buf, sizeof(buf) - 1), 0);
	close(fd);
	cr_assert_eq(sscanf(buf, "%*u %zu", &pages), 1);
	return pages * sysconf(_SC_PAGESIZE);
}

#endif
