/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serialized messages that are concatenated are merged, repeated fields being appended. So the
 * profile is packed and compressed in small messages of one sample or location each, and never
 * exists as a tree of protobuf-c structs, which would take several hundred bytes a sample.
 */
#include <string.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "export/pprof.h"
#include "export/profile.pb-c.h"

typedef Perftools__Profiles__Profile profile_msg;
typedef Perftools__Profiles__ValueType value_type_msg;
typedef Perftools__Profiles__Sample sample_msg;
typedef Perftools__Profiles__Label label_msg;
typedef Perftools__Profiles__Mapping mapping_msg;
typedef Perftools__Profiles__Location location_msg;
typedef Perftools__Profiles__Line line_msg;
typedef Perftools__Profiles__Function function_msg;

#define GZIP_WINDOW (15 + 16) /* 32 KiB window, gzip header: see deflateInit2() */
#define OUT_STEP    (64 * 1024)

/* Numbers objects in the order in which they are first seen, from @first. */
struct id_table {
	struct hashmap map; /* of struct id_entry */
	VEC(const void *) order;
	uint64_t first;
};

struct id_entry {
	const void *object;
	uint64_t id;
};

struct encoder {
	bool gzip;
	z_stream z;
	VEC(uint8_t) out;
	VEC(uint8_t) packed; /* scratch: one message */
	VEC(uint64_t) location_ids;
	VEC(label_msg) labels;
	VEC(label_msg *) label_ptrs;
	VEC(line_msg) lines;
	VEC(line_msg *) line_ptrs;
	struct id_table mappings, locations, functions, strings;
	struct arena arena; /* id entries */
	int error;	    /* sticky */
};

static void id_table_clear(struct id_table *t)
{
	hashmap_clear(&t->map);
	vec_free(&t->order);
}

static void encoder_clear(struct encoder *e)
{
	if (e->gzip)
		deflateEnd(&e->z);
	vec_free(&e->out);
	vec_free(&e->packed);
	vec_free(&e->location_ids);
	vec_free(&e->labels);
	vec_free(&e->label_ptrs);
	vec_free(&e->lines);
	vec_free(&e->line_ptrs);
	id_table_clear(&e->mappings);
	id_table_clear(&e->locations);
	id_table_clear(&e->functions);
	id_table_clear(&e->strings);
	arena_clear(&e->arena);
}

static bool id_entry_eq(const void *value, const void *key)
{
	return ((const struct id_entry *)value)->object == key;
}

static uint64_t id_of(struct encoder *e, struct id_table *t, const void *object)
{
	uint64_t hash = hash_u64(0, (uintptr_t)object);
	struct id_entry *entry = hashmap_get(&t->map, hash, id_entry_eq, object);

	if (entry)
		return entry->id;

	entry = arena_alloc(&e->arena, sizeof(*entry));
	if (!entry || vec_push(&t->order, object) < 0 || hashmap_put(&t->map, hash, entry) < 0) {
		e->error = -ENOMEM;
		return 0;
	}
	*entry = (struct id_entry){ object, t->first + t->order.n - 1 };
	return entry->id;
}

/* By address: the strings of a profile are unique. */
static int64_t string_id(struct encoder *e, const char *str)
{
	return str && *str ? (int64_t)id_of(e, &e->strings, str) : 0;
}

static void compress_out(struct encoder *e, const uint8_t *buf, size_t len, int flush)
{
	e->z.next_in = (Bytef *)buf;
	e->z.avail_in = len;
	do {
		if (vec_reserve(&e->out, OUT_STEP) < 0) {
			e->error = -ENOMEM;
			return;
		}
		e->z.next_out = e->out.data + e->out.n;
		e->z.avail_out = OUT_STEP;
		deflate(&e->z, flush);
		e->out.n += OUT_STEP - e->z.avail_out;
	} while (e->z.avail_out == 0);
}

static void emit(struct encoder *e, const profile_msg *msg)
{
	size_t len = perftools__profiles__profile__get_packed_size(msg);

	e->packed.n = 0;
	if (e->error)
		return;
	if (vec_reserve(&e->packed, len) < 0 || (!e->gzip && vec_reserve(&e->out, len) < 0)) {
		e->error = -ENOMEM;
		return;
	}
	if (e->gzip) {
		perftools__profiles__profile__pack(msg, e->packed.data);
		compress_out(e, e->packed.data, len, Z_NO_FLUSH);
	} else {
		e->out.n += perftools__profiles__profile__pack(msg, e->out.data + e->out.n);
	}
}

