/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be linked with another program: before main(), its code is moved to anonymous memory at the
 * same address, as programs do that want huge pages for it. The kernel knows no file for it then.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The mapping that this function lies in. */
static int find_text(uintptr_t *ret_start, uintptr_t *ret_end);

static void die(const char *what)
{
	perror(what);
	exit(1);
}

__attribute__((constructor)) static void move_text(void)
{
	uintptr_t start, end;
	void *copy;

	if (find_text(&start, &end) < 0)
		die("/proc/self/maps");
	copy = mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		die("mmap");
	memcpy(copy, (void *)start, end - start);
	if (mprotect(copy, end - start, PROT_READ | PROT_EXEC) < 0)
		die("mprotect");
	if (mremap(copy, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) ==
	    MAP_FAILED)
		die("mremap");
}

static int find_text(uintptr_t *ret_start, uintptr_t *ret_end)
{
	uintptr_t here = (uintptr_t)find_text, start, end;
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int r = -1;

	while (f && r < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= here && here < end) {
			*ret_start = start;
			*ret_end = end;
			r = 0;
		}
	}
	if (f)
		fclose(f);
	return r;
}
