/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/attributes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clean_text.h"

int attributes_set(struct attributes *a, enum profile_resource which, const char *text, size_t len)
{
	char *copy = len ? clean_text_dup(text, len, ATTRIBUTE_MAX) : NULL;

	if (len && !copy)
		return -ENOMEM;
	if (copy && !*copy) {
		free(copy);
		copy = NULL;
	}
	free(a->value[which]);
	a->value[which] = copy;
	return 0;
}

void attributes_clear(struct attributes *a)
{
	for (int i = 0; i < PROFILE_RESOURCES; i++)
		free(a->value[i]);
	*a = (struct attributes){ 0 };
}
