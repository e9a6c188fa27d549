#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What do unwind tables cost in kernel memory, by row? A mixed load is recorded; what all BPF maps that
were made meanwhile take is asked of the kernel (memlock of bpftool), and how many rows were loaded of
--stats. Then the same with the smallest budget, which says what happens at it.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from measure import BPFTOOL, SPANPROF, machine, programs, table

UNWIND = ("unwind_rows", "arenas", "spaces")  # the tables; the rest is per CPU or of other use


def maps():
    shown = subprocess.run([BPFTOOL, "-j", "map", "show"], capture_output=True, check=True)
    return {m["id"]: (m.get("name", ""), m.get("bytes_memlock", 0)) for m in json.loads(shown.stdout)}


def record(seconds, budget):
    """(counters, memory of its maps by name, user space's peak in kB)"""
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder) / "stats.json"
        before = maps()
        command = [SPANPROF, "record", "-q", "-a", "-F", "499", "-d", seconds, "--unwind-memory", budget,
                   "--stats", stats, "-o", folder + "/out.pb.gz"]  # fmt: skip
        program = subprocess.Popen([str(a) for a in command])
        time.sleep(seconds - 1)
        made = [m for i, m in maps().items() if i not in before]
        status = Path(f"/proc/{program.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        assert program.wait() == 0
        sums = {}
        for name, size in made:
            sums[name] = sums.get(name, 0) + size
        return json.loads(stats.read_text()), sums, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    args = parser.parse_args()
    load = [
        ["/usr/bin/python3", "-c", "while True: sum(i * i for i in range(1000))"],
        ["/usr/bin/perl", "-e", "while (1) { my %h = map { $_ => $_ * 2 } 1 .. 1000 }"],
        ["sh", "-c", "while :; do gcc -O2 -x c -c -o /dev/null - </dev/null; done"],
        ["sh", "-c", "while :; do git -C / --version; ls -R /usr/share >/dev/null; done"],
        ["node", "-e", "for (;;) JSON.stringify([...Array(1000).keys()])"],
    ]
    print(machine())
    rows = []
    with programs(*load):
        for budget in (32, 1):
            counters, sums, peak = record(args.seconds, budget)
            memory = sum(sums.get(name, 0) for name in UNWIND)
            n = counters["unwind_rows_loaded"]
            rows.append([
                f"--unwind-memory {budget}", n, f"{memory / 1024:.0f}", f"{memory / max(n, 1):.2f}",
                f"{(sum(sums.values()) - memory) / 1024:.0f}", counters["unwind_pages_evicted"],
                f"{100 * counters['user_stack_rows_not_loaded'] / counters['samples_taken']:.1f}",
                f"{peak / 1024:.1f}",
            ])  # fmt: skip
    table(["", "rows", "kB of tables", "bytes a row", "kB of other maps", "pages evicted",
           "% finished in user space", "peak MB of the process"], rows)  # fmt: skip


if __name__ == "__main__":
    main()
