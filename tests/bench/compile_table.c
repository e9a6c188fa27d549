/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_table FILE PAGES: compiles all pages of the file's unwind table in order, PAGES at a
 * time, first those for which tables are enough, then those with code that has to be looked
 * through. Prints what that took, for bench_compile.py: bytes of the sections, seconds of CPU time
 * to open; of either kind pages and seconds; rows, extended rules, and how much the peak of
 * resident memory grew, in KiB.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

#include "base/vec.h"
#include "elf/elf_unwind.h"
#include "unwind/unwind_table.h"

struct counts {
	uint64_t pages, rows, ext;
	uint64_t looked_through; /* of the pages */
	VEC(uint64_t) seen;	 /* pages that were handed out */
};

static int count_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct counts *c = arg;

	c->pages++;
	c->rows += rows->n_rows;
	c->ext += rows->n_ext;
	return vec_push(&c->seen, page);
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

/* The pages from @first up to @end whose code need not be looked through. */
static int compile_tables(struct unwind_table *t, uint64_t first, uint64_t end, struct counts *c)
{
	const struct unwind_group group = { .first = first, .n = end - first, .page = UINT64_MAX };

	return unwind_table_compile_group(t, &group, count_page, c);
}

/* Those that compile_tables() left out, as long as they follow each other, @step at most. */
static int compile_code(struct unwind_table *t, uint64_t end, uint64_t step, struct counts *c)
{
	size_t n_seen = c->seen.n, at = 0;
	uint64_t first, n;
	int r = 0;

	unwind_table_pages(t, &first, &n);
	while (r == 0 && first < end) {
		uint64_t to;

		while (at < n_seen && c->seen.data[at] == first) {
			at++;
			first++;
		}
		to = at < n_seen ? c->seen.data[at] : end;
		n = to - first < step ? to - first : step;
		if (n)
			r = unwind_table_compile(t, first, n, count_page, c);
		c->looked_through += n;
		first += n;
	}
	return r;
}

static int measure(struct unwind_table *t, uint64_t step, struct counts *c, double seconds[2])
{
	double start = cpu_seconds(), middle;
	uint64_t first, n;
	int r = 0;

	unwind_table_pages(t, &first, &n);
	for (uint64_t i = 0; r == 0 && i < n; i += step)
		r = compile_tables(t, first + i, first + (n - i < step ? n : i + step), c);
	middle = cpu_seconds();
	if (r == 0)
		r = compile_code(t, first + n, step, c);
	seconds[0] = middle - start;
	seconds[1] = cpu_seconds() - middle;
	return r;
}

int main(int argc, char **argv)
{
	CLEANUP(unwind_table_closep) struct unwind_table *t = NULL;
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	struct counts c = { 0 };
	struct elf_unwind u;
	double start, opened, seconds[2] = { 0 };
	long before;
	int r;

	if (fd < 0 || elf_file_open_fd(fd, &ef) < 0)
		return 2;
	before = peak_kib();
	start = cpu_seconds();
	r = unwind_table_open(ef, &t);
	opened = cpu_seconds();
	if (r == 0)
		r = measure(t, strtoull(argv[2], NULL, 10), &c, seconds);
	if (r < 0)
		return 1;
	elf_unwind_find(ef, &u);
	printf("%" PRIu64 " %.6f %" PRIu64 " %.6f %" PRIu64 " %.6f %" PRIu64 " %" PRIu64 " %ld\n",
	       u.eh_frame.size + u.debug_frame.size, opened - start, c.pages - c.looked_through,
	       seconds[0], c.looked_through, seconds[1], c.rows, c.ext, peak_kib() - before);
	vec_free(&c.seen);
	return 0;
}
