# SPDX-License-Identifier: Apache-2.0
"""
OTLP profiles to the OpenTelemetry Collector: what it writes of them is what is in the files that
the same agent wrote. It validates no references; otlp.py does.
"""

import hashlib
import json
import re
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

import otlp
from conftest import BUILD, open_shop
from program import run
from test_agent import Agent, directory, free_port, profiles, programs
from test_delivery import PROFILE, Authority, Deliver
from test_delivery import otlp as endpoint


@contextmanager
def collector(folder, signal="profiles", processors=None, tls=None):
    """
    Yields {type: URL}; what it received is in folder/otlp.json once it has ended. `tls`: what its
    receivers are told of it, with a certificate for localhost.
    """
    path = BUILD / "otelcol" / "collector"
    assert path.exists(), f"{path} is missing: make otelcol"
    ports = {"grpc": free_port(), "http": free_port()}
    at, more = ("https://localhost", {"tls": tls}) if tls else ("http://127.0.0.1", {})
    config = {
        "receivers": {"otlp": {"protocols": {
            k: {"endpoint": f"127.0.0.1:{p}", **more} for k, p in ports.items()}}},
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
            yield {f"otlp_{k}": f"{at}:{p}" for k, p in ports.items()}
        finally:
            program.terminate()
            program.stderr.read()
            program.wait()


@pytest.fixture(scope="module", params=["otlp_http", "otlp_grpc"])
def received(request, spanprof, workloads, tmp_path_factory):
    """(samples of the Collector, pprof files, pid of the shop)"""
    folder = tmp_path_factory.mktemp("otlp")
    bare = folder / "without-build-id"
    subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", workloads / "split-le", bare], check=True)
    with (open_shop(workloads, folder / "truth") as shop, collector(folder) as urls,
          programs([bare, "--cpu-seconds", "1000"])):  # fmt: skip
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


BUILD_ID, TYPE = "process.executable.build_id.gnu", "profile.frame.type"
HTLHASH = "process.executable.build_id.htlhash"


def htlhash(path):
    """OpenTelemetry's specification of profiles: by a file's begin, end and length."""
    whole = path.read_bytes()
    return hashlib.sha256(whole[:4096] + whole[-4096:] + len(whole).to_bytes(8, "big")).hexdigest()[:32]


def test_a_program_s_frames(received, workloads):
    """They are native, and of the build that readelf(1) says the program is."""
    got, _, shop = received
    program = workloads / "shop"
    build_id = re.search(r"Build ID: ([0-9a-f]{40})\n", run("readelf", "-n", program).stdout)[1]
    own = [l for s in got if s.labels["process.pid"] == shop for l in s.locations if l.file == str(program)]
    assert own
    for l in own:
        assert l.attributes == {TYPE: "native"}
        assert l.file_attributes == {BUILD_ID: build_id, HTLHASH: htlhash(program)}, l


def test_a_program_without_a_build_id(received):
    found = [l for s in received[0] for l in s.locations if l.file.endswith("/without-build-id")]
    assert found
    for l in found:
        assert l.file_attributes == {HTLHASH: htlhash(Path(l.file))}, l


def test_the_kernel_s_frames(received):
    """They are those that have names of /proc/kallsyms."""
    rows = Path("/proc/kallsyms").read_text(encoding="utf-8", errors="replace").splitlines()
    known = {row.split(" ", 2)[2].replace("\t", " ") for row in rows}
    found = {}
    for l in (l for s in received[0] for l in s.locations):
        found.setdefault(l.attributes.get(TYPE), []).append(l)
    names = [n for l in found["kernel"] for n in l.names]
    assert sum(n in known for n in names) > 0.9 * len(names)
    assert {l.file for l in found.pop("kernel")} == {"[kernel.kallsyms]"}
    assert not any(l.file == "[kernel.kallsyms]" for others in found.values() for l in others)


@pytest.mark.parametrize("kind", ["grpc", "http"])
@pytest.mark.parametrize("lacks", [["ca"], ["cert", "key"]])
def test_tls(tmp_path, kind, lacks):
    """Without its authority, or a certificate of ours, the Collector gets nothing; then it gets all."""
    ca = Authority(tmp_path, "authority")
    cert, key = ca.issue("server", "localhost")
    tls = {"cert_file": str(cert), "key_file": str(key), "client_ca_file": str(ca.path)}
    options = {"ca": ca.path, **dict(zip(("cert", "key"), ca.issue("client", "client"))), "timeout": 10000}
    some = {k: v for k, v in options.items() if k not in lacks}
    with collector(tmp_path, tls=tls) as urls:
        url = urls[f"otlp_{kind}"]
        with Deliver(tmp_path, endpoint(url, kind, **some)) as d:
            d.put()
            d.wait("o", lambda s: "certificate" in s["error"])
            assert d.quit()["o"]["queue_samples"] == PROFILE
        with Deliver(tmp_path, endpoint(url, kind, **options)) as d:
            assert d.quit(10000)["o"]["delivered"] == PROFILE
    assert sum(s.count for s in otlp.load(tmp_path / "otlp.json")) == PROFILE
