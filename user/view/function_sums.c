/* SPDX-License-Identifier: Apache-2.0 */
#include "view/function_sums.h"

#include <string.h>

#define NEAR_MAX 62 /* bits that can be shifted out */

struct accumulator {
	int64_t self, total, near;
	size_t last_stack; /* the last stack that was counted in total */
};

struct function_sums {
	const struct digest *digest;
	struct accumulator *acc; /* by frame */
	VEC(uint32_t) touched;
	VEC(struct function_sum) sorted;
	frame_list stack;
	size_t n_stacks;
};

int function_sums_new(const struct digest *d, struct function_sums **ret)
{
	CLEANUP(function_sums_freep) struct function_sums *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return -ENOMEM;

	fs->digest = d;
	fs->acc = calloc(intern_tuples_count(&d->frames) + 1, sizeof(*fs->acc));
	if (!fs->acc)
		return -ENOMEM;

	*ret = TAKE_PTR(fs);
	return 0;
}

void function_sums_free(struct function_sums *fs)
{
	if (!fs)
		return;

	free(fs->acc);
	vec_free(&fs->touched);
	vec_free(&fs->sorted);
	vec_free(&fs->stack);
	free(fs);
}

int function_sums_add(struct function_sums *fs, const struct digest_sample *s)
{
	int r = digest_frames(fs->digest, s, &fs->stack);

	if (r < 0)
		return r;

	fs->n_stacks++;
	for (size_t i = 0; i < fs->stack.n; i++) {
		struct accumulator *acc = &fs->acc[fs->stack.data[i]];

		if (!acc->last_stack && vec_push(&fs->touched, fs->stack.data[i]) < 0)
			return -ENOMEM;
		if (i == 0)
			metric_add(&acc->self, s->value);
		if (acc->last_stack != fs->n_stacks) {
			metric_add(&acc->total, s->value);
			metric_add(&acc->near, s->value / (1ll << (i < NEAR_MAX ? i : NEAR_MAX)));
		}
		acc->last_stack = fs->n_stacks;
	}
	return 0;
}

void function_sums_reset(struct function_sums *fs)
{
	for (size_t i = 0; i < fs->touched.n; i++)
		fs->acc[fs->touched.data[i]] = (struct accumulator){ 0 };
	fs->touched.n = 0;
	fs->n_stacks = 0;
}

static int descending(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

static int compare_names(const struct digest *d, uint32_t a, uint32_t b)
{
	int r = 0;

	for (enum digest_frame i = DIGEST_FRAME_NAME; i <= DIGEST_FRAME_FILE && r == 0; i++)
		r = strcmp(digest_frame_string(d, a, i), digest_frame_string(d, b, i));
	if (r == 0)
		r = descending(digest_frame_number(d, b, DIGEST_FRAME_AT),
			       digest_frame_number(d, a, DIGEST_FRAME_AT));
	return r ? r : (a > b) - (a < b);
}

static int compare_total(const void *va, const void *vb, void *digest)
{
	const struct function_sum *a = va, *b = vb;
	int r = descending(a->self, b->self);

	r = r ? r : descending(a->total, b->total);
	return r ? r : compare_names(digest, a->frame, b->frame);
}

static int compare_near(const void *va, const void *vb, void *digest)
{
	const struct function_sum *a = va, *b = vb;
	int r = descending(a->near, b->near);

	return r ? r : compare_names(digest, a->frame, b->frame);
}

static int compare_self_near(const void *va, const void *vb, void *digest)
{
	const struct function_sum *a = va, *b = vb;
	int r = descending(a->self, b->self);

	return r ? r : compare_near(va, vb, digest);
}

static void sort_from(struct function_sums *fs, size_t first,
		      int (*compare)(const void *, const void *, void *))
{
	if (first < fs->sorted.n)
		qsort_r(fs->sorted.data + first, fs->sorted.n - first, sizeof(*fs->sorted.data),
			compare, (void *)fs->digest);
}

int function_sums_sorted(struct function_sums *fs, const struct function_sum **ret, size_t *ret_n)
{
	fs->sorted.n = 0;
	for (size_t i = 0; i < fs->touched.n; i++) {
		uint32_t frame = fs->touched.data[i];
		const struct accumulator *acc = &fs->acc[frame];
		struct function_sum sum = { frame, acc->self, acc->total, acc->near };

		if (digest_frame_kind(fs->digest, frame) == FRAME_TRUNCATED)
			continue;
		if (vec_push(&fs->sorted, sum) < 0)
			return -ENOMEM;
	}

	sort_from(fs, 0, compare_total);
	*ret = fs->sorted.data;
	*ret_n = fs->sorted.n;
	return 0;
}

int function_sums_hottest(struct function_sums *fs, size_t max, const struct function_sum **ret,
			  size_t *ret_n)
{
	size_t leaves = 0, n;
	int r = function_sums_sorted(fs, ret, &n);

	if (r < 0)
		return r;

	while (leaves < n && leaves < max - max * 2 / 5 && fs->sorted.data[leaves].self > 0)
		leaves++;
	sort_from(fs, leaves, compare_near);
	if (fs->sorted.n > max)
		fs->sorted.n = max;
	sort_from(fs, 0, compare_self_near);
	*ret = fs->sorted.data;
	*ret_n = fs->sorted.n;
	return 0;
}
