#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Is everything counted? All CPUs are busy; what was sampled, and what samples stand for, is held
against the kernel's own accounts: /proc/stat of all CPUs, schedstat of the load.
"""

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time

from measure import CPUS, SPANPROF, cpu_ns, full_load, machine, now_ns, spread, table

import pprof

TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
LOSSES = ("samples_lost_ring", "samples_malformed", "samples_dropped", "sampling_throttled")
TARGET = 2  # % between weights and the kernel's account


def busy_ns():
    """All time of all CPUs but that in which they had nothing to do, or were not there."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, irq, softirq, _, *_ = map(int, f.readline().split()[1:])
    return (user + nice + system + irq + softirq) * TICK_NS


class Accounts:
    """Takes the kernel's accounts again and again, to know them at any moment."""

    def __init__(self, load):
        self.load, self.stop, self.rows = load, threading.Event(), []
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        # In time, whoever works: between two readings all is taken to go on evenly.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        while not self.stop.wait(0.02):
            self.rows.append((now_ns(), busy_ns(), sum(cpu_ns(p.pid) for p in self.load)))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def at(self, t):
        """(busy, load) at that time, between two readings."""
        for a, b in zip(self.rows, self.rows[1:]):
            if a[0] <= t < b[0]:
                share = (t - a[0]) / (b[0] - a[0])
                return tuple(x + share * (y - x) for x, y in zip(a[1:], b[1:]))
        raise ValueError("no account of that time")

    def between(self, start, end):
        return tuple(b - a for a, b in zip(self.at(start), self.at(end)))


def monotonic(realtime_ns):
    return realtime_ns + now_ns() - time.time_ns()


def record(hz, seconds, load):
    with tempfile.TemporaryDirectory() as folder, Accounts(load) as accounts:
        out, stats = folder + "/out.pb.gz", folder + "/stats.json"
        argv = [SPANPROF, "record", "-q", "-F", hz, "-d", seconds, "-o", out, "--stats", stats]
        time.sleep(0.1)
        subprocess.run([str(a) for a in argv], check=True)
        time.sleep(0.1)
        profile = pprof.load(out)
        with open(stats, encoding="ascii") as f:
            counters = json.load(f)
    start = monotonic(profile.time_ns)
    busy, load_ns = accounts.between(start, start + profile.duration_ns)
    pids = {p.pid for p in load}
    return {
        "taken": counters["samples_taken"],
        "delivered": counters["samples_delivered"],
        "lost": sum(counters[name] for name in LOSSES),
        "weights": profile.total("cpu") / 1e9,
        "of_busy": profile.total("cpu") / busy,
        "of_load": profile.total("cpu", lambda s: s.labels["pid"] in pids) / load_ns,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    rows = []
    with full_load() as load:
        for hz in (99, 499, 999, 4999):
            found = [record(hz, options.seconds, load) for _ in range(options.rounds)]
            column = {k: [r[k] for r in found] for k in found[0]}
            rows.append([
                f"{hz} Hz", sum(column["taken"]), sum(column["delivered"]), sum(column["lost"]),
                spread(column["weights"]),
                spread([100 * (x - 1) for x in column["of_busy"]], "{:+.2f}"),
                spread([100 * (x - 1) for x in column["of_load"]], "{:+.2f}"),
            ])  # fmt: skip
    print(
        f"All {CPUS} CPUs busy, {options.rounds} rounds of {options.seconds} s. To be met: \n"
        f"taken = delivered, both differences within {TARGET} %. At 99 Hz the last is half chance."
    )
    table(["", "taken", "delivered", "lost", "weights s", "% off /proc/stat",
           "% off schedstat of load"], rows)  # fmt: skip


if __name__ == "__main__":
    main()
