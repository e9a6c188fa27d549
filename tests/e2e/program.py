# SPDX-License-Identifier: Apache-2.0
"""Runs the program in ways that it has to answer well: without rights, on odd mounts, refused."""

import os
import shlex
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

TIMEOUT = 90
NOBODY = 65534


def run(*argv, **options):
    """subprocess.run() of the words, whose output is text."""
    return subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, timeout=TIMEOUT, check=False,
        **options,
    )  # fmt: skip


def errors(done):
    """Lines of the error messages."""
    return [line for line in done.stderr.splitlines() if line.startswith("spanprof: error: ")]


def assert_refused(done, *words, status=1):
    """It failed with one message, in which all of the words occur, and said nothing else."""
    assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and errors(done) == lines, f"not one message: {done.stderr}"
    for word in words:
        assert word in lines[0], f"no '{word}' in: {lines[0]}"


def with_mounts(setup, *argv, **options):
    """
    Runs the words in a mount namespace of their own, after the shell commands `setup`, whose $1,
    $2, … are options["args"].
    """
    script = f"set -e\n{setup}\nexec {shlex.join(str(a) for a in argv)}"
    return run("unshare", "--mount", "sh", "-c", script, "sh", *options.pop("args", ()), **options)


def without_caps(caps, *argv, **options):
    """As root without these capabilities (cap_bpf,cap_syslog)."""
    words = shlex.join(str(a) for a in argv)
    return run("capsh", f"--drop={caps}", "--", "-c", f"exec {words}", **options)


def as_nobody(*argv, caps=(), **options):
    """As a user with no rights but `caps` (bpf, perfmon)."""
    some = [f"--{kind}-caps=" + ",".join(f"+{c}" for c in caps) for kind in ("inh", "ambient")]
    user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return run("setpriv", *user, *(some if caps else ()), *argv, **options)


@contextmanager
def folder_of_nobody():
    """A folder that this user can reach and write."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="spanprof-nobody-") as name:
        os.chmod(name, 0o755)
        os.chown(name, NOBODY, NOBODY)
        yield Path(name)


def only_files(folder):
    """Names of all that is in the folder, temporary files too."""
    return sorted(os.listdir(folder))
