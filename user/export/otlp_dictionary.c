/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_dictionary.h"

#include <string.h>

#include "export/otlp_frame.h"

struct memo {
	const void *from;
	int32_t index;
};

static int add_zero_values(struct otlp_dictionary *d)
{
	/* Of links those of full length: some readers accept no other. */
	static uint8_t none[16];
	Otlp__Link link = OTLP__LINK__INIT;
	uint32_t index;

	link.trace_id = (ProtobufCBinaryData){ 16, none };
	link.span_id = (ProtobufCBinaryData){ 8, none };
	for (int i = 0; i < OTLP_TABLES; i++) {
		int r = i == OTLP_LINKS
				? otlp_table_pack(&d->tables[i], d->memory, &link.base, &index)
				: otlp_table_add(&d->tables[i], d->memory, "", 0, &index);

		if (r < 0)
			return r;
	}
	return 0;
}

int otlp_dictionary_init(struct otlp_dictionary *d, struct otlp_memory *m)
{
	*d = (struct otlp_dictionary){ .memory = m };
	return add_zero_values(d);
}

void otlp_dictionary_clear(struct otlp_dictionary *d)
{
	for (int i = 0; i < OTLP_TABLES; i++)
		otlp_table_clear(&d->tables[i]);
	hashmap_clear(&d->memo);
	vec_free(&d->indices);
	vec_free(&d->lines);
	vec_free(&d->line_ptrs);
}

static int add(struct otlp_dictionary *d, enum otlp_table_id table, const ProtobufCMessage *msg,
	       int32_t *ret)
{
	uint32_t index;
	int r = otlp_table_pack(&d->tables[table], d->memory, msg, &index);

	if (r == 0)
		*ret = (int32_t)index;
	return r;
}

int otlp_dictionary_string(struct otlp_dictionary *d, const char *str, int32_t *ret)
{
	const char *text = otlp_text(d->memory, str);
	uint32_t index;

	if (!text ||
	    otlp_table_add(&d->tables[OTLP_STRINGS], d->memory, text, strlen(text), &index) < 0)
		return -ENOMEM;
	*ret = (int32_t)index;
	return 0;
}

static bool memo_eq(const void *value, const void *key)
{
	return ((const struct memo *)value)->from == key;
}

static const struct memo *recall(const struct otlp_dictionary *d, const void *from)
{
	return hashmap_get(&d->memo, hash_u64(0, (uintptr_t)from), memo_eq, from);
}

static int remember(struct otlp_dictionary *d, const void *from, int32_t index)
{
	struct memo *m = arena_alloc(&d->memory->arena, sizeof(*m));

	if (!m)
		return -ENOMEM;
	*m = (struct memo){ from, index };
	return hashmap_put(&d->memo, hash_u64(0, (uintptr_t)from), m);
}

/* --- attributes ------------------------------------------------------------------------------- */

/* The text itself, as servers do not resolve references to the dictionary here yet. */
int otlp_value(struct otlp_memory *m, const struct pprof_label *l, Otlp__AnyValue *ret)
{
	*ret = (Otlp__AnyValue)OTLP__ANY_VALUE__INIT;
	if (!l->str) {
		ret->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
		ret->int_value = l->num;
		return 0;
	}
	ret->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	ret->string_value = (char *)otlp_text(m, l->str);
	return ret->string_value ? 0 : -ENOMEM;
}

int otlp_dictionary_attribute(struct otlp_dictionary *d, const char *name,
			      const struct pprof_label *l, int32_t *ret)
{
	Otlp__KeyValueAndUnit msg = OTLP__KEY_VALUE_AND_UNIT__INIT;
	const char *unit = !l->str && l->num_unit ? l->num_unit : "";
	Otlp__AnyValue value;

	if (otlp_dictionary_string(d, name, &msg.key_strindex) < 0 ||
	    otlp_dictionary_string(d, unit, &msg.unit_strindex) < 0 ||
	    otlp_value(d->memory, l, &value) < 0)
		return -ENOMEM;
	msg.value = &value;
	return add(d, OTLP_ATTRIBUTES, &msg.base, ret);
}

/* No key, no attribute: *ret_n is the number of attributes that @ret has, 0 or 1. */
static int add_text_attribute(struct otlp_dictionary *d, const char *key, const char *value,
			      int32_t *ret, size_t *ret_n)
{
	struct pprof_label l = { .str = value };

	*ret_n = key && value && *value;
	return *ret_n ? otlp_dictionary_attribute(d, key, &l, ret) : 0;
}

/* --- stacks ----------------------------------------------------------------------------------- */

static int add_mapping(struct otlp_dictionary *d, const struct pprof_mapping *m, int32_t *ret)
{
	Otlp__Mapping msg = OTLP__MAPPING__INIT;
	int32_t attributes[2];
	size_t n, more;

	msg.memory_start = m->start;
	msg.memory_limit = m->limit;
	msg.file_offset = m->offset;
	if (otlp_dictionary_string(d, m->filename, &msg.filename_strindex) < 0 ||
	    add_text_attribute(d, otlp_build_id_key(m->build_id), m->build_id, attributes, &n) <
		    0 ||
	    add_text_attribute(d, "process.executable.build_id.htlhash", m->htlhash, &attributes[n],
			       &more) < 0)
		return -ENOMEM;
	msg.attribute_indices = attributes;
	msg.n_attribute_indices = n + more;
	return add(d, OTLP_MAPPINGS, &msg.base, ret);
}

