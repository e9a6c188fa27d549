/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/row_store.h"

#include <string.h>

#include "base/vec.h"
#include "unwind/line_alloc.h"

#define TABLE_ENTRIES_MIN 16u
#define TABLE_ENTRIES_MAX (UNWIND_ARENA_LINES / 2) /* line 0 is not to be had */
#define EVICT_SHARE	  16			   /* of the loaded pages, at a time */
#define USED_SHIFT	  30			   /* of struct unwind_packed.used */
#define AGES		  64			   /* that are told apart, in its units */

struct row_file {
	uint64_t first_page, code_off;
	uint32_t n_pages;
	uint32_t dir;	   /* line of the directory, or of the list of directories; 0: none now */
	uint32_t n_loaded; /* pages; 0 without a directory */
};

struct run {
	uint32_t line, n;
};

struct row_store {
	struct row_store_backing backing;
	size_t arenas_max;
	uint8_t *arenas[UNWIND_ARENAS_MAX];
	struct line_alloc lines;
	VEC(struct row_file *) files;
	const struct row_file *at_hand; /* keeps its directory; NULL: none does */
	size_t hand; /* where the walk over the files begins: not always the same ones go */
	VEC(struct run) leaving; /* out of sight, but a program may still be reading them */
	uint32_t n_keys[UNWIND_FILE_TABLES];
	struct row_store_stats stats;
};

static void *line_ptr(const struct row_store *s, uint32_t line)
{
	return s->arenas[line / UNWIND_ARENA_LINES] + unwind_line_at(line);
}

static uint32_t lines_for(size_t bytes)
{
	return (bytes + UNWIND_LINE_SIZE - 1) / UNWIND_LINE_SIZE;
}

/* What the kernel side may read at any moment is written with one store, after what it leads to. */
static void publish(uint32_t *to, uint32_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

/* --- lines ------------------------------------------------------------------------------------ */

static int add_arena(struct row_store *s)
{
	uint32_t index = s->lines.arenas.n;
	void *mem;
	int r;

	if (index >= s->arenas_max)
		return -ENOSPC;
	r = s->backing.add_arena(s->backing.ctx, index, &mem);
	if (r < 0)
		return r;
	s->arenas[index] = mem;
	s->stats.bytes += UNWIND_ARENA_SIZE;
	return line_alloc_grow(&s->lines);
}

static int evict(struct row_store *s);

/* @n lines, zeroed. */
static int take_lines(struct row_store *s, uint32_t n, uint32_t *ret)
{
	int r = line_alloc_take(&s->lines, n, ret);

	for (int tries = 0; r == -ENOSPC && tries < EVICT_SHARE; tries++) {
		r = add_arena(s);
		if (r == -ENOSPC)
			r = evict(s);
		if (r < 0)
			return r;
		r = line_alloc_take(&s->lines, n, ret);
	}
	if (r == 0)
		memset(line_ptr(s, *ret), 0, (size_t)n * UNWIND_LINE_SIZE);
	return r;
}

/* Takes effect with give_back(). The caller has made room for it in s->leaving. */
static void let_go(struct row_store *s, uint32_t line, uint32_t n)
{
	s->leaving.data[s->leaving.n++] = (struct run){ line, n };
}

static int give_back(struct row_store *s)
{
	int r = s->leaving.n ? s->backing.wait_readers(s->backing.ctx) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->leaving.n; i++)
		line_alloc_give(&s->lines, s->leaving.data[i].line, s->leaving.data[i].n);
	s->leaving.n = 0;
	return 0;
}

/* --- directories ------------------------------------------------------------------------------ */

static bool is_listed(const struct row_file *f)
{
	return f->n_pages > UNWIND_DIR_PAGES;
}

/* The entry for page @i of the file; NULL: the directory is not there. */
static uint32_t *dir_entry(const struct row_store *s, const struct row_file *f, uint32_t i)
{
	uint32_t *list = line_ptr(s, f->dir);
	uint32_t dir;

	if (!f->dir)
		return NULL;
	if (!is_listed(f))
		return &list[i];
	dir = list[i >> UNWIND_DIR_SHIFT];
	return dir ? (uint32_t *)line_ptr(s, dir) + (i & (UNWIND_DIR_PAGES - 1)) : NULL;
}

