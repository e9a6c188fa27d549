/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinct packed messages, numbered from 0 as they come: a table of OTLP's dictionary. What a
 * message refers to is in a table before it, so that equal bytes are equal messages.
 */
#ifndef EXPORT_OTLP_TABLE_H
#define EXPORT_OTLP_TABLE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/vec.h"

/* What the tables of one request share. A zeroed one is empty. */
struct otlp_memory {
	struct arena arena;
	VEC(uint8_t) scratch; /* one message */
	struct hashmap texts; /* of those that had to be copied */
	uint64_t seed;	      /* of hashes: names are not always ours to choose */
};

void otlp_memory_clear(struct otlp_memory *m);

/*
 * @str itself if it is valid UTF-8, else a copy with '?' for what is not; NULL: no memory. @str
 * must outlive @m, and is known by its address.
 */
const char *otlp_text(struct otlp_memory *m, const char *str);

/* A zeroed struct is an empty table. */
struct otlp_table {
	struct hashmap map; /* of struct otlp_item */
	VEC(ProtobufCBinaryData) items;
	size_t size; /* bytes of all items as elements of a repeated field */
};

void otlp_table_clear(struct otlp_table *t);

/* The index of these bytes, which are added if they are new. 0 or -ENOMEM. */
int otlp_table_add(struct otlp_table *t, struct otlp_memory *m, const void *buf, size_t len,
		   uint32_t *ret);

/* The same of what @msg is when it is packed. */
int otlp_table_pack(struct otlp_table *t, struct otlp_memory *m, const ProtobufCMessage *msg,
		    uint32_t *ret);

/* Bytes that @len bytes take as an element of a repeated field with a number below 16. */
size_t otlp_field_size(size_t len);

#endif
