# SPDX-License-Identifier: Apache-2.0
"""
Spans of OpenTelemetry's SDK for Python, read from the interpreter itself: nothing in the program
publishes them. Of each release of CPython whose layouts are known.
"""

import json
import subprocess
import sys
import zipfile
from bisect import bisect_right
from collections import Counter, defaultdict

import pytest

from conftest import BUILD, ROOT

WRITER = ROOT / "tests/workloads/python/writer.py"
SECONDS = 2

# org.bytedeco:cpython of Maven Central: builds of python.org's sources. None: Debian's.
INTERPRETERS = {
    "3.9": "3.9.6-1.5.6",
    "3.10": "3.10.8-1.5.8",
    "3.11": None,
    "3.12": "3.12.1-1.5.10",
    "3.13": "3.13.5-1.5.12",
    "3.14": "3.14.3-1.5.13",
}

# Those that `make pythons` has built, which takes minutes: for musl, and without the interpreter's lock.
BUILT = {python.parent.name: python for python in sorted(BUILD.glob("pythons/*/python"))}
MUSL = [name for name in BUILT if name.endswith("-musl")]
FREE_THREADED = [name for name in BUILT if name.endswith("t")]


def fetch(version, folder):
    """The interpreter's folder."""
    root = folder / "org/bytedeco/cpython/linux-x86_64"
    if root.exists():
        return root
    subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact=org.bytedeco:cpython:{version}:jar:linux-x86_64",
         f"-DoutputDirectory={folder}"], check=True,
    )  # fmt: skip
    with zipfile.ZipFile(folder / f"cpython-{version}-linux-x86_64.jar") as jar:
        jar.extractall(folder)
    return root


@pytest.fixture(scope="module", params=[*INTERPRETERS, *MUSL])
def python(request):
    """(command, environment) of an interpreter that finds the SDK"""
    minor, version = request.param.removesuffix("-musl"), INTERPRETERS.get(request.param)
    folder = BUILD / "python" / minor
    site = folder / "site"
    if not site.exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", site, "--python-version", minor,
             "--only-binary=:all:", "opentelemetry-sdk"], check=True,
        )  # fmt: skip
    if request.param in BUILT:
        program = BUILT[request.param]
        return program, {"PYTHONPATH": str(site), "LD_LIBRARY_PATH": str(program.parent)}
    if not version:
        return "/usr/bin/python3.11", {"PYTHONPATH": str(site)}
    root = fetch(version, folder)
    program = root / f"python{minor}"
    program.chmod(0o755)
    return program, {"PYTHONPATH": str(site), "PYTHONHOME": str(root), "LD_LIBRARY_PATH": str(root)}


def read_turns(path):
    """tid → its turns, in order."""
    turns = defaultdict(list)
    for line in path.read_text(encoding="ascii").splitlines():
        turn = json.loads(line)
        turns[turn["tid"]].append(turn)
    return turns


def judge(samples, turns):
    """(is it in a span?, what it carries) → count, and those that are wrong"""
    counts, wrong = Counter(), []
    starts = {tid: [t["start"] for t in own] for tid, own in turns.items()}
    for sample in samples:
        own = turns.get(sample["tid"], ())
        i = bisect_right(starts.get(sample["tid"], ()), sample["time_ns"]) - 1
        if i < 0 or sample["time_ns"] > own[i]["end"]:
            continue
        wanted = (own[i]["span_id"], own[i]["trace_id"])
        carried = (sample["span_id"], sample["trace_id"])
        what = "right" if carried == wanted else "wrong" if carried[0] else "none"
        counts[wanted[0] is not None, what] += 1
        if what == "wrong":
            wrong.append((carried, wanted))
    return counts, wrong


@pytest.mark.parametrize("how", ("threads", "tasks", "children"))
def test_every_sample_has_its_span(python, how, record):
    program, env = python
    recording = record("--", program, WRITER, how, SECONDS, "{log}", env=env)
    counts, wrong = judge(recording.samples, read_turns(recording.folder / "truth.jsonl"))
    print(counts)
    assert not wrong, wrong[:5]
    inside = counts[True, "right"] + counts[True, "none"]
    assert inside > 400 * SECONDS
    assert counts[True, "right"] >= 0.999 * inside
    assert counts[False, "right"] > 5 and not counts[False, "none"]


def test_not_if_it_is_not_asked_for(record):
    env = {"PYTHONPATH": str(BUILD / "python/3.11/site")}
    recording = record(
        "--context", "otel,go", "--", "/usr/bin/python3.11", WRITER, "tasks", 1, "{log}", env=env
    )
    assert not any(s["span_id"] for s in recording.samples)


SPIN = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"


@pytest.mark.parametrize(
    "program, why",
    [
        ("/usr/bin/python3.11", "the SDK is not imported"),
        *((BUILT[name], f"unsupported: CPython {name[:-1]} that is free-threaded") for name in FREE_THREADED),
    ],
)
def test_doctor_names_what_is_missing(spanprof, program, why):
    with subprocess.Popen([program, "-c", SPIN]) as process:
        try:
            done = subprocess.run(
                [spanprof, "doctor", "-p", str(process.pid)], capture_output=True, text=True, check=True,
            )  # fmt: skip
        finally:
            process.kill()
    assert f"no   spans of OpenTelemetry's SDK for Python: {why}" in done.stdout
    assert "no   thread context (CPython program): no spans" in done.stdout
