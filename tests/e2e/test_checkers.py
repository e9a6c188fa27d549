# SPDX-License-Identifier: Apache-2.0
"""The judges of this folder, judged: each must find what is wrong. Needs neither root nor BPF."""

import json
import math

import pytest

import binomial
import chains
import pprof
import truth
from truth import Place

PROCESS = {"type": "process", "program": "x", "pid": 7, "unit": "ns", "start": 0, "end": 9999}


def span(tid, start, name="a", span_id="aa", length=100):
    return {
        "type": "span", "name": name, "tid": tid, "span_id": span_id, "trace_id": "t" + span_id,
        "parent_id": "", "outer_start": start, "inner_start": start + 5,
        "inner_end": start + length - 5, "outer_end": start + length, "cpu_ns": length - 10,
        "work": {"f": length},
    }  # fmt: skip


def log(*entries):
    return truth.Truth(json.dumps(e) for e in (PROCESS, *entries))


def sample(time_ns, span_id=None, tid=1, trace_id=None, pid=7):
    trace_id = trace_id or ("t" + span_id if span_id else None)
    return {"time_ns": time_ns, "pid": pid, "tid": tid, "span_id": span_id, "trace_id": trace_id}


TWO = log(span(1, 1000), span(1, 1200, span_id="bb"), span(2, 1000, span_id="cc"))


@pytest.mark.parametrize(
    "time_ns, tid, place, span_id",
    [
        (999, 1, Place.OUTSIDE, None),
        (1002, 1, Place.EDGE, "aa"),
        (1050, 1, Place.INSIDE, "aa"),
        (1097, 1, Place.EDGE, "aa"),
        (1101, 1, Place.OUTSIDE, None),
        (1250, 1, Place.INSIDE, "bb"),
        (1250, 2, Place.OUTSIDE, None),
        (1050, 3, Place.OUTSIDE, None),
    ],
)
def test_place_follows_time_and_thread(time_ns, tid, place, span_id):
    found, at = TWO.place(tid, time_ns)
    assert found is place
    assert (at.span_id if at else None) == span_id


def test_judge_accepts_what_is_right():
    inside, edges = [sample(1050, "aa"), sample(1250, "bb")], [sample(1002), sample(1097, "aa")]
    truth.judge(TWO, [*inside, *edges, sample(1150)]).assert_right()


@pytest.mark.parametrize(
    "bad",
    [
        sample(1050, "bb"),  # a sibling's id
        sample(1050, "cc"),  # another thread's
        sample(1150, "aa"),  # after the end
        sample(1002, "bb"),  # an edge excuses no wrong id
        sample(1050, "aa", trace_id="tbb"),  # half of one, half of another
        sample(1050),  # nothing, inside
    ],
)
def test_judge_finds_what_is_wrong(bad):
    with pytest.raises(AssertionError):
        truth.judge(TWO, [bad, sample(1050, "aa")]).assert_right()


def test_judge_leaves_other_processes_alone():
    verdict = truth.judge(TWO, [sample(1150, "zz", pid=8), sample(1050, "aa")])
    verdict.assert_right()
    assert sum(verdict.counts.values()) == 1


def test_judge_without_samples_proves_nothing():
    with pytest.raises(AssertionError):
        truth.judge(TWO, [sample(1150)]).assert_right()


# By summing up the binomial distribution, which is what the interval is defined by.
def tail(n, p, hits):
    return sum(
        math.exp(
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(p) + (n - k) * math.log1p(-p)
        )
        for k in hits
    )  # fmt: skip


@pytest.mark.parametrize("hits, n", [(1, 20), (10, 20), (300, 1000), (995, 1000)])
def test_interval_is_exact(hits, n):
    low, high = binomial.interval(hits, n)
    assert tail(n, low, range(hits, n + 1)) == pytest.approx(0.0005, rel=1e-6)
    assert tail(n, high, range(0, hits + 1)) == pytest.approx(0.0005, rel=1e-6)


def test_interval_at_the_ends():
    assert binomial.interval(0, 50)[0] == 0.0
    assert binomial.interval(50, 50)[1] == 1.0
    assert binomial.interval(0, 50)[1] == pytest.approx(1 - 0.0005 ** (1 / 50))


def test_share_that_is_off_is_refused():
    binomial.assert_share(3000, 10000, 0.31, "near")
    with pytest.raises(AssertionError):
        binomial.assert_share(3000, 10000, 0.33, "far")


def test_pprof_reader_on_bytes_made_by_hand():
    # sample_type {count "samples"}, one sample at one location in function "f", label k=v, n=5
    strings = [b"", b"samples", b"count", b"f", b"k", b"v", b"n", b"file.c"]
    data = b"\x0a\x04\x08\x01\x10\x02"
    data += b"\x12\x13\x0a\x01\x01\x12\x02\x96\x01\x1a\x04\x08\x04\x10\x05\x1a\x04\x08\x06\x18\x05"
    data += b"\x22\x0b\x08\x01\x18\x80\x20\x22\x04\x08\x01\x10\x2a"
    data += b"\x2a\x08\x08\x01\x10\x03\x18\x03\x20\x07"
    data += b"".join(b"\x32" + bytes([len(s)]) + s for s in strings)
    data += b"\x60\xe8\x07"

    p = pprof.decode(data)
    assert p.sample_types == [("samples", "count")]
    assert p.period == 1000
    assert p.samples[0].values == [150]
    assert p.samples[0].labels == {"k": "v", "n": 5}
    assert p.samples[0].frames == [pprof.Frame("f", "file.c", 42, 0x1000, "")]


# --- chains -------------------------------------------------------------------------------------


def stack(*names, count=1):
    """A sample with this user stack, outermost first."""
    frames = [pprof.Frame(n, "", 0, 0, "") for n in reversed(names)]
    return pprof.Sample(frames, [count, 0], {})


@pytest.mark.parametrize(
    "chain, names, whole",
    [
        ("main;outer;leaf", ["main", "outer", "leaf"], True),
        ("main;outer;leaf", ["main", "leaf"], False),
        ("main;outer;leaf", ["x", "main", "outer", "leaf"], False),
        ("main;...;leaf", ["main", "leaf"], True),
        ("main;...;leaf", ["main", "a", "leaf", "b", "leaf"], True),
        ("main;...;leaf", ["main", "a", "leaf", "b"], False),
        ("main;~mem.*|str.*", ["main", "strlen"], True),
        ("main;~mem.*|str.*", ["main", "xstrlen"], False),
    ],
)
def test_whole_chain(chain, names, whole):
    assert chains.Chain(chain).is_whole(names) is whole


def test_chains_are_judged():
    cut = chains.TRUNCATED
    samples = [
        stack("_start", "main", "outer", "leaf", count=5),
        stack(cut, "outer", "leaf", count=4),
        stack("ld.so", count=3),
        stack("_start", "main", "leaf", count=2),  # a caller is missing
        stack("outer", "leaf"),  # is not said to be cut
        stack(cut, "main", "leaf"),
    ]
    found = chains.judge(samples, ["_start;main;outer;leaf"])
    assert (found.right, found.cut, found.other) == (5, 4, 3)
    assert sum(found.wrong.values()) == 4 and len(found.wrong) == 3


def test_completeness_leaves_out_the_warm_up():
    def dumped(ms, end):
        return {"time_ns": ms * 1_000_000, "end": end}

    early = [dumped(1000, "no_rule"), dumped(1149, "entry")]
    late = [dumped(1151, "entry"), dumped(1200, "zero"), dumped(1300, "too_deep")]
    assert chains.completeness([*late, *early]) == (2, 3)
