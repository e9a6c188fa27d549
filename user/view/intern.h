/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal things become one small number, given out in the order in which they first came: strings,
 * and tuples of such numbers. A zeroed struct (with its width set) is empty.
 */
#ifndef VIEW_INTERN_H
#define VIEW_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/vec.h"

struct intern_strings {
	VEC(char *) all;
	struct hashmap index;
};

/* @str is copied. -ENOMEM. */
int intern_string(struct intern_strings *in, const char *str, uint32_t *ret);
void intern_strings_clear(struct intern_strings *in);

struct intern_tuples {
	size_t width; /* numbers in each tuple */
	VEC(uint32_t) all;
	struct hashmap index;
};

int intern_tuple(struct intern_tuples *in, const uint32_t *tuple, uint32_t *ret);
size_t intern_tuples_count(const struct intern_tuples *in);
/* Valid until the next intern_tuple(). */
const uint32_t *intern_tuple_get(const struct intern_tuples *in, uint32_t i);
void intern_tuples_clear(struct intern_tuples *in);

#endif
