/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/random.h>

#include "base/hashmap.h"
#include "base/vec.h"
#include "export/pprof.h"
#include "export/pprof_internal.h"

/* Samples share their stacks and label sets, which would be most of the memory otherwise. */
struct stack {
	size_t n;
	const struct pprof_location *locations[];
};

struct label_set {
	size_t n;
	struct pprof_label labels[];
};

struct text {
	const char *str;
	size_t len;
};

struct pprof_builder {
	struct pprof_owned *out; /* NULL once handed over */
	VEC(struct pprof_value_type) sample_types;
	VEC(struct pprof_sample) samples;
	VEC(struct pprof_mapping *) mappings;
	VEC(struct pprof_location *) locations;
	VEC(struct pprof_function *) functions;
	VEC(const char *) comments;
	struct hashmap string_map, mapping_map, location_map, function_map, stack_map, label_map;
	uint64_t seed; /* random: names in a profile are not always ours to choose */
	bool trust_strings;
};

int pprof_builder_new(struct pprof_builder **ret)
{
	CLEANUP(pprof_builder_freep) struct pprof_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;

	b->out = calloc(1, sizeof(*b->out));
	if (!b->out)
		return -ENOMEM;
	b->out->pub.period_type = (struct pprof_value_type){ "", "" };
	if (getrandom(&b->seed, sizeof(b->seed), GRND_NONBLOCK) < 0)
		b->seed = (uintptr_t)b;

	*ret = TAKE_PTR(b);
	return 0;
}

void pprof_builder_free(struct pprof_builder *b)
{
	if (!b)
		return;

	vec_free(&b->sample_types);
	vec_free(&b->samples);
	vec_free(&b->mappings);
	vec_free(&b->locations);
	vec_free(&b->functions);
	vec_free(&b->comments);
	hashmap_clear(&b->string_map);
	hashmap_clear(&b->mapping_map);
	hashmap_clear(&b->location_map);
	hashmap_clear(&b->function_map);
	hashmap_clear(&b->stack_map);
	hashmap_clear(&b->label_map);
	if (b->out)
		pprof_free(&b->out->pub);
	free(b);
}

void pprof_builder_limit(struct pprof_builder *b, size_t bytes)
{
	b->out->arena.limit = bytes;
}

void pprof_builder_trust_strings(struct pprof_builder *b)
{
	b->trust_strings = true;
}

static bool text_eq(const void *value, const void *key)
{
	const struct text *t = key;

	return strncmp(value, t->str, t->len) == 0 && ((const char *)value)[t->len] == '\0';
}

int pprof_builder_string(struct pprof_builder *b, const char *str, size_t len, const char **ret)
{
	struct text key = { str, strnlen(str, len) };
	uint64_t hash;
	char *own;

	if (key.len == 0) {
		*ret = "";
		return 0;
	}

	hash = hash_bytes(b->seed, str, key.len);
	own = hashmap_get(&b->string_map, hash, text_eq, &key);
	if (!own) {
		own = arena_strndup(&b->out->arena, str, key.len);
		if (!own || hashmap_put(&b->string_map, hash, own) < 0)
			return -ENOMEM;
	}
	*ret = own;
	return 0;
}

/* Replaces *str by the builder's own copy. */
static int intern(struct pprof_builder *b, const char **str)
{
	if (b->trust_strings)
		return 0;
	if (!*str)
		*str = "";
	return pprof_builder_string(b, *str, strlen(*str), str);
}

int pprof_builder_sample_type(struct pprof_builder *b, const char *type, const char *unit)
{
	if (intern(b, &type) < 0 || intern(b, &unit) < 0)
		return -ENOMEM;
	return vec_push(&b->sample_types, (struct pprof_value_type){ type, unit });
}

int pprof_builder_period(struct pprof_builder *b, const char *type, const char *unit,
			 int64_t period)
{
	if (intern(b, &type) < 0 || intern(b, &unit) < 0)
		return -ENOMEM;
	b->out->pub.period_type = (struct pprof_value_type){ type, unit };
	b->out->pub.period = period;
	return 0;
}

int pprof_builder_time(struct pprof_builder *b, int64_t time_nanos, int64_t duration_nanos)
{
	b->out->pub.time_nanos = time_nanos;
	b->out->pub.duration_nanos = duration_nanos;
	return 0;
}

int pprof_builder_comment(struct pprof_builder *b, const char *text)
{
	if (intern(b, &text) < 0)
		return -ENOMEM;
	return vec_push(&b->comments, text);
}

