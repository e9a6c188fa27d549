# SPDX-License-Identifier: Apache-2.0
"""
OTLP profiles to the OpenTelemetry Collector: what it writes of them is what is in the files that
the same agent wrote. It validates no references; otlp.py does.
"""

import json
import subprocess
import time
from collections import Counter
from contextlib import contextmanager

import pytest

import otlp
from conftest import BUILD, open_shop
from test_agent import Agent, directory, free_port, profiles


@contextmanager
def collector(folder, signal="profiles", processors=None):
    """Yields {type: URL}; what it received is in folder/otlp.json once it has ended."""
    path = BUILD / "otelcol" / "collector"
    assert path.exists(), f"{path} is missing: make otelcol"
    ports = {"grpc": free_port(), "http": free_port()}
    config = {
        "receivers": {"otlp": {"protocols": {
            k: {"endpoint": f"127.0.0.1:{p}"} for k, p in ports.items()}}},
        "processors": processors or {},
        "exporters": {"file": {"path": f"{folder}/otlp.json"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {signal: {
                "receivers": ["otlp"], "processors": list(processors or {}), "exporters": ["file"],
            }},
        },
    }  # fmt: skip
    words = [path, "--config", f"yaml:{json.dumps(config)}", "--feature-gates=service.profilesSupport"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as program:
        try:
            for line in program.stderr:
                if "Everything is ready" in line:
                    break
            yield {f"otlp_{k}": f"http://127.0.0.1:{p}" for k, p in ports.items()}
        finally:
            program.terminate()
            program.stderr.read()
            program.wait()


@pytest.fixture(scope="module", params=["otlp_http", "otlp_grpc"])
def received(request, spanprof, workloads, tmp_path_factory):
    """(samples of the Collector, pprof files, pid of the shop)"""
    folder = tmp_path_factory.mktemp("otlp")
    with open_shop(workloads, folder / "truth") as shop, collector(folder) as urls:
        server = {"name": "server", "type": request.param, "url": urls[request.param]}
        with Agent(spanprof, folder, [directory(folder / "out"), server]) as agent:
            time.sleep(4)
            agent.stop()
    return otlp.load(folder / "otlp.json"), profiles(folder / "out"), shop.pid


def sums(samples, key):
    total = Counter()
    for s in samples:
        total[key(s)] += s.count if isinstance(s, otlp.Sample) else s.values[0]
    return total


def all_of(files):
    return [s for p in files for s in p.samples]


def test_same_sums_by_process(received):
    got, files, _ = received
    want = sums(all_of(files), lambda s: (s.labels["pid"], s.labels["service.name"]))
    assert want == sums(got, lambda s: (s.labels["process.pid"], s.labels["service.name"]))


def test_same_sums_by_span(received):
    got, files, shop = received
    want = sums(all_of(files), lambda s: (s.labels.get("trace_id", ""), s.labels.get("span_id", "")))
    assert want == sums(got, lambda s: (s.trace_id, s.span_id))
    assert sum(s.count for s in got if s.span_id and s.labels["process.pid"] == shop) > 100


def test_same_sums_by_stack(received):
    got, files, _ = received
    want = sums(all_of(files), lambda s: tuple(f.name for f in s.frames))
    assert want == sums(got, lambda s: tuple(s.names))


def test_same_times(received):
    """Each sample has the time at which it was taken."""
    got, files, _ = received
    want = Counter(t for s in all_of(files) for t in s.labels["timestamp"])
    assert want == Counter(t for s in got for t in s.times)
    assert all(p.time_ns <= t for p in files for s in p.samples for t in s.labels["timestamp"])


def test_threads(received):
    got, files, _ = received
    want = sums(all_of(files), lambda s: (s.labels["thread.name"], s.labels["tid"]))
    assert want == sums(got, lambda s: (s.labels["thread.name"], s.labels["thread.id"]))
