# SPDX-License-Identifier: Apache-2.0
"""
Ends that come early, and company. Whenever a signal comes: the output is whole or absent, nothing
stays in the kernel or on disk, and the exit status is what `record --help` says.
"""

import json
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import kernel_objects
import pprof
from conftest import cpu_ticks, run_record
from program import only_files
from truth import judge

ROUNDS = 36
AT_ONCE = 3
LATEST = 1.5  # seconds after the start: some signals come when all is over
# Until the program has said what it wants to do with signals: while it is loaded and linked.
UNPREPARED = 0.3

OLD = b"what was there before"


def start(spanprof, folder, *arguments):
    (folder / "out.pb.gz").write_bytes(OLD)
    out, stats = folder / "out.pb.gz", folder / "stats.json"
    args = (spanprof, "record", "-q", "-o", out, "--stats", stats, *arguments)
    return subprocess.Popen([str(a) for a in args], stderr=subprocess.PIPE, text=True)


def interrupt(spanprof, folder, sig, delay, *arguments):
    """(exit status, standard error) of a recording that got the signal after so long."""
    with start(spanprof, folder, *arguments) as program:
        time.sleep(delay)
        program.send_signal(sig)
        stderr = program.communicate(timeout=60)[1]
    return program.returncode, stderr


def assert_whole_or_absent(folder, status, sig, delay):
    files = only_files(folder)
    if status == -sig:
        assert delay < UNPREPARED, f"ended by signal {sig} after {delay} s"
        assert files == ["out.pb.gz"]
        assert (folder / "out.pb.gz").read_bytes() == OLD
        return
    assert files == ["out.pb.gz", "stats.json"]
    profile = pprof.load(folder / "out.pb.gz")
    stats = json.loads((folder / "stats.json").read_text())
    assert profile.total() == stats["samples_delivered"]


def rounds(tmp_path, signals, run_one):
    """run_one(folder, signal, delay) at random moments, a few at once."""
    chance, jobs = random.Random(), []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for i in range(ROUNDS):
            folder = tmp_path / f"round-{i}"
            folder.mkdir()
            # In order, so that each part of the life gets its share.
            delay = LATEST * (i + chance.random()) / ROUNDS
            jobs.append(pool.submit(run_one, folder, signals[i % len(signals)], delay))
        return [job.result() for job in jobs]


def test_signal_at_any_moment(spanprof, tmp_path, burner):
    burner("split-le", "--threads", "1")
    before = kernel_objects.existing()

    def one(folder, sig, delay):
        status, stderr = interrupt(spanprof, folder, sig, delay, "-d", "0.7")
        assert status in (0, -sig) and not stderr, f"{status} after {delay} s: {stderr}"
        assert_whole_or_absent(folder, status, sig, delay)
        return status

    statuses = rounds(tmp_path, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP), one)
    assert statuses.count(0) > ROUNDS / 2
    kernel_objects.assert_nothing_new(before)


