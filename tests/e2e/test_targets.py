# SPDX-License-Identifier: Apache-2.0
"""What is recorded (-p, --cgroup, -- CMD), and nothing else; and targets that are none."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from program import assert_refused, errors, only_files, run
from test_process_life import counts_by_function, expect_ms
from truth import judge


def cgroup2_root():
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(folder)
    raise AssertionError("no cgroup v2 hierarchy is mounted")


@pytest.fixture
def cgroup():
    """A folder of the cgroup v2 hierarchy with one below it."""
    folder = cgroup2_root() / f"spanprof-test-{os.getpid()}"
    (folder / "below").mkdir(parents=True)
    yield folder
    for path in (folder / "below", folder):
        deadline = time.monotonic() + 10
        while (path / "cgroup.procs").read_text():  # those that are being killed
            assert time.monotonic() < deadline, f"{path} is not empty"
            time.sleep(0.05)
        path.rmdir()


@pytest.fixture
def burning(cgroup, burner):
    """Processes in the cgroup, below it and outside, all busy; they end before it is removed."""
    inside, below, outside = (burner("split-le", "--threads", 1) for _ in range(3))
    (cgroup / "cgroup.procs").write_text(str(inside.pid))
    (cgroup / "below" / "cgroup.procs").write_text(str(below.pid))
    yield inside, below, outside
    for process in (inside, below, outside):
        process.kill()
        process.wait()


def pids(recording):
    return {s["pid"] for s in recording.samples}


# --- what is recorded ---------------------------------------------------------------------------


def test_process_and_nothing_else(record, burner):
    one, other, _ = (burner("split-le", "--threads", 1) for _ in range(3))
    r = record("-p", f"{one.pid},{other.pid}", "-d", 1.5)
    assert pids(r) == {one.pid, other.pid}
    assert r.stats["samples_filtered"] > 0


def test_cgroup_and_nothing_else(record, cgroup, burning):
    """All that is below the folder, and of several processes only those that are in it."""
    inside, below, _ = burning
    r = record("--cgroup", cgroup, "-d", 1.5)
    assert pids(r) == {inside.pid, below.pid}
    assert r.stats["samples_filtered"] > 0
    assert any(s["span_id"] for s in r.samples)


def test_command_and_nothing_else(record, workloads, burner):
    burner("split-le")
    r = record("--", workloads / "split-le", "--cpu-seconds", 0.5, "--log", "{log}")
    assert pids(r) == {r.truth.pid}
    assert sum(judge(r.truth, r.samples).counts.values()) == len(r.samples)


def test_children_of_a_command_are_counted(record, workloads):
    """Its whole life, and that of what it starts: here all but nothing is the shell's own."""
    one = f"{workloads}/procs child --steps-per-ms 300000 --cpu-ms"
    r = record("--", "sh", "-c", f"{one} 300; {one} 200 & {one} 150; wait")
    expect_ms(counts_by_function(r, "child_work")["child_work"], 650)
    assert len({s["pid"] for s in r.samples}) >= 3


def test_whole_life_of_a_command(record, workloads):
    """From its first instruction to its last: as many samples as CPU time."""
    r = record("--", workloads / "split-static", "--cpu-seconds", 0.3, "--log", "{log}")
    expect_ms(len(r.samples), r.truth.process["cpu_ns"] / 1e6)


def test_process_that_ends_ends_the_recording(spanprof, workloads, tmp_path):
    """Half-way, before -d is over: the file is whole."""
    out = tmp_path / "out.pb.gz"
    with subprocess.Popen([workloads / "procs", "child", "--cpu-ms", "1500"]) as target:
        before = time.monotonic()
        done = run(spanprof, "record", "-p", target.pid, "-d", 60, "-F", 499, "-o", out)
        assert time.monotonic() - before < 30
    assert done.returncode == 0
    assert "the process has ended" in done.stderr
    done = run(spanprof, "report", out)
    assert done.returncode == 0 and "child_work" in done.stdout
    assert only_files(tmp_path) == ["out.pb.gz"]


def test_one_of_two_processes_is_killed(spanprof, burner, tmp_path):
    """The other one is recorded on."""
    one, other = burner("split-le"), burner("split-le")
    args = ("record", "-p", f"{one.pid},{other.pid}", "-d", 60, "-o", tmp_path / "out.pb.gz")
    with subprocess.Popen([str(a) for a in (spanprof, *args)], stderr=subprocess.PIPE) as program:
        time.sleep(1)
        one.kill()
        one.wait()
        time.sleep(1)
        assert program.poll() is None
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert b"the process has ended" in program.communicate(timeout=20)[1]
    assert program.returncode == 0


# --- targets that are none ----------------------------------------------------------------------


def refused(spanprof, folder, *arguments, words, status=1):
    done = run(spanprof, "record", "-d", 1, "-o", folder / "out.pb.gz", *arguments)
    assert_refused(done, *words, status=status)
    assert only_files(folder) == []


def test_process_that_is_not_there(spanprof, tmp_path, gone_pid):
    refused(spanprof, tmp_path, "-p", gone_pid, words=("no process", str(gone_pid), "'ps -e'"))
    pair = f"{os.getpid()},{gone_pid}"
    refused(spanprof, tmp_path, "-p", pair, words=("no process", str(gone_pid)))


def test_thread_is_no_process(spanprof, tmp_path):
    stop, tid = threading.Event(), []
    thread = threading.Thread(target=lambda: (tid.append(threading.get_native_id()), stop.wait()))
    thread.start()
    try:
        while not tid:
            time.sleep(0.01)
        pid = os.getpid()
        words = (f"{tid[0]} is a thread of process {pid}", f"use -p {pid}")
        refused(spanprof, tmp_path, "-p", tid[0], words=words)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("pid", ["0", "-1", "x", "", ",", "1x", "99999999999"])
def test_word_that_is_no_process(spanprof, tmp_path, pid):
    refused(spanprof, tmp_path, f"-p{pid}" if pid else "--pid=", words=("-p '",), status=2)


@pytest.mark.parametrize("path", ["{tmp}/missing", "/proc/self/status"])
def test_cgroup_that_cannot_be_opened(spanprof, tmp_path, path):
    path = path.replace("{tmp}", str(tmp_path))
    words = (f"cgroup '{path}'", "'find /sys/fs/cgroup -type d'")
    refused(spanprof, tmp_path, "--cgroup", path, words=words)


@pytest.mark.parametrize("path", ["/", "/proc", "/sys/fs"])
def test_folder_that_is_no_cgroup(spanprof, tmp_path, path):
    words = (f"'{path}' is no folder of the cgroup v2 hierarchy", "/sys/fs/cgroup")
    refused(spanprof, tmp_path, "--cgroup", path, words=words)


def test_targets_exclude_one_another(spanprof, tmp_path):
    for arguments in (("-a", "-p", 1), ("-p", 1, "--cgroup", "/"), ("-a", "--", "true")):
        refused(spanprof, tmp_path, *arguments, words=("exclude one another",), status=2)


# --- commands -----------------------------------------------------------------------------------

STATUSES = {
    "exit 0": 0,
    "exit 3": 3,
    "exit 255": 255,
    "kill -TERM $$": 128 + signal.SIGTERM,
    "kill -KILL $$": 128 + signal.SIGKILL,
    "ulimit -c 0; kill -SEGV $$": 128 + signal.SIGSEGV,
}


@pytest.mark.parametrize("script", STATUSES)
def test_exit_status_is_the_commands(spanprof, tmp_path, script):
    done = run(spanprof, "record", "-o", tmp_path / "out.pb.gz", "--", "sh", "-c", script)
    assert done.returncode == STATUSES[script]
    assert only_files(tmp_path) == ["out.pb.gz"]


def test_command_that_is_not_found(spanprof, tmp_path):
    for command in ("no-such-command", tmp_path / "missing"):
        refused(spanprof, tmp_path, "--", command, status=127,
                words=(f"cannot run '{command}'", "No such file"))  # fmt: skip


def test_command_that_is_no_program(spanprof, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "text").write_text("no program\n")
    for command in (tmp_path / "text", tmp_path):
        refused(spanprof, tmp_path / "out", "--", command, status=126,
                words=(f"cannot run '{command}'", "Permission denied"))  # fmt: skip


def test_no_command(spanprof, tmp_path):
    refused(spanprof, tmp_path, "--", words=("no command behind --",), status=2)
    refused(spanprof, tmp_path, "true", words=("'true'", "behind --"), status=2)


def test_input_and_output_are_the_commands(spanprof, tmp_path):
    done = run(
        spanprof, "record", "-o", tmp_path / "out.pb.gz", "--", "sh", "-c", "cat; echo note >&2",
        input="one\ntwo\n",
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout == "one\ntwo\n"
    assert done.stderr.startswith("note\n") and not errors(done)


INHERITED = """
import os, resource, signal
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")))
print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_MEMLOCK))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print([status[k].strip() for k in ("SigBlk", "SigIgn")], os.getcwd(), os.environ)
print(os.getpgrp() == int(os.environ["GROUP"]))
"""


def test_command_inherits_nothing_of_ours(spanprof, tmp_path):
    """Files, limits, signals, folder and environment are those of a command that runs by itself."""
    command = ("/usr/bin/python3", "-c", INHERITED)

    def output(*before):
        return run(*before, *command, cwd=tmp_path, env={"GROUP": str(os.getpgrp())}).stdout

    def low_limit(*words):
        return ("sh", "-c", 'ulimit -S -n 512; exec "$@"', "sh", *words)

    alone = output(*low_limit())
    assert alone.count("\n") == 4 and "512" in alone
    assert output(*low_limit(spanprof, "record", "-q", "-o", tmp_path / "out.pb.gz", "--")) == alone


def test_command_ends_with_the_recording(spanprof, tmp_path):
    """It gets SIGTERM when -d is over, and may put its things in order."""
    script = "trap 'echo ended; exit 7' TERM; echo begun; while :; do sleep 0.05; done"
    done = run(spanprof, "record", "-d", 1, "-o", tmp_path / "out.pb.gz", "--", "sh", "-c", script)
    assert done.stdout == "begun\nended\n"
    assert done.returncode == 7


def test_command_that_does_not_want_to_end(spanprof, tmp_path):
    script = "trap '' TERM; while :; do sleep 0.05; done"
    out = tmp_path / "out.pb.gz"
    done = run(spanprof, "record", "-d", 0.5, "-o", out, "--", "sh", "-c", script)
    assert done.returncode == 128 + signal.SIGKILL