/* Interned strings are equal when their pointers are. */
static bool mapping_eq(const void *value, const void *key)
{
	const struct pprof_mapping *x = value, *y = key;

	return x->start == y->start && x->limit == y->limit && x->offset == y->offset &&
	       x->filename == y->filename && x->build_id == y->build_id && x->htlhash == y->htlhash;
}

static uint64_t mapping_hash(uint64_t seed, const struct pprof_mapping *m)
{
	uint64_t h = hash_u64(seed, m->start);

	h = hash_u64(hash_u64(h, m->limit), m->offset);
	h = hash_u64(hash_u64(h, (uintptr_t)m->filename), (uintptr_t)m->build_id);
	return hash_u64(h, (uintptr_t)m->htlhash);
}

static void add_flags(struct pprof_mapping *to, const struct pprof_mapping *from)
{
	to->has_functions |= from->has_functions;
	to->has_filenames |= from->has_filenames;
	to->has_line_numbers |= from->has_line_numbers;
	to->has_inline_frames |= from->has_inline_frames;
}

int pprof_builder_mapping(struct pprof_builder *b, const struct pprof_mapping *m,
			  const struct pprof_mapping **ret)
{
	struct pprof_mapping key = *m, *own;
	uint64_t hash;

	if (intern(b, &key.filename) < 0 || intern(b, &key.build_id) < 0 ||
	    intern(b, &key.htlhash) < 0)
		return -ENOMEM;

	hash = mapping_hash(b->seed, &key);
	own = hashmap_get(&b->mapping_map, hash, mapping_eq, &key);
	if (!own) {
		own = arena_memdup(&b->out->arena, &key, sizeof(key));
		if (!own || vec_push(&b->mappings, own) < 0 ||
		    hashmap_put(&b->mapping_map, hash, own) < 0)
			return -ENOMEM;
	}
	add_flags(own, m);
	*ret = own;
	return 0;
}

static bool function_eq(const void *value, const void *key)
{
	const struct pprof_function *x = value, *y = key;

	return x->name == y->name && x->system_name == y->system_name &&
	       x->filename == y->filename && x->start_line == y->start_line;
}

static uint64_t function_hash(uint64_t seed, const struct pprof_function *f)
{
	uint64_t h = hash_u64(seed, (uintptr_t)f->name);

	h = hash_u64(hash_u64(h, (uintptr_t)f->system_name), (uintptr_t)f->filename);
	return hash_u64(h, f->start_line);
}

int pprof_builder_function(struct pprof_builder *b, const struct pprof_function *f,
			   const struct pprof_function **ret)
{
	struct pprof_function key = *f, *own;
	uint64_t hash;

	if (intern(b, &key.name) < 0 || intern(b, &key.system_name) < 0 ||
	    intern(b, &key.filename) < 0)
		return -ENOMEM;

	hash = function_hash(b->seed, &key);
	own = hashmap_get(&b->function_map, hash, function_eq, &key);
	if (!own) {
		own = arena_memdup(&b->out->arena, &key, sizeof(key));
		if (!own || vec_push(&b->functions, own) < 0 ||
		    hashmap_put(&b->function_map, hash, own) < 0)
			return -ENOMEM;
	}
	*ret = own;
	return 0;
}

static bool location_eq(const void *value, const void *key)
{
	const struct pprof_location *x = value, *y = key;

	if (x->mapping != y->mapping || x->address != y->address || x->n_lines != y->n_lines)
		return false;
	for (size_t i = 0; i < x->n_lines; i++)
		if (x->lines[i].function != y->lines[i].function ||
		    x->lines[i].line != y->lines[i].line)
			return false;
	return true;
}

static uint64_t location_hash(uint64_t seed, const struct pprof_location *l)
{
	uint64_t h = hash_u64(hash_u64(seed, (uintptr_t)l->mapping), l->address);

	for (size_t i = 0; i < l->n_lines; i++)
		h = hash_u64(hash_u64(h, (uintptr_t)l->lines[i].function), l->lines[i].line);
	return h;
}

static struct pprof_location *location_dup(struct arena *a, const struct pprof_location *l)
{
	struct pprof_location *own = arena_memdup(a, l, sizeof(*l));

	if (!own)
		return NULL;
	own->lines = arena_memdup(a, l->lines, l->n_lines * sizeof(*l->lines));
	return own->lines ? own : NULL;
}

int pprof_builder_location(struct pprof_builder *b, const struct pprof_location *l,
			   const struct pprof_location **ret)
{
	uint64_t hash = location_hash(b->seed, l);
	struct pprof_location *own = hashmap_get(&b->location_map, hash, location_eq, l);

	if (!own) {
		own = location_dup(&b->out->arena, l);
		if (!own || vec_push(&b->locations, own) < 0 ||
		    hashmap_put(&b->location_map, hash, own) < 0)
			return -ENOMEM;
	}
	*ret = own;
	return 0;
}

