/* SPDX-License-Identifier: Apache-2.0 */
#include "view/intern.h"

#include <errno.h>
#include <string.h>

/* The maps hold numbers: their slots keep number + 1, as NULL means a free slot. */
static void *number_to_value(size_t i)
{
	return (void *)(uintptr_t)(i + 1);
}

static size_t value_to_number(const void *value)
{
	return (size_t)(uintptr_t)value - 1;
}

struct string_key {
	const struct intern_strings *in;
	const char *str;
};

static bool string_eq(const void *value, const void *key)
{
	const struct string_key *k = key;

	return strcmp(k->in->all.data[value_to_number(value)], k->str) == 0;
}

int intern_string(struct intern_strings *in, const char *str, uint32_t *ret)
{
	struct string_key key = { in, str };
	uint64_t hash = hash_bytes(0, str, strlen(str));
	void *found = hashmap_get(&in->index, hash, string_eq, &key);
	char *copy;

	if (found) {
		*ret = (uint32_t)value_to_number(found);
		return 0;
	}

	copy = strdup(str);
	if (!copy)
		return -ENOMEM;
	if (vec_push(&in->all, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	*ret = (uint32_t)(in->all.n - 1);
	return hashmap_put(&in->index, hash, number_to_value(*ret));
}

void intern_strings_clear(struct intern_strings *in)
{
	for (size_t i = 0; i < in->all.n; i++)
		free(in->all.data[i]);
	vec_free(&in->all);
	hashmap_clear(&in->index);
}

struct tuple_key {
	const struct intern_tuples *in;
	const uint32_t *tuple;
};

static bool tuple_eq(const void *value, const void *key)
{
	const struct tuple_key *k = key;
	const uint32_t *have = intern_tuple_get(k->in, (uint32_t)value_to_number(value));

	return memcmp(have, k->tuple, k->in->width * sizeof(*have)) == 0;
}

int intern_tuple(struct intern_tuples *in, const uint32_t *tuple, uint32_t *ret)
{
	struct tuple_key key = { in, tuple };
	size_t bytes = in->width * sizeof(*tuple);
	uint64_t hash = hash_bytes(0, tuple, bytes);
	void *found = hashmap_get(&in->index, hash, tuple_eq, &key);
	int r;

	if (found) {
		*ret = (uint32_t)value_to_number(found);
		return 0;
	}

	r = vec_reserve(&in->all, in->width);
	if (r < 0)
		return r;
	memcpy(in->all.data + in->all.n, tuple, bytes);
	in->all.n += in->width;
	*ret = (uint32_t)(intern_tuples_count(in) - 1);
	return hashmap_put(&in->index, hash, number_to_value(*ret));
}

size_t intern_tuples_count(const struct intern_tuples *in)
{
	return in->all.n / in->width;
}

const uint32_t *intern_tuple_get(const struct intern_tuples *in, uint32_t i)
{
	return in->all.data + in->width * i;
}

void intern_tuples_clear(struct intern_tuples *in)
{
	vec_free(&in->all);
	hashmap_clear(&in->index);
}
