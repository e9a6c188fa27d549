/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/clean_text.h"
#include "base/utf8.h"

#define VALUE_MAX 4096 /* bytes of a text that has to be cleaned */

int profile_new(struct profile **ret)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->contexts_max = PROFILE_CONTEXTS_DEFAULT;
	*ret = p;
	return 0;
}

static void free_samples(struct hashmap *map)
{
	struct profile_sample *s;
	size_t pos = 0;

	while ((s = hashmap_next(map, &pos)))
		vec_free(&s->times);
	hashmap_clear_free(map);
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	hashmap_clear_free(&p->processes);
	hashmap_clear(&p->values);
	arena_clear(&p->value_memory);
	hashmap_clear_free(&p->stacks);
	free_samples(&p->samples);
	hashmap_clear(&p->contexts);
	arena_clear(&p->context_memory);
	free(p);
}

/* --- processes -------------------------------------------------------------------------------- */

static bool process_eq(const void *value, const void *key)
{
	return ((const struct profile_process *)value)->id == *(const uint64_t *)key;
}

const char *profile_resource_key(enum profile_resource which)
{
#define KEY_(id, key) key,
	static const char *const keys[] = { PROFILE_ATTRIBUTES(KEY_) };
#undef KEY_

	return keys[which];
}

static bool value_eq(const void *value, const void *key)
{
	return strcmp(value, key) == 0;
}

/* NULL in *@ret: there are too many. */
static int intern_clean(struct profile *p, const char *text, const char **ret)
{
	uint64_t hash = hash_bytes(0, text, strlen(text));
	char *fresh;
	int r;

	*ret = hashmap_get(&p->values, hash, value_eq, text);
	if (*ret)
		return 0;
	if (p->values.n >= PROFILE_VALUES_MAX) {
		p->values_left_out++;
		return 0;
	}
	fresh = arena_strndup(&p->value_memory, text, strlen(text));
	if (!fresh)
		return -ENOMEM;
	r = hashmap_put(&p->values, hash, fresh);
	if (r == 0)
		*ret = fresh;
	return r;
}

/* Names of programs and paths may be any bytes. */
static int intern_value(struct profile *p, const char *text, const char **ret)
{
	char clean[VALUE_MAX];

	if (utf8_is_printable(text, strlen(text)))
		return intern_clean(p, text, ret);
	clean_text(text, strlen(text), clean, sizeof(clean));
	return intern_clean(p, clean, ret);
}

/* NULL: no change. @otherwise: what there is too little room for. */
static int rename_to(struct profile *p, const char **name, const char *now, const char *otherwise)
{
	const char *own = NULL;
	int r;

	if (!now || (*name && strcmp(*name, now) == 0))
		return 0;
	r = intern_value(p, now, &own);
	if (r < 0)
		return r;
	*name = own ? own : otherwise;
	return 0;
}

static int process_add(struct profile *p, const struct process *process,
		       struct profile_process **ret)
{
	CLEANUP(freep) struct profile_process *fresh = calloc(1, sizeof(*fresh));
	int r;

	if (!fresh)
		return -ENOMEM;
	fresh->id = process->id;
	fresh->pid = process->pid;
	r = hashmap_put(&p->processes, hash_u64(0, process->id), fresh);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(fresh);
	return 0;
}

int profile_get_process(struct profile *p, const struct process *process,
			const char *const *resource, const struct profile_process **ret)
{
	struct profile_process *found;
	int r = 0;

	found = hashmap_get(&p->processes, hash_u64(0, process->id), process_eq, &process->id);
	if (!found)
		r = process_add(p, process, &found);
	if (r == 0)
		r = rename_to(p, &found->name, process_name(process), PROFILE_VALUE_OVERFLOW);
	for (int i = 0; r == 0 && i < PROFILE_RESOURCES; i++)
		r = rename_to(p, &found->resource[i], resource[i],
			      i == PROFILE_SERVICE_NAME ? PROFILE_VALUE_OVERFLOW : NULL);
	if (r == 0)
		*ret = found;
	return r;
}

/* --- stacks ----------------------------------------------------------------------------------- */

uint64_t profile_frame_hash(uint64_t seed, const struct profile_frame *f)
{
	return hash_u64(hash_u64(seed, (uint64_t)f->code << 32 | f->dso->id), f->offset);
}

bool profile_frame_eq(const struct profile_frame *a, const struct profile_frame *b)
{
	return a->dso == b->dso && a->offset == b->offset && a->code == b->code;
}

