#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What does it cost to compile unwind information? Every page of some large files, in order, all at
once and one by one. Pages with code that no table covers are apart: their code is looked through.
"""

import argparse
import subprocess
from pathlib import Path
from statistics import median

from measure import BUILD, machine, table

COMPILE = BUILD / "tests" / "compile_table"
FILES = [
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/bin/python3.11",
    "/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus",
    "/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
    "/usr/bin/node",
    "/usr/local/bin/docker",
]
TARGET_MB_S = 20
TARGET_PEAK_MIB = 64
ROW_BYTES, EXT_BYTES, PAGE_BYTES = 6, 40, 4


def compile_file(path, step):
    """Bytes, seconds to open, pages and seconds by tables, by code; rows, extended rules, KiB."""
    run = subprocess.run([COMPILE, path, str(step)], capture_output=True, text=True, check=True)
    return [float(f) for f in run.stdout.split()]


def measure(path, step, rounds):
    runs = [compile_file(path, step) for _ in range(rounds)]
    return [median(column) for column in zip(*runs)]


def row_of(path, name, measured):
    size, opened, pages, took, code_pages, code_took, n, ext, kib = measured
    memory = n * ROW_BYTES + ext * EXT_BYTES + (pages + code_pages) * PAGE_BYTES
    return [Path(path).name, name, f"{size / 1e6:.1f}", f"{opened * 1e3:.2f}",
            f"{took * 1e3:.0f}", f"{size / took / 1e6:.0f}", f"{took / pages * 1e6:.1f}",
            f"{code_pages:.0f}", f"{code_took * 1e3:.0f}",
            f"{code_took / code_pages * 1e6:.0f}" if code_pages else "",
            f"{n / 1e3:.0f}", f"{memory / n:.2f}", f"{memory / 1e6:.1f}",
            f"{kib / 1024:.1f}"]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("files", nargs="*", default=[f for f in FILES if Path(f).exists()])
    options = parser.parse_args()
    print(machine())
    rows, slow, peak = [], [], 0
    for path in options.files:
        for step, name in ((1 << 30, "at once"), (1, "one by one")):
            measured = measure(path, step, options.rounds)
            rows.append(row_of(path, name, measured))
            peak = max(peak, measured[-1] / 1024)
            if measured[0] > 1e6 and measured[0] / measured[3] / 1e6 < TARGET_MB_S:
                slow.append(f"{Path(path).name} {name}")
    table(["file", "pages", "MB of CFI", "open ms", "compile ms", "MB/s", "us a page",
           "pages by code", "ms", "us a page", "1000 rows", "bytes a row", "MB of rows",
           "peak MiB"], rows)  # fmt: skip
    print(f"target: {TARGET_MB_S} MB/s" + (f"; slower: {', '.join(slow)}" if slow else ": reached")
          + f"; peak {peak:.1f} of {TARGET_PEAK_MIB} MiB")  # fmt: skip


if __name__ == "__main__":
    main()
