#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does an agent cost that goes on and on: memory (proportional set size of all its processes, and
what its BPF maps take), whether that grows, and CPU time, its kernel side included. On a mixed load,
and with --storm beside processes that live for milliseconds, --processes idle ones, and one of two
endpoints that is down half of the time. CPU time is also told by sample: those that the agent has
counted, or, of others, frequency x busy CPU time (marked *). Then the same load under perf record
and bpftrace, or, in their place, under the profiler that PEER='COMMAND' names; --alone: under none.
What is reached is told once a minute. At the end the agent's limits: exit status 1 if one of them is
not kept. Growth needs an hour to tell, the rest some minutes.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
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
STEP = 1  # seconds between two looks at the memory
TELL = 60  # looks between two lines of progress

# Of the agent. The memory is that at its most, CPU time with that in BPF.
PLAIN_MB = 40
STORM_MB, STORM_GROWTH = 96, 1
STORM_CPU = {19: 1, 99: 2.5}  # by frequency


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
    """Without BPF maps that are mapped, which are counted as maps."""
    total, counts = 0, True
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("Pss:"):
                total += (int(line.split()[1]) << 10) * counts
            elif not line.split(maxsplit=1)[0].endswith(":"):
                counts = "bpf-map" not in line
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


def busy_s():
    """CPU time of all CPUs in which they were not idle, nor taken away by the hypervisor."""
    ticks = [int(f) for f in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _, _, irq, softirq = ticks[:7]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def samples_taken(port):
    """As the agent that listens there counts them."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return int(re.search(r"^spanprof_samples_taken_total (\d+)$", text, re.MULTILINE)[1])


def samples_at_step(port, seconds=60):
    """They are counted interval by interval: what they are at the moment at which one is added."""
    before, end = samples_taken(port), time.monotonic() + seconds
    while (now := samples_taken(port)) == before:
        assert time.monotonic() < end, f"no interval has ended within {seconds} s"
        time.sleep(0.1)
    return now


@dataclass
class Cost:
    """What a profiler has taken; CPU time in seconds, memory with what its maps take."""

    memory: list  # of (second, bytes)
    kernel: int  # bytes of it in maps
    took: float
    cpu: float  # of its processes
    bpf: float
    samples: float
    counted: bool  # by itself

    def most_mb(self):
        return max(v for _, v in self.memory) / 1e6

    def percent(self):
        """Of a CPU."""
        return 100 * (self.cpu + self.bpf) / self.took

    def row(self, name):
        per_sample = 1e6 * (self.cpu + self.bpf) / self.samples if self.samples else 0
        return (name, f"{self.memory[-1][1] / 1e6:.1f}", f"{self.most_mb():.1f}",
                f"{self.kernel / 1e6:.1f}", f"{slope(self.memory):+.1f}",
                f"{100 * self.cpu / self.took:.2f}", f"{100 * self.bpf / self.took:.2f}",
                f"{per_sample:.1f}{' ' if self.counted else '*'}")  # fmt: skip


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


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def agent(folder, port, hz, listen):
    config = {
        "frequency": hz, "listen": f"127.0.0.1:{listen}", "control_socket": "",
        "spool": {"directory": f"{folder}/spool"}, "symbols": {"cache": f"{folder}/symbols"},
        "budgets": {"cpu_percent": f"{STORM_CPU.get(hz, 100)}%"},
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


class Clocks:
    """CPU time and samples from now on; without a port that tells them samples are computed."""

    def __init__(self, pid, hz, port):
        self.pid, self.hz, self.port = pid, hz, port
        self.first = self.read()
        self.start = time.monotonic()

    def read(self):
        samples = samples_at_step(self.port) if self.port else busy_s() * self.hz
        return cpu_s(family(self.pid)), bpf_run_time_all(self.pid)[0] / 1e9, samples

    def took(self):
        return time.monotonic() - self.start

    def cpu(self):
        return cpu_s(family(self.pid)) - self.first[0]

    def cost(self, memory, kernel):
        cpu, bpf, samples = (now - then for now, then in zip(self.read(), self.first))
        return Cost(memory, kernel, self.took(), cpu, bpf, samples, self.port is not None)


def watch(name, clocks, made, seconds, endpoint):
    """Memory, and what of it maps take at the end."""
    memory, kernel = [], 0
    while (at := clocks.took()) < seconds:
        now = maps()
        kernel = sum(now.get(i, 0) for i in made)
        memory.append((at, pss(family(clocks.pid)) + kernel))
        if len(memory) % TELL == 0:
            tell(name, clocks.start, clocks.cpu(), memory)
        endpoint.flap(int(at))
        time.sleep(STEP)
    return memory, kernel


def measure(name, command, seconds, endpoint, hz, port=None):
    before = maps()
    program = subprocess.Popen([str(a) for a in command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        time.sleep(SETTLE)
        made = [i for i in maps() if i not in before]
        clocks = Clocks(program.pid, hz, port)
        return clocks.cost(*watch(name, clocks, made, seconds, endpoint))
    finally:
        end(program)


def limits(name, cost, storm, hz):
    """Rows of what was reached, the limit, and whether it was kept."""
    wanted = [("MB at most", cost.most_mb(), STORM_MB if storm else PLAIN_MB)]
    if storm:
        wanted.append(("MB/h", slope(cost.memory), STORM_GROWTH))
    if storm and hz in STORM_CPU:
        wanted.append(("% of a CPU, with BPF", cost.percent(), STORM_CPU[hz]))
    return [(name, what, f"{reached:.2f}", limit, "kept" if reached <= limit else "MISSED")
            for what, reached, limit in wanted]  # fmt: skip


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
    rows, judged = [], []
    for hz in args.frequency:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            endpoint = Endpoint(stack, folder)
            stack.enter_context(bpf_stats())
            stack.enter_context(idle_processes(args.processes))
            storm = [[WORKLOADS / "storm", "--rate", args.storm, "--seconds", 10**6,
                      "--log", "/dev/null"]] if args.storm else []  # fmt: skip
            stack.enter_context(programs(spans, *MIXED, *storm))
            name, port = f"agent, {hz} Hz", free_port()
            cost = measure(name, agent(folder, endpoint.port, hz, port), args.seconds, endpoint, hz, port)
            rows.append(cost.row(name))
            judged += limits(name, cost, args.storm, hz)
            for name, command in [] if args.alone else peers(folder, hz):
                rows.append(measure(name, command, args.seconds, endpoint, hz).row(name))
    table(("profiler", "MB", "at most", "of it maps", "MB/h", "% of a CPU", "% in BPF", "µs/sample"), rows)
    print("* samples computed: frequency x busy CPU time\n")
    table((f"limits {'in a storm' if args.storm else 'of the plain load'}", "", "reached", "limit", ""), judged)
    return any(row[-1] == "MISSED" for row in judged)


if __name__ == "__main__":
    sys.exit(main())