/* Entries of what f->dir leads to: pages, or directories in a list. */
static uint32_t first_entries(const struct row_file *f)
{
	return is_listed(f) ? (f->n_pages - 1) / UNWIND_DIR_PAGES + 1 : f->n_pages;
}

static uint32_t first_lines(const struct row_file *f)
{
	uint32_t n = first_entries(f);

	return lines_for((n ? n : 1) * sizeof(uint32_t));
}

/* What f->dir leads to, if it had to make room. */
static int make_dir(struct row_store *s, struct row_file *f)
{
	return f->dir ? 0 : take_lines(s, first_lines(f), &f->dir);
}

/* The entry for page @i, making its directory. */
static int make_dir_entry(struct row_store *s, struct row_file *f, uint32_t i, uint32_t **ret)
{
	uint32_t dir;
	int r = make_dir(s, f);

	if (r < 0)
		return r;
	*ret = dir_entry(s, f, i);
	if (*ret)
		return 0;
	r = take_lines(s, lines_for(UNWIND_DIR_PAGES * sizeof(uint32_t)), &dir);
	if (r < 0)
		return r;
	publish((uint32_t *)line_ptr(s, f->dir) + (i >> UNWIND_DIR_SHIFT), dir);
	*ret = dir_entry(s, f, i);
	return 0;
}

static void file_free(struct row_file *f)
{
	free(f);
}
DEFINE_CLEANUP(struct row_file *, file_free)

int row_store_add_file(struct row_store *s, const struct row_extent *code, struct row_file **ret)
{
	CLEANUP(file_freep) struct row_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	if (code->n_pages > UNWIND_FILE_PAGES_MAX || code->first_page > UINT32_MAX)
		return -ENOSPC;
	f->first_page = code->first_page;
	f->code_off = code->code_off;
	f->n_pages = code->n_pages;
	r = vec_reserve(&s->files, 1);
	if (r == 0)
		r = make_dir(s, f);
	if (r < 0)
		return r;
	s->files.data[s->files.n++] = f;
	*ret = TAKE_PTR(f);
	return 0;
}

/* --- table of files --------------------------------------------------------------------------- */

static struct unwind_file *table_entry(const struct row_store *s, struct unwind_file_table t,
				       uint32_t i)
{
	return (struct unwind_file *)line_ptr(s, t.line) + i;
}

static uint32_t table_size(struct unwind_file_table t)
{
	return t.line ? t.mask + 1 : 0;
}

/* The entry of @key, or a free one for it; NULL: no room. */
static struct unwind_file *table_find(const struct row_store *s, struct unwind_file_table t,
				      const struct unwind_file_key *key)
{
	uint32_t hash = unwind_file_hash(key);

	for (uint32_t i = 0; t.line && i < UNWIND_FILE_PROBES; i++) {
		struct unwind_file *f = table_entry(s, t, (hash + i) & t.mask);

		if (f->state == UNWIND_FILE_FREE || unwind_file_is(f, key))
			return f;
	}
	return NULL;
}

/* Of a file that has to be asked for again: the entry only keeps those behind it within reach. */
static bool is_forgotten(const struct unwind_file *f)
{
	static const struct unwind_file_key none;

	return unwind_file_is(f, &none);
}

/* All entries of a table into another one. False: that has no room for one of them. */
static bool table_copy(const struct row_store *s, struct unwind_file_table from,
		       struct unwind_file_table to, uint32_t *ret_n)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table_size(from); i++) {
		const struct unwind_file *f = table_entry(s, from, i);
		struct unwind_file *slot;

		if (f->state == UNWIND_FILE_FREE || is_forgotten(f))
			continue;
		slot = table_find(s, to, &f->key);
		if (!slot)
			return false;
		*slot = *f;
		n++;
	}
	*ret_n = n;
	return true;
}

