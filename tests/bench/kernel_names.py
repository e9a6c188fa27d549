# SPDX-License-Identifier: Apache-2.0
"""What the running kernel's code is called, by us and by perf, at addresses that perf samples."""

import re
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from measure import SPANPROF, WORKLOADS, programs
from name_truth import NAME_ADDRESSES

KERNEL_MIN = 1 << 63
IN_A_MODULE = re.compile(r" \[[^\]]*\]$")
FRAME = re.compile(r"^\s+([0-9a-f]+) (.*) \((.*)\)$", re.MULTILINE)
SECONDS = 8

# System calls of many kinds, and BPF programs: one that burns time, and our own.
FILES = "while :; do find /usr/include /usr/share/doc -type f | head -2000 | xargs cat | gzip -1; done"
LOAD = (
    (WORKLOADS / "bpfburn", "--cpu-ms", "100000"),
    ("sh", "-c", FILES),
    ("sh", "-c", "while :; do /bin/true | /bin/cat; done"),
    (SPANPROF, "record", "-q", "-F", "999", "-d", "100", "-o", "/dev/null", "-f", "pprof"),
)


@dataclass
class Result:
    n: int = 0
    judged: int = 0  # perf has a name
    equal: int = 0  # of those
    bpf: int = 0  # of those, in BPF programs and trampolines
    bpf_equal: int = 0
    unnamed: int = 0  # of those, by us
    more: int = 0  # named by us alone
    examples: list = field(default_factory=list)  # (address, ours, perf's)


def _perf(folder):
    """{address: name, "" for none} of all that perf samples of the kernel."""
    data = folder / "kernel.data"
    subprocess.run(
        ["perf", "record", "-q", "-a", "-g", "-e", "cpu-clock", "-F", "1999", "-o", data, "--", "sleep", str(SECONDS)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    argv = ["perf", "script", "-i", data, "-F", "ip,sym,dso", "--no-inline"]
    text = subprocess.run(argv, check=True, capture_output=True, text=True, errors="replace").stdout
    data.unlink()
    frames = ((int(address, 16), name) for address, name, _ in FRAME.findall(text))
    return {a: "" if name == "[unknown]" else name for a, name in frames if a >= KERNEL_MIN}


def _ours(addresses):
    text = "@[kernel]\n" + "".join(f"{a:x}\n" for a in addresses)
    out = subprocess.run([NAME_ADDRESSES], input=text, check=True, capture_output=True, text=True).stdout
    names, address = {}, None
    for line in out.splitlines():
        if line.startswith("\t"):
            names[address] = IN_A_MODULE.sub("", line[1:].partition("\t")[0])
        elif line.count(" ") == 1:
            address = int(line.partition(" ")[0], 16)
            names[address] = ""
    return names


def _aliases():
    """{name: the sets of names that some place has, which hold it}"""
    places, groups = defaultdict(set), defaultdict(list)
    for line in Path("/proc/kallsyms").read_text(errors="replace").splitlines():
        address, _, name = line.split(" ", 2)
        places[address].add(name.partition("\t")[0])
    for names in places.values():
        for name in names if len(names) > 1 else ():
            groups[name].append(names)
    return groups


def compare(folder):
    """All while the load runs: its BPF programs are gone with it."""
    with programs(*LOAD):
        time.sleep(2)
        theirs = _perf(folder)
        us = _ours(sorted(theirs))
        groups = _aliases()
    result = Result()
    for address, name in theirs.items():
        own = us[address]
        equal = own == name or any(own in group for group in groups.get(name, ()))
        is_bpf = name.startswith(("bpf_prog_", "bpf_trampoline_"))
        result.n += 1
        result.judged += bool(name)
        result.equal += bool(name) and equal
        result.bpf += is_bpf
        result.bpf_equal += is_bpf and equal
        result.unnamed += bool(name) and not own
        result.more += bool(own) and not name
        if not equal:
            result.examples.append((address, own, name))
    return result
