#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does reading trace context cost per sample? The same program with and without a context, in
turns, on all CPUs, walking over memory meanwhile, so that a profiler's data has left the caches since
its last sample. The difference is the context's; a program without one is what all are.
"""

import argparse
import tempfile
import time
from statistics import median

from measure import (
    CPUS, SPANPROF, WORKLOADS, bpf_run_time_all, bpf_stats, machine, programs, spread, table,
)  # fmt: skip

SETTLE = 3
DEPTH = 8


def preload(library):
    return ["env", f"LD_PRELOAD={WORKLOADS / library}", WORKLOADS / "depth", DEPTH]


# name → (program, copies, the same without context)
PROGRAMS = {
    "C, none": ([WORKLOADS / "depth", DEPTH], CPUS, None),
    "static TLS": (preload("ie/libspan.so"), CPUS, "C, none"),
    "dynamic TLS": (preload("gd/libspan.so"), CPUS, "C, none"),
    "Go, none": ([WORKLOADS / "walk-none"], 1, None),
    "Go labels": ([WORKLOADS / "walk"], 1, "Go, none"),
}


def per_sample(program, copies, mib, hz, seconds):
    """Microseconds in BPF per tick."""
    work = ["nice", "-n", "-20", *program, mib]
    with tempfile.TemporaryDirectory() as folder, programs(*[work] * copies):
        record = [SPANPROF, "record", "-q", "-a", "-e", "cpu-clock", "-F", hz,
                  "-d", int(seconds + 2 * SETTLE), "-o", folder + "/out.pb.gz"]  # fmt: skip
        with programs(record) as [profiler]:
            time.sleep(SETTLE)
            ns, runs = bpf_run_time_all(profiler.pid)
            time.sleep(seconds)
            ns_end, runs_end = bpf_run_time_all(profiler.pid)
    return (ns_end - ns) / (runs_end - runs) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mib", type=int, default=8, help="memory that each workload walks over")
    parser.add_argument("-F", "--freq", type=int, default=99)
    args = parser.parse_args()

    print(machine())
    found = {name: [] for name in PROGRAMS}
    with bpf_stats():
        for _ in range(args.rounds):
            for name, (program, copies, _) in PROGRAMS.items():
                found[name].append(per_sample(program, copies, args.mib, args.freq, args.seconds))
    rows = []
    for name, (_, _, base) in PROGRAMS.items():
        added = [a - b for a, b in zip(found[name], found[base])] if base else []
        rows.append([name, spread(found[name], "{:.2f}"), f"{median(added):.2f}" if base else ""])
    table(["", "us a tick in BPF", "of these for the context"], rows)


if __name__ == "__main__":
    main()
