/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pprof_relabel.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "export/pprof_internal.h"

struct relabeling {
	const struct pprof_relabel *how;
	struct arena *arena; /* the profile's */
	struct label_set set;
	VEC(struct pprof_label) labels;
	struct hashmap texts; /* of the arena: equal ones are one, as everywhere in a profile */
};

static bool has(const struct pprof_sample *s, const char *key)
{
	return pprof_sample_label(s, key) != NULL;
}

/* The labels that are texts to @set, the others to @labels, where they stay. */
static int take_apart(struct relabeling *r, const struct pprof_sample *s)
{
	label_set_reset(&r->set);
	r->labels.n = 0;
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct pprof_label *l = &s->labels[i];
		/* What no set takes, for its size, no rule sees. */
		int e = l->str ? label_set_put(&r->set, l->key, l->str) : -EINVAL;

		if (e == -ENOMEM || (e < 0 && vec_push(&r->labels, *l) < 0))
			return -ENOMEM;
	}
	for (size_t i = 0; i < r->how->n_fixed; i++) {
		const struct pprof_label *l = &r->how->fixed[i];

		if (!has(s, l->key) && label_set_put(&r->set, l->key, l->str) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static bool text_eq(const void *value, const void *key)
{
	return strcmp(value, key) == 0;
}

static const char *keep_text(struct relabeling *r, const char *text)
{
	size_t len = strlen(text);
	uint64_t hash = hash_bytes(0, text, len);
	char *own = hashmap_get(&r->texts, hash, text_eq, text);

	if (own)
		return own;
	own = arena_strndup(r->arena, text, len);
	return own && hashmap_put(&r->texts, hash, own) == 0 ? own : NULL;
}

static int put_together(struct relabeling *r)
{
	for (size_t i = 0; i < r->set.labels.n; i++) {
		const struct label *from = &r->set.labels.data[i];
		struct pprof_label l = { keep_text(r, from->name), keep_text(r, from->value), 0,
					 "" };

		if (!l.key || !l.str || vec_push(&r->labels, l) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int apply(struct relabeling *r, struct pprof_sample *s, bool *ret_keep)
{
	struct pprof_label *own;
	int e = take_apart(r, s);

	*ret_keep = true;
	if (e == 0 && r->how->rules)
		e = relabel_apply(r->how->rules, &r->set, ret_keep);
	if (e < 0 || !*ret_keep)
		return e;
	if (put_together(r) < 0)
		return -ENOMEM;
	own = arena_memdup(r->arena, r->labels.data, r->labels.n * sizeof(*own));
	if (!own && r->labels.n)
		return -ENOMEM;
	s->labels = own;
	s->n_labels = r->labels.n;
	return 0;
}

static int apply_to_all(struct relabeling *r, struct pprof *p, uint64_t *dropped)
{
	size_t kept = 0, i;
	int e = 0;

	for (i = 0; i < p->n_samples && e == 0; i++) {
		struct pprof_sample s = p->samples[i];
		bool keep = true;

		e = apply(r, &s, &keep);
		if (keep)
			p->samples[kept++] = s;
		else if (p->n_sample_types)
			*dropped += s.values[0];
	}
	for (; i < p->n_samples; i++)
		p->samples[kept++] = p->samples[i];
	p->n_samples = kept;
	return e;
}

int pprof_relabel(struct pprof *p, const struct pprof_relabel *how, uint64_t *dropped)
{
	struct relabeling r = { .how = how, .arena = &((struct pprof_owned *)p)->arena };
	int e = how->n_fixed || how->rules ? apply_to_all(&r, p, dropped) : 0;

	label_set_clear(&r.set);
	hashmap_clear(&r.texts);
	vec_free(&r.labels);
	return e;
}
