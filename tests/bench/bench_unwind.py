#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does unwinding cost per sample, by depth? Both CPUs run stacks of a known depth without frame
pointers, in code spread over pages, and walk over memory meanwhile, so that a profiler's data has
left the caches since its last sample. In turns with the floor: a frame pointer walk in BPF
(fp_floor.bpf.c) over the same stacks built with frame pointers. PEER='command' (with {hz} and
{seconds}) names another profiler that is measured too: all BPF programs that it loads, together.
"""

import argparse
import os
import shlex
import subprocess
import tempfile
import time
from statistics import median

from measure import (
    BUILD, CPUS, SPANPROF, WORKLOADS, bpf_run_time_all, bpf_stats, machine, programs, spread, table,
)  # fmt: skip

SETTLE = 4
FLOOR = BUILD / "tests" / "bench" / "fp_floor"


def spanprof(hz, seconds, folder):
    return [SPANPROF, "record", "-q", "-a", "-e", "cpu-clock", "-F", hz, "-d", seconds,
            "-o", folder + "/out.pb.gz"]  # fmt: skip


def floor(hz, seconds, folder):
    return [FLOOR, hz, seconds]


def peer(hz, seconds, folder):
    return shlex.split(os.environ["PEER"].format(hz=hz, seconds=seconds))


def per_sample(command, workload, depth, mib, hz, seconds):
    """Nanoseconds in BPF per tick."""
    # Ahead of what else runs on the machine: its ticks count, too.
    work = ["nice", "-n", "-20", WORKLOADS / workload, depth, mib]
    with tempfile.TemporaryDirectory() as folder, programs(*[work] * CPUS):
        argv = [str(a) for a in command(hz, int(seconds + 2 * SETTLE), folder)]
        program = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        time.sleep(SETTLE)
        ns, runs = bpf_run_time_all(program.pid)
        time.sleep(seconds)
        ns_end, runs_end = bpf_run_time_all(program.pid)
        if command is peer:
            program.terminate()
        program.wait()
    # Tail calls are runs of their own: what counts is a tick.
    ticks = CPUS * hz * seconds if command is peer else runs_end - runs
    return (ns_end - ns) / ticks


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--depths", default="4,34,125")
    parser.add_argument("--mib", type=int, default=8, help="memory that each workload walks over")
    parser.add_argument("--freqs", default="99,499")
    args = parser.parse_args()
    commands = {spanprof: "depth", floor: "depth-fp"}
    if "PEER" in os.environ:
        commands[peer] = "depth"

    print(machine())
    depths = [int(d) for d in args.depths.split(",")]
    rows = []
    with bpf_stats():
        for hz in [int(f) for f in args.freqs.split(",")]:
            found = {(c, d): [] for c in commands for d in depths}
            for _ in range(args.rounds):
                for (command, depth), values in found.items():
                    values.append(per_sample(command, commands[command], depth, args.mib, hz,
                                             args.seconds) / 1000)  # fmt: skip
            for depth in depths:
                base = found[floor, depth]
                for command in commands:
                    values = found[command, depth]
                    shallow = found[command, depths[0]]
                    frame = [1000 * (v - s) / (depth - depths[0])
                             for v, s in zip(values, shallow)] if depth > depths[0] else [0]  # fmt: skip
                    rows.append([
                        f"{command.__name__}, {hz} Hz, depth {depth}",
                        spread(values), f"{median(frame):.0f}",
                        f"{median(v / b for v, b in zip(values, base)):.2f}",
                    ])  # fmt: skip
    table(["", "us a tick in BPF", "ns a further frame", "of the floor"], rows)


if __name__ == "__main__":
    main()
