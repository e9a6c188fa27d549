# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the end-to-end tests: the built program, the workloads, and one call that records.
SPANPROF_BUILD names the build folder (build).
"""

import json
import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import pprof
import truth

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SPANPROF_BUILD", ROOT / "build")).resolve()
TIMEOUT = 90


def pytest_configure(config):
    config.addinivalue_line("markers", "waits: does little but wait; make runs several at a time")


@pytest.fixture(scope="session")
def spanprof():
    path = BUILD / "spanprof"
    assert path.exists(), f"{path} is missing: make"
    return path


@pytest.fixture(scope="session")
def workloads():
    path = BUILD / "workloads"
    assert path.exists(), f"{path} is missing: make workloads"
    return path


@dataclass
class Recording:
    """What one `spanprof record` left."""

    returncode: int
    stdout: str
    stderr: str
    folder: Path
    neighbour: int = 0  # pid of a program that ran beside
    _cache: dict = field(default_factory=dict)

    def _once(self, name, load):
        if name not in self._cache:
            self._cache[name] = load(self.folder / name)
        return self._cache[name]

    @property
    def profile(self):
        return self._once("out.pb.gz", pprof.load)

    @property
    def samples(self):
        """Single samples, in the order of delivery."""
        return self._once("samples.jsonl", truth.load_samples)

    @property
    def stats(self):
        return self._once("stats.json", lambda path: json.loads(path.read_text()))

    @property
    def truth(self):
        return self._once("truth.jsonl", truth.Truth.load)


def record_arguments(spanprof, folder, frequency, arguments):
    return [
        str(a)
        for a in (
            spanprof, "record", "-F", frequency, "-o", folder / "out.pb.gz",
            "--stats", folder / "stats.json", "--dump-samples", folder / "samples.jsonl",
            *arguments,
        )
    ]  # fmt: skip


def run_record(spanprof, folder, *arguments, frequency=999, env=None):
    """
    Records with `arguments` (what to record, how long). A "{log}" among them becomes the path from
    which Recording.truth is read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [str(a).replace("{log}", str(folder / "truth.jsonl")) for a in arguments]
    done = subprocess.run(
        record_arguments(spanprof, folder, frequency, arguments),
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
        env={**os.environ, **(env or {})},
    )  # fmt: skip
    assert done.returncode == 0, f"record failed: {done.returncode}\n{done.stdout}{done.stderr}"
    return Recording(done.returncode, done.stdout, done.stderr, folder)


@pytest.fixture
def record(spanprof, tmp_path):
    """record(*arguments, frequency=999, env=None) → Recording"""

    def call(*arguments, **options):
        folder = tmp_path / f"recording-{len(list(tmp_path.iterdir()))}"
        return run_record(spanprof, folder, *arguments, **options)

    return call


def assert_nothing_lost(stats):
    """Every tick that became a sample reached user space."""
    taken, delivered = stats["samples_taken"], stats["samples_delivered"]
    lost = stats.get("samples_lost_ring", 0)
    assert taken == delivered + lost, f"{taken} taken, {delivered} delivered, {lost} lost"
    assert lost == 0, f"{lost} of {taken} samples lost in the ring"


@pytest.fixture
def burner(workloads, tmp_path):
    """burner(program, *options) → a process that burns CPU in spans until the test ends"""
    running = []

    def start(program, *options):
        log = tmp_path / f"burner-{len(running)}.jsonl"
        options = ("--cpu-seconds", "1000", "--span-us", "500,10000", "--log", log, *options)
        process = subprocess.Popen([str(a) for a in (workloads / program, *options)])
        running.append(process)
        wait_until_busy(process.pid)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def cpu_ticks(pid):
    """User and system time of the process, in ticks of the clock."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])


def wait_until_busy(pid, ticks=10):
    """It calibrates itself first, for less than this."""
    deadline = time.monotonic() + TIMEOUT
    while cpu_ticks(pid) < ticks:
        assert time.monotonic() < deadline, f"process {pid} does not work"
        time.sleep(0.02)


@contextmanager
def open_shop(workloads, log):
    """
    The demo while it serves requests, before whatever else the machine has to do. `log` (truth.py) is
    written when it closes.
    """
    words = ["nice", "-n", "-5", workloads / "shop", "--seconds", "600", "--log", log]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as program:
        try:
            wait_until_busy(program.pid)
            yield program
            program.terminate()
            assert program.wait(TIMEOUT) == 0
        finally:
            program.kill()


@pytest.fixture
def gone_pid():
    """Of a process that was there a moment ago."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid
