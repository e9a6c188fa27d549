/* SPDX-License-Identifier: Apache-2.0 */
/*
 * liar.h's form: a CPython 3.11 with OpenTelemetry's SDK, as far as somebody who looks into its
 * memory can tell. What is looked at once is honest; what is followed for each sample is in nodes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"

#define DIGIT_BITS 30
#define HASH	   (7u | 9u << 5 | 3u << 10)
#define HEAD	   8 /* words before an object, of which one leads to its values */

struct object {
	uint64_t before[HEAD];
	uint64_t words[128];
};

#define AT(object, bytes) ((object).words[(bytes) / 8])
#define ADDRESS(object)	  ((uintptr_t)(object).words)

/* By their symbols; Py_Version is read as eight bytes. */
uint64_t _PyRuntime[320], _Py_TrueStruct[4], PyContextVar_Type[64], PyLong_Type[64],
	Py_Version = 0x030b02f0;

/*
 * By their names, which are in words 3. With LIAR_ELSEWHERE they are other objects than in the
 * other processes of the same file, as the file's own never are.
 */
static uint64_t types[2][3][64];
static uint64_t (*node_types)[64] = types[0];
static const char node_names[] = "\0hamt_bitmap_node\0hamt_array_node\0hamt_collision_node";

static struct object interpreter, variable, span_key, sdk_span, api_span, span_context,
	runtime_type, runtime;
static struct object state;
static uint64_t runtime_values[1];

/* --- what is looked at once ---------------------------------------------------------------- */

struct string {
	uint64_t head[6]; /* the third is the length */
	char data[64];
};

struct keys {
	uint64_t head[4];
	uint64_t indices;
	uint64_t entries[8][2];
};

struct dict {
	uint64_t head[4];
	uint64_t keys, values;
};

#define KEYS_HEAD (3 | 3 << 8 | 1 << 16) /* 8 entries and bytes of indices, strings only */

static void keys_add(struct keys *k, const char *name, uintptr_t value)
{
	static struct string strings[32];
	static unsigned int n_strings;
	struct string *s = &strings[n_strings++];

	s->head[2] = strlen(name);
	memcpy(s->data, name, strlen(name));
	k->head[1] = KEYS_HEAD;
	k->entries[k->head[3]][0] = (uintptr_t)s;
	k->entries[k->head[3]++][1] = value;
}

static struct module {
	struct object module;
	struct dict dict;
	struct keys keys;
} modules[4];

/* A module with one global. */
static uintptr_t module_of(const char *name, uintptr_t value)
{
	struct module *m = modules;

	while (AT(m->module, 16))
		m++;
	keys_add(&m->keys, name, value);
	m->dict.keys = (uintptr_t)&m->keys;
	AT(m->module, 16) = (uintptr_t)&m->dict;
	return ADDRESS(m->module);
}

/* A class whose objects have one attribute. */
static uintptr_t class_of(struct object *type, const char *attribute)
{
	static struct keys all[3], *k = all;

	while (k->head[3])
		k++;
	keys_add(k, attribute, 0);
	AT(*type, 32) = 48;
	AT(*type, 872) = (uintptr_t)k;
	return ADDRESS(*type);
}

static void init_modules(void)
{
	static struct dict dict;
	static struct keys names;

	keys_add(&names, "opentelemetry.context", module_of("_RUNTIME_CONTEXT", ADDRESS(runtime)));
	keys_add(&names, "opentelemetry.trace.propagation",
		 module_of("_SPAN_KEY", ADDRESS(span_key)));
	keys_add(&names, "opentelemetry.trace.span",
		 module_of("NonRecordingSpan", class_of(&api_span, "_context")));
	keys_add(&names, "opentelemetry.sdk.trace",
		 module_of("_Span", class_of(&sdk_span, "_context")));
	keys_add(&modules[2].keys, "SpanContext", ADDRESS(span_context)); /* of trace.span, too */
	dict.keys = (uintptr_t)&names;
	AT(interpreter, 888) = (uintptr_t)&dict;
}

static void init_types(void)
{
	const char *name = node_names + 1;

	if (getenv("LIAR_ELSEWHERE"))
		node_types = types[1];
	for (int i = 0; i < 3; i++, name += strlen(name) + 1)
		node_types[i][3] = (uintptr_t)name;
	AT(variable, 8) = (uintptr_t)PyContextVar_Type;
	AT(variable, 56) = HASH;
	AT(runtime, 8) = class_of(&runtime_type, "_current_context");
	runtime.before[HEAD - 4] = (uintptr_t)runtime_values;
	runtime_values[0] = ADDRESS(variable);
}

