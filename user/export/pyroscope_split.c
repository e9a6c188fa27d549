/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pyroscope_split.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/parse.h"
#include "base/utf8.h"
#include "base/vec.h"

#define NO_TYPE		SIZE_MAX
#define LABELS_MAX	(4 + PYROSCOPE_KEYS_MAX) /* those that copy_labels() keeps */
#define LONG_RECORDING	(30LL * 60 * 1000000000) /* ns */
#define UNKNOWN_SERVICE "unknown_service"

struct split {
	const struct pprof *src;
	const struct pyroscope_keys *keys;
	size_t cpu, count; /* indexes into values; count: NO_TYPE if there is none */
	pyroscope_chunk_fn fn;
	void *arg;
	const struct item *items; /* sorted by service, then in the order of the profile */
};

struct item {
	const char *service;
	const struct pprof_sample *sample;
};

/* The copy that is uploaded. */
struct copy {
	const struct split *split;
	struct pprof_builder *builder;
	struct arena arena;	  /* cleaned strings, map entries */
	struct hashmap locations; /* of struct copied */
	VEC(const struct pprof_location *) stack;
	VEC(struct pprof_line) lines;
};

struct copied {
	const struct pprof_location *from, *to;
};

static void copy_clear(struct copy *c)
{
	pprof_builder_free(c->builder);
	arena_clear(&c->arena);
	hashmap_clear(&c->locations);
	vec_free(&c->stack);
	vec_free(&c->lines);
}

static const char *service_of(const struct pprof_sample *s)
{
	static const char *const keys[] = { PPROF_LABEL_SERVICE, PPROF_LABEL_PROCESS };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct pprof_label *l = pprof_sample_label(s, keys[i]);

		if (l && l->str && *l->str)
			return l->str;
	}
	return UNKNOWN_SERVICE;
}

/* Copies @str without its bytes that are no UTF-8, which the server refuses. */
static char *clean_copy(struct arena *a, const char *str, size_t len)
{
	char *copy = arena_strndup(a, str, len);

	if (copy)
		utf8_replace_invalid(copy, len);
	return copy;
}

/* @str as the server takes it, or NULL if there is no memory. */
static const char *clean(struct arena *a, const char *str, size_t max)
{
	size_t len = strlen(str);

	if (len <= max && utf8_valid_len(str, len) == len)
		return str;
	return clean_copy(a, str, len < max ? len : max);
}

static const char *clean_string(struct copy *c, const char *str)
{
	return clean(&c->arena, str, PYROSCOPE_STRING_MAX);
}

static int copy_mapping(struct copy *c, const struct pprof_mapping *from,
			const struct pprof_mapping **ret)
{
	struct pprof_mapping m = *from;

	m.filename = clean_string(c, m.filename);
	m.build_id = clean_string(c, m.build_id);
	m.htlhash = ""; /* no field of pprof's */
	if (!m.filename || !m.build_id)
		return -ENOMEM;
	return pprof_builder_mapping(c->builder, &m, ret);
}

static int copy_function(struct copy *c, const struct pprof_function *from,
			 const struct pprof_function **ret)
{
	struct pprof_function f = *from;

	f.name = clean_string(c, f.name);
	f.system_name = clean_string(c, f.system_name);
	f.filename = clean_string(c, f.filename);
	if (!f.name || !f.system_name || !f.filename)
		return -ENOMEM;
	return pprof_builder_function(c->builder, &f, ret);
}

/* A frame without a function vanishes from the server's flame graphs. */
static int name_by_address(struct copy *c, const struct pprof_location *from)
{
	const struct pprof_mapping *m = from->mapping;
	const char *slash = m ? strrchr(m->filename, '/') : NULL;
	struct pprof_function f = { .system_name = "", .filename = "" };
	struct pprof_line line = { 0 };
	char name[256];
	int r;

	if (m)
		snprintf(name, sizeof(name), "[%s+0x%" PRIx64 "]", slash ? slash + 1 : m->filename,
			 from->address - m->start + m->offset);
	else
		snprintf(name, sizeof(name), "[0x%" PRIx64 "]", from->address);
	f.name = name;
	r = copy_function(c, &f, &line.function);
	return r < 0 ? r : vec_push(&c->lines, line);
}

static int copy_lines(struct copy *c, const struct pprof_location *from)
{
	c->lines.n = 0;
	for (size_t i = 0; i < from->n_lines; i++) {
		struct pprof_line line = from->lines[i];
		int r = copy_function(c, from->lines[i].function, &line.function);

		if (r >= 0)
			r = vec_push(&c->lines, line);
		if (r < 0)
			return r;
	}
	return from->n_lines ? 0 : name_by_address(c, from);
}

static bool copied_eq(const void *value, const void *key)
{
	return ((const struct copied *)value)->from == key;
}