/* The kernel side reads the two numbers at once. */
static void table_publish(struct unwind_file_table *to, struct unwind_file_table table)
{
	uint64_t both;

	_Static_assert(sizeof(both) == sizeof(table), "one store");
	memcpy(&both, &table, sizeof(both));
	__atomic_store_n((uint64_t *)to, both, __ATOMIC_RELEASE);
}

/* A table of @entries in place of number @k, with what is in that, or @empty. */
static int table_replace(struct row_store *s, uint32_t k, uint32_t entries, bool empty)
{
	struct unwind_file_table *current = &s->backing.control->files[k], old;
	struct unwind_file_table table = { .mask = entries - 1 };
	uint32_t n = 0;
	int r;

	r = take_lines(s, entries, &table.line);
	if (r < 0)
		return r;
	old = *current;
	r = vec_reserve(&s->leaving, 1);
	if (r == 0 && !empty && !table_copy(s, old, table, &n))
		r = -EAGAIN;
	if (r < 0) {
		line_alloc_give(&s->lines, table.line, entries);
		return r;
	}
	s->n_keys[k] = n;
	table_publish(current, table);
	if (old.line)
		let_go(s, old.line, table_size(old));
	return 0;
}

/*
 * A larger table; once it is as large as can be, an empty one: whoever is still in use is asked
 * for again, and files that were deleted long ago are not.
 */
static int table_grow(struct row_store *s, uint32_t k)
{
	uint32_t entries = table_size(s->backing.control->files[k]);
	int r;

	do {
		bool is_largest = entries == TABLE_ENTRIES_MAX;

		entries = is_largest ? entries : entries ? entries * 2 : TABLE_ENTRIES_MIN;
		r = table_replace(s, k, entries, is_largest);
	} while (r == -EAGAIN);
	return r;
}

static void describe(struct unwind_file *to, const struct row_file *file)
{
	to->dir = file ? file->dir : 0;
	to->first_page = file ? file->first_page : 0;
	to->n_pages = file ? file->n_pages : 0;
	to->code_off = file ? file->code_off : 0;
	publish(&to->state, file ? UNWIND_FILE_ROWS : UNWIND_FILE_NO_ROWS);
}

static bool is_described(const struct unwind_file *f, const struct row_file *file)
{
	return f->state == (file ? UNWIND_FILE_ROWS : UNWIND_FILE_NO_ROWS) &&
	       (!file || f->dir == file->dir);
}

/* Whatever the kernel side has copied from the table is void. */
static void forget_copies(struct row_store *s)
{
	__atomic_fetch_add(&s->backing.control->generation, 1, __ATOMIC_RELEASE);
}

static int set_key(struct row_store *s, const struct unwind_file_key *key,
		   const struct row_file *file)
{
	uint32_t k = unwind_file_table_of(unwind_file_hash(key));
	const struct unwind_file_table *table = &s->backing.control->files[k];
	struct unwind_file *slot = table_find(s, *table, key);
	int r = 0;

	while (r == 0 && (!slot || (slot->state == UNWIND_FILE_FREE &&
				    4 * (s->n_keys[k] + 1) > 3 * table_size(*table)))) {
		r = table_grow(s, k);
		if (r == -ENOSPC && slot)
			break; /* it is crowded, and serves all the same */
		slot = r < 0 ? NULL : table_find(s, *table, key);
	}
	if (!slot)
		return r;
	r = 0;
	if (slot->state == UNWIND_FILE_FREE) {
		s->n_keys[k]++;
		slot->key = *key;
		describe(slot, file);
		return 0;
	}
	if (is_described(slot, file))
		return 0;
	/* In use: no reader may see half of the old and half of the new one. */
	publish(&slot->state, UNWIND_FILE_FREE);
	forget_copies(s);
	r = s->backing.wait_readers(s->backing.ctx);
	if (r == 0)
		describe(slot, file);
	forget_copies(s);
	return r;
}

