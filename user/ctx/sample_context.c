/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/sample_context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/utf8.h"
#include "shared/proc_info.h"

/* Bytes that are somewhere in a record. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

struct decoder {
	const struct sample_context_names *names;
	struct sample_context *ctx;
	bool last_wins; /* of labels with the same key */
};

bool sample_context_is_zero(const uint8_t *id, size_t len)
{
	while (len && !id[len - 1])
		len--;
	return len == 0;
}

/* --- text ------------------------------------------------------------------------------------- */

/* Room for @len characters and a NUL, or NULL. */
static char *text_room(struct sample_context *ctx, size_t len)
{
	char *room = ctx->text + ctx->text_len;

	if (len + 1 > sizeof(ctx->text) - ctx->text_len)
		return NULL;
	ctx->text_len += len + 1;
	return room;
}

/* Bytes up to the first that cannot stand in a string. */
static size_t valid_len(struct bytes b)
{
	return utf8_valid_len(b.data, b.len ? strnlen((const char *)b.data, b.len) : 0);
}

/* What is valid of a value; what a fixed length has cut in two is left out. */
static const char *take_text(struct sample_context *ctx, struct bytes b)
{
	size_t len = valid_len(b);
	char *copy = text_room(ctx, len);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, b.data, len);
	copy[len] = '\0';
	return copy;
}

/* --- ids -------------------------------------------------------------------------------------- */

static bool is_decimal(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 20;
}

/* W3C order is that of the digits: the highest byte first. */
static void put_u64(uint64_t v, uint8_t ret[SPAN_ID_LEN])
{
	for (int i = 0; i < SPAN_ID_LEN; i++)
		ret[i] = v >> (56 - 8 * i);
}

static bool parse_span(const char *text, bool decimal, uint8_t *ret)
{
	uint64_t v;

	if (!decimal)
		return parse_hex(text, ret, SPAN_ID_LEN) == 0;
	if (!is_decimal(text) || parse_u64(text, 0, UINT64_MAX, &v) < 0)
		return false;
	put_u64(v, ret);
	return true;
}

static uint8_t *id_of(struct sample_context *ctx, enum user_role role)
{
	switch (role) {
	case USER_ROLE_TRACE_ID:
		return ctx->trace_id;
	case USER_ROLE_SPAN_ID:
		return ctx->span_id;
	default:
		return ctx->local_root_id;
	}
}

static size_t id_len(enum user_role role)
{
	return role == USER_ROLE_TRACE_ID ? TRACE_ID_LEN : SPAN_ID_LEN;
}

/* An id that is none, all zeroes too, is left out and counted. */
static void take_id(struct sample_context *ctx, enum user_role role, const char *text, bool decimal)
{
	uint8_t id[TRACE_ID_LEN];
	bool ok = role == USER_ROLE_TRACE_ID ? parse_hex(text, id, TRACE_ID_LEN) == 0
					     : parse_span(text, decimal, id);

	if (ok && !sample_context_is_zero(id, id_len(role)))
		memcpy(id_of(ctx, role), id, id_len(role));
	else
		ctx->n_malformed++;
}

/* --- labels ----------------------------------------------------------------------------------- */

static struct sample_label *find_label(struct sample_context *ctx, const char *key)
{
	for (size_t i = 0; i < ctx->n_labels; i++)
		if (strcmp(ctx->labels[i].key, key) == 0)
			return &ctx->labels[i];
	return NULL;
}

static void add_label(struct decoder *d, const char *key, struct bytes value)
{
	struct sample_context *ctx = d->ctx;
	struct sample_label *label = find_label(ctx, key);
	const char *text;

	if (label && !d->last_wins)
		return;
	if (!label && ctx->n_labels == SAMPLE_LABELS_MAX) {
		ctx->n_cut++;
		return;
	}
	text = take_text(ctx, value);
	if (!text) {
		ctx->n_cut++;
		return;
	}
	if (!label)
		label = &ctx->labels[ctx->n_labels++];
	*label = (struct sample_label){ key, text };
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct sample_label *)a)->key, ((const struct sample_label *)b)->key);
}

/* What tracing libraries call ids in labels. */
struct id_key {
	const char *key;
	enum user_role role;
	bool decimal;
};

static const struct id_key id_keys[] = {
	{ "span_id", USER_ROLE_SPAN_ID, false },
	{ "profile_id", USER_ROLE_SPAN_ID, false },
	{ "span id", USER_ROLE_SPAN_ID, true },
	{ "local root span id", USER_ROLE_LOCAL_ROOT, true },
	{ "trace_id", USER_ROLE_TRACE_ID, false },
	{ "otel.traceid", USER_ROLE_TRACE_ID, false },
};

static bool is_key(const char *key, const char *wanted)
{
	return wanted && strcmp(key, wanted) == 0;
}

/* The user's names go before ours. */
static bool find_id_key(const struct sample_context_names *names, const char *key,
			struct id_key *ret)
{
	if (is_key(key, names->trace_id_key) || is_key(key, names->span_id_key)) {
		*ret = (struct id_key){ key,
					is_key(key, names->trace_id_key) ? USER_ROLE_TRACE_ID
									 : USER_ROLE_SPAN_ID,
					false };
		return true;
	}
	for (size_t i = 0; i < sizeof(id_keys) / sizeof(id_keys[0]); i++)
		if (strcmp(key, id_keys[i].key) == 0) {
			*ret = id_keys[i];
			return true;
		}
	return false;
}