def running(mark):
    """Pids of processes with this word among their arguments."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                words = Path(f"/proc/{entry.name}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(entry.name))
    return found


def test_signal_at_any_moment_of_a_command(spanprof, tmp_path):
    """The command ends with the recording, also if it has not even begun."""
    before = kernel_objects.existing()
    mark = f"{random.getrandbits(40)}"
    command = ("--", "sh", "-c", "i=0; while [ $i -lt 600000 ]; do i=$((i + 1)); done", mark)

    def one(folder, sig, delay):
        status, stderr = interrupt(spanprof, folder, sig, delay, *command)
        # 143: it got SIGTERM. 0: it was through.
        assert status in (0, 128 + signal.SIGTERM, -sig) and not stderr, f"{status}: {stderr}"
        assert_whole_or_absent(folder, status, sig, delay)
        return status

    statuses = rounds(tmp_path, (signal.SIGINT, signal.SIGTERM), one)
    assert statuses.count(128 + signal.SIGTERM) > ROUNDS / 4
    assert not running(mark)
    kernel_objects.assert_nothing_new(before)


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.1, 0.2, 0.5])
def test_interrupt_from_the_terminal(spanprof, tmp_path, delay):
    """It goes to the command as well, which says how it ends."""
    command = ("sh", "-c", "trap 'exit 9' INT; while :; do sleep 0.05; done")
    args = (spanprof, "record", "-q", "-o", tmp_path / "out.pb.gz", "--", *command)
    with subprocess.Popen([str(a) for a in args], start_new_session=True) as program:
        time.sleep(delay)
        os.killpg(program.pid, signal.SIGINT)
        status = program.wait(timeout=60)
    # 130: it had not begun; or the shell had not come to its trap. 143: nor had that signal come.
    assert status in (9, 128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT)
    assert only_files(tmp_path) == ([] if status == -signal.SIGINT else ["out.pb.gz"])


def test_hangup_is_ignored_under_nohup(spanprof, tmp_path):
    args = ("nohup", spanprof, "record", "-q", "-d", "1.5", "-o", tmp_path / "out.pb.gz")
    with subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL) as program:
        time.sleep(0.5)
        program.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert program.poll() is None
        assert program.wait(timeout=60) == 0
    assert pprof.load(tmp_path / "out.pb.gz").duration_ns > 1.4e9


def test_many_signals(spanprof, tmp_path):
    """An impatient person: the file is whole all the same."""
    with start(spanprof, tmp_path) as program:
        time.sleep(0.5)
        while program.poll() is None:
            program.send_signal(signal.SIGINT)
            time.sleep(0.002)
    assert program.returncode == 0
    assert_whole_or_absent(tmp_path, 0, signal.SIGINT, 0)


def test_what_is_in_the_kernel_goes_with_the_program(spanprof, tmp_path):
    """Also when it is killed and can tidy nothing."""
    before = kernel_objects.existing()
    with start(spanprof, tmp_path, "--", "sleep", "1") as program:
        deadline = time.monotonic() + 20
        while not {"prog", "map", "link"} <= {k for k, _ in kernel_objects.held_by(program.pid)}:
            assert time.monotonic() < deadline, "nothing of it is found in the kernel"
            time.sleep(0.02)
        assert kernel_objects.held_by(program.pid) <= kernel_objects.existing()
        program.kill()
        program.wait()
    kernel_objects.assert_nothing_new(before)


def test_command_that_was_held_back_ends_with_a_killed_profiler(spanprof, tmp_path):
    """It waits for a word that cannot come any more."""
    mark = f"{random.getrandbits(40)}"
    for delay in (0.005, 0.02, 0.05):
        with start(spanprof, tmp_path, "--", "sh", "-c", "exit 0", mark) as program:
            time.sleep(delay)
            program.kill()
        deadline = time.monotonic() + 10
        while running(mark):
            assert time.monotonic() < deadline
            time.sleep(0.05)


# --- company ------------------------------------------------------------------------------------


def test_two_profilers_do_not_disturb_each_other(spanprof, tmp_path, workloads):
    """One of a command, one of everything: both see all of it, with the right spans."""
    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(run_record, spanprof, tmp_path / "all", "-a", "-d", 8, frequency=499)
        time.sleep(1)
        of_command = run_record(
            spanprof, tmp_path / "command", "--", workloads / "split-le", "--cpu-seconds", 3,
            "--span-us", "500,20000", "--warm-up-ms", 300, "--log", "{log}", frequency=999,
        )  # fmt: skip
        whole = whole.result()

    truth = of_command.truth
    of_process = [s for s in whole.samples if s["pid"] == truth.pid]
    ended = max(s["time_ns"] for s in of_command.samples)
    assert ended < max(s["time_ns"] for s in whole.samples), "it did not end within the other"
    assert len(of_command.samples) == pytest.approx(truth.process["cpu_ns"] * 999e-9, rel=0.02)
    assert len(of_process) == pytest.approx(truth.process["cpu_ns"] * 499e-9, rel=0.04)
    for samples in (of_command.samples, of_process):
        judge(truth, samples).assert_right()
    for recording in (of_command, whole):
        assert recording.stats["samples_lost_ring"] == 0


def test_one_profiler_ends_while_the_other_goes_on(spanprof, tmp_path, burner):
    process = burner("split-le", "--threads", 1)
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(run_record, spanprof, tmp_path / "long", "-p", process.pid, "-d", 60)
        for i in range(4):
            short = run_record(spanprof, tmp_path / f"short-{i}", "-p", process.pid, "-d", 0.4)
            assert short.profile.total() > 20
        ticks, before = cpu_ticks(process.pid), time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        time.sleep(1)
        cpu_ms = (cpu_ticks(process.pid) - ticks) * 1000 / os.sysconf("SC_CLK_TCK")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        process.kill()  # with which the long recording ends
        samples = long.result().samples
    expect = sum(1 for s in samples if before < s["time_ns"] < after)
    assert expect == pytest.approx(cpu_ms * 0.999, rel=0.05, abs=15)
