/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_source.h"

#include <string.h>

#include "base/clock.h"

/*
 * Pages that are loaded together, aligned: code that calls each other lies together, and each page
 * that is not loaded costs a sample that has to be finished in user space. Small files are loaded
 * as a whole, but for code that no table covers: of that only what is around (unwind_table.h).
 */
#define GROUP_PAGES 8
#define WHOLE_PAGES 64

struct unwind_source {
	const struct dso *dso; /* NULL: the vDSO */
	bool is_tried;	       /* was opened, if in vain: by way of dso->fd */
	struct elf_file *ef;   /* NULL: cannot be read */
	struct unwind_table *table;
	struct row_file *file; /* NULL: no rows */
	struct unwind_file_key key;
	bool has_key;
	uint64_t code_off;
	uint64_t reread_at; /* CLOCK_MONOTONIC, ns; 0: never */
	uint64_t failed;    /* how often its tables were there, and of no use */
};

/* Takes pages to the store, and looks one place up on the way: it is found though nothing fits. */
struct loading {
	struct row_store *store;
	struct row_file *file;
	uint64_t now;
	uint64_t page; /* of the place */
	uint32_t off;  /* in its page */
	bool is_found;
	struct unwind_found_rule found;
	int error; /* of the store: the pages go on up to the place */
};

static void close_table(struct unwind_source *src)
{
	unwind_table_close(TAKE_PTR(src->table));
	elf_file_close(TAKE_PTR(src->ef));
	src->file = NULL;
}

static int read_tables(struct unwind_source *src, struct row_store *store)
{
	struct row_extent code;
	int r = unwind_table_open(src->ef, &src->table);

	if (r < 0)
		return r;
	unwind_table_pages(src->table, &code.first_page, &code.n_pages);
	code.code_off = src->code_off = elf_file_code_offset(src->ef);
	return code.n_pages ? row_store_add_file(store, &code, &src->file) : 0;
}

/*
 * What cannot be read has no rows; that is not an error. Nor is it that there is no room for it: it
 * is not tried again, as the same would be spent on it for each frame of each sample.
 */
static int give_up(struct unwind_source *src, int error)
{
	close_table(src);
	if (error == -ENOMEM)
		return error;
	src->failed += error != -ENOEXEC && error != -ENODATA;
	return 0;
}

int unwind_source_new(struct row_store *store, struct elf_file *ef, struct unwind_source **ret)
{
	CLEANUP(unwind_source_freep) struct unwind_source *src = calloc(1, sizeof(*src));
	int r;

	if (!src) {
		elf_file_close(ef);
		return -ENOMEM;
	}
	src->ef = ef;
	r = read_tables(src, store);
	if (r < 0)
		r = give_up(src, r);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(src);
	return 0;
}

void unwind_source_free(struct unwind_source *src)
{
	if (!src)
		return;
	close_table(src);
	free(src);
}

uint64_t unwind_source_code_offset(const struct unwind_source *src)
{
	return src->code_off;
}

struct row_file *unwind_source_file(const struct unwind_source *src)
{
	return src->file;
}

static bool same_contents(const struct unwind_file_key *a, const struct unwind_file_key *b)
{
	return a->ino == b->ino && a->ctime_sec == b->ctime_sec && a->ctime_nsec == b->ctime_nsec;
}

static int open_dso(struct unwind_source *src, struct row_store *store)
{
	int r = elf_file_open_fd(src->dso->fd, &src->ef);

	if (r == 0)
		r = read_tables(src, store);
	if (r < 0)
		r = give_up(src, r);
	src->is_tried = r == 0;
	return r;
}

static int reopen(struct unwind_source *src, struct row_store *store)
{
	int r = row_store_drop_file(store, src->file);

	if (r < 0)
		return r;
	close_table(src);
	return open_dso(src, store);
}

/* Not with each sample of a program that changes its own file in a loop. */
static int reread(struct unwind_source *src, struct row_store *store, uint64_t now)
{
	if (src->reread_at && now - src->reread_at < NSEC_PER_SEC)
		return -EAGAIN;
	src->reread_at = now;
	return reopen(src, store);
}

int unwind_source_set_key(struct unwind_source *src, struct row_store *store,
			  const struct unwind_file_key *key, uint64_t now)
{
	int r = 0;

	if (src->has_key && !same_contents(&src->key, key) && src->dso && src->dso->fd >= 0)
		r = reread(src, store, now);
	if (r < 0)
		return r;
	src->key = *key;
	src->has_key = true;
	return row_store_set_key(store, key, src->file);
}

static void look_up(struct loading *l, const struct unwind_page *rows)
{
	uint32_t i = 0;

	while (i + 1u < rows->n_rows && rows->pc[i + 1] <= l->off)
		i++;
	l->found.rule = rows->rule[i];
	if ((l->found.rule & 3) == UNWIND_BASE_EXT)
		l->found.ext = rows->ext[(l->found.rule >> 2) % UNWIND_PAGE_EXT_MAX];
	l->is_found = true;
}

static int take_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct loading *l = arg;

	if (page == l->page)
		look_up(l, rows);
	if (!row_store_has(l->store, l->file, page) && l->error == 0)
		l->error = row_store_put(l->store, l->file, page, rows, l->now);
	/* What does not fit is compiled for the place's sake only. */
	return l->is_found ? l->error : 0;
}

