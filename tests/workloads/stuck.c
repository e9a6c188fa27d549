/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stuck SECONDS: a process context whose payload lies in a page that never comes: whoever reads it
 * waits for ever, as with a file system that does not answer. Burns a CPU meanwhile.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "otel_ctx.h"

#define PAGE 4096

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void *missing_page(void)
{
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	area.range.start = (uintptr_t)page;
	area.range.len = PAGE;
	if (fd < 0 || page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) < 0 ||
	    ioctl(fd, UFFDIO_REGISTER, &area) < 0)
		return NULL;
	return page;
}

int main(int argc, char **argv)
{
	void *page = missing_page(), *header;
	uint64_t end;

	if (argc != 2 || !page) {
		fputs("usage: stuck SECONDS, as root\n", stderr);
		return 2;
	}
	if (otel_process_publish_raw((uintptr_t)page, 100, now_ns(CLOCK_BOOTTIME), &header) < 0)
		return 1;
	end = now_ns(CLOCK_MONOTONIC) + strtoull(argv[1], NULL, 10) * 1000000000ull;
	while (now_ns(CLOCK_MONOTONIC) < end)
		;
	return 0;
}
