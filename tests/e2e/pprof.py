# SPDX-License-Identifier: Apache-2.0
"""
A reader of pprof files, made from the published field numbers and nothing of this project, so that
it does not share a mistake with what it judges.
"""

import gzip
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Frame:
    name: str  # of the function; "" if the location has none
    file: str
    line: int
    address: int
    mapping: str  # file name
    inlined: bool = False  # into the next frame


@dataclass
class Sample:
    frames: list  # of Frame, innermost first, inlined ones too
    values: list
    labels: dict = field(default_factory=dict)

    @property
    def names(self):
        """Of the functions that were called: what was inlined into them is left out."""
        return [f.name for f in self.frames if not f.inlined]

    def has(self, *functions):
        """Is one of the functions on the stack?"""
        return any(f.name in functions for f in self.frames)


@dataclass
class Profile:
    sample_types: list  # of (type, unit)
    samples: list
    mappings: list
    period: int
    period_type: tuple
    time_ns: int
    duration_ns: int
    comments: list

    def value_index(self, name):
        return [t for t, _ in self.sample_types].index(name)

    def total(self, name="samples", where=lambda s: True):
        i = self.value_index(name)
        return sum(s.values[i] for s in self.samples if where(s))

    def count_by(self, key, name="samples", where=lambda s: True):
        """Sums of the value `name` by key(sample); samples whose key is None are left out."""
        i, sums = self.value_index(name), Counter()
        for s in self.samples:
            k = key(s) if where(s) else None
            if k is not None:
                sums[k] += s.values[i]
        return sums


def _varint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _fields(data):
    """(number, value) of each field: an int, or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            length, at = _varint(data, at)
            value = data[at : at + length]
            assert len(value) == length, "field is cut off"
            at += length
        else:
            raise ValueError(f"wire type {wire} in a pprof")
        yield number, value


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


def _message(data, repeated=()):
    """{number: value}; repeated fields are lists, packed ones unpacked."""
    result = {n: [] for n in repeated}
    for number, value in _fields(data):
        if number in repeated:
            result[number].append(value)
        else:
            result[number] = value
    return result


def _integers(values):
    result = []
    for value in values:
        if isinstance(value, int):
            result.append(_signed(value))
            continue
        at = 0
        while at < len(value):
            v, at = _varint(value, at)
            result.append(_signed(v))
    return result


class _Tables:
    """Everything that samples refer to by id."""

    def __init__(self, top):
        self.strings = [s.decode() for s in top[6]]
        assert self.strings and self.strings[0] == "", "string 0 must be empty"
        self.mappings = self._by_id(top[3])
        self.functions = self._by_id(top[5])
        self.locations = self._by_id(top[4], repeated=(4,))

    @staticmethod
    def _by_id(messages, repeated=()):
        decoded = [_message(m, repeated) for m in messages]
        by_id = {m[1]: m for m in decoded}
        assert len(by_id) == len(decoded) and 0 not in by_id, "ids must be unique and not 0"
        return by_id

    def string(self, message, number):
        return self.strings[message.get(number, 0)]

    def frames(self, location_id):
        location = self.locations[location_id]
        mapping_id = location.get(2, 0)
        mapping = self.string(self.mappings[mapping_id], 5) if mapping_id else ""
        address = location.get(3, 0)
        if not location[4]:
            yield Frame("", "", 0, address, mapping)
        lines = [_message(m) for m in location[4]]
        for i, line in enumerate(lines):
            function = self.functions[line[1]]
            name, file = self.string(function, 2), self.string(function, 4)
            inlined = i + 1 < len(lines)
            yield Frame(name, file, line.get(2, 0), address, mapping, inlined)

    def labels(self, messages):
        labels = {}
        for m in map(_message, messages):
            key = self.string(m, 1)
            if key == "timestamp":
                labels.setdefault(key, []).append(_signed(m.get(3, 0)))
                continue
            assert key not in labels, f"label {key} twice in one sample"
            labels[key] = self.string(m, 2) if 2 in m else _signed(m.get(3, 0))
        return labels

    def value_type(self, data):
        m = _message(data)
        return self.string(m, 1), self.string(m, 2)

    def mapping(self, m):
        return {
            "start": m.get(2, 0),
            "limit": m.get(3, 0),
            "offset": m.get(4, 0),
            "filename": self.string(m, 5),
            "build_id": self.string(m, 6),
            "has_functions": bool(m.get(7, 0)),
            "has_filenames": bool(m.get(8, 0)),
            "has_line_numbers": bool(m.get(9, 0)),
            "has_inline_frames": bool(m.get(10, 0)),
        }


def _sample(tables, data, frames_of):
    m = _message(data, repeated=(1, 2, 3))
    frames = [f for location in _integers(m[1]) for f in frames_of(location)]
    return Sample(frames, _integers(m[2]), tables.labels(m[3]))


def decode(data):
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    top = _message(data, repeated=(1, 2, 3, 4, 5, 6, 13))
    tables, cache = _Tables(top), {}

    def frames_of(location):
        if location not in cache:
            cache[location] = list(tables.frames(location))
        return cache[location]

    return Profile(
        sample_types=[tables.value_type(t) for t in top[1]],
        samples=[_sample(tables, s, frames_of) for s in top[2]],
        mappings=[tables.mapping(m) for m in tables.mappings.values()],
        period=_signed(top.get(12, 0)),
        period_type=tables.value_type(top.get(11, b"")),
        time_ns=_signed(top.get(9, 0)),
        duration_ns=_signed(top.get(10, 0)),
        comments=[tables.strings[i] for i in _integers(top[13])],
    )


def load(path):
    with open(path, "rb") as f:
        return decode(f.read())
