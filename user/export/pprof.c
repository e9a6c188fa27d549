/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pprof.h"

#include <string.h>

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
