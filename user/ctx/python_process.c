/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/python_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf_search.h"
#include "proc/remote_mem.h"
#include "shared/python_ctx.h"

#define STATES_MAX   16	   /* thread states that are looked through */
#define KEYS_MAX     32	   /* pthread's, in glibc's first block of values */
#define SELF_WORDS   24	   /* of musl's struct pthread: all of it in which `tsd` may be */
#define RUNTIME_SIZE 2560  /* of _PyRuntime: how far the key is looked for */
#define ITEMS_MAX    16384 /* of a dict */
#define ITEMS_PIECE  128
#define NAME_MAX_LEN 64
#define DATA_MAX     (16u << 20) /* of all segments */
#define DATA_PIECE   (1u << 16)

/* Include/cpython/object.h: PyTypeObject, PyHeapTypeObject; the same in all versions. */
#define TYPE_NAME	24
#define TYPE_BASICSIZE	32
#define TYPE_DICTOFFSET 288

#define MODULE_DICT   16 /* Objects/moduleobject.c */
#define VARIABLE_HASH 56 /* pycore_context.h */
#define STRING_LENGTH 16 /* Include/cpython/unicodeobject.h */
#define STATE_NEXT    8	 /* PyThreadState */
#define STATE_INTERP  16

/* What differs from version to version, in bytes. */
static const struct layout {
	uint16_t main;		     /* interpreters.main, in _PyRuntimeState */
	uint16_t threads;	     /* the newest thread state, in PyInterpreterState */
	uint16_t modules;	     /* sys.modules, there */
	uint16_t thread_id, context; /* in PyThreadState */
	uint16_t cached_keys;	     /* in PyHeapTypeObject */
	uint16_t string_data;	     /* in PyASCIIObject */
	uint16_t tuple_items;
	uint32_t flags;
} layouts[] = {
	/* 3.9, 3.10 and so on */
	{ 40, 8, 856, 176, 240, 864, 48, 24, PYTHON_DICT_VERSION },
	{ 40, 8, 856, 176, 240, 872, 48, 24, PYTHON_DICT_VERSION },
	{ 48, 16, 888, 152, 224, 872, 48, 24,
	  PYTHON_KEYS_NEW | PYTHON_VALUES_3_11 | PYTHON_DICT_VERSION },
	{ 48, 72, 944, 136, 208, 880, 40, 24,
	  PYTHON_KEYS_NEW | PYTHON_LONG_TAG | PYTHON_VALUES_3_12 | PYTHON_DICT_VERSION },
	{ 640, 7344, 7656, 152, 208, 880, 40, 24,
	  PYTHON_KEYS_NEW | PYTHON_LONG_TAG | PYTHON_VALUES_3_13 | PYTHON_DICT_VERSION },
	{ 816, 7344, 7664, 152, 208, 880, 40, 32,
	  PYTHON_KEYS_NEW | PYTHON_LONG_TAG | PYTHON_VALUES_3_13 },
};
#define MINOR_MIN 9
#define MINOR_MAX (MINOR_MIN + sizeof(layouts) / sizeof(layouts[0]) - 1)

struct ctx_memory {
	pid_t pid;
	const struct layout *layout;
};

/* For the shared steps. */
static long ctx_read(struct ctx_memory *mem, void *dst, __u32 len, __u64 addr)
{
	return remote_mem_read(mem->pid, addr, dst, len);
}

/* 0 where it cannot be read, which is no object's address. */
static uint64_t word_at(struct ctx_memory *mem, uint64_t addr)
{
	__u64 v;

	return addr && py_word(mem, addr, &v) == 0 ? v : 0;
}

/* --- version ---------------------------------------------------------------------------------- */

void python_version(const struct python_file *file, const struct python_process *p,
		    unsigned *ret_minor)
{
	uint64_t v;

	*ret_minor = 0;
	if (!file->version) {
		if (file->minor >= MINOR_MIN && file->minor < 11) /* later ones say it themselves */
			*ret_minor = file->minor;
		return;
	}
	/* 0x030b02f0: 3.11.2 */
	if (remote_mem_read(p->pid, p->bias + file->version, &v, sizeof(v)) == 0 && v >> 24 == 3 &&
	    (v >> 16 & 0xff) >= 11 && (v >> 16 & 0xff) <= MINOR_MAX)
		*ret_minor = v >> 16 & 0xff;
}