int row_store_set_key(struct row_store *s, const struct unwind_file_key *key, struct row_file *file)
{
	int r = file ? make_dir(s, file) : 0;

	s->at_hand = file;
	if (r == 0)
		r = set_key(s, key, file);
	s->at_hand = NULL;
	return r;
}

void row_store_set_vdso(struct row_store *s, const struct row_file *file)
{
	describe(&s->backing.control->vdso, file);
	forget_copies(s);
}

/* --- pages ------------------------------------------------------------------------------------ */

bool row_store_has(const struct row_store *s, const struct row_file *f, uint64_t page)
{
	const uint32_t *entry;

	if (page < f->first_page || page - f->first_page >= f->n_pages)
		return true;
	entry = dir_entry(s, f, page - f->first_page);
	return entry && *entry;
}

static void pack(struct unwind_packed *to, const struct unwind_page *rows, uint32_t used)
{
	uint8_t *pc = (uint8_t *)to + UNWIND_PACKED_PC;
	uint32_t n = rows->n_rows, bucket = 0;

	to->used = used;
	to->n_ext = rows->n_ext;
	for (uint32_t i = 0; i < n; i++) {
		pc[i] = rows->pc[i];
		for (; bucket <= (uint32_t)rows->pc[i] >> UNWIND_BUCKET_SHIFT; bucket++)
			to->first[bucket] = i;
	}
	for (; bucket <= 16; bucket++)
		to->first[bucket] = n;
	memcpy((uint8_t *)to + UNWIND_PACKED_RULES(n), rows->rule, n * sizeof(rows->rule[0]));
	memcpy((uint8_t *)to + UNWIND_PACKED_EXT(n), rows->ext, rows->n_ext * sizeof(rows->ext[0]));
}

int row_store_put(struct row_store *s, struct row_file *f, uint64_t page,
		  const struct unwind_page *rows, uint64_t now)
{
	uint32_t n = lines_for(UNWIND_PACKED_SIZE((uint32_t)rows->n_rows, rows->n_ext)), line;
	uint32_t *entry;
	int r;

	/* The page last: making room for something may unload what was loaded before it. */
	s->at_hand = f;
	r = make_dir_entry(s, f, page - f->first_page, &entry);
	if (r == 0)
		r = take_lines(s, n, &line);
	s->at_hand = NULL;
	if (r < 0)
		return r;
	pack(line_ptr(s, line), rows, now >> USED_SHIFT);
	publish(entry, line);
	f->n_loaded++;
	s->stats.pages++;
	s->stats.rows += rows->n_rows;
	return 0;
}

int row_store_find(struct row_store *s, const struct row_file *f, uint64_t off, uint64_t now,
		   struct unwind_found_rule *ret)
{
	uint64_t page = off >> UNWIND_PAGE_SHIFT;
	struct unwind_packed *packed;
	const uint32_t *entry;
	const void *arena;
	uint32_t at, n_rows;

	ret->rule = UNWIND_RULE_SPECIAL(UNWIND_NONE);
	if (page < f->first_page || page - f->first_page >= f->n_pages)
		return UNWIND_FOUND;
	entry = dir_entry(s, f, page - f->first_page);
	if (!entry || !*entry)
		return UNWIND_NOT_LOADED;
	packed = line_ptr(s, *entry);
	packed->used = now >> USED_SHIFT;
	arena = s->arenas[*entry / UNWIND_ARENA_LINES];
	at = unwind_line_at(*entry);
	ret->rule = unwind_packed_find(arena, at, off & (UNWIND_PAGE_SIZE - 1), &n_rows);
	if ((ret->rule & 3) == UNWIND_BASE_EXT)
		memcpy(&ret->ext,
		       (const char *)arena + at + UNWIND_PACKED_EXT(n_rows) +
			       (ret->rule >> 2) * sizeof(ret->ext),
		       sizeof(ret->ext));
	return UNWIND_FOUND;
}

/* --- dropping a file -------------------------------------------------------------------------- */

static uint32_t packed_lines(const struct row_store *s, uint32_t line)
{
	const struct unwind_packed *packed = line_ptr(s, line);

	return lines_for(UNWIND_PACKED_SIZE((uint32_t)packed->first[16], packed->n_ext));
}

