/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML text as a tree in which each value knows its place. Bounded in bytes, depth and nodes. */
#ifndef APP_CONFIG_TREE_H
#define APP_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "app/config_problems.h"
#include "base/arena.h"

#define CONFIG_TEXT_MAX (1UL << 20)

enum config_node_kind { CONFIG_NODE_SCALAR, CONFIG_NODE_LIST, CONFIG_NODE_MAP };

struct config_node;

struct config_entry {
	const char *key; /* NULL in a list */
	unsigned line;	 /* of the key */
	const struct config_node *value;
};

struct config_node {
	enum config_node_kind kind;
	struct config_origin origin;
	const char *text; /* of a scalar: printable UTF-8 */
	bool plain;	  /* without quotes */
	const struct config_entry *entries;
	size_t n;
};

/*
 * Reads one document into @a; an empty one is an empty map. Aliases are followed and "<<" is
 * merged; keys that stand twice are an error. -EINVAL: *@p says why there is no tree; 0: *@p may
 * have errors besides; -ENOMEM.
 */
int config_tree_parse(struct arena *a, const char *source, const char *text, size_t len,
		      struct config_problems *p, const struct config_node **ret);

/* A value of a map, or NULL. */
const struct config_node *config_node_get(const struct config_node *map, const char *key);

/* "~", "null" or nothing: as if the key were not there. */
bool config_node_is_null(const struct config_node *n);

/*
 * Copies of @node (NULL: an empty one) with an entry more, or another value of the entry @key
 * (NULL: of a list). NULL: no memory.
 */
const struct config_node *config_node_with(struct arena *a, const struct config_node *node,
					   const char *key, const struct config_node *value);

/* NULL: no memory. */
const struct config_node *config_node_scalar(struct arena *a, const char *source, const char *text);

#endif
