/* SPDX-License-Identifier: Apache-2.0 */
/* In which keys two configurations of one table differ. */
#ifndef APP_CONFIG_COMPARE_H
#define APP_CONFIG_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "app/config_key.h"

struct config_change {
	char path[CONFIG_PATH_MAX]; /* of lists and maps: of the whole */
	bool reload;		    /* the key's */
};

/* Up to @max to @ret, in the order of the table. Returns how many. */
size_t config_compare(const struct config_schema *s, const void *a, const void *b,
		      struct config_change *ret, size_t max);

#endif
