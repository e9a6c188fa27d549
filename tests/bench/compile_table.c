/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_table FILE PAGES: compiles all pages of the file's unwind table in order, PAGES at a
 * time, and prints what that took, for bench_compile.py: name, bytes of the sections, seconds of
 * CPU time to open and to compile, pages, rows, extended rules, and how much the peak of resident
 * memory grew, in KiB.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

#include "elf/elf_unwind.h"
#include "unwind/unwind_table.h"

struct counts {
	uint64_t pages, rows, ext;
};

static int count_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct counts *c = arg;

	c->pages++;
	c->rows += rows->n_rows;
	c->ext += rows->n_ext;
	return 0;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Not by getrusage(2), which remembers the peak of what this process was before exec. */
static long peak_kib(void)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		(void)sscanf(line, "VmHWM: %ld", &kib);
	return kib;
}

static int compile_all(struct unwind_table *t, uint64_t step, struct counts *c)
{
	uint64_t first, n;
	int r = 0;

	unwind_table_pages(t, &first, &n);
	for (uint64_t i = 0; r == 0 && i < n; i += step)
		r = unwind_table_compile(t, first + i, n - i < step ? n - i : step, count_page, c);
	return r;
}

int main(int argc, char **argv)
{
	CLEANUP(unwind_table_closep) struct unwind_table *t = NULL;
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	struct counts c = { 0 };
	struct elf_unwind u;
	double start, opened, end;
	long before;
	int r;

	if (fd < 0 || elf_file_open_fd(fd, &ef) < 0)
		return 2;
	before = peak_kib();
	start = cpu_seconds();
	r = unwind_table_open(ef, &t);
	opened = cpu_seconds();
	if (r == 0)
		r = compile_all(t, strtoull(argv[2], NULL, 10), &c);
	end = cpu_seconds();
	if (r < 0)
		return 1;
	elf_unwind_find(ef, &u);
	printf("%" PRIu64 " %.6f %.6f %" PRIu64 " %" PRIu64 " %" PRIu64 " %ld\n",
	       u.eh_frame.size + u.debug_frame.size, opened - start, end - opened, c.pages, c.rows,
	       c.ext, peak_kib() - before);
	return 0;
}
