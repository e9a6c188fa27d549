/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_table.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

struct otlp_item {
	uint32_t index;
	size_t len;
	uint8_t bytes[];
};

struct span {
	const void *buf;
	size_t len;
};

void otlp_memory_clear(struct otlp_memory *m)
{
	arena_clear(&m->arena);
	vec_free(&m->scratch);
	hashmap_clear(&m->texts);
}

struct text {
	const char *from;
	char to[];
};

static bool text_eq(const void *value, const void *key)
{
	return ((const struct text *)value)->from == key;
}

static struct text *copy_text(struct otlp_memory *m, const char *str, size_t len)
{
	struct text *t = arena_alloc(&m->arena, sizeof(*t) + len + 1);

	if (!t || hashmap_put(&m->texts, hash_u64(0, (uintptr_t)str), t) < 0)
		return NULL;
	t->from = str;
	memcpy(t->to, str, len + 1);
	utf8_replace_invalid(t->to, len);
	return t;
}

const char *otlp_text(struct otlp_memory *m, const char *str)
{
	size_t len = strlen(str);
	struct text *t;

	if (utf8_valid_len(str, len) == len)
		return str;
	t = hashmap_get(&m->texts, hash_u64(0, (uintptr_t)str), text_eq, str);
	if (!t)
		t = copy_text(m, str, len);
	return t ? t->to : NULL;
}

void otlp_table_clear(struct otlp_table *t)
{
	hashmap_clear(&t->map);
	vec_free(&t->items);
}

static bool item_eq(const void *value, const void *key)
{
	const struct otlp_item *item = value;
	const struct span *s = key;

	return item->len == s->len && (s->len == 0 || memcmp(item->bytes, s->buf, s->len) == 0);
}

size_t otlp_field_size(size_t len)
{
	size_t size = 2; /* the key, the last byte of the length */

	for (size_t rest = len >> 7; rest; rest >>= 7)
		size++;
	return size + len;
}

static struct otlp_item *item_new(struct otlp_table *t, struct arena *a, const struct span *s)
{
	struct otlp_item *item = arena_alloc(a, sizeof(*item) + s->len);

	if (!item)
		return NULL;
	item->index = t->items.n;
	item->len = s->len;
	if (s->len)
		memcpy(item->bytes, s->buf, s->len);
	return item;
}

int otlp_table_add(struct otlp_table *t, struct otlp_memory *m, const void *buf, size_t len,
		   uint32_t *ret)
{
	struct span s = { buf, len };
	uint64_t hash = hash_bytes(m->seed, buf, len);
	struct otlp_item *item = hashmap_get(&t->map, hash, item_eq, &s);

	if (!item) {
		item = item_new(t, &m->arena, &s);
		if (!item || vec_push(&t->items, (ProtobufCBinaryData){ len, item->bytes }) < 0 ||
		    hashmap_put(&t->map, hash, item) < 0)
			return -ENOMEM;
		t->size += otlp_field_size(len);
	}
	*ret = item->index;
	return 0;
}

int otlp_table_pack(struct otlp_table *t, struct otlp_memory *m, const ProtobufCMessage *msg,
		    uint32_t *ret)
{
	size_t len = protobuf_c_message_get_packed_size(msg);

	m->scratch.n = 0;
	if (vec_reserve(&m->scratch, len + 1) < 0)
		return -ENOMEM;
	protobuf_c_message_pack(msg, m->scratch.data);
	return otlp_table_add(t, m, m->scratch.data, len, ret);
}
