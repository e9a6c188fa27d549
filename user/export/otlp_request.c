/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sample's identity (stack, attributes, link) is packed first; what was observed is appended when
 * the request is written. So samples that are the same to OTLP become one.
 *
 * All samples of an OTLP profile are to have the same shape. A resource has up to two profiles: of
 * what was counted at a known time, timestamps only, and of the rest, one value a sample. Servers
 * take the weight of a timestamp from the period.
 */
#include "export/otlp_request.h"

#include <string.h>
#include <sys/random.h>

#include "base/parse.h"
#include "export/otlp_dictionary.h"
#include "export/otlp_label.h"

#define SCOPE "spanprof"

#define OTLP_ATTRIBUTES_MAX 128 /* of one sample, or of its resource; those behind are left out */

/* Headers of a sample, its observations without timestamps; of a resource with its profiles. */
#define SAMPLE_OVERHEAD	  32
#define PROFILE_OVERHEAD  128
#define RESOURCE_OVERHEAD 64
#define REQUEST_OVERHEAD  16

enum shape { TIMED, VALUED, SHAPES };

/* Timestamps stay with the samples of the pprof until they are written. */
struct source {
	const struct pprof_sample *sample;
	uint64_t n; /* how many of its timestamps */
	struct source *next;
};

struct observed {
	uint64_t count;
	struct source *first, **last; /* TIMED */
};

struct profile {
	struct otlp_table identities;
	VEC(struct observed) observed; /* of the identity of the same index */
};

struct resource {
	struct profile profiles[SHAPES];
};

struct otlp_request {
	const struct pprof *pprof;
	struct otlp_memory memory;
	struct otlp_dictionary dictionary;
	struct otlp_table resource_table;
	VEC(struct resource) resources; /* of the resource of the same index */
	Otlp__ValueType sample_type, period_type;
	size_t size; /* of all but the dictionary and the tables */
	size_t n_profiles;
	/* Scratch, of the sample at hand. */
	VEC(int32_t) attributes;
	VEC(Otlp__KeyValue) pairs;
	VEC(Otlp__AnyValue) values;
	VEC(Otlp__KeyValue *) pair_ptrs;
	VEC(const char *) names;
	VEC(uint64_t) times;
	VEC(uint8_t) bytes;
};

static void profile_clear(struct profile *p)
{
	otlp_table_clear(&p->identities);
	vec_free(&p->observed);
}

void otlp_request_free(struct otlp_request *r)
{
	if (!r)
		return;

	for (size_t i = 0; i < r->resources.n; i++)
		for (int shape = 0; shape < SHAPES; shape++)
			profile_clear(&r->resources.data[i].profiles[shape]);
	vec_free(&r->resources);
	otlp_table_clear(&r->resource_table);
	otlp_dictionary_clear(&r->dictionary);
	otlp_memory_clear(&r->memory);
	vec_free(&r->attributes);
	vec_free(&r->pairs);
	vec_free(&r->values);
	vec_free(&r->pair_ptrs);
	vec_free(&r->names);
	vec_free(&r->times);
	vec_free(&r->bytes);
	free(r);
}

/* samples/count with a period of cpu/nanoseconds is what servers know as a profile of the CPU. */
static int add_types(struct otlp_request *r)
{
	struct otlp_dictionary *d = &r->dictionary;

	r->sample_type = r->period_type = (Otlp__ValueType)OTLP__VALUE_TYPE__INIT;
	if (otlp_dictionary_string(d, "samples", &r->sample_type.type_strindex) < 0 ||
	    otlp_dictionary_string(d, "count", &r->sample_type.unit_strindex) < 0 ||
	    otlp_dictionary_string(d, "cpu", &r->period_type.type_strindex) < 0 ||
	    otlp_dictionary_string(d, "nanoseconds", &r->period_type.unit_strindex) < 0)
		return -ENOMEM;
	return 0;
}