static void unload_page(struct row_store *s, struct row_file *f, uint32_t *entry)
{
	const struct unwind_packed *packed = line_ptr(s, *entry);
	uint32_t n_rows = packed->first[16];

	let_go(s, *entry, packed_lines(s, *entry));
	publish(entry, 0);
	f->n_loaded--;
	s->stats.pages--;
	s->stats.rows -= n_rows;
}

static void unload_pages(struct row_store *s, struct row_file *f)
{
	for (uint32_t i = 0; f->n_loaded && i < f->n_pages; i++) {
		uint32_t *entry = dir_entry(s, f, i);

		if (entry && *entry)
			unload_page(s, f, entry);
	}
}

/* The file's directories, one, or a list and those in it: runs of lines, at most. */
static size_t n_dirs(const struct row_file *f)
{
	return !f->dir ? 0 : is_listed(f) ? 1 + first_entries(f) : 1;
}

static void let_go_dirs(struct row_store *s, struct row_file *f)
{
	const uint32_t *list = line_ptr(s, f->dir);

	for (uint32_t i = 0; f->dir && is_listed(f) && i < first_entries(f); i++)
		if (list[i])
			let_go(s, list[i], lines_for(UNWIND_DIR_PAGES * sizeof(uint32_t)));
	if (f->dir)
		let_go(s, f->dir, first_lines(f));
	f->dir = 0;
}

static void take_off_table(struct row_store *s, struct unwind_file_table table,
			   const struct row_file *f, bool forget)
{
	for (uint32_t i = 0; i < table_size(table); i++) {
		struct unwind_file *entry = table_entry(s, table, i);

		if (entry->state != UNWIND_FILE_ROWS || entry->dir != f->dir)
			continue;
		publish(&entry->state, UNWIND_FILE_NO_ROWS);
		if (forget)
			memset(&entry->key, 0, sizeof(entry->key));
	}
}

/* @forget: it is asked for again; else it is told that there are no rows. */
static void take_off_keys(struct row_store *s, const struct row_file *f, bool forget)
{
	for (uint32_t k = 0; k < UNWIND_FILE_TABLES; k++)
		take_off_table(s, s->backing.control->files[k], f, forget);
	forget_copies(s);
}

int row_store_drop_file(struct row_store *s, struct row_file *f, bool forget)
{
	int r;

	if (!f)
		return 0;
	r = vec_reserve(&s->leaving, f->n_loaded + n_dirs(f));
	if (r < 0)
		return r;
	take_off_keys(s, f, forget);
	unload_pages(s, f);
	let_go_dirs(s, f);
	for (size_t k = 0; k < s->files.n; k++)
		if (s->files.data[k] == f)
			s->files.data[k--] = s->files.data[--s->files.n];
	file_free(f);
	return 0;
}

int row_store_settle(struct row_store *s)
{
	return give_back(s);
}

/* --- making room ------------------------------------------------------------------------------ */

typedef int (*page_fn)(struct row_store *s, struct row_file *f, uint32_t *entry, void *arg);

/* All loaded pages; a result other than 0 ends the walk and is its result. */
static int for_each_page(struct row_store *s, page_fn fn, void *arg)
{
	for (size_t k = 0; k < s->files.n; k++) {
		struct row_file *f = s->files.data[(s->hand + k) % s->files.n];

		for (uint32_t i = 0; f->n_loaded && i < f->n_pages; i++) {
			uint32_t *entry = dir_entry(s, f, i);
			int r = entry && *entry ? fn(s, f, entry, arg) : 0;

			if (!entry)
				i |= UNWIND_DIR_PAGES - 1; /* nothing of this directory */
			if (r)
				return r;
		}
	}
	return 0;
}

struct ages {
	uint32_t newest;
	uint64_t n[AGES]; /* pages of each age; the last: or older */
};