static void fill_label(struct encoder *e, const struct pprof_label *l, label_msg *m)
{
	*m = (label_msg)PERFTOOLS__PROFILES__LABEL__INIT;
	m->key = string_id(e, l->key);
	if (l->str) {
		m->str = string_id(e, l->str);
	} else {
		m->num = l->num;
		m->num_unit = string_id(e, l->num_unit);
	}
}

static int reserve_sample(struct encoder *e, const struct pprof_sample *s)
{
	e->location_ids.n = e->labels.n = e->label_ptrs.n = 0;
	if (vec_reserve(&e->location_ids, s->n_locations) < 0 ||
	    vec_reserve(&e->labels, s->n_labels) < 0 ||
	    vec_reserve(&e->label_ptrs, s->n_labels) < 0)
		return -ENOMEM;
	return 0;
}

static void emit_sample(struct encoder *e, const struct pprof *p, const struct pprof_sample *s)
{
	profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
	sample_msg msg = PERFTOOLS__PROFILES__SAMPLE__INIT, *msgs = &msg;

	if (e->error || (e->error = reserve_sample(e, s)) < 0)
		return;

	for (size_t i = 0; i < s->n_locations; i++)
		e->location_ids.data[i] = id_of(e, &e->locations, s->locations[i]);
	for (size_t i = 0; i < s->n_labels; i++) {
		/* On the wire, a string label of no text is a numeric label of value 0. */
		if (s->labels[i].str && !*s->labels[i].str)
			continue;
		fill_label(e, &s->labels[i], &e->labels.data[msg.n_label]);
		e->label_ptrs.data[msg.n_label] = &e->labels.data[msg.n_label];
		msg.n_label++;
	}

	msg.label = e->label_ptrs.data;
	msg.n_location_id = s->n_locations;
	msg.location_id = e->location_ids.data;
	msg.n_value = p->n_sample_types;
	msg.value = (int64_t *)s->values;
	profile.n_sample = 1;
	profile.sample = &msgs;
	emit(e, &profile);
}

static void emit_location(struct encoder *e, uint64_t id, const struct pprof_location *l)
{
	profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
	location_msg msg = PERFTOOLS__PROFILES__LOCATION__INIT, *msgs = &msg;

	e->lines.n = e->line_ptrs.n = 0;
	if (vec_reserve(&e->lines, l->n_lines) < 0 || vec_reserve(&e->line_ptrs, l->n_lines) < 0) {
		e->error = -ENOMEM;
		return;
	}

	for (size_t i = 0; i < l->n_lines; i++) {
		line_msg *line = &e->lines.data[i];

		*line = (line_msg)PERFTOOLS__PROFILES__LINE__INIT;
		line->function_id = id_of(e, &e->functions, l->lines[i].function);
		line->line = l->lines[i].line;
		e->line_ptrs.data[i] = line;
	}
	msg.id = id;
	msg.mapping_id = l->mapping ? id_of(e, &e->mappings, l->mapping) : 0;
	msg.address = l->address;
	msg.n_line = l->n_lines;
	msg.line = e->line_ptrs.data;
	profile.n_location = 1;
	profile.location = &msgs;
	emit(e, &profile);
}

static void emit_mapping(struct encoder *e, uint64_t id, const struct pprof_mapping *m)
{
	profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
	mapping_msg msg = PERFTOOLS__PROFILES__MAPPING__INIT, *msgs = &msg;

	msg.id = id;
	msg.memory_start = m->start;
	msg.memory_limit = m->limit;
	msg.file_offset = m->offset;
	msg.filename = string_id(e, m->filename);
	msg.build_id = string_id(e, m->build_id);
	msg.htlhash = string_id(e, m->htlhash);
	msg.has_functions = m->has_functions;
	msg.has_filenames = m->has_filenames;
	msg.has_line_numbers = m->has_line_numbers;
	msg.has_inline_frames = m->has_inline_frames;
	profile.n_mapping = 1;
	profile.mapping = &msgs;
	emit(e, &profile);
}

static void emit_function(struct encoder *e, uint64_t id, const struct pprof_function *f)
{
	profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
	function_msg msg = PERFTOOLS__PROFILES__FUNCTION__INIT, *msgs = &msg;

	msg.id = id;
	msg.name = string_id(e, f->name);
	msg.system_name = string_id(e, f->system_name);
	msg.filename = string_id(e, f->filename);
	msg.start_line = f->start_line;
	profile.n_function = 1;
	profile.function = &msgs;
	emit(e, &profile);
}

