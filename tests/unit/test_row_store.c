/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/row_store.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

/* Ours in its place, which can fail. */
#define vec_reserve_bytes real_vec_reserve_bytes
#include "base/vec.c"
#undef vec_reserve_bytes

#define ARENAS_MAX 64
#define PAGES_MAX  20000
#define SECOND	   (1ULL << 30) /* of the store's clock */

/* What the kernel side sees. */
static struct unwind_control control;
static uint8_t *arenas[ARENAS_MAX];
static uint32_t n_arenas;

static int n_waits, calls_until_failure; /* 0: none fails */
static uint32_t generation_at_wait;
static struct row_store *store;

/* A page that was loaded at some time, by file and number. */
struct loaded {
	struct row_file *file;
	uint64_t page;
	uint32_t seed; /* of its rows */
	uint64_t used;
	uint32_t line, n_lines; /* 0: not loaded */
	uint8_t *bytes;		/* as they were when it was loaded */
};

static struct loaded pages[PAGES_MAX];
static size_t n_pages;

static int may_fail(int err)
{
	return calls_until_failure && --calls_until_failure == 0 ? err : 0;
}

static int allocations_until_failure; /* 0: none fails */

int vec_reserve_bytes(void **data, size_t *cap, size_t need, size_t elem)
{
	if (allocations_until_failure && --allocations_until_failure == 0)
		return -ENOMEM;
	return real_vec_reserve_bytes(data, cap, need, elem);
}

static int add_arena(void *ctx, uint32_t index, void **ret)
{
	int r = may_fail(-EPERM);

	cr_assert(eq(ptr, ctx, &n_waits));
	cr_assert(eq(u32, index, n_arenas));
	cr_assert(lt(u32, index, ARENAS_MAX));
	if (r < 0)
		return r;
	arenas[n_arenas] = calloc(1, UNWIND_ARENA_SIZE);
	*ret = arenas[n_arenas++];
	return 0;
}

static void check_bytes(void);

static int wait_readers(void *ctx)
{
	int r = may_fail(-EIO);

	cr_assert(eq(ptr, ctx, &n_waits));
	n_waits++;
	generation_at_wait = control.generation;
	check_bytes();
	return r;
}

static const struct row_store_backing backing = {
	.ctx = &n_waits,
	.control = &control,
	.add_arena = add_arena,
	.wait_readers = wait_readers,
};

static void forget_page(struct loaded *p)
{
	free(p->bytes);
	p->bytes = NULL;
	p->line = 0;
}

static void clear(void)
{
	row_store_free(store);
	store = NULL;
	for (size_t i = 0; i < n_pages; i++)
		forget_page(&pages[i]);
	while (n_arenas)
		free(arenas[--n_arenas]);
	n_pages = 0;
	memset(&control, 0, sizeof(control));
	allocations_until_failure = calls_until_failure = n_waits = 0;
}

static void tear_down(void)
{
	clear();
	leak_check();
}

TestSuite(row_store, .fini = tear_down);

static void open_store(size_t n)
{
	cr_assert(zero(int, row_store_new(&backing, n * UNWIND_ARENA_SIZE, &store)));
}

static struct row_file *add_file(uint64_t first, uint64_t n)
{
	struct row_file *f;

	cr_assert(zero(int, row_store_add_file(store, &(struct row_extent){ first, n, 0 }, &f)));
	return f;
}

/* --- the kernel side's way -------------------------------------------------------------------- */

static const void *at_line(uint32_t line)
{
	cr_assert(lt(u32, line / UNWIND_ARENA_LINES, n_arenas));
	return arenas[line / UNWIND_ARENA_LINES] + line % UNWIND_ARENA_LINES * UNWIND_LINE_SIZE;
}

/* NULL: not known. */
static const struct unwind_file *find_file(const struct unwind_file_key *key)
{
	uint32_t hash = unwind_file_hash(key);
	const struct unwind_file_table table = control.files[unwind_file_table_of(hash)];
	const struct unwind_file *entries = at_line(table.line);

	for (uint32_t i = 0; table.line && i < UNWIND_FILE_PROBES; i++) {
		const struct unwind_file *f = &entries[(hash + i) & table.mask];

		if (f->state == UNWIND_FILE_FREE)
			return NULL;
		if (unwind_file_is(f, key))
			return f;
	}
	return NULL;
}

/* 0: not loaded. */
static uint32_t find_line(const struct unwind_file *f, uint64_t page)
{
	const uint32_t *dir = at_line(f->dir);

	page -= f->first_page;
	cr_assert(lt(u64, page, f->n_pages));
	if (f->n_pages <= 1024)
		return dir[page];
	return dir[page / 1024] ? ((const uint32_t *)at_line(dir[page / 1024]))[page % 1024] : 0;
}

/* --- rows ------------------------------------------------------------------------------------- */

static unsigned page_seed;

static uint32_t below(uint32_t n)
{
	return rand_r(&page_seed) % n;
}

