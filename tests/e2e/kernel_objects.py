# SPDX-License-Identifier: Apache-2.0
"""BPF programs, maps and links in the kernel, and who holds them."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
KINDS = ("prog", "map", "link")


def existing():
    """(kind, id) of all there are."""
    found = set()
    for kind in KINDS:
        done = subprocess.run([BPFTOOL, "-j", kind, "show"], capture_output=True, check=True)
        found |= {(kind, entry["id"]) for entry in json.loads(done.stdout or "[]")}
    return found


def held_by(pid):
    """(kind, id) of those that the process has open."""
    found = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fdinfo"):
            text = Path(entry.path).read_text()
            for kind in KINDS:
                found |= {(kind, int(n)) for n in re.findall(rf"^{kind}_id:\t(\d+)$", text, re.M)}
    except OSError:
        pass  # it ended, or closed a file meanwhile
    return found


def others_profile():
    """Does anybody else on this machine run the program, whose objects may come at any time?"""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if Path(f"/proc/{entry.name}/comm").read_text().strip() == "spanprof":
                    return True
            except OSError:
                pass
    return False


def assert_nothing_new(before, timeout=60):
    """
    The kernel frees in its own time. Where others profile as well, a moment is waited for at which
    none of them does.
    """
    deadline = time.monotonic() + timeout
    while True:
        quiet = not others_profile()
        left = existing() - before
        if not left:
            return
        assert time.monotonic() < deadline, f"left in the kernel: {left}" + (
            "" if quiet else " (but another profiler runs)"
        )
        time.sleep(0.1)
