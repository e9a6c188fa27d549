/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_overlay.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NEAR_MAX 2 /* letters that a misspelt variable differs in */

void config_variable_name(const char *prefix, const char *path, char out[CONFIG_VARIABLE_MAX])
{
	snprintf(out, CONFIG_VARIABLE_MAX, "%s_%s", prefix, path);
	for (char *c = out; *c; c++)
		*c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
}

const char *config_variable_of(char **environ, const char *name)
{
	size_t len = strlen(name);

	for (; environ && *environ; environ++)
		if (strncmp(*environ, name, len) == 0 && (*environ)[len] == '=')
			return (*environ)[len + 1] ? *environ + len + 1 : NULL;
	return NULL;
}

static const char *trim(char *word)
{
	size_t len;

	word += strspn(word, " ");
	len = strlen(word);
	while (len && word[len - 1] == ' ')
		word[--len] = '\0';
	return word;
}

/* One word of "a,b", or one "a=b". NULL: no memory; *@node untouched: an error has been noted. */
static int add_word(struct config_overlay *o, const struct config_key *key, const char *source,
		    char *word, const struct config_node **node)
{
	bool is_map = key->type == CONFIG_LABELS || key->type == CONFIG_HEADERS;
	char *value = is_map ? strchr(word, '=') : word;
	const struct config_node *scalar, *more;
	const char *name = NULL;

	if (!value) {
		config_error(o->problems, (struct config_origin){ .source = source },
			     "wants NAME=VALUE, with commas between, or YAML: {NAME: VALUE}");
		return 0;
	}
	if (is_map) {
		*value++ = '\0';
		name = trim(word);
		name = arena_strndup(o->arena, name, strlen(name));
		if (!name)
			return -ENOMEM;
	}
	scalar = config_node_scalar(o->arena, source, trim(value));
	more = scalar ? config_node_with(o->arena, *node, name, scalar) : NULL;
	if (!more)
		return -ENOMEM;
	*node = more;
	return 0;
}