/* Rules by number; those of extended rows are made of the seed, too. */
static const struct unwind_page *make_page(uint32_t seed)
{
	static const uint32_t sparse[] = { 1, 4, 7, 40, 600, 8000 };
	static struct unwind_page p;

	page_seed = seed;
	memset(&p, 0, sizeof(p));
	p.n_ext = seed % 3 ? 0 : 1 + below(UNWIND_PAGE_EXT_MAX);
	for (uint32_t off = 0; off < UNWIND_PAGE_SIZE && p.n_rows < UNWIND_PAGE_ROWS_MAX; off++) {
		if (off && below(sparse[seed % 6]) > 0)
			continue;
		p.pc[p.n_rows] = off;
		p.rule[p.n_rows] = seed << 14 | p.n_rows << 2 | UNWIND_BASE_SP;
		if (p.n_ext && below(4) == 0)
			p.rule[p.n_rows] = UNWIND_RULE_EXT(below(p.n_ext));
		p.n_rows++;
	}
	for (uint32_t i = 0; i < p.n_ext; i++)
		p.ext[i] = (struct unwind_ext){ .cfa_off = seed, .cfa_add = i };
	return &p;
}

static uint32_t lines_of(const struct unwind_page *p)
{
	uint32_t bytes = 40 + (p->n_rows + 3) / 4 * 4 + 4 * p->n_rows + 40 * p->n_ext;

	return (bytes + 63) / 64;
}

static uint32_t naive_row(const struct unwind_page *p, uint32_t off)
{
	uint32_t i = 0;

	while (i + 1u < p->n_rows && p->pc[i + 1] <= off)
		i++;
	return i;
}

/* The rule at byte @off of the page is that of the page's seed. */
static void assert_rule(const struct loaded *l, const struct unwind_page *p, uint32_t off)
{
	struct unwind_found_rule found;
	uint32_t i = naive_row(p, off);

	memset(&found, 0xa5, sizeof(found));
	cr_assert(eq(int, row_store_find(store, l->file, (l->page << 12) + off, l->used, &found),
		     UNWIND_FOUND));
	cr_assert(eq(u32, found.rule, p->rule[i]), "page %#x, byte %u", (unsigned)l->page, off);
	if ((found.rule & 3) == UNWIND_BASE_EXT)
		cr_assert(zero(int, memcmp(&found.ext, &p->ext[found.rule >> 2], 40)));
}

static struct loaded *put(struct row_file *f, uint64_t page, uint32_t seed, uint64_t now, int want)
{
	const struct unwind_page *rows = make_page(seed);
	struct loaded *l = &pages[n_pages];

	cr_assert(lt(sz, n_pages, PAGES_MAX));
	cr_assert(not(row_store_has(store, f, page)));
	cr_assert(eq(int, row_store_put(store, f, page, rows, now), want));
	if (want < 0)
		return NULL;
	*l = (struct loaded){ .file = f, .page = page, .seed = seed, .used = now };
	cr_assert(row_store_has(store, f, page));
	n_pages++;
	return l;
}

/* Every page that is loaded is right; of the others there is nothing. Returns how many there are.
 */
static size_t assert_all(void)
{
	struct row_store_stats stats = row_store_stats(store);
	size_t n = 0, rows = 0;

	for (size_t i = 0; i < n_pages; i++) {
		const struct unwind_page *p = make_page(pages[i].seed);
		struct unwind_found_rule found;

		if (!row_store_has(store, pages[i].file, pages[i].page)) {
			cr_assert(eq(int,
				     row_store_find(store, pages[i].file, pages[i].page << 12, 0,
						    &found),
				     UNWIND_NOT_LOADED));
			continue;
		}
		for (uint32_t off = i % 97; off < UNWIND_PAGE_SIZE; off += 97)
			assert_rule(&pages[i], p, off);
		n++;
		rows += p->n_rows;
	}
	cr_assert(eq(u64, stats.pages, n));
	cr_assert(eq(u64, stats.rows, rows));
	cr_assert(eq(u64, stats.bytes, (uint64_t)n_arenas * UNWIND_ARENA_SIZE));
	cr_assert(le(u64, stats.lines_bytes, stats.bytes));
	return n;
}

Test(row_store, rows_of_random_pages)
{
	struct row_file *f;

	open_store(40);
	f = add_file(10, 500);
	for (uint32_t i = 0; i < 300; i++)
		put(f, 10 + i, i, 0, 0);
	for (uint32_t i = 0; i < 300; i++) {
		const struct unwind_page *p = make_page(pages[i].seed);

		for (uint32_t off = 0; off < UNWIND_PAGE_SIZE; off++)
			assert_rule(&pages[i], p, off);
	}
	cr_assert(eq(sz, assert_all(), 300));
	cr_assert(zero(int, n_waits), "nothing left, nobody was waited for");
}

