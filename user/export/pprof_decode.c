/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign profiles. Tables may stand in any order, so the message is walked several times, first
 * for what others refer to; each field is unpacked by itself into memory that the next one reuses.
 * Everything goes through a builder, so that what comes out is as compact as a profile of our own.
 */
#include <string.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "ctx/proto_wire.h"
#include "export/gunzip.h"
#include "export/pprof.h"
#include "export/pprof_internal.h"
#include "export/profile.pb-c.h"

#define INFLATED_MAX (1UL << 30)
#define SCRATCH_MAX  (256UL << 20) /* one unpacked field */
#define PROFILE_MAX  (2UL << 30)   /* tables, stacks and strings of the result */
#define ENTRIES_MAX  (32UL << 20)  /* samples; strings */

typedef Perftools__Profiles__Profile profile_msg;
typedef Perftools__Profiles__ValueType value_type_msg;
typedef Perftools__Profiles__Sample sample_msg;
typedef Perftools__Profiles__Label label_msg;
typedef Perftools__Profiles__Mapping mapping_msg;
typedef Perftools__Profiles__Location location_msg;
typedef Perftools__Profiles__Function function_msg;

/* Field numbers of Profile. */
enum field {
	FIELD_SAMPLE_TYPE = 1,
	FIELD_SAMPLE = 2,
	FIELD_MAPPING = 3,
	FIELD_LOCATION = 4,
	FIELD_FUNCTION = 5,
	FIELD_STRING_TABLE = 6,
	FIELD_TIME_NANOS = 9,
	FIELD_DURATION_NANOS = 10,
	FIELD_PERIOD_TYPE = 11,
	FIELD_PERIOD = 12,
	FIELD_COMMENT = 13,
	FIELD_DEFAULT_SAMPLE_TYPE = 14,
};

struct id_entry {
	uint64_t id;
	const void *object; /* the builder's */
};

struct decoder {
	struct pprof_builder *builder;
	struct arena scratch;
	bool scratch_failed;
	struct arena ids;
	struct hashmap mappings, locations, functions; /* of struct id_entry */
	VEC(const char *) strings;
	VEC(struct pprof_line) lines;
	VEC(const struct pprof_location *) stack;
	VEC(struct pprof_label) labels;
	size_t n_sample_types, n_samples;
	struct pprof_value_type period_type;
	int64_t period, time_nanos, duration_nanos;
	const char *default_type;
};

typedef int (*field_fn)(struct decoder *d, const struct proto_field *f, const profile_msg *msg);

static void decoder_clear(struct decoder *d)
{
	pprof_builder_free(d->builder);
	arena_clear(&d->scratch);
	arena_clear(&d->ids);
	hashmap_clear(&d->mappings);
	hashmap_clear(&d->locations);
	hashmap_clear(&d->functions);
	vec_free(&d->strings);
	vec_free(&d->lines);
	vec_free(&d->stack);
	vec_free(&d->labels);
}

static void *scratch_alloc(void *data, size_t size)
{
	struct decoder *d = data;
	void *p = arena_alloc(&d->scratch, size);

	d->scratch_failed |= !p;
	return p;
}

static void scratch_free(void *data, void *ptr)
{
}

/* Unpacks the @len bytes of one field of Profile. *ret holds until the next call. */
static int unpack_field(struct decoder *d, const uint8_t *buf, size_t len, profile_msg **ret)
{
	ProtobufCAllocator alloc = { scratch_alloc, scratch_free, d };
	profile_msg *msg;

	arena_reset(&d->scratch);
	d->scratch_failed = false;
	msg = perftools__profiles__profile__unpack(&alloc, len, buf);
	if (!msg)
		return d->scratch_failed ? -ENOMEM : -EBADMSG;
	*ret = msg;
	return 0;
}

/* Calls @fn for each field whose number is in the set @fields (bits). */
static int walk(struct decoder *d, struct proto_slice msg, uint64_t fields, field_fn fn)
{
	for (;;) {
		const uint8_t *start = msg.data;
		struct proto_field f;
		profile_msg *one = NULL;
		int r = proto_next(&msg, &f);

		if (r <= 0)
			return r;
		if (f.number >= 64 || !(fields >> f.number & 1))
			continue;
		/* Strings are taken as they are. */
		if (f.number != FIELD_STRING_TABLE)
			r = unpack_field(d, start, msg.data - start, &one);
		if (r >= 0)
			r = fn(d, &f, one);
		if (r < 0)
			return r;
	}
}

static bool id_entry_eq(const void *value, const void *key)
{
	return ((const struct id_entry *)value)->id == *(const uint64_t *)key;
}

static const void *object_of(const struct hashmap *map, uint64_t id)
{
	struct id_entry *e = hashmap_get(map, hash_u64((uintptr_t)map, id), id_entry_eq, &id);

	return e ? e->object : NULL;
}

