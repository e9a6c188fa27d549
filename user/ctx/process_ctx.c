/* SPDX-License-Identifier: Apache-2.0 */
/* The payload: protobuf ProcessContext to struct process_ctx. */
#include "ctx/process_ctx.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "ctx/proto_wire.h"

/* Public field numbers of opentelemetry-proto. */
enum { CONTEXT_RESOURCE = 1, CONTEXT_ATTRIBUTES = 2 };
enum { RESOURCE_ATTRIBUTES = 1 };
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2, KEY_VALUE_KEY_STRINDEX = 3 };
enum { ANY_VALUE_STRING = 1, ANY_VALUE_ARRAY = 5, ANY_VALUE_LAST = 8 };
enum { ARRAY_VALUE_VALUES = 1 };

/* A record's attribute names its key with one byte. */
#define KEYS_MAX 256

enum wanted {
	WANTED_SERVICE_NAME,
	WANTED_SERVICE_NAMESPACE,
	WANTED_SERVICE_INSTANCE_ID,
	WANTED_SERVICE_VERSION,
	WANTED_DEPLOYMENT_ENVIRONMENT_NAME,
	WANTED_SDK_LANGUAGE,
	WANTED_SCHEMA_VERSION,
	WANTED_KEY_MAP,
	WANTED_COUNT,
};

static const char *const wanted_keys[WANTED_COUNT] = {
	[WANTED_SERVICE_NAME] = "service.name",
	[WANTED_SERVICE_NAMESPACE] = "service.namespace",
	[WANTED_SERVICE_INSTANCE_ID] = "service.instance.id",
	[WANTED_SERVICE_VERSION] = "service.version",
	[WANTED_DEPLOYMENT_ENVIRONMENT_NAME] = "deployment.environment.name",
	[WANTED_SDK_LANGUAGE] = "telemetry.sdk.language",
	[WANTED_SCHEMA_VERSION] = "threadlocal.schema_version",
	[WANTED_KEY_MAP] = "threadlocal.attribute_key_map",
};

/* The last KeyValue of each wanted key; data is NULL where there is none. */
struct attributes {
	struct proto_slice of[WANTED_COUNT];
};

/* An AnyValue: the member of its oneof that was set last; repeated ones merge. */
struct any_value {
	uint32_t member; /* 0: none */
	struct proto_slice string;
	struct proto_slice items[KEYS_MAX]; /* AnyValue each */
	size_t n_items;
};

static int add_array(struct any_value *v, struct proto_slice msg)
{
	struct proto_field f;
	int r;

	while ((r = proto_next(&msg, &f)) > 0)
		if (f.number == ARRAY_VALUE_VALUES && f.type == PROTO_LEN && v->n_items < KEYS_MAX)
			v->items[v->n_items++] = f.slice;

	return r;
}

static int set_member(struct any_value *v, const struct proto_field *f)
{
	if (v->member != f->number)
		v->n_items = 0;
	v->member = f->number;

	if (f->number == ANY_VALUE_STRING)
		v->string = f->slice;
	if (f->number == ANY_VALUE_ARRAY)
		return add_array(v, f->slice);
	return 0;
}

/* A known number with a foreign wire type is an unknown field. */
static bool is_member(const struct proto_field *f)
{
	static const uint8_t types[ANY_VALUE_LAST + 1] = {
		[ANY_VALUE_STRING] = PROTO_LEN,
		[2] = PROTO_VARINT,
		[3] = PROTO_VARINT,
		[4] = PROTO_I64,
		[ANY_VALUE_ARRAY] = PROTO_LEN,
		[6] = PROTO_LEN,
		[7] = PROTO_LEN,
		[ANY_VALUE_LAST] = PROTO_VARINT,
	};

	return f->number <= ANY_VALUE_LAST && f->type == types[f->number];
}