/* Of one row, of as many as there can be, each of them extended. */
Test(row_store, pages_of_extreme_sizes)
{
	static struct unwind_page p;
	struct unwind_found_rule found;
	struct row_file *f;

	open_store(4);
	f = add_file(0, 3);
	p = (struct unwind_page){ .n_rows = 1, .rule = { UNWIND_RULE_SPECIAL(UNWIND_END) } };
	cr_assert(zero(int, row_store_put(store, f, 0, &p, 0)));
	p.n_rows = UNWIND_PAGE_ROWS_MAX;
	p.n_ext = UNWIND_PAGE_EXT_MAX;
	for (uint32_t i = 0; i < UNWIND_PAGE_ROWS_MAX; i++) {
		p.pc[i] = i ? UNWIND_PAGE_SIZE - UNWIND_PAGE_ROWS_MAX + i : 0;
		p.rule[i] = UNWIND_RULE_EXT(i % UNWIND_PAGE_EXT_MAX);
	}
	for (uint32_t i = 0; i < UNWIND_PAGE_EXT_MAX; i++)
		p.ext[i].cfa_off = 1000 + i;
	cr_assert(zero(int, row_store_put(store, f, 2, &p, 0)));
	for (uint32_t off = 0; off < UNWIND_PAGE_SIZE; off++) {
		row_store_find(store, f, off, 0, &found);
		cr_assert(eq(u32, found.rule, UNWIND_RULE_SPECIAL(UNWIND_END)));
		row_store_find(store, f, 2 * UNWIND_PAGE_SIZE + off, 0, &found);
		cr_assert(eq(u32, found.rule, p.rule[naive_row(&p, off)]));
		cr_assert(eq(int, found.ext.cfa_off, 1000 + (int)(found.rule >> 2)));
	}
}

Test(row_store, outside_of_a_file_there_is_nothing_to_load)
{
	static const uint64_t outside[] = { 0, 9, 20, 1000, UINT64_MAX >> 12 };
	struct unwind_found_rule found;
	struct row_file *f;

	open_store(4);
	f = add_file(10, 10);
	for (int i = 0; i < 5; i++) {
		found.rule = 99;
		cr_assert(row_store_has(store, f, outside[i]));
		cr_assert(eq(int, row_store_find(store, f, outside[i] << 12, 0, &found),
			     UNWIND_FOUND));
		cr_assert(eq(u32, found.rule, UNWIND_RULE_SPECIAL(UNWIND_NONE)));
	}
	f = add_file(0, 0);
	cr_assert(row_store_has(store, f, 0));
}

/* --- directories ------------------------------------------------------------------------------ */

/* As the kernel side finds them, and no other page of the file. */
static void assert_directory(uint64_t first, uint64_t n)
{
	const struct unwind_file_key key = { .ino = n, .ctime_sec = first };
	const uint64_t some[] = { 0, 1, 1022, 1023, 1024, 1025, 2047, 2048, n / 2, n - 2, n - 1 };
	const struct unwind_file *as_seen;
	struct row_file *f = add_file(first, n);

	cr_assert(zero(int, row_store_set_key(store, &key, f)));
	as_seen = find_file(&key);
	cr_assert(eq(u32, as_seen->state, UNWIND_FILE_ROWS));
	cr_assert(eq(u32, as_seen->first_page, first));
	cr_assert(eq(u32, as_seen->n_pages, n));
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		uint64_t page = first + some[i];
		uint32_t line, n_rows;

		if (some[i] >= n || row_store_has(store, f, page))
			continue;
		cr_assert(zero(u32, find_line(as_seen, page)));
		put(f, page, 6 * (n + i) + 3, 0, 0);
		line = find_line(as_seen, page);
		cr_assert(ne(u32, line, 0));
		cr_assert(eq(u32,
			     unwind_packed_find(arenas[line / UNWIND_ARENA_LINES],
						unwind_line_at(line), 77, &n_rows),
			     make_page(6 * (n + i) + 3)
				     ->rule[naive_row(make_page(6 * (n + i) + 3), 77)]));
	}
}

Test(row_store, directories_of_files_of_each_size)
{
	static const uint64_t sizes[] = { 1,	2,     1023,  1024,   1025,   2048,
					  2049, 16384, 16385, 100000, 5000000 };

	open_store(60);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_directory(0, sizes[i]);
		assert_directory(12345, sizes[i]);
	}
	assert_all();
}

Test(row_store, largest_file)
{
	struct row_file *f = NULL;

	open_store(20);
	cr_assert(eq(int,
		     row_store_add_file(
			     store, &(struct row_extent){ 0, UNWIND_FILE_PAGES_MAX + 1ULL, 0 }, &f),
		     -ENOSPC));
	cr_assert(eq(int, row_store_add_file(store, &(struct row_extent){ 1ULL << 32, 1, 0 }, &f),
		     -ENOSPC));
	cr_assert(zero(ptr, f));
	f = add_file(UINT32_MAX - 1, UNWIND_FILE_PAGES_MAX);
	put(f, UINT32_MAX - 1ULL + UNWIND_FILE_PAGES_MAX - 1, 3, 0, 0);
	put(f, UINT32_MAX - 1ULL, 4, 0, 0);
	assert_all();
}

