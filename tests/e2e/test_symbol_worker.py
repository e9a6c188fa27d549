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
ROWS = "spanprof-rows"


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


def kill_workers_of(process, killed, name=NAME, number=signal.SIGKILL):
    """Kills each worker of the program as soon as it can be seen, until the program ends."""
    while process.poll() is None:
        for pid in children(process.pid):
            if comm(pid) == name and pid not in killed:
                try:
                    os.kill(int(pid), number)
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


def record_without_rows(spanprof, workloads, folder, number):
    killed = []
    arguments = ("--", workloads / "chain-fp", "long", "--cpu-seconds", 1)
    with recording(spanprof, folder, *arguments) as process:
        killer = threading.Thread(target=kill_workers_of, args=(process, killed, ROWS, number))
        killer.start()
        stdout, stderr = process.communicate(timeout=conftest.TIMEOUT)
        killer.join()
    assert killed, "no worker was seen"
    assert process.returncode == 0, stderr
    r = conftest.Recording(process.returncode, stdout, stderr, folder)
    conftest.assert_nothing_lost(r.stats)
    assert len(r.samples) > 900
    return r


def test_killed_reader_of_rows_costs_tables_only(spanprof, workloads, tmp_path):
    r = record_without_rows(spanprof, workloads, tmp_path, signal.SIGKILL)
    assert r.stats["unwind_worker_failed"] + r.stats["unwind_rows_late"] >= 1
    assert "unwind tables" in r.stderr, r.stderr
    assert r.profile.total(where=lambda sample: sample.has("leaf")) > 900


def test_stopped_reader_of_rows_holds_nothing_up(spanprof, workloads, tmp_path):
    r = record_without_rows(spanprof, workloads, tmp_path, signal.SIGSTOP)
    assert r.stats["unwind_rows_late"] >= 1
    assert r.stats.get("events_late", 0) == 0
    assert r.profile.total(where=lambda sample: sample.has("leaf")) > 900


def test_sound_worker_is_not_heard_of(record, workloads):
    r = record("--", workloads / "chain", "long", "--cpu-seconds", 0.5)
    assert r.stats.get("symbol_worker_failed", 0) == 0
    assert r.stats.get("unwind_worker_failed", 0) == 0
    assert r.stats.get("unwind_rows_late", 0) == 0
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