static int copy_location(struct copy *c, const struct pprof_location *from,
			 const struct pprof_location **ret)
{
	uint64_t hash = hash_u64(0, (uintptr_t)from);
	struct copied *memo = hashmap_get(&c->locations, hash, copied_eq, from);
	struct pprof_location l = *from;

	if (memo) {
		*ret = memo->to;
		return 0;
	}

	memo = arena_alloc(&c->arena, sizeof(*memo));
	if (!memo || (from->mapping && copy_mapping(c, from->mapping, &l.mapping) < 0) ||
	    copy_lines(c, from) < 0)
		return -ENOMEM;
	l.lines = c->lines.data;
	l.n_lines = c->lines.n;
	memo->from = from;
	if (pprof_builder_location(c->builder, &l, &memo->to) < 0)
		return -ENOMEM;
	*ret = memo->to;
	return hashmap_put(&c->locations, hash, memo);
}

static int push_truncated(struct copy *c)
{
	const struct pprof_function f = { .name = PPROF_FRAME_TRUNCATED,
					  .system_name = "",
					  .filename = "" };
	struct pprof_line line = { 0 };
	struct pprof_location l = { .lines = &line, .n_lines = 1 };
	const struct pprof_location *own;
	int r = pprof_builder_function(c->builder, &f, &line.function);

	if (r >= 0)
		r = pprof_builder_location(c->builder, &l, &own);
	return r < 0 ? r : vec_push(&c->stack, own);
}

/* Of a stack that is too deep the server would keep the outer end, and lose where the time went. */
static int copy_stack(struct copy *c, const struct pprof_sample *s)
{
	bool deep = s->n_locations > PYROSCOPE_DEPTH_MAX;
	size_t n = deep ? PYROSCOPE_DEPTH_MAX - 1 : s->n_locations;

	c->stack.n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct pprof_location *own;
		int r = copy_location(c, s->locations[i], &own);

		if (r >= 0)
			r = vec_push(&c->stack, own);
		if (r < 0)
			return r;
	}
	return deep ? push_truncated(c) : 0;
}

static bool is_hex_id(const struct pprof_label *l, size_t bytes)
{
	uint8_t id[16];

	return l && l->str && parse_hex(l->str, id, bytes) == 0;
}

/* As the server asks of names: [a-zA-Z_][a-zA-Z0-9_]* */
static char *series_name(struct arena *a, const char *key)
{
	char *name = arena_strndup(a, key, strlen(key));

	for (char *p = name; p && *p; p++)
		if (!isascii((unsigned char)*p) ||
		    !(isalpha((unsigned char)*p) || (p > name && isdigit((unsigned char)*p))))
			*p = '_';
	return name;
}

/* The labels that the user wants to be kept. */
static int copy_wanted(struct copy *c, const struct pprof_sample *s, struct pprof_label *ret,
		       size_t *n)
{
	const struct pyroscope_keys *keys = c->split->keys;

	for (size_t i = 0; i < keys->n && i < PYROSCOPE_KEYS_MAX; i++) {
		const struct pprof_label *l = pprof_sample_label(s, keys->keys[i]);
		struct pprof_label own = { .num_unit = "" };

		if (!l || !l->str || !*l->str)
			continue;
		own.key = series_name(&c->arena, keys->keys[i]);
		own.str = clean(&c->arena, l->str, PYROSCOPE_LABEL_MAX);
		if (!own.key || !own.str)
			return -ENOMEM;
		ret[(*n)++] = own;
	}
	return 0;
}

static size_t copy_labels(const struct pprof_sample *s, struct pprof_label *ret)
{
	const struct pprof_label *span = pprof_sample_label(s, PPROF_LABEL_SPAN_ID);
	const struct pprof_label *trace = pprof_sample_label(s, PPROF_LABEL_TRACE_ID);
	const struct pprof_label *pid = pprof_sample_label(s, PPROF_LABEL_PID);
	const struct pprof_label *tid = pprof_sample_label(s, PPROF_LABEL_TID);
	size_t n = 0;

	/* An id of another form would be taken as none, without an error. */
	if (is_hex_id(span, 8))
		ret[n++] = *span;
	if (is_hex_id(trace, 16))
		ret[n++] = *trace;
	if (pid && !pid->str)
		ret[n++] = *pid;
	if (tid && !tid->str)
		ret[n++] = *tid;
	return n;
}

static int copy_sample(struct copy *c, const struct pprof_sample *from)
{
	struct pprof_label labels[LABELS_MAX];
	struct pprof_sample s = { .labels = labels, .values = &from->values[c->split->cpu] };
	int r = copy_stack(c, from);

	if (r < 0)
		return r;
	s.n_labels = copy_labels(from, labels);
	r = copy_wanted(c, from, labels, &s.n_labels);
	if (r < 0)
		return r;
	s.locations = c->stack.data;
	s.n_locations = c->stack.n;
	return pprof_builder_sample(c->builder, &s);
}

/*
 * The server files a profile under its time and refuses what is older than an hour, so that a long
 * recording is dated by its end.
 */
static int64_t upload_time(const struct pprof *p)
{
	return p->duration_nanos > LONG_RECORDING ? p->time_nanos + p->duration_nanos
						  : p->time_nanos;
}

