# SPDX-License-Identifier: Apache-2.0
"""
Span ids from the pprof labels of Go programs: of each form that Go has had, however the program is
linked. Goroutines move between threads, so the truth is by the function that a worker runs.
"""

import json
import os
import shutil
import subprocess
from bisect import bisect_right
from collections import Counter, defaultdict

import pytest

import go
from conftest import BUILD, ROOT

SOURCES = ROOT / "tests/workloads/golabels"
SECONDS = 2
PLAIN = ("-modfile=plain.mod", "-tags", "plain")
STATIC_CGO = ("-ldflags", "-linkmode external -extldflags -static")

# name → (Go release, None for the one at hand, or Debian's own; cgo; further arguments of `go build`)
PROGRAMS = {
    "otel-profiling-go": (None, "0", ()),
    "map, 1.19": (go.OF_DEBIAN, "0", PLAIN),
    "map, 1.21": ("go1.21.13", "0", PLAIN),
    "map, 1.22": ("go1.22.12", "0", PLAIN),
    "map, 1.23": ("go1.23.12", "0", PLAIN),
    "slice, 1.24": ("go1.24.13", "0", PLAIN),
    "slice, 1.25": ("go1.25.9", "0", PLAIN),
    "cgo": (None, "1", PLAIN),
    "cgo, static": (None, "1", (*PLAIN, *STATIC_CGO)),
    "cgo, 1.19": (go.OF_DEBIAN, "1", PLAIN),
    "cgo, 1.22": ("go1.22.12", "1", PLAIN),
}
PIE = {
    "PIE": (None, "0", (*PLAIN, "-buildmode=pie")),
    "PIE, 1.19": (go.OF_DEBIAN, "0", (*PLAIN, "-buildmode=pie")),
    "PIE, 1.22": ("go1.22.12", "0", (*PLAIN, "-buildmode=pie")),
    "PIE, cgo": (None, "1", (*PLAIN, "-buildmode=pie")),
}


def build(name):
    release, cgo, arguments = {**PROGRAMS, **PIE}[name]
    program = BUILD / "golabels" / name.replace(", ", "-")
    done = subprocess.run(
        [*go.go(release), "build", *arguments, "-o", program, "."], cwd=SOURCES, env={**os.environ, "CGO_ENABLED": cgo},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program


class Functions:
    """Names of the addresses of a program that is loaded where it was linked."""

    def __init__(self, program):
        said = subprocess.run(["nm", "-n", program], capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in said.splitlines()]
        self.names = [r[2] for r in rows if len(r) == 3]
        self.starts = [int(r[0], 16) for r in rows if len(r) == 3]

    def name(self, address):
        return self.names[bisect_right(self.starts, address - 1) - 1]


def read_spans(path):
    """worker → its spans, in order."""
    spans = defaultdict(list)
    for line in path.read_text(encoding="ascii").splitlines():
        entry = json.loads(line)
        spans[entry["worker"]].append(entry)
    return spans


def place(spans, time_ns):
    i = bisect_right([s["outer_start"] for s in spans], time_ns) - 1
    if i < 0 or time_ns > spans[i]["outer_end"]:
        return "outside", None
    inside = spans[i]["inner_start"] < time_ns < spans[i]["inner_end"]
    return "inside" if inside else "edge", spans[i]


def judge(samples, spans, functions):
    counts, wrong = Counter(), []
    for sample in samples:
        names = (functions.name(int(f, 16)) for f in sample["frames"])
        worker = next((n for n in names if n in spans), None)
        if not worker:
            continue
        where, span = place(spans[worker], sample["time_ns"])
        carried = (sample["span_id"], sample["trace_id"])
        what = "none" if not carried[0] else "wrong"
        if span and carried == (span["span_id"], span["trace_id"]):
            what = "right"
        counts[where, what] += 1
        if what == "wrong":
            wrong.append((where, carried, span))
    return counts, wrong


def assert_right(recording, functions):
    spans = read_spans(recording.folder / "truth.jsonl")
    counts, wrong = judge(recording.samples, spans, functions)
    print(counts)
    assert not wrong, wrong[:5]
    inside = counts["inside", "right"] + counts["inside", "none"]
    assert inside > 500 * SECONDS
    assert counts["inside", "right"] >= 0.999 * inside
    assert counts["outside", "none"] > 50


@pytest.mark.parametrize("name", PROGRAMS)
def test_labels(record, name):
    program = build(name)
    assert_right(record("--", program, SECONDS, "{log}"), Functions(program))


@pytest.mark.parametrize("name", ["otel-profiling-go", "map, 1.22"])
def test_stripped(record, name, tmp_path):
    program = build(name)
    stripped = tmp_path / "stripped"
    shutil.copy(program, stripped)
    subprocess.run(["strip", stripped], check=True)
    assert_right(record("--", stripped, SECONDS, "{log}"), Functions(program))


@pytest.mark.parametrize("name", PIE)
def test_position_independent(record, name):
    """By the profile, as nothing is where it was linked: each worker has its own spans, and time for them."""
    recording = record("--", build(name), SECONDS, "{log}")
    spans = read_spans(recording.folder / "truth.jsonl")
    ids = {w: {(s["span_id"], s["trace_id"]) for s in of} for w, of in spans.items()}
    counts = Counter()
    for sample in recording.profile.samples:
        worker = next((n for n in sample.names if n in ids), None)
        if not worker:
            continue
        carried = (sample.labels.get("span_id"), sample.labels.get("trace_id"))
        assert carried == (None, None) or carried in ids[worker]
        counts[carried[0] is not None] += sample.values[0]
    print(counts)
    inside = sum(s["inner_end"] - s["inner_start"] for of in spans.values() for s in of)
    last = max(s["outer_end"] for of in spans.values() for s in of)
    first = min(s["outer_start"] for of in spans.values() for s in of)
    assert counts[True] > 500 * SECONDS
    # Each worker is in a span all the time but for the 200 µs in between, and before the first.
    share = inside / (len(spans) * (last - first))
    assert counts[True] / sum(counts.values()) == pytest.approx(share, abs=0.15)


def test_program_that_sets_no_labels(record, tmp_path):
    source = tmp_path / "none.go"
    source.write_text("package main\n\nfunc main() { for i := 0; i < 1<<30; i++ { } }\n")
    subprocess.run(["go", "build", "-o", tmp_path / "none", source], check=True)
    recording = record("--", tmp_path / "none")
    assert recording.stats["context_read"] == 0
    assert recording.stats["context_writer_unsupported"] == 0
