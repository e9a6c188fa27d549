# SPDX-License-Identifier: Apache-2.0
"""What doctor says of code made at run time: which file names it, which is refused, how to get one."""

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from program import run

JIT = "names of code made at run time (JIT): "
TRUNK = "/tmp/perf-{pid}.map with the names of its code: "


@contextmanager
def running(*argv, **options):
    with subprocess.Popen([str(a) for a in argv], stdout=subprocess.DEVNULL, **options) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            path = Path(f"/tmp/perf-{process.pid}.map")
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            for left in Path("/tmp").glob(f"{path.name}*"):
                left.unlink(missing_ok=True)


def doctor(spanprof, process, wanted, timeout=20):
    """What it says once it says `wanted` in a line, or at last: the process may need some time."""
    deadline = time.monotonic() + timeout
    while True:
        said = run(spanprof, "doctor", "-p", process.pid).stdout.splitlines()
        if any(wanted in line for line in said) or time.monotonic() > deadline:
            return said
        time.sleep(0.1)


def line_with(said, part):
    found = [line for line in said if part in line]
    assert len(found) == 1, (part, said)
    return found[0]


def test_map_that_is_used(spanprof, workloads):
    with running(workloads / "jitcode", "replaced", "--cpu-ms", 60000) as process:
        wanted = f"yes  {JIT}1 from /tmp/perf-{process.pid}.map"
        assert wanted in doctor(spanprof, process, wanted)


def test_dump_that_is_used(spanprof, workloads, tmp_path):
    with running(workloads / "jitcode", "dump", "--cpu-ms", 60000, "--folder", tmp_path) as process:
        wanted = f"yes  {JIT}1 from {tmp_path}/jit-{process.pid}.dump"
        said = doctor(spanprof, process, wanted)
    assert wanted in said
    # It is mapped like code, but is none.
    assert not any("jit-" in line for line in said if line != wanted)


def test_no_map(spanprof, workloads):
    with running(workloads / "jitcode", "late", "--cpu-ms", 60000) as process:
        said = doctor(spanprof, process, JIT)
    line = line_with(said, JIT)
    assert line.startswith(f"no   {JIT}it shows as [anon+0x…]; "), line
    assert "/tmp/perf-PID.map" in line


@pytest.mark.parametrize(
    "mode, reason",
    [
        ("fifo", "is not used: it is no regular file"),
        ("folder", "is not used: it is no regular file"),
        ("link", "is not used: it is a symbolic link"),
        ("owner", "is not used: it belongs neither to the process's user nor to root"),
    ],
)
def test_map_that_is_refused(spanprof, workloads, mode, reason):
    with running(workloads / "jitcode", mode, "--cpu-ms", 60000) as process:
        trouble = TRUNK.format(pid=process.pid)
        said = doctor(spanprof, process, trouble + reason)
    assert line_with(said, trouble).startswith(f"no   {trouble}{reason}")
    assert line_with(said, JIT).startswith(f"no   {JIT}it shows as [anon+0x…]")


def test_map_of_an_earlier_process(spanprof, workloads):
    with running(workloads / "jitcode", "late", "--cpu-ms", 60000) as process:
        path = Path(f"/tmp/perf-{process.pid}.map")
        path.write_text("0 ffffffffffffffff old\n")
        os.utime(path, (1e9, 1e9))
        trouble = TRUNK.format(pid=process.pid)
        said = doctor(spanprof, process, trouble)
    assert "an earlier process of this number has left it" in line_with(said, trouble)
    assert line_with(said, JIT).startswith("no ")


def test_dump_that_is_refused(spanprof, workloads, tmp_path):
    options = ("--cpu-ms", 60000, "--folder", tmp_path)
    with running(workloads / "jitcode", "dump-rubbish", *options) as process:
        said = doctor(spanprof, process, "malformed")
        wanted = f"no   {tmp_path}/jit-{process.pid}.dump with the names of its code: is not used"
    assert any(line.startswith(wanted) and "malformed" in line for line in said), said


def test_process_without_such_code(spanprof):
    with running("sleep", 60) as process:
        said = doctor(spanprof, process, "unwind tables")
    assert not any("at run time" in line for line in said), said


JAVA = """
public class Wait { public static void main(String[] a) throws Exception { Thread.sleep(60000); } }
"""


def test_java(spanprof, tmp_path):
    (tmp_path / "Wait.java").write_text(JAVA)
    subprocess.run(["javac", "-d", tmp_path, tmp_path / "Wait.java"], check=True)
    with running("java", "-cp", tmp_path, "Wait") as process:
        line = line_with(doctor(spanprof, process, JIT), JIT)
    assert line.startswith("no ")
    assert "libperf-jvmti.so" in line and "-XX:+DumpPerfMapAtExit" in line
    assert "until it ends" not in line
    options = ("-XX:+UnlockDiagnosticVMOptions", "-XX:+DumpPerfMapAtExit")
    with running("java", *options, "-cp", tmp_path, "Wait") as process:
        line = line_with(doctor(spanprof, process, JIT), JIT)
    assert line.startswith(f"no   {JIT}it shows as [anon+0x…], and has names in what is recorded until it ends, ")


def test_node(spanprof, tmp_path):
    sleep = ("-e", "setInterval(() => {}, 1000)")
    with running("node", *sleep) as process:
        line = line_with(doctor(spanprof, process, JIT), JIT)
        assert line.startswith("no ") and "--perf-basic-prof" in line
    with running("node", "--perf-basic-prof", *sleep, cwd=tmp_path) as process:
        said = doctor(spanprof, process, f"yes  {JIT}")
        assert line_with(said, JIT).endswith(f" from /tmp/perf-{process.pid}.map")


def python(minor):
    found = sorted((Path.home() / ".pyenv/versions").glob(f"3.{minor}.*/bin/python3.{minor}"))
    if not found:
        pytest.skip(f"no python 3.{minor}")
    return found[-1]


def test_python(spanprof):
    script = ("-c", "import time; time.sleep(60)")
    with running(python(12), *script) as process:
        line = line_with(doctor(spanprof, process, "-X perf"), "-X perf")
        assert line.startswith("no   names of interpreted functions: ")
    with running(python(12), "-X", "perf", *script) as process:
        said = doctor(spanprof, process, f"yes  {JIT}")
        assert line_with(said, JIT).endswith(f" from /tmp/perf-{process.pid}.map")
    with running(python(11), *script) as process:
        assert not any("-X perf" in line for line in doctor(spanprof, process, "unwind tables"))
