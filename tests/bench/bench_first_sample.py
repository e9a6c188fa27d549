#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
How long does it take from the start of the program to its first sample? Every process of the
machine is looked at before sampling begins.
"""

import argparse
import json
import os
import subprocess
import tempfile

from measure import SPANPROF, WORKLOADS, full_load, idle_processes, machine, now_ns, spread, table

import pprof

TARGET_MS = 1000
STAGES = ("stage_parse", "stage_match", "stage_price", "stage_render", "idle_chatter", "work_chain")


def count_processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def first_sample(arguments):
    """(ms from exec to the first sample, ms of the whole start and end, share of samples named)"""
    with tempfile.TemporaryDirectory() as folder:
        samples, out = folder + "/samples.jsonl", folder + "/out.pb.gz"
        argv = [SPANPROF, "record", "-q", "-F", 999, "-o", out, "--dump-samples", samples]
        argv += arguments
        start = now_ns()
        subprocess.run([str(a) for a in argv], check=True)
        whole = now_ns() - start
        with open(samples, encoding="utf-8") as f:
            first = json.loads(f.readline())
        profile = pprof.load(out)
    load = [s for s in profile.samples if s.labels["process.executable.name"] == "split-le"]
    named = sum(s.values[0] for s in load if s.has(*STAGES))
    share = named / sum(s.values[0] for s in load)
    return (first["time_ns"] - start) / 1e6, whole / 1e6, share


KINDS = {
    "-a": ("-a", "-d", 0.5),
    "-- CMD": ("--", WORKLOADS / "split-le", "--cpu-seconds", 0.3),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(machine())
    rows = []
    with full_load():
        for idle in (0, 200, 1000):
            with idle_processes(idle):
                for kind, arguments in KINDS.items():
                    found = [first_sample(arguments) for _ in range(options.rounds)]
                    times, wholes, shares = zip(*found)
                    rows.append([f"{kind}, {count_processes()} processes", spread(times, "{:.0f}"),
                                 spread(wholes, "{:.0f}"), f"{100 * min(shares):.1f}"])  # fmt: skip
    print(f"All CPUs busy, {options.rounds} rounds, median [range]. To be met: {TARGET_MS} ms.")
    table(["", "ms to first sample", "ms of the whole command", "% of load's samples named, least"],
          rows)  # fmt: skip


if __name__ == "__main__":
    main()
