/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hashmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIN_CAP 16

static size_t slot_of(const struct hashmap *map, uint64_t hash)
{
	return hash & (map->cap - 1);
}

static struct hashmap_slot *find(const struct hashmap *map, uint64_t hash, hashmap_eq_fn eq,
				 const void *key)
{
	if (!map->cap)
		return NULL;

	for (size_t i = slot_of(map, hash);; i = (i + 1) & (map->cap - 1)) {
		struct hashmap_slot *s = &map->slots[i];

		if (!s->value)
			return NULL;
		if (s->hash == hash && eq(s->value, key))
			return s;
	}
}

static void insert(struct hashmap *map, uint64_t hash, void *value)
{
	size_t i = slot_of(map, hash);

	while (map->slots[i].value)
		i = (i + 1) & (map->cap - 1);
	map->slots[i] = (struct hashmap_slot){ hash, value };
	map->n++;
}

static int grow(struct hashmap *map)
{
	struct hashmap bigger = { .cap = map->cap ? map->cap * 2 : MIN_CAP };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;

	for (size_t i = 0; i < map->cap; i++)
		if (map->slots[i].value)
			insert(&bigger, map->slots[i].hash, map->slots[i].value);

	free(map->slots);
	*map = bigger;
	return 0;
}

void *hashmap_get(const struct hashmap *map, uint64_t hash, hashmap_eq_fn eq, const void *key)
{
	struct hashmap_slot *s = find(map, hash, eq, key);

	return s ? s->value : NULL;
}

int hashmap_put(struct hashmap *map, uint64_t hash, void *value)
{
	if (map->n * 4 >= map->cap * 3) {
		int r = grow(map);

		if (r < 0)
			return r;
	}
	insert(map, hash, value);
	return 0;
}

void *hashmap_remove(struct hashmap *map, uint64_t hash, hashmap_eq_fn eq, const void *key)
{
	struct hashmap_slot *s = find(map, hash, eq, key);
	void *value;
	size_t hole;

	if (!s)
		return NULL;

	value = s->value;
	hole = s - map->slots;
	/* Move back every later entry of the run that may not stay behind the hole. */
	for (size_t i = (hole + 1) & (map->cap - 1); map->slots[i].value;
	     i = (i + 1) & (map->cap - 1)) {
		size_t home = slot_of(map, map->slots[i].hash);

		if (((i - home) & (map->cap - 1)) < ((i - hole) & (map->cap - 1)))
			continue;
		map->slots[hole] = map->slots[i];
		hole = i;
	}
	map->slots[hole].value = NULL;
	map->n--;
	return value;
}

void *hashmap_next(const struct hashmap *map, size_t *pos)
{
	while (*pos < map->cap) {
		void *value = map->slots[(*pos)++].value;

		if (value)
			return value;
	}
	return NULL;
}

void hashmap_clear(struct hashmap *map)
{
	free(map->slots);
	*map = (struct hashmap){ 0 };
}

void hashmap_clear_free(struct hashmap *map)
{
	size_t pos = 0;
	void *value;

	while ((value = hashmap_next(map, &pos)))
		free(value);
	hashmap_clear(map);
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ (h >> 33);
}

uint64_t hash_bytes(uint64_t seed, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint64_t h = (seed ^ 0xcbf29ce484222325ULL) + len, v;

	for (; len >= sizeof(v); p += sizeof(v), len -= sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 32;
	}
	v = 0;
	if (len)
		memcpy(&v, p, len);
	return mix(h ^ v);
}

uint64_t hash_u64(uint64_t seed, uint64_t v)
{
	return mix(seed * 0x9e3779b97f4a7c15ULL + v + 1);
}
