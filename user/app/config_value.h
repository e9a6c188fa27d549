/* SPDX-License-Identifier: Apache-2.0 */
/* One value of a configuration, from text to what the program works with. */
#ifndef APP_CONFIG_VALUE_H
#define APP_CONFIG_VALUE_H

#include "app/config_key.h"

#define CONFIG_STRING_MAX 4096
#define CONFIG_WHY_MAX	  160

/*
 * Writes the value of a key that is a scalar to its field in @object. A string is borrowed.
 * -EINVAL:
 * *@why says what it should have been, "is no number from 1 to 20000"; the text is not repeated.
 */
int config_value_store(const struct config_key *key, const char *text, void *object,
		       char why[CONFIG_WHY_MAX]);

/* The place of @text in the NULL-terminated @names; cases, '-' and '_' are the same. -1: none. */
int config_name_index(const char *const *names, const char *text);

/* "a, b or c" */
void config_names_text(const char *const *names, char *out, size_t size);

/* The range of a key as people write it: "1 to 20000", "1s to 1h"; "" if there is none. */
void config_range_text(const struct config_key *key, char *out, size_t size);

#endif