/* --- table of files --------------------------------------------------------------------------- */

static struct unwind_file_key key_of(uint32_t i)
{
	return (struct unwind_file_key){
		.ino = i / 8,
		.ctime_sec = 1700000000 + i % 2,
		.ctime_nsec = i / 2 % 2,
		.dev = i / 4 % 2,
	};
}

static void assert_files(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct unwind_file_key key = key_of(i);
		const struct unwind_file *f = find_file(&key);

		cr_assert(ne(ptr, (void *)f, NULL), "file %u of %u", i, n);
		cr_assert(eq(u32, f->first_page, i));
		cr_assert(eq(u32, f->state, UNWIND_FILE_ROWS));
	}
}

#define TABLE_ENTRIES_MAX 512 /* half an arena */

/* Of all tables. */
static uint32_t entries_of_tables(void)
{
	uint32_t n = 0;

	for (int k = 0; k < UNWIND_FILE_TABLES; k++)
		n += control.files[k].line ? control.files[k].mask + 1 : 0;
	return n;
}

/* As many as a hundred containers have, each with files of its own. */
Test(row_store, tables_grow)
{
	const uint32_t n_files = 3000;

	open_store(40);
	for (uint32_t i = 0; i < n_files; i++) {
		struct unwind_file_key key = key_of(i);

		cr_assert(zero(ptr, (void *)find_file(&key)));
		cr_assert(zero(int, row_store_set_key(store, &key, add_file(i, 1))));
		if (i % 50 == 0 || i < 200)
			assert_files(i + 1);
	}
	assert_files(n_files);
	cr_assert(gt(u32, entries_of_tables(), n_files));
	cr_assert(zero(int, n_waits), "the thread that samples would wait");
	assert_all();
}

/*
 * Whoever is still in use is asked for again; the kernel side asks for a key that it misses. Only
 * those of one table have to.
 */
Test(row_store, table_that_is_full_begins_anew)
{
	const struct unwind_file_key first = key_of(0);
	const uint32_t n_files = 3 * UNWIND_FILE_TABLES * TABLE_ENTRIES_MAX;
	uint32_t its_table = unwind_file_table_of(unwind_file_hash(&first));
	uint32_t n_anew = 0, since = 0;
	struct row_file *f;

	open_store(60);
	f = add_file(0, 1);
	cr_assert(zero(int, row_store_set_key(store, &first, f)));
	for (uint32_t i = 1; i < n_files; i++) {
		struct unwind_file_key key = key_of(i);
		struct unwind_control before = control;

		if (i % 1000 == 0) /* as after each interval */
			cr_assert(zero(int, row_store_settle(store)));
		cr_assert(zero(int, row_store_set_key(store, &key, add_file(i, 1))));
		cr_assert(eq(u32, find_file(&key)->first_page, i));
		since += unwind_file_table_of(unwind_file_hash(&key)) == its_table;
		if (find_file(&first))
			continue;
		/* No neighbourhood is that full while there are few. */
		cr_assert(gt(u32, since, TABLE_ENTRIES_MAX / 4));
		cr_assert(le(u32, since, TABLE_ENTRIES_MAX * 3 / 4));
		for (uint32_t k = 0; k < UNWIND_FILE_TABLES; k++)
			cr_assert(eq(int, control.files[k].line == before.files[k].line,
				     k != its_table));
		cr_assert(zero(int, row_store_set_key(store, &first, f)));
		cr_assert(ne(ptr, (void *)find_file(&first), NULL));
		n_anew++;
		since = 0;
	}
	cr_assert(ge(u32, n_anew, 3));
	cr_assert(eq(u32, entries_of_tables(), UNWIND_FILE_TABLES * TABLE_ENTRIES_MAX));
	/* The tables, and the directory of each file: old tables are given back. */
	cr_assert(zero(int, row_store_settle(store)));
	cr_assert(eq(u64, row_store_stats(store).lines_bytes,
		     (entries_of_tables() + n_files) * UNWIND_LINE_SIZE));
}

Test(row_store, key_of_a_file_without_rows)
{
	struct unwind_file_key key = key_of(1);

	open_store(4);
	cr_assert(zero(int, row_store_set_key(store, &key, NULL)));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_NO_ROWS));
}

/* What the kernel side has copied of the old entry is void; and it never sees half of the new one.
 */