int otlp_request_new(const struct pprof *p, struct otlp_request **ret)
{
	CLEANUP(otlp_request_freep) struct otlp_request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->pprof = p;
	r->size = REQUEST_OVERHEAD;
	if (getrandom(&r->memory.seed, sizeof(r->memory.seed), GRND_NONBLOCK) < 0)
		r->memory.seed = (uintptr_t)r;
	if (otlp_dictionary_init(&r->dictionary, &r->memory) < 0 || add_types(r) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(r);
	return 0;
}

/* --- labels ----------------------------------------------------------------------------------- */

struct links {
	const struct pprof_label *trace, *span;
};

/* Keys are unique: of each the first counts. 1: it is the first, and there is room; 0; -ENOMEM. */
static int claim_name(struct otlp_request *r, const char *name)
{
	for (size_t i = 0; i < r->names.n; i++)
		if (strcmp(r->names.data[i], name) == 0)
			return 0;
	if (r->names.n >= OTLP_ATTRIBUTES_MAX)
		return 0;
	return vec_push(&r->names, name) < 0 ? -ENOMEM : 1;
}

static int add_attribute(struct otlp_request *r, const char *name, const struct pprof_label *l)
{
	const char *key = otlp_text(&r->memory, name);
	int32_t index;
	int claimed = key ? claim_name(r, key) : -ENOMEM;

	if (claimed <= 0)
		return claimed;
	if (otlp_dictionary_attribute(&r->dictionary, key, l, &index) < 0)
		return -ENOMEM;
	return vec_push(&r->attributes, index);
}

static int add_pair(struct otlp_request *r, const char *name, const struct pprof_label *l)
{
	Otlp__KeyValue pair = OTLP__KEY_VALUE__INIT;
	Otlp__AnyValue value = OTLP__ANY_VALUE__INIT;
	int claimed;

	pair.key = (char *)otlp_text(&r->memory, name);
	claimed = pair.key ? claim_name(r, pair.key) : -ENOMEM;
	if (claimed <= 0)
		return claimed;
	if (otlp_value(&r->memory, l, &value) < 0 || vec_push(&r->values, value) < 0)
		return -ENOMEM;
	return vec_push(&r->pairs, pair);
}

/* True and the bytes if it is well formed and not all zero, which is no id. */
static bool read_id(const struct pprof_label *l, uint8_t *ret, size_t len)
{
	static const uint8_t none[16];

	return l && l->str && parse_hex(l->str, ret, len) == 0 && memcmp(ret, none, len) != 0;
}

/* Half a link is none: what there is of it stays an attribute, under its own name. */
static int add_link(struct otlp_request *r, const struct links *l, int32_t *ret)
{
	uint8_t trace[16], span[8];
	bool has_trace = read_id(l->trace, trace, sizeof(trace));
	bool has_span = read_id(l->span, span, sizeof(span));

	*ret = 0;
	if (has_trace && has_span)
		return otlp_dictionary_link(&r->dictionary, trace, span, ret);
	if (has_trace)
		return add_attribute(r, PPROF_LABEL_TRACE_ID, l->trace);
	return has_span ? add_attribute(r, PPROF_LABEL_SPAN_ID, l->span) : 0;
}

static int add_sample_label(struct otlp_request *r, const struct pprof_label *l,
			    struct links *links)
{
	const char *name;

	switch (otlp_label_place(l, &name)) {
	case OTLP_PLACE_SAMPLE:
		return add_attribute(r, name, l);
	case OTLP_PLACE_TRACE:
		links->trace = links->trace ? links->trace : l;
		return 0;
	case OTLP_PLACE_SPAN:
		links->span = links->span ? links->span : l;
		return 0;
	default:
		return 0;
	}
}

static int compare_indices(const void *x, const void *y)
{
	int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;

	return (a > b) - (a < b);
}

/* Leaves the packed identity in r->bytes. */
static int make_identity(struct otlp_request *r, const struct pprof_sample *s)
{
	Otlp__Sample msg = OTLP__SAMPLE__INIT;
	struct links links = { 0 };

	r->names.n = r->attributes.n = 0;
	for (size_t i = 0; i < s->n_labels; i++)
		if (add_sample_label(r, &s->labels[i], &links) < 0)
			return -ENOMEM;
	if (add_link(r, &links, &msg.link_index) < 0 ||
	    otlp_dictionary_stack(&r->dictionary, s, &msg.stack_index) < 0)
		return -ENOMEM;
	if (r->attributes.n)
		qsort(r->attributes.data, r->attributes.n, sizeof(int32_t), compare_indices);
	msg.n_attribute_indices = r->attributes.n;
	msg.attribute_indices = r->attributes.data;

	r->bytes.n = 0;
	if (vec_reserve(&r->bytes, otlp__sample__get_packed_size(&msg) + 1) < 0)
		return -ENOMEM;
	r->bytes.n = otlp__sample__pack(&msg, r->bytes.data);
	return 0;
}

/* --- resources -------------------------------------------------------------------------------- */

static int by_key(const void *x, const void *y)
{
	const Otlp__KeyValue *a = x, *b = y;

	return strcmp(a->key, b->key);
}

static int collect_pairs(struct otlp_request *r, const struct pprof_sample *s)
{
	r->names.n = r->pairs.n = r->values.n = r->pair_ptrs.n = 0;
	for (size_t i = 0; i < s->n_labels; i++) {
		const char *name;

		if (otlp_label_place(&s->labels[i], &name) == OTLP_PLACE_RESOURCE &&
		    add_pair(r, name, &s->labels[i]) < 0)
			return -ENOMEM;
	}
	return vec_reserve(&r->pair_ptrs, r->pairs.n);
}

static int find_resource(struct otlp_request *r, const struct pprof_sample *s, uint32_t *ret)
{
	Otlp__Resource msg = OTLP__RESOURCE__INIT;

	if (collect_pairs(r, s) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < r->pairs.n; i++)
		r->pairs.data[i].value = &r->values.data[i];
	/* In the order of their names: which resource it is does not depend on that of labels. */
	if (r->pairs.n)
		qsort(r->pairs.data, r->pairs.n, sizeof(Otlp__KeyValue), by_key);
	for (size_t i = 0; i < r->pairs.n; i++)
		r->pair_ptrs.data[i] = &r->pairs.data[i];
	msg.n_attributes = r->pairs.n;
	msg.attributes = r->pair_ptrs.data;
	if (otlp_table_pack(&r->resource_table, &r->memory, &msg.base, ret) < 0)
		return -ENOMEM;
	if (*ret < r->resources.n)
		return 0;
	r->size += RESOURCE_OVERHEAD;
	return vec_push(&r->resources, (struct resource){ 0 });
}

/* --- samples ---------------------------------------------------------------------------------- */

static bool is_timestamp(const struct pprof_label *l)
{
	return !l->str && l->num > 0 && strcmp(l->key, PPROF_LABEL_TIMESTAMP) == 0;
}

static uint64_t count_timestamps(const struct pprof_sample *s, uint64_t max)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n_labels && n < max; i++)
		n += is_timestamp(&s->labels[i]);
	return n;
}