/* --- types by their names --------------------------------------------------------------------- */

/* A static type's name is a pointer in it, and in nothing else. */
static void search_words(const uint64_t *words, size_t n, uint64_t addr,
			 const uint64_t names[PYTHON_NODES], uint64_t ret[PYTHON_NODES])
{
	for (size_t i = 0; i < n; i++)
		for (int t = 0; t < PYTHON_NODES; t++)
			if (words[i] == names[t])
				ret[t] = addr + 8 * i - TYPE_NAME;
}

/* Not more than *@left bytes, which go down. */
static int search_segment(const struct python_process *p, const struct elf_data_segment *seg,
			  const uint64_t names[PYTHON_NODES], uint64_t *left,
			  uint64_t ret[PYTHON_NODES])
{
	CLEANUP(freep) uint64_t *buf = malloc(DATA_PIECE);
	uint64_t from = (p->bias + seg->vaddr + 7) & ~7ULL, end = p->bias + seg->vaddr + seg->memsz;

	if (!buf)
		return -ENOMEM;
	if (end - from > *left)
		end = from + *left;
	*left -= end - from;
	for (uint64_t at = from; at + 8 <= end; at += DATA_PIECE) {
		size_t len = (end - at < DATA_PIECE ? end - at : DATA_PIECE) & ~7ULL;
		int r = remote_mem_read(p->pid, at, buf, len);

		if (r < 0)
			return r;
		search_words(buf, len / 8, at, names, ret);
	}
	return 0;
}

int python_find_nodes(struct elf_file *ef, const struct python_file *file,
		      const struct python_process *p, uint64_t ret[PYTHON_NODES])
{
	uint64_t names[PYTHON_NODES], left = DATA_MAX;
	struct elf_data_segment seg;

	for (int i = 0; i < PYTHON_NODES; i++) {
		names[i] = p->bias + file->node_names[i];
		ret[i] = 0;
	}
	for (size_t i = 0; left && elf_search_data_segment(ef, i, &seg) == 0; i++) {
		int r = search_segment(p, &seg, names, &left, ret);

		if (r < 0)
			return r;
	}
	return ret[0] && ret[1] && ret[2] ? 0 : -ENOTSUP;
}

bool python_are_nodes(const struct python_file *file, const struct python_process *p,
		      const uint64_t nodes[PYTHON_NODES])
{
	uint64_t name;

	for (int i = 0; i < PYTHON_NODES; i++)
		if (remote_mem_read(p->pid, nodes[i] + TYPE_NAME, &name, sizeof(name)) < 0 ||
		    name != p->bias + file->node_names[i])
			return false;
	return true;
}

/* --- the key of thread states ----------------------------------------------------------------- */

/* Bits of the keys that may be meant: Py_tss_t is a word that is 1, and the key. */
static uint32_t possible_keys(const uint32_t *runtime)
{
	uint32_t keys = 0;

	for (size_t i = 0; i + 1 < RUNTIME_SIZE / sizeof(*runtime); i++)
		if (runtime[i] == 1 && runtime[i + 1] < KEYS_MAX)
			keys |= 1u << runtime[i + 1];
	return keys;
}

/* A thread state, the id of its thread (pthread_self()), and the keys that it may be under. */
struct own_state {
	uint64_t state, self;
	uint32_t keys;
};

/* glibc: the values are in the thread's own memory, as far from the pointer in each thread. */
static bool find_in_block(struct ctx_memory *mem, const struct python_process *p,
			  const struct own_state *own, struct python_info *py)
{
	uint64_t block = word_at(mem, own->self + p->values.specific);
	__u64 found;

	if (block <= own->self || block - own->self > UINT16_MAX)
		return false;
	for (unsigned key = 0; key < KEYS_MAX; key++) {
		py->state = p->values.self + (int32_t)(block - own->self + 16 * key + 8);
		if (own->keys >> key & 1 &&
		    py_thread_state(mem, py, own->self - p->values.self, &found) == CTX_FOUND &&
		    found == own->state)
			return true;
	}
	return false;
}

/* How many of the keys have the state in the array at @array; the last one in py->pointed. */
static unsigned count_keys(struct ctx_memory *mem, uint64_t array, const struct own_state *own,
			   struct python_info *py)
{
	uint64_t values[KEYS_MAX];
	unsigned n = 0;