Test(row_store, key_that_is_set_again)
{
	struct unwind_file_key key = key_of(1);
	uint32_t generation;
	int waits;

	open_store(4);
	cr_assert(zero(int, row_store_set_key(store, &key, add_file(7, 1))));
	for (int i = 0; i < 3; i++) {
		waits = n_waits;
		generation = control.generation;
		cr_assert(zero(int, row_store_set_key(store, &key, add_file(8 + i, 2))));
		cr_assert(eq(int, n_waits, waits + 1));
		cr_assert(ne(u32, generation_at_wait, generation));
		cr_assert(ne(u32, control.generation, generation_at_wait));
		cr_assert(eq(u32, find_file(&key)->first_page, 8 + i));
		cr_assert(eq(u32, find_file(&key)->n_pages, 2));
	}
	cr_assert(zero(int, row_store_set_key(store, &key, NULL)));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_NO_ROWS));
}

Test(row_store, several_keys_of_one_file)
{
	struct row_file *f;

	open_store(4);
	f = add_file(5, 1);
	for (uint32_t i = 0; i < 10; i++) {
		struct unwind_file_key key = key_of(i);

		cr_assert(zero(int, row_store_set_key(store, &key, f)));
		cr_assert(eq(u32, find_file(&key)->first_page, 5));
	}
}

Test(row_store, vdso)
{
	uint32_t generation;
	struct row_file *f;

	open_store(4);
	generation = control.generation;
	f = add_file(0, 2);
	row_store_set_vdso(store, f);
	cr_assert(eq(u32, control.vdso.state, UNWIND_FILE_ROWS));
	cr_assert(eq(u32, control.vdso.n_pages, 2));
	cr_assert(ne(u32, control.generation, generation));
	put(f, 1, 3, 0, 0);
	cr_assert(ne(u32, find_line(&control.vdso, 1), 0));
}

/* --- the budget ------------------------------------------------------------------------------- */

static const struct unwind_file_key watched_key = { .ino = 4711 };

/* Pages of the watched file that the kernel side may be looking at: their bytes must not change. */
static void watch(struct loaded *l)
{
	l->n_lines = lines_of(make_page(l->seed));
	l->line = find_line(find_file(&watched_key), l->page);
	l->bytes = malloc(l->n_lines * UNWIND_LINE_SIZE);
	memcpy(l->bytes, at_line(l->line), l->n_lines * UNWIND_LINE_SIZE);
}

/* Until those who may have seen them have been waited for. */
static void check_bytes(void)
{
	for (size_t i = 0; i < n_pages; i++) {
		struct loaded *l = &pages[i];

		if (!l->bytes)
			continue;
		cr_assert(zero(int, memcmp((const char *)at_line(l->line) + 4, l->bytes + 4,
					   l->n_lines * UNWIND_LINE_SIZE - 4)),
			  "page %zu was written over", i);
		if (find_line(find_file(&watched_key), l->page) != l->line)
			forget_page(l);
	}
}

/* Seed of a page of more than 1,000 rows. */
static uint32_t dense(uint32_t i)
{
	return i * 6;
}

static struct row_file *open_at_budget(size_t n, uint64_t file_pages)
{
	struct row_file *f;

	open_store(n);
	f = add_file(0, file_pages);
	cr_assert(zero(int, row_store_set_key(store, &watched_key, f)));
	return f;
}

Test(row_store, at_the_budget_pages_make_room)
{
	struct row_file *f = open_at_budget(4, 5000);
	size_t n;

	for (uint32_t i = 0; i < 1000; i++)
		watch(put(f, i, dense(i), i * SECOND, 0));
	cr_assert(eq(u32, n_arenas, 4));
	n = assert_all();
	/* Of four arenas most is in use. */
	cr_assert(gt(sz, n, 4 * UNWIND_ARENA_LINES / 90 * 3 / 4));
	cr_assert(eq(u64, row_store_stats(store).pages_evicted, 1000 - n));
	cr_assert(gt(int, n_waits, 0));
}

/* When pages first go, all that go were used before those that stay. */
static void fill_until_some_go(unsigned seed)
{
	uint64_t newest_gone = 0, oldest_left = UINT64_MAX;
	struct row_file *f = open_at_budget(4, 5000);

	for (uint32_t i = 0; row_store_stats(store).pages_evicted == 0; i++)
		put(f, i, dense(i), rand_r(&seed) % 60 * SECOND, 0);
	for (size_t i = 0; i + 1 < n_pages; i++) {
		bool is_left = row_store_has(store, f, pages[i].page);

		if (is_left && pages[i].used < oldest_left)
			oldest_left = pages[i].used;
		if (!is_left && pages[i].used > newest_gone)
			newest_gone = pages[i].used;
	}
	cr_assert(le(u64, newest_gone, oldest_left));
	/* A share at a time, after each of which it waits, until there are enough lines in a row.
	 */
	cr_assert(le(u64, row_store_stats(store).pages_evicted, n_waits * (n_pages / 16 + 1)));
}

Test(row_store, least_recently_used_go_first)
{
	for (unsigned seed = 1; seed < 20; seed++) {
		fill_until_some_go(seed);
		clear();
	}
}