static int add_function(struct otlp_dictionary *d, const struct pprof_function *f, int32_t *ret)
{
	Otlp__Function msg = OTLP__FUNCTION__INIT;

	if (otlp_dictionary_string(d, f->name, &msg.name_strindex) < 0 ||
	    otlp_dictionary_string(d, f->system_name, &msg.system_name_strindex) < 0 ||
	    otlp_dictionary_string(d, f->filename, &msg.filename_strindex) < 0)
		return -ENOMEM;
	msg.start_line = f->start_line;
	return add(d, OTLP_FUNCTIONS, &msg.base, ret);
}

static int add_lines(struct otlp_dictionary *d, const struct pprof_location *l)
{
	d->lines.n = d->line_ptrs.n = 0;
	if (vec_reserve(&d->lines, l->n_lines) < 0 || vec_reserve(&d->line_ptrs, l->n_lines) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_lines; i++) {
		Otlp__Line *line = &d->lines.data[i];

		*line = (Otlp__Line)OTLP__LINE__INIT;
		line->line = l->lines[i].line;
		if (add_function(d, l->lines[i].function, &line->function_index) < 0)
			return -ENOMEM;
		d->line_ptrs.data[i] = line;
	}
	return 0;
}

static int add_location(struct otlp_dictionary *d, const struct pprof_location *l, int32_t *ret)
{
	Otlp__Location msg = OTLP__LOCATION__INIT;
	int32_t attribute;

	if ((l->mapping && add_mapping(d, l->mapping, &msg.mapping_index) < 0) ||
	    add_lines(d, l) < 0 ||
	    add_text_attribute(d, "profile.frame.type", otlp_frame_type(l), &attribute,
			       &msg.n_attribute_indices) < 0)
		return -ENOMEM;
	msg.address = l->address;
	msg.n_lines = l->n_lines;
	msg.lines = d->line_ptrs.data;
	msg.attribute_indices = &attribute;
	return add(d, OTLP_LOCATIONS, &msg.base, ret);
}

static int location_index(struct otlp_dictionary *d, const struct pprof_location *l, int32_t *ret)
{
	const struct memo *m = recall(d, l);

	if (m) {
		*ret = m->index;
		return 0;
	}
	return add_location(d, l, ret) < 0 ? -ENOMEM : remember(d, l, *ret);
}

int otlp_dictionary_stack(struct otlp_dictionary *d, const struct pprof_sample *s, int32_t *ret)
{
	/* Samples share their stacks. Empty ones are no object, they may have anyone's address. */
	const struct memo *m = s->n_locations ? recall(d, s->locations) : NULL;
	Otlp__Stack msg = OTLP__STACK__INIT;

	*ret = m ? m->index : 0;
	if (m || s->n_locations == 0)
		return 0;
	d->indices.n = 0;
	if (vec_reserve(&d->indices, s->n_locations) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_locations; i++)
		if (location_index(d, s->locations[i], &d->indices.data[i]) < 0)
			return -ENOMEM;
	msg.n_location_indices = s->n_locations;
	msg.location_indices = d->indices.data;
	return add(d, OTLP_STACKS, &msg.base, ret) < 0 ? -ENOMEM : remember(d, s->locations, *ret);
}

int otlp_dictionary_link(struct otlp_dictionary *d, const uint8_t *trace_id, const uint8_t *span_id,
			 int32_t *ret)
{
	Otlp__Link msg = OTLP__LINK__INIT;

	msg.trace_id = (ProtobufCBinaryData){ 16, (uint8_t *)trace_id };
	msg.span_id = (ProtobufCBinaryData){ 8, (uint8_t *)span_id };
	return add(d, OTLP_LINKS, &msg.base, ret);
}

/* --- the whole -------------------------------------------------------------------------------- */

size_t otlp_dictionary_size(const struct otlp_dictionary *d)
{
	size_t size = 0;

	for (int i = 0; i < OTLP_TABLES; i++)
		size += d->tables[i].size;
	return size;
}

#define TABLE(msg, field, table)                                                                   \
	do {                                                                                       \
		(msg)->field = (table)->items.data;                                                \
		(msg)->n_##field = (table)->items.n;                                               \
	} while (0)

Otlp__Dictionary otlp_dictionary_message(const struct otlp_dictionary *d)
{
	Otlp__Dictionary msg = OTLP__DICTIONARY__INIT;

	TABLE(&msg, mapping_table, &d->tables[OTLP_MAPPINGS]);
	TABLE(&msg, location_table, &d->tables[OTLP_LOCATIONS]);
	TABLE(&msg, function_table, &d->tables[OTLP_FUNCTIONS]);
	TABLE(&msg, link_table, &d->tables[OTLP_LINKS]);
	TABLE(&msg, string_table, &d->tables[OTLP_STRINGS]);
	TABLE(&msg, attribute_table, &d->tables[OTLP_ATTRIBUTES]);
	TABLE(&msg, stack_table, &d->tables[OTLP_STACKS]);
	return msg;
}
