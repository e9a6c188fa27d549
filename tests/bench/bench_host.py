#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does a large host cost: 2,000 processes that run 500 different files (copies of perl, so that
each has an unwind table of its own), of which every one works a little now and then? CPU time of a
start, memory while recording, and how much of the stacks is complete. --baseline PATH: another
spanprof, measured in turns with this one.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from measure import BUILD, SPANPROF, machine, programs, table

PERL = "/usr/bin/perl"
WORK = "while (1) { select(undef, undef, undef, rand 4); my $x = 0; $x += $_ for 1 .. 15000 }"


def make_copies(folder, n):
    for i in range(n):
        shutil.copy(PERL, folder / f"worker-{i}")
        yield folder / f"worker-{i}"


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start_cost(spanprof):
    """(CPU seconds, wall seconds) of a recording of 50 ms, its end included"""
    cpu, wall = children_cpu(), time.monotonic()
    subprocess.run([spanprof, "record", "-q", "-a", "-d", "0.05", "-o", "/dev/null", "-f", "folded"],
                   check=True)  # fmt: skip
    return children_cpu() - cpu, time.monotonic() - wall


def recording(spanprof, seconds, folder):
    """(MB resident before the end: all, and without the tables that it shares with BPF; counters)"""
    stats = folder / "stats.json"
    command = [spanprof, "record", "-q", "-a", "-F", "99", "-d", seconds, "--stats", stats,
               "-o", folder / "out.pb.gz"]  # fmt: skip
    program = subprocess.Popen([str(a) for a in command])
    time.sleep(seconds - 1)
    status = Path(f"/proc/{program.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert program.wait() == 0
    resident, own = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))
    return resident, own, json.loads(stats.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2000)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--baseline", type=Path)
    args = parser.parse_args()
    print(machine())
    rows = []
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        files = list(make_copies(Path(folder), args.files))
        with programs(*[[files[i % len(files)], "-e", WORK] for i in range(args.processes)]):
            time.sleep(10)
            print(f"{args.processes} processes of {args.files} files, load {os.getloadavg()[0]:.1f}")
            for _ in range(args.rounds):
                for spanprof in filter(None, (args.baseline, SPANPROF)):
                    cpu, wall = start_cost(spanprof)
                    resident, own, n = recording(spanprof, args.seconds, Path(folder))
                    taken = n["samples_taken"]
                    rows.append([
                        "baseline" if spanprof == args.baseline else "this", f"{cpu:.2f}",
                        f"{wall:.2f}", f"{resident:.1f}", f"{own:.1f}", taken,
                        f"{100 - 100 * n.get('stacks_truncated', 0) / taken:.1f}",
                        f"{n.get('unwind_memory_bytes', 0) / 1e6:.1f}",
                        n.get("unwind_pages_evicted", 0), taken - n["samples_delivered"],
                    ])  # fmt: skip
    table(["", "CPU s of start and end", "wall s", "MB resident", "of it its own", "samples", "% complete",
           "MB of tables", "pages evicted", "lost"], rows)  # fmt: skip


if __name__ == "__main__":
    main()
