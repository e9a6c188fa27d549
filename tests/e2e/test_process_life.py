# SPDX-License-Identifier: Apache-2.0
"""Processes, threads and mappings that come and go while samples are taken."""

import json
import os
import signal
import subprocess
import time
from collections import Counter

import pytest

from binomial import assert_share
from conftest import assert_nothing_lost
from truth import judge

FREQUENCY = 999


def counts_by_function(r, *names):
    counts = Counter()
    for s in r.profile.samples:
        counts.update({n: s.values[0] for n in names if s.has(n)})
    return counts


def expect_ms(found, ms):
    """Samples of so much CPU time; chance and the edges of a start are allowed for."""
    expected = ms / 1000 * FREQUENCY
    assert found == pytest.approx(expected, rel=0.05, abs=6), f"{found} samples for {ms} ms"


def test_storm_of_short_children(record, workloads, tmp_path):
    """400 children of 5 ms: their time is there, with names, although they are long gone."""
    log = tmp_path / "children.jsonl"
    r = record(
        "--", workloads / "procs", "storm", "--children", 400, "--parallel", 2, "--cpu-ms", 5,
        "--log", log,
    )  # fmt: skip
    children = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(children) == 400
    assert_nothing_lost(r.stats)

    expect_ms(counts_by_function(r, "child_work")["child_work"], 400 * 5)
    pids = {c["pid"] for c in children}
    of_children = sum(1 for s in r.samples if s["pid"] in pids)
    expect_ms(of_children, sum(c["cpu_ns"] for c in children) / 1e6)
    assert r.stats.get("samples_unknown_process", 0) == 0


def test_first_instruction_counts(record, workloads):
    """`record -- CMD` misses nothing of a command that lives 30 ms."""
    r = record("--", workloads / "procs", "child", "--cpu-ms", 30, "--steps-per-ms", 500000)
    expect_ms(counts_by_function(r, "child_work")["child_work"], 30)


def test_program_that_execs_itself(record, workloads):
    """Same pid, same file, other addresses: each generation is resolved by its own mappings."""
    r = record("--", workloads / "procs", "reexec", "--generations", 6, "--cpu-ms", 200)
    counts = counts_by_function(r, "work_even_generation", "work_odd_generation")
    expect_ms(counts["work_even_generation"], 600)
    expect_ms(counts["work_odd_generation"], 600)
    assert not [s for s in r.profile.samples if s.has("work_even_generation", "work_odd_generation")
                and not s.has("run_reexec")]  # fmt: skip


def test_program_without_file(record, workloads, tmp_path):
    """It removed its executable; what is mapped can still be read."""
    r = record(
        "--", workloads / "procs", "unlinked", "--cpu-ms", 400, "--folder", tmp_path
    )
    assert not (tmp_path / "procs-unlinked").exists()
    expect_ms(counts_by_function(r, "work_without_file")["work_without_file"], 400)


def test_library_that_is_replaced(record, workloads, tmp_path):
    """Two files of one name at different times, and both mapped in the end."""
    r = record(
        "--", workloads / "procs", "replaced", "--cpu-ms", 400, "--folder", tmp_path,
        "--alpha", workloads / "libplug_alpha.so", "--beta", workloads / "libplug_beta.so",
    )  # fmt: skip
    counts = counts_by_function(r, "plug_alpha", "plug_beta")
    expect_ms(counts["plug_alpha"], 400)
    expect_ms(counts["plug_beta"], 400)
    assert not [s for s in r.profile.samples if s.has("plug_alpha") and s.has("plug_beta")]


def test_thousand_threads(record, workloads):
    r = record(
        "--", workloads / "procs", "threads", "--children", 1000, "--parallel", 8, "--cpu-ms", 2,
        "--warm-up-ms", 400, "--log", "{log}",
    )  # fmt: skip
    assert_nothing_lost(r.stats)
    judge(r.truth, r.samples).assert_right()
    expect_ms(counts_by_function(r, "thread_work")["thread_work"],
              sum(r.truth.work().values()) / 1e6)  # fmt: skip
    tids = {s["tid"] for s in r.samples if s["span_id"]}
    assert len(tids) > 700


def test_generated_code(record, workloads):
    """No file, no name: samples are kept, and the caller is found through its frame."""
    r = record("--", workloads / "procs", "jit", "--cpu-ms", 400)
    expect_ms(counts_by_function(r, "call_generated")["call_generated"], 400)
    generated = [
        s for s in r.profile.samples if "call_generated" in s.names[1:2] and s.names[0] != ""
    ]
    assert sum(s.values[0] for s in generated) > 300
    # Its caller looks at the time, too.
    names = {s.names[0] for s in generated if "clock_gettime" not in s.names[0]}
    assert all(n.startswith("[") for n in names), names


@pytest.fixture
def sleepers(workloads):
    """200 idle processes."""
    with subprocess.Popen(
        [workloads / "procs", "sleepers", "--children", "200"],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as program:  # fmt: skip
        try:
            assert "200 sleep" in program.stdout.readline()
            yield program
        finally:
            os.killpg(program.pid, signal.SIGTERM)
            program.wait(timeout=10)


def test_first_sample_comes_soon(record, workloads, sleepers):
    """With 200 processes on the machine, a sample with names within a second of the start."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    r = record("-a", "-d", 2)
    assert r.samples[0]["time_ns"] - before < 1_000_000_000


def test_recording_begins_with_the_command(record, workloads, sleepers):
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    r = record("--", workloads / "split-le", "--cpu-seconds", 0.5, "--log", "{log}")
    assert r.samples[0]["time_ns"] - before < 1_000_000_000
    counts = counts_by_function(r, "stage_render", "stage_match")
    work = r.truth.work()
    share = work["stage_render"] / (work["stage_render"] + work["stage_match"])
    assert_share(counts["stage_render"], sum(counts.values()), share, "stage_render")