static uint32_t age_of(const struct row_store *s, uint32_t line, uint32_t newest)
{
	const struct unwind_packed *packed = line_ptr(s, line);
	uint32_t age = newest - packed->used;

	return packed->used > newest ? 0 : age < AGES ? age : AGES - 1;
}

static int find_newest(struct row_store *s, struct row_file *f, uint32_t *entry, void *arg)
{
	const struct unwind_packed *packed = line_ptr(s, *entry);
	struct ages *ages = arg;

	if (packed->used > ages->newest)
		ages->newest = packed->used;
	return 0;
}

static int count_age(struct row_store *s, struct row_file *f, uint32_t *entry, void *arg)
{
	struct ages *ages = arg;

	ages->n[age_of(s, *entry, ages->newest)]++;
	return 0;
}

struct eviction {
	uint32_t newest, min_age;
	uint64_t left; /* pages to go */
};

static int evict_page(struct row_store *s, struct row_file *f, uint32_t *entry, void *arg)
{
	struct eviction *ev = arg;

	if (age_of(s, *entry, ev->newest) < ev->min_age)
		return 0;
	unload_page(s, f, entry);
	s->stats.pages_evicted++;
	return --ev->left == 0;
}

/* A share of the pages, those first that were not used for longest. */
static int evict_pages(struct row_store *s)
{
	struct eviction ev = { .left = s->stats.pages / EVICT_SHARE + 1, .min_age = AGES };
	struct ages ages = { 0 };
	uint64_t older = 0;
	int r = vec_reserve(&s->leaving, ev.left);

	if (r < 0)
		return r;
	for_each_page(s, find_newest, &ages);
	for_each_page(s, count_age, &ages);
	while (ev.min_age > 0 && older < ev.left)
		older += ages.n[--ev.min_age];
	ev.newest = ages.newest;
	/* All that are older than the youngest to go, then as many of its age as are needed. */
	ev.min_age++;
	if (for_each_page(s, evict_page, &ev) == 0) {
		ev.min_age--;
		for_each_page(s, evict_page, &ev);
	}
	s->hand++;
	return 0;
}

static bool is_idle(const struct row_store *s, const struct row_file *f)
{
	return f->dir && !f->n_loaded && f != s->at_hand && f->dir != s->backing.control->vdso.dir;
}

/*
 * The directories of files of which nothing is loaded: whoever uses one has to ask all the same,
 * and then asks for the file, too. Most of them were deleted long ago.
 */
static int evict_dirs(struct row_store *s)
{
	for (size_t k = 0; k < s->files.n; k++) {
		struct row_file *f = s->files.data[k];
		int r;

		if (!is_idle(s, f))
			continue;
		r = vec_reserve(&s->leaving, n_dirs(f));
		if (r < 0)
			return r;
		take_off_keys(s, f, true);
		let_go_dirs(s, f);
	}
	return 0;
}

/* Makes room, if not always enough. -ENOSPC: there is nothing that could go. */
static int evict(struct row_store *s)
{
	int r = s->stats.pages ? evict_pages(s) : 0;

	if (r == 0)
		r = evict_dirs(s);
	if (r == 0 && !s->leaving.n)
		r = -ENOSPC;
	return r < 0 ? r : give_back(s);
}

/* --- life ------------------------------------------------------------------------------------- */

int row_store_new(const struct row_store_backing *backing, size_t budget, struct row_store **ret)
{
	CLEANUP(row_store_freep) struct row_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->backing = *backing;
	s->arenas_max = budget / UNWIND_ARENA_SIZE;
	if (s->arenas_max > UNWIND_ARENAS_MAX)
		s->arenas_max = UNWIND_ARENAS_MAX;
	r = add_arena(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void row_store_free(struct row_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->files.n; i++)
		file_free(s->files.data[i]);
	vec_free(&s->files);
	vec_free(&s->leaving);
	line_alloc_clear(&s->lines);
	free(s);
}

struct row_store_stats row_store_stats(const struct row_store *s)
{
	struct row_store_stats stats = s->stats;

	stats.lines_bytes = s->lines.n_taken * UNWIND_LINE_SIZE;
	return stats;
}
