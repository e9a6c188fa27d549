# SPDX-License-Identifier: Apache-2.0
"""Code that is in no file: names as the runtimes tell them, and maps that must not be believed."""

import shutil
import subprocess
from pathlib import Path

import pytest

HOT_JS = """
function hotInJavaScript(n) { let s = 0; for (let i = 0; i < n; i++) s += i * i % 7; return s; }
function callerInJavaScript(k) { let z = 0; while (k--) z += hotInJavaScript(20000); return z; }
while (process.cpuUsage().user < 1500000) callerInJavaScript(20);
"""

NO_INLINING = "--no-turbo-inlining"  # else what is hot may be the script itself, on a fast machine

HOT_JAVA = """
public class Hot {
    static long hotInJava(long n) { long s = 0; for (long i = 0; i < n; i++) s += i * i % 7; return s; }
    public static void main(String[] a) {
        var thread = java.lang.management.ManagementFactory.getThreadMXBean();
        long z = 0;
        while (thread.getCurrentThreadCpuTime() < 1500000000L)
            for (int i = 0; i < 100; i++) z += hotInJava(20000);
        System.out.println(z);
    }
}
"""


@pytest.fixture(autouse=True)
def no_maps_are_left():
    before = set(Path("/tmp").glob("perf-*.map*"))
    yield
    for path in set(Path("/tmp").glob("perf-*.map*")) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def shares(r):
    """Of each leaf among all samples."""
    total = r.profile.total()
    return {n: c / total for n, c in r.profile.count_by(lambda s: s.names[0]).items()}


def share_of(r, part):
    return sum(share for name, share in shares(r).items() if part in name)


def unnamed(r):
    return share_of(r, "[anon+0x")


def test_node(record, tmp_path):
    (tmp_path / "hot.js").write_text(HOT_JS)
    r = record("--", "node", NO_INLINING, "--perf-basic-prof", f"--logfile={tmp_path}/v8.log",
               "--no-logfile-per-isolate", tmp_path / "hot.js")  # fmt: skip
    assert share_of(r, "InJavaScript") > 0.8
    assert unnamed(r) < 0.01
    both = [s for s in r.profile.samples if any("callerInJavaScript" in n for n in s.names)]
    assert sum(s.values[0] for s in both) > 0.8 * r.profile.total()


def test_java_writes_its_map_when_it_ends(record, tmp_path):
    (tmp_path / "Hot.java").write_text(HOT_JAVA)
    subprocess.run(["javac", "-d", tmp_path, tmp_path / "Hot.java"], check=True)
    r = record("--", "java", "-XX:+UnlockDiagnosticVMOptions", "-XX:+PreserveFramePointer",
               "-XX:+DumpPerfMapAtExit", "-cp", tmp_path, "Hot")  # fmt: skip
    assert share_of(r, "Hot.") > 0.8
    assert unnamed(r) < 0.01


def test_name_is_that_at_the_time_of_the_sample(record, workloads):
    """The second function is where the first was."""
    r = record("--", workloads / "jitcode", "replaced", "--cpu-ms", 800)
    assert share_of(r, "jit_first") == pytest.approx(0.5, abs=0.08)
    assert share_of(r, "jit_second") == pytest.approx(0.5, abs=0.08)


def test_child_has_the_names_of_its_parent_and_its_own(record, workloads):
    r = record("--", workloads / "jitcode", "forked", "--cpu-ms", 500)
    assert share_of(r, "jit_parent") == pytest.approx(2 / 3, abs=0.1)
    assert share_of(r, "jit_child") == pytest.approx(1 / 3, abs=0.1)


def test_map_that_is_written_at_the_end(record, workloads):
    r = record("--", workloads / "jitcode", "late", "--cpu-ms", 300)
    assert share_of(r, "jit_late") > 0.9


@pytest.mark.parametrize("style, name", [("full", "jit::mangled(int)"), ("simple", "jit::mangled()"),
                                         ("none", "_ZN3jit7mangledEi")])  # fmt: skip
def test_mangled_name(record, workloads, style, name):
    r = record("--demangle", style, "--", workloads / "jitcode", "mangled", "--cpu-ms", 300)
    assert shares(r).get(name, 0) > 0.9