	if (!array || array % sizeof(values[0]) ||
	    remote_mem_read(mem->pid, array, values, sizeof(values)) < 0)
		return 0;
	for (unsigned key = 0; key < KEYS_MAX; key++)
		if (own->keys >> key & 1 && values[key] == own->state) {
			py->pointed = (uint16_t)(sizeof(values[0]) * key);
			n++;
		}
	return n;
}

/*
 * musl: the thread has a pointer to an array of the values. Where it has it differs between
 * releases, so it is the one word that leads to the state. The first word says that a thread is
 * there: it points to itself.
 */
static bool find_in_array(struct ctx_memory *mem, const struct python_process *p,
			  const struct own_state *own, struct python_info *py)
{
	uint64_t words[SELF_WORDS];
	unsigned n = 0;

	if (remote_mem_read(mem->pid, own->self, words, sizeof(words)) < 0 || words[0] != own->self)
		return false;
	for (unsigned i = 1; i < SELF_WORDS; i++) {
		unsigned some = count_keys(mem, words[i], own, py);

		if (some)
			py->state = p->values.self + (int32_t)(sizeof(words[0]) * i);
		n += some;
	}
	return n == 1;
}

/* Where the thread of thread state own->state has this state. */
static bool find_key_of(struct ctx_memory *mem, const struct python_process *p,
			struct own_state *own, struct python_info *py)
{
	own->self = word_at(mem, own->state + mem->layout->thread_id);
	if (!own->self)
		return false;
	if (p->values.libc != TLS_LIBC_MUSL)
		return find_in_block(mem, p, own, py);
	py->flags |= PYTHON_STATE_POINTED;
	return find_in_array(mem, p, own, py);
}

/*
 * By the thread states that there are: one that agrees shows that the layout and the key are
 * right. A thread that has just begun may have none yet.
 */
static int find_key(struct ctx_memory *mem, const struct python_process *p, uint64_t runtime,
		    uint64_t interp, struct python_info *py)
{
	struct own_state own = { .state = word_at(mem, interp + mem->layout->threads) };
	uint32_t words[RUNTIME_SIZE / sizeof(uint32_t)];
	int r = remote_mem_read(mem->pid, runtime, words, sizeof(words));

	if (r < 0)
		return r;
	if (!own.state)
		return -EAGAIN;
	own.keys = possible_keys(words);
	for (int i = 0; i < STATES_MAX && own.state; i++) {
		if (word_at(mem, own.state + STATE_INTERP) != interp)
			return -ENOTSUP;
		if (find_key_of(mem, p, &own, py))
			return 0;
		own.state = word_at(mem, own.state + STATE_NEXT);
	}
	return -ENOTSUP;
}

/* --- dicts ------------------------------------------------------------------------------------ */

#define STRING_MAX (48 + NAME_MAX_LEN) /* bytes of a string's object that are looked at */

/* Is the object whose first bytes these are the string @want? */
static bool is_string(struct ctx_memory *mem, const uint8_t *object, const char *want)
{
	size_t len = strlen(want);
	uint64_t its_len;

	memcpy(&its_len, object + STRING_LENGTH, sizeof(its_len));
	return its_len == len && memcmp(object + mem->layout->string_data, want, len) == 0;
}

/* An entry of a dict that is looked for by its name; found: index is not negative. */
struct wanted {
	const char *name;
	int index;
	uint64_t value;
};

static void match(struct ctx_memory *mem, const uint8_t *object, const uint64_t entry[2], int index,
		  struct wanted *wanted, size_t n_wanted)
{
	for (size_t w = 0; w < n_wanted; w++)
		if (is_string(mem, object, wanted[w].name)) {
			wanted[w].index = index;
			wanted[w].value = entry[1];
		}
}

/* A number of entries, from number @first on: their keys are read all at once. */
static int match_piece(struct ctx_memory *mem, uint64_t entries[][2], size_t n, int first,
		       struct wanted *wanted, size_t n_wanted)
{
	uint8_t objects[ITEMS_PIECE][STRING_MAX];
	uint64_t addrs[ITEMS_PIECE];

	for (size_t i = 0; i < n; i++)
		addrs[i] = entries[i][0];
	for (size_t i = 0; i < n; i++) { /* what cannot be read is passed over */
		int got = remote_mem_read_many(mem->pid, addrs + i, n - i, objects, STRING_MAX);

		if (got < 0)
			return got;
		for (int k = 0; k < got; k++, i++)
			match(mem, objects[k], entries[i], first + (int)i, wanted, n_wanted);
	}
	return 0;
}

