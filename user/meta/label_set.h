/* SPDX-License-Identifier: Apache-2.0 */
/* A small set of labels that rules rewrite: names and values, both bounded. */
#ifndef META_LABEL_SET_H
#define META_LABEL_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/vec.h"

#define LABEL_SET_MAX	128  /* labels */
#define LABEL_NAME_MAX	256  /* bytes */
#define LABEL_VALUE_MAX 4096 /* bytes */

struct label {
	const char *name, *value; /* of the set's memory */
	bool added;		  /* by a rule: stands behind those that were there before */
};

/* A zeroed one is empty. */
struct label_set {
	VEC(struct label) labels;
	struct arena memory; /* grows until label_set_reset() */
};

/* Can @name name a label? Printable UTF-8 of 1 to LABEL_NAME_MAX bytes; dots are fine. */
bool label_name_is_valid(const char *name);

/*
 * Sets a label as it is before any rule; an empty value is none. The later of two of one name
 * counts. -EINVAL: no valid name; -E2BIG: too long, too many, or no room for more; -ENOMEM.
 */
int label_set_put(struct label_set *s, const char *name, const char *value);

/* The same as a result of a rule: an empty value removes the label. */
int label_set_change(struct label_set *s, const char *name, const char *value);

/* "" if there is none. Valid until label_set_reset(). */
const char *label_set_get(const struct label_set *s, const char *name);

/* In the order of names, all as if they had been put. */
void label_set_sort(struct label_set *s);

void label_set_reset(struct label_set *s); /* empty, memory kept for the next */
void label_set_clear(struct label_set *s);

#endif