/* Merges @msg into @v. */
static int merge_any_value(struct any_value *v, struct proto_slice msg)
{
	struct proto_field f;
	int r;

	while ((r = proto_next(&msg, &f)) > 0) {
		if (!is_member(&f))
			continue;
		r = set_member(v, &f);
		if (r < 0)
			return r;
	}

	return r;
}

/* The value of KeyValue @msg, which may come in several pieces. */
static int read_value(struct proto_slice msg, struct any_value *ret)
{
	struct proto_field f;
	int r;

	ret->member = 0;
	ret->n_items = 0;
	while ((r = proto_next(&msg, &f)) > 0) {
		if (f.number != KEY_VALUE_VALUE || f.type != PROTO_LEN)
			continue;
		r = merge_any_value(ret, f.slice);
		if (r < 0)
			return r;
	}

	return r;
}

static enum wanted find_wanted(struct proto_slice key)
{
	int i;

	for (i = 0; i < WANTED_COUNT; i++)
		if (strlen(wanted_keys[i]) == key.len &&
		    memcmp(wanted_keys[i], key.data, key.len) == 0)
			break;

	return i;
}

static int add_attribute(struct attributes *a, struct proto_slice msg)
{
	struct proto_slice rest = msg, key = { NULL, 0 };
	bool by_index = false;
	enum wanted w;
	struct proto_field f;
	int r;

	while ((r = proto_next(&rest, &f)) > 0) {
		if (f.number == KEY_VALUE_KEY && f.type == PROTO_LEN)
			key = f.slice;
		if (f.number == KEY_VALUE_KEY_STRINDEX && f.type == PROTO_VARINT)
			by_index = f.value != 0;
	}
	if (r < 0)
		return r;

	/* An index points into a dictionary that a process context has not got. */
	w = by_index || key.len == 0 ? WANTED_COUNT : find_wanted(key);
	if (w != WANTED_COUNT)
		a->of[w] = msg;
	return 0;
}

static int add_resource(struct attributes *a, struct proto_slice msg)
{
	struct proto_field f;
	int r;

	while ((r = proto_next(&msg, &f)) > 0) {
		if (f.number != RESOURCE_ATTRIBUTES || f.type != PROTO_LEN)
			continue;
		r = add_attribute(a, f.slice);
		if (r < 0)
			return r;
	}

	return r;
}

static int read_context(struct proto_slice msg, struct attributes *resource, struct attributes *own)
{
	struct proto_field f;
	int r;

	while ((r = proto_next(&msg, &f)) > 0) {
		if (f.type == PROTO_LEN && f.number == CONTEXT_RESOURCE)
			r = add_resource(resource, f.slice);
		else if (f.type == PROTO_LEN && f.number == CONTEXT_ATTRIBUTES)
			r = add_attribute(own, f.slice);
		if (r < 0)
			return r;
	}

	return r;
}

/* Bytes of @s up to the first that cannot stand in a string. */
static size_t text_len(struct proto_slice s)
{
	return utf8_valid_len(s.data, s.len ? strnlen((const char *)s.data, s.len) : 0);
}

/* NULL for an empty one. */
static int copy_text(struct proto_slice s, char **ret)
{
	size_t n = text_len(s);

	if (n == 0)
		return 0;

	*ret = strndup((const char *)s.data, n);
	return *ret ? 0 : -ENOMEM;
}

static int set_string(struct proto_slice attribute, struct any_value *scratch, char **ret)
{
	int r;

	if (!attribute.data)
		return 0;

	r = read_value(attribute, scratch);
	if (r < 0 || scratch->member != ANY_VALUE_STRING)
		return r;
	return copy_text(scratch->string, ret);
}

/* A name that is not valid to its end would be another name: NULL, as for what is no string. */
static int copy_key(struct proto_slice item, char **ret)
{
	struct any_value v;
	int r;

	v.member = 0;
	v.n_items = 0;
	r = merge_any_value(&v, item);
	if (r < 0 || v.member != ANY_VALUE_STRING || text_len(v.string) != v.string.len)
		return r;
	return copy_text(v.string, ret);
}