static struct observed *find_observed(struct otlp_request *r, struct profile *p)
{
	uint32_t index;

	if (p->identities.items.n == 0) {
		r->size += PROFILE_OVERHEAD;
		r->n_profiles++;
	}
	if (otlp_table_add(&p->identities, &r->memory, r->bytes.data, r->bytes.n, &index) < 0)
		return NULL;
	if (index == p->observed.n) {
		r->size += otlp_field_size(r->bytes.n) + SAMPLE_OVERHEAD;
		if (vec_push(&p->observed, (struct observed){ 0 }) < 0)
			return NULL;
	}
	return &p->observed.data[index];
}

static int observe_times(struct otlp_request *r, struct profile *p, const struct pprof_sample *s,
			 uint64_t n)
{
	struct observed *o = find_observed(r, p);
	struct source *source = arena_alloc(&r->memory.arena, sizeof(*source));

	if (!o || !source)
		return -ENOMEM;
	*source = (struct source){ .sample = s, .n = n };
	if (o->first)
		*o->last = source;
	else
		o->first = source;
	o->last = &source->next;
	o->count += n;
	r->size += n * sizeof(uint64_t);
	return 0;
}

static int observe_value(struct otlp_request *r, struct profile *p, uint64_t count)
{
	struct observed *o = find_observed(r, p);

	if (!o)
		return -ENOMEM;
	o->count += count;
	return 0;
}

int otlp_request_add(struct otlp_request *r, const struct pprof_sample *s, uint64_t count,
		     bool times)
{
	uint64_t n_timed = times ? count_timestamps(s, count) : 0;
	struct profile *profiles;
	uint32_t resource;

	if (find_resource(r, s, &resource) < 0 || make_identity(r, s) < 0)
		return -ENOMEM;
	profiles = r->resources.data[resource].profiles;
	if (n_timed && observe_times(r, &profiles[TIMED], s, n_timed) < 0)
		return -ENOMEM;
	/* What has no timestamp, as the list was cut, counts all the same. */
	return n_timed < count ? observe_value(r, &profiles[VALUED], count - n_timed) : 0;
}

size_t otlp_request_size(const struct otlp_request *r)
{
	return r->size + otlp_dictionary_size(&r->dictionary) + r->resource_table.size;
}

size_t otlp_request_profiles(const struct otlp_request *r)
{
	return r->n_profiles;
}

/* --- packing ---------------------------------------------------------------------------------- */

static int collect_times(struct otlp_request *r, const struct observed *o)
{
	r->times.n = 0;
	if (vec_reserve(&r->times, o->count) < 0)
		return -ENOMEM;
	for (const struct source *from = o->first; from; from = from->next) {
		uint64_t n = 0;

		for (size_t i = 0; n < from->n; i++)
			if (is_timestamp(&from->sample->labels[i])) {
				r->times.data[r->times.n++] = from->sample->labels[i].num;
				n++;
			}
	}
	return 0;
}

