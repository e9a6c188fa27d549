/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several names of one address a reader expects to see. */
#ifndef SYM_ALIAS_H
#define SYM_ALIAS_H

#include <stdbool.h>

struct alias {
	const char *name;
	bool local;
	bool weak;
};

/*
 * Positive if @a is the better name, negative if @b is, 0 if they say the same. In this order: not
 * local, not one of glibc's __GI_ or the kernel's __ia32_ names, fewer leading underscores, not
 * weak, longer (more telling), first in the alphabet. The underscores stand before the binding,
 * because C libraries make the documented name the weak one.
 */
int alias_compare(const struct alias *a, const struct alias *b);

#endif
