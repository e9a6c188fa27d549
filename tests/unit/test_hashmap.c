/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hashmap.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "leak_check.h"

TestSuite(hashmap, .fini = leak_check);

#define KEYS 512

struct item {
	unsigned key;
};

static bool item_eq(const void *value, const void *key)
{
	return ((const struct item *)value)->key == *(const unsigned *)key;
}

/* Few hashes, at the end of the table too: runs that wrap, and whose entries have several homes. */
static uint64_t bad_hash(unsigned key)
{
	static const uint64_t hashes[] = { 0, 1, 13, 14, 15, 31, UINT64_MAX };

	return hashes[key % 7];
}

static uint64_t good_hash(unsigned key)
{
	return hash_u64(0, key);
}

static void check_all(const struct hashmap *map, uint64_t (*hash)(unsigned), struct item *items,
		      const bool *in)
{
	size_t pos = 0, n = 0, walked = 0;

	for (unsigned k = 0; k < KEYS; k++) {
		void *want = in[k] ? &items[k] : NULL;

		cr_assert(eq(ptr, hashmap_get(map, hash(k), item_eq, &k), want), "key %u", k);
		n += in[k];
	}
	cr_assert(eq(sz, map->n, n));
	while (hashmap_next(map, &pos))
		walked++;
	cr_assert(eq(sz, walked, n));
}

/* Against the plainest model there is: a flag for each key. */
static void compare_with_model(uint64_t (*hash)(unsigned), unsigned keys, unsigned steps)
{
	static struct item items[KEYS];
	struct hashmap map = { 0 };
	bool in[KEYS] = { false };
	unsigned seed = 1;

	for (unsigned step = 0; step < steps; step++) {
		unsigned k = rand_r(&seed) % keys;

		items[k].key = k;
		if (in[k])
			cr_assert(eq(ptr, hashmap_remove(&map, hash(k), item_eq, &k), &items[k]));
		else if (rand_r(&seed) % 3)
			cr_assert(zero(int, hashmap_put(&map, hash(k), &items[k])));
		else
			cr_assert(zero(ptr, hashmap_remove(&map, hash(k), item_eq, &k)));
		in[k] = hashmap_get(&map, hash(k), item_eq, &k) != NULL;
		if (step % 16 == 0)
			check_all(&map, hash, items, in);
	}
	check_all(&map, hash, items, in);
	hashmap_clear(&map);
}

Test(hashmap, agrees_with_a_model_when_hashes_collide)
{
	compare_with_model(bad_hash, 20, 8000);
	compare_with_model(bad_hash, 60, 8000);
}

Test(hashmap, agrees_with_a_model_of_many_keys)
{
	compare_with_model(good_hash, KEYS, 8000);
}

Test(hashmap, empty_map_has_nothing)
{
	struct hashmap map = { 0 };
	unsigned key = 0;
	size_t pos = 0;

	cr_assert(zero(ptr, hashmap_get(&map, 0, item_eq, &key)));
	cr_assert(zero(ptr, hashmap_remove(&map, 0, item_eq, &key)));
	cr_assert(zero(ptr, hashmap_next(&map, &pos)));
	hashmap_clear(&map);
}

Test(hashmap, hashes_spread_over_the_low_bits)
{
	unsigned buckets[64] = { 0 }, max = 0;

	/* Addresses of frames are alike in their low bits. */
	for (uint64_t v = 0; v < 64 * 100; v++)
		buckets[hash_u64(7, v << 12) & 63]++;
	for (int i = 0; i < 64; i++)
		max = buckets[i] > max ? buckets[i] : max;
	cr_assert(lt(uint, max, 160)); /* mean 100, six standard deviations */
}

Test(hashmap, hash_of_bytes_depends_on_all_of_them)
{
	uint8_t bytes[24] = { 0 };
	uint64_t h = hash_bytes(0, bytes, sizeof(bytes));

	cr_assert(ne(u64, h, hash_bytes(1, bytes, sizeof(bytes))));
	cr_assert(ne(u64, h, hash_bytes(0, bytes, sizeof(bytes) - 1)));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = 1;
		cr_assert(ne(u64, h, hash_bytes(0, bytes, sizeof(bytes))));
		bytes[i] = 0;
	}
	cr_assert(eq(u64, h, hash_bytes(0, bytes, sizeof(bytes))));
}