const unsigned int liar_form_tag = 0;

int liar_form_init(void)
{
	pthread_key_t key;

	if (pthread_key_create(&key, NULL) != 0 || pthread_setspecific(key, state.words) != 0)
		return -ENOMEM;
	init_types();
	init_modules();
	AT(state, 16) = ADDRESS(interpreter);
	AT(state, 152) = (uintptr_t)pthread_self();
	AT(interpreter, 16) = ADDRESS(state);
	_PyRuntime[100] = 1 | (uint64_t)key << 32;
	_PyRuntime[6] = ADDRESS(interpreter);
	return 0;
}

/* --- what is followed for each sample ------------------------------------------------------ */

static uint64_t *build_number(struct liar_graph *g, const uint8_t *bytes, size_t len)
{
	uint64_t *n = liar_node(g, 24 + 20);
	uint32_t *digits = (uint32_t *)(n + 3);
	unsigned __int128 v = 0;

	for (size_t i = 0; i < len; i++)
		v = v << 8 | bytes[i];
	for (n[2] = 0; v; v >>= DIGIT_BITS)
		digits[n[2]++] = (uint32_t)v & ((1u << DIGIT_BITS) - 1);
	n[1] = (uintptr_t)PyLong_Type;
	liar_id(g, n + 2, 28);
	return n;
}

static uint64_t *build_span(struct liar_graph *g, uint32_t number)
{
	uint64_t *span = liar_node(g, 48), *values = liar_node(g, 8), *tuple = liar_node(g, 56);
	uint8_t span_id[8], trace_id[16];

	liar_span_id(number, span_id);
	liar_trace_id(number, trace_id);
	tuple[3] = (uintptr_t)build_number(g, trace_id, sizeof(trace_id));
	tuple[4] = (uintptr_t)build_number(g, span_id, sizeof(span_id));
	tuple[5] = (uintptr_t)tuple; /* not True */
	tuple[1] = ADDRESS(span_context);
	tuple[2] = 6;
	liar_id(g, tuple + 3, 16); /* other nodes may look like numbers */
	values[0] = (uintptr_t)tuple;
	span[-4] = (uintptr_t)values;
	span[1] = ADDRESS(sdk_span);
	return span;
}

static struct dict *build_dict(struct liar_graph *g, const uint64_t *span)
{
	struct dict *dict = liar_node(g, sizeof(*dict));
	struct keys *keys = liar_node(g, offsetof(struct keys, entries) + 32);

	keys->head[1] = KEYS_HEAD;
	keys->head[3] = 2;
	keys->entries[0][0] = (uintptr_t)keys;
	keys->entries[1][0] = ADDRESS(span_key);
	keys->entries[1][1] = (uintptr_t)span;
	dict->keys = (uintptr_t)keys;
	dict->values = 0;
	return dict;
}

/* A node with two pairs; the second one counts. */
static uint64_t *build_bitmap(struct liar_graph *g, uint32_t part, uintptr_t key, uintptr_t value)
{
	uint64_t *node = liar_node(g, 64);

	node[1] = (uintptr_t)node_types[0];
	node[2] = 4;
	node[3] = 1u << part | 1;
	node[4] = (uintptr_t)node;
	node[6] = key;
	node[7] = value;
	return node;
}

void *liar_form_build(struct liar_graph *g, uint32_t number)
{
	uint64_t *context = liar_node(g, 32), *hamt = liar_node(g, 24), *array = liar_node(g, 272);
	struct dict *dict = build_dict(g, build_span(g, number));

	array[1] = (uintptr_t)node_types[1];
	array[2 + (HASH >> 5 & 31)] =
		(uintptr_t)build_bitmap(g, HASH >> 10 & 31, ADDRESS(variable), (uintptr_t)dict);
	hamt[2] = (uintptr_t)build_bitmap(g, HASH & 31, 0, (uintptr_t)array);
	context[3] = (uintptr_t)hamt;
	return context;
}

void liar_form_publish(const struct liar_graph *g, void *root)
{
	(void)g;
	*(volatile uint64_t *)&AT(state, 224) = (uintptr_t)root;
}
