/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pprof.h"

#include <string.h>

#include "base/hashmap.h"
#include "export/pprof_internal.h"

void pprof_free(struct pprof *p)
{
	struct pprof_owned *o = (struct pprof_owned *)p;

	if (!p)
		return;

	free(p->sample_types);
	free(p->samples);
	free(p->mappings);
	free(p->locations);
	free(p->functions);
	free(p->comments);
	arena_clear(&o->arena);
	free(o);
}

const struct pprof_label *pprof_sample_label(const struct pprof_sample *s, const char *key)
{
	for (size_t i = 0; i < s->n_labels; i++)
		if (strcmp(s->labels[i].key, key) == 0)
			return &s->labels[i];
	return NULL;
}

/* A builder gives equal stacks and equal label sets the same array. */
static bool sample_eq(const void *value, const void *key)
{
	const struct pprof_sample *x = value, *y = key;

	return x->locations == y->locations && x->labels == y->labels;
}

static int merge_into(struct hashmap *map, struct pprof *p, const struct pprof_sample *s)
{
	uint64_t hash = hash_u64(hash_u64(0, (uintptr_t)s->locations), (uintptr_t)s->labels);
	struct pprof_sample *first = hashmap_get(map, hash, sample_eq, s);
	int r;

	if (first) {
		int64_t *sum = (int64_t *)first->values; /* ours: pprof_builder_sample() made it */

		for (size_t i = 0; i < p->n_sample_types; i++)
			sum[i] = (int64_t)((uint64_t)sum[i] + (uint64_t)s->values[i]);
		return 0;
	}

	first = &p->samples[p->n_samples];
	*first = *s;
	r = hashmap_put(map, hash, first);
	p->n_samples += r == 0;
	return r;
}

int pprof_merge_samples(struct pprof *p)
{
	CLEANUP(hashmap_clear) struct hashmap map = { 0 };
	size_t n = p->n_samples;
	int r = 0;

	p->n_samples = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = merge_into(&map, p, &p->samples[i]);
	return r;
}
