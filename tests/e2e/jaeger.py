# SPDX-License-Identifier: Apache-2.0
"""A running Jaeger: spans go in by OTLP, and are asked for as its user interface does."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager

from conftest import BUILD, TIMEOUT
from test_agent import free_port


class Jaeger:
    def __init__(self, otlp, query):
        self.otlp, self.query = otlp, query

    def put(self, traces):
        """`traces`: bytes, OTLP's JSON."""
        request = urllib.request.Request(f"{self.otlp}/v1/traces", traces, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200, answer.read()

    def spans(self, **asked):
        """Those of all traces in which one is like this (service, operation, minDuration, …)."""
        query = urllib.parse.urlencode({"limit": 1500, "lookback": "1h", **asked})
        with urllib.request.urlopen(f"{self.query}/api/traces?{query}", timeout=10) as answer:
            return [s for t in json.load(answer)["data"] for s in t["spans"]]


def tags(span):
    return {t["key"]: t["value"] for t in span["tags"]}


@contextmanager
def jaeger():
    """With its storage in memory."""
    path = BUILD / "jaeger" / "jaeger"
    assert path.exists(), f"{path} is missing: make jaeger"
    otlp, query, grpc = (f"127.0.0.1:{free_port()}" for _ in range(3))
    config = {
        "extensions": {
            "jaeger_storage": {"backends": {"here": {"memory": {"max_traces": 100000}}}},
            "jaeger_query": {
                "storage": {"traces": "here"}, "http": {"endpoint": query}, "grpc": {"endpoint": grpc},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": otlp}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "here"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
        },
    }  # fmt: skip
    words = [path, "--config", f"yaml:{json.dumps(config)}"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as program:
        try:
            wait_for(program, f"http://{query}")
            yield Jaeger(f"http://{otlp}", f"http://{query}")
        finally:
            program.terminate()
            program.wait()


def wait_for(program, url):
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            with urllib.request.urlopen(f"{url}/api/services", timeout=5):
                return
        except OSError:
            assert time.monotonic() < end and program.poll() is None, "Jaeger does not answer"
            time.sleep(0.1)