/* Looks for all that are wanted among a dict's keys. */
static int find_entries(struct ctx_memory *mem, const struct py_keys *keys, struct wanted *wanted,
			size_t n_wanted)
{
	uint64_t n = keys->n < ITEMS_MAX ? keys->n : ITEMS_MAX;
	uint64_t entries[ITEMS_PIECE][2];
	uint8_t piece[ITEMS_PIECE * 24];

	for (size_t w = 0; w < n_wanted; w++)
		wanted[w].index = -1;
	for (uint64_t i = 0; i < n; i += ITEMS_PIECE) {
		uint64_t some = n - i < ITEMS_PIECE ? n - i : ITEMS_PIECE;
		int r = remote_mem_read(mem->pid, keys->entries + i * keys->size, piece,
					some * keys->size);

		for (uint64_t k = 0; r == 0 && k < some; k++)
			memcpy(entries[k], piece + k * keys->size + keys->key, sizeof(entries[k]));
		if (r == 0)
			r = match_piece(mem, entries, some, (int)i, wanted, n_wanted);
		if (r < 0)
			return r;
	}
	return 0;
}

static int keys_of(struct ctx_memory *mem, uint64_t keys, struct py_keys *ret)
{
	struct python_info py = { .flags = mem->layout->flags };
	__u64 w[PY_KEYS_NEAR] = { 0 };

	return keys && py_keys_of(mem, &py, keys, w, ret) == CTX_FOUND ? 0 : -ENOTSUP;
}

/* The values of a dict; 0: it has none of that name. */
static void get_items(struct ctx_memory *mem, uint64_t dict, struct wanted *wanted, size_t n)
{
	uint64_t values = word_at(mem, dict + PY_DICT_VALUES);
	struct py_keys keys;
	int r = keys_of(mem, word_at(mem, dict + PY_DICT_KEYS), &keys);

	if (r == 0)
		r = find_entries(mem, &keys, wanted, n);
	for (size_t w = 0; w < n; w++) {
		if (r < 0 || wanted[w].index < 0)
			wanted[w].value = 0;
		else if (values)
			wanted[w].value = word_at(mem, values + 8 * wanted[w].index);
	}
}

/* --- modules and classes ---------------------------------------------------------------------- */

/* @name of module @module; 0: not imported. */
static uint64_t global_of(struct ctx_memory *mem, const struct wanted *module, const char *name)
{
	struct wanted w = { .name = name };

	if (module->value)
		get_items(mem, word_at(mem, module->value + MODULE_DICT), &w, 1);
	return w.value;
}

/* How objects of class @type have attribute @name. -EAGAIN: none has had it yet. */
static int find_attribute(struct ctx_memory *mem, uint64_t type, const char *name,
			  struct python_type *ret)
{
	uint64_t basicsize = word_at(mem, type + TYPE_BASICSIZE);
	uint64_t dictoffset = word_at(mem, type + TYPE_DICTOFFSET);
	struct wanted w = { .name = name };
	struct py_keys keys;
	int r;

	if (basicsize > 4096 ||
	    keys_of(mem, word_at(mem, type + mem->layout->cached_keys), &keys) < 0)
		return -ENOTSUP;
	r = find_entries(mem, &keys, &w, 1);
	if (r < 0 || w.index < 0)
		return r < 0 ? r : -EAGAIN;
	*ret = (struct python_type){ type, w.index, basicsize,
				     dictoffset <= 4096 ? dictoffset : 0 };
	return 0;
}

/* The attribute's value; 0: the object has none. */
static uint64_t attribute_of(struct ctx_memory *mem, uint64_t obj, const char *name)
{
	struct python_info py = { .flags = mem->layout->flags };
	struct py_head head = { 0 };
	struct python_type type;
	__u64 value;

	if (!obj || py_head_read(mem, &py, obj, &head) ||
	    find_attribute(mem, head.type, name, &type) < 0)
		return 0;
	return py_attribute(mem, &py, obj, &head, &type, &value) == CTX_FOUND ? value : 0;
}

/* --- OpenTelemetry ---------------------------------------------------------------------------- */

