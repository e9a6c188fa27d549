#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
How many stacks are complete? Each program of workload.py is recorded for some seconds, and how its
user stacks ended is counted: in the program's processes only, from the first sample on.
"""

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import workload
from measure import SPANPROF, machine, table

import pprof
import stack_end

TARGET = 99.5  # % complete
REASONS_SHOWN = 4
TIMEOUT = 60  # seconds for start and end


def record(load, hz, seconds):
    """(dumped samples of the program's processes, all counters)"""
    with tempfile.TemporaryDirectory(prefix="spanprof-bench-") as folder:
        out, dump, stats = (Path(folder) / name for name in ("o.pb.gz", "d.jsonl", "s.json"))
        argv = [SPANPROF, "record", "-q", "-F", hz, "-d", seconds, "-o", out, "--stats", stats,
                "--dump-samples", dump, *(["--", *load.argv] if load.argv else ["-a"])]  # fmt: skip
        said = Path(folder) / "stderr"
        with said.open("w") as f, workload.running(argv, stderr=f) as spanprof:
            spanprof.wait(seconds + TIMEOUT)
        if not out.exists():
            raise RuntimeError(f"spanprof failed: {said.read_text().strip()}")
        pids = {
            s.labels["pid"]
            for s in pprof.load(out).samples
            if s.labels["process.executable.name"] in load.executables
        }
        samples = [json.loads(line) for line in dump.read_text().splitlines()]
        return [s for s in samples if s["pid"] in pids], json.loads(stats.read_text())


def row(name, samples):
    reasons = Counter(map(stack_end.reason, samples))
    complete = sum(n for word, n in reasons.items() if word in stack_end.COMPLETE)
    rest = Counter({word: n for word, n in reasons.items() if word not in stack_end.COMPLETE})
    fallback = sum(stack_end.by_fallback(s) > 0 for s in samples)
    depths = sorted(len(s["frames"]) for s in samples)
    n = len(samples) or 1
    return [
        name, len(samples), f"{100 * complete / n:.2f}", f"{100 * fallback / n:.2f}",
        depths[len(depths) // 2] if depths else "",
        ", ".join(f"{word} {count}" for word, count in rest.most_common(REASONS_SHOWN)),
    ]  # fmt: skip


def measure(names, hz, seconds):
    """(rows, sums of the counters, [(name, why it could not be run)])"""
    rows, sums, failed = [], Counter(), []
    for name in names:
        try:
            with workload.started(name) as load:
                samples, stats = record(load, hz, seconds)
        except (workload.Missing, RuntimeError, OSError, subprocess.SubprocessError) as e:
            failed.append((name, e))
            continue
        rows.append(row(name, samples))
        sums.update(stats)
    return rows, sums, failed


def print_result(rows, sums, failed):
    table(["", "samples", "% complete", "% with fallback", "median depth", "the rest"], rows)
    judged = [r for r in rows if r[0] not in workload.CUT]
    below = [r[0] for r in judged if float(r[2]) < TARGET]
    print(f"{len(judged) - len(below)} of {len(judged)} programs have {TARGET} %; not judged are those\n"
          f"that must be cut ({'; '.join(sorted(workload.CUT))})."
          + (f" Below: {'; '.join(below)}." if below else ""))  # fmt: skip
    ends = {k: n for k, n in sums.items() if k.startswith(("user_stack_", "unwind_")) and n}
    print("All programs' counters: " + ", ".join(f"{k} {n}" for k, n in sorted(ends.items())))
    for name, why in failed:
        print(f"not run: {name}: {why}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each recording (3)")
    parser.add_argument("-F", "--freq", type=int, default=499)
    parser.add_argument("--list", action="store_true", help="names of the programs")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="only these; * is any text")
    options = parser.parse_args()
    if options.list:
        print("\n".join(workload.PROGRAMS))
        return
    wanted = options.programs or ["*"]
    names = [n for n in workload.PROGRAMS if any(fnmatch(n, w) for w in wanted)]
    if not names:
        parser.error("no program of that name; --list says which there are")
    print(machine())
    print(f"{options.freq} Hz, {options.seconds:g} s of each. To be met: {TARGET} % complete.")
    print_result(*measure(names, options.freq, options.seconds))


if __name__ == "__main__":
    main()
