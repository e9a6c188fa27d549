# SPDX-License-Identifier: Apache-2.0
"""
Ground truth of tests/workloads (see truth.h there), and the judgement of single samples by it.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import Enum


@dataclass
class Span:
    name: str
    tid: int
    span_id: str
    trace_id: str
    parent_id: str
    outer_start: int
    inner_start: int
    inner_end: int
    outer_end: int
    cpu_ns: int
    work: dict  # function → amount, in the unit of the process line


class Place(Enum):
    INSIDE = "inside"  # of a span, beyond doubt
    EDGE = "edge"  # while it was attached or detached
    OUTSIDE = "outside"  # of any span, beyond doubt


class Truth:
    """All that one process logged."""

    def __init__(self, lines):
        self.spans, self.threads, self.process = [], [], None
        for line in lines:
            entry = json.loads(line)
            kind = entry.pop("type")
            if kind == "span":
                self.spans.append(Span(**entry))
            elif kind == "thread":
                self.threads.append(entry)
            else:
                self.process = entry
        assert self.process, "log has no process line"
        self.pid = self.process["pid"]
        self.by_id = {s.span_id: s for s in self.spans}
        assert len(self.by_id) == len(self.spans), "span ids are not unique"
        self._by_tid = defaultdict(list)
        for span in sorted(self.spans, key=lambda s: s.outer_start):
            self._by_tid[span.tid].append(span)
        self._starts = {t: [s.outer_start for s in v] for t, v in self._by_tid.items()}

    @classmethod
    def load(cls, path):
        with open(path, encoding="ascii") as f:
            return cls(f)

    def place(self, tid, time_ns):
        """(Place, the span or None) of thread `tid` at `time_ns`."""
        spans = self._by_tid.get(tid, [])
        i = bisect_right(self._starts.get(tid, []), time_ns) - 1
        if i < 0 or time_ns > spans[i].outer_end:
            return Place.OUTSIDE, None
        span = spans[i]
        if span.inner_start < time_ns < span.inner_end:
            return Place.INSIDE, span
        return Place.EDGE, span

    def work(self, where=lambda span: True):
        """Sums by function of the spans' work."""
        sums = Counter()
        for span in filter(where, self.spans):
            sums.update(span.work)
        return sums

    def work_outside(self):
        sums = Counter()
        for thread in self.threads:
            sums.update(thread["work"])
        return sums

    @property
    def threads_cpu_ns(self):
        return sum(t["cpu_ns"] for t in self.threads)


@dataclass
class Verdict:
    """What single samples carried, by where they were taken."""

    counts: Counter  # of (Place, "right" | "none" | "wrong")
    examples: list  # of the wrong ones

    def total(self, place):
        return sum(n for (p, _), n in self.counts.items() if p is place)

    def assert_right(self, at_least=0.999):
        """The numbers that the project promises."""
        right = self.counts[Place.INSIDE, "right"]
        inside = self.total(Place.INSIDE)
        assert inside, "no sample inside a span: nothing was tested"
        wrong = sum(n for (_, what), n in self.counts.items() if what == "wrong")
        assert wrong == 0, f"{wrong} samples carry what is not theirs: {self.examples[:5]}"
        assert right >= at_least * inside, (
            f"{right} of {inside} samples inside spans carry what is the span's ({right / inside:.5f}); "
            f"{self.examples[:5]}"
        )


def ids(sample, span):
    """Does the sample carry the ids of the span, or none, or wrong ones?"""
    span_id, trace_id = sample["span_id"], sample["trace_id"]
    if not span_id and not trace_id:
        return "none"
    if span and (span_id, trace_id) == (span.span_id, span.trace_id):
        return "right"
    return "wrong"


def label(key, of=lambda span: span.name):
    """The same of a label, to be judged by: its value is of(span)."""

    def carried(sample, span):
        value = sample["labels"].get(key)
        if value is None:
            return "none"
        return "right" if span and value == of(span) else "wrong"

    return carried


def judge(truth, samples, carried=ids):
    """
    Holds samples of --dump-samples against the log: their ids, or what else `carried` looks at.
    Samples of other processes are left out. An edge excuses a missing id, never a wrong one.
    """
    verdict = Verdict(Counter(), [])
    for sample in samples:
        if sample["pid"] != truth.pid:
            continue
        place, span = truth.place(sample["tid"], sample["time_ns"])
        what = carried(sample, span)
        verdict.counts[place, what] += 1
        if what == "wrong" or (place is Place.INSIDE and what == "none"):
            verdict.examples.append((place.value, what, sample, span))
    return verdict


def load_samples(path):
    """Of record --dump-samples: one JSON object a line. Ids are None where there is no context."""
    nothing = {"span_id": None, "trace_id": None, "local_root_span_id": None, "labels": {}}
    with open(path, encoding="utf-8") as f:
        return [{**nothing, **json.loads(line)} for line in f]