static int split_words(struct config_overlay *o, const struct config_key *key, const char *source,
		       const char *text, const struct config_node **ret)
{
	char *copy = arena_strndup(o->arena, text, strlen(text)), *rest = copy, *word;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, key->by_blanks ? " " : ","))) {
		int r = word[strspn(word, " ")] ? add_word(o, key, source, word, ret) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Lines of a variable's text are nothing that a user counts. */
static int parse_yaml(struct config_overlay *o, const char *source, const char *text,
		      const struct config_node **ret)
{
	int r = config_tree_parse(o->arena, source, text, strlen(text), o->problems, ret);

	return r == -EINVAL ? 0 : r;
}

/* *@ret NULL: an error has been noted. */
static int node_of(struct config_overlay *o, const struct config_key *key, const char *source,
		   const char *text, const struct config_node **ret)
{
	*ret = NULL;
	if (config_type_is_scalar(key->type)) {
		*ret = config_node_scalar(o->arena, source, text);
		return *ret ? 0 : -ENOMEM;
	}
	if (*text == '[' || *text == '{')
		return parse_yaml(o, source, text, ret);
	if (key->type != CONFIG_LIST)
		return split_words(o, key, source, text, ret);
	config_error(o->problems, (struct config_origin){ .source = source },
		     "wants YAML: [{KEY: VALUE, …}, …]");
	return 0;
}

/* A copy of @map in which @path, "a.b", is @value. */
static const struct config_node *with_path(struct arena *a, const struct config_node *map,
					   const char *path, const struct config_node *value)
{
	const char *dot = strchr(path, '.');
	const struct config_node *inner;
	char *name = arena_strndup(a, path, dot ? (size_t)(dot - path) : strlen(path));

	if (!name)
		return NULL;
	if (!dot)
		return config_node_with(a, map, name, value);
	inner = config_node_get(map, name);
	if (inner && inner->kind != CONFIG_NODE_MAP)
		inner = NULL;
	inner = with_path(a, inner, dot + 1, value);
	return inner ? config_node_with(a, map, name, inner) : NULL;
}

static int put(struct config_overlay *o, const struct config_node **root, const char *path,
	       const struct config_node *value)
{
	const struct config_node *with = with_path(o->arena, *root, path, value);

	if (!with)
		return -ENOMEM;
	*root = with;
	return 0;
}

/* What variables are looked for, and what they set. */
struct search {
	struct config_overlay *o;
	const char *prefix;
	char **environ;
	const struct config_node **root;
};

static int take_variables(const struct search *s, const struct config_schema *schema,
			  const char *path);

static int take_variable(const struct search *s, const struct config_key *key, const char *path)
{
	const struct config_node *node;
	char name[CONFIG_VARIABLE_MAX];
	const char *text, *source;
	int r;

	if (key->type == CONFIG_SECTION)
		return take_variables(s, key->schema, path);
	config_variable_name(s->prefix, path, name);
	text = config_variable_of(s->environ, name);
	if (!text)
		return 0;
	source = arena_strndup(s->o->arena, name, strlen(name));
	if (!source)
		return -ENOMEM;
	r = node_of(s->o, key, source, text, &node);
	return r == 0 && node ? put(s->o, s->root, path, node) : r;
}

static int take_variables(const struct search *s, const struct config_schema *schema,
			  const char *path)
{
	for (size_t i = 0; i < schema->n; i++) {
		char inner[CONFIG_PATH_MAX];
		int r;

		config_path_join(inner, path, schema->keys[i].name);
		r = take_variable(s, &schema->keys[i], inner);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The nearest of the variables that are looked for. */
struct nearest {
	const char *prefix, *name;
	char found[CONFIG_VARIABLE_MAX];
	unsigned distance;
};

static void look_nearer(struct nearest *n, const struct config_schema *schema, const char *path)
{
	for (size_t i = 0; i < schema->n; i++) {
		char inner[CONFIG_PATH_MAX], name[CONFIG_VARIABLE_MAX];
		unsigned d;

		config_path_join(inner, path, schema->keys[i].name);
		if (schema->keys[i].type == CONFIG_SECTION) {
			look_nearer(n, schema->keys[i].schema, inner);
			continue;
		}
		config_variable_name(n->prefix, inner, name);
		d = config_edit_distance(n->name, name, NEAR_MAX);
		if (d < n->distance) {
			n->distance = d;
			memcpy(n->found, name, sizeof(name));
		}
	}
}

static void warn_of_misspelt(struct config_overlay *o, const struct config_schema *schema,
			     const char *prefix, char **environ)
{
	for (; *environ; environ++) {
		char name[CONFIG_VARIABLE_MAX];
		struct nearest n = { .prefix = prefix, .name = name, .distance = NEAR_MAX + 1 };
		size_t len = strcspn(*environ, "=");

		if (len >= sizeof(name) || strncmp(*environ, "SPANPROF_", 9) != 0)
			continue;
		memcpy(name, *environ, len);
		name[len] = '\0';
		look_nearer(&n, schema, "");
		if (n.distance > 0 && n.distance <= NEAR_MAX)
			config_warning(o->problems, (struct config_origin){ .source = name },
				       "no setting; did you mean %s?", n.found);
	}
}

int config_overlay_environment(struct config_overlay *o, const char *prefix, char **environ)
{
	struct search s = { o, prefix, environ, &o->root };

	warn_of_misspelt(o, o->schema, prefix, environ);
	return take_variables(&s, o->schema, "");
}

int config_overlay_element(struct config_overlay *o, const char *prefix, const char *name,
			   char **environ)
{
	const struct config_key *key = config_key_find(o->schema, name);
	const struct config_node *element = NULL;
	struct search s = { o, prefix, environ, &element };
	int r;

	warn_of_misspelt(o, key->schema, prefix, environ);
	r = take_variables(&s, key->schema, "");
	return r == 0 && element ? config_overlay_append(o, name, element) : r;
}

int config_overlay_append(struct config_overlay *o, const char *name,
			  const struct config_node *element)
{
	const struct config_node *list = config_node_get(o->root, name);

	if (list && list->kind != CONFIG_NODE_LIST)
		list = NULL;
	list = config_node_with(o->arena, list, NULL, element);
	return list ? put(o, &o->root, name, list) : -ENOMEM;
}

int config_overlay_set(struct config_overlay *o, const char *source, const char *path,
		       const char *text)
{
	const struct config_node *scalar = config_node_scalar(o->arena, source, text);

	return scalar ? put(o, &o->root, path, scalar) : -ENOMEM;
}

int config_overlay_entry(struct config_overlay *o, const char *source, const char *path,
			 const struct config_pair *entry)
{
	const struct config_node *map = config_node_get(o->root, path);
	const struct config_node *scalar = config_node_scalar(o->arena, source, entry->value);

	if (map && map->kind != CONFIG_NODE_MAP)
		map = NULL;
	if (!scalar)
		return -ENOMEM;
	map = config_node_with(o->arena, map, entry->name, scalar);
	return map ? put(o, &o->root, path, map) : -ENOMEM;
}
