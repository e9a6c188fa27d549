/* SPDX-License-Identifier: Apache-2.0 */
/* Many names in little memory: they are put in once, in order, and got by their number. */
#ifndef SYM_PACKED_NAMES_H
#define SYM_PACKED_NAMES_H

#include <stddef.h>

#include "base/cleanup.h"

struct packed_names;

int packed_names_new(struct packed_names **ret); /* -ENOMEM */
void packed_names_free(struct packed_names *p);	 /* NULL is fine */
DEFINE_CLEANUP(struct packed_names *, packed_names_free)

/* Names are 0, 1, 2 and so on. -ENOMEM; -EINVAL: longer than PACKED_NAME_MAX. */
#define PACKED_NAME_MAX 4096
int packed_names_add(struct packed_names *p, const char *name);

/* No more come. -ENOMEM. */
int packed_names_end(struct packed_names *p);

/*
 * Cheap for names whose numbers are close to each other. The result holds until the next call.
 * NULL: there is none of that number.
 */
const char *packed_names_get(struct packed_names *p, size_t i);

size_t packed_names_bytes(const struct packed_names *p); /* of memory */

#endif