/* The beginning of the file is nowhere loaded. */
Test(row_store, pages_of_each_directory_make_room)
{
	for (uint32_t dir = 0; dir < 4; dir++) {
		struct row_file *f = open_at_budget(2, 5000);

		for (uint32_t i = 0; i < 100; i++)
			watch(put(f, dir * 1024 + i, dense(i), i * SECOND, 0));
		assert_all();
		clear();
	}
}

/* By user space or by the kernel side, which writes it into the page. */
Test(row_store, what_is_in_use_stays)
{
	struct row_file *f = open_at_budget(4, 5000);
	struct unwind_found_rule found;

	for (uint32_t i = 0; i < 10; i++)
		put(f, i, dense(i), 0, 0);
	for (uint32_t i = 10; i < 600; i++) {
		for (uint32_t k = 0; k < 5; k++)
			row_store_find(store, f, k << 12, i * SECOND, &found);
		for (uint32_t k = 5; k < 10; k++)
			*(uint32_t *)at_line(find_line(find_file(&watched_key), k)) = i;
		put(f, i, dense(i), i * SECOND, 0);
		for (uint32_t k = 0; k < 10; k++)
			cr_assert(row_store_has(store, f, k), "page %u at %u", k, i);
	}
	cr_assert(gt(u64, row_store_stats(store).pages_evicted, 400));
	assert_all();
}

/* All of one age, and some from the future: another CPU's clock. */
Test(row_store, ages_without_sense)
{
	struct row_file *f = open_at_budget(4, 5000);

	for (uint32_t i = 0; i < 300; i++)
		watch(put(f, i, dense(i), 5 * SECOND, 0));
	for (uint32_t i = 300; i < 600; i++)
		watch(put(f, i, dense(i), i % 2 ? 0 : UINT64_MAX, 0));
	assert_all();
}

Test(row_store, evicted_page_can_be_loaded_again)
{
	struct row_file *f = open_at_budget(4, 5000);

	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 100; i++)
			if (!row_store_has(store, f, i))
				put(f, i, dense(i), (round * 100 + i) * SECOND, 0);
	n_pages = 100;
	cr_assert(gt(sz, assert_all(), 20));
}

Test(row_store, many_files_of_all_sizes_at_the_budget)
{
	struct row_file *files[8];
	unsigned seed = 3;

	open_store(8);
	for (int i = 0; i < 8; i++)
		files[i] = add_file(i, i % 2 ? 5000 : 700);
	for (uint32_t i = 0; i < 8000; i++) {
		struct row_file *f = files[rand_r(&seed) % 8];
		uint64_t page = 8 + rand_r(&seed) % 690;
		bool is_known = row_store_has(store, f, page);

		/* A page has the same rows each time. */
		if (!is_known && row_store_put(store, f, page, make_page(page * 5), i * SECOND / 4))
			cr_fatal("page %u", (unsigned)page);
		if (is_known) {
			struct loaded l = { .file = f, .page = page, .used = i * SECOND / 4 };

			assert_rule(&l, make_page(page * 5), rand_r(&seed) % UNWIND_PAGE_SIZE);
		}
	}
	cr_assert(gt(u64, row_store_stats(store).pages_evicted, 1000));
	cr_assert(eq(u32, n_arenas, 8));
}

Test(row_store, budget_that_is_too_small)
{
	struct row_file *f = NULL;

	cr_assert(eq(int, row_store_new(&backing, 0, &store), -ENOSPC));
	cr_assert(eq(int, row_store_new(&backing, UNWIND_ARENA_SIZE - 1, &store), -ENOSPC));
	cr_assert(zero(ptr, store));
	open_store(1);
	/* Its directory alone is longer. */
	cr_assert(eq(
		int,
		row_store_add_file(store, &(struct row_extent){ 0, UNWIND_FILE_PAGES_MAX, 0 }, &f),
		-ENOSPC));
	cr_assert(zero(ptr, f));
	f = add_file(0, 10);
	put(f, 3, dense(1), 0, 0);
	assert_all();
}

/* --- files that nobody uses ------------------------------------------------------------------- */

static struct unwind_file_key numbered_key(uint32_t i)
{
	return (struct unwind_file_key){ .ino = 1 + i };
}

/* A file of 1,024 pages, of which one is loaded. */
static struct row_file *add_numbered(uint32_t i, uint64_t now)
{
	struct unwind_file_key key = numbered_key(i);
	struct row_file *f = add_file(0, 1024);

	cr_assert(zero(int, row_store_set_key(store, &key, f)));
	put(f, i, i, now, 0);
	return f;
}

static bool is_known(uint32_t i)
{
	struct unwind_file_key key = numbered_key(i);

	return find_file(&key) != NULL;
}