static uint64_t stack_hash(const struct profile_stack_key *key)
{
	uint64_t h = hash_u64(key->n_kernel, key->end << 1 | key->kernel_cut);

	for (uint32_t i = 0; i < key->n; i++)
		h = profile_frame_hash(h, &key->frames[i]);
	return h;
}

static bool frames_eq(const struct profile_frame *a, const struct profile_frame *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!profile_frame_eq(&a[i], &b[i]))
			return false;
	return true;
}

static bool stack_eq(const void *value, const void *k)
{
	const struct profile_stack *stack = value;
	const struct profile_stack_key *key = k;

	return stack->n == key->n && stack->n_kernel == key->n_kernel && stack->end == key->end &&
	       stack->kernel_cut == key->kernel_cut &&
	       frames_eq(stack->frames, key->frames, key->n);
}

int profile_get_stack(struct profile *p, const struct profile_stack_key *key,
		      const struct profile_stack **ret)
{
	uint64_t hash = stack_hash(key);
	CLEANUP(freep) struct profile_stack *fresh = NULL;
	int r;

	*ret = hashmap_get(&p->stacks, hash, stack_eq, key);
	if (*ret)
		return 0;

	fresh = malloc(sizeof(*fresh) + key->n * sizeof(fresh->frames[0]));
	if (!fresh)
		return -ENOMEM;
	fresh->hash = hash;
	fresh->n = key->n;
	fresh->n_kernel = key->n_kernel;
	fresh->end = key->end;
	fresh->kernel_cut = key->kernel_cut;
	if (key->n)
		memcpy(fresh->frames, key->frames, key->n * sizeof(fresh->frames[0]));
	r = hashmap_put(&p->stacks, hash, fresh);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(fresh);
	return 0;
}

/* --- contexts --------------------------------------------------------------------------------- */

static uint64_t context_hash(const struct profile_context *c)
{
	uint64_t h = hash_u64(0, c->overflow);

	h = hash_bytes(h, c->trace_id, sizeof(c->trace_id));
	h = hash_bytes(h, c->span_id, sizeof(c->span_id));
	h = hash_bytes(h, c->local_root_id, sizeof(c->local_root_id));
	for (size_t i = 0; i < c->n_labels; i++) {
		h = hash_bytes(h, c->labels[i].key, strlen(c->labels[i].key));
		h = hash_bytes(h, c->labels[i].value, strlen(c->labels[i].value));
	}
	return h;
}

static bool context_eq(const void *value, const void *key)
{
	const struct profile_context *a = value, *b = key;

	if (a->overflow != b->overflow || a->n_labels != b->n_labels ||
	    memcmp(a->trace_id, b->trace_id, sizeof(a->trace_id)) != 0 ||
	    memcmp(a->span_id, b->span_id, sizeof(a->span_id)) != 0 ||
	    memcmp(a->local_root_id, b->local_root_id, sizeof(a->local_root_id)) != 0)
		return false;
	for (size_t i = 0; i < a->n_labels; i++)
		if (strcmp(a->labels[i].key, b->labels[i].key) != 0 ||
		    strcmp(a->labels[i].value, b->labels[i].value) != 0)
			return false;
	return true;
}

static int copy_labels(struct arena *a, const struct profile_context *key,
		       struct profile_context *ret)
{
	struct profile_label *labels = arena_alloc(a, key->n_labels * sizeof(*labels));

	if (!labels)
		return -ENOMEM;
	for (size_t i = 0; i < key->n_labels; i++) {
		const struct profile_label *l = &key->labels[i];

		labels[i].key = arena_strndup(a, l->key, strlen(l->key));
		labels[i].value = arena_strndup(a, l->value, strlen(l->value));
		if (!labels[i].key || !labels[i].value)
			return -ENOMEM;
	}
	ret->labels = labels;
	return 0;
}

static int context_add(struct profile *p, const struct profile_context *key,
		       const struct profile_context **ret)
{
	struct profile_context *fresh = arena_memdup(&p->context_memory, key, sizeof(*key));
	int r = fresh ? 0 : -ENOMEM;

	if (r == 0 && key->n_labels)
		r = copy_labels(&p->context_memory, key, fresh);
	if (r == 0)
		r = hashmap_put(&p->contexts, context_hash(fresh), fresh);
	if (r == 0)
		*ret = fresh;
	return r;
}