enum module { MODULE_CONTEXT, MODULE_PROPAGATION, MODULE_API, MODULE_SDK, MODULES };

static int find_variable(struct ctx_memory *mem, const struct wanted *modules,
			 uint64_t variable_type, struct python_info *py)
{
	uint64_t runtime = global_of(mem, &modules[MODULE_CONTEXT], "_RUNTIME_CONTEXT");
	uint64_t hash;

	if (!runtime)
		return -EAGAIN;
	py->variable = attribute_of(mem, runtime, "_current_context");
	if (!py->variable)
		return -EAGAIN; /* it is made when it is first used */
	if (word_at(mem, py->variable + PY_OB_TYPE) != variable_type)
		return -ENOTSUP;
	hash = word_at(mem, py->variable + VARIABLE_HASH);
	py->hash = (uint32_t)hash ^ (uint32_t)(hash >> 32);
	if (py->hash == UINT32_MAX) /* Python/hamt.c: never -1 */
		py->hash = UINT32_MAX - 1;
	return 0;
}

static int find_spans(struct ctx_memory *mem, const struct wanted *modules, struct python_info *py)
{
	uint64_t sdk = global_of(mem, &modules[MODULE_SDK], "_Span");
	struct wanted api[] = { { .name = "NonRecordingSpan" }, { .name = "SpanContext" } };
	uint64_t module = modules[MODULE_API].value;
	int r;

	if (module)
		get_items(mem, word_at(mem, module + MODULE_DICT), api, 2);
	py->span_context = api[1].value;
	if (!py->span_context)
		return -EAGAIN;
	r = sdk ? find_attribute(mem, sdk, "_context", &py->spans[0]) : -EAGAIN;

	if (r == 0 && api[0].value)
		find_attribute(mem, api[0].value, "_context",
			       &py->spans[1]); /* many never have one */
	return r;
}

static int find_opentelemetry(struct ctx_memory *mem, uint64_t dict, uint64_t variable_type,
			      struct python_info *py)
{
	struct wanted modules[MODULES] = {
		[MODULE_CONTEXT] = { .name = "opentelemetry.context" },
		[MODULE_PROPAGATION] = { .name = "opentelemetry.trace.propagation" },
		[MODULE_API] = { .name = "opentelemetry.trace.span" },
		[MODULE_SDK] = { .name = "opentelemetry.sdk.trace" },
	};
	int r;

	get_items(mem, dict, modules, MODULES);
	r = find_variable(mem, modules, variable_type, py);
	if (r < 0)
		return r;
	py->span_key = global_of(mem, &modules[MODULE_PROPAGATION], "_SPAN_KEY");
	return py->span_key ? find_spans(mem, modules, py) : -EAGAIN;
}

/* Since 3.13: without the interpreter's lock objects are laid out otherwise. */
#define RUNTIME_COOKIE 0x7970677562656478 /* "xdebugpy" */

static bool is_free_threaded(struct ctx_memory *mem, uint64_t runtime, unsigned minor)
{
	uint64_t head[3] = { 0 }; /* cookie, version, is it? */

	if (minor < 13)
		return false;
	return remote_mem_read(mem->pid, runtime, head, sizeof(head)) < 0 ||
	       head[0] != RUNTIME_COOKIE || head[2];
}

int python_find_objects(const struct python_file *file, const struct python_process *p,
			struct python_info *ret)
{
	struct ctx_memory mem = { .pid = p->pid };
	uint64_t runtime = p->bias + file->runtime, interp;
	unsigned minor;
	int r;

	python_version(file, p, &minor);
	if (!minor || is_free_threaded(&mem, runtime, minor))
		return -ENOTSUP;
	mem.layout = &layouts[minor - MINOR_MIN];
	ret->py_true = p->bias + file->py_true;
	ret->long_type = p->bias + file->long_type;
	ret->context = mem.layout->context;
	ret->tuple_items = mem.layout->tuple_items;
	ret->flags = (uint16_t)mem.layout->flags;
	interp = word_at(&mem, runtime + mem.layout->main);
	if (!interp)
		return -EAGAIN; /* it is just starting */
	r = find_key(&mem, p, runtime, interp, ret);
	if (r < 0)
		return r;
	return find_opentelemetry(&mem, word_at(&mem, interp + mem.layout->modules),
				  p->bias + file->context_var, ret);
}
