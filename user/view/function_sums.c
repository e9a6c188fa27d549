/* SPDX-License-Identifier: Apache-2.0 */
#include "view/function_sums.h"

#include <string.h>

struct accumulator {
	int64_t self, total;
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
		if (acc->last_stack != fs->n_stacks)
			metric_add(&acc->total, s->value);
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

static int compare(const void *va, const void *vb, void *arg)
{
	const struct function_sum *a = va, *b = vb;
	const struct digest *d = arg;
	int r = 0;

	if (a->self != b->self)
		return a->self > b->self ? -1 : 1;
	if (a->total != b->total)
		return a->total > b->total ? -1 : 1;
	for (enum digest_frame i = DIGEST_FRAME_NAME; i <= DIGEST_FRAME_FILE && r == 0; i++)
		r = strcmp(digest_frame_string(d, a->frame, i),
			   digest_frame_string(d, b->frame, i));
	return r ? r : (a->frame > b->frame) - (a->frame < b->frame);
}

int function_sums_sorted(struct function_sums *fs, const struct function_sum **ret, size_t *ret_n)
{
	fs->sorted.n = 0;
	for (size_t i = 0; i < fs->touched.n; i++) {
		uint32_t frame = fs->touched.data[i];
		struct function_sum sum = { frame, fs->acc[frame].self, fs->acc[frame].total };

		if (digest_frame_kind(fs->digest, frame) == FRAME_TRUNCATED)
			continue;
		if (vec_push(&fs->sorted, sum) < 0)
			return -ENOMEM;
	}

	if (fs->sorted.n)
		qsort_r(fs->sorted.data, fs->sorted.n, sizeof(*fs->sorted.data), compare,
			(void *)fs->digest);
	*ret = fs->sorted.data;
	*ret_n = fs->sorted.n;
	return 0;
}