static bool wants_page(void *arg, uint64_t page)
{
	const struct loading *l = arg;

	return page == l->page || !row_store_has(l->store, l->file, page);
}

static int load(struct unwind_source *src, struct loading *l, uint64_t first, uint64_t end)
{
	struct unwind_group group = { .page = l->page, .wants = wants_page };
	uint64_t code_first, n;
	int r;

	unwind_table_pages(src->table, &code_first, &n);
	group.first = first > code_first ? first : code_first;
	end = end < code_first + n ? end : code_first + n;
	group.n = end > group.first ? end - group.first : 0;
	r = unwind_table_compile_group(src->table, &group, take_page, l);
	return r < 0 ? r : l->error;
}

static int load_around(struct unwind_source *src, struct loading *l)
{
	uint64_t first, n, group = l->page / GROUP_PAGES * GROUP_PAGES;

	unwind_table_pages(src->table, &first, &n);
	if (n <= WHOLE_PAGES)
		return load(src, l, 0, UINT64_MAX);
	return load(src, l, group, group + GROUP_PAGES);
}

int unwind_source_find(struct unwind_source *src, struct row_store *store, uint64_t off,
		       uint64_t now, struct unwind_found_rule *ret)
{
	struct loading l = {
		.store = store,
		.file = src->file,
		.now = now,
		.page = off >> UNWIND_PAGE_SHIFT,
		.off = off & (UNWIND_PAGE_SIZE - 1),
	};
	int r;

	if (!src->file || row_store_find(store, src->file, off, now, ret) == UNWIND_FOUND)
		return 0;
	r = load_around(src, &l);
	if (l.is_found)
		*ret = l.found;
	return r;
}

int unwind_source_load_all(struct unwind_source *src, struct row_store *store, uint64_t now)
{
	struct loading l = { .store = store, .file = src->file, .now = now, .page = UINT64_MAX };

	uint64_t first, n;
	int r;

	if (!src->file)
		return 0;
	unwind_table_pages(src->table, &first, &n);
	r = unwind_table_compile(src->table, first, n, take_page, &l);
	return r < 0 ? r : l.error;
}

/* --- by file ---------------------------------------------------------------------------------- */

static bool source_eq(const void *value, const void *key)
{
	return ((const struct unwind_source *)value)->dso == key;
}

static int add(struct unwind_sources *s, const struct dso *dso, struct unwind_source **ret)
{
	CLEANUP(unwind_source_freep) struct unwind_source *src = calloc(1, sizeof(*src));
	int r;

	if (!src)
		return -ENOMEM;
	src->dso = dso;
	r = hashmap_put(&s->by_dso, hash_u64(0, dso->id), src);
	if (r == 0)
		*ret = TAKE_PTR(src);
	return r;
}

int unwind_sources_get(struct unwind_sources *s, struct row_store *store, const struct dso *dso,
		       struct unwind_source **ret)
{
	struct unwind_source *src = hashmap_get(&s->by_dso, hash_u64(0, dso->id), source_eq, dso);
	int r = src ? 0 : add(s, dso, &src);

	/* It may have been out of reach by the first process, and not be by way of another. */
	if (r == 0 && !src->is_tried && dso->fd >= 0) {
		r = open_dso(src, store);
		if (r == 0 && src->file && src->has_key)
			r = row_store_set_key(store, &src->key, src->file);
	}
	if (r == 0)
		*ret = src;
	return r;
}

static void add_stats(struct unwind_table_stats *sum, const struct unwind_source *src)
{
	struct unwind_table_stats t = { 0 };

	if (src->table)
		t = unwind_table_stats(src->table);
	sum->bad_fdes += t.bad_fdes;
	sum->unsupported_rows += t.unsupported_rows;
	sum->dense_pages += t.dense_pages;
}

void unwind_sources_forget(struct unwind_sources *s, struct row_store *store, const struct dso *dso)
{
	CLEANUP(unwind_source_freep)
	struct unwind_source *src =
		hashmap_remove(&s->by_dso, hash_u64(0, dso->id), source_eq, dso);

	if (!src)
		return;
	add_stats(&s->gone_stats, src);
	s->gone_failed += src->failed;
	/* Without memory they stay, and are right: the kernel side knows them by inode and time. */
	(void)row_store_drop_file(store, src->file);
}

struct unwind_table_stats unwind_sources_stats(const struct unwind_sources *s)
{
	struct unwind_table_stats sum = s->gone_stats;
	struct unwind_source *src;
	size_t pos = 0;

	while ((src = hashmap_next(&s->by_dso, &pos)))
		add_stats(&sum, src);
	return sum;
}

uint64_t unwind_sources_failed(const struct unwind_sources *s)
{
	uint64_t sum = s->gone_failed;
	struct unwind_source *src;
	size_t pos = 0;

	while ((src = hashmap_next(&s->by_dso, &pos)))
		sum += src->failed;
	return sum;
}

void unwind_sources_clear(struct unwind_sources *s)
{
	struct unwind_source *src;
	size_t pos = 0;

	while ((src = hashmap_next(&s->by_dso, &pos)))
		unwind_source_free(src);
	hashmap_clear(&s->by_dso);
}
