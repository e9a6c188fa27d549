/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of a resource, one value each. */
#ifndef META_ATTRIBUTES_H
#define META_ATTRIBUTES_H

#include <stddef.h>

#include "profile/profile.h"

#define ATTRIBUTE_MAX 512 /* bytes of a value; what is longer is cut */

/* A zeroed struct has none. */
struct attributes {
	char *value[PROFILE_RESOURCES]; /* clean text (clean_text.h), never empty; NULL: not known
					 */
};

/* An empty text is none, and takes away what was there. -ENOMEM. */
int attributes_set(struct attributes *a, enum profile_resource which, const char *text, size_t len);
void attributes_clear(struct attributes *a);

#endif
