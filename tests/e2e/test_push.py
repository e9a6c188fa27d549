# SPDX-License-Identifier: Apache-2.0
"""record --push: what arrives is what is in the file; and servers that do not take it."""

import json
import os
import socket
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest

import pprof
from conftest import BUILD, open_shop, run_record, wait_until_busy
from program import assert_refused, only_files, run

TIME_LIMIT = 15  # of all tries, in seconds
ALLOWANCE = 6  # for recording, naming and a busy machine


@contextmanager
def sink(folder, *options):
    """A server on a free port; yields its URL."""
    path = BUILD / "sink" / "sink"
    assert path.exists(), f"{path} is missing: make sink"
    with subprocess.Popen(
        [path, "-dir", folder, *options],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as program:  # fmt: skip
        try:
            yield f"http://{program.stdout.readline().strip()}"
        finally:
            program.kill()
            program.wait()


@pytest.fixture(scope="module", autouse=True)
def busy(workloads):
    """On a machine where nothing runs there is nothing to send."""
    with subprocess.Popen([workloads / "split-le", "--cpu-seconds", "1000"]) as program:
        wait_until_busy(program.pid)
        yield
        program.terminate()


# --- good servers -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pushed(spanprof, workloads, tmp_path_factory):
    """A recording of the shop and its neighbours, and the folder of what the server got."""
    folder = tmp_path_factory.mktemp("push")
    with open_shop(workloads, folder / "truth.jsonl"), subprocess.Popen(
        [workloads / "split-le", "--cpu-seconds", "1000"]
    ) as split, sink(folder / "got") as url:  # fmt: skip
        time.sleep(1)
        recording = run_record(spanprof, folder, "-a", "-d", 4, "--push", url)
        split.terminate()
    return recording, folder / "got"


def series(folder):
    """(labels, profile, sums per span as Go's library read them) of each request."""
    for path in sorted(folder.glob("*.labels.json")):
        number = path.name.split(".")[0]
        spans = json.loads((folder / f"{number}.spans.json").read_text())
        profile = pprof.load(folder / f"{number}.pb.gz")
        yield json.loads(path.read_text()), profile, spans


def service_of(sample):
    """The executable's name where the process publishes none."""
    return sample.labels.get("service.name") or sample.labels.get("process.executable.name")


def test_every_service_and_span_arrives(pushed):
    recording, got = pushed
    expected, arrived = Counter(), Counter()
    cpu = recording.profile.value_index("cpu")
    for s in recording.profile.samples:
        expected[service_of(s), s.labels.get("span_id", "")] += s.values[cpu]
    for labels, _, spans in series(got):
        for span, ns in spans.items():
            arrived[labels["service_name"], span] += ns
    assert arrived == expected
    assert {service for service, _ in arrived} >= {"shop", "split"}
    assert len({span for service, span in arrived if service == "shop" and span}) > 10


def test_stacks_arrive(pushed):
    """Names from leaf to root, per service."""
    recording, got = pushed
    expected, arrived = Counter(), Counter()
    for s in recording.profile.samples:
        if service_of(s) == "shop":
            expected[tuple(s.names)] += s.values[recording.profile.value_index("cpu")]
    for labels, profile, _ in series(got):
        if labels["service_name"] == "shop":
            for s in profile.samples:
                arrived[tuple(s.names)] += s.values[0]
    assert arrived == expected
    assert any("validate_third_party" in names for names in arrived)


def test_time_of_the_recording_arrives(pushed):
    recording, got = pushed
    for _, profile, _ in series(got):
        assert profile.time_ns == recording.profile.time_ns
        assert profile.duration_ns == recording.profile.duration_ns
        assert profile.period == recording.profile.period


def test_requests_are_as_the_api_wants_them(pushed):
    _, got = pushed
    requests = [json.loads(p.read_text()) for p in got.glob("*.request.json")]
    assert {r["path"] for r in requests} == {"/push.v1.PusherService/Push"}
    assert {r["content_type"] for r in requests} == {"application/proto"}
    log = (got / "requests.log").read_text().splitlines()
    assert [line for line in log if not line.endswith("received")] == [
        f"{i + 1} 200" for i in range(len(requests))
    ]


def test_success_is_told(pushed):
    recording, got = pushed
    n = len(list(got.glob("*.labels.json")))
    assert f"pushed {recording.profile.total()} samples in {n} series" in recording.stderr
    assert recording.stats["push_samples_rejected"] == 0


def test_prefix_and_password(spanprof, tmp_path):
    """The password goes into the header, and into no message."""
    with sink(tmp_path / "got", "-prefix", "/pyroscope") as url:
        url = url.replace("http://", "http://user:geheim@") + "/pyroscope"
        done = run(spanprof, "record", "-d", 0.5, "-o", tmp_path / "out.pb.gz", "--push", url)
    assert done.returncode == 0 and "geheim" not in done.stderr
    request = json.loads((tmp_path / "got" / "1.request.json").read_text())
    assert request["authorization"] == "Basic dXNlcjpnZWhlaW0="


def test_server_that_recovers(spanprof, tmp_path):
    """What is refused for now is sent again."""
    with sink(tmp_path / "got", "-answer", "429", "-answer-times", "2") as url:
        done = run(spanprof, "record", "-d", 0.5, "-o", tmp_path / "out.pb.gz", "--push", url)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "got" / "requests.log").read_text()
    assert "1 429" in log and "2 429" in log and "3 200" in log


