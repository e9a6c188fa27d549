/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_source.h"

#include <string.h>

#include "base/clock.h"
#include "unwind/rows_protocol.h"

/*
 * Pages that are loaded together, aligned: code that calls each other lies together, and each page
 * that is not loaded costs a sample that has to be finished in user space. Small files are loaded
 * as a whole, but for code that no table covers: of that only what is around (unwind_table.h).
 */
#define GROUP_PAGES 8
#define WHOLE_PAGES 64

_Static_assert(GROUP_PAGES <= ROWS_PAGES_MAX && WHOLE_PAGES <= ROWS_PAGES_MAX, "in one question");

struct unwind_source {
	const struct dso *dso; /* NULL: the vDSO */
	bool is_tried;	       /* was opened, if in vain: by way of dso->fd */
	/* Read right here: */
	struct elf_file *ef; /* NULL: cannot be read */
	struct unwind_table *table;
	/* Or there: */
	struct rows_client *reader; /* NULL: here */
	uint64_t id;		    /* over there, of these contents; 0: not asked for yet */
	struct unwind_table_stats stats;

	struct row_store *store; /* that has @file */
	struct row_file *file;	 /* NULL: no rows */
	struct row_extent code;
	struct unwind_file_key key;
	bool has_key;
	uint64_t reread_at; /* CLOCK_MONOTONIC, ns; 0: never */
	struct unwind_source_failures failures;
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
	if (src->id)
		rows_client_forget(src->reader, src->id);
	src->id = 0;
	unwind_table_close(TAKE_PTR(src->table));
	elf_file_close(TAKE_PTR(src->ef));
	src->file = NULL;
}

static int add_file(struct unwind_source *src, struct row_store *store)
{
	src->store = store;
	return src->code.n_pages ? row_store_add_file(store, &src->code, &src->file) : 0;
}

static int read_tables(struct unwind_source *src, struct row_store *store)
{
	int r = unwind_table_open(src->ef, &src->table);

	if (r < 0)
		return r;
	unwind_table_pages(src->table, &src->code.first_page, &src->code.n_pages);
	src->code.code_off = elf_file_code_offset(src->ef);
	return add_file(src, store);
}

/* A page that the reader had not compiled in time. */
static int take_late_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct unwind_source *src = arg;

	if (!src->file || row_store_has(src->store, src->file, page))
		return 0;
	return row_store_put(src->store, src->file, page, rows, monotonic_ns());
}

static struct rows_client_file file_of(struct unwind_source *src)
{
	return (struct rows_client_file){ src->id, src->dso->fd, { take_late_page, src } };
}

static int ask_for_tables(struct unwind_source *src, struct row_store *store)
{
	struct rows_client_file f;
	uint64_t bad_fdes;
	int r;

	if (!src->id)
		src->id = rows_client_number(src->reader);
	f = file_of(src);
	r = rows_client_open(src->reader, &f, &src->code, &bad_fdes);
	if (r < 0)
		return r;
	src->stats.bad_fdes += bad_fdes;
	return add_file(src, store);
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
	if (error == -EREMOTEIO)
		src->failures.reader++;
	else
		src->failures.tables += error != -ENOEXEC && error != -ENODATA;
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
	return src->code.code_off;
}

struct row_file *unwind_source_file(const struct unwind_source *src)
{
	return src->file;
}

static bool same_contents(const struct unwind_file_key *a, const struct unwind_file_key *b)
{
	return a->ino == b->ino && a->ctime_sec == b->ctime_sec && a->ctime_nsec == b->ctime_nsec;
}

/* Its reader may not have answered yet: then it is not tried after that. */
static int open_dso(struct unwind_source *src, struct row_store *store)
{
	int r;

	if (src->reader) {
		r = ask_for_tables(src, store);
	} else {
		r = elf_file_open_fd(src->dso->fd, &src->ef);
		if (r == 0)
			r = read_tables(src, store);
	}
	if (r == -EAGAIN) {
		src->failures.late++;
		return 0;
	}
	if (r < 0)
		r = give_up(src, r);
	src->is_tried = r == 0;
	return r;
}

