/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbol_cache.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "leak_check.h"

static char *folder;
static char cache_folder[128];
static struct symbol_cache *cache;

static void begin(void)
{
	folder = command_make_folder();
	snprintf(cache_folder, sizeof(cache_folder), "%s/made/here", folder);
}

static void end(void)
{
	symbol_cache_free(cache);
	command_remove_folder(folder);
	leak_check();
}

TestSuite(symbol_cache, .init = begin, .fini = end);

static struct symbol_origin file(uint8_t number)
{
	return (struct symbol_origin){ .build_id = { number, 0xcd },
				       .build_id_len = 20,
				       .rules = 1 };
}

/* As a second process would. */
static void reopen(const char *path)
{
	symbol_cache_free(cache);
	cr_assert(zero(int, symbol_cache_new(path, &SYMBOL_CACHE_LIMITS_DEFAULT, &cache)));
}

static struct symbol_image *get(const struct symbol_origin *origin)
{
	struct symbol_image *img = NULL;

	cr_assert(zero(int, symbol_cache_get(cache, origin, &img)));
	return img;
}

static void add(struct symbol_image *img, uint64_t offset, const char *name)
{
	const struct sym_frame f = { .function = name };

	cr_assert(zero(int, symbol_image_add(
				    img, &(struct symbol_place){ .offset = offset, .n = 1 }, &f)));
}

static bool knows(struct symbol_image *img, uint64_t offset, const char *name)
{
	const struct symbol_place *p = symbol_image_find(img, offset);

	return p && strcmp(img->strings.data + img->frames.data[p->first].function, name) == 0;
}

static const char *path_of(uint8_t number)
{
	static char path[256];

	char *found =
		command_output("echo %s/%02xcd%036d-*.sym | tr -d '\\n'", cache_folder, number, 0);

	snprintf(path, sizeof(path), "%s", found);
	free(found);
	return path;
}

/* The names of files 1 and 2, saved. */
static void save_two(void)
{
	const struct symbol_origin one = file(1), two = file(2);

	reopen(cache_folder);
	add(get(&one), 16, "one");
	add(get(&two), 16, "two");
	symbol_cache_save(cache);
	cr_assert(eq(u64, symbol_cache_totals(cache).saved, 2));
}

Test(symbol_cache, names_outlive_the_process)
{
	const struct symbol_origin one = file(1), two = file(2);

	save_two();
	reopen(cache_folder);
	cr_assert(knows(get(&one), 16, "one"));
	cr_assert(knows(get(&two), 16, "two"));
	cr_assert(eq(u64, symbol_cache_totals(cache).loaded, 2));

	add(get(&two), 32, "more");
	symbol_cache_save(cache);
	cr_assert(eq(u64, symbol_cache_totals(cache).saved, 1), "the other has nothing new");
	reopen(cache_folder);
	cr_assert(knows(get(&two), 16, "two"));
	cr_assert(knows(get(&two), 32, "more"));
}

Test(symbol_cache, names_of_other_sources_do_not_count)
{
	struct symbol_origin one = file(1);

	save_two();
	one.files = 1; /* debug files were installed */
	reopen(cache_folder);
	cr_assert(zero(sz, get(&one)->places.n));
	cr_assert(zero(u64, symbol_cache_totals(cache).rejected));
	add(get(&one), 16, "better");
	symbol_cache_save(cache);
	reopen(cache_folder);
	cr_assert(knows(get(&one), 16, "better"));
	one.rules = 2;
	cr_assert(zero(sz, get(&one)->places.n));
}

static void expect_rejected(uint8_t number)
{
	const struct symbol_origin origin = file(number);

	reopen(cache_folder);
	cr_assert(zero(sz, get(&origin)->places.n));
	cr_assert(eq(u64, symbol_cache_totals(cache).rejected, 1));
	add(get(&origin), 16, "anew");
	symbol_cache_save(cache);
	cr_assert(eq(u64, symbol_cache_totals(cache).saved, 1));
	reopen(cache_folder);
	cr_assert(knows(get(&origin), 16, "anew"));
}

Test(symbol_cache, torn_files_are_written_anew)
{
	save_two();
	free(command_output("truncate -s -7 %s", path_of(1)));
	expect_rejected(1);
	free(command_output("head -c 500 /dev/urandom > %s", path_of(2)));
	expect_rejected(2);
	free(command_output(": > %s", path_of(2)));
	expect_rejected(2);
}

/* A link to somebody else's file must not lead us to write there, nor a pipe make us wait. */
Test(symbol_cache, what_is_no_file_of_ours, .timeout = 10)
{
	save_two();
	free(command_output("echo precious > %s/other; ln -sf %s/other %s", folder, folder,
			    path_of(1)));
	expect_rejected(1);
	free(command_output("test \"$(cat %s/other)\" = precious", folder));
	free(command_output("rm %s; mkfifo %s", path_of(2), path_of(2)));
	expect_rejected(2);
}

