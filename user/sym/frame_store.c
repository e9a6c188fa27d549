/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/frame_store.h"

#include <string.h>

struct string {
	size_t len;
	char text[];
};

struct list {
	size_t n;
	struct sym_frame frames[];
};

struct string_key {
	const char *text;
	size_t len;
};

struct list_key {
	const struct sym_frame *frames;
	size_t n;
};

static bool string_eq(const void *value, const void *key)
{
	const struct string *s = value;
	const struct string_key *k = key;

	return s->len == k->len && memcmp(s->text, k->text, k->len) == 0;
}

/* Strings are kept once, so that equal ones have the same address. */
static bool list_eq(const void *value, const void *key)
{
	const struct list *l = value;
	const struct list_key *k = key;

	if (l->n != k->n)
		return false;
	for (size_t i = 0; i < k->n; i++)
		if (l->frames[i].function != k->frames[i].function ||
		    l->frames[i].linkage != k->frames[i].linkage ||
		    l->frames[i].file != k->frames[i].file ||
		    l->frames[i].line != k->frames[i].line)
			return false;
	return true;
}

static uint64_t list_hash(const struct list_key *k)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < k->n; i++) {
		hash = hash_u64(hash, (uintptr_t)k->frames[i].function);
		hash = hash_u64(hash, (uintptr_t)k->frames[i].linkage);
		hash = hash_u64(hash, (uintptr_t)k->frames[i].file);
		hash = hash_u64(hash, k->frames[i].line);
	}
	return hash;
}

int frame_store_string(struct frame_store *fs, const char *str, size_t len, const char **ret)
{
	struct string_key key = { str, len };
	uint64_t hash = hash_bytes(0, str, len);
	struct string *s = hashmap_get(&fs->strings, hash, string_eq, &key);

	if (!s) {
		s = arena_alloc(&fs->memory, sizeof(*s) + len + 1);
		if (!s)
			return -ENOMEM;
		s->len = len;
		memcpy(s->text, str, len);
		s->text[len] = '\0';
		if (hashmap_put(&fs->strings, hash, s) < 0)
			return -ENOMEM;
	}
	*ret = s->text;
	return 0;
}

int frame_store_list(struct frame_store *fs, const struct sym_frame *frames, size_t n,
		     struct sym_frame **ret)
{
	struct list_key key = { frames, n };
	uint64_t hash = list_hash(&key);
	struct list *l = hashmap_get(&fs->lists, hash, list_eq, &key);

	if (!l) {
		l = arena_alloc(&fs->memory, sizeof(*l) + n * sizeof(*frames));
		if (!l)
			return -ENOMEM;
		l->n = n;
		memcpy(l->frames, frames, n * sizeof(*frames));
		if (hashmap_put(&fs->lists, hash, l) < 0)
			return -ENOMEM;
	}
	*ret = l->frames;
	return 0;
}

size_t frame_store_size(const struct frame_store *fs)
{
	return fs->memory.total + (fs->strings.cap + fs->lists.cap) * sizeof(struct hashmap_slot);
}

void frame_store_clear(struct frame_store *fs)
{
	hashmap_clear(&fs->strings);
	hashmap_clear(&fs->lists);
	arena_clear(&fs->memory);
}
