/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_compare.h"

#include <string.h>

#include "export/endpoint_options.h"

static bool same_structs(const struct config_schema *s, const char *a, const char *b);

static const void *pointer_at(const char *object, size_t offset)
{
	return *(const void *const *)(const void *)(object + offset);
}

static size_t count_at(const char *object, size_t offset)
{
	return *(const size_t *)(const void *)(object + offset);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_headers(const struct endpoint_header *a, const struct endpoint_header *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!same_text(a[i].name, b[i].name) || !same_text(a[i].value, b[i].value) ||
		    !same_text(a[i].value_file, b[i].value_file))
			return false;
	return true;
}

/* An array of @n pointers to strings. */
static bool same_strings(const char *const *a, const char *const *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!same_text(a[i], b[i]))
			return false;
	return true;
}

static bool same_list(const struct config_schema *s, const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!same_structs(s, a + i * s->size, b + i * s->size))
			return false;
	return true;
}

static bool same_arrays(const struct config_key *key, const char *a, const char *b)
{
	size_t n = count_at(a, key->n_offset);
	const void *x = pointer_at(a, key->offset), *y = pointer_at(b, key->offset);

	if (n != count_at(b, key->n_offset))
		return false;
	switch (key->type) {
	case CONFIG_HEADERS:
		return same_headers(x, y, n);
	case CONFIG_LABELS: /* pairs */
		return same_strings(x, y, 2 * n);
	case CONFIG_STRINGS:
		return same_strings(x, y, n);
	default:
		return same_list(key->schema, x, y, n);
	}
}

static size_t bytes_of(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_BOOL:
		return sizeof(bool);
	case CONFIG_PERCENT:
		return sizeof(double);
	case CONFIG_BYTES:
		return sizeof(uint64_t);
	case CONFIG_NUMBER:
	case CONFIG_DURATION:
		return key->size;
	default:
		return sizeof(unsigned);
	}
}

static bool same_values(const struct config_key *key, const char *a, const char *b)
{
	switch (key->type) {
	case CONFIG_SECTION:
		return same_structs(key->schema, a + key->offset, b + key->offset);
	case CONFIG_LIST:
	case CONFIG_STRINGS:
	case CONFIG_LABELS:
	case CONFIG_HEADERS:
		return same_arrays(key, a, b);
	case CONFIG_STRING:
	case CONFIG_PATH:
		return same_text(pointer_at(a, key->offset), pointer_at(b, key->offset));
	default:
		return memcmp(a + key->offset, b + key->offset, bytes_of(key)) == 0;
	}
}

static bool same_structs(const struct config_schema *s, const char *a, const char *b)
{
	for (size_t i = 0; i < s->n; i++)
		if (!same_values(&s->keys[i], a, b))
			return false;
	return true;
}

struct changes {
	struct config_change *list;
	size_t n, max;
};

static void compare(const struct config_schema *s, const char *a, const char *b, const char *path,
		    struct changes *ret)
{
	for (size_t i = 0; i < s->n && ret->n < ret->max; i++) {
		const struct config_key *key = &s->keys[i];
		char inner[CONFIG_PATH_MAX];

		config_path_join(inner, path, key->name);
		if (key->type == CONFIG_SECTION) {
			compare(key->schema, a + key->offset, b + key->offset, inner, ret);
		} else if (!same_values(key, a, b)) {
			struct config_change *c = &ret->list[ret->n++];

			memcpy(c->path, inner, sizeof(inner));
			c->reload = key->reload;
		}
	}
}

size_t config_compare(const struct config_schema *s, const void *a, const void *b,
		      struct config_change *ret, size_t max)
{
	struct changes changes = { .list = ret, .max = max };

	compare(s, a, b, "", &changes);
	return changes.n;
}