# --- bad ones -----------------------------------------------------------------------------------


@contextmanager
def refusing():
    """A port where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{s.getsockname()[1]}"


@contextmanager
def unreachable():
    """In a network without any link: see WITHOUT_NETWORK."""
    yield "http://127.0.0.1:4040"


@contextmanager
def nameless():
    yield "http://no-such-host.invalid:4040"


@contextmanager
def silent():
    """Takes connections, reads nothing, says nothing."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield f"http://127.0.0.1:{s.getsockname()[1]}"


# These are tried in a network namespace of their own, so that nothing leaves the machine.
WITHOUT_NETWORK = ("unreachable", "nameless")

# name → (server, or the sink's way to misbehave; words of the message)
BAD = {
    "refused": (refusing, ("{host}", "is the server running")),
    "unreachable": (unreachable, ("127.0.0.1:4040",)),
    "nameless": (nameless, ("no-such-host.invalid", "is the address")),
    "silent": (silent, ("no answer from", "in time")),
    "400": ("400", ("answered 400", "outside of ingestion window")),
    "401": ("401", ("answered 401", "it needs credentials")),
    "429": ("429", ("answered 429", "push rate limit", "send less often")),
    "500": ("500", ("answered 500", "failed to parse profile")),
    "503": ("503", ("answered 503", "try again later")),
    "hang": ("hang", ("no answer from", "in time")),
    "html": ("html", ("is it its address?",)),
}


def server_of(name, folder):
    server = BAD[name][0]
    return sink(folder / "got", "-answer", server) if isinstance(server, str) else server()


@pytest.fixture(scope="module")
def refusals(spanprof, tmp_path_factory):
    """All of them at once, as some take their whole time: name → (status, stderr, folder, s)."""
    folders = {name: tmp_path_factory.mktemp("bad") for name in BAD}
    results, running = {}, {}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(server_of(name, folders[name])) for name in BAD}
        start = time.monotonic()
        for name, url in urls.items():
            apart = ["unshare", "--net"] if name in WITHOUT_NETWORK else []
            running[name] = subprocess.Popen(
                [*apart, spanprof, "record", "-d", "0.5", "-o", folders[name] / "out.pb.gz",
                 "--stats", folders[name] / "stats.json", "--push", url],
                stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        while len(results) < len(running):
            for name, program in running.items():
                if name not in results and program.poll() is not None:
                    results[name] = (program, time.monotonic() - start, urls[name], folders[name])
            assert time.monotonic() - start < 4 * TIME_LIMIT, set(running) - set(results)
            time.sleep(0.05)
    return results


@pytest.mark.parametrize("name", BAD)
def test_server_that_does_not_take_it(refusals, name):
    """The message names place and remedy, the profile is in the file, the exit status is 1."""
    program, seconds, url, folder = refusals[name]
    stderr = program.stderr.read()
    messages = [line for line in stderr.splitlines() if "error: --push: " in line]
    assert program.returncode == 1 and len(messages) == 1, stderr
    for word in BAD[name][1]:
        assert word.replace("{host}", url.removeprefix("http://")) in messages[0], messages[0]
    assert f"they are in '{folder}/out.pb.gz'" in messages[0]
    assert seconds < TIME_LIMIT + ALLOWANCE

    profile = pprof.load(folder / "out.pb.gz")
    stats = json.loads((folder / "stats.json").read_text())
    assert profile.total() == stats["samples_delivered"] == stats["push_samples_rejected"] > 0
    assert f"{profile.total()} of {profile.total()} samples were not taken" in messages[0]


URLS = ["", "localhost:4040", "ftp://localhost", "http://", "http://a host", "file:///etc/passwd"]


@pytest.mark.parametrize("url", URLS)
def test_address_that_is_none(spanprof, tmp_path, url):
    """Found before anything is recorded."""
    done = run(spanprof, "record", "-d", 60, "-o", tmp_path / "out.pb.gz", "--push", url)
    assert_refused(done, "--push: ", "http")
    assert only_files(tmp_path) == []


def test_second_signal_ends_the_waiting(spanprof, tmp_path):
    """The first one ends the recording, which is still sent; the next one ends that, too."""
    with silent() as url, subprocess.Popen(
        [spanprof, "record", "-o", tmp_path / "out.pb.gz", "--push", url], stderr=subprocess.PIPE
    ) as program:
        time.sleep(1)
        program.terminate()
        while not (tmp_path / "out.pb.gz").exists():
            assert program.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)
        before = time.monotonic()
        os.kill(program.pid, 15)
        message = program.communicate(timeout=30)[1].decode()
    assert time.monotonic() - before < 3
    assert program.returncode == 1 and "was interrupted" in message
    pprof.load(tmp_path / "out.pb.gz")