static bool stack_eq(const void *value, const void *key)
{
	const struct stack *own = value;
	const struct pprof_sample *s = key;

	return own->n == s->n_locations &&
	       (own->n == 0 ||
		memcmp(own->locations, s->locations, own->n * sizeof(*own->locations)) == 0);
}

static int intern_stack(struct pprof_builder *b, struct pprof_sample *s)
{
	size_t size = s->n_locations * sizeof(*s->locations);
	uint64_t hash = hash_u64(b->seed, s->n_locations);
	struct stack *own;

	for (size_t i = 0; i < s->n_locations; i++)
		hash = hash_u64(hash, (uintptr_t)s->locations[i]);

	own = hashmap_get(&b->stack_map, hash, stack_eq, s);
	if (!own) {
		own = arena_alloc(&b->out->arena, sizeof(*own) + size);
		if (!own || hashmap_put(&b->stack_map, hash, own) < 0)
			return -ENOMEM;
		own->n = s->n_locations;
		if (size)
			memcpy(own->locations, s->locations, size);
	}
	s->locations = own->locations;
	return 0;
}

static bool label_eq(const struct pprof_label *x, const struct pprof_label *y)
{
	return x->key == y->key && x->str == y->str && x->num == y->num &&
	       x->num_unit == y->num_unit;
}

static bool label_set_eq(const void *value, const void *key)
{
	const struct label_set *x = value, *y = key;

	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (!label_eq(&x->labels[i], &y->labels[i]))
			return false;
	return true;
}

static uint64_t label_set_hash(uint64_t seed, const struct label_set *set)
{
	uint64_t h = hash_u64(seed, set->n);

	for (size_t i = 0; i < set->n; i++) {
		const struct pprof_label *l = &set->labels[i];

		h = hash_u64(hash_u64(h, (uintptr_t)l->key), (uintptr_t)l->str);
		h = hash_u64(hash_u64(h, l->num), (uintptr_t)l->num_unit);
	}
	return h;
}

/* A string label has no number, and the reverse. */
static int intern_label(struct pprof_builder *b, struct pprof_label *l)
{
	if (intern(b, &l->key) < 0)
		return -ENOMEM;
	if (l->str) {
		l->num = 0;
		l->num_unit = "";
		return intern(b, &l->str);
	}
	return intern(b, &l->num_unit);
}

static int intern_labels(struct pprof_builder *b, struct pprof_sample *s)
{
	CLEANUP(freep)
	struct label_set *set = malloc(sizeof(*set) + s->n_labels * sizeof(*s->labels));
	struct label_set *own;
	uint64_t hash;

	if (!set)
		return -ENOMEM;
	set->n = s->n_labels;
	for (size_t i = 0; i < set->n; i++) {
		set->labels[i] = s->labels[i];
		if (intern_label(b, &set->labels[i]) < 0)
			return -ENOMEM;
	}

	hash = label_set_hash(b->seed, set);
	own = hashmap_get(&b->label_map, hash, label_set_eq, set);
	if (!own) {
		own = arena_memdup(&b->out->arena, set,
				   sizeof(*set) + set->n * sizeof(*set->labels));
		if (!own || hashmap_put(&b->label_map, hash, own) < 0)
			return -ENOMEM;
	}
	s->labels = own->labels;
	return 0;
}

int pprof_builder_sample(struct pprof_builder *b, const struct pprof_sample *s)
{
	struct pprof_sample own = *s;

	if (intern_stack(b, &own) < 0 || intern_labels(b, &own) < 0)
		return -ENOMEM;

	own.values =
		arena_memdup(&b->out->arena, s->values, b->sample_types.n * sizeof(*s->values));
	if (!own.values)
		return -ENOMEM;
	return vec_push(&b->samples, own);
}

/* Moves a vector's array and count into the profile. */
#define HAND_OVER(p, b, field)                                                                     \
	do {                                                                                       \
		(p)->field = TAKE_PTR((b)->field.data);                                            \
		(p)->n_##field = (b)->field.n;                                                     \
	} while (0)

struct pprof *pprof_builder_finish(struct pprof_builder *b)
{
	struct pprof *p = &TAKE_PTR(b->out)->pub;

	HAND_OVER(p, b, sample_types);
	HAND_OVER(p, b, samples);
	HAND_OVER(p, b, mappings);
	HAND_OVER(p, b, locations);
	HAND_OVER(p, b, functions);
	HAND_OVER(p, b, comments);
	p->default_value = p->n_sample_types ? p->n_sample_types - 1 : 0;
	return p;
}