static int set_key_map(struct proto_slice attribute, struct any_value *scratch,
		       struct process_ctx *pc)
{
	int r;

	if (!attribute.data)
		return 0;

	r = read_value(attribute, scratch);
	if (r < 0 || scratch->member != ANY_VALUE_ARRAY || scratch->n_items == 0)
		return r;

	pc->key_map = calloc(scratch->n_items, sizeof(*pc->key_map));
	if (!pc->key_map)
		return -ENOMEM;
	pc->n_keys = scratch->n_items;

	for (size_t i = 0; i < pc->n_keys && r == 0; i++)
		r = copy_key(scratch->items[i], &pc->key_map[i]);
	return r;
}

static int set_all(const struct attributes *a, struct process_ctx *pc)
{
	char **const strings[] = {
		[WANTED_SERVICE_NAME] = &pc->service_name,
		[WANTED_SERVICE_NAMESPACE] = &pc->service_namespace,
		[WANTED_SERVICE_INSTANCE_ID] = &pc->service_instance_id,
		[WANTED_SERVICE_VERSION] = &pc->service_version,
		[WANTED_DEPLOYMENT_ENVIRONMENT_NAME] = &pc->deployment_environment_name,
		[WANTED_SDK_LANGUAGE] = &pc->sdk_language,
		[WANTED_SCHEMA_VERSION] = &pc->schema_version,
	};
	struct any_value scratch;

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		int r = set_string(a->of[i], &scratch, strings[i]);

		if (r < 0)
			return r;
	}

	return set_key_map(a->of[WANTED_KEY_MAP], &scratch, pc);
}

int process_ctx_decode(const void *buf, size_t len, struct process_ctx **ret)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	struct attributes resource = { 0 }, own = { 0 };
	int r;

	r = read_context((struct proto_slice){ buf, len }, &resource, &own);
	if (r < 0)
		return r;

	/* threadlocal.* are attributes of the context; early writers had them in the resource. */
	for (int i = WANTED_SCHEMA_VERSION; i <= WANTED_KEY_MAP; i++)
		if (own.of[i].data)
			resource.of[i] = own.of[i];

	pc = calloc(1, sizeof(*pc));
	if (!pc)
		return -ENOMEM;
	pc->refs = 1;
	r = set_all(&resource, pc);
	if (r < 0)
		return r;

	*ret = TAKE_PTR(pc);
	return 0;
}

struct process_ctx *process_ctx_ref(struct process_ctx *pc)
{
	if (pc)
		pc->refs++;
	return pc;
}

void process_ctx_free(struct process_ctx *pc)
{
	if (!pc || --pc->refs)
		return;

	for (size_t i = 0; i < pc->n_keys; i++)
		free(pc->key_map[i]);
	free(pc->key_map);
	free(pc->service_name);
	free(pc->service_namespace);
	free(pc->service_instance_id);
	free(pc->service_version);
	free(pc->deployment_environment_name);
	free(pc->sdk_language);
	free(pc->schema_version);
	free(pc);
}

enum process_ctx_schema process_ctx_schema_of(const struct process_ctx *pc)
{
	static const struct {
		const char *name;
		enum process_ctx_schema schema;
	} known[] = {
		{ "tlsdesc_v1_dev", PROCESS_CTX_NATIVE }, { "tlsdesc_v1", PROCESS_CTX_NATIVE },
		{ "tls_v1", PROCESS_CTX_NATIVE },	  { "nodejs_v1_dev", PROCESS_CTX_NODEJS },
		{ "nodejs_v1", PROCESS_CTX_NODEJS },
	};

	if (!pc->schema_version)
		return PROCESS_CTX_NO_THREADS;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(pc->schema_version, known[i].name) == 0)
			return known[i].schema;
	return PROCESS_CTX_UNKNOWN;
}
