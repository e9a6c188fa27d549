# SPDX-License-Identifier: Apache-2.0
"""What is missing on this host, and does the program say so, with the remedy?"""

import json
import re
import shutil
import subprocess
from threading import Timer

import pytest

import pprof
from program import (
    as_nobody, assert_refused, folder_of_nobody, only_files, run, with_mounts, without_caps,
)  # fmt: skip

LOCKED_DOWN = """
mount -t tmpfs tmpfs /sys/kernel/security
echo 'none integrity [confidentiality]' > /sys/kernel/security/lockdown
"""
NO_BTF = "mount -t tmpfs tmpfs /sys/kernel/btf"


@pytest.fixture
def nobody(spanprof, workloads):
    """A folder with the programs, for a user who may be unable to reach the real ones."""
    with folder_of_nobody() as folder:
        for program in (spanprof, workloads / "procs"):
            shutil.copy(program, folder)
            (folder / program.name).chmod(0o755)
        yield folder


def findings(done):
    """What doctor says: {what: (yes | no | NO, the rest)}. All of its output is in this form."""
    found = {}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(yes|no |NO )  (.+?)(?:: (.*))?", line)
        assert match, f"doctor: {line}"
        found[match[2]] = (match[1].strip(), match[3] or "")
    return found


def assert_fatal(done, what, remedy):
    assert done.returncode == 1, done.stdout
    state, rest = findings(done)[what]
    assert state == "NO" and remedy in rest, f"{what}: {state} {rest}"


def test_user_without_rights(nobody):
    done = as_nobody(nobody / "spanprof", "record", "-d", 1, "-o", nobody / "out.pb.gz")
    assert_refused(done, "cannot load BPF programs", "needs root or CAP_BPF and CAP_PERFMON")
    assert only_files(nobody) == ["procs", "spanprof"]


def test_doctor_of_user_without_rights(nobody):
    done = as_nobody(nobody / "spanprof", "doctor")
    assert_fatal(done, "CAP_BPF", "run as root")
    assert_fatal(done, "CAP_PERFMON", "run as root")
    assert_fatal(done, "perf event cpu-clock", "CAP_PERFMON")
    assert findings(done)["kernel symbols (/proc/kallsyms)"][0] == "no"


def test_user_with_some_rights(nobody):
    """perf_event_paranoid lets nobody without CAP_PERFMON sample the kernel or whole CPUs."""
    done = as_nobody(
        nobody / "spanprof", "record", "-d", 1, "-o", nobody / "out.pb.gz", caps=("bpf",)
    )
    assert_refused(done, "CAP_PERFMON", "root")
    done = as_nobody(nobody / "spanprof", "doctor", caps=("bpf",))
    assert findings(done)["CAP_BPF"][0] == "yes"
    assert_fatal(done, "CAP_PERFMON", "run as root")


