/* SPDX-License-Identifier: Apache-2.0 */
/* A symbolizer of a process that runs for days: what it keeps, and with how much detail it names.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "elf_samples.h"
#include "leak_check.h"
#include "sym/file_finder.h"
#include "sym/symbol_cache.h"
#include "sym/symbolizer.h"

#define LIBC   "/lib/x86_64-linux-gnu/libc.so.6"
#define PLACES 2000

static struct symbolizer *s;
static struct symbol_cache *cache;
static uint64_t offsets[PLACES];
static struct sym_result results[PLACES];

static void begin_with(size_t memory)
{
	const struct symbol_cache_limits limits = { .memory_bytes = memory };

	cr_assert(zero(int, symbol_cache_new(NULL, &limits, &cache)));
	symbolizer_use_cache(s, cache);
}

static void init(void)
{
	samples_init();
	cr_assert(zero(int, symbolizer_new(&s)));
	for (size_t i = 0; i < PLACES; i++)
		offsets[i] = 0x28000 + 97 * i;
}

static void fini(void)
{
	symbolizer_free(s);
	symbol_cache_free(cache);
	samples_fini();
	leak_check();
}

TestSuite(symbolizer_memory, .init = init, .fini = fini);

static size_t name(const char *file, const uint64_t *at, size_t n)
{
	CLEANUP(closep) int fd = sample_open(file);
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	size_t named = 0;

	cr_assert(zero(int, file_finder_new(sample(file), -1, &finder)));
	cr_assert(zero(int, symbolizer_file(s, fd, file_finder_source(finder), at, n, results)));
	for (size_t i = 0; i < n; i++)
		named += results[i].n_frames > 0;
	return named;
}

Test(symbolizer_memory, what_is_forgotten_takes_no_memory_and_comes_back)
{
	char first[256];
	size_t empty = symbolizer_memory(s), named = name(LIBC, offsets, PLACES);

	cr_assert(gt(sz, named, PLACES / 2));
	cr_assert(gt(sz, symbolizer_memory(s), empty + 10000));
	snprintf(first, sizeof(first), "%s",
		 results[0].n_frames ? results[0].frames[0].function : "");
	symbolizer_forget(s);
	cr_assert(eq(sz, symbolizer_memory(s), empty));

	cr_assert(eq(sz, name(LIBC, offsets, PLACES), named));
	cr_assert_str_eq(results[0].n_frames ? results[0].frames[0].function : "", first);
}

Test(symbolizer_memory, forgotten_names_are_in_the_cache)
{
	size_t named;

	begin_with(1u << 24);
	named = name(LIBC, offsets, PLACES);
	symbolizer_forget(s);
	cr_assert(gt(sz, symbol_cache_memory(cache), PLACES));
	/* What is not in the cache would be read in less detail now: nothing is. */
	symbolizer_set_detail(s, SYMBOLIZER_SYMBOLS_ONLY);
	cr_assert(eq(sz, name(LIBC, offsets, PLACES), named));
	cr_assert_not_null(results[0].n_frames ? results[0].frames[0].file : NULL);
}

Test(symbolizer_memory, the_cache_is_bounded_when_names_are_forgotten)
{
	begin_with(20000);
	(void)name(LIBC, offsets, PLACES);
	cr_assert(gt(sz, symbol_cache_memory(cache), 20000));
	symbolizer_forget(s);
	cr_assert(le(sz, symbol_cache_memory(cache), 20000));
}

static uint64_t make_program(const char *flags)
{
	sample_write("prog.c", "static inline __attribute__((always_inline)) int in(int a)\n"
			       "{ return a * 3 ^ a; }\n"
			       "int main(int c, char **v) { (void)v; return in(c); }\n");
	sh("gcc -g -O2 -Wl,-z,noseparate-code %s prog.c -o prog", flags);
	return nm_value("prog", "main");
}

Test(symbolizer_memory, symbols_only_gives_no_lines)
{
	uint64_t at = make_program("");

	symbolizer_set_detail(s, SYMBOLIZER_SYMBOLS_ONLY);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	cr_assert_str_eq(results[0].frames[0].function, "main");
	cr_assert_null(results[0].frames[0].file);
	symbolizer_set_detail(s, SYMBOLIZER_FULL);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	cr_assert_not_null(results[0].frames[0].file);
}

Test(symbolizer_memory, known_only_reads_no_file)
{
	uint64_t at = make_program("");

	symbolizer_set_detail(s, SYMBOLIZER_KNOWN_ONLY);
	cr_assert(zero(sz, name("prog", &at, 1)));
	cr_assert(eq(u64, results[0].vaddr, at));
	cr_assert(eq(int, symbol_is_entry(&results[0], 0), 1), "nobody knows");
	begin_with(1u << 24);
	cr_assert(zero(sz, name("prog", &at, 1)));
	symbolizer_set_detail(s, SYMBOLIZER_FULL);
	cr_assert(eq(sz, name("prog", &at, 1), 1), "that it had none was not remembered");
	symbolizer_set_detail(s, SYMBOLIZER_KNOWN_ONLY);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	cr_assert_not_null(results[0].frames[0].file);
}

/* The place is called the same whether its file was read or not. */
Test(symbolizer_memory, known_only_knows_where_a_place_is)
{
	uint64_t at = make_program("-no-pie"), offset = at - 0x400000;

	symbolizer_set_detail(s, SYMBOLIZER_KNOWN_ONLY);
	cr_assert(zero(sz, name("prog", &offset, 1)));
	cr_assert(eq(u64, results[0].vaddr, at));
	symbolizer_set_detail(s, SYMBOLIZER_FULL);
	cr_assert(eq(sz, name("prog", &offset, 1), 1));
	cr_assert(eq(u64, results[0].vaddr, at));
	cr_assert(not(results[0].not_read));
}

Test(symbolizer_memory, names_of_little_detail_are_not_cached)
{
	uint64_t at = make_program("");

	begin_with(1u << 24);
	symbolizer_set_detail(s, SYMBOLIZER_SYMBOLS_ONLY);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	symbolizer_set_detail(s, SYMBOLIZER_FULL);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	cr_assert_not_null(results[0].frames[0].file);
}

Test(symbolizer_memory, files_without_a_build_id_are_cached_in_memory)
{
	uint64_t at = make_program("-Wl,--build-id=none");

	begin_with(1u << 24);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	symbolizer_forget(s);
	symbolizer_set_detail(s, SYMBOLIZER_SYMBOLS_ONLY);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	cr_assert_not_null(results[0].frames[0].file);
}

Test(symbolizer_memory, a_changed_file_without_a_build_id_is_another_one)
{
	uint64_t at = make_program("-Wl,--build-id=none");

	begin_with(1u << 24);
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	sh("objcopy --redefine-sym main=other --strip-debug prog");
	cr_assert(eq(sz, name("prog", &at, 1), 1));
	cr_assert_str_eq(results[0].frames[0].function, "other");
}
