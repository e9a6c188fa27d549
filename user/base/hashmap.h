/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-addressing hash map of pointers. The caller hashes its keys and owns the values; the map
 * holds only (hash, pointer). A zeroed struct is an empty map.
 */
#ifndef BASE_HASHMAP_H
#define BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hashmap_slot {
	uint64_t hash;
	void *value; /* NULL: free */
};

struct hashmap {
	struct hashmap_slot *slots;
	size_t cap; /* 0 or a power of two */
	size_t n;
};

/* Does @value have this @key? */
typedef bool (*hashmap_eq_fn)(const void *value, const void *key);

/* NULL if there is none. */
void *hashmap_get(const struct hashmap *map, uint64_t hash, hashmap_eq_fn eq, const void *key);

/* Adds @value (not NULL), whose key must not be in the map yet. -ENOMEM leaves the map as it was.
 */
int hashmap_put(struct hashmap *map, uint64_t hash, void *value);

/* Takes the value out and returns it, or NULL if there is none. */
void *hashmap_remove(struct hashmap *map, uint64_t hash, hashmap_eq_fn eq, const void *key);

/* Walks all values: start with *pos = 0, ends with NULL. The map must not change meanwhile. */
void *hashmap_next(const struct hashmap *map, size_t *pos);

/* Frees the table, not the values. */
void hashmap_clear(struct hashmap *map);

/* Frees the table and, by free(3), each value. */
void hashmap_clear_free(struct hashmap *map);

/* Eight bytes a step, with a final mix; @seed chains several calls. Start with 0. */
uint64_t hash_bytes(uint64_t seed, const void *buf, size_t len);
uint64_t hash_u64(uint64_t seed, uint64_t v);

#endif
