#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Process context payloads, and what python3-protobuf reads in them, for test_process_ctx.c.

A case is a line of hex digits (the payload), one line "name=value" for each string that a reader
should get, "key.N=value" for each name of the key map ("key.N" alone: no name), and an empty line.
Payloads are random messages in random pieces: protobuf says that messages whose encodings are
concatenated are merged, and the writers in the field make use of it.

With --seeds DIR it writes some of the payloads to files instead.
"""
import random
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "ctx"
SCALARS = {"string": 9, "bool": 8, "int64": 3, "double": 1, "bytes": 12, "int32": 5, "uint32": 13}
STRINGS = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "service.version",
    "deployment.environment.name",
    "telemetry.sdk.language",
]
SCHEMA = "threadlocal.schema_version"
KEY_MAP = "threadlocal.attribute_key_map"
OTHERS = ["", "host.name", "service.nam", "service.name2", "threadlocal.", "datadog.process_tags"]

# opentelemetry-proto, with the recursion that the reader does without.
MESSAGES = {
    "ProcessContext": [("resource", 1, "Resource", 0), ("attributes", 2, "KeyValue", 1)],
    "Resource": [("attributes", 1, "KeyValue", 1), ("dropped", 2, "uint32", 0)],
    "KeyValue": [("key", 1, "string", 0), ("value", 2, "AnyValue", 0), ("key_strindex", 3, "int32", 0)],
    "AnyValue": [
        ("string_value", 1, "string", 0),
        ("bool_value", 2, "bool", 0),
        ("int_value", 3, "int64", 0),
        ("double_value", 4, "double", 0),
        ("array_value", 5, "ArrayValue", 0),
        ("kvlist_value", 6, "KeyValueList", 0),
        ("bytes_value", 7, "bytes", 0),
        ("string_value_strindex", 8, "int32", 0),
    ],
    "ArrayValue": [("values", 1, "AnyValue", 1)],
    "KeyValueList": [("values", 1, "KeyValue", 1)],
}


def make_classes():
    file = descriptor_pb2.FileDescriptorProto(name="ctx.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
        for field, number, kind, repeated in fields:
            f = message.field.add(name=field, number=number, label=3 if repeated else 1)
            f.type = SCALARS.get(kind, 11)
            if kind not in SCALARS:
                f.type_name = f".{PACKAGE}.{kind}"
            if name == "AnyValue":
                f.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {n: factory.GetPrototype(pool.FindMessageTypeByName(f"{PACKAGE}.{n}")) for n in MESSAGES}


CLASS = make_classes()


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


# Numbers of fields and the wire type that each has.
KNOWN = {
    "ProcessContext": {1: 2, 2: 2},
    "Resource": {1: 2, 2: 0},
    "KeyValue": {1: 2, 2: 2, 3: 0},
    "AnyValue": {1: 2, 2: 0, 3: 0, 4: 1, 5: 2, 6: 2, 7: 2, 8: 0},
}


def unknown_field(rnd, message=None, depth=0):
    """A field of any wire type whose number @message does not know or knows with another type."""
    known = KNOWN.get(message, {})
    number = rnd.choice([9, 15, 16, 1000, 536870911] + list(known))
    kinds = {0, 1, 2, 5} | ({3} if depth < 3 else set())
    kind = rnd.choice(sorted(kinds - {known.get(number)}))
    tag = varint(number << 3 | kind)
    if kind == 0:
        return tag + varint(rnd.choice([0, 1, 300, 2**63, 2**64 - 1]))
    if kind in (1, 5):
        return tag + rnd.randbytes(8 if kind == 1 else 4)
    if kind == 2:
        body = rnd.randbytes(rnd.choice([0, 3, 200]))
        return tag + varint(len(body)) + body
    inner = b"".join(unknown_field(rnd, None, depth + 1) for _ in range(rnd.randrange(3)))
    return tag + inner + varint(number << 3 | 4)


def text(rnd):
    return rnd.choice(["", "checkout", "cart", "caf\u00e9 \U0001f600", "a" * 300, f"v{rnd.randrange(100)}"])


def any_value(rnd, depth=0):
    v = CLASS["AnyValue"]()
    kind = rnd.choice("ssssssssbidyxn" + ("aaaaaak" if depth < 3 else ""))
    if kind == "s":
        v.string_value = text(rnd)
    elif kind == "b":
        v.bool_value = True
    elif kind == "i":
        v.int_value = rnd.choice([0, -1, 2**40])
    elif kind == "d":
        v.double_value = 1.5
    elif kind == "y":
        v.bytes_value = b"bytes"
    elif kind == "x":
        v.string_value_strindex = 7
    elif kind == "a":
        v.array_value.SetInParent()
        for _ in range(rnd.randrange(4)):
            v.array_value.values.add().ParseFromString(any_value(rnd, depth + 1))
    elif kind == "k":
        kv = v.kvlist_value.values.add(key="service.name")
        kv.value.ParseFromString(any_value(rnd, depth + 1))
    return v.SerializeToString() + (unknown_field(rnd, "AnyValue") if rnd.random() < 0.1 else b"")


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def key_value(rnd):
    key = rnd.choice(STRINGS + [SCHEMA, KEY_MAP, KEY_MAP] + OTHERS)
    parts = [field(1, key.encode())]
    for _ in range(rnd.choice([0, 1, 1, 1, 1, 2, 3])):
        parts.append(field(2, any_value(rnd)))
    if rnd.random() < 0.05:
        parts.append(varint(3 << 3) + varint(rnd.choice([0, 5])))
    if rnd.random() < 0.05:
        parts.append(field(1, rnd.choice(STRINGS).encode()))
    if rnd.random() < 0.1:
        parts.append(unknown_field(rnd, "KeyValue"))
    rnd.shuffle(parts)
    return b"".join(parts)


def payload(rnd):
    parts = []
    for _ in range(rnd.randrange(1, 7)):
        if rnd.random() < 0.5:
            parts.append(field(2, key_value(rnd)))
        else:
            attributes = [field(1, key_value(rnd)) for _ in range(rnd.randrange(9))]
            if rnd.random() < 0.2:
                attributes.append(unknown_field(rnd, "Resource"))
            parts.append(field(1, b"".join(attributes)))
        if rnd.random() < 0.1:
            parts.append(unknown_field(rnd, "ProcessContext"))
    return b"".join(parts)


def last_values(attributes):
    """Last wins; what refers to a dictionary of strings is not for us."""
    return {kv.key: kv.value for kv in attributes if kv.key and not kv.key_strindex}


def expected(context):
    """Lines that say what a reader should make of the message."""
    resource = last_values(context.resource.attributes)
    own = last_values(context.attributes)
    values = {key: resource.get(key) for key in STRINGS}
    for key in (SCHEMA, KEY_MAP):
        values[key] = own.get(key, resource.get(key))

    for key in STRINGS + [SCHEMA]:
        if values[key] is not None and values[key].string_value:
            yield f"{key}={values[key].string_value}"
    if values[KEY_MAP] is not None:
        for i, item in enumerate(values[KEY_MAP].array_value.values):
            yield f"key.{i}={item.string_value}" if item.string_value else f"key.{i}"


def main():
    rnd = random.Random(4719)
    if sys.argv[1] == "--seeds":
        for i in range(24):
            with open(f"{sys.argv[2]}/random_{i:02}", "wb") as f:
                f.write(payload(rnd))
        return
    for _ in range(int(sys.argv[1])):
        data = payload(rnd)
        context = CLASS["ProcessContext"]()
        context.ParseFromString(data)
        print("\n".join([data.hex(), *expected(context), ""]))


main()
