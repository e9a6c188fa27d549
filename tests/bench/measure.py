# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: load, clocks, tables. SPANPROF_BUILD names the build folder (build)."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SPANPROF_BUILD", ROOT / "build")).resolve()
SPANPROF = BUILD / "spanprof"
WORKLOADS = BUILD / "workloads"
CPUS = os.cpu_count()
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"

# The judges of the end-to-end tests, and their reader of pprof.
sys.path.insert(0, str(ROOT / "tests" / "e2e"))


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def machine():
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "",
    )
    version = subprocess.run([SPANPROF, "--version"], capture_output=True, text=True, check=True)
    return (
        f"{version.stdout.strip()}; Linux {platform.release()} {platform.machine()}, {CPUS} CPUs "
        f"{model}, load {os.getloadavg()[0]:.1f} before the start"
    )


def table(header, rows):
    """Columns as wide as they have to be, numbers to the right."""
    rows = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                        for i, (c, w) in enumerate(zip(row, widths))).rstrip())  # fmt: skip
    print(flush=True)


def spread(values, form="{:.2f}"):
    """Median, and the range in brackets."""
    low, mid, high = (form.format(v) for v in (min(values), median(values), max(values)))
    return mid if low == high else f"{mid} [{low}…{high}]"


@contextmanager
def programs(*commands):
    """Runs them meanwhile, their output to nowhere."""
    running = [
        subprocess.Popen([str(a) for a in c], stdout=subprocess.DEVNULL, start_new_session=True)
        for c in commands
    ]
    try:
        yield running
    finally:
        for p in running:
            os.killpg(p.pid, 9)
            p.wait()


@contextmanager
def full_load():
    """Every CPU busy, in spans, with a process of one thread for each."""
    options = ("--threads", 1, "--cpu-seconds", 100000, "--span-us", "1000,20000")
    with programs(*[(WORKLOADS / "split-le", *options)] * CPUS) as running:
        time.sleep(1)
        yield running


@contextmanager
def idle_processes(n):
    if not n:
        yield
        return
    with subprocess.Popen(
        [WORKLOADS / "procs", "sleepers", "--children", str(n)],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as program:  # fmt: skip
        assert f"{n} sleep" in program.stdout.readline()
        try:
            yield
        finally:
            os.killpg(program.pid, 15)
            program.wait()


def workers(pid):
    """The processes that read files for it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [p for p in children if Path(f"/proc/{p}/comm").read_text().startswith("spanprof-")]


def cpu_ns(pid):
    """CPU time of all threads of the process and its workers, exact to the scheduler's tick."""
    return sum(
        int(path.read_text().split()[0])
        for p in (pid, *workers(pid))
        for path in Path(f"/proc/{p}/task").glob("*/schedstat")
    )


def forks():
    """Processes and threads made since the machine was started."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("processes "):
            return int(line.split()[1])
    raise RuntimeError("/proc/stat does not count processes")


def peak_kb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0  # a zombie has no memory


def sysctl(name):
    return Path("/proc/sys") / name.replace(".", "/")


@contextmanager
def bpf_stats():
    """The kernel measures BPF programs meanwhile."""
    path = sysctl("kernel.bpf_stats_enabled")
    before = path.read_text()
    path.write_text("1")
    try:
        yield
    finally:
        path.write_text(before)


def program_ids(pid):
    """Of the BPF programs that the process has open."""
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = path.read_text()
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        if "prog_id" in fields and "prog_type" in fields:
            yield int(fields["prog_id"])


def bpf_run_time(pid, name="oncpu_sample"):
    """(ns, runs) of the program of this name that the process has loaded."""
    ids = set(program_ids(pid))
    shown = subprocess.run([BPFTOOL, "-j", "prog", "show"], capture_output=True, check=True)
    for program in json.loads(shown.stdout):
        if program["id"] in ids and program.get("name") == name:
            return program.get("run_time_ns", 0), program.get("run_cnt", 0)
    raise RuntimeError(f"process {pid} has no BPF program {name}")


def bpf_run_time_all(pid):
    """The same of all programs that the process has loaded, together."""
    ids = set(program_ids(pid))
    shown = subprocess.run([BPFTOOL, "-j", "prog", "show"], capture_output=True, check=True)
    loaded = [p for p in json.loads(shown.stdout) if p["id"] in ids]
    return sum(p.get("run_time_ns", 0) for p in loaded), sum(p.get("run_cnt", 0) for p in loaded)


def wait_until_loaded(pid, seconds=30):
    """Until the process has its BPF program in the kernel: longer on a busy machine."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return bpf_run_time(pid)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
