/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/cached_names.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "elf/elf_file.h"

/* Goes up when the same file would get other names. */
#define RULES 2

void cached_names_clear(struct cached_names *c)
{
	free(c->offsets);
	free(c->index);
	free(c->results);
	free(c->strings);
	*c = (struct cached_names){ 0 };
}

/* --- which file ------------------------------------------------------------------------------- */

/* A file that was changed, or another one with the same claim, is another file. */
static int add_identity(int fd, uint64_t *hash)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*hash = hash_u64(*hash, st.st_dev);
	*hash = hash_u64(*hash, st.st_ino);
	*hash = hash_u64(*hash, st.st_size);
	*hash = hash_u64(*hash, st.st_mtim.tv_sec);
	*hash = hash_u64(*hash, st.st_mtim.tv_nsec);
	*hash = hash_u64(*hash, st.st_ctim.tv_sec);
	*hash = hash_u64(*hash, st.st_ctim.tv_nsec);
	return 0;
}

static void add_file(const struct sym_file_source *files, const struct symbol_origin *o,
		     enum sym_file_kind kind, uint64_t *hash)
{
	const struct sym_file_wanted wanted = { .kind = kind,
						.build_id = o->build_id,
						.build_id_len = o->build_id_len };
	CLEANUP(closep) int fd = files->open(files->arg, &wanted, 0);

	if (fd >= 0)
		(void)add_identity(fd, hash);
}

/* Names that were made without one of them are other names. */
static void add_other_files(const struct sym_file_source *files, const struct symbol_origin *o,
			    uint64_t *hash)
{
	uint64_t servers = files->servers ? files->servers(files->arg) : 0;

	add_file(files, o, SYM_FILE_BUILD_ID, hash);
	add_file(files, o, SYM_FILE_DWP, hash);
	if (servers)
		*hash = hash_u64(*hash, servers);
}

int cached_names_origin(int fd, const struct sym_file_source *files, struct symbol_origin *ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct symbol_origin o = { .rules = RULES };
	const uint8_t *id;
	size_t len;
	int r;

	r = elf_file_open_fd(fd, &ef);
	if (r < 0)
		return r;
	if (elf_file_build_id(ef, &id, &len) == 0 && len <= SYMBOL_IMAGE_ID) {
		memcpy(o.build_id, id, len);
		o.build_id_len = len;
	}
	r = add_identity(fd, &o.files);
	if (r < 0)
		return r;
	if (o.build_id_len && files)
		add_other_files(files, &o, &o.files);
	*ret = o;
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

/* Places beside each other have strings in common, and long ones. */
static int string_of(struct cached_names *c, uint32_t at, const char **ret)
{
	struct cached_string *s = &c->strings[hash_u64(0, at) % CACHED_STRINGS];
	const char *text = c->image->strings.data + at;
	int r;

	if (!at)
		return 0;
	if (s->at != at) {
		r = frame_store_string(c->store, text, strlen(text), &s->kept);
		if (r < 0)
			return r;
		s->at = at;
	}
	*ret = s->kept;
	return 0;
}

static int fill(struct cached_names *c, const struct symbol_place *p, struct sym_result *res)
{
	struct sym_frame frames[SYMBOL_IMAGE_DEPTH];
	int r = 0;

	*res = (struct sym_result){ .vaddr = p->vaddr };
	for (uint32_t i = 0; r == 0 && i < p->n; i++) {
		const struct symbol_frame *f = &c->image->frames.data[p->first + i];

		frames[i] = (struct sym_frame){ .function = "", .line = f->line };
		r = string_of(c, f->function, &frames[i].function);
		if (r == 0)
			r = string_of(c, f->linkage, &frames[i].linkage);
		if (r == 0)
			r = string_of(c, f->file, &frames[i].file);
	}
	if (r == 0 && p->n)
		r = frame_store_list(c->store, frames, p->n, &res->frames);
	if (r < 0)
		return r;
	res->n_frames = p->n;
	res->start = p->start;
	return 0;
}

static int allocate(struct cached_names *c, size_t n)
{
	c->offsets = calloc(n + 1, sizeof(*c->offsets));
	c->index = calloc(n + 1, sizeof(*c->index));
	c->results = calloc(n + 1, sizeof(*c->results));
	c->strings = calloc(CACHED_STRINGS, sizeof(*c->strings));
	return c->offsets && c->index && c->results && c->strings ? 0 : -ENOMEM;
}

int cached_names_look(struct symbol_cache *cache, const struct symbol_origin *origin,
		      struct frame_store *store, const struct names_request *q,
		      struct cached_names *ret)
{
	CLEANUP(cached_names_clear) struct cached_names c = { .store = store };
	int r = symbol_cache_get(cache, origin, &c.image);

	if (r == 0)
		r = allocate(&c, q->n);
	for (size_t i = 0; r == 0 && i < q->n; i++) {
		const struct symbol_place *p = symbol_image_find(c.image, q->offsets[i]);

		if (p) {
			r = fill(&c, p, &q->results[i]);
		} else {
			c.offsets[c.n_missing] = q->offsets[i];
			c.results[c.n_missing].vaddr = q->offsets[i];
			c.index[c.n_missing++] = i;
		}
	}
	if (r < 0)
		return r;
	*ret = c;
	c = (struct cached_names){ 0 };
	return 0;
}

void cached_names_take(struct cached_names *c, const struct names_request *q, bool keep)
{
	for (size_t i = 0; i < c->n_missing; i++) {
		const struct sym_result *res = &c->results[i];
		const struct symbol_place p = {
			.offset = c->offsets[i],
			.vaddr = res->vaddr,
			.start = res->start,
			.n = res->n_frames,
		};

		q->results[c->index[i]] = *res;
		if (keep && res->n_frames <= SYMBOL_IMAGE_DEPTH)
			(void)symbol_image_add(c->image, &p, res->frames);
	}
}
