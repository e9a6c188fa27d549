#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Is the profile true? A program of known split, with 1, 2 and 16 threads and spans of each length:
how many samples carry the right span, and how far shares of functions are from the truth.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from measure import SPANPROF, WORKLOADS, machine, table

from binomial import CONFIDENCE, interval
from conftest import run_record
from truth import Place, judge

STAGES = ("stage_parse", "stage_match", "stage_price", "stage_render")
LENGTHS_US = (50, 1000, 20000, 1000000)


def shares(recording):
    """(greatest distance of a stage's share from the truth; how many are out of bounds)"""
    counts = Counter()
    for s in recording.profile.samples:
        if "span_id" in s.labels:
            counts.update({n: s.values[0] for n in STAGES if s.has(n)})
    work, n = recording.truth.work(), sum(counts.values())
    worst, outside = 0, 0
    for name in STAGES:
        true = work[name] / sum(work.values())
        low, high = interval(counts[name], n)
        worst = max(worst, abs(counts[name] / n - true))
        outside += not low <= true <= high
    return worst, outside


def discovery(recording):
    """(when the process's first context was read, ms from its first span to then)"""
    found = min(s["time_ns"] for s in recording.samples if s["span_id"])
    return found, (found - min(s.outer_start for s in recording.truth.spans)) / 1e6


def measure(threads, length_us, cpu_seconds, hz):
    with tempfile.TemporaryDirectory() as folder:
        r = run_record(
            SPANPROF, Path(folder), "--", WORKLOADS / "split-le", "--threads", threads,
            "--outside", 12, "--cpu-seconds", cpu_seconds, "--span-us", length_us, "--log", "{log}",
            frequency=hz,
        )  # fmt: skip
        found, found_ms = discovery(r)
        verdict = judge(r.truth, [s for s in r.samples if s["time_ns"] >= found])
        worst, outside = shares(r)
        weights = r.profile.total("cpu", lambda s: s.labels["pid"] == r.truth.pid)
        cpu = r.truth.process["cpu_ns"]
        delivered = r.stats["samples_delivered"]
        assert delivered == r.stats["samples_taken"], "samples were lost"
    inside, counts = verdict.total(Place.INSIDE), verdict.counts
    wrong = sum(n for (_, what), n in counts.items() if what == "wrong")
    return [
        f"{threads} threads, {length_us} µs", delivered, f"{found_ms:.0f}", inside,
        f"{100 * counts[Place.INSIDE, 'right'] / inside:.3f}", wrong,
        counts[Place.OUTSIDE, "right"] + counts[Place.OUTSIDE, "wrong"],
        f"{100 * worst:.2f}", f"{outside} of {len(STAGES)}", f"{100 * (weights / cpu - 1):+.2f}",
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu-seconds", type=float, default=11, help="of each program (11)")
    parser.add_argument("-F", "--freq", type=int, default=999)
    options = parser.parse_args()
    print(machine())
    rows = [
        measure(threads, us, options.cpu_seconds, options.freq)
        for threads in (1, 2, 16)
        for us in LENGTHS_US
    ]
    print(
        f"{options.freq} Hz; ids are judged from the moment on at which the new process was found to\n"
        f"publish a context. To be met: >= 99.9 % right, none wrong, none outside of spans, weights\n"
        f"within 2 %, shares of functions within their {100 * CONFIDENCE:.1f} % intervals."
    )
    table(["", "samples", "found after ms", "inside", "% right", "wrong", "outside, with id",
           "share off, points", "out of interval", "weights off %"], rows)  # fmt: skip


if __name__ == "__main__":
    main()
