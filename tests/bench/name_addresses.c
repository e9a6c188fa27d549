/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_addresses [-q] [-c | -C FOLDER] [-r ROUNDS]: names addresses. Standard input has a line
 * @PATH for each ELF file, and behind it the file offsets in it, hexadecimal, one a line; @[kernel]
 * stands for the running kernel, whose are addresses. Prints for each its ELF virtual address and
 * the start of its symbol, then of each frame, innermost first, function, file and line behind a
 * tab (? and 0: not known); with -q nothing of these. With ROUNDS all is named as often by the same
 * symbolizer; with -c it has a cache in memory, and forgets its names after each round; with -C the
 * cache is also in FOLDER, where it is saved at the end. The last line is for the benchmarks:
 * addresses, those with a name, frames, by how many KiB resident memory had grown at its peak,
 * afterwards, and when all was freed, and seconds of CPU time of each round.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/vec.h"
#include "sym/file_finder.h"
#include "sym/symbol_cache.h"
#include "sym/symbolizer.h"

struct file {
	char *path;
	uint64_t *offsets;
	struct sym_result *results;
	size_t n, cap;
};

VEC(struct file) files;

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static long status_kib(const char *format)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		(void)sscanf(line, format, &kib);
	return kib;
}

static int add_offset(struct file *f, uint64_t offset)
{
	int r = vec_reserve_bytes((void **)&f->offsets, &f->cap, f->n + 1, sizeof(*f->offsets));

	if (r == 0)
		f->offsets[f->n++] = offset;
	return r;
}

static int read_files(FILE *in)
{
	CLEANUP(freep) char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '@')
			r = vec_push(&files, (struct file){ .path = strdup(line + 1) });
		else if (files.n)
			r = add_offset(&files.data[files.n - 1], strtoull(line, NULL, 16));
		else
			r = -EINVAL;
	}
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		struct file *f = &files.data[i];

		f->results = calloc(f->n ? f->n : 1, sizeof(*f->results));
		r = f->results ? 0 : -ENOMEM;
		/* In memory by now, so that naming is not what brings it there. */
		for (size_t k = 0; r == 0 && k < f->n; k++)
			f->results[k].vaddr = f->offsets[k];
	}
	return r;
}

static int name_in_file(struct symbolizer *s, struct file *f)
{
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	CLEANUP(closep) int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : file_finder_new(f->path, -1, &finder);

	if (r < 0)
		return r;
	return symbolizer_file(s, fd, file_finder_source(finder), f->offsets, f->n, f->results);
}

static int name_file(struct symbolizer *s, struct file *f)
{
	if (strcmp(f->path, "[kernel]") == 0)
		return symbolizer_kernel(s, f->offsets, f->n, f->results);
	return name_in_file(s, f);
}

static double name_all(struct symbolizer *s)
{
	double start = cpu_seconds();

	for (size_t i = 0; i < files.n; i++) {
		int r = name_file(s, &files.data[i]);

		if (r < 0)
			fprintf(stderr, "%s: %s\n", files.data[i].path, strerror(-r));
	}
	return cpu_seconds() - start;
}

static void print_result(const struct sym_result *res)
{
	printf("%" PRIx64 " %" PRIx64 "\n", res->vaddr, res->start);
	for (size_t i = 0; i < res->n_frames; i++)
		printf("\t%s\t%s\t%" PRIu32 "\n",
		       res->frames[i].function ? res->frames[i].function : "?",
		       res->frames[i].file ? res->frames[i].file : "?", res->frames[i].line);
}

static void print_all(bool quiet)
{
	size_t n = 0, named = 0, frames = 0;

	for (size_t i = 0; i < files.n; i++)
		for (size_t k = 0; k < files.data[i].n; k++) {
			const struct sym_result *res = &files.data[i].results[k];

			n++;
			named += res->n_frames > 0;
			frames += res->n_frames;
			if (!quiet)
				print_result(res);
		}
	printf("%zu %zu %zu", n, named, frames);
}

int main(int argc, char **argv)
{
	CLEANUP(symbol_cache_freep) struct symbol_cache *cache = NULL;
	CLEANUP(symbolizer_freep) struct symbolizer *s = NULL;
	VEC(double) seconds = { 0 };
	long rounds = 1, before, after;
	const char *folder = NULL;
	bool quiet = false, cached = false;

	for (int c; (c = getopt(argc, argv, "cC:qr:")) != -1;) {
		if (c == '?')
			return 2;
		quiet |= c == 'q';
		cached |= c == 'c' || c == 'C';
		folder = c == 'C' ? optarg : folder;
		rounds = c == 'r' ? atol(optarg) : rounds;
	}
	if (read_files(stdin) < 0 || symbolizer_new(&s) < 0)
		return 1;
	symbolizer_allow_mapping(s);
	if (cached && symbol_cache_new(folder, &SYMBOL_CACHE_LIMITS_DEFAULT, &cache) < 0)
		return 1;
	if (cached)
		symbolizer_use_cache(s, cache);
	before = status_kib("VmRSS: %ld");
	for (long i = 0; i < rounds; i++) {
		if (cached)
			symbolizer_forget(s);
		(void)vec_push(&seconds, name_all(s));
	}
	if (folder)
		symbol_cache_save(cache);
	after = status_kib("VmRSS: %ld");
	print_all(quiet);
	symbolizer_free(TAKE_PTR(s));
	malloc_trim(0);
	printf(" %ld %ld %ld", status_kib("VmHWM: %ld") - before, after - before,
	       status_kib("VmRSS: %ld") - before);
	for (size_t i = 0; i < seconds.n; i++)
		printf(" %.6f", seconds.data[i]);
	printf("\n");
	return 0;
}