static bool has_ids(const struct profile_context *c)
{
	static const struct profile_context none;

	return memcmp(c->trace_id, none.trace_id, sizeof(c->trace_id)) != 0 ||
	       memcmp(c->span_id, none.span_id, sizeof(c->span_id)) != 0;
}

static const struct profile_context *context_find(const struct profile *p,
						  const struct profile_context *key)
{
	return hashmap_get(&p->contexts, context_hash(key), context_eq, key);
}

int profile_get_context(struct profile *p, const struct profile_context *key,
			const struct profile_context **ret)
{
	struct profile_context what = *key;

	*ret = context_find(p, &what);
	if (!*ret && p->contexts.n >= p->contexts_max) {
		what.n_labels = 0;
		what.labels = NULL;
		what.overflow = !has_ids(&what);
		*ret = context_find(p, &what);
	}
	if (!*ret && p->contexts.n >= 2 * p->contexts_max) {
		what = (struct profile_context){ .overflow = true };
		*ret = context_find(p, &what);
	}
	return *ret ? 0 : context_add(p, &what, ret);
}

/* --- samples ---------------------------------------------------------------------------------- */

static uint64_t sample_hash(const struct profile_sample *s)
{
	uint64_t h = hash_u64(s->stack->hash, s->process->id);

	return hash_u64(hash_u64(h, s->tid), (uintptr_t)s->context);
}

static bool sample_eq(const void *value, const void *key)
{
	const struct profile_sample *a = value, *b = key;

	return a->process == b->process && a->stack == b->stack && a->context == b->context &&
	       a->tid == b->tid && strncmp(a->thread, b->thread, sizeof(a->thread)) == 0;
}

int profile_add(struct profile *p, const struct profile_sample *s, uint64_t time_ns)
{
	uint64_t hash = sample_hash(s);
	struct profile_sample *found = hashmap_get(&p->samples, hash, sample_eq, s);
	CLEANUP(freep) struct profile_sample *fresh = NULL;
	int r;

	if (!found) {
		fresh = malloc(sizeof(*fresh));
		if (!fresh)
			return -ENOMEM;
		*fresh = *s;
		fresh->count = 0;
		fresh->times.data = NULL;
		fresh->times.n = fresh->times.cap = 0;
		r = hashmap_put(&p->samples, hash, fresh);
		if (r < 0)
			return r;
		found = TAKE_PTR(fresh);
	}
	r = p->keep_times ? vec_push(&found->times, time_ns + p->clock_offset_ns) : 0;
	if (r < 0)
		return r;
	found->count++;
	p->n_samples++;
	return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool is_same(const void *value, const void *key)
{
	return value == key;
}

static int by_dso(const void *a, const void *b)
{
	uint32_t x = ((const struct profile_file *)a)->dso->id;
	uint32_t y = ((const struct profile_file *)b)->dso->id;

	return x < y ? -1 : x > y;
}

static int add_files(const struct profile_stack *stack, struct hashmap *seen,
		     struct profile_files *ret)
{
	for (uint32_t i = 0; i < stack->n; i++) {
		const struct dso *dso = stack->frames[i].dso;
		struct profile_file f = { dso, dso->fd, dso->error, dso_root(dso) };
		int r;

		if ((i && stack->frames[i - 1].dso == dso) ||
		    hashmap_get(seen, hash_u64(0, dso->id), is_same, dso))
			continue;
		r = hashmap_put(seen, hash_u64(0, dso->id), (void *)dso);
		if (r == 0)
			r = vec_push(&ret->list, f);
		if (r < 0)
			return r;
	}
	return 0;
}

int profile_files_collect(const struct profile *p, struct profile_files *ret)
{
	CLEANUP(hashmap_clear) struct hashmap seen = { 0 };
	const struct profile_stack *stack;
	size_t pos = 0;
	int r = 0;

	*ret = (struct profile_files){ 0 };
	while (r == 0 && (stack = hashmap_next(&p->stacks, &pos)))
		r = add_files(stack, &seen, ret);
	if (r < 0) {
		profile_files_clear(ret);
		return r;
	}
	if (ret->list.n)
		qsort(ret->list.data, ret->list.n, sizeof(*ret->list.data), by_dso);
	return 0;
}

void profile_files_clear(struct profile_files *files)
{
	vec_free(&files->list);
}

const struct profile_file *profile_files_find(const struct profile_files *files,
					      const struct dso *dso)
{
	struct profile_file key = { .dso = dso };

	if (!files->list.n)
		return NULL;
	return bsearch(&key, files->list.data, files->list.n, sizeof(key), by_dso);
}