/* Of text: an id, or else a label. */
static void take_pair(struct decoder *d, struct bytes key, struct bytes value)
{
	const char *name, *text;
	struct id_key id;

	if (!key.len || valid_len(key) != key.len) {
		d->ctx->n_malformed++; /* cut, it would be another key */
		return;
	}
	name = take_text(d->ctx, key);
	if (!name) {
		d->ctx->n_cut++;
		return;
	}
	if (!find_id_key(d->names, name, &id)) {
		add_label(d, name, value);
		return;
	}
	text = take_text(d->ctx, value);
	if (text)
		take_id(d->ctx, id.role, text, id.decimal);
}

/* --- the forms -------------------------------------------------------------------------------- */

static struct bytes next(struct bytes *from, size_t len)
{
	struct bytes b = { from->data, len };

	from->data += len;
	from->len -= len;
	return b;
}

static void decode_pairs(struct decoder *d, struct bytes rest)
{
	while (rest.len >= 2) {
		size_t key_len = rest.data[0], value_len = rest.data[1];
		struct bytes key, value;

		next(&rest, 2);
		if (key_len + value_len > rest.len) {
			d->ctx->n_malformed++;
			return;
		}
		key = next(&rest, key_len);
		value = next(&rest, value_len);
		take_pair(d, key, value);
	}
}

#define DATADOG_LOCAL_ROOT "datadog.local_root_span_id"

static void take_attribute(struct decoder *d, uint8_t number, struct bytes value)
{
	const char *key = number < d->names->n_keys ? d->names->key_map[number] : NULL;
	const char *text;

	if (number >= d->names->n_keys)
		d->ctx->has_unknown_key = true;
	if (!key)
		return;
	if (strcmp(key, DATADOG_LOCAL_ROOT) != 0) {
		add_label(d, key, value);
		return;
	}
	text = take_text(d->ctx, value);
	if (text && *text) /* it is empty where there is none */
		take_id(d->ctx, USER_ROLE_LOCAL_ROOT, text, false);
}

/* A native number. */
static uint64_t uint_of(struct bytes b)
{
	uint64_t v = 0;
	uint32_t small = 0;

	if (b.len == sizeof(v))
		memcpy(&v, b.data, sizeof(v));
	else if (b.len == sizeof(small))
		memcpy(&small, b.data, sizeof(small));
	return b.len == sizeof(v) ? v : small;
}

static void take_variable_id(struct decoder *d, const struct user_variable *v, struct bytes value)
{
	uint8_t *id = id_of(d->ctx, v->role);
	const char *text;

	if (v->value == USER_VALUE_BYTES && value.len == id_len(v->role)) {
		memcpy(id, value.data, value.len);
	} else if (v->value == USER_VALUE_UINT && v->role != USER_ROLE_TRACE_ID) {
		put_u64(uint_of(value), id);
	} else if (v->value == USER_VALUE_HEX) {
		text = take_text(d->ctx, value);
		if (text && *text)
			take_id(d->ctx, v->role, text, false);
	}
}

static void take_variable_label(struct decoder *d, const struct user_variable *v,
				struct bytes value)
{
	char text[2 * CTX_VALUE_MAX + 1];

	if (v->value == USER_VALUE_UINT)
		snprintf(text, sizeof(text), "%" PRIu64, uint_of(value));
	else if (v->value == USER_VALUE_BYTES && value.len <= CTX_VALUE_MAX)
		format_hex(value.data, value.len, text);
	else
		snprintf(text, sizeof(text), "%.*s", (int)valid_len(value),
			 (const char *)value.data);
	if (*text)
		add_label(d, v->label, (struct bytes){ (const uint8_t *)text, strlen(text) });
}

static void take_variable(struct decoder *d, uint8_t number, struct bytes value)
{
	const struct user_variable *v;

	if (number >= d->names->n_variables) {
		d->ctx->n_malformed++;
		return;
	}
	v = &d->names->variables[number];
	if (v->role == USER_ROLE_LABEL)
		take_variable_label(d, v, value);
	else
		take_variable_id(d, v, value);
}

static void decode_numbered(struct decoder *d, struct bytes rest,
			    void (*take)(struct decoder *, uint8_t, struct bytes))
{
	while (rest.len >= 2) {
		uint8_t number = rest.data[0];
		size_t len = rest.data[1];

		next(&rest, 2);
		if (len > rest.len) {
			d->ctx->n_malformed++;
			return;
		}
		take(d, number, next(&rest, len));
	}
}

void sample_context_decode(const struct sample_record *rec, const void *labels,
			   const struct sample_context_names *names, struct sample_context *ret)
{
	struct bytes all = { labels, rec->labels_len };
	struct decoder d = { .names = names, .ctx = ret };

	memset(ret, 0, offsetof(struct sample_context, text));
	ret->text_len = 0;
	memcpy(ret->trace_id, rec->trace_id, sizeof(ret->trace_id));
	memcpy(ret->span_id, rec->span_id, sizeof(ret->span_id));
	memcpy(ret->local_root_id, rec->local_root_id, sizeof(ret->local_root_id));
	d.last_wins = rec->ctx_format != CTX_FORMAT_CUSTOM_LABELS;
	if (rec->ctx_format == CTX_FORMAT_OTEL || rec->ctx_format == CTX_FORMAT_NODE)
		decode_numbered(&d, all, take_attribute);
	else if (rec->ctx_format == CTX_FORMAT_VARIABLE)
		decode_numbered(&d, all, take_variable);
	else
		decode_pairs(&d, all);
	qsort(ret->labels, ret->n_labels, sizeof(ret->labels[0]), by_key);
}
