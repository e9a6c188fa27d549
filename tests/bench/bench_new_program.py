#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
How soon has a new program complete stacks? Copies of programs, which nobody has seen before, are
started beside a running recording, and then once more.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import workload
from measure import SPANPROF, WORKLOADS, machine, now_ns, spread, table, wait_until_loaded

import stack_end

TARGET_MS = 100  # from its first sample on, if its files were never seen; if they were: 0
SETTLE = 1  # seconds from when spanprof is loaded
CPU_SECONDS = 0.5
PYTHON = f"""
import time
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
while time.process_time() < {CPU_SECONDS}:
    fib(15)
"""

# (what, program, arguments)
PROGRAMS = (
    ("small program", WORKLOADS / "chain", ("short", "--cpu-seconds", CPU_SECONDS)),
    ("50 MB of text", WORKLOADS / "chain-big", ("short", "--cpu-seconds", CPU_SECONDS)),
    ("static", WORKLOADS / "chain-static", ("short", "--cpu-seconds", CPU_SECONDS)),
    ("python3", Path("/usr/bin/python3").resolve(), ("-c", PYTHON)),
)


def run(argv):
    """Its pid."""
    with subprocess.Popen([str(a) for a in argv]) as program:
        program.wait()
    assert program.returncode == 0, f"{argv[0]} failed"
    return program.pid


def record(program, arguments, hz):
    """Samples of the program's first and of its second run."""
    with tempfile.TemporaryDirectory(prefix="spanprof-bench-") as name:
        folder = Path(name)
        copy, dump = folder / program.name, folder / "d.jsonl"
        shutil.copy(program, copy)
        argv = [SPANPROF, "record", "-q", "-a", "-F", hz, "-o", os.devnull, "-f", "pprof",
                "--dump-samples", dump]  # fmt: skip
        with workload.running(argv, stderr=None) as spanprof:
            wait_until_loaded(spanprof.pid)
            time.sleep(SETTLE)
            pids = []
            for _ in range(2):
                pids.append(run([copy, *arguments]))
                time.sleep(0.2)
            spanprof.terminate()
            spanprof.wait()
        samples = [json.loads(line) for line in dump.read_text().splitlines()]
    return [[s for s in samples if s["pid"] == pid] for pid in pids]


def judge(samples):
    """(ms from the first sample to the first complete one, cut before, cut after)"""
    complete = [stack_end.is_complete(s) for s in samples]
    assert complete, "no sample of the program"
    if not any(complete):
        return float("inf"), len(complete), 0
    first = complete.index(True)
    ms = (samples[first]["time_ns"] - samples[0]["time_ns"]) / 1e6
    return ms, first, complete[first:].count(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-F", "--freq", type=int, default=999)
    options = parser.parse_args()
    print(machine())
    rows, begin = [], now_ns()
    for what, program, arguments in PROGRAMS:
        rounds = [record(program, arguments, options.freq) for _ in range(options.rounds)]
        for which, when in enumerate(("never seen", "seen")):
            found = [judge(r[which]) for r in rounds]
            ms, before, after = zip(*found)
            n = sum(len(r[which]) for r in rounds)
            rows.append([f"{what}, {when}", n, spread(ms, "{:.1f}"),
                         spread(before, "{:.0f}"), spread(after, "{:.0f}")])  # fmt: skip
    took = (now_ns() - begin) / 1e9
    print(
        f"{options.freq} Hz, {options.rounds} rounds, median [range], took {took:.0f} s.\n"
        f"To be met: {TARGET_MS} ms if never seen, else 0; none cut after."
    )
    table(["", "samples", "ms to first complete stack", "cut before", "cut after"], rows)


if __name__ == "__main__":
    main()
