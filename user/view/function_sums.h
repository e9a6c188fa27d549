/* SPDX-License-Identifier: Apache-2.0 */
/* What each function used by itself and with all that it called, over a set of samples. */
#ifndef VIEW_FUNCTION_SUMS_H
#define VIEW_FUNCTION_SUMS_H

#include "view/digest.h"

struct function_sum {
	uint32_t frame;
	int64_t self, total; /* a function counts once a stack, however often it stands there */
	int64_t near;	     /* total, halved for each frame that it is above the leaf */
};

struct function_sums;

/* Empty sums over @d, which must outlive them. -ENOMEM. */
int function_sums_new(const struct digest *d, struct function_sums **ret);
void function_sums_free(struct function_sums *fs); /* NULL is fine */
DEFINE_CLEANUP(struct function_sums *, function_sums_free)

int function_sums_add(struct function_sums *fs, const struct digest_sample *s);

/* Back to empty: costs what was added, not the number of functions in the profile. */
void function_sums_reset(struct function_sums *fs);

/*
 * Sorted by self, then total, then name; without "[truncated]", which is no function. Belongs to
 * @fs until the next call. -ENOMEM.
 */
int function_sums_sorted(struct function_sums *fs, const struct function_sum **ret, size_t *ret_n);

/*
 * The at most @max functions that tell best what was going on: most of them those with the largest
 * self, the others callers near to what was hot. Otherwise as function_sums_sorted().
 */
int function_sums_hottest(struct function_sums *fs, size_t max, const struct function_sum **ret,
			  size_t *ret_n);

#endif