/* An id that is 0 or used twice is an error. */
static int add_id(struct decoder *d, struct hashmap *map, uint64_t id, const void *object)
{
	struct id_entry *e;

	if (id == 0 || object_of(map, id))
		return -EBADMSG;

	e = arena_alloc(&d->ids, sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = (struct id_entry){ id, object };
	return hashmap_put(map, hash_u64((uintptr_t)map, id), e);
}

static int get_string(const struct decoder *d, int64_t index, const char **ret)
{
	if (index == 0) {
		*ret = "";
		return 0;
	}
	if (index < 0 || (uint64_t)index >= d->strings.n)
		return -EBADMSG;
	*ret = d->strings.data[index];
	return 0;
}

static int on_string(struct decoder *d, const struct proto_field *f, const profile_msg *msg)
{
	const char *str;
	int r;

	if (f->type != PROTO_LEN || (d->strings.n == 0 && f->slice.len != 0))
		return -EBADMSG; /* string 0 must be "" */
	if (d->strings.n >= ENTRIES_MAX)
		return -EFBIG;

	r = pprof_builder_string(d->builder, (const char *)f->slice.data, f->slice.len, &str);
	return r < 0 ? r : vec_push(&d->strings, str);
}

static int get_value_type(const struct decoder *d, const value_type_msg *msg,
			  struct pprof_value_type *ret)
{
	int r = get_string(d, msg->type, &ret->type);

	return r < 0 ? r : get_string(d, msg->unit, &ret->unit);
}

static int add_sample_type(struct decoder *d, const value_type_msg *msg)
{
	struct pprof_value_type t;
	int r = get_value_type(d, msg, &t);

	if (r < 0)
		return r;
	d->n_sample_types++;
	return pprof_builder_sample_type(d->builder, t.type, t.unit);
}

static int add_mapping(struct decoder *d, const mapping_msg *msg)
{
	struct pprof_mapping m = {
		.start = msg->memory_start,
		.limit = msg->memory_limit,
		.offset = msg->file_offset,
		.has_functions = msg->has_functions,
		.has_filenames = msg->has_filenames,
		.has_line_numbers = msg->has_line_numbers,
		.has_inline_frames = msg->has_inline_frames,
	};
	const struct pprof_mapping *own;
	int r = get_string(d, msg->filename, &m.filename);

	if (r >= 0)
		r = get_string(d, msg->build_id, &m.build_id);
	if (r >= 0)
		r = get_string(d, msg->htlhash, &m.htlhash);
	if (r >= 0)
		r = pprof_builder_mapping(d->builder, &m, &own);
	return r < 0 ? r : add_id(d, &d->mappings, msg->id, own);
}

static int add_function(struct decoder *d, const function_msg *msg)
{
	struct pprof_function f = { .start_line = msg->start_line };
	const struct pprof_function *own;
	int r = get_string(d, msg->name, &f.name);

	if (r >= 0)
		r = get_string(d, msg->system_name, &f.system_name);
	if (r >= 0)
		r = get_string(d, msg->filename, &f.filename);
	if (r >= 0)
		r = pprof_builder_function(d->builder, &f, &own);
	return r < 0 ? r : add_id(d, &d->functions, msg->id, own);
}

static int add_comments(struct decoder *d, const profile_msg *msg)
{
	for (size_t i = 0; i < msg->n_comment; i++) {
		const char *text;
		int r = get_string(d, msg->comment[i], &text);

		if (r >= 0)
			r = pprof_builder_comment(d->builder, text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Everything that refers to nothing but strings; @msg has exactly one element of a repeated field.
 */
static int on_simple(struct decoder *d, const struct proto_field *f, const profile_msg *msg)
{
	switch ((enum field)f->number) {
	case FIELD_SAMPLE_TYPE:
		return add_sample_type(d, msg->sample_type[0]);
	case FIELD_MAPPING:
		return add_mapping(d, msg->mapping[0]);
	case FIELD_FUNCTION:
		return add_function(d, msg->function[0]);
	case FIELD_COMMENT:
		return add_comments(d, msg);
	case FIELD_PERIOD_TYPE:
		return get_value_type(d, msg->period_type, &d->period_type);
	case FIELD_PERIOD:
		d->period = msg->period;
		return 0;
	case FIELD_TIME_NANOS:
		d->time_nanos = msg->time_nanos;
		return 0;
	case FIELD_DURATION_NANOS:
		d->duration_nanos = msg->duration_nanos;
		return 0;
	case FIELD_DEFAULT_SAMPLE_TYPE:
		return get_string(d, msg->default_sample_type, &d->default_type);
	default:
		return 0;
	}
}

static int add_line(struct decoder *d, const Perftools__Profiles__Line *msg)
{
	const struct pprof_function *f;

	/* Some writers leave the function out where they know none: that says nothing. */
	if (msg->function_id == 0)
		return 0;
	f = object_of(&d->functions, msg->function_id);
	if (!f)
		return -EBADMSG;
	return vec_push(&d->lines, (struct pprof_line){ f, msg->line });
}

static int on_location(struct decoder *d, const struct proto_field *f, const profile_msg *profile)
{
	const location_msg *msg = profile->location[0];
	struct pprof_location l = { .address = msg->address };
	const struct pprof_location *own;
	int r;

	l.mapping = object_of(&d->mappings, msg->mapping_id);
	if (msg->mapping_id != 0 && !l.mapping)
		return -EBADMSG;

	d->lines.n = 0;
	for (size_t i = 0; i < msg->n_line; i++) {
		r = add_line(d, msg->line[i]);
		if (r < 0)
			return r;
	}
	l.lines = d->lines.data;
	l.n_lines = d->lines.n;

	r = pprof_builder_location(d->builder, &l, &own);
	return r < 0 ? r : add_id(d, &d->locations, msg->id, own);
}

static int get_stack(struct decoder *d, const sample_msg *msg)
{
	d->stack.n = 0;
	if (vec_reserve(&d->stack, msg->n_location_id) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < msg->n_location_id; i++) {
		const struct pprof_location *l = object_of(&d->locations, msg->location_id[i]);

		if (!l)
			return -EBADMSG;
		d->stack.data[d->stack.n++] = l;
	}
	return 0;
}

static int get_labels(struct decoder *d, const sample_msg *msg)
{
	d->labels.n = 0;
	if (vec_reserve(&d->labels, msg->n_label) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < msg->n_label; i++) {
		const label_msg *m = msg->label[i];
		struct pprof_label l = { .num = m->num };

		if (get_string(d, m->key, &l.key) < 0 ||
		    get_string(d, m->num_unit, &l.num_unit) < 0)
			return -EBADMSG;
		if (m->str != 0 && get_string(d, m->str, &l.str) < 0)
			return -EBADMSG;
		d->labels.data[d->labels.n++] = l;
	}
	return 0;
}

static int on_sample(struct decoder *d, const struct proto_field *f, const profile_msg *profile)
{
	const sample_msg *msg = profile->sample[0];
	struct pprof_sample s = { .n_locations = msg->n_location_id, .n_labels = msg->n_label };
	int r;

	if (msg->n_value != d->n_sample_types)
		return -EBADMSG;
	if (d->n_samples++ >= ENTRIES_MAX)
		return -EFBIG;
	r = get_stack(d, msg);
	if (r >= 0)
		r = get_labels(d, msg);
	if (r < 0)
		return r;

	s.locations = d->stack.data;
	s.labels = d->labels.data;
	s.values = msg->value;
	return pprof_builder_sample(d->builder, &s);
}

#define BIT(field) (1ULL << (field))
#define SIMPLE                                                                                     \
	(BIT(FIELD_SAMPLE_TYPE) | BIT(FIELD_MAPPING) | BIT(FIELD_FUNCTION) | BIT(FIELD_COMMENT) |  \
	 BIT(FIELD_PERIOD_TYPE) | BIT(FIELD_PERIOD) | BIT(FIELD_TIME_NANOS) |                      \
	 BIT(FIELD_DURATION_NANOS) | BIT(FIELD_DEFAULT_SAMPLE_TYPE))

static int decode_fields(struct decoder *d, struct proto_slice msg)
{
	int r = walk(d, msg, BIT(FIELD_STRING_TABLE), on_string);

	pprof_builder_trust_strings(d->builder);
	if (r >= 0)
		r = walk(d, msg, SIMPLE, on_simple);
	/* Nearly any bytes are some protobuf message; a profile says what it counts. */
	if (r >= 0 && d->n_sample_types == 0)
		r = -EBADMSG;
	if (r >= 0)
		r = walk(d, msg, BIT(FIELD_LOCATION), on_location);
	if (r >= 0)
		r = walk(d, msg, BIT(FIELD_SAMPLE), on_sample);
	return r;
}

static void choose_default(struct pprof *p, const char *type)
{
	for (size_t i = 0; *type && i < p->n_sample_types; i++)
		if (strcmp(p->sample_types[i].type, type) == 0)
			p->default_value = i;
}

static int decode_message(struct proto_slice msg, struct pprof **ret)
{
	CLEANUP(decoder_clear)
	struct decoder d = { .scratch.limit = SCRATCH_MAX,
			     .ids.limit = PROFILE_MAX,
			     .period_type = { "", "" },
			     .default_type = "" };
	int r = pprof_builder_new(&d.builder);

	if (r < 0)
		return r;
	pprof_builder_limit(d.builder, PROFILE_MAX);

	r = decode_fields(&d, msg);
	if (r >= 0)
		r = pprof_builder_period(d.builder, d.period_type.type, d.period_type.unit,
					 d.period);
	if (r >= 0)
		r = pprof_builder_time(d.builder, d.time_nanos, d.duration_nanos);
	if (r < 0)
		return r;

	*ret = pprof_builder_finish(d.builder);
	choose_default(*ret, d.default_type);
	return 0;
}

int pprof_decode(const void *buf, size_t len, struct pprof **ret)
{
	CLEANUP(freep) uint8_t *inflated = NULL;
	struct proto_slice msg = { buf, len };

	if (gunzip_is(buf, len)) {
		int r = gunzip(buf, len, INFLATED_MAX, &inflated, &msg.len);

		if (r < 0)
			return r;
		msg.data = inflated;
	}
	return decode_message(msg, ret);
}