def test_processes_have_names_of_their_own(record, workloads):
    """The same address, most likely, as no address is random; in any case the same code."""
    script = (
        f"setarch -R {workloads}/jitcode late --cpu-ms 300 & "
        f"setarch -R {workloads}/jitcode replaced --cpu-ms 300; wait"
    )
    r = record("--", "sh", "-c", script)
    names = {"jit_late", "jit_first", "jit_second"}
    seen = r.profile.count_by(lambda s: s.labels.get("pid") if s.names[0] in names else None)
    assert len(seen) == 2 and min(seen.values()) > 200
    for name in names:
        pids = {s.labels["pid"] for s in r.profile.samples if s.names[0] == name}
        assert len(pids) == 1, (name, pids)


def test_container(record, workloads):
    """Its own /tmp, and another pid in there, where we have a file of that name."""
    script = f"mount -t tmpfs tmpfs /tmp && exec {workloads}/jitcode replaced --cpu-ms 400"
    r = record("--", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script)
    assert share_of(r, "jit_first") + share_of(r, "jit_second") > 0.85


def test_what_an_earlier_process_has_left_is_not_used(record, workloads):
    """In a PID namespace each program has the same number."""
    script = (
        "mount -t tmpfs tmpfs /tmp && echo '0 ffffffffffffffff old' > /tmp/perf-2.map && "
        f"touch -d '1 hour ago' /tmp/perf-2.map && {workloads}/jitcode late --cpu-ms 300; true"
    )
    r = record("--", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script)
    assert share_of(r, "old") == 0
    assert share_of(r, "jit_late") > 0.85


def test_node_writes_a_dump(record, tmp_path):
    (tmp_path / "hot.js").write_text(HOT_JS)
    r = record("--", "sh", "-c", f"cd {tmp_path} && exec node {NO_INLINING} --perf-prof hot.js")
    assert share_of(r, "InJavaScript") > 0.8
    assert unnamed(r) < 0.01


def test_dump(record, workloads, tmp_path):
    """Code that is moved keeps its name and its lines; what comes in its place has another."""
    r = record("--", workloads / "jitcode", "dump", "--cpu-ms", 500, "--folder", tmp_path)
    assert share_of(r, "jit_first") == pytest.approx(2 / 3, abs=0.05)
    assert share_of(r, "jit_second") == pytest.approx(1 / 3, abs=0.05)
    first = [s.frames[0] for s in r.profile.samples if s.names[0] == "jit_first"]
    assert {(f.file, f.line) for f in first} == {("jit.c", 42)}


@pytest.mark.parametrize(
    "mode, reason", [("dump-owner", "belongs neither"), ("dump-rubbish", "malformed")]
)
def test_dump_that_must_not_be_used(record, workloads, tmp_path, mode, reason):
    r = record("--", workloads / "jitcode", mode, "--cpu-ms", 400, "--folder", tmp_path)
    assert unnamed(r) > 0.9
    assert r.stats["code_maps_refused"] == 1
    lines = [line for line in r.stderr.splitlines() if "warning" in line]
    assert len(lines) == 1 and reason in lines[0] and "jit-" in lines[0], r.stderr


@pytest.mark.parametrize(
    "mode, reason",
    [
        ("fifo", "is no regular file"),
        ("folder", "is no regular file"),
        ("link", "is a symbolic link"),
        ("owner", "belongs neither"),
    ],
)
def test_map_that_must_not_be_used(record, workloads, mode, reason):
    r = record("--", workloads / "jitcode", mode, "--cpu-ms", 400)
    assert unnamed(r) > 0.9
    assert r.stats["code_maps_refused"] == 1
    lines = [line for line in r.stderr.splitlines() if "warning" in line]
    assert len(lines) == 1 and reason in lines[0], r.stderr


def test_huge_map_is_read_to_a_limit(record, workloads):
    r = record("--", workloads / "jitcode", "huge", "--cpu-ms", 400)
    assert unnamed(r) > 0.9
    assert r.stats["code_maps_cut"] == 1
    assert "is too large" in r.stderr


def test_map_that_grows_for_ever(record, workloads):
    command = [workloads / "jitcode", "growing", "--cpu-ms", "1500"]
    with subprocess.Popen(command) as process:
        r = record("-p", process.pid)
    assert r.stats["samples_delivered"] > 1000
    assert r.stats["code_maps_cut"] <= 1


def test_line_without_measure(record, workloads):
    r = record("--", workloads / "jitcode", "line", "--cpu-ms", 400)
    assert share_of(r, "jit_after") > 0.9
    assert r.stats["code_map_entries_malformed"] == 1
