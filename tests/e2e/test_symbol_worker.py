# SPDX-License-Identifier: Apache-2.0
"""The process that reads ELF files for `record`: its end costs names of functions and nothing else."""

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import conftest
from program import run, without_caps

NAME = "spanprof-worker"


def comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def children(pid):
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def kill_workers_of(process, killed):
    """Kills each worker of the program as soon as it can be seen, until the program ends."""
    while process.poll() is None:
        for pid in children(process.pid):
            if comm(pid) == NAME:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                    killed.append(pid)
                except ProcessLookupError:
                    pass
        time.sleep(0.0005)


@contextmanager
def recording(spanprof, folder, *arguments):
    process = subprocess.Popen(
        conftest.record_arguments(spanprof, folder, 999, arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()



def test_killed_worker_costs_names_only(spanprof, workloads, tmp_path):
    killed = []
    arguments = ("--", workloads / "chain", "long", "--cpu-seconds", 1)
    with recording(spanprof, tmp_path, *arguments) as process:
        killer = threading.Thread(target=kill_workers_of, args=(process, killed))
        killer.start()
        stdout, stderr = process.communicate(timeout=conftest.TIMEOUT)
        killer.join()
    r = conftest.Recording(process.returncode, stdout, stderr, tmp_path)

    assert killed, "no worker was seen"
    assert r.returncode == 0, stderr
    assert r.stats["symbol_worker_failed"] >= 1
    conftest.assert_nothing_lost(r.stats)
    assert len(r.samples) > 900
    assert "[file+0x…]" in stderr, stderr
    assert "killed by signal 9 (Killed)" in stderr or "did not start" in stderr, stderr
    # Which file, and not that it cannot be opened.
    assert r.stats.get("files_unreadable", 0) == 0


def test_sound_worker_is_not_heard_of(record, workloads):
    r = record("--", workloads / "chain", "long", "--cpu-seconds", 0.5)
    assert r.stats.get("symbol_worker_failed", 0) == 0
    assert r.profile.total(where=lambda sample: sample.has("leaf")) > 400
    assert "warning" not in r.stderr, r.stderr


def test_worker_drops_capabilities_without_setpcap(spanprof, workloads, tmp_path):
    """The bounding set stays as it is then: capabilities go all the same, and files are read."""
    argv = conftest.record_arguments(
        spanprof, tmp_path, 999, ("--", workloads / "chain", "long", "--cpu-seconds", 0.5)
    )
    done = without_caps("cap_setpcap", *argv)
    assert done.returncode == 0, done.stderr
    r = conftest.Recording(done.returncode, done.stdout, done.stderr, tmp_path)
    assert r.stats.get("symbol_worker_failed", 0) == 0
    assert r.profile.total(where=lambda sample: sample.has("leaf")) > 400


def test_nobody_gets_a_worker_by_hand(spanprof):
    done = run(spanprof, "worker", "1000000", "prompt", "x")
    assert done.returncode == 2
    assert "unknown command 'worker'" in done.stderr
