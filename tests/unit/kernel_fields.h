/* SPDX-License-Identifier: Apache-2.0 */
/* How old the fake kernel of a test is: the fields that only some kernels have. */
#ifndef KERNEL_FIELDS_H
#define KERNEL_FIELDS_H

#include <stdio.h>
#include <string.h>

static const char *const *kernel_fields; /* "struct X___Y.field", …, NULL; NULL: none of them */

int bpfhost_field_exists(const char *type, const char *field)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", type, field);
	for (int i = 0; kernel_fields && kernel_fields[i]; i++)
		if (strcmp(kernel_fields[i], name) == 0)
			return 1;
	return 0;
}

#endif