/* Fields of one message may be packed apart and put together. */
static int pack_sample(struct otlp_request *r, const ProtobufCBinaryData *identity,
		       const struct observed *o, ProtobufCBinaryData *ret)
{
	Otlp__Sample msg = OTLP__SAMPLE__INIT;
	int64_t value = o->count < INT64_MAX ? (int64_t)o->count : INT64_MAX;

	if (o->first) {
		if (collect_times(r, o) < 0)
			return -ENOMEM;
		msg.n_timestamps_unix_nano = r->times.n;
		msg.timestamps_unix_nano = r->times.data;
	} else {
		msg.n_values = 1;
		msg.values = &value;
	}
	ret->len = identity->len + otlp__sample__get_packed_size(&msg);
	ret->data = arena_alloc(&r->memory.arena, ret->len);
	if (!ret->data)
		return -ENOMEM;
	memcpy(ret->data, identity->data, identity->len);
	otlp__sample__pack(&msg, ret->data + identity->len);
	return 0;
}

static int fill_profile(struct otlp_request *r, const struct profile *p, Otlp__Profile *msg)
{
	const struct pprof *from = r->pprof;

	msg->samples = arena_alloc(&r->memory.arena, p->observed.n * sizeof(*msg->samples));
	if (!msg->samples)
		return -ENOMEM;
	for (size_t i = 0; i < p->observed.n; i++)
		if (pack_sample(r, &p->identities.items.data[i], &p->observed.data[i],
				&msg->samples[i]) < 0)
			return -ENOMEM;
	msg->n_samples = p->observed.n;
	msg->sample_type = &r->sample_type;
	msg->period_type = &r->period_type;
	msg->period = from->period;
	msg->time_unix_nano = from->time_nanos > 0 ? from->time_nanos : 0;
	msg->duration_nano = from->duration_nanos > 0 ? from->duration_nanos : 0;
	return 0;
}

static int pack_resource(struct otlp_request *r, size_t index, ProtobufCBinaryData *ret)
{
	const struct resource *from = &r->resources.data[index];
	Otlp__Profile profiles[SHAPES], *profile_ptrs[SHAPES];
	Otlp__Scope scope = OTLP__SCOPE__INIT;
	Otlp__ScopeProfiles scoped = OTLP__SCOPE_PROFILES__INIT, *scopes = &scoped;
	Otlp__ResourceProfiles msg = OTLP__RESOURCE_PROFILES__INIT;

	scope.name = (char *)SCOPE;
	scope.version = (char *)SPANPROF_VERSION;
	scoped.scope = &scope;
	scoped.profiles = profile_ptrs;
	for (int shape = 0; shape < SHAPES; shape++) {
		Otlp__Profile *p = &profiles[scoped.n_profiles];

		if (!from->profiles[shape].observed.n)
			continue;
		*p = (Otlp__Profile)OTLP__PROFILE__INIT;
		if (fill_profile(r, &from->profiles[shape], p) < 0)
			return -ENOMEM;
		profile_ptrs[scoped.n_profiles++] = p;
	}
	msg.resource = r->resource_table.items.data[index];
	msg.n_scope_profiles = 1;
	msg.scope_profiles = &scopes;
	ret->len = otlp__resource_profiles__get_packed_size(&msg);
	ret->data = arena_alloc(&r->memory.arena, ret->len);
	if (!ret->data)
		return -ENOMEM;
	otlp__resource_profiles__pack(&msg, ret->data);
	return 0;
}

int otlp_request_pack(struct otlp_request *r, uint8_t **ret, size_t *ret_len)
{
	Otlp__Dictionary dictionary = otlp_dictionary_message(&r->dictionary);
	Otlp__ExportRequest msg = OTLP__EXPORT_REQUEST__INIT;
	size_t n = r->resources.n;
	uint8_t *buf;

	msg.resource_profiles =
		arena_alloc(&r->memory.arena, (n + 1) * sizeof(*msg.resource_profiles));
	if (!msg.resource_profiles)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (pack_resource(r, i, &msg.resource_profiles[i]) < 0)
			return -ENOMEM;
	msg.n_resource_profiles = n;
	msg.dictionary = &dictionary;

	*ret_len = otlp__export_request__get_packed_size(&msg);
	buf = malloc(*ret_len);
	if (!buf)
		return -ENOMEM;
	otlp__export_request__pack(&msg, buf);
	*ret = buf;
	return 0;
}
