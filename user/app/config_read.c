/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config_value.h"
#include "base/utf8.h"
#include "export/endpoint_options.h"

#define SHOWN_MAX 64 /* of a value in a message */

struct reader {
	struct arena *arena;
	struct config_problems *problems;
};

/* What is being read. */
struct place {
	const struct config_key *key;
	const char *path;
	char *object;
};

static int read_section(struct reader *r, const struct config_schema *s,
			const struct config_node *map, const struct place *place);

/* An array of a list's elements, its number noted beside it. NULL: no memory. */
static void *new_array(struct reader *r, const struct place *at, size_t n, size_t size)
{
	void *array = arena_alloc(r->arena, n * size + 1);

	if (!array)
		return NULL;
	memset(array, 0, n * size + 1);
	*(void **)(void *)(at->object + at->key->offset) = array;
	*(size_t *)(void *)(at->object + at->key->n_offset) = n;
	return array;
}

static bool is_kind(struct reader *r, const struct place *at, const struct config_node *n,
		    enum config_node_kind kind)
{
	static const char *const want[] = {
		[CONFIG_NODE_SCALAR] = "one value",
		[CONFIG_NODE_LIST] = "a list (lines that begin with '- ', or [a, b])",
		[CONFIG_NODE_MAP] = "a map (lines 'KEY: VALUE')",
	};

	if (n->kind == kind)
		return true;
	config_error(r->problems, n->origin, "%s must be %s", *at->path ? at->path : "all of it",
		     want[kind]);
	return false;
}

static bool is_not_too_long(struct reader *r, const struct place *at, const struct config_node *n)
{
	if (!at->key->max || n->n <= at->key->max)
		return true;
	config_error(r->problems, n->origin, "%s has more than %" PRIu64 " entries", at->path,
		     at->key->max);
	return false;
}

/* The words of a value are not shown where they could be a secret that went astray. */
static void refuse_value(struct reader *r, const struct place *at, const struct config_node *n,
			 const char *why)
{
	if (at->key->type == CONFIG_STRING || at->key->type == CONFIG_HEADERS ||
	    at->key->type == CONFIG_PATH)
		config_error(r->problems, n->origin, "%s %s", at->path, why);
	else
		config_error(r->problems, n->origin, "%s: '%.*s' %s", at->path, SHOWN_MAX, n->text,
			     why);
}

/* A field of a key that is not set. */
static void store_unset(const struct place *at)
{
	const struct config_key *key = at->key;

	if (key->type == CONFIG_NUMBER && key->size == sizeof(uint64_t))
		*(uint64_t *)(void *)(at->object + key->offset) = key->unset;
}

/* After an error there is the default, for the checks of other keys. */
static void read_scalar(struct reader *r, const struct place *at, const struct config_node *n)
{
	char why[CONFIG_WHY_MAX];

	if (at->key->def)
		(void)config_value_store(at->key, at->key->def, at->object, why);
	else
		store_unset(at);
	if (is_kind(r, at, n, CONFIG_NODE_SCALAR) &&
	    config_value_store(at->key, n->text, at->object, why) < 0)
		refuse_value(r, at, n, why);
}

/* NULL: an error has been noted. */
static const char *string_of(struct reader *r, const struct place *at, const struct config_node *n)
{
	struct config_key key = { .type = CONFIG_STRING };
	const char *text = NULL;
	char why[CONFIG_WHY_MAX];

	if (config_node_is_null(n)) {
		config_error(r->problems, n->origin, "%s: an entry without a value", at->path);
		return NULL;
	}
	if (!is_kind(r, at, n, CONFIG_NODE_SCALAR))
		return NULL;
	if (config_value_store(&key, n->text, &text, why) == 0)
		return text;
	config_error(r->problems, n->origin, "%s: an entry %s", at->path, why);
	return NULL;
}

static int read_strings(struct reader *r, const struct place *at, const struct config_node *n)
{
	const char **list;

	if (!is_kind(r, at, n, CONFIG_NODE_LIST) || !is_not_too_long(r, at, n))
		return 0;
	list = new_array(r, at, n->n, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n->n; i++) {
		const char *text = string_of(r, at, n->entries[i].value);

		list[i] = text ? text : "";
	}
	return 0;
}

