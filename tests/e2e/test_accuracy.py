# SPDX-License-Identifier: Apache-2.0
"""
Is a profile true? `split` divides its CPU time over functions and spans in known shares and logs
each span; the profile, and each single sample, is held against that.
"""

import math
import subprocess
import time
from collections import Counter

import pytest

from binomial import assert_share
from conftest import assert_nothing_lost, run_record
from truth import judge

FREQUENCY = 999
SAMPLES = 10000
STAGES = ("stage_parse", "stage_match", "stage_price", "stage_render")
OUTSIDE = "idle_chatter"
KINDS = ("ascending", "descending")

# A service has published its context for a while when its first request comes. How soon a context
# is found has a test of its own.
WARM_UP_MS = 400
DISCOVERY_MS = 150

CPU_SECONDS = 11.5  # a little more than 10,000 samples
SHORT_CPU_SECONDS = 1.5

# threads → lengths of spans, in µs of CPU time. Sixteen threads on two CPUs need eight times as
# long for it.
LENGTHS_US = {
    1: (20, 1000, 20000, 1000000),
    2: (20, 1000, 20000, 1000000),
    16: (50, 1000, 10000, 125000),
}


@pytest.fixture(scope="module", params=LENGTHS_US, ids=lambda n: f"{n}-threads")
def threads(request):
    return request.param


@pytest.fixture(scope="module")
def split(threads, spanprof, workloads, tmp_path_factory):
    return run_record(
        spanprof, tmp_path_factory.mktemp("split"), "--", workloads / "split-le",
        "--threads", threads, "--cpu-seconds", CPU_SECONDS, "--log", "{log}", "--outside", 12,
        "--span-us", ",".join(map(str, LENGTHS_US[threads])), "--warm-up-ms", WARM_UP_MS,
        "--writer", "valid" if threads == 2 else "swap",
    )  # fmt: skip


def stage_of(sample):
    """The known function that the sample was taken in."""
    return next((n for n in sample.names if n in STAGES or n == OUTSIDE), None)


def length_of(span, lengths):
    """The length that split was asked for: spans are 25 % longer or shorter."""
    return min(lengths, key=lambda us: abs(math.log(max(span.cpu_ns, 1) / (us * 1000))))


def span_of(recording, sample):
    return recording.truth.by_id.get(sample.labels.get("span_id"))


def test_enough_samples_and_none_lost(split):
    assert split.profile.total("samples") >= SAMPLES
    assert_nothing_lost(split.stats)
    assert split.profile.total("samples") == split.stats["samples_delivered"]
    assert len(split.samples) == split.stats["samples_delivered"]


def test_every_sample_carries_the_right_span(split):
    verdict = judge(split.truth, split.samples)
    print(verdict.counts)
    verdict.assert_right()


def test_span_ids_of_profile_are_those_of_samples(split):
    """What was true of single samples is true of the file: nothing is merged or mixed up."""
    expected = Counter((s["span_id"] or None, s["trace_id"] or None) for s in split.samples)
    found = split.profile.count_by(
        lambda s: (s.labels.get("span_id"), s.labels.get("trace_id")), "samples"
    )
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
def test_shares_of_functions_in_spans(split, kind):
    def stage(sample):
        span = span_of(split, sample)
        return stage_of(sample) if span and span.name == kind else None

    counts, work = split.profile.count_by(stage), split.truth.work(lambda s: s.name == kind)
    n = sum(counts.values())
    assert n > SAMPLES / 4
    assert set(counts) == set(STAGES), "a function of no span, or a missing one"
    for name in STAGES:
        assert_share(counts[name], n, work[name] / sum(work.values()), f"{name} in {kind}")


def test_share_of_time_outside_spans(split):
    counts = split.profile.count_by(stage_of)
    outside, inside = split.truth.work_outside(), split.truth.work()
    total = sum(outside.values()) + sum(inside.values())
    assert_share(counts[OUTSIDE], sum(counts.values()), outside[OUTSIDE] / total, OUTSIDE)


def test_no_span_outside_of_spans(split):
    inside = split.profile.total(where=lambda s: stage_of(s) == OUTSIDE and "span_id" in s.labels)
    assert inside == 0