static int copy_samples(struct copy *c, size_t from, size_t to, struct pprof **ret)
{
	const struct pprof *p = c->split->src;
	int r = pprof_builder_new(&c->builder);

	if (r >= 0)
		r = pprof_builder_sample_type(c->builder, "cpu", "nanoseconds");
	if (r >= 0)
		r = pprof_builder_period(c->builder, "cpu", "nanoseconds", p->period);
	if (r >= 0)
		r = pprof_builder_time(c->builder, upload_time(p), p->duration_nanos);
	for (size_t i = from; i < to && r >= 0; i++)
		r = copy_sample(c, c->split->items[i].sample);
	if (r < 0)
		return r;

	*ret = pprof_builder_finish(c->builder);
	return pprof_merge_samples(*ret);
}

static int make_profile(const struct split *split, size_t from, size_t to, struct pprof **ret)
{
	CLEANUP(copy_clear) struct copy c = { .split = split };
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	int r = copy_samples(&c, from, to, &p);

	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

static uint64_t count(const struct pprof_sample *s, size_t type)
{
	return type == NO_TYPE ? 1 : s->values[type];
}

static uint64_t count_of(const struct split *split, size_t from, size_t to)
{
	uint64_t sum = 0;

	for (size_t i = from; i < to; i++)
		sum += count(split->items[i].sample, split->count);
	return sum;
}

static int deliver(const struct split *split, size_t from, size_t to, const struct pprof *p)
{
	CLEANUP(arena_clear) struct arena arena = { 0 };
	CLEANUP(freep) uint8_t *gz = NULL;
	CLEANUP(freep) uint32_t *which = calloc(to - from, sizeof(*which));
	struct pyroscope_chunk chunk = { .count = count_of(split, from, to),
					 .samples = which,
					 .n_samples = to - from };

	if (!which)
		return -ENOMEM;
	for (size_t i = from; i < to; i++)
		which[i - from] = split->items[i].sample - split->src->samples;
	chunk.service = clean(&arena, split->items[from].service, PYROSCOPE_LABEL_MAX);
	if (!chunk.service)
		return -ENOMEM;
	if (p) {
		int r = pprof_encode(p, true, &gz, &chunk.len);

		if (r < 0)
			return r;
	}
	chunk.pprof = gz;
	return split->fn(&chunk, split->arg);
}

/* 1: it fits into one request and *ret is set; 0: it does not. */
static int try_profile(const struct split *split, size_t from, size_t to, struct pprof **ret)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	CLEANUP(freep) uint8_t *raw = NULL;
	size_t len;
	int r;

	if (to - from > PYROSCOPE_SAMPLES_MAX)
		return 0;
	r = make_profile(split, from, to, &p);
	if (r >= 0)
		r = pprof_encode(p, false, &raw, &len);
	if (r < 0)
		return r;
	if (len > PYROSCOPE_PROFILE_MAX)
		return 0;

	*ret = TAKE_PTR(p);
	return 1;
}

/* Halves what does not fit: recursion is as deep as the logarithm of the number of samples. */
static int split_range(const struct split *split, size_t from, size_t to)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	size_t middle = from + (to - from) / 2;
	int r = try_profile(split, from, to, &p);

	if (r < 0)
		return r;
	if (r > 0 || to - from == 1)
		return deliver(split, from, to, p);

	r = split_range(split, from, middle);
	return r < 0 ? r : split_range(split, middle, to);
}

/* Samples are one array, so that their addresses are their order. */
static int by_service(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int r = a->service == b->service ? 0 : strcmp(a->service, b->service);

	return r ? r : (a->sample > b->sample) - (a->sample < b->sample);
}

static int split_services(const struct split *split)
{
	size_t n = split->src->n_samples;

	for (size_t from = 0, to; from < n; from = to) {
		int r;

		for (to = from + 1; to < n; to++)
			if (strcmp(split->items[to].service, split->items[from].service) != 0)
				break;
		r = split_range(split, from, to);
		if (r < 0)
			return r;
	}
	return 0;
}

static size_t find_type(const struct pprof *p, const char *type, const char *unit)
{
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (strcmp(p->sample_types[i].type, type) == 0 &&
		    strcmp(p->sample_types[i].unit, unit) == 0)
			return i;
	return NO_TYPE;
}

int pyroscope_split(const struct pprof *p, const struct pyroscope_keys *keys, pyroscope_chunk_fn fn,
		    void *arg)
{
	CLEANUP(freep) struct item *items = NULL;
	struct split split = { .src = p, .keys = keys, .fn = fn, .arg = arg };

	split.cpu = find_type(p, "cpu", "nanoseconds");
	split.count = find_type(p, "samples", "count");
	if (split.cpu == NO_TYPE)
		return -EINVAL;

	items = calloc(p->n_samples + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++)
		items[i] = (struct item){ service_of(&p->samples[i]), &p->samples[i] };
	qsort(items, p->n_samples, sizeof(*items), by_service);
	split.items = items;
	return split_services(&split);
}

uint64_t pyroscope_count(const struct pprof *p)
{
	size_t type = find_type(p, "samples", "count");
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		sum += count(&p->samples[i], type);
	return sum;
}