def test_two_capabilities_are_enough(nobody):
    """For what belongs to the same user."""
    done = as_nobody(
        nobody / "spanprof", "record", "-F", 499, "-o", nobody / "out.pb.gz", "--",
        nobody / "procs", "child", "--cpu-ms", 400, caps=("bpf", "perfmon"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    profile = pprof.load(nobody / "out.pb.gz")
    assert profile.total(where=lambda s: s.has("child_work")) > 100


@pytest.mark.parametrize("caps", ["cap_bpf,cap_sys_admin", "cap_perfmon,cap_sys_admin"])
def test_root_without_a_capability(spanprof, tmp_path, caps):
    """CAP_SYS_ADMIN stands in for both, so it must be missing, too."""
    done = without_caps(caps, spanprof, "record", "-d", 1, "-o", tmp_path / "out.pb.gz")
    assert_refused(done, "needs root or CAP_BPF and CAP_PERFMON")
    assert only_files(tmp_path) == []
    done = without_caps(caps, spanprof, "doctor")
    assert_fatal(done, caps.split(",", maxsplit=1)[0].upper(), "run as root")


LESSER = {
    "cap_sys_ptrace": "contexts",
    "cap_dac_read_search": "files",
    "cap_checkpoint_restore,cap_sys_admin": "deleted files",
    "cap_syslog,cap_sys_admin": "kernel functions",
}


@pytest.mark.parametrize("caps", LESSER)
def test_lesser_capabilities_are_not_needed(spanprof, tmp_path, caps):
    """Something will be missing: doctor says what; but there is a profile."""
    done = without_caps(caps, spanprof, "record", "-d", 0.3, "-o", tmp_path / "out.pb.gz")
    assert done.returncode == 0, done.stderr
    pprof.load(tmp_path / "out.pb.gz")
    done = without_caps(caps, spanprof, "doctor")
    assert done.returncode == 0
    state, rest = findings(done)[caps.split(",", maxsplit=1)[0].upper()]
    assert state == "no" and LESSER[caps] in rest and "run as root" in rest


def test_processes_that_may_not_be_read_are_counted(spanprof, tmp_path, burner):
    """Their contexts are lost, but not in silence."""
    pid = burner("split-le").pid
    done = without_caps(
        "cap_sys_ptrace", spanprof, "record", "-p", pid, "-d", 1,
        "-o", tmp_path / "out.pb.gz", "--stats", tmp_path / "stats.json",
    )  # fmt: skip
    if done.returncode == 0:  # since Linux 6.16 CAP_PERFMON is enough for /proc/PID/maps
        assert json.loads((tmp_path / "stats.json").read_text())["processes_unreadable"] > 0
        assert "processes_unreadable" in done.stderr
    else:
        assert_refused(done, f"process {pid}", "CAP_SYS_PTRACE")
    done = without_caps("cap_sys_ptrace", spanprof, "doctor", "-p", pid)
    assert "CAP_SYS_PTRACE" in done.stdout and "No such process" not in done.stdout


def test_kernel_without_btf(spanprof, tmp_path):
    out = tmp_path / "out.pb.gz"
    done = with_mounts(NO_BTF, spanprof, "record", "-d", 1, "-o", out)
    assert_refused(done, "/sys/kernel/btf/vmlinux", "needs one built with CONFIG_DEBUG_INFO_BTF=y")
    assert only_files(tmp_path) == []
    done = with_mounts(NO_BTF, spanprof, "doctor")
    assert_fatal(done, "kernel types (BTF, /sys/kernel/btf/vmlinux)", "CONFIG_DEBUG_INFO_BTF=y")


def test_doctor_of_locked_down_kernel(spanprof):
    done = with_mounts(LOCKED_DOWN, spanprof, "doctor")
    assert_fatal(
        done, "kernel not locked down (/sys/kernel/security/lockdown)",
        "boot without lockdown=confidentiality",
    )  # fmt: skip


def test_record_names_the_lockdown(spanprof, tmp_path):
    """The lockdown itself cannot be undone, so this one has another cause that looks the same."""
    done = with_mounts(
        LOCKED_DOWN, "capsh", "--drop=cap_bpf,cap_sys_admin", "--", "-c",
        f"exec {spanprof} record -d 1 -o {tmp_path}/out.pb.gz",
    )  # fmt: skip
    assert_refused(done, "locked down", "boot without lockdown=confidentiality")


def test_doctor_of_a_fit_host(spanprof):
    done = run(spanprof, "doctor")
    assert done.returncode == 0, done.stdout
    found = findings(done)
    assert not [what for what, (state, _) in found.items() if state == "NO"]
    for what in ("CAP_BPF", "CAP_PERFMON", "BPF programs load and process events open"):
        assert found[what][0] == "yes"
    # Each "no" says what follows from it and what can be done.
    assert all("; " in rest for state, rest in found.values() if state == "no"), found


def test_doctor_of_a_process(spanprof, burner):
    done = run(spanprof, "doctor", "-p", burner("split-so-ie").pid)
    assert done.returncode == 0
    found = findings(done)
    state, what = found["process context (OpenTelemetry OTEL_CTX)"]
    assert state == "yes" and what.startswith("service.name=split, service.version=1, ")
    assert "thread context schema tlsdesc_v1_dev, 1 keys of labels" in what
    state, where = found["thread context (OpenTelemetry, otel_thread_ctx_v1)"]
    assert state == "yes" and re.search(r"ie/libotelctx\.so, at thread pointer -\d+", where)
    state, span = found["spans of its threads, in this second"]
    assert state == "yes" and re.search(r"trace_id=[0-9a-f]{32} span_id=[0-9a-f]{16} span.name=\w+scending$", span)
    assert re.search(r"^yes  \S+/split-so-ie: names from .symtab( \(build id [0-9a-f]+\))?$", done.stdout, re.MULTILINE)


def test_doctor_of_a_process_without_context(spanprof, burner):
    done = run(spanprof, "doctor", "-p", burner("split-preload").pid)
    assert done.returncode == 0
    assert findings(done)["process context (OpenTelemetry OTEL_CTX)"][0] == "no"
    state, why = findings(done)["thread context (native program)"]
    assert state == "no" and "not found: OpenTelemetry, otel_thread_ctx_v1; " in why
    state, why = findings(done)["spans of its threads, in this second"]
    assert state == "no" and re.match(r"none in \d+ samples; the process publishes none", why)


def test_doctor_of_no_process(spanprof, gone_pid):
    done = run(spanprof, "doctor", "-p", gone_pid)
    assert done.returncode == 1
    assert done.stdout.startswith(f"NO   process {gone_pid}: ")
    assert "there is no such process" in done.stdout


@pytest.mark.parametrize("seconds", ["0.02", "0.1", "0.2", "0.4", "0.8"])
def test_doctor_of_a_process_that_ends_meanwhile(spanprof, seconds):
    with subprocess.Popen(["sleep", seconds]) as process:
        done = run(spanprof, "doctor", "-p", process.pid)
    assert done.returncode == 0
    assert findings(done)["spans of its threads, in this second"][1].startswith("it has ended")


def test_doctor_of_a_process_that_is_sampled_and_ends(spanprof):
    """One of these ends while it is watched, which begins when all else has been looked at."""
    said = []
    for seconds in (0.5, 0.8, 1.1, 1.4, 2):
        with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as process:
            Timer(seconds, process.kill).start()
            done = run(spanprof, "doctor", "-p", process.pid)
            process.kill()
        said.append(findings(done)["spans of its threads, in this second"][1])
    assert any(re.match(r"it has ended; none in \d+ samples; ", s) for s in said), said


def test_doctor_of_a_kernel_thread(spanprof):
    done = run(spanprof, "doctor", "-p", 2)
    assert done.returncode == 0
    assert "kernel stacks only" in findings(done)["user space"][1]
