/* SPDX-License-Identifier: Apache-2.0 */
/* Values from environment variables and options, laid over those of a file. */
#ifndef APP_CONFIG_OVERLAY_H
#define APP_CONFIG_OVERLAY_H

#include "app/config_key.h"
#include "app/config_tree.h"
#include "base/arena.h"

#define CONFIG_VARIABLE_MAX 128

/* What is laid over, and where what is wrong is noted. */
struct config_overlay {
	struct arena *arena;
	struct config_problems *problems;
	const struct config_schema *schema;
	const struct config_node *root;
};

/* "spool" and "max_bytes" to "SPANPROF_SPOOL_MAX_BYTES"; @path may be "spool.max_bytes". */
void config_variable_name(const char *prefix, const char *path, char out[CONFIG_VARIABLE_MAX]);

/* What @name is in @environ (NULL: empty), borrowed; NULL if it is not set, or empty. */
const char *config_variable_of(char **environ, const char *name);

/*
 * Takes PREFIX_KEY of @environ for every key that is set and not empty. What is no single value is
 * written as in YAML ([a, b], {a: b}), or as a,b or a=b,c=d. A variable with another name that
 * looks like one of these gets a warning. -ENOMEM.
 */
int config_overlay_environment(struct config_overlay *o, const char *prefix, char **environ);

/*
 * The same for variables that each set a key of one more element of the list @name. -ENOMEM.
 */
int config_overlay_element(struct config_overlay *o, const char *prefix, const char *name,
			   char **environ);

/* The value of a key, as an option says it. -ENOMEM. */
int config_overlay_set(struct config_overlay *o, const char *source, const char *path,
		       const char *text);

/* One entry of the map @path more. -ENOMEM. */
int config_overlay_entry(struct config_overlay *o, const char *source, const char *path,
			 const struct config_pair *entry);

/* One element, a map, of the list @name more. -ENOMEM. */
int config_overlay_append(struct config_overlay *o, const char *name,
			  const struct config_node *element);

#endif