def test_shares_of_spans_by_length(split, threads):
    """Short spans get their due as well as long ones."""
    lengths, cpu = LENGTHS_US[threads], Counter()
    for span in split.truth.spans:
        cpu[length_of(span, lengths)] += span.cpu_ns

    def length(sample):
        span = span_of(split, sample)
        return length_of(span, lengths) if span else None

    counts = split.profile.count_by(length)
    assert set(counts) == set(lengths)
    for us in lengths:
        assert_share(counts[us], sum(counts.values()), cpu[us] / sum(cpu.values()), f"{us} µs")


def test_shares_of_single_long_spans(split):
    """Each span of a hundred samples or more by itself."""
    counts = split.profile.count_by(lambda s: s.labels.get("span_id"))
    total_cpu = sum(s.cpu_ns for s in split.truth.spans)
    n = sum(counts.values())
    spans = [s for s in split.truth.spans if s.cpu_ns > 90_000_000]
    assert spans
    for span in spans:
        assert_share(counts[span.span_id], n, span.cpu_ns / total_cpu, f"span {span.span_id}")


def test_weight_is_cpu_time(split):
    """The sum of cpu/nanoseconds is what the kernel accounts for."""
    pid = split.truth.pid
    found = split.profile.total("cpu", lambda s: s.labels.get("pid") == pid)
    expected = split.truth.process["cpu_ns"]
    assert found == pytest.approx(expected, rel=0.02)


def test_period_is_that_of_the_frequency(split):
    p = split.profile
    assert p.sample_types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert p.period == pytest.approx(1e9 / FREQUENCY, abs=1)
    assert p.period_type == ("cpu", "nanoseconds")
    assert p.total("cpu") == pytest.approx(p.total("samples") * 1e9 / FREQUENCY, rel=1e-6)


def test_stacks_are_whole_from_stage_to_thread(split):
    """Callers in their order: frame pointers lose none of them."""
    wanted = ["do_round", "do_span", "worker_main"]
    stages = [s for s in split.profile.samples if s.names and s.names[0] in STAGES]
    assert stages
    counts = Counter()
    for s in stages:
        counts[s.names[1:4] == wanted] += s.values[0]
    # A sample before the first instructions of a function have set up its frame misses one caller.
    others = [s.names for s in stages if s.names[1:4] != wanted]
    assert counts[False] <= 0.002 * counts[True], others[:3]


