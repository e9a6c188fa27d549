# SPDX-License-Identifier: Apache-2.0
"""
The story that spanprof is for, with the agent and every kind of place that it delivers to: a trace
says which span was slow, and whichever place is asked for that span says validate_third_party().
Traces go through the Collector, as docs/grafana.md has it, to Jaeger, and it is Jaeger that is asked.
"""

import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest

import otlp
from conftest import open_shop
from jaeger import jaeger, tags
from test_agent import Agent, counts, directory
from test_grafana import recipe, send
from test_otlp import collector, sums
from test_push import sink
from truth import Truth

PLACES = "directory", "pyroscope", "otlp_grpc"
# The demo and its servers. To name what else a busy host runs takes its time.
SAMPLED = [{"process_name": name} for name in ("shop", "sink", "collector")]
PATIENCE = 90
SHOP_THREADS = 4
MIN_SAMPLES = 10  # of a payment; 35 come


@dataclass
class Story:
    places: dict  # name → Counter of (names from leaf to root, span id, pid)
    payments: list  # of truth.Span, those that lie within the recording as a whole
    slowest: list  # of Jaeger's spans: the trace that took longest of those within the recording
    pid: int

    def ask(self, place, span_id):
        """Stack → samples"""
        found = Counter()
        for (names, span, pid), n in self.places[place].items():
            if (span, pid) == (span_id, self.pid):
                found[names] += n
        return found


def of_pprof(s):
    return tuple(f.name for f in s.frames), s.labels.get("span_id", ""), s.labels["pid"]


def of_otlp(s):
    return tuple(s.names), s.span_id, s.labels["process.pid"]


def is_enough(found):
    """More payments than can be open at a time, and a second process."""
    slow = {span for names, span, _ in found if "validate_third_party" in names}
    return len(slow) > 2 * SHOP_THREADS and len({pid for _, _, pid in found}) > 1


def otlp_span(s, real_ns):
    """`real_ns`: CLOCK_REALTIME when CLOCK_MONOTONIC was 0."""
    parent = {"parentSpanId": s.parent_id} if s.parent_id else {}
    return {"traceId": s.trace_id, "spanId": s.span_id, "name": s.name, "kind": 1, **parent,
            "startTimeUnixNano": str(s.outer_start + real_ns),
            "endTimeUnixNano": str(s.outer_end + real_ns)}  # fmt: skip


def slowest_trace(folder, spans, first, last):
    """Its spans as Jaeger has them, which got them from the Collector."""
    real_ns = time.time_ns() - time.monotonic_ns()
    with collector(folder, "traces", recipe()["processors"]) as urls:
        send(urls["otlp_http"], [otlp_span(s, real_ns) for s in spans], "shop")
    with jaeger() as server:
        for line in (folder / "otlp.json").read_bytes().splitlines():
            server.put(line)
        found = server.spans(service="shop", operation="payment")
    traces = defaultdict(list)
    for s in found:
        traces[s["traceID"]].append(s)
    whole = [t for t in traces.values()
             if all(first < s["startTime"] * 1000 - real_ns < last - s["duration"] * 1000 for s in t)]  # fmt: skip
    return max(whole, key=lambda t: max(s["duration"] for s in t))


@pytest.fixture(scope="module")
def story(spanprof, workloads, tmp_path_factory):
    folder = tmp_path_factory.mktemp("story")
    with open_shop(workloads, folder / "truth") as shop, sink(folder / "got") as url, collector(folder) as urls:
        endpoints = [
            directory(folder / "out"),
            {"name": "pyroscope", "type": "pyroscope", "url": url},
            {"name": "collector", "type": "otlp_grpc", "url": urls["otlp_grpc"]},
        ]
        with Agent(spanprof, folder, endpoints, filters={"include": SAMPLED}) as agent:
            first = time.monotonic_ns()
            agent.wait(lambda: is_enough(counts(folder / "out", of_pprof)), PATIENCE)
            last = time.monotonic_ns()
            agent.stop()
    places = {
        "directory": counts(folder / "out", of_pprof),
        "pyroscope": counts(folder / "got", of_pprof),
        "otlp_grpc": sums(otlp.load(folder / "otlp.json"), of_otlp),
    }
    spans = Truth.load(folder / "truth").spans
    whole = [s for s in spans if first < s.outer_start and s.outer_end < last]
    traces = tmp_path_factory.mktemp("traces")
    slowest = slowest_trace(traces, spans, first, last)
    return Story(places, [s for s in whole if s.name == "payment"], slowest, shop.pid)


@pytest.mark.parametrize("place", PLACES)
def test_each_slow_payment_is_explained(story, place):
    """Its id, as the program logged it, leads to the function and to who called that."""
    assert story.payments
    for payment in story.payments:
        found, explained = story.ask(place, payment.span_id), 0
        for names, n in found.items():
            if "validate_third_party" in names:
                at = names.index("validate_third_party")
                assert names[at + 1 : at + 3] == ("payment", "worker_main"), names
                explained += n
        assert found.total() >= MIN_SAMPLES, payment
        assert explained > found.total() / 2, (payment, found)


@pytest.mark.parametrize("place", PLACES)
def test_slowest_trace_of_jaeger_leads_to_the_function(story, place):
    """By the tag that Grafana follows from a span to its profile."""
    children = [s for s in story.slowest if s["references"]]
    span = max(children, key=lambda s: s["duration"])
    assert span["operationName"] == "payment"
    found, hottest = story.ask(place, tags(span)["pyroscope.profile.id"]), Counter()
    for names, n in found.items():
        hottest.update(dict.fromkeys(names, n))
    assert hottest["validate_third_party"] > found.total() / 2 >= MIN_SAMPLES / 2, (span, found)


@pytest.mark.parametrize("place", PLACES[1:])
def test_all_places_say_the_same(story, place):
    """Of every process that was sampled, by stack, span and process."""
    want, got = story.places["directory"], story.places[place]
    assert len({pid for _, _, pid in want}) > 1
    assert got == want, (got - want, want - got)