/* "all" and "none" stand for every name and no name. */
static bool add_to_set(const struct config_key *key, const char *text, uint32_t *set)
{
	int i = config_name_index(key->names, text);

	if (i >= 0)
		*set |= 1u << key->bits[i];
	else if (strcmp(text, "all") == 0)
		*set = ~0u;
	else if (strcmp(text, "none") != 0)
		return false;
	return true;
}

static void read_set(struct reader *r, const struct place *at, const struct config_node *n)
{
	struct config_entry only = { .value = n };
	struct config_node list = { .kind = CONFIG_NODE_LIST, .entries = &only, .n = 1 };
	uint32_t *set = (uint32_t *)(void *)(at->object + at->key->offset);
	char names[CONFIG_WHY_MAX];

	if (n->kind == CONFIG_NODE_LIST)
		list = *n;
	*set = 0;
	for (size_t i = 0; i < list.n; i++) {
		const struct config_node *e = list.entries[i].value;

		if (!is_kind(r, at, e, CONFIG_NODE_SCALAR) || add_to_set(at->key, e->text, set))
			continue;
		config_names_text(at->key->names, names, sizeof(names));
		config_error(r->problems, e->origin, "%s: '%.*s' is not all, none, %s", at->path,
			     SHOWN_MAX, e->text, names);
	}
}

static int read_labels(struct reader *r, const struct place *at, const struct config_node *n)
{
	struct config_pair *pairs;

	if (!is_kind(r, at, n, CONFIG_NODE_MAP) || !is_not_too_long(r, at, n))
		return 0;
	pairs = new_array(r, at, n->n, sizeof(*pairs));
	if (!pairs)
		return -ENOMEM;
	for (size_t i = 0; i < n->n; i++) {
		char path[CONFIG_PATH_MAX];
		struct place inner = { .path = path };
		const char *value;

		config_path_join(path, at->path, n->entries[i].key);
		value = string_of(r, &inner, n->entries[i].value);
		pairs[i] = (struct config_pair){ n->entries[i].key, value ? value : "" };
	}
	return 0;
}

/* NAME: {value_file: PATH} */
static void read_header_map(struct reader *r, const struct place *at, const struct config_node *n,
			    struct endpoint_header *ret)
{
	static const struct config_key keys[] = {
		{ .name = "value",
		  .type = CONFIG_STRING,
		  .offset = offsetof(struct endpoint_header, value) },
		{ .name = "value_file",
		  .type = CONFIG_PATH,
		  .offset = offsetof(struct endpoint_header, value_file) },
	};
	static const struct config_schema schema = CONFIG_SCHEMA(keys, struct endpoint_header);
	struct place inner = { .key = at->key, .path = at->path, .object = (char *)ret };

	(void)read_section(r, &schema, n, &inner); /* scalars take no memory */
	if (!ret->value == !ret->value_file)
		config_error(r->problems, n->origin, "%s: give value or value_file", at->path);
}

static int read_headers(struct reader *r, const struct place *at, const struct config_node *n)
{
	struct endpoint_header *headers;

	if (!is_kind(r, at, n, CONFIG_NODE_MAP) || !is_not_too_long(r, at, n))
		return 0;
	headers = new_array(r, at, n->n, sizeof(*headers));
	if (!headers)
		return -ENOMEM;
	for (size_t i = 0; i < n->n; i++) {
		const struct config_node *value = n->entries[i].value;
		char path[CONFIG_PATH_MAX];
		struct place inner = { .key = at->key, .path = path };

		config_path_join(path, at->path, n->entries[i].key);
		headers[i].name = n->entries[i].key;
		if (value->kind == CONFIG_NODE_MAP)
			read_header_map(r, &inner, value, &headers[i]);
		else
			headers[i].value = string_of(r, &inner, value);
	}
	return 0;
}