VARIANTS = {
    "le": ("split-le", None),
    "static": ("split-static", None),
    "so-ie": ("split-so-ie", None),
    "so-desc": ("split-so-desc", None),
    "preload-ie": ("split-preload", "ie"),
    "preload-desc": ("split-preload", "desc"),
    "preload-gd": ("split-preload", "gd"),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("writer", ["swap", "valid"])
def test_tls_models(record, workloads, variant, writer):
    program, library = VARIANTS[variant]
    env = {"LD_PRELOAD": str(workloads / library / "libotelctx.so")} if library else None
    r = record(
        "--", workloads / program, "--threads", 3, "--cpu-seconds", SHORT_CPU_SECONDS, "--span-us", "500,20000",
        "--writer", writer, "--warm-up-ms", WARM_UP_MS, "--log", "{log}", env=env,
    )  # fmt: skip
    judge(r.truth, r.samples).assert_right()
    assert_nothing_lost(r.stats)


# How a library that is opened reaches the variable; NO_SURPLUS: in dynamic TLS, though it is small.
NO_SURPLUS = {"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=0"}
OPENED = {
    "ie": ("split-dl", "ie", {}),
    "desc": ("split-dl", "desc", {}),
    "desc-dynamic": ("split-dl", "desc", NO_SURPLUS),
    "gd": ("split-dl", "gd", {}),
    "gd-dynamic": ("split-dl", "gd", NO_SURPLUS),
    "musl-desc": ("split-dl-musl", "musl-desc", {}),
    "musl-gd": ("split-dl-musl", "musl-gd", {}),
}


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("how", OPENED)
def test_library_that_is_opened(record, workloads, how, when):
    """Late: by a thread, after others were started."""
    program, library, env = OPENED[how]
    env = {**env, "OTEL_LIBRARY": str(workloads / library / "libotelctx.so")}
    if when == "late":
        env["OTEL_LATE"] = "1"
    r = record(
        "--", workloads / program, "--threads", 3, "--cpu-seconds", SHORT_CPU_SECONDS,
        "--span-us", "500,20000", "--warm-up-ms", WARM_UP_MS, "--log", "{log}", env=env,
    )  # fmt: skip
    verdict = judge(r.truth, r.samples)
    verdict.assert_right()
    assert_nothing_lost(r.stats)
    assert len(r.truth.threads) == 3


def test_writer_in_another_mount_namespace(record, workloads, tmp_path):
    """Program and library have paths that lead nowhere outside of it."""
    there = tmp_path / "there"
    there.mkdir()
    script = (f"mount -t tmpfs none {there} && cp {workloads}/split-dl {workloads}/gd/libotelctx.so {there} && "
              f"OTEL_LIBRARY={there}/libotelctx.so exec {there}/split-dl \"$@\"")  # fmt: skip
    r = record(
        "--", "unshare", "--mount", "sh", "-c", script, "sh", "--threads", 2, "--cpu-seconds", SHORT_CPU_SECONDS,
        "--span-us", "500,20000", "--warm-up-ms", WARM_UP_MS, "--log", "{log}",
    )  # fmt: skip
    assert not list(there.iterdir())
    verdict = judge(r.truth, r.samples)
    verdict.assert_right()
    assert_nothing_lost(r.stats)


@pytest.mark.parametrize("program, library", [("split-le", None), ("split-dl", "gd")])
def test_forked_worker_that_publishes_nothing_of_its_own(record, workloads, program, library):
    env = {"OTEL_LIBRARY": str(workloads / library / "libotelctx.so")} if library else None
    r = record(
        "--", workloads / program, "--threads", 2, "--cpu-seconds", SHORT_CPU_SECONDS, "--span-us", "500,20000",
        "--warm-up-ms", WARM_UP_MS, "--fork", 1, "--log", "{log}", env=env,
    )  # fmt: skip
    verdict = judge(r.truth, r.samples)
    verdict.assert_right()
    assert len({s["pid"] for s in r.samples}) == 2
    inside = [s for s in r.profile.samples if "span_id" in s.labels]
    assert {s.labels["service.name"] for s in inside} == {"split"}
    assert {s.labels["pid"] for s in inside} == {r.truth.pid}


def test_context_of_a_new_process_is_found_at_once(record, workloads):
    """A new process is looked at on every turn of the collector, whether it is sampled or not."""
    r = record("--", workloads / "split-le", "--cpu-seconds", 0.6, "--log", "{log}")
    first = min(s.outer_start for s in r.truth.spans)
    found = min(s["time_ns"] for s in r.samples if s["span_id"])
    assert (found - first) / 1e6 < DISCOVERY_MS


def test_program_that_publishes_nothing_has_no_spans(record, workloads):
    r = record("--", workloads / "split-preload", "--cpu-seconds", 0.5, "--log", "{log}")
    assert r.profile.total() > 100
    assert not any("span_id" in s.labels or "trace_id" in s.labels for s in r.profile.samples)


@pytest.mark.parametrize("how", ["-p", "-a"])
def test_running_process_is_found(spanprof, workloads, record, tmp_path, how):
    """Started before the recording: its context is read at the start."""
    log = tmp_path / "log.jsonl"
    with subprocess.Popen(
        [workloads / "split-so-ie", "--cpu-seconds", "100", "--span-us", "300,10000", "--log", log]
    ) as program:
        time.sleep(0.7)
        which = ("-p", program.pid) if how == "-p" else ("-a",)
        r = record(*which, "-d", 2)
        program.terminate()
        program.wait()
    r.folder.joinpath("truth.jsonl").write_bytes(log.read_bytes())
    verdict = judge(r.truth, r.samples)
    verdict.assert_right()
    assert sum(verdict.counts.values()) > 500
    if how == "-p":
        assert {s["pid"] for s in r.samples} == {r.truth.pid}
