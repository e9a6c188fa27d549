/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/name_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "sym/demangle.h"

/* Longer names are cut: nobody reads further, and a template can ask for any length. */
#define READABLE_MAX 1024
#define LINKAGE_MAX  4096
#define SUFFIX_MAX   80
#define PATH_LEN_MAX 1024

struct name {
	struct sym_frame frame;
	char *raw; /* the key: raw name and suffix, two strings in one allocation */
	char *readable;
	char *linkage;
};

struct name_key {
	const char *raw;
	const char *suffix;
};

static void name_free(struct name *n)
{
	if (!n)
		return;
	free(n->raw);
	free(n->readable);
	free(n->linkage);
	free(n);
}
DEFINE_CLEANUP(struct name *, name_free)

static bool name_eq(const void *value, const void *key)
{
	const struct name *n = value;
	const struct name_key *k = key;

	return strcmp(n->raw, k->raw) == 0 && strcmp(n->raw + strlen(n->raw) + 1, k->suffix) == 0;
}

/* Valid UTF-8 without control characters, cut to fit. */
static void printable(const char *path, char *buf, size_t size)
{
	size_t n = 0;

	while (*path && n + 1 < size) {
		size_t ok = utf8_valid_len(path, strnlen(path, 4));
		unsigned char c = *path;

		if (c < 0x80 || ok == 0) {
			buf[n++] = c < 0x20 || c >= 0x7f ? '?' : c;
			path++;
			continue;
		}
		ok = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (ok > size - 1 - n)
			break;
		memcpy(buf + n, path, ok);
		n += ok;
		path += ok;
	}
	buf[n] = '\0';
}

/* Fresh text of at most @max bytes and @suffix. */
static char *name_text(const char *raw, enum demangle_style style, size_t max, const char *suffix)
{
	char buf[LINKAGE_MAX + SUFFIX_MAX];

	demangle_styled(raw, style, buf, max);
	printable(suffix, buf + strlen(buf), SUFFIX_MAX);
	return strdup(buf);
}

static struct name *name_new(const struct name_key *key, enum demangle_style style)
{
	size_t raw_len = strlen(key->raw) + 1, suffix_len = strlen(key->suffix) + 1;
	CLEANUP(name_freep) struct name *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->raw = malloc(raw_len + suffix_len);
	if (!n->raw)
		return NULL;
	memcpy(n->raw, key->raw, raw_len);
	memcpy(n->raw + raw_len, key->suffix, suffix_len);

	n->readable = name_text(key->raw, style, READABLE_MAX, key->suffix);
	n->linkage = name_text(key->raw, DEMANGLE_NONE, LINKAGE_MAX, key->suffix);
	if (!n->readable || !n->linkage)
		return NULL;
	n->frame.function = n->readable;
	n->frame.linkage = n->linkage;
	return TAKE_PTR(n);
}

static int intern(struct name_table *t, const char *raw, const char *suffix,
		  enum demangle_style style, struct sym_frame **ret)
{
	struct name_key key = { raw, suffix ? suffix : "" };
	uint64_t hash = hash_bytes(0, key.raw, strlen(key.raw));
	CLEANUP(name_freep) struct name *made = NULL;
	struct name *n;
	int r;

	hash = hash_bytes(hash, key.suffix, strlen(key.suffix));
	n = hashmap_get(&t->by_raw, hash, name_eq, &key);
	if (!n) {
		made = name_new(&key, style);
		if (!made)
			return -ENOMEM;
		r = hashmap_put(&t->by_raw, hash, made);
		if (r < 0)
			return r;
		n = TAKE_PTR(made);
		t->bytes += sizeof(*n) + strlen(n->raw) + strlen(key.suffix) + strlen(n->readable) +
			    strlen(n->linkage);
	}
	*ret = &n->frame;
	return 0;
}

int name_table_intern(struct name_table *t, const char *raw, const char *suffix,
		      struct sym_frame **ret)
{
	return intern(t, raw, suffix, DEMANGLE_FULL, ret);
}

int name_table_intern_as_is(struct name_table *t, const char *raw, struct sym_frame **ret)
{
	return intern(t, raw, NULL, DEMANGLE_NONE, ret);
}

/* --- source files ----------------------------------------------------------------------------- */

struct file {
	char *raw;
	char *readable;
};

static void file_free(struct file *f)
{
	if (!f)
		return;
	free(f->raw);
	free(f->readable);
	free(f);
}
DEFINE_CLEANUP(struct file *, file_free)

static bool file_eq(const void *value, const void *key)
{
	return strcmp(((const struct file *)value)->raw, key) == 0;
}

static struct file *file_new(const char *path)
{
	CLEANUP(file_freep) struct file *f = calloc(1, sizeof(*f));
	char buf[PATH_LEN_MAX];

	if (!f)
		return NULL;
	printable(path, buf, sizeof(buf));
	f->raw = strdup(path);
	f->readable = strdup(buf);
	return f->raw && f->readable ? TAKE_PTR(f) : NULL;
}

int name_table_intern_file(struct name_table *t, const char *path, const char **ret)
{
	uint64_t hash = hash_bytes(0, path, strlen(path));
	CLEANUP(file_freep) struct file *made = NULL;
	struct file *f = hashmap_get(&t->files, hash, file_eq, path);
	int r;

	if (!f) {
		made = file_new(path);
		if (!made)
			return -ENOMEM;
		r = hashmap_put(&t->files, hash, made);
		if (r < 0)
			return r;
		f = TAKE_PTR(made);
		t->bytes += sizeof(*f) + strlen(f->raw) + strlen(f->readable);
	}
	*ret = f->readable;
	return 0;
}

struct sym_frame *name_table_frames(struct name_table *t, size_t n)
{
	struct sym_frame *frames = arena_alloc(&t->frames, n * sizeof(*frames));

	if (frames)
		memset(frames, 0, n * sizeof(*frames));
	return frames;
}

size_t name_table_size(const struct name_table *t)
{
	return t->bytes + t->frames.total +
	       (t->by_raw.cap + t->files.cap) * sizeof(struct hashmap_slot);
}

void name_table_clear(struct name_table *t)
{
	struct file *f;
	struct name *n;
	size_t pos = 0;

	while ((n = hashmap_next(&t->by_raw, &pos)))
		name_free(n);
	hashmap_clear(&t->by_raw);
	pos = 0;
	while ((f = hashmap_next(&t->files, &pos)))
		file_free(f);
	hashmap_clear(&t->files);
	arena_clear(&t->frames);
	t->bytes = 0;
}
