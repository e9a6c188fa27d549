#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does an agent cost that goes on and on: memory (proportional set size of all its processes, and
what its BPF maps take), whether that grows, and CPU time, its kernel side included. On a mixed load,
and with --storm beside processes that live for milliseconds, --processes idle ones, and one of two
endpoints that is down half of the time. Then the same load under perf record and bpftrace, or, in
their place, under the profiler that PEER='COMMAND' names; --alone: under none. What is reached is
told once a minute.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from measure import (
    BPFTOOL, SPANPROF, WORKLOADS, bpf_run_time_all, bpf_stats, idle_processes, machine, programs,
    table,
)  # fmt: skip

MIXED = [
    ["/usr/bin/python3", "-c", "while True: sum(i * i for i in range(1000))"],
    ["sh", "-c", "while :; do gcc -O2 -x c -c -o /dev/null - </dev/null; done"],
    ["sh", "-c", "while :; do ls -R /usr/share >/dev/null; done"],
    ["node", "-e", "for (;;) JSON.stringify([...Array(1000).keys()])"],
]
SPANS = "1000,20000"  # microseconds
SETTLE = 30  # seconds until programs have their names
STEP = 5  # seconds between two looks at the memory
TELL = 12  # looks between two lines of progress


def maps():
    shown = subprocess.run([BPFTOOL, "-j", "map", "show"], capture_output=True, check=True)
    return {m["id"]: m.get("bytes_memlock", 0) for m in json.loads(shown.stdout)}


def family(pid):
    found = [pid]
    for p in found:
        for path in Path(f"/proc/{p}/task").glob("*/children"):
            try:
                found += [int(c) for c in path.read_text().split()]
            except OSError:
                pass
    return found


def pss(pids):
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def cpu_s(pids):
    """With children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Endpoint:
    """A server of one's own that is down in every second minute."""

    def __init__(self, stack, folder):
        self.path, self.folder, self.stack = WORKLOADS.parent / "sink" / "sink", folder, stack
        self.port, self.program = None, None
        self.start()

    def start(self):
        listen = f"127.0.0.1:{self.port or 0}"
        self.program = subprocess.Popen(
            [self.path, "-listen", listen], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.port = int(self.program.stdout.readline().strip().rsplit(":", 1)[1])
        self.stack.callback(self.stop)

    def stop(self):
        self.program.kill()
        self.program.wait()

    def flap(self, second):
        down = second // 60 % 2 == 1
        if down and self.program.poll() is None:
            self.stop()
        elif not down and self.program.poll() is not None:
            self.start()


def agent(folder, port, hz):
    config = {
        "frequency": hz, "listen": "", "control_socket": "",
        "spool": {"directory": f"{folder}/spool"}, "symbols": {"cache": f"{folder}/symbols"},
        "endpoints": [
            {"type": "directory", "path": f"{folder}/out", "max_bytes": "64MiB"},
            {"type": "pyroscope", "url": f"http://127.0.0.1:{port}"},
        ],
    }  # fmt: skip
    path = Path(folder) / "agent.yaml"
    path.write_text(json.dumps(config))
    return [SPANPROF, "agent", "-c", path]


def peers(folder, hz):
    """Profilers to compare with, by name."""
    if os.environ.get("PEER"):
        return [(os.environ["PEER"], shlex.split(os.environ["PEER"]))]
    found = [("perf record -g", ["perf", "record", "-q", "-a", "-g", "-e", "cpu-clock", "-F", hz,
                                 "-o", f"{folder}/perf.data"])]  # fmt: skip
    if bpftrace := shutil.which("bpftrace"):
        count = f"profile:hz:{hz} {{ @[pid, comm, ustack, kstack] = count(); }}"
        empty = "interval:s:15 { clear(@); }"  # as an agent does
        found.append(("bpftrace", [bpftrace, "-e", f"{count} {empty}"]))
    return found


def slope(points):
    """MB an hour of the second half, by least squares."""
    half = points[len(points) // 2 :]
    n, mean_t = len(half), sum(t for t, _ in half) / len(half)
    mean_v = sum(v for _, v in half) / n
    spread = sum((t - mean_t) ** 2 for t, _ in half)
    return sum((t - mean_t) * (v - mean_v) for t, v in half) / spread * 3600 / 1e6 if spread else 0


def tell(name, start, cpu, memory):
    """One line on the standard error, for who waits an hour."""
    at, bytes_ = memory[-1]
    share = 100 * cpu / (time.monotonic() - start)
    print(f"{name}: {at:.0f} s, {bytes_ / 1e6:.1f} MB, {share:.2f} % of a CPU", file=sys.stderr, flush=True)


def end(program):
    """bpftrace names its addresses at the end, which takes it minutes: nobody waits for that."""
    os.killpg(program.pid, signal.SIGTERM)
    try:
        program.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def measure(name, command, seconds, endpoint):
    before = maps()
    program = subprocess.Popen([str(a) for a in command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        time.sleep(SETTLE)
        made = [i for i in maps() if i not in before]
        first_cpu, first_bpf = cpu_s(family(program.pid)), bpf_run_time_all(program.pid)[0]
        start, memory, kernel = time.monotonic(), [], 0
        while (at := time.monotonic() - start) < seconds:
            now = maps()
            kernel = sum(now.get(i, 0) for i in made)
            memory.append((at, pss(family(program.pid)) + kernel))
            if len(memory) % TELL == 0:
                tell(name, start, cpu_s(family(program.pid)) - first_cpu, memory)
            endpoint.flap(int(at))
            time.sleep(STEP)
        took = time.monotonic() - start
        cpu = cpu_s(family(program.pid)) - first_cpu
        bpf = (bpf_run_time_all(program.pid)[0] - first_bpf) / 1e9
    finally:
        end(program)
    return memory, kernel, cpu / took, bpf / took


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--frequency", type=int, nargs="+", default=[19, 99])
    parser.add_argument("--storm", type=int, default=0, help="processes started a second")
    parser.add_argument("--processes", type=int, default=0, help="idle ones")
    parser.add_argument("--span-us", default=SPANS, help=f"lengths of spans ({SPANS})")
    parser.add_argument("--alone", action="store_true", help="no other profilers")
    args = parser.parse_args()
    spans = [WORKLOADS / "split-le", "--cpu-seconds", 100000, "--span-us", args.span_us]
    print(machine())
    rows = []
    for hz in args.frequency:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            endpoint = Endpoint(stack, folder)
            stack.enter_context(bpf_stats())
            stack.enter_context(idle_processes(args.processes))
            storm = [[WORKLOADS / "storm", "--rate", args.storm, "--seconds", 10**6,
                      "--log", "/dev/null"]] if args.storm else []  # fmt: skip
            stack.enter_context(programs(spans, *MIXED, *storm))
            commands = [(f"agent, {hz} Hz", agent(folder, endpoint.port, hz))]
            if not args.alone:
                commands += peers(folder, hz)
            for name, command in commands:
                memory, kernel, cpu, bpf = measure(name, command, args.seconds, endpoint)
                values = [v / 1e6 for _, v in memory]
                rows.append((name, f"{values[-1]:.1f}", f"{max(values):.1f}", f"{kernel / 1e6:.1f}",
                             f"{slope(memory):+.1f}", f"{100 * cpu:.2f}", f"{100 * bpf:.2f}"))  # fmt: skip
    table(("profiler", "MB", "at most", "of it maps", "MB/h", "% of a CPU", "% in BPF"), rows)


if __name__ == "__main__":
    main()