static int read_list(struct reader *r, const struct place *at, const struct config_node *n)
{
	const struct config_schema *s = at->key->schema;
	char *elements;

	if (!is_kind(r, at, n, CONFIG_NODE_LIST) || !is_not_too_long(r, at, n))
		return 0;
	elements = new_array(r, at, n->n, s->size);
	if (!elements)
		return -ENOMEM;
	for (size_t i = 0; i < n->n; i++) {
		char path[CONFIG_PATH_MAX];
		struct place inner = { .path = path, .object = elements + i * s->size };
		int err;

		snprintf(path, sizeof(path), "%s[%zu]", at->path, i);
		err = read_section(r, s, n->entries[i].value, &inner);
		if (err < 0)
			return err;
	}
	return 0;
}

static int read_value(struct reader *r, const struct place *at, const struct config_node *n)
{
	struct place inner = { .path = at->path, .object = at->object + at->key->offset };

	switch (at->key->type) {
	case CONFIG_SECTION:
		return read_section(r, at->key->schema, n, &inner);
	case CONFIG_LIST:
		return read_list(r, at, n);
	case CONFIG_STRINGS:
		return read_strings(r, at, n);
	case CONFIG_LABELS:
		return read_labels(r, at, n);
	case CONFIG_HEADERS:
		return read_headers(r, at, n);
	case CONFIG_SET:
		read_set(r, at, n);
		return 0;
	default:
		read_scalar(r, at, n);
		return 0;
	}
}

static int read_default(struct reader *r, const struct place *at)
{
	const struct config_key *key = at->key;
	struct config_node text = { .kind = CONFIG_NODE_SCALAR, .text = key->def };
	struct config_node map = { .kind = CONFIG_NODE_MAP };

	if (key->type == CONFIG_SECTION)
		return read_value(r, at, &map);
	if (key->def)
		return read_value(r, at, &text);
	store_unset(at);
	return 0;
}

static void refuse_key(struct reader *r, const struct config_schema *s, const char *path,
		       const struct config_entry *e, struct config_origin origin)
{
	const char *nearest = config_key_nearest(s, e->key);

	if (e->line)
		origin.line = e->line;
	config_error(r->problems, origin, "unknown key '%.*s'%s%s%s%s%s", SHOWN_MAX, e->key,
		     *path ? " in " : "", path, nearest ? "; did you mean '" : "",
		     nearest ? nearest : "", nearest ? "'?" : "");
}

static int read_section(struct reader *r, const struct config_schema *s,
			const struct config_node *map, const struct place *place)
{
	static const struct config_node empty = { .kind = CONFIG_NODE_MAP };
	char path[CONFIG_PATH_MAX];

	if (config_node_is_null(map) || !is_kind(r, place, map, CONFIG_NODE_MAP))
		map = &empty;
	for (size_t i = 0; i < map->n; i++)
		if (!config_key_find(s, map->entries[i].key))
			refuse_key(r, s, place->path, &map->entries[i], map->origin);
	for (size_t i = 0; i < s->n; i++) {
		const struct config_node *n = config_node_get(map, s->keys[i].name);
		struct place at = { &s->keys[i], path, place->object };
		int err;

		config_path_join(path, place->path, s->keys[i].name);
		err = n && !config_node_is_null(n) ? read_value(r, &at, n) : read_default(r, &at);
		if (err < 0)
			return err;
	}
	return 0;
}

int config_read(struct arena *a, const struct config_schema *s, const struct config_node *map,
		struct config_problems *p, void *object)
{
	struct reader r = { a, p };
	struct place place = { .path = "", .object = object };

	return read_section(&r, s, map, &place);
}

/* The element that "[3]" or "name" at *@path asks for, and what is behind it. */
static const struct config_node *step(const struct config_node *n, const char **path)
{
	char name[CONFIG_PATH_MAX];
	size_t len;

	if (**path == '[') {
		char *end;
		size_t i = strtoul(*path + 1, &end, 10);

		*path = *end == ']' ? end + 1 : end;
		return n->kind == CONFIG_NODE_LIST && i < n->n ? n->entries[i].value : NULL;
	}
	*path += **path == '.';
	len = strcspn(*path, ".[");
	snprintf(name, sizeof(name), "%.*s", (int)len, *path);
	*path += len;
	return config_node_get(n, name);
}

struct config_origin config_origin_of(const struct config_node *root, const char *path)
{
	const struct config_node *n = root;
	struct config_origin origin = { 0 };

	while (n && *path) {
		n = step(n, &path);
		if (n)
			origin = n->origin;
	}
	return origin;
}
