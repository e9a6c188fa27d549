# SPDX-License-Identifier: Apache-2.0
"""Lines, inlined functions and styles of names, of foreign profiles and our own."""

import os
import re
import subprocess
from collections import Counter

import pytest

import pprof
from program import run

SOURCE = """\
package main

import (
	"os"
	"runtime/pprof"
	"time"
)

var sum uint64

func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>29
}

func leaf(n int) uint64 {
	var s uint64
	for i := 0; i < n; i++ {
		s += mix(s + uint64(i))
	}
	return s
}

func recurse(depth, n int) uint64 {
	if depth == 0 {
		return leaf(n)
	}
	return recurse(depth-1, n) + mix(uint64(n))
}

func main() {
	f, _ := os.Create(os.Args[1])
	pprof.StartCPUProfile(f)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		sum += recurse(3, 100000)
		sum += leaf(50000)
	}
	pprof.StopCPUProfile()
	f.Close()
}
"""


@pytest.fixture(scope="module")
def go_profile(tmp_path_factory):
    """What Go's own profiler says of a program with inlined functions, and the program's source."""
    folder = tmp_path_factory.mktemp("go")
    (folder / "burn.go").write_text(SOURCE)
    env = dict(os.environ, GOCACHE=str(folder / "cache"), GO111MODULE="off", PPROF_TMPDIR=str(folder))
    subprocess.run(["go", "build", "-o", "burn", "burn.go"], cwd=folder, env=env, check=True)
    subprocess.run(["./burn", "cpu.pb.gz"], cwd=folder, check=True, timeout=30)
    return folder / "cpu.pb.gz"


ROW = re.compile(r"\s*(\d+)ns\s+\S+\s+\S+\s+(\d+)ns\s+\S+\s+(.*?)(?: \((?:partial-)?inline\))?$")
ZERO = re.compile(r"(?<!\S)0(?= )")


def rows_of_pprof(profile, *options):
    """Row to (self, total) in ns, by go tool pprof."""
    env = dict(os.environ, PPROF_TMPDIR=str(profile.parent))
    words = ["go", "tool", "pprof", "-top", "-unit=ns", "-nodecount=100000", "-nodefraction=0"]
    done = subprocess.run(
        [*words, *options, profile], capture_output=True, text=True, check=True, env=env
    )
    lines = done.stdout.split("flat%   sum%        cum   cum%\n")[1].splitlines()
    matches = [ROW.match(ZERO.sub("0ns", line, count=1)) for line in lines]
    assert all(matches), lines
    return {m[3]: (int(m[1]), int(m[2])) for m in matches}


TIMES = {"s": 10**9, "ms": 10**6, "µs": 10**3, "ns": 1}
OWN_ROW = re.compile(r"\s*(\S+ \S+)\s+\S+%\s+(\S+ \S+)\s+\S+%  (.*?)(?: \[burn\])?$")


def nanoseconds(text):
    number, unit = text.split()
    return round(float(number) * TIMES[unit])


def rows_of_report(spanprof, profile, *options):
    done = run(spanprof, "report", profile, "-n", "0", *options)
    assert done.returncode == 0, done.stderr
    lines = re.split(r"(?:LINE|FUNCTION)\n", done.stdout)[1].splitlines()
    matches = [OWN_ROW.match(line) for line in lines]
    assert all(matches), lines
    return {m[3]: (nanoseconds(m[1]), nanoseconds(m[2])) for m in matches}


def with_file_names(rows):
    """Of the files of lines only the names."""
    out = Counter()
    for name, (own, total) in rows.items():
        key = re.sub(r" \S*/(\S+:\d+)$", r" \1", name)
        assert key not in out, f"{key} twice"
        out[key] = (own, total)
    return dict(out)


def test_lines_are_those_of_go_tool_pprof(spanprof, go_profile):
    theirs = with_file_names(rows_of_pprof(go_profile, "-lines"))
    assert any(name.startswith("main.mix burn.go:") for name in theirs)
    assert rows_of_report(spanprof, go_profile, "--by", "line") == theirs


def test_functions_are_those_of_go_tool_pprof(spanprof, go_profile):
    with_inlined = rows_of_report(spanprof, go_profile, "--by", "function")
    assert with_inlined == rows_of_pprof(go_profile, "-functions")
    without = rows_of_report(spanprof, go_profile, "--by", "function", "--no-inline")
    assert without == rows_of_pprof(go_profile, "-functions", "-noinlines")
    assert "main.mix" in with_inlined and "main.mix" not in without


def test_annotate_says_what_go_tool_pprof_lists(spanprof, go_profile):
    done = run(spanprof, "annotate", "main.leaf", go_profile)
    assert (done.returncode, done.stderr) == (0, "")
    lines = rows_of_pprof(go_profile, "-lines")
    whole = sum(own for own, _ in lines.values())
    source = SOURCE.splitlines()
    shown = {}
    for line in done.stdout.split("LINE\n")[1].splitlines():
        own, total, number, text = line[:7], line[9:16], int(line[18:24]), line[26:]
        assert text == source[number - 1].expandtabs(8)
        shown[number] = (own.strip(), total.strip())
    for number, shares in shown.items():
        key = f"main.leaf {go_profile.parent}/burn.go:{number}"
        want = [f"{100 * v / whole:.1f}%" if v else "" for v in lines.get(key, (0, 0))]
        assert list(shares) == want, f"line {number}"
    assert max(shown) - min(shown) > 4


# --- names --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mangled(spanprof, workloads, tmp_path_factory):
    out = tmp_path_factory.mktemp("names") / "out.pb.gz"
    command = ("--", workloads / "templates", "calls", "--cpu-ms", "500")
    assert run(spanprof, "record", "-q", "-o", out, *command).returncode == 0
    return out


def functions(spanprof, profile, *options):
    done = run(spanprof, "report", profile, "--folded", *options)
    assert done.returncode == 0, done.stderr
    return {f for line in done.stdout.splitlines() for f in line.rpartition(" ")[0].split(";")}


def test_recording_has_both_names(spanprof, mangled):
    """c++filt reads what the linker called them."""
    full = {f for f in functions(spanprof, mangled) if f.startswith("Level<")}
    raw = {f for f in functions(spanprof, mangled, "--demangle", "none") if f.startswith("_ZN5Level")}
    assert len(full) > 5
    assert full == set(run("c++filt", *raw).stdout.splitlines())
    simple = functions(spanprof, mangled, "--demangle", "simple")
    assert "Level<>::run()" in simple and not full & simple


def test_style_of_a_recording(spanprof, workloads, tmp_path):
    out = tmp_path / "out.folded"
    command = ("--", workloads / "templates", "calls", "--cpu-ms", "300")
    assert run(spanprof, "record", "-q", "--demangle", "simple", "-o", out, *command).returncode == 0
    assert "Level<>::run()" in out.read_text()
    raw = tmp_path / "out.pb"
    assert run(spanprof, "record", "-q", "--demangle", "none", "-o", raw, *command).returncode == 0
    assert pprof.load(raw).total(where=lambda s: any(n.startswith("_ZN5Level") for n in s.names)) > 5
    assert any(f.startswith("Level<") for f in functions(spanprof, raw))
