/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the Protocol Buffers wire format field by field, of foreign bytes: no allocation, no
 * recursion. For messages that must be read as the specification says whatever their writer did:
 * protobuf-c refuses groups and fields of another wire type instead of skipping them, does not
 * merge members of a oneof, and recurses as deep as the bytes ask.
 */
#ifndef CTX_PROTO_WIRE_H
#define CTX_PROTO_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct proto_slice {
	const uint8_t *data;
	size_t len;
};

enum proto_wire_type {
	PROTO_VARINT = 0,
	PROTO_I64 = 1,
	PROTO_LEN = 2,
	PROTO_START_GROUP = 3,
	PROTO_END_GROUP = 4,
	PROTO_I32 = 5,
};

struct proto_field {
	uint32_t number;
	enum proto_wire_type type;
	uint64_t value;		  /* PROTO_VARINT, PROTO_I64, PROTO_I32 */
	struct proto_slice slice; /* PROTO_LEN; points into the message */
};

/*
 * Takes the next field off the front of @msg. 1: *ret is set; 0: the message is at its end;
 * -EBADMSG: these bytes are no message. Groups are skipped whole.
 */
int proto_next(struct proto_slice *msg, struct proto_field *ret);

#endif