static value_type_msg value_type(struct encoder *e, const struct pprof_value_type *t)
{
	value_type_msg msg = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;

	msg.type = string_id(e, t->type);
	msg.unit = string_id(e, t->unit);
	return msg;
}

static void emit_sample_types(struct encoder *e, const struct pprof *p)
{
	for (size_t i = 0; i < p->n_sample_types; i++) {
		profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
		value_type_msg msg = value_type(e, &p->sample_types[i]), *msgs = &msg;

		profile.n_sample_type = 1;
		profile.sample_type = &msgs;
		emit(e, &profile);
	}
}

static void emit_scalars(struct encoder *e, const struct pprof *p)
{
	profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
	value_type_msg period_type = value_type(e, &p->period_type);

	if (period_type.type || period_type.unit)
		profile.period_type = &period_type;
	profile.period = p->period;
	profile.time_nanos = p->time_nanos;
	profile.duration_nanos = p->duration_nanos;
	/* Readers show the last type unless told otherwise. */
	if (p->default_value + 1 < p->n_sample_types)
		profile.default_sample_type = string_id(e, p->sample_types[p->default_value].type);
	emit(e, &profile);
}

static void emit_comments(struct encoder *e, const struct pprof *p)
{
	for (size_t i = 0; i < p->n_comments; i++) {
		profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
		int64_t id = string_id(e, p->comments[i]);

		profile.n_comment = 1;
		profile.comment = &id;
		emit(e, &profile);
	}
}

/* The format has no strings that are not UTF-8; names of files and programs may be anything. */
static const char *as_utf8(struct encoder *e, const char *str)
{
	size_t len = strlen(str);
	char *copy;

	if (utf8_valid_len(str, len) == len)
		return str;
	copy = arena_strndup(&e->arena, str, len);
	if (copy)
		utf8_replace_invalid(copy, len);
	else
		e->error = -ENOMEM;
	return copy;
}

static void emit_strings(struct encoder *e)
{
	for (size_t i = 0; i < e->strings.order.n; i++) {
		profile_msg profile = PERFTOOLS__PROFILES__PROFILE__INIT;
		char *str = (char *)as_utf8(e, e->strings.order.data[i]);

		profile.n_string_table = 1;
		profile.string_table = &str;
		emit(e, &profile);
	}
}

/* Objects keep the order of the profile's tables; the first mapping is the main program to readers.
 */
static void number_objects(struct encoder *e, const struct pprof *p)
{
	e->mappings.first = e->locations.first = e->functions.first = 1;
	id_of(e, &e->strings, "");
	for (size_t i = 0; i < p->n_mappings; i++)
		id_of(e, &e->mappings, p->mappings[i]);
	for (size_t i = 0; i < p->n_locations; i++)
		id_of(e, &e->locations, p->locations[i]);
	for (size_t i = 0; i < p->n_functions; i++)
		id_of(e, &e->functions, p->functions[i]);
}

/* Each table is written after those that refer to it, which may still add to it. */
static void emit_all(struct encoder *e, const struct pprof *p)
{
	number_objects(e, p);
	emit_sample_types(e, p);
	for (size_t i = 0; i < p->n_samples; i++)
		emit_sample(e, p, &p->samples[i]);
	for (size_t i = 0; i < e->locations.order.n; i++)
		emit_location(e, i + 1, e->locations.order.data[i]);
	for (size_t i = 0; i < e->functions.order.n; i++)
		emit_function(e, i + 1, e->functions.order.data[i]);
	for (size_t i = 0; i < e->mappings.order.n; i++)
		emit_mapping(e, i + 1, e->mappings.order.data[i]);
	emit_scalars(e, p);
	emit_comments(e, p);
	emit_strings(e);
}

int pprof_encode(const struct pprof *p, bool gzip, uint8_t **ret, size_t *ret_len)
{
	CLEANUP(encoder_clear) struct encoder e = { 0 };

	if (gzip && deflateInit2(&e.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
				 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	e.gzip = gzip;

	emit_all(&e, p);
	if (gzip && !e.error)
		compress_out(&e, NULL, 0, Z_FINISH);
	if (e.error)
		return e.error;

	*ret_len = e.out.n;
	*ret = TAKE_PTR(e.out.data);
	return 0;
}
