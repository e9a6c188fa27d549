#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does profiling cost? A loaded machine is recorded by spanprof and by perf in turns, with and
without idle processes, and the CPU time and memory of the profilers are taken while they record.
Then the effect on what is profiled: work done per second of CPU time, with and without, in pairs.
"""

import argparse
import multiprocessing
import os
import subprocess
import tempfile
import time
from statistics import median

from measure import (
    CPUS, SPANPROF, bpf_run_time, bpf_stats, cpu_ns, forks, full_load, idle_processes, machine,
    now_ns, peak_kb, spread, table,
)  # fmt: skip

SETTLE = 2  # seconds after the start and before the end that are not measured as recording
TARGET_CPU, TARGET_MB = 0.5, 40


def spanprof(hz, seconds, folder):
    return [SPANPROF, "record", "-q", "-a", "-F", hz, "-d", seconds, "-o", folder + "/out.pb.gz"]


def perf(hz, seconds, folder):
    return ["perf", "record", "-q", "-a", "-g", "-e", "cpu-clock", "-F", hz,
            "-o", folder + "/perf.data", "--", "sleep", seconds]  # fmt: skip


def bpf_of(pid, command):
    return bpf_run_time(pid) if command is spanprof else (0, 0)


def record(command, hz, seconds):
    """CPU share while recording, in BPF, peak memory, and CPU time of start and end."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [str(a) for a in command(hz, seconds + 2 * SETTLE, folder)]
        program = subprocess.Popen(argv)
        time.sleep(SETTLE)
        made = forks()
        start, cpu, bpf = now_ns(), cpu_ns(program.pid), bpf_of(program.pid, command)
        time.sleep(seconds)
        end, cpu_end, bpf_end = now_ns(), cpu_ns(program.pid), bpf_of(program.pid, command)
        made = forks() - made
        peak_recording = peak_kb(program.pid)
        peak = peak_recording
        while True:
            try:
                peak = max(peak, peak_kb(program.pid))
            except OSError:
                break
            if os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(0.01)
        _, status, usage = os.wait4(program.pid, 0)
        program.returncode = status
        assert status == 0, f"{argv} failed"
    total = usage.ru_utime + usage.ru_stime
    span, runs = end - start, bpf_end[1] - bpf[1]
    return {
        "user": 100 * (cpu_end - cpu) / span,
        "bpf": 100 * (bpf_end[0] - bpf[0]) / span,
        "us": (bpf_end[0] - bpf[0]) / runs / 1000 if runs else 0,
        "forks": 1e9 * made / span,
        "peak_recording": peak_recording / 1024,
        "peak": peak / 1024,
        "rest_ms": 1000 * total - (cpu_end - cpu) / 1e6,
    }


def print_costs(hz, seconds, rounds):
    rows = []
    for idle in (0, 200):
        results = {spanprof: [], perf: []}
        with full_load(), idle_processes(idle), bpf_stats():
            for _ in range(rounds):
                for command, found in results.items():
                    found.append(record(command, hz, seconds))
        for command, found in results.items():
            column = {k: [r[k] for r in found] for k in found[0]}
            whole = [u + b for u, b in zip(column["user"], column["bpf"])]
            rows.append([
                f"{command.__name__} -F {hz}, {idle} idle processes",
                spread(column["user"], "{:.3f}"),
                spread(column["bpf"], "{:.3f}") if command is spanprof else "(in kernel)",
                spread(column["us"], "{:.1f}") if command is spanprof else "",
                spread(whole, "{:.3f}") if command is spanprof else "",
                spread(column["peak_recording"], "{:.1f}"),
                spread(column["peak"], "{:.1f}"),
                spread(column["rest_ms"], "{:.0f}"),
                spread(column["forks"], "{:.1f}"),
            ])  # fmt: skip
    print(
        f"Cost while recording, all {CPUS} CPUs busy, {seconds} s, {rounds} rounds in turns, median\n"
        f"[range]; % of one core. Each process that others start costs, too. To be met:\n"
        f"process + BPF <= {TARGET_CPU} %, peak <= {TARGET_MB} MB."
    )
    table(
        ["", "process %", "BPF %", "BPF µs/tick", "sum %", "peak MB, recording", "peak MB, all",
         "CPU ms before and after", "others' forks/s"],
        rows,
    )  # fmt: skip


# --- effect on the work -------------------------------------------------------------------------


def work(counter):
    """Counts rounds of pure computing, for ever."""
    while True:
        x = 0
        for i in range(20000):
            x = (x * 31 + i) & 0xFFFFFFFF
        counter.value += 1


def rate(workers, counters, seconds):
    """Rounds per second of the workers' CPU time: another program's share does not matter."""
    before = [(cpu_ns(p.pid), c.value) for p, c in zip(workers, counters)]
    time.sleep(seconds)
    after = [(cpu_ns(p.pid), c.value) for p, c in zip(workers, counters)]
    cpu = sum(a[0] - b[0] for a, b in zip(after, before))
    return sum(a[1] - b[1] for a, b in zip(after, before)) / (cpu / 1e9)


def rate_with(argv, workers, counters, seconds):
    with subprocess.Popen([str(a) for a in argv]) as program:
        time.sleep(SETTLE)
        found = rate(workers, counters, seconds)
        program.terminate()
        program.wait()
    return found


def slowdown(command, hz, workers, counters, seconds, pairs):
    """In %, of each pair; None in place of a command: what noise there is."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        argv = command(hz, 1000, folder) if command else ["sleep", "1000"]
        for _ in range(pairs):
            with_ = rate_with(argv, workers, counters, seconds)
            without = rate_with(["sleep", "1000"], workers, counters, seconds)
            found.append(100 * (1 - with_ / without))
    return found


def print_slowdown(seconds, pairs):
    counters = [multiprocessing.Value("q", 0, lock=False) for _ in range(CPUS)]
    workers = [multiprocessing.Process(target=work, args=(c,), daemon=True) for c in counters]
    for worker in workers:
        worker.start()
    rows = []
    for command, hz in ((None, 0), (spanprof, 99), (perf, 99), (spanprof, 999), (perf, 999)):
        found = slowdown(command, hz, workers, counters, seconds, pairs)
        rows.append([f"{command.__name__} -F {hz}" if command else "none (noise)",
                     *(f"{f(found):+.3f}" for f in (median, min, max))])  # fmt: skip
    for worker in workers:
        worker.kill()
    print(f"Less work per second of CPU time, %, {pairs} pairs of {seconds} s (Python's loops):")
    table(["", "median", "least", "most"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="of each recording (30)")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind (3)")
    parser.add_argument("--pairs", type=int, default=7, help="for the effect on work (7; 0: none)")
    parser.add_argument("--pair-seconds", type=int, default=4)
    parser.add_argument("-F", "--freq", type=int, default=99)
    options = parser.parse_args()
    print(machine())
    if options.rounds:
        print_costs(options.freq, options.seconds, options.rounds)
    if options.pairs:
        print_slowdown(options.pair_seconds, options.pairs)


if __name__ == "__main__":
    main()