/* Each takes 64 lines, of 8,192: programs that were compiled and run once. */
Test(row_store, directories_of_unused_files_make_room)
{
	struct row_file *files[200];
	uint32_t n_gone = 0;

	open_store(8);
	for (uint32_t i = 0; i < 100; i++) {
		struct unwind_file_key key = numbered_key(1000 + i);

		cr_assert(zero(int, row_store_set_key(store, &key, NULL)));
	}
	for (uint32_t i = 0; i < 200; i++)
		files[i] = add_numbered(i, i * SECOND);
	assert_all();
	for (uint32_t i = 0; i < 200; i++) {
		n_gone += !is_known(i);
		cr_assert(is_known(i) || !row_store_has(store, files[i], i));
	}
	cr_assert(gt(u32, n_gone, 70));
	cr_assert(is_known(199) && is_known(198), "those that were used last");
	for (uint32_t i = 0; i < 100; i++)
		cr_assert(is_known(1000 + i), "of these there is nothing to be had");
}

/* The kernel side asks for it as for one that it never saw. */
Test(row_store, unused_file_can_be_used_again)
{
	struct unwind_file_key key = numbered_key(0);
	struct row_file *files[200];
	struct loaded *l;

	open_store(8);
	for (uint32_t i = 0; i < 200; i++)
		files[i] = add_numbered(i, i * SECOND);
	cr_assert(not(is_known(0)));
	cr_assert(zero(int, row_store_set_key(store, &key, files[0])));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS));
	cr_assert(zero(u32, find_line(find_file(&key), 7)));
	l = put(files[0], 7, 7, 300 * SECOND, 0);
	assert_rule(l, make_page(7), 100);
	cr_assert(ne(u32, find_line(find_file(&key), 7), 0));
	/* Also without having been told of. */
	put(files[1], 8, 8, 300 * SECOND, 0);
	assert_all();
	n_pages = 0;
	for (uint32_t i = 0; i < 200; i++)
		cr_assert(zero(int, row_store_drop_file(store, files[i], false)));
	cr_assert(zero(int, row_store_settle(store)));
	cr_assert(eq(u64, row_store_stats(store).lines_bytes,
		     entries_of_tables() * UNWIND_LINE_SIZE));
}

/* It has no key that could be asked for. */
Test(row_store, vdso_stays)
{
	struct row_file *f;

	open_store(8);
	f = add_file(0, 2);
	put(f, 1, 3, 0, 0);
	row_store_set_vdso(store, f);
	for (uint32_t i = 0; i < 200; i++)
		add_numbered(i, i * SECOND);
	cr_assert(not(row_store_has(store, f, 1)));
	put(f, 1, 3, 300 * SECOND, 0);
	cr_assert(ne(u32, find_line(&control.vdso, 1), 0));
}

/* One file has more directories than there is room for. */
Test(row_store, directories_of_the_file_at_hand_stay)
{
	struct row_file *f;
	uint32_t i = 0;
	int r;

	open_store(2);
	f = add_file(0, 1 << 20);
	do
		r = row_store_put(store, f, i * 1024, make_page(0), i * SECOND);
	while (r == 0 && ++i < 100);
	cr_assert(eq(int, r, -ENOSPC));
	cr_assert(gt(u32, i, 10));
	assert_all();
	for (i = 0; i < 20; i++)
		add_numbered(i, (100 + i) * SECOND);
	assert_all();
	cr_assert(not(row_store_has(store, f, 0)));
	cr_assert(zero(int, row_store_drop_file(store, f, false)));
}

/* --- failures --------------------------------------------------------------------------------- */

/* All that a store does; the result of the first call that failed. */
static int use_everything(void)
{
	struct row_file *f;
	int r = row_store_new(&backing, 3 * UNWIND_ARENA_SIZE, &store);

	if (r == 0)
		r = row_store_add_file(store, &(struct row_extent){ 0, 5000, 0 }, &f);
	for (uint32_t i = 0; r == 0 && i < 500; i++) {
		struct unwind_file_key key = key_of(i % 400);

		r = row_store_set_key(store, &key, f);
	}
	for (uint32_t i = 0; r == 0 && i < 150; i++) {
		r = row_store_put(store, f, i * 30, make_page(dense(i)), i * SECOND);
		if (r == 0)
			pages[n_pages++] = (struct loaded){
				.file = f, .page = i * 30, .seed = dense(i), .used = i * SECOND
			};
	}
	return r;
}

Test(row_store, failure_of_each_call)
{
	int r = -1, n = 0;

	while (r < 0) {
		clear();
		calls_until_failure = ++n;
		r = use_everything();
		cr_assert(r == 0 || r == -EPERM || r == -EIO, "%d", r);
		if (!store)
			continue;
		assert_all();
		/* It goes on when that is over. */
		if (n_pages && r < 0) {
			calls_until_failure = 0;
			for (uint32_t i = 0; i < 120; i++)
				put(pages[0].file, 4600 + i, dense(i), (1000 + i) * SECOND, 0);
			assert_all();
		}
	}
	cr_assert(gt(int, n, 10));
}

/* A file with pages in two of its directories, under a key. */
static struct row_file *add_used_file(void)
{
	struct row_file *f = add_file(0, 5000);

