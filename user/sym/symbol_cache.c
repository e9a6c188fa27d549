/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbol_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/folder.h"
#include "base/io.h"
#include "base/parse.h"

struct entry {
	struct symbol_image image;
	size_t n_saved; /* places that the folder has */
	uint64_t used;	/* the cache's clock */
};

struct symbol_cache {
	char *folder; /* NULL: none */
	struct symbol_cache_limits limits;
	struct symbol_cache_totals totals;
	VEC(struct entry *) entries; /* few: one for each file with samples */
	uint64_t clock;
};

static void entry_free(struct entry *e)
{
	if (!e)
		return;
	symbol_image_clear(&e->image);
	free(e);
}
DEFINE_CLEANUP(struct entry *, entry_free)

/* Whoever may write there chooses our names. */
static int open_folder(const char *folder)
{
	struct stat st;
	int r = folder_make(folder, 0700);

	if (r < 0)
		return r;
	if (stat(folder, &st) < 0)
		return -errno;
	return st.st_uid == geteuid() && !(st.st_mode & 022) ? 0 : -EPERM;
}

int symbol_cache_new(const char *folder, const struct symbol_cache_limits *limits,
		     struct symbol_cache **ret)
{
	CLEANUP(symbol_cache_freep) struct symbol_cache *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->limits = *limits;
	if (folder) {
		c->folder = strdup(folder);
		if (!c->folder)
			return -ENOMEM;
		r = open_folder(folder);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(c);
	return 0;
}

void symbol_cache_free(struct symbol_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->entries.n; i++)
		entry_free(c->entries.data[i]);
	vec_free(&c->entries);
	free(c->folder);
	free(c);
}

/* --- the folder ------------------------------------------------------------------------------- */

static bool path_of(const struct symbol_cache *c, const struct symbol_origin *o, char *buf,
		    size_t len)
{
	char hex[2 * SYMBOL_IMAGE_ID + 1];
	uint64_t which = hash_u64(o->rules, o->files);
	int n;

	if (!c->folder || !o->build_id_len)
		return false;
	format_hex(o->build_id, o->build_id_len, hex);
	n = snprintf(buf, len, "%s/%s-%016" PRIx64 ".sym", c->folder, hex, which);
	return n > 0 && (size_t)n < len;
}

static int read_own_file(const char *path, char **ret, size_t *ret_len)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	folder_note_use(fd);
	return read_whole_fd(fd, SYMBOL_IMAGE_MAX, ret, ret_len);
}

static bool same_origin(const struct symbol_origin *a, const struct symbol_origin *b)
{
	return a->rules == b->rules && a->files == b->files && a->build_id_len == b->build_id_len &&
	       memcmp(a->build_id, b->build_id, a->build_id_len) == 0;
}

/* Leaves the entry empty if there is nothing to be had. */
static int load(struct symbol_cache *c, struct entry *e)
{
	CLEANUP(symbol_image_clear) struct symbol_image found = { 0 };
	CLEANUP(freep) char *bytes = NULL;
	char path[PATH_MAX];
	size_t len;
	int r;

	if (!path_of(c, &e->image.origin, path, sizeof(path)))
		return 0;
	r = read_own_file(path, &bytes, &len);
	if (r == -ENOENT || r == -ENOMEM)
		return r == -ENOENT ? 0 : r;
	if (r == 0)
		r = symbol_image_decode(bytes, len, &found);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		c->totals.rejected++;
		return 0;
	}
	if (!same_origin(&found.origin, &e->image.origin))
		return 0;
	c->totals.loaded++;
	e->image = found;
	e->n_saved = found.places.n;
	found = (struct symbol_image){ 0 };
	return 0;
}

static int write_file(const char *path, const void *bytes, size_t len)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;
	int r = atomic_file_replace(path, &f);

	if (r == 0)
		r = atomic_file_write(f, bytes, len);
	return r == 0 ? atomic_file_commit(f) : r;
}

static void save(struct symbol_cache *c, struct entry *e)
{
	CLEANUP(freep) uint8_t *bytes = NULL;
	char path[PATH_MAX];
	size_t len;
	int r;

	if (e->image.places.n == e->n_saved || !path_of(c, &e->image.origin, path, sizeof(path)))
		return;
	r = symbol_image_encode(&e->image, &bytes, &len);
	if (r == 0)
		r = write_file(path, bytes, len);
	if (r < 0) {
		c->totals.failed++;
		c->totals.error = r;
		return;
	}
	c->totals.saved++;
	e->n_saved = e->image.places.n;
}

void symbol_cache_save(struct symbol_cache *c)
{
	uint64_t before = c->totals.saved;

	for (size_t i = 0; i < c->entries.n; i++)
		save(c, c->entries.data[i]);
	if (c->totals.saved != before)
		(void)folder_bound(c->folder, 1, c->limits.folder_bytes);
}

/* --- memory ----------------------------------------------------------------------------------- */

static struct entry *find(struct symbol_cache *c, const struct symbol_origin *origin)
{
	for (size_t i = 0; i < c->entries.n; i++)
		if (same_origin(&c->entries.data[i]->image.origin, origin))
			return c->entries.data[i];
	return NULL;
}

static void drop(struct symbol_cache *c, size_t i)
{
	save(c, c->entries.data[i]);
	entry_free(c->entries.data[i]);
	c->entries.data[i] = c->entries.data[--c->entries.n];
}

size_t symbol_cache_memory(const struct symbol_cache *c)
{
	size_t bytes = 0;

	for (size_t i = 0; i < c->entries.n; i++)
		bytes += symbol_image_size(&c->entries.data[i]->image);
	return bytes;
}

void symbol_cache_bound(struct symbol_cache *c)
{
	size_t bytes = symbol_cache_memory(c);

	while (c->entries.n && bytes > c->limits.memory_bytes) {
		size_t oldest = 0;

		for (size_t i = 1; i < c->entries.n; i++)
			if (c->entries.data[i]->used < c->entries.data[oldest]->used)
				oldest = i;
		bytes -= symbol_image_size(&c->entries.data[oldest]->image);
		drop(c, oldest);
	}
}

void symbol_cache_forget(struct symbol_cache *c)
{
	while (c->entries.n)
		drop(c, c->entries.n - 1);
}

/* Want of memory leaves it as it was. */
static void end_round(struct symbol_cache *c, struct entry *e)
{
	size_t before = e->image.places.n;

	if (symbol_image_end_round(&e->image, c->limits.rounds) == 0 && e->image.places.n != before)
		e->n_saved = e->image.places.n;
}

void symbol_cache_end_round(struct symbol_cache *c)
{
	symbol_cache_save(c);
	for (size_t i = c->entries.n; i-- > 0;) {
		end_round(c, c->entries.data[i]);
		if (!c->entries.data[i]->image.places.n)
			drop(c, i);
	}
}

static int add(struct symbol_cache *c, const struct symbol_origin *origin, struct entry **ret)
{
	CLEANUP(entry_freep) struct entry *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->image.origin = *origin;
	symbol_cache_bound(c);
	r = load(c, e);
	if (r == 0)
		r = vec_push(&c->entries, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e);
	return 0;
}

int symbol_cache_get(struct symbol_cache *c, const struct symbol_origin *origin,
		     struct symbol_image **ret)
{
	struct entry *e = find(c, origin);
	int r = e ? 0 : add(c, origin, &e);

	if (r < 0)
		return r;
	e->used = ++c->clock;
	*ret = &e->image;
	return 0;
}

struct symbol_cache_totals symbol_cache_totals(const struct symbol_cache *c)
{
	return c->totals;
}