static int reopen(struct unwind_source *src, struct row_store *store)
{
	int r = row_store_drop_file(store, src->file, false);

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

static bool is_open(const struct unwind_source *src)
{
	return src->is_tried || !src->id;
}

int unwind_source_set_key(struct unwind_source *src, struct row_store *store,
			  const struct unwind_file_key *key, uint64_t now)
{
	int r = 0;

	if (src->has_key && !same_contents(&src->key, key) && src->dso) {
		if (src->dso->fd < 0 && src->file) /* its rows are those of the old contents */
			return -EAGAIN;
		if (src->dso->fd >= 0)
			r = reread(src, store, now);
	}
	if (r < 0)
		return r;
	src->key = *key;
	src->has_key = true;
	/* Else it is told once its reader has answered. */
	return is_open(src) ? row_store_set_key(store, key, src->file) : 0;
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

static int load_here(struct unwind_source *src, struct loading *l, uint64_t first, uint64_t n)
{
	const struct unwind_group group = { first, n, l->page, wants_page };

	return unwind_table_compile_group(src->table, &group, take_page, l);
}

/* Without rows the kernel side has no reason to ask for more of them. */
static int lose_file(struct unwind_source *src)
{
	int r = row_store_drop_file(src->store, src->file, false);

	return r < 0 ? r : give_up(src, -EREMOTEIO);
}

static int load_there(struct unwind_source *src, struct loading *l, uint64_t first, uint64_t n)
{
	struct rows_client_group group = { first, 0, l->page };
	const struct rows_client_file f = file_of(src);
	const struct rows_sink sink = { take_page, l };
	int r;

	if (src->dso->fd < 0) /* was closed, and cannot be had by way of this process */
		return 0;
	for (uint64_t i = 0; i < n; i++)
		group.wanted |= (uint64_t)wants_page(l, first + i) << i;
	r = rows_client_compile(src->reader, &f, &group, &sink, &src->stats);
	src->failures.late += r == -EAGAIN;
	return r == -EREMOTEIO ? lose_file(src) : r;
}

static int load(struct unwind_source *src, struct loading *l, uint64_t first, uint64_t end)
{
	uint64_t code_end = src->code.first_page + src->code.n_pages, n;
	int r;

	if (first < src->code.first_page)
		first = src->code.first_page;
	end = end < code_end ? end : code_end;
	n = end > first ? end - first : 0;
	r = src->reader ? load_there(src, l, first, n) : load_here(src, l, first, n);
	return r < 0 ? r : l->error;
}

static int load_around(struct unwind_source *src, struct loading *l)
{
	uint64_t group = l->page / GROUP_PAGES * GROUP_PAGES;

	if (src->code.n_pages <= WHOLE_PAGES)
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
	else if (src->reader && src->file) /* it may have come before, late */
		(void)row_store_find(store, src->file, off, now, ret);
	return r;
}

int unwind_source_load_all(struct unwind_source *src, struct row_store *store, uint64_t now)
{
	struct loading l = { .store = store, .file = src->file, .now = now, .page = UINT64_MAX };
	int r;

	if (!src->file)
		return 0;
	r = unwind_table_compile(src->table, src->code.first_page, src->code.n_pages, take_page,
				 &l);
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
	src->reader = s->reader;
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
		if (r == 0 && src->has_key && src->is_tried && (src->file || src->reader))
			r = row_store_set_key(store, &src->key, src->file);
	}
	if (r == 0)
		*ret = src;
	return r;
}

static void add_stats(struct unwind_table_stats *sum, const struct unwind_source *src)
{
	struct unwind_table_stats t = src->stats;

	if (src->table)
		t = unwind_table_stats(src->table);
	sum->bad_fdes += t.bad_fdes;
	sum->unsupported_rows += t.unsupported_rows;
	sum->dense_pages += t.dense_pages;
}

static void add_failures(struct unwind_source_failures *sum, const struct unwind_source *src)
{
	sum->tables += src->failures.tables;
	sum->reader += src->failures.reader;
	sum->late += src->failures.late;
}

void unwind_sources_forget(struct unwind_sources *s, struct row_store *store, const struct dso *dso)
{
	CLEANUP(unwind_source_freep)
	struct unwind_source *src =
		hashmap_remove(&s->by_dso, hash_u64(0, dso->id), source_eq, dso);

	if (!src)
		return;
	add_stats(&s->gone_stats, src);
	add_failures(&s->gone_failures, src);
	/* Without memory they stay, and are right: the kernel side knows them by inode and time. */
	(void)row_store_drop_file(store, src->file, true);
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

struct unwind_source_failures unwind_sources_failures(const struct unwind_sources *s)
{
	struct unwind_source_failures sum = s->gone_failures;
	struct unwind_source *src;
	size_t pos = 0;

	while ((src = hashmap_next(&s->by_dso, &pos)))
		add_failures(&sum, src);
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
