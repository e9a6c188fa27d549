/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as YAML, with where each value came from. */
#ifndef APP_CONFIG_PRINT_H
#define APP_CONFIG_PRINT_H

#include <stdio.h>

#include "app/config_key.h"
#include "app/config_tree.h"

/* Is the value of this entry of a CONFIG_HEADERS something to hide? */
typedef bool (*config_secret_fn)(const char *name);

/*
 * All keys of @s as @map says them, or their defaults. @is_secret: NULL: nothing is hidden. Errors
 * are those of @out.
 */
void config_print(const struct config_schema *s, const struct config_node *map,
		  config_secret_fn is_secret, FILE *out);

/* @text as a YAML scalar, in quotes where it needs any. */
void config_print_scalar(const char *text, FILE *out);

#endif
