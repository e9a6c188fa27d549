# SPDX-License-Identifier: Apache-2.0
"""Who a process is: what its samples say of its service, container, unit and host."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import pprof
from conftest import wait_until_busy
from program import assert_refused, run
from test_targets import cgroup2_root

ID = "ed7e64a2ed44bd0f6d2a4b7e6e8c4b8e1f1a5d7c3b2a190807f6e5d4c3b2a190"
UID = "12abcdef-3456-7890-abcd-ef0123456789"
LOOP = "while :; do :; done"


@contextmanager
def busy(*argv, env=None, cgroup=None):
    """A process that burns CPU, with no other environment than `env`."""
    folder = cgroup2_root() / cgroup if cgroup else None
    if folder:
        folder.mkdir(parents=True)
    process = subprocess.Popen([str(a) for a in argv], env=env or {})
    try:
        if folder:
            (folder / "cgroup.procs").write_text(str(process.pid))
        wait_until_busy(process.pid)
        yield process
    finally:
        process.kill()
        process.wait()
        while folder and folder != cgroup2_root():
            end = time.monotonic() + 5
            while (folder / "cgroup.procs").read_text() and time.monotonic() < end:
                time.sleep(0.02)
            folder.rmdir()
            folder = folder.parent


def labels_of(recording, pid):
    """Those that all samples of the process agree in."""
    found = {
        tuple(sorted((k, v) for k, v in s.labels.items() if k not in ("tid", "thread.name")))
        for s in recording.profile.samples
        if s.labels["pid"] == pid
    }
    assert len(found) == 1, found
    return dict(found.pop())


def recorded(record, *argv, **options):
    with busy(*argv, **options) as process:
        return labels_of(record("-d", 1, "-p", process.pid), process.pid)


def finding(spanprof, pid, what):
    (line,) = (
        line for line in run(spanprof, "doctor", "-p", pid).stdout.splitlines() if what in line
    )
    return line


# --- sources ------------------------------------------------------------------------------------


def test_executable_and_host(record):
    labels = recorded(record, "/bin/sh", "-c", LOOP)
    path = os.path.realpath("/bin/sh")
    assert labels["service.name"] == labels["process.executable.name"] == Path(path).name
    assert labels["process.executable.path"] == path
    assert labels["host.name"] == socket.gethostname()
    assert not [k for k in labels if k.startswith(("container.", "k8s.", "systemd."))]


def test_environment(record, spanprof):
    env = {
        "OTEL_SERVICE_NAME": "checkout",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=no,service.version=1%2C2,k8s.pod.name=p,token=x",
        "PASSWORD": "secret",
    }
    with busy("/bin/sh", "-c", LOOP, env=env) as process:
        r = record("-d", 1, "-p", process.pid)
        labels = labels_of(r, process.pid)
        assert labels["service.name"] == "checkout"
        assert labels["service.version"] == "1,2"
        assert labels["k8s.pod.name"] == "p"
        assert "token" not in labels and "secret" not in labels.values()
        line = finding(spanprof, process.pid, "service name:")
        assert "checkout, as told by OTEL_" in line
        shown = run(spanprof, "report", "--by", "service", r.folder / "out.pb.gz")
        assert "checkout" in shown.stdout


def test_malformed_attributes(record, spanprof):
    env = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=%zz"}
    with busy("/bin/sh", "-c", LOOP, env=env) as process:
        r = record("-d", 1, "-p", process.pid)
        assert labels_of(r, process.pid)["service.name"] != "%zz"
        assert r.stats["resource_attributes_malformed"] == 1
        assert "not as specified" in finding(spanprof, process.pid, "OTEL_RESOURCE_ATTRIBUTES:")


def test_script(record, tmp_path):
    script = tmp_path / "billing.py"
    script.write_text("while True: pass\n")
    labels = recorded(record, "/usr/bin/python3", "-u", script)
    assert labels["service.name"] == "billing"
    assert labels["process.executable.name"].startswith("python3")


def test_configured_name_wins(record):
    with busy("/bin/sh", "-c", LOOP, env={"OTEL_SERVICE_NAME": "said"}) as process:
        r = record("-d", 1, "-p", process.pid, "--service-name", "ours")
    assert labels_of(r, process.pid)["service.name"] == "ours"


@pytest.mark.parametrize(
    "cgroup, expected",
    [
        ("system.slice/nginx.service", {"service.name": "nginx", "systemd.unit": "nginx.service"}),
        (
            "system.slice/a\\x2db.service",
            {"service.name": "a-b", "systemd.unit": "a\\x2db.service"},
        ),
        (
            "user.slice/user-1000.slice/session-3.scope",
            {"service.name": "dash", "systemd.unit": "session-3.scope"},
        ),
        (
            f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}"
            f".slice/cri-containerd-{ID}.scope",
            {
                "container.id": ID,
                "container.runtime.name": "containerd",
                "k8s.pod.uid": UID,
                "service.name": "dash",
                "systemd.unit": None,
            },
        ),
        (f"docker/{ID}", {"container.id": ID, "container.runtime.name": "docker"}),
    ],
)
def test_cgroup(record, cgroup, expected):
    labels = recorded(record, "/bin/dash", "-c", LOOP, cgroup=cgroup)
    assert {k: labels.get(k) for k in expected} == expected


def test_short_lived_children_are_in_the_unit_of_their_parent(record):
    """Most of them are gone before they are looked at."""
    script = "while :; do /bin/dash -c 'i=0; while [ $i -lt 9000 ]; do i=$((i+1)); done'; done"
    unit = "system.slice/cron.service"
    with busy("/bin/bash", "-c", script, cgroup=unit) as parent:
        time.sleep(0.2)
        r = record("-a", "-d", 2)
    children = [
        s
        for s in r.profile.samples
        if s.labels["process.executable.name"] == "dash" and s.labels["pid"] != parent.pid
    ]
    assert len({s.labels["pid"] for s in children}) > 10
    assert {s.labels.get("systemd.unit") for s in children} == {"cron.service"}
    assert {s.labels["service.name"] for s in children} == {"cron"}


# --- foreign bytes ------------------------------------------------------------------------------


def test_bytes_that_are_no_text(record, tmp_path):
    """pprof.load() takes no string that is not UTF-8."""
    program = os.path.join(os.fsencode(tmp_path), b'a\xff\n"b')
    shutil.copy("/bin/dash", program)
    cgroup = os.fsdecode(b'system.slice/x\xfe"\'.service')
    env = {b"OTEL_SERVICE_NAME": b'\xc3\n"\x1b[31m\xc3\xa4', b"X": b"\xff"}
    folder = cgroup2_root() / cgroup
    folder.mkdir(parents=True)
    process = subprocess.Popen([program, "-c", LOOP], env=env)
    try:
        (folder / "cgroup.procs").write_text(str(process.pid))
        wait_until_busy(process.pid)
        labels = labels_of(record("-d", 1, "-p", process.pid), process.pid)
    finally:
        process.kill()
        process.wait()
        folder.rmdir()
        folder.parent.rmdir()
    assert labels["service.name"] == '??"?[31mä'
    assert labels["process.executable.name"] == 'a??"b'
    assert "systemd.unit" not in labels


# --- PID namespaces -----------------------------------------------------------------------------


def in_pid_namespace(script, *args, mount_proc=True):
    """Runs the shell script in a PID namespace of its own."""
    mount = ("--mount-proc",) if mount_proc else ()
    return run("unshare", "--pid", "--fork", "--kill-child", *mount, "sh", "-ec", script, "sh", *args)


def recorded_in_namespace(spanprof, folder, script, arguments):
    """`script` begins processes, $1 is the program; then it records. → profile, statistics, stdout"""
    out, stats = folder / "out.pb.gz", folder / "stats.json"
    words = shlex.join(str(a) for a in ("-F", 499, "-d", 1, "-o", out, "--stats", stats))
    done = in_pid_namespace(f'{script}\n"$1" record {words} {arguments} >&2', spanprof)
    assert done.returncode == 0, done.stderr
    return pprof.load(out), json.loads(stats.read_text()), done.stdout.split()


def test_whole_pid_namespace(spanprof, tmp_path):
    """Processes in it have the pids that they have there; those outside have none, and are counted."""
    script = f"sh -c '{LOOP}' & echo $!\nunshare --pid --fork --kill-child sh -c 'echo $$; {LOOP}' &\nsleep 0.3"
    with busy("/bin/sh", "-c", LOOP):
        profile, stats, words = recorded_in_namespace(spanprof, tmp_path, script, "-a")
    by_pid = profile.count_by(lambda s: s.labels["pid"])
    assert 0 not in by_pid and max(by_pid) < 100
    assert by_pid[int(words[0])] > 50
    # The one in a namespace within: it calls itself 1, its number here is between.
    deeper = {
        s.labels["pid"]
        for s in profile.samples
        if s.labels["process.executable.name"] == "dash" and s.labels["pid"] != int(words[0])
    }
    assert words[1] == "1" and deeper and 1 not in deeper
    assert stats["samples_outside_pidns"] > 50
    assert stats["samples_taken"] == stats["samples_delivered"]


def test_process_in_pid_namespace(spanprof, tmp_path):
    script = f"sh -c '{LOOP}' & echo $!; pid=$!; sh -c '{LOOP}' & sleep 0.3"
    profile, stats, (pid,) = recorded_in_namespace(spanprof, tmp_path, script, "-p $pid")
    assert set(profile.count_by(lambda s: s.labels["pid"])) == {int(pid)}
    assert profile.total() > 50
    assert {s.labels["process.executable.name"] for s in profile.samples} == {"dash"}


def test_children_of_a_command_in_pid_namespace(spanprof, tmp_path):
    """Its children are followed by the kernel side."""
    inner = "sh -c \"i=0; while [ \\$i -lt 400000 ]; do i=\\$((i+1)); done\""
    profile, _, _ = recorded_in_namespace(spanprof, tmp_path, "", f"-- sh -c '{inner}; true'")
    assert profile.total() > 20
    assert {s.labels["process.executable.name"] for s in profile.samples} <= {"dash", "spanprof"}
    assert max(s.labels["pid"] for s in profile.samples) < 100


def test_proc_of_another_pid_namespace(spanprof, tmp_path):
    words = ("-a", "-d", 1, "-o", tmp_path / "out.pb.gz")
    done = in_pid_namespace('exec "$@"', spanprof, "record", *words, mount_proc=False)
    assert_refused(done, "/proc is that of another PID namespace", "--mount-proc")


def test_doctor_in_pid_namespace(spanprof):
    done = in_pid_namespace('"$1" doctor || true', spanprof)
    (line,) = (line for line in done.stdout.splitlines() if "first PID namespace" in line)
    assert line.startswith("no") and "samples_outside_pidns" in line
