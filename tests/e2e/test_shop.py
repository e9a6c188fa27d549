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

FREQUENCY = 999
# What each span does, directly or through others, and no other span does.
FUNCTIONS = {
    "checkout": ("parse_request", "render_receipt"),
    "cart": ("price_cart",),
    "payment": ("sign_request", "validate_third_party"),
}


@pytest.fixture(scope="module")
def shop(spanprof, workloads, tmp_path_factory):
    """A recording that begins before and ends after the shop's work."""
    folder = tmp_path_factory.mktemp("shop")
    with subprocess.Popen(
        [workloads / "shop", "--seconds", "60", "--requests-per-second", "5",
         "--log", folder / "truth.jsonl"],
        stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        time.sleep(1)
        recording = run_record(spanprof, folder, "-a", "-d", 6)
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
    assert n > 1000
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
    assert own[True] > 1000
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
    counts = shop.profile.count_by(lambda s: name_of(shop, s) if s.labels.get("span_id") in ids else None)
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
    assert len(payments) >= 10
    for s in payments:
        assert_share(counts[s.span_id], n, s.cpu_ns / cpu, f"span {s.span_id}")


def test_trace_goes_over_three_threads(shop):
    tids, names = {}, {}
    for s in filter(in_shop(shop), shop.profile.samples):
        trace = s.labels.get("trace_id")
        if trace:
            tids.setdefault(trace, set()).add(s.labels["tid"])
            names.setdefault(trace, set()).add(name_of(shop, s))
    whole = {s.trace_id for s in recorded_spans(shop, shop.samples) if s.name == "checkout"}
    assert len(whole) >= 10
    for trace in whole:
        assert len(tids[trace]) == 3
        assert names[trace] == set(FUNCTIONS)


def test_service_is_named_by_process_context(shop):
    services = shop.profile.count_by(lambda s: s.labels.get("service.name"), where=in_shop(shop))
    assert set(services) == {"shop"}
    others = shop.profile.count_by(
        lambda s: s.labels.get("service.name"), where=lambda s: not in_shop(shop)(s)
    )
    assert "shop" not in others


def test_other_processes_carry_no_context(shop):
    """Nobody else here publishes any."""
    assert not [
        s for s in shop.samples if s["pid"] != shop.truth.pid and (s["span_id"] or s["trace_id"])
    ]