Test(symbol_cache, a_folder_that_others_may_write_to)
{
	struct symbol_cache *c = NULL;

	cr_assert(zero(int, chmod(folder, 0777)));
	cr_assert(eq(int, symbol_cache_new(folder, &SYMBOL_CACHE_LIMITS_DEFAULT, &c), -EPERM));
	cr_assert(eq(int, symbol_cache_new("/dev/null/x", &SYMBOL_CACHE_LIMITS_DEFAULT, &c),
		     -ENOTDIR));
}

Test(symbol_cache, a_full_disk_is_told)
{
	const struct symbol_origin one = file(1);

	reopen(cache_folder);
	add(get(&one), 16, "one");
	free(command_output("rm -r %s", cache_folder)); /* root may write anywhere */
	symbol_cache_save(cache);
	cr_assert(eq(u64, symbol_cache_totals(cache).failed, 1));
	cr_assert(eq(int, symbol_cache_totals(cache).error, -ENOENT));
	cr_assert(knows(get(&one), 16, "one"));
}

/* Some 100 KB of names. */
static void add_many(const struct symbol_origin *origin)
{
	struct symbol_image *img = get(origin);

	for (uint64_t at = 0; at < 2000; at++)
		add(img, at, "x");
}

Test(symbol_cache, memory_is_bounded)
{
	const struct symbol_cache_limits limits = { .memory_bytes = 250000,
						    .folder_bytes = 1 << 20 };

	cr_assert(zero(int, symbol_cache_new(cache_folder, &limits, &cache)));
	for (uint8_t i = 1; i <= 8; i++)
		add_many(&(const struct symbol_origin){ { i, 0xcd }, 20, 1, 0 });
	/* What had to go was saved. */
	cr_assert(ge(u64, symbol_cache_totals(cache).saved, 4));
	for (uint8_t i = 1; i <= 8; i++)
		cr_assert(knows(get(&(const struct symbol_origin){ { i, 0xcd }, 20, 1, 0 }), 1999,
				"x"));
	cr_assert(ge(u64, symbol_cache_totals(cache).loaded, 4));
}

Test(symbol_cache, the_folder_is_bounded)
{
	const struct symbol_cache_limits limits = { .memory_bytes = 32 << 20,
						    .folder_bytes = 300000 };
	char *bytes;

	cr_assert(zero(int, symbol_cache_new(cache_folder, &limits, &cache)));
	for (uint8_t i = 1; i <= 8; i++) {
		add_many(&(const struct symbol_origin){ { i, 0xcd }, 20, 1, 0 });
		symbol_cache_save(cache);
	}
	bytes = command_output("cat %s/*.sym | wc -c", cache_folder);
	cr_assert(le(ulong, strtoul(bytes, NULL, 10), 300000));
	cr_assert(ge(ulong, strtoul(bytes, NULL, 10), 150000));
	free(bytes);
	free(command_output("test -f %s", path_of(8))); /* the newest */
	free(command_output("! test -f %s", path_of(1)));
}

/* Of what is left the folder has a copy, and of what it had no less than that. */
Test(symbol_cache, what_nobody_wants_is_forgotten)
{
	const struct symbol_origin one = file(1), two = file(2);
	const uint16_t rounds = SYMBOL_CACHE_LIMITS_DEFAULT.rounds;

	save_two();
	for (int i = 0; i <= rounds; i++) {
		cr_assert(knows(get(&one), 16, "one"));
		add(get(&two), 100 + i, "new");
		symbol_cache_end_round(cache);
	}
	cr_assert(knows(get(&one), 16, "one"));
	cr_assert(eq(u64, symbol_cache_totals(cache).loaded, 0));
	for (int i = 0; i <= rounds; i++)
		symbol_cache_end_round(cache);
	cr_assert(zero(sz, symbol_cache_memory(cache)));
	cr_assert(knows(get(&two), 100, "new"), "the folder has it");
	cr_assert(knows(get(&two), 16, "two"));
	cr_assert(eq(u64, symbol_cache_totals(cache).loaded, 1));
}

Test(symbol_cache, all_is_forgotten_once_it_is_saved)
{
	const struct symbol_origin one = file(1);

	reopen(cache_folder);
	add(get(&one), 16, "one");
	symbol_cache_forget(cache);
	cr_assert(zero(sz, symbol_cache_memory(cache)));
	cr_assert(knows(get(&one), 16, "one"));
}

Test(symbol_cache, memory_alone)
{
	const struct symbol_origin one = file(1);

	reopen(NULL);
	add(get(&one), 16, "one");
	symbol_cache_save(cache);
	cr_assert(zero(u64, symbol_cache_totals(cache).saved + symbol_cache_totals(cache).failed));
	cr_assert(knows(get(&one), 16, "one"));
}
