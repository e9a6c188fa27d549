# SPDX-License-Identifier: Apache-2.0
"""
A reader of OTLP profiles as the Collector's file exporter writes them, made from opentelemetry-proto
1.10. It resolves every reference of the dictionary, and refuses what the specification forbids:
entries that nothing points to, equal ones, a first entry that is not the empty one.
"""

import json
from collections import Counter
from dataclasses import dataclass

TABLES = (
    "mappingTable", "locationTable", "functionTable", "linkTable", "stringTable",
    "attributeTable", "stackTable",
)  # fmt: skip


def _number(value):
    return int(value or 0)


@dataclass
class Location:
    names: list  # of its functions, innermost first
    file: str  # that is mapped there
    attributes: dict
    file_attributes: dict


class Dictionary:
    def __init__(self, data):
        self.tables = {name: data.get(name, []) for name in TABLES}
        self.used = {name: set() for name in TABLES}
        for name, table in self.tables.items():
            assert table, f"{name} has no entry 0"
            first = table[0]
            assert not first or not any(_number(v) if isinstance(v, (int, str)) and str(v).isdigit() else
                                        v and set(str(v)) != {"0"} for v in first.values()), f"{name}[0]: {first}"
            texts = [json.dumps(e, sort_keys=True) for e in table]
            double = [t for t, n in Counter(texts).items() if n > 1]
            assert not double, f"{name} has equal entries: {double[:3]}"

    def get(self, name, index):
        index = _number(index)
        assert 0 <= index < len(self.tables[name]), f"{name}[{index}] of {len(self.tables[name])}"
        self.used[name].add(index)
        return self.tables[name][index]

    def string(self, index):
        return self.get("stringTable", index)

    def attributes(self, indices):
        found = {}
        for i in indices or []:
            a = self.get("attributeTable", i)
            key = self.string(a.get("keyStrindex"))
            self.string(a.get("unitStrindex"))
            assert key not in found, f"attribute {key} twice"
            found[key] = self.value(a.get("value", {}))
        return found

    def value(self, v):
        if "stringValueStrindex" in v:
            return self.string(v["stringValueStrindex"])
        if "intValue" in v:
            return int(v["intValue"])
        return v.get("stringValue", v.get("boolValue", v.get("doubleValue")))

    def location(self, index):
        entry = self.get("locationTable", index)
        mapping = self.get("mappingTable", entry.get("mappingIndex"))
        names = []
        for line in entry.get("lines", []):
            function = self.get("functionTable", line.get("functionIndex"))
            names.append(self.string(function.get("nameStrindex")))
            self.string(function.get("systemNameStrindex"))
            self.string(function.get("filenameStrindex"))
        return Location(names, self.string(mapping.get("filenameStrindex")),
                        self.attributes(entry.get("attributeIndices")),
                        self.attributes(mapping.get("attributeIndices")))  # fmt: skip

    def assert_no_orphans(self):
        for name, table in self.tables.items():
            orphans = set(range(1, len(table))) - self.used[name]
            assert not orphans, f"{name}: nothing points to {[table[i] for i in sorted(orphans)[:3]]}"


class Sample:
    """One of the samples: its count, labels (resource and own), span, locations and function names."""

    def __init__(self, d, resource, profile, s):
        times, values = s.get("timestampsUnixNano", []), [int(v) for v in s.get("values", [])]
        assert times or values, s
        assert not (times and values) or len(values) in (1, len(times)), s
        self.count = sum(values) if values else len(times)
        self.times = [int(t) for t in times]
        self.labels = {**resource, **d.attributes(s.get("attributeIndices"))}
        link = d.get("linkTable", s.get("linkIndex"))
        self.trace_id, self.span_id = link.get("traceId", ""), link.get("spanId", "")
        stack = d.get("stackTable", s.get("stackIndex"))
        self.locations = [d.location(i) for i in stack.get("locationIndices", [])]
        self.names = [n for l in self.locations for n in l.names]


def _read_request(request):
    d = Dictionary(request["dictionary"])
    for resource in request["resourceProfiles"]:
        labels = {}
        for a in resource.get("resource", {}).get("attributes", []):
            key = d.string(a["keyStrindex"]) if "keyStrindex" in a else a["key"]
            labels[key] = d.value(a["value"])
        for scope in resource["scopeProfiles"]:
            assert scope["scope"]["name"] == "spanprof"
            for profile in scope["profiles"]:
                kind = profile["sampleType"]
                assert d.string(kind["typeStrindex"]) == "samples"
                assert d.string(kind["unitStrindex"]) == "count"
                for key in "typeStrindex", "unitStrindex":
                    d.string(profile["periodType"][key])
                d.attributes(profile.get("attributeIndices"))
                for s in profile["samples"]:
                    yield Sample(d, labels, profile, s)
    d.assert_no_orphans()


def load(path):
    """All samples of all requests in the file."""
    with open(path, encoding="utf-8") as f:
        return [s for line in f for s in _read_request(json.loads(line))]
