/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of values to the struct that a table of keys describes. */
#ifndef APP_CONFIG_READ_H
#define APP_CONFIG_READ_H

#include "app/config_key.h"
#include "app/config_tree.h"
#include "base/arena.h"

/*
 * Fills @object, zeroed, with what @map says and the defaults of the rest. Strings and arrays are
 * of
 * @a or of the tree. Errors are noted, and the next key is read. -ENOMEM.
 */
int config_read(struct arena *a, const struct config_schema *s, const struct config_node *map,
		struct config_problems *p, void *object);

/* Where the value of "endpoints[1].tls.ca_file" stands, or the nearest thing around it. */
struct config_origin config_origin_of(const struct config_node *root, const char *path);

#endif