	cr_assert(zero(int, row_store_set_key(store, &watched_key, f)));
	for (uint32_t i = 0; i < 8; i++)
		put(f, i * 200, dense(i), 0, 0);
	n_pages = 0;
	return f;
}

static uint64_t bytes_in_use(void)
{
	return row_store_stats(store).lines_bytes;
}

Test(row_store, file_goes_though_no_reader_can_be_waited_for)
{
	uint64_t tables;
	struct row_file *f;

	open_store(8);
	f = add_used_file();
	tables = entries_of_tables() * UNWIND_LINE_SIZE;
	calls_until_failure = 1;
	cr_assert(zero(int, row_store_drop_file(store, f, false)));
	cr_assert(eq(u32, find_file(&watched_key)->state, UNWIND_FILE_NO_ROWS));
	cr_assert(eq(int, row_store_settle(store), -EIO));
	cr_assert(gt(u64, bytes_in_use(), tables), "they may still be reading");
	cr_assert(zero(int, row_store_settle(store)));
	cr_assert(eq(u64, bytes_in_use(), tables), "they are waited for the next time");
}

/* Its program may run again. */
Test(row_store, file_that_is_forgotten_is_asked_for_again)
{
	struct row_file *f;

	open_store(8);
	f = add_used_file();
	cr_assert(zero(int, row_store_drop_file(store, f, true)));
	cr_assert(zero(ptr, (void *)find_file(&watched_key)));
	f = add_used_file();
	cr_assert(eq(u32, find_file(&watched_key)->state, UNWIND_FILE_ROWS));
	cr_assert(zero(int, row_store_drop_file(store, f, true)));
	cr_assert(zero(int, row_store_settle(store)));
}

/* To wait for them takes tens of ms, in which no sample is fetched. */
Test(row_store, readers_are_waited_for_once_for_all_files)
{
	struct row_file *files[20];
	uint64_t before;
	int waits;

	open_store(8);
	before = bytes_in_use();
	for (size_t i = 0; i < 20; i++) {
		files[i] = add_file(0, 100);
		put(files[i], 1, dense(i), 0, 0);
	}
	n_pages = 0;
	waits = n_waits;
	for (size_t i = 0; i < 20; i++)
		cr_assert(zero(int, row_store_drop_file(store, files[i], false)));
	cr_assert(eq(int, n_waits, waits));
	cr_assert(zero(int, row_store_settle(store)));
	cr_assert(eq(int, n_waits, waits + 1));
	cr_assert(eq(u64, bytes_in_use(), before));
	cr_assert(zero(int, row_store_settle(store)));
	cr_assert(eq(int, n_waits, waits + 1), "nobody has to be waited for");
}

Test(row_store, file_stays_if_there_is_no_memory_for_its_leaving)
{
	int r = -ENOMEM;

	for (int n = 1; r < 0; n++) {
		struct row_file *f;

		open_store(8);
		f = add_used_file();
		allocations_until_failure = n;
		r = row_store_drop_file(store, f, false);
		allocations_until_failure = 0;
		if (r < 0) {
			cr_assert(eq(int, r, -ENOMEM));
			cr_assert(eq(u32, find_file(&watched_key)->state, UNWIND_FILE_ROWS));
			cr_assert(eq(u64, row_store_stats(store).pages, 8));
			cr_assert(zero(int, row_store_drop_file(store, f, false)));
		}
		cr_assert(zero(int, row_store_settle(store)));
		cr_assert(eq(u64, bytes_in_use(), entries_of_tables() * UNWIND_LINE_SIZE));
		clear();
	}
}

Test(row_store, file_that_there_is_no_memory_for)
{
	struct row_file *f = NULL;
	int n = 0, r;

	open_store(8);
	do {
		uint64_t before = bytes_in_use();

		allocations_until_failure = ++n;
		r = row_store_add_file(store, &(struct row_extent){ 0, 5000, 0 }, &f);
		allocations_until_failure = 0;
		cr_assert(r == 0 || bytes_in_use() == before);
	} while (r < 0);
	cr_assert(gt(int, n, 1));
}

/* Of each of its tables, the larger one takes the place of the other, or nothing has happened. */
Test(row_store, table_that_there_is_no_memory_for)
{
	int r = -ENOMEM;

	for (int n = 1; r < 0; n++) {
		open_store(8);
		for (uint32_t i = 0; i < 150; i++) {
			struct unwind_file_key key = { .ino = i };

			cr_assert(zero(int, row_store_set_key(store, &key, NULL)));
		}
		allocations_until_failure = n;
		r = 0;
		for (uint32_t i = 150; r == 0 && i < 1000; i++)
			r = row_store_set_key(store, &(struct unwind_file_key){ .ino = i }, NULL);
		cr_assert(r == 0 || r == -ENOMEM);
		allocations_until_failure = 0;
		cr_assert(zero(int, row_store_settle(store)));
		cr_assert(eq(u64, bytes_in_use(), entries_of_tables() * UNWIND_LINE_SIZE));
		clear();
	}
}
