#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Are the stacks right? Each program of workload.py is stopped at random moments and some single steps
later, and our walk compared with libdwfl's, frame by frame (tests/tools/unwind_agree.c).
"""

import argparse
import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import workload
from measure import BUILD, machine, table

TOOL = BUILD / "tools" / "unwind_agree"
TARGET = 99.9  # % of the stops
TIMEOUT = 900
KINDS = ("same-cut", "pc", "exact", "short", "false-end", "long", "past-end", "no-end", "end")


def pids_of(executables):
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = os.readlink(path / "exe").removesuffix(" (deleted)").rpartition("/")[2]
        except OSError:
            continue
        if name in executables:
            yield path.name


def target(load):
    """What to look at, as arguments."""
    if load.argv:
        programs = [a for name in load.executables for a in ("--program", name)]
        return ["--children", *programs, "--", *load.argv]
    return [a for pid in pids_of(load.executables) for a in ("-p", pid)]


def compare(name, stops, seed):
    """(numbers of unwind_agree, what it says)"""
    with workload.started(name) as load:
        argv = [TOOL, "-n", stops, "--seed", seed, "--name", name, "--json", *target(load)]
        said = subprocess.run(
            [str(a) for a in argv], stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False,
            stderr=subprocess.DEVNULL,
        ).stdout  # fmt: skip
    text, _, last = said.strip().rpartition("\n")
    return json.loads(last), text


def row(r):
    kinds = ", ".join(f"{k} {r[k]}" for k in KINDS if r[k])
    judged = r["judged_ours"] + r["no_table_ours"]
    lost = sum(r[k] for k in KINDS[1:]) - judged
    return [
        r["name"], r["stops"], r["pcs"], f"{r['frames'] / max(r['stops'], 1):.1f}",
        f"{100 * r['whole'] / max(r['stops'], 1):.2f}", f"{100 * r['same'] / max(r['stops'], 1):.3f}",
        judged, lost, f"{r['agreement']:.3f}", kinds,
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--stops", type=int, default=2000, help="of each program (2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-v", "--verbose", action="store_true", help="examples of differences")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="only these; * is any text")
    options = parser.parse_args()
    wanted = options.programs or ["*"]
    print(machine(), flush=True)
    rows, failed = [], []
    for name in workload.PROGRAMS:
        if not any(fnmatch(name, w) for w in wanted):
            continue
        try:
            result, text = compare(name, options.stops, options.seed)
        except (workload.Missing, OSError, ValueError, subprocess.SubprocessError) as e:
            failed.append((name, e))
            continue
        rows.append(row(result))
        if options.verbose:
            print(text, flush=True)
    table(["", "stops", "places", "frames each", "% whole", "% same", "for ours", "against", "% agreement",
           "kinds"], rows)  # fmt: skip
    below = [r[0] for r in rows if float(r[8]) < TARGET or not r[1]]
    print(
        f"{len(rows) - len(below)} of {len(rows)} programs have {TARGET} % agreement, by two of three."
        + (f" Below: {', '.join(below)}." if below else "")
    )
    for name, why in failed:
        print(f"not run: {name}: {why}")
    sys.exit(1 if below else 0)


if __name__ == "__main__":
    main()
