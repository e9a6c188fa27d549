# SPDX-License-Identifier: Apache-2.0
"""
The story that spanprof is for: a shop is slow in `payment`, and the profile says that it is
validate_third_party(). Recorded on the whole system while the shop is open.
"""

import subprocess
import time
from collections import Counter

import pytest

from binomial import assert_share
from conftest import run_record
from truth import judge

MIN_REQUESTS = 4  # that a busy machine serves; 30 come
# What each span does, directly or through others, and no other span does.
FUNCTIONS = {
    "checkout": ("parse_request", "render_receipt"),
    "cart": ("price_cart",),
    "payment": ("sign_request", "validate_third_party"),
}


@pytest.fixture(scope="module")
def shop(spanprof, workloads, tmp_path_factory):
    """Recorded while the shop is open. It goes before whatever else the machine has to do."""
    folder = tmp_path_factory.mktemp("shop")
    with subprocess.Popen(
        [workloads / "procs", "child", "--cpu-ms", "100000"]
    ) as neighbour, subprocess.Popen(
        ["nice", "-n", "-5", workloads / "shop", "--seconds", "60", "--requests-per-second",
         "5", "--log", folder / "truth.jsonl"],
        stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        time.sleep(1)
        recording = run_record(spanprof, folder, "-a", "-d", 6)
        recording.neighbour = neighbour.pid
        neighbour.kill()
        program.terminate()
        lines = program.communicate(timeout=20)[0].splitlines()
    assert program.returncode == 0
    assert len(lines) == 2 and "open" in lines[0] and "closed" in lines[1]
    return recording


def in_shop(recording):
    return lambda s: s.labels.get("pid") == recording.truth.pid


def name_of(recording, sample):
    span = recording.truth.by_id.get(sample.labels.get("span_id"))
    return span.name if span else None


def recorded_spans(recording, samples):
    """Spans that lie within the recording as a whole."""
    first, last = samples[0]["time_ns"], samples[-1]["time_ns"]
    return [s for s in recording.truth.spans if first < s.outer_start and s.outer_end < last]


def test_every_sample_carries_the_right_span(shop):
    judge(shop.truth, shop.samples).assert_right()


def test_payment_spends_its_time_in_validate_third_party(shop):
    counts = Counter()
    for s in filter(in_shop(shop), shop.profile.samples):
        if name_of(shop, s) == "payment":
            counts.update({f: s.values[0] for f in FUNCTIONS["payment"] if s.has(f)})
    work = shop.truth.work(lambda s: s.name == "payment")
    n = sum(counts.values())
    assert n > 500
    assert counts["validate_third_party"] > 0.8 * n
    share = work["validate_third_party"] / sum(work.values())
    assert_share(counts["validate_third_party"], n, share, "validate_third_party in payment")


def test_its_cause_is_below_it_on_the_stack(shop):
    chain = ["modexp", "verify_chain", "validate_third_party", "payment", "worker_main"]
    own = Counter()
    for s in filter(in_shop(shop), shop.profile.samples):
        names = s.names
        if "modexp" in names:
            at = names.index("modexp")
            own[names[at : at + len(chain)] == chain] += s.values[0]
    assert own[True] > 500
    assert own[False] <= 0.002 * own[True]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_appear_in_their_span_only(shop, name):
    for s in filter(in_shop(shop), shop.profile.samples):
        if s.has(*FUNCTIONS[name]):
            assert name_of(shop, s) == name, (s.labels, s.names)


def test_share_of_each_span(shop):
    """The table of spans: samples of each kind are in proportion to their CPU time."""
    whole = recorded_spans(shop, shop.samples)
    ids = {s.span_id for s in whole}
    counts = shop.profile.count_by(
        lambda s: name_of(shop, s), where=lambda s: s.labels.get("span_id") in ids
    )
    cpu = Counter()
    for s in whole:
        cpu[s.name] += s.cpu_ns
    n = sum(counts.values())
    for name in FUNCTIONS:
        assert_share(counts[name], n, cpu[name] / sum(cpu.values()), name)


def test_cpu_of_single_spans(shop):
    """Each payment has the samples that its CPU time makes, give or take what chance explains."""
    counts = shop.profile.count_by(lambda s: s.labels.get("span_id"))
    whole = recorded_spans(shop, shop.samples)
    n, cpu = sum(counts[s.span_id] for s in whole), sum(s.cpu_ns for s in whole)
    payments = [s for s in whole if s.name == "payment"]
    assert len(payments) >= MIN_REQUESTS
    for s in payments:
        assert_share(counts[s.span_id], n, s.cpu_ns / cpu, f"span {s.span_id}")


def test_trace_goes_over_three_threads(shop):
    """Each trace is found whole, on the threads that it ran on."""
    found = {}
    for s in filter(in_shop(shop), shop.profile.samples):
        trace = found.setdefault(s.labels.get("trace_id"), set())
        trace.add((s.labels["tid"], name_of(shop, s)))
    whole = {s.trace_id for s in recorded_spans(shop, shop.samples) if s.name == "checkout"}
    assert len(whole) >= MIN_REQUESTS
    for trace in whole:
        assert found[trace] == {(s.tid, s.name) for s in shop.truth.spans if s.trace_id == trace}
    assert any(len({tid for tid, _ in found[trace]}) == 3 for trace in whole)


def test_service_is_named_by_process_context(shop):
    services = shop.profile.count_by(lambda s: s.labels.get("service.name"), where=in_shop(shop))
    assert set(services) == {"shop"}
    others = shop.profile.count_by(
        lambda s: s.labels.get("service.name"), where=lambda s: not in_shop(shop)(s)
    )
    assert "shop" not in others


def test_process_without_context_carries_none(shop):
    """It ran beside the shop all the time, and publishes nothing."""
    samples = [s for s in shop.samples if s["pid"] == shop.neighbour]
    assert len(samples) > 20
    assert not [s for s in samples if s["span_id"] or s["trace_id"]]
