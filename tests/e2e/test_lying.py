# SPDX-License-Identifier: Apache-2.0
"""
Programs whose contexts are lies in every form that is read, or are not in memory (liar.c). Their
honest ids are known: nothing else may be reported, every sample must be counted once, and those
that do not lie must not suffer.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from conftest import BUILD, ROOT, assert_nothing_lost
from pprof import load
from program import run
from truth import judge

# Whose pages may also be missing (liar.c), and Go's (goliar).
FORMS = ("otel", "labels", "elastic", "node", "python")
LIARS = (*FORMS, "go")
WITH_LABELS = ("otel", "labels", "node")

KNOWN = 16  # contexts of a liar
CONTEXT_COUNTERS = tuple(
    f"context_{n}"
    for n in ("read", "absent", "not_valid", "invalid", "unreadable", "no_tls", "stale", "no_writer")
)


@pytest.fixture(scope="module")
def liar(workloads):
    """liar(form, mode, seconds) → a command"""
    program = BUILD / "golabels/goliar"
    done = run("go", "build", "-o", program, ".", cwd=ROOT / "tests/workloads/goliar",
               env={**os.environ, "CGO_ENABLED": "0"})  # fmt: skip
    assert done.returncode == 0, done.stderr

    def command(form, mode, seconds, *options):
        if form == "go":
            return [program, mode, seconds]
        return [workloads / f"liar-{form}", "--mode", mode, "--cpu-seconds", seconds, *options]

    return command


def number_of(sample):
    """Of the context whose ids the sample carries; None: of no context. Lies may hide one of two ids."""
    found = {s for s in (sample["span_id"], (sample["trace_id"] or "")[:16]) if s}
    assert len(found) < 2 and sample["trace_id"] in (None, *(2 * s for s in found)), sample
    if not found:
        return None
    assert re.fullmatch("5afe5afe[0-9a-f]{8}", *found), sample
    return int(found.pop()[8:], 16)


def assert_counted_once(stats):
    counts = {name: stats[name] for name in CONTEXT_COUNTERS}
    assert sum(counts.values()) == stats["samples_taken"], counts


def record_liar(record, liar, form, mode, *options, seconds=1):
    r = record("--", *liar(form, mode, seconds, *options))
    print({name: r.stats[name] for name in CONTEXT_COUNTERS}, r.stats["labels_malformed"], r.stats["labels_cut"])
    if form != "go":  # which goes by the clock
        assert len(r.samples) > 0.9 * 999 * seconds, "samples are missing"
    assert_counted_once(r.stats)
    assert_nothing_lost(r.stats)
    return r


@pytest.mark.parametrize("form", FORMS)
def test_context_that_changes_all_the_time_is_whole(record, liar, form):
    """A million times a second; ids and labels of a sample are those of one context."""
    r = record_liar(record, liar, form, "honest", seconds=0.6)
    numbers = [number_of(s) for s in r.samples]
    assert sum(n is not None for n in numbers) >= 0.98 * len(numbers)
    assert len(set(numbers)) > 300
    for n, sample in zip(numbers, r.samples, strict=True):
        labels = {key: sample["labels"].get(key) for key in ("k", "again")}
        expected = f"v{n}" if n is not None and form in WITH_LABELS else None
        assert labels == {"k": expected, "again": expected}, sample


# Which counters must tell of lies. The other forms' memory has nothing that can be malformed.
TOLD = {
    "otel": ("context_invalid", "context_unreadable", "context_not_valid", "labels_malformed"),
    "labels": ("context_unreadable", "labels_malformed", "labels_cut"),
    "elastic": ("context_invalid", "context_unreadable", "context_not_valid"),
    "node": ("context_invalid", "context_unreadable"),
    "python": ("context_invalid", "context_unreadable"),
    "go": ("context_unreadable", "labels_malformed", "labels_cut"),
}


@pytest.mark.parametrize("form", LIARS)
def test_lies_are_counted_and_not_believed(record, liar, form):
    r = record_liar(record, liar, form, "lying")
    numbers = Counter(number_of(s) for s in r.samples)
    assert set(numbers) <= {None, *range(KNOWN)}
    assert 0.1 * len(r.samples) < numbers[None] < 0.9 * len(r.samples)
    assert {name: r.stats[name] for name in TOLD[form] if r.stats[name] < 5} == {}


@pytest.mark.parametrize("form", LIARS)
def test_context_that_another_thread_breaks(record, liar, form):
    r = record_liar(record, liar, form, "racing", seconds=0.6)
    numbers = Counter(number_of(s) for s in r.samples)
    assert set(numbers) == {None, 0}
    assert numbers[0] > 0.2 * len(r.samples)


def test_memory_that_never_comes(spanprof, workloads, tmp_path):
    """It would be waited for as long as the process lives: 60 s. Another program has its spans."""
    out = tmp_path / "out.pb.gz"
    stuck = subprocess.Popen([workloads / "stuck", "60"])
    honest = subprocess.Popen([workloads / "split-le", "--cpu-seconds", "60", "--threads", "1", "--span-us", "20000",
                               "--log", tmp_path / "log"])  # fmt: skip
    try:
        time.sleep(0.5)
        began = time.monotonic()
        done = run(spanprof, "record", "-a", "-d", 2, "-F", 499, "-o", out, "--stats", tmp_path / "stats")
        took = time.monotonic() - began
        told = run(spanprof, "doctor", "-p", stuck.pid)
    finally:
        for p in (stuck, honest):
            p.kill()
            p.wait()
    assert done.returncode == 0, done.stderr
    assert took < 20
    assert 1 <= json.loads((tmp_path / "stats").read_text())["memory_reads_stuck"] <= 3
    assert "memory_reads_stuck" in done.stderr
    assert "no   memory of the process: it cannot be read" in told.stdout, told.stdout
    counts = load(out).count_by(
        lambda s: next((n for n in ("stuck", "split-le") if any(f.mapping.endswith("/" + n) for f in s.frames)), None)
    )
    spans = load(out).total(where=lambda s: "span_id" in s.labels)
    print(counts, spans)
    assert counts["stuck"] > 100 and counts["split-le"] > 100
    assert spans > 0.6 * counts["split-le"]  # it is in none of them for a part of its time


def test_liars_do_not_disturb_the_honest(record, workloads, liar, tmp_path):
    """All of them at once, and a correct program in the midst."""
    forever = ("--cpu-seconds", "1000")
    liars = {}
    for form in LIARS:
        for mode in ("lying", "racing"):
            p = subprocess.Popen(["nice", "-n", "5", *(str(word) for word in liar(form, mode, 1000))])
            liars[p.pid] = p
    log = tmp_path / "honest.jsonl"
    honest = subprocess.Popen(
        [workloads / "split-le", *forever, "--threads", "4", "--span-us", "200,5000", "--log", log]
    )
    time.sleep(0.7)
    try:
        r = record("-a", "-d", 2)
    finally:
        for p in (honest, *liars.values()):
            p.terminate()
        statuses = [p.wait() for p in (honest, *liars.values())]
    assert set(statuses) <= {0, -signal.SIGTERM}, statuses  # Go's does not handle it
    assert_counted_once(r.stats)
    numbers = Counter((s["pid"], number_of(s)) for s in r.samples if s["pid"] in liars)
    assert {pid for pid, n in numbers if n is not None} == set(liars)
    assert {n for _, n in numbers} <= {None, *range(KNOWN)}
    r.folder.joinpath("truth.jsonl").write_bytes(log.read_bytes())
    verdict = judge(r.truth, r.samples)
    assert sum(verdict.counts.values()) > 100
    verdict.assert_right()


def test_interpreter_that_is_unlike_its_file(record, liar):
    """What one process says of the file that it shares with others is not believed of these."""
    words = " ".join(str(word) for word in liar("python", "honest", 0.8))
    r = record("--", "sh", "-c", f"LIAR_ELSEWHERE=1 {words} & sleep 0.6; {words} & wait")
    samples = Counter(s["pid"] for s in r.samples)
    in_span = Counter(s["pid"] for s in r.samples if number_of(s) is not None)
    print(samples, in_span)
    liars = [pid for pid, n in samples.items() if n > 0.9 * 0.8 * 999]
    assert len(liars) == 2
    for pid in liars:
        assert in_span[pid] >= 0.97 * samples[pid]


# --- memory that is not there ---------------------------------------------------------------------


def pages(recording):
    """(was one of the pages missing?, has it a span?) → samples"""
    return recording.profile.count_by(
        lambda s: next(
            ((name, "span_id" in s.labels) for name in ("missing_page", "present_page") if s.has(name)), None
        )
    )


def assert_missing_is_counted(recording, strict=True):
    """
    strict: what is to be missing is not there, beyond doubt. Else the kernel was asked to take it,
    which it does as often as it likes: then it has to be read right, or counted, as ever.
    """
    assert {number_of(s) for s in recording.samples} == {None, 1}
    counts = pages(recording)
    print(counts)
    assert counts["present_page", False] == 0
    assert counts["present_page", True] > 150
    assert counts["missing_page", False] > (150 if strict else 0)
    assert not strict or counts["missing_page", True] == 0
    unreadable = recording.stats["context_unreadable"]
    assert unreadable >= counts["missing_page", False]
    assert unreadable <= len(recording.samples) - counts["present_page", True]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["dontneed", "protnone"])
def test_page_that_is_not_mapped_now(record, liar, tmp_path, form, how):
    """Each one of what leads to the ids, in turn: of a file, and one that must not be read."""
    file = ("--file", tmp_path / "pages") if how == "dontneed" else ()
    assert_missing_is_counted(record_liar(record, liar, form, how, *file, seconds=0.5))


@pytest.mark.parametrize("form", ["otel", "python"])
def test_page_that_is_reclaimed(record, liar, tmp_path, form):
    r = record_liar(record, liar, form, "pageout", "--file", tmp_path / "pages", seconds=0.5)
    assert_missing_is_counted(r, strict=False)


@contextmanager
def swap(path):
    """Has the kernel swap to a file. False: it will not."""
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=16", "status=none"], check=True)
    os.chmod(path, 0o600)
    ok = run("mkswap", path).returncode == 0 and run("swapon", path).returncode == 0
    try:
        yield ok
    finally:
        if ok:
            subprocess.run(["swapoff", path], check=True)


@pytest.mark.parametrize("form", ["otel", "labels"])
def test_page_that_is_swapped_out(record, liar, tmp_path, form):
    with swap(tmp_path / "swap") as is_on:
        if not is_on:
            pytest.skip("no swap on files here")
        r = record_liar(record, liar, form, "pageout", seconds=0.5)
    assert_missing_is_counted(r, strict=False)
