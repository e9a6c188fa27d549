/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/alias.h"

#include <string.h>

/*
 * glibc's internal names of its own public functions; what 32-bit programs enter the kernel by,
 * which is the same code for calls without arguments.
 */
static bool is_hidden_alias(const char *name)
{
	return strncmp(name, "__GI_", 5) == 0 || strncmp(name, "__EI_", 5) == 0 ||
	       strncmp(name, "__ia32_", 7) == 0;
}

int alias_compare(const struct alias *a, const struct alias *b)
{
	size_t under_a = strspn(a->name, "_"), under_b = strspn(b->name, "_");
	size_t len_a = strlen(a->name), len_b = strlen(b->name);

	if (a->local != b->local)
		return a->local ? -1 : 1;
	if (is_hidden_alias(a->name) != is_hidden_alias(b->name))
		return is_hidden_alias(a->name) ? -1 : 1;
	if (under_a != under_b)
		return under_a > under_b ? -1 : 1;
	if (a->weak != b->weak)
		return a->weak ? -1 : 1;
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return strcmp(b->name, a->name);
}
