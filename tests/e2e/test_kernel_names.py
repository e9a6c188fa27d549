# SPDX-License-Identifier: Apache-2.0
"""Names of the kernel's code, BPF programs too, against what /proc/kallsyms says meanwhile."""

import json
import re
import subprocess
from bisect import bisect_right
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

from kernel_objects import BPFTOOL


class Kallsyms:
    """Functions of the running kernel."""

    def __init__(self):
        names = defaultdict(set)
        for line in Path("/proc/kallsyms").read_text(encoding="utf-8", errors="replace").splitlines():
            address, kind, name = line.split(" ", 2)
            if kind in "tTwW":
                names[int(address, 16)].add(name.replace("\t", " "))
        self.names = dict(names)
        self.starts = sorted(names)

    def start_of(self, address):
        return self.starts[bisect_right(self.starts, address) - 1]

    def names_at(self, address):
        """Those that the function has which begins closest below."""
        return self.names[self.start_of(address)]


@contextmanager
def burner(workloads):
    """A process that has a BPF program run; ready when it is in the kernel."""
    argv = [str(workloads / "bpfburn"), "--cpu-ms", "60000"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def jited_bytes(name):
    shown = subprocess.run([BPFTOOL, "-j", "prog", "show"], capture_output=True, check=True).stdout
    return {f"bpf_prog_{p['tag']}_{name} [bpf]": p["bytes_jited"]
            for p in json.loads(shown) if p.get("name") == name}  # fmt: skip


def kernel_frames(r):
    return [f for s in r.profile.samples for f in s.frames if f.mapping == "[kernel.kallsyms]"]


def test_bpf_program_has_its_name(record, workloads):
    with burner(workloads) as process:
        r = record("-p", process.pid, "-d", 1)
        kallsyms, sizes = Kallsyms(), jited_bytes("burner")
    leaves = r.profile.count_by(lambda s: s.names[0])
    ours = {name: n for name, n in leaves.items() if re.fullmatch(r"bpf_prog_[0-9a-f]{16}_burner \[bpf\]", name)}
    assert sum(ours.values()) > 0.8 * r.profile.total(), leaves
    assert set(ours) <= set(sizes)
    for f in kernel_frames(r):
        if f.name in ours:
            assert f.name in kallsyms.names_at(f.address)
            assert f.address - kallsyms.start_of(f.address) < sizes[f.name]


def test_kernel_frames_have_the_names_of_kallsyms(record, workloads):
    """On the whole host, where our own programs run, too."""
    with burner(workloads):
        r = record("-a", "-d", 1)
        kallsyms = Kallsyms()
    frames = [f for f in kernel_frames(r) if not f.name.startswith("[")]
    # Others' programs come and go between our look and its.
    stable = [f for f in frames if not re.search(r"\[(bpf|__builtin__\w+)\]$", f.name) or "_burner " in f.name]
    assert len({f.name for f in stable}) > 20
    assert any("_burner " in f.name for f in stable)
    wrong = {(f.name, hex(f.address)) for f in stable if f.name not in kallsyms.names_at(f.address)}
    assert not wrong
