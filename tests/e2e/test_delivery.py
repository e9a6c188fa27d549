# SPDX-License-Identifier: Apache-2.0
"""
Delivery to servers that are down, slow, full, wrong or lying. In the end of each test every sample
that was put is delivered, in the spool, or counted as what became of it.
"""

import gzip
import json
import os
import select
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from conftest import BUILD
from test_push import sink

PROFILE = 100  # samples in what "put" makes
SERVICES = 5  # and its requests
ACTIVE, FAILING = 1, 2  # enum delivery_state


class Deliver:
    """The program of tests/delivery."""

    def __init__(self, folder, *endpoints, env=None):
        path = BUILD / "tests" / "deliver"
        assert path.exists(), f"{path} is missing: make build/tests/deliver"
        words = []
        for e in endpoints:
            words += ["--"] if words else []
            words += [f"{k}={v}" for k, v in e.items()]
        self.folder = folder
        self.log = open(folder / "events", "a+", encoding="utf-8")
        self.program = subprocess.Popen(
            [path, folder / "spool", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, text=True, env={**os.environ, "no_proxy": "*", **(env or {})},
        )  # fmt: skip

    def ask(self, command):
        self.program.stdin.write(command + "\n")
        self.program.stdin.flush()
        assert select.select([self.program.stdout], [], [], 60)[0], "it does not answer"
        return self.program.stdout.readline().strip()

    def put(self, n=1, ago_s=0):
        return int(self.ask(f"put {n} {ago_s}"))

    def stats(self):
        return json.loads(self.ask("stats"))

    def quit(self, flush_ms=0, grace_ms=0):
        stats = json.loads(self.ask(f"quit {flush_ms} {grace_ms}"))
        self.program.wait()
        for name, s in stats.items():
            assert_sums(s, name)
        return stats

    def events(self):
        return (self.folder / "events").read_text()

    def wait(self, name, what, seconds=20):
        """Until what(stats of the endpoint) holds."""
        end = time.monotonic() + seconds
        while not what(s := self.stats()[name]):
            assert time.monotonic() < end, f"{s}\n{self.events()}"
            time.sleep(0.05)
        return s

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.wait()
        self.log.close()


def assert_sums(s, name):
    fates = ("delivered", "rejected", "expired", "damaged", "uncertain", "queue_samples")
    assert s["found"] + s["put"] == sum(s[f] for f in fates), f"{name}: {s}"


def pyroscope(url, **options):
    return {"name": "p", "type": "pyroscope", "url": url, "timeout": 1000, **options}


def received(folder):
    """Samples of the requests that the sink has taken: at 100 Hz one is 10 ms."""
    return sum(
        sum(json.loads(p.read_text()).values()) // 10_000_000 for p in folder.glob("*.spans.json")
    )


def read_request(conn):
    """Head and body of an HTTP/1.1 request; the head is "" when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return "", b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = (line for line in head.splitlines() if line.lower().startswith(b"content-length"))
    length = int(next(lengths, b":0").split(b":")[1])
    while len(body) < length:
        body += conn.recv(65536)
    return head.decode(), body


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def server(answer, tls=None):
    """answer(conn, head, n) is called for each request; yields (URL, heads)."""
    heads, lock = [], threading.Lock()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(32)

    def serve(conn):
        try:
            conn = tls.wrap_socket(conn, server_side=True) if tls else conn
            while True:
                head, _ = read_request(conn)
                if not head:
                    return
                with lock:
                    heads.append(head)
                    n = len(heads)
                if answer(conn, head, n) is False:
                    return
        except OSError:
            pass
        finally:
            conn.close()

    scheme = "https" if tls else "http"
    with accepting(listener, serve):
        yield f"{scheme}://localhost:{listener.getsockname()[1]}", heads


@contextmanager
def accepting(listener, serve):
    """serve(conn) in a thread for each connection."""

    def accept():
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(conn,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def good(conn, head, n):
    conn.sendall(OK)


# --- all is well --------------------------------------------------------------------------------


def test_sink_gets_all(tmp_path):
    with sink(tmp_path / "got") as url, Deliver(tmp_path, pyroscope(url)) as d:
        assert d.put(3) == 0
        s = d.quit(5000)["p"]
    assert s["delivered"] == 3 * PROFILE == received(tmp_path / "got")
    assert s["taken"] == 3 * SERVICES and s["queue_entries"] == 0


def test_headers_and_secrets(tmp_path):
    """Token, tenant and header go out; a changed token without a restart; none is in a message."""
    token = tmp_path / "token"
    token.write_text("geheim-1\n")
    with server(good) as (url, heads):
        e = pyroscope(url, token=token, tenant="team-a", header="x y")
        with Deliver(tmp_path, e) as d:
            d.put()
            d.wait("p", lambda s: s["delivered"] == PROFILE)
            token.write_text("geheim-2\n")
            d.put()
            d.quit(5000)
            assert "geheim" not in d.events()
    assert all("X-Scope-OrgID: team-a\r\n" in h and "X-Test: x y" in h for h in heads)
    assert sum("Authorization: Bearer geheim-1" in h for h in heads) == SERVICES
    assert sum("Authorization: Bearer geheim-2" in h for h in heads) == SERVICES


def test_password(tmp_path):
    (tmp_path / "password").write_text("geheim")
    with server(good) as (url, heads):
        e = pyroscope(url, username="user", password=tmp_path / "password")
        with Deliver(tmp_path, e) as d:
            d.put()
            assert d.quit(5000)["p"]["delivered"] == PROFILE
    assert all("Authorization: Basic dXNlcjpnZWhlaW0=" in h for h in heads)


@pytest.mark.parametrize(
    "kind, credentials, scheme, secret",
    [("token", {}, "Bearer", "geheim-1"), ("password", {"username": "user"}, "Basic", "dXNlcjpnZWhlaW0tMQ==")],
)
def test_server_that_repeats_what_it_was_sent(tmp_path, kind, credentials, scheme, secret):
    """Its words are told, but for what is secret in them."""
    def answer(conn, head, n):
        body = json.dumps({"code": "unauthenticated", "message": "your " + head[-400:]}).encode()
        conn.sendall(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    (tmp_path / "secret").write_text("geheim-1\n")
    with server(answer) as (url, heads):
        with Deliver(tmp_path, pyroscope(url, **{**credentials, kind: tmp_path / "secret"})) as d:
            d.put()
            s = d.wait("p", lambda s: s["error"])
            d.quit()
            assert scheme in s["error"] and secret not in s["error"] + d.events()
    assert f"{scheme} {secret}" in heads[0]


@pytest.mark.parametrize("content", [None, "", "a\nb", "x" * 10000])
def test_secret_that_cannot_be_used(tmp_path, content):
    """Nothing goes out without it."""
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)
    with server(good) as (url, heads), Deliver(tmp_path, pyroscope(url, token=token)) as d:
        d.put()
        s = d.wait("p", lambda s: s["error"])
        assert str(token) in s["error"]
        assert d.quit()["p"]["queue_samples"] == PROFILE
    assert not heads


def test_directory_rotates(tmp_path):
    e = {"name": "d", "type": "directory", "path": tmp_path / "out", "max_bytes": 5000}
    with Deliver(tmp_path, e) as d:
        d.put(20)
        s = d.quit(5000)["d"]
    files = list((tmp_path / "out").iterdir())
    assert s["delivered"] == 20 * PROFILE
    assert 0 < sum(f.stat().st_size for f in files) <= 5000
    assert all(f.name.startswith("spanprof-20") and f.name.endswith(".pb.gz") for f in files)
    assert all(gzip.decompress(f.read_bytes()) for f in files)


def test_directory_of_several(tmp_path):
    """Each one's first profile of the same second."""
    e = {"name": "d", "type": "directory", "path": tmp_path / "out"}
    for name in "abc":
        (tmp_path / name).mkdir()
    with Deliver(tmp_path / "a", e) as a, Deliver(tmp_path / "b", e) as b, Deliver(tmp_path / "c", e) as c:
        for d in a, b, c:
            d.put()
        for d in a, b, c:
            assert d.quit(5000)["d"]["delivered"] == PROFILE
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_directory_with_files_of_the_future(tmp_path):
    """A clock that was wrong: what is written now stays."""
    out = tmp_path / "out"
    out.mkdir()
    for i in range(3):
        (out / f"spanprof-20990101T00000{i}Z-{i:016x}.pb.gz").write_bytes(b"x" * 5000)
    with Deliver(tmp_path, {"name": "d", "type": "directory", "path": out, "max_bytes": 5000}) as d:
        d.put(2)
        d.quit(5000)
    assert any(gzip.decompress(f.read_bytes()) for f in out.iterdir() if "2099" not in f.name)


def test_dead_endpoint_holds_back_no_other(tmp_path):
    dead = {**pyroscope("http://127.0.0.1:1"), "name": "dead"}
    directory = {"name": "d", "type": "directory", "path": tmp_path / "out"}
    with sink(tmp_path / "got") as url, Deliver(tmp_path, dead, pyroscope(url), directory) as d:
        d.put(5)
        d.wait("p", lambda s: s["delivered"] == 5 * PROFILE)
        d.wait("d", lambda s: s["delivered"] == 5 * PROFILE)
        s = d.quit()
    assert s["dead"]["queue_samples"] == 5 * PROFILE


def test_becomes_a_directory(tmp_path):
    """What of a profile was sent before is not counted again, though the file has all of it."""
    def answer(conn, head, n):
        conn.sendall(OK if n == 1 else b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as (url, _), Deliver(tmp_path, pyroscope(url)) as d:
        d.put()
        assert 0 < d.wait("p", lambda s: s["later"])["delivered"] < PROFILE
        (tmp_path / "set").write_text(f"name=p type=directory path={tmp_path}/out\n")
        assert d.ask(f"set {tmp_path}/set") == "set"
        assert d.quit(5000)["p"]["delivered"] == PROFILE
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_endpoints_change_while_running(tmp_path):
    """One that is gone keeps its queue; it is sent when it comes back."""
    with sink(tmp_path / "got") as url:
        with Deliver(tmp_path, pyroscope("http://127.0.0.1:1")) as d:
            d.put(2)
            d.wait("p", lambda s: s["unreached"])
            (tmp_path / "set").write_text(f"name=d type=directory path={tmp_path}/out\n")
            assert d.ask(f"set {tmp_path}/set") == "set"
            d.put()
            d.wait("d", lambda s: s["delivered"] == PROFILE)
            assert d.stats()["p"]["failing_since_ns"] == 0
            assert d.stats()["p"]["queue_samples"] == 2 * PROFILE
            (tmp_path / "set").write_text(f"name=p type=pyroscope url={url} timeout=1000\n")
            assert d.ask(f"set {tmp_path}/set") == "set"
            d.put()
            s = d.quit(5000)
    assert s["p"]["delivered"] == 3 * PROFILE == received(tmp_path / "got")


def test_queue_that_cannot_be_made(tmp_path):
    """It is said and counted; once it can be, all goes its way."""
    (tmp_path / "spool" / "queue").mkdir(0o700, parents=True)
    (tmp_path / "spool").chmod(0o700)
    (tmp_path / "spool" / "queue" / "p").touch()
    with sink(tmp_path / "got") as url, Deliver(tmp_path, pyroscope(url)) as d:
        assert d.put() < 0
        s = d.wait("p", lambda s: s["failing_since_ns"])
        assert s["unspooled"] == PROFILE and s["state"] == FAILING and "Not a directory" in s["error"]
        time.sleep(2.5)  # it is tried each second
        assert d.events().count("unusable") == 1
        (tmp_path / "spool" / "queue" / "p").unlink()
        assert d.put() == 0
        s = d.wait("p", lambda s: s["delivered"] == PROFILE)
        assert s["state"] == ACTIVE and s["failing_since_ns"] == 0
        d.quit()


# --- servers that do not take it ----------------------------------------------------------------


def test_down_then_up_after_restart(tmp_path):
    with Deliver(tmp_path, pyroscope("http://127.0.0.1:1")) as d:
        d.put(10)
        d.wait("p", lambda s: s["unreached"])
        assert d.quit()["p"]["queue_samples"] == 10 * PROFILE
        assert d.events().count("failing") == 1
    with sink(tmp_path / "got") as url, Deliver(tmp_path, pyroscope(url)) as d:
        s = d.quit(5000)["p"]
    assert s["found"] == s["delivered"] == 10 * PROFILE == received(tmp_path / "got")


def test_flapping(tmp_path):
    """Refuses every third request for now: each is delivered once."""
    def answer(conn, head, n):
        conn.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" if n % 3 == 0 else OK)

    with server(answer) as (url, heads), Deliver(tmp_path, pyroscope(url)) as d:
        d.put(2)
        d.wait("p", lambda s: s["delivered"] == 2 * PROFILE, 40)
        s = d.quit(2000)["p"]
        assert "recovered" in d.events()
    assert s["taken"] == 2 * SERVICES and s["later"] >= 2
    assert len(heads) == s["taken"] + s["later"]


def test_replay_is_not_failure(tmp_path):
    """What is sent arrives, though more waits; and it may fail again before all of it has."""
    def answer(conn, head, n):
        time.sleep(0.1)
        down = n == 1 or n == 3 * SERVICES
        conn.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" if down else OK)

    with server(answer) as (url, _), Deliver(tmp_path, pyroscope(url)) as d:
        d.put(5)
        first = d.wait("p", lambda s: s["later"] == 1)
        assert first["state"] == FAILING and first["failing_since_ns"] > 0
        s = d.wait("p", lambda s: s["state"] == ACTIVE)
        assert s["failing_since_ns"] == 0 and s["queue_entries"] > 1
        s = d.wait("p", lambda s: s["later"] == 2)
        assert s["state"] == FAILING and s["failing_since_ns"] > first["failing_since_ns"]
        assert "recovered" not in d.events()
        s = d.wait("p", lambda s: s["queue_entries"] == 0 and s["state"] == ACTIVE)
        assert s["failing_since_ns"] == 0
        d.quit()
        assert d.events().count("failing") == d.events().count("recovered") == 1


def test_retry_after_in_a_storm(tmp_path):
    times = []

    def answer(conn, head, n):
        times.append(time.monotonic())
        busy = b"HTTP/1.1 429 No\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"
        conn.sendall(busy if n == 1 else OK)

    with server(answer) as (url, _), Deliver(tmp_path, pyroscope(url)) as d:
        d.put()
        d.wait("p", lambda s: s["delivered"] == PROFILE)
        d.quit()
    assert times[1] - times[0] >= 3


def test_retry_after_a_date(tmp_path):
    """No request comes before it."""
    times = []

    def answer(conn, head, n):
        times.append(time.time())
        date = formatdate(int(times[0]) + 4, usegmt=True)
        conn.sendall(http_answer(503, b"", f"Retry-After: {date}") if n == 1 else OK)

    with server(answer) as (url, _), Deliver(tmp_path, pyroscope(url)) as d:
        d.put()
        d.wait("p", lambda s: s["delivered"] == PROFILE)
        d.quit()
    assert times[1] >= int(times[0]) + 4


@pytest.mark.waits
def test_storm_of_429(tmp_path):
    """Each sample arrives once, whether the server says when to come again or not."""
    storm = [http_answer(429, b"", *h) for h in (["Retry-After: 3"], [], ["Retry-After: 0"], ["Retry-After: soon"])]
    with sink(tmp_path / "got") as url, proxy(first=storm) as (proxy_url, asked):
        with Deliver(tmp_path, pyroscope(url, proxy=proxy_url)) as d:
            d.put(2)
            s = d.wait("p", lambda s: s["delivered"] == 2 * PROFILE, 60)
            d.quit()
    assert received(tmp_path / "got") == 2 * PROFILE
    assert s["later"] == len(storm) and s["refused"] + s["rejected"] + s["uncertain"] == 0
    assert len(asked) == len(storm) + 2 * SERVICES


def test_backoff(tmp_path):
    """Twice as long each time, give or take a quarter, which is another one for each endpoint."""
    names, times = "abcd", {}

    def answer(conn, head, n):
        times.setdefault(head.split("X-Scope-OrgID: ")[1][0], []).append(time.monotonic())
        conn.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as (url, _):
        with Deliver(tmp_path, *({**pyroscope(url, tenant=n), "name": n} for n in names)) as d:
            d.put()
            for n in names:
                d.wait(n, lambda s: s["later"] >= 4)
            d.quit()
    gaps = [[b - a for a, b in zip(times[n], times[n][1:4])] for n in names]
    for of_one in gaps:
        for gap, seconds in zip(of_one, (1, 2, 4), strict=True):
            assert 0.75 * seconds <= gap < 1.25 * seconds + 1, gaps
    thirds = [of_one[2] for of_one in gaps]  # random within 2 s
    assert max(thirds) - min(thirds) > 0.05, gaps


def hang(conn, head, n):
    time.sleep(5)


def hang_after_headers(conn, head, n):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    time.sleep(5)


def one_byte_a_second(conn, head, n):
    for c in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
        conn.sendall(bytes([c]))
        time.sleep(1)


def endless_1xx(conn, head, n):
    while True:
        conn.sendall(b"HTTP/1.1 102 Wait\r\n\r\n")


def header_flood(conn, head, n):
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        conn.sendall(b"X-Flood: " + b"x" * 1000 + b"\r\n")


def endless_header(conn, head, n):
    conn.sendall(b"HTTP/1.1 200 OK\r\nX-Flood: ")
    while True:
        conn.sendall(b"x" * 1000)


def close(conn, head, n):
    return False


@pytest.mark.parametrize(
    "answer", [hang, hang_after_headers, one_byte_a_second, endless_1xx, header_flood, endless_header, close]
)
def test_no_answer_costs_one_request(tmp_path, answer):
    """It may have been counted; after that the server must answer before it gets another one."""
    with server(answer) as (url, heads), Deliver(tmp_path, pyroscope(url)) as d:
        d.put(3)
        d.wait("p", lambda s: s["no_answer"] >= 2)
        s = d.quit()["p"]
        assert "memory" not in d.events() or "no end" in d.events()
    assert 0 < s["uncertain"] < PROFILE and s["delivered"] == 0
    assert s["uncertain"] + s["queue_samples"] == 3 * PROFILE
    assert [h for h in heads[1:] if "Content-Length: 0\r\n" not in h + "\r\n"] == []


def garbage(conn, head, n):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def endless_body(conn, head, n):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    while True:
        conn.sendall(b"x" * 65536)


def bomb(conn, head, n):
    body = gzip.compress(bytes(50_000_000))
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def denied(conn, head, n):
    conn.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nno org id")


def missing(conn, head, n):
    conn.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("answer", [garbage, endless_body, bomb, denied, missing])
def test_not_this_server_keeps_all(tmp_path, answer):
    """What a person can mend: nothing is lost meanwhile, and it is not asked all the time."""
    with server(answer) as (url, heads), Deliver(tmp_path, pyroscope(url)) as d:
        d.put(2)
        d.wait("p", lambda s: s["denied"])
        time.sleep(2)
        s = d.quit()["p"]
    assert s["queue_samples"] == 2 * PROFILE and len(heads) == 1


def test_redirect_is_not_followed(tmp_path):
    """Nor do credentials."""
    (tmp_path / "token").write_text("geheim")
    with server(good) as (other, stolen):
        def answer(conn, head, n):
            conn.sendall(f"HTTP/1.1 307 No\r\nLocation: {other}/\r\nContent-Length: 0\r\n\r\n".encode())

        with server(answer) as (url, _):
            with Deliver(tmp_path, pyroscope(url, token=tmp_path / "token")) as d:
                d.put()
                s = d.wait("p", lambda s: s["error"])
                assert "redirects to" in s["error"]
                assert d.quit()["p"]["queue_samples"] == PROFILE
    assert not stolen


def test_refused_for_good(tmp_path):
    """In the server's own words."""
    with sink(tmp_path / "got", "-answer", "400") as url, Deliver(tmp_path, pyroscope(url)) as d:
        d.put(3)
        s = d.quit(5000)["p"]
        assert d.events().count("refused") == 1
    assert s["rejected"] == 3 * PROFILE and s["queue_entries"] == 0
    assert "outside of ingestion window" in s["error"]


def refusal(words):
    body = json.dumps({"code": "invalid_argument", "message": words}).encode()
    return b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_other_words_are_told(tmp_path):
    """Of a refusal, and of a failure; other numbers in them are not other words."""
    words = ["too old by 7 s", "too old by 8 s", "too many labels", "too old by 9 s"]

    def answer(conn, head, n):
        profile, later = divmod(n - 1, SERVICES)
        if profile < len(words):
            conn.sendall(refusal(words[profile]))
        else:
            conn.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % (503 if later == 0 else 502))

    with server(answer) as (url, _), Deliver(tmp_path, pyroscope(url)) as d:
        d.put(len(words) + 1)
        s = d.wait("p", lambda s: s["later"] == 3)
        d.quit()
        told = [line for line in d.events().splitlines() if "refused" in line]
        assert [w for line in told for w in words if w in line] == [words[0], *words[2:]], told
        told = [line for line in d.events().splitlines() if "failing" in line]
        assert len(told) == 2 and "answered 503" in told[0] and "answered 502" in told[1], told
    assert s["rejected"] == len(words) * PROFILE


def test_too_large_is_halved(tmp_path):
    """Down to single samples of the profile: one of the services has four."""
    sizes = []

    def answer(conn, head, n):
        length = int(head.lower().split("content-length:")[1].split()[0])
        sizes.append(length)
        small = length < 520
        conn.sendall(OK if small else b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as (url, _), Deliver(tmp_path, pyroscope(url)) as d:
        d.put()
        s = d.quit(5000)["p"]
    assert s["delivered"] + s["rejected"] == PROFILE and s["queue_entries"] == 0
    assert s["too_large"] > 0 and s["taken"] > 0, sizes


def test_unknown_name(tmp_path):
    with Deliver(tmp_path, pyroscope("http://no-such-host.invalid:4040")) as d:
        d.put()
        s = d.wait("p", lambda s: s["error"], 40)
        assert "no-such-host.invalid" in s["error"]
        assert d.quit()["p"]["queue_samples"] == PROFILE


@pytest.mark.parametrize("grace_ms", [0, 1500])
def test_stop_of_a_server_that_hangs(tmp_path, grace_ms):
    """It has its time to answer and no more; only what was sent is uncertain."""
    with server(hang) as (url, heads), Deliver(tmp_path, pyroscope(url, timeout=60000)) as d:
        d.put()
        while not heads:
            time.sleep(0.02)
        start = time.monotonic()
        s = d.quit(0, grace_ms)["p"]
        assert grace_ms / 1000 <= time.monotonic() - start < grace_ms / 1000 + 2.5
    assert 0 < s["uncertain"] < PROFILE and s["uncertain"] + s["queue_samples"] == PROFILE


def test_stop_waits_for_an_answer(tmp_path):
    """And begins no other request: the rest stays in the queue, and is sent by the next one."""
    with sink(tmp_path / "got", "-delay", "1s") as url:
        with Deliver(tmp_path, pyroscope(url, timeout=5000)) as d:
            d.put()
            while not list((tmp_path / "got").glob("*.spans.json")):
                time.sleep(0.02)
            start = time.monotonic()
            s = d.quit(0, 5000)["p"]
            assert time.monotonic() - start < 2.5
        assert s["uncertain"] == 0 and s["taken"] == 1
        assert s["delivered"] == received(tmp_path / "got") < PROFILE
        with Deliver(tmp_path, pyroscope(url, timeout=5000)) as d:
            assert d.quit(10000)["p"]["queue_samples"] == 0
    assert received(tmp_path / "got") == PROFILE


@pytest.mark.waits
def test_change_waits_for_an_answer(tmp_path):
    """An endpoint that is set anew in the middle of a request."""
    with sink(tmp_path / "got", "-delay", "1s") as url:
        with Deliver(tmp_path, pyroscope(url, timeout=5000)) as d:
            d.put(2)
            for tenant in "abcd":
                (tmp_path / "set").write_text(f"name=p type=pyroscope url={url} tenant={tenant}\n")
                time.sleep(0.5)
                assert d.ask(f"set {tmp_path}/set") == "set"
            s = d.quit(20000)["p"]
    assert s["delivered"] == 2 * PROFILE == received(tmp_path / "got"), s


def test_stop_does_not_wait_for_a_connection(tmp_path):
    """Nothing of the request was sent: there is no answer to wait for."""
    with socket.socket() as silent:  # does its part of TCP, not of TLS
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with Deliver(tmp_path, pyroscope(url, timeout=60000)) as d:
            d.put()
            time.sleep(0.5)
            start = time.monotonic()
            s = d.quit(0, 5000)["p"]
            assert time.monotonic() - start < 2.5
    assert s["queue_samples"] == PROFILE


def test_full_disk(tmp_path):
    """The oldest make room; nothing is fatal."""
    folder = tmp_path / "spool"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "none", folder], check=True)
    try:
        with Deliver(tmp_path, pyroscope("http://127.0.0.1:1")) as d:
            assert d.put(100) == 0
            d.wait("p", lambda s: s["queue_entries"])
            s = d.quit()["p"]
        waiting = s["queue_samples"]
        assert s["put"] == s["expired"] + waiting == 100 * PROFILE and s["expired"] and waiting
        with sink(tmp_path / "got") as url, Deliver(tmp_path, pyroscope(url)) as d:
            d.put(100)
            s = d.quit(20000)["p"]
        assert s["found"] == waiting and s["queue_samples"] == 0
        assert s["put"] + s["unspooled"] == 100 * PROFILE
        assert s["found"] + s["put"] == s["delivered"] + s["expired"]
        assert s["delivered"] == received(tmp_path / "got")
    finally:
        subprocess.run(["umount", folder], check=True)


def test_outside_of_the_server_s_window(tmp_path):
    """What waited for too long, or has a clock's time ahead, is refused; what lies between is not."""
    with sink(tmp_path / "got") as url, Deliver(tmp_path, pyroscope(url)) as d:
        for ago_s in 0, 2 * 3600, -3600, 50 * 60, -5 * 60:
            assert d.put(1, ago_s) == 0
        s = d.quit(5000)["p"]
    assert s["delivered"] == 3 * PROFILE == received(tmp_path / "got")
    assert s["rejected"] == 2 * PROFILE and s["refused"] == 2 * SERVICES and s["queue_samples"] == 0
    assert "outside of ingestion window" in s["error"]


# --- TLS ----------------------------------------------------------------------------------------


def openssl(*words, cwd):
    return subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True, text=True).stdout


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out",
                f"{name}.pem", cwd=folder)  # fmt: skip

    @property
    def path(self):
        return self.folder / f"{self.name}.pem"

    def issue(self, name, host, days=2):
        (self.folder / "ext").write_text(f"subjectAltName=DNS:{host}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.folder)  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.pem", "-CAkey",
                f"{self.name}.key", "-CAcreateserial", "-days", str(days), "-extfile", "ext",
                "-out", f"{name}.pem", cwd=self.folder)  # fmt: skip
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"


def tls_server(cert, key, client_ca=None, newest=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(cert, key)
    if newest:
        c.minimum_version = ssl.TLSVersion.TLSv1
        c.maximum_version = newest
        c.set_ciphers("ALL:@SECLEVEL=0")
    if client_ca:
        c.load_verify_locations(client_ca)
        c.verify_mode = ssl.CERT_REQUIRED
    return c


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path, "authority")


def deliver_to(tmp_path, context, env=None, **options):
    """One profile; the statistics when it is delivered or has failed."""
    with server(good, context) as (url, heads), Deliver(tmp_path, pyroscope(url, **options), env=env) as d:
        d.put()
        d.wait("p", lambda s: s["delivered"] == PROFILE or s["unreached"] + s["no_answer"])
        return d.quit()["p"], heads


def test_tls(tmp_path, ca):
    s, _ = deliver_to(tmp_path, tls_server(*ca.issue("server", "localhost")), ca=ca.path)
    assert s["delivered"] == PROFILE, s


def test_tls_server_name(tmp_path, ca):
    """The certificate's name is not that of the URL; the Host header stays the URL's."""
    context = tls_server(*ca.issue("server", "profiles.example"))
    s, heads = deliver_to(tmp_path, context, ca=ca.path, server_name="profiles.example")
    assert s["delivered"] == PROFILE, s
    assert "Host: localhost:" in heads[0]


def expired(tmp_path, ca):
    return tls_server(*ca.issue("server", "localhost", days=-1)), {"ca": ca.path}


def wrong_host(tmp_path, ca):
    return tls_server(*ca.issue("server", "other.example")), {"ca": ca.path}


def unknown_authority(tmp_path, ca):
    return tls_server(*ca.issue("server", "localhost")), {"ca": Authority(tmp_path, "b").path}


def systems_authorities(tmp_path, ca):
    return tls_server(*ca.issue("server", "localhost")), {}


# Or OpenSSL would refuse by itself, as distributions configure it, what is older than TLS 1.2.
WILLING = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
MinProtocol = TLSv1
CipherString = DEFAULT:@SECLEVEL=0
"""


def old_tls(tmp_path, ca):
    (tmp_path / "openssl.cnf").write_text(WILLING)
    env = {"OPENSSL_CONF": str(tmp_path / "openssl.cnf")}
    context = tls_server(*ca.issue("server", "localhost"), newest=ssl.TLSVersion.TLSv1_1)
    with server(good, context) as (url, _):  # libcurl would speak it, too
        words = ["curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", ca.path, "--tlsv1.1", url]
        subprocess.run(words, check=True, timeout=20, env={**os.environ, **env})
    return context, {"ca": ca.path, "env": env}


BAD_TLS = [expired, wrong_host, unknown_authority, systems_authorities, old_tls]


@pytest.mark.parametrize("make", BAD_TLS)
def test_bad_tls_gets_nothing(tmp_path, ca, make):
    context, options = make(tmp_path, ca)
    s, heads = deliver_to(tmp_path, context, **options)
    assert s["queue_samples"] == PROFILE and s["unreached"] and not heads
    assert "SSL" in s["error"] or "certificate" in s["error"] or "TLS" in s["error"], s["error"]


@pytest.mark.parametrize(
    "oldest, newest, fate",
    [("1.2", ssl.TLSVersion.TLSv1_2, "delivered"), ("1.3", ssl.TLSVersion.TLSv1_2, "queue_samples"),
     ("1.3", ssl.TLSVersion.TLSv1_3, "delivered")],
)  # fmt: skip
def test_oldest_version_of_tls(tmp_path, ca, oldest, newest, fate):
    """A server gets what is for it if its newest version is not older."""
    context = tls_server(*ca.issue("server", "localhost"), newest=newest)
    s, heads = deliver_to(tmp_path, context, ca=ca.path, min_version=oldest)
    assert s[fate] == PROFILE, s
    if fate != "delivered":
        assert s["unreached"] and not heads and ("SSL" in s["error"] or "TLS" in s["error"]), s


def test_insecure(tmp_path, ca):
    context, options = wrong_host(tmp_path, ca)
    assert deliver_to(tmp_path, context, insecure=1, **options)[0]["delivered"] == PROFILE


def test_client_certificate_is_read_again(tmp_path, ca):
    """One of an unknown authority first, then a good one under the same name."""
    other = Authority(tmp_path, "other")
    cert, key = (Path(p) for p in other.issue("client", "client"))
    context = tls_server(*ca.issue("server", "localhost"), client_ca=ca.path)
    with server(good, context) as (url, heads):
        e = pyroscope(url, ca=ca.path, cert=cert, key=key)
        with Deliver(tmp_path, e) as d:
            d.put()
            d.wait("p", lambda s: s["unreached"] + s["no_answer"])
            assert not heads
            ca.issue("client", "client")
            d.wait("p", lambda s: s["queue_entries"] == 0)
            s = d.quit()["p"]
    assert s["delivered"] + s["uncertain"] == PROFILE and s["delivered"] > 0


def test_client_certificate_is_renewed(tmp_path, ca):
    """The next request has the new one, though a connection that was made with the old one is kept."""
    cert, key = ca.issue("client", "client")
    context = tls_server(*ca.issue("server", "localhost"), client_ca=ca.path)
    serials, ports = [], []

    def issued():
        return openssl("x509", "-in", cert, "-noout", "-serial", cwd=tmp_path).strip().removeprefix("serial=")

    def answer(conn, head, n):
        serials.append(conn.getpeercert()["serialNumber"])
        ports.append(conn.getpeername()[1])
        if n == 3:
            ca.issue("client", "client")
        conn.sendall(OK)

    first = issued()
    with server(answer, context) as (url, _):
        with Deliver(tmp_path, pyroscope(url, ca=ca.path, cert=cert, key=key, timeout=10000)) as d:
            d.put()
            assert d.quit(10000)["p"]["delivered"] == PROFILE
    assert serials == 3 * [first] + 2 * [issued()] and first != issued()
    assert len(set(ports[:3])) == len(set(ports[3:])) == 1


def test_key_that_needs_a_password(tmp_path, ca):
    """Nobody is asked for it, at a terminal or elsewhere."""
    cert, key = ca.issue("client", "client")
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkey", "-in", key, "-out", locked, "-aes256", "-passout", "pass:x"], check=True)
    context = tls_server(*ca.issue("server", "localhost"), client_ca=ca.path)
    with server(good, context) as (url, heads):
        with Deliver(tmp_path, pyroscope(url, ca=ca.path, cert=cert, key=locked)) as d:
            d.put()
            assert str(locked) in d.wait("p", lambda s: s["error"])["error"]
            assert d.quit()["p"]["queue_samples"] == PROFILE
    assert not heads


# --- kill -9 ------------------------------------------------------------------------------------


def test_kill_9_sends_nothing_twice(tmp_path):
    with sink(tmp_path / "got") as url:
        for _ in range(20):
            with Deliver(tmp_path, pyroscope(url)) as d:
                d.put(3)  # and killed at once
        with Deliver(tmp_path, pyroscope(url)) as d:
            s = d.quit(20000)["p"]
        got = received(tmp_path / "got")
    assert s["queue_entries"] == 0
    assert 60 * PROFILE - 20 * 50 <= got <= 60 * PROFILE, (got, s)


# --- OTLP ---------------------------------------------------------------------------------------


def otlp(url, kind="http", **options):
    return {"name": "o", "type": f"otlp_{kind}", "url": url, "timeout": 1000, **options}


def http_answer(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_otlp_http(tmp_path):
    with server(lambda conn, head, n: conn.sendall(http_answer(200))) as (url, heads):
        with Deliver(tmp_path, otlp(url)) as d:
            d.put(3)
            assert d.quit(5000)["o"]["delivered"] == 3 * PROFILE
    assert len(heads) == 3
    for line in ("POST /v1development/profiles ", "Content-Type: application/x-protobuf\r\n",
                 "Content-Encoding: gzip\r\n"):  # fmt: skip
        assert all(line in h for h in heads)


def test_otlp_no_answer_is_sent_again(tmp_path):
    """As the specification has it."""
    with server(lambda c, h, n: False if n == 1 else c.sendall(http_answer(200))) as (url, heads):
        with Deliver(tmp_path, otlp(url)) as d:
            d.put()
            s = d.wait("o", lambda s: s["delivered"])
            d.quit()
    assert s["delivered"] == PROFILE and s["no_answer"] == 1 and len(heads) == 2


def partial_success(rejected, text):
    partial = b"\x08" + bytes([rejected]) + b"\x12" + bytes([len(text)]) + text
    return b"\x0a" + bytes([len(partial)]) + partial


def test_otlp_warning(tmp_path):
    """Partial success of which nothing was rejected: all is taken, and the words are told."""
    body = partial_success(0, b"old version")
    with server(lambda c, h, n: c.sendall(http_answer(200, body))) as (url, _):
        with Deliver(tmp_path, otlp(url)) as d:
            d.put()
            s = d.quit(5000)["o"]
            assert "o: warned" in d.events() and "old version" in d.events()
            assert "refused" not in d.events()
    assert s["delivered"] == PROFILE


def test_otlp_partial_success(tmp_path):
    """Of the request's profiles two were dropped: their share of the samples is rejected."""
    body = partial_success(2, b"no room")
    with server(lambda c, h, n: c.sendall(http_answer(200, body))) as (url, heads):
        with Deliver(tmp_path, otlp(url)) as d:
            d.put()
            s = d.quit(5000)["o"]
    assert 0 < s["rejected"] < PROFILE and s["partial"] == 1 and "no room" in s["error"]
    assert len(heads) == 1


@pytest.mark.parametrize("status, fate", [(400, "rejected"), (500, "rejected"), (503, "kept"), (401, "kept")])
def test_otlp_failures(tmp_path, status, fate):
    with server(lambda c, h, n: c.sendall(http_answer(status, b"words"))) as (url, _):
        with Deliver(tmp_path, otlp(url)) as d:
            d.put()
            d.wait("o", lambda s: s["refused"] + s["later"] + s["denied"])
            s = d.quit()["o"]
    assert s["rejected" if fate == "rejected" else "queue_samples"] == PROFILE


def test_otlp_too_large_is_halved(tmp_path):
    def answer(conn, head, n):
        length = int(head.lower().split("content-length:")[1].split()[0])
        conn.sendall(http_answer(200 if length < 700 else 413))

    with server(answer) as (url, heads), Deliver(tmp_path, otlp(url)) as d:
        d.put()
        s = d.quit(5000)["o"]
        assert d.events() == ""
    assert s["delivered"] == PROFILE and s["too_large"] >= 1 and s["taken"] >= 2
    assert len(heads) == s["taken"] + s["too_large"]


# --- gRPC: frames of HTTP/2 by hand ---


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4


def literal(name, value):
    """A header field without indexing and Huffman code; names and values below 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def trailers(stream, status, message=""):
    fields = b"\x88" + literal("content-type", "application/grpc") + literal("grpc-status", status)
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, fields + literal("grpc-message", message))


def take(conn, n):
    data = b""
    while len(data) < n:
        part = conn.recv(n - len(data))
        if not part:
            raise OSError("gone")
        data += part
    return data


@contextmanager
def grpc_server(answer, tls=None, heads=None):
    """
    answer(conn, stream, n) when a request is whole; yields (URL, bodies). `heads`: a list that gets
    what frames of HEADERS hold.
    """
    bodies = []
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)

    def serve(conn):
        try:
            conn = tls.wrap_socket(conn, server_side=True) if tls else conn
            assert take(conn, 24).startswith(b"PRI * HTTP/2.0")
            conn.sendall(frame(SETTINGS, 0, 0))
            body = b""
            while True:
                head = take(conn, 9)
                payload = take(conn, int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big")
                if kind == SETTINGS and not flags & 1:
                    conn.sendall(frame(SETTINGS, 1, 0))
                if kind == HEADERS and heads is not None:
                    heads.append(payload)
                if kind == DATA:
                    body += payload
                if kind == DATA and flags & END_STREAM:
                    bodies.append(body)
                    body = b""
                    if answer(conn, stream, len(bodies)) is False:
                        return
        except OSError:
            pass
        finally:
            conn.close()

    at = "https://localhost" if tls else "http://127.0.0.1"
    with accepting(listener, serve):
        yield f"{at}:{listener.getsockname()[1]}", bodies


def grpc_ok(conn, stream, n):
    head = frame(HEADERS, END_HEADERS, stream, b"\x88" + literal("content-type", "application/grpc"))
    end = frame(HEADERS, END_STREAM | END_HEADERS, stream, literal("grpc-status", "0"))
    conn.sendall(head + frame(DATA, 0, stream, bytes(5)) + end)


def test_grpc(tmp_path):
    with grpc_server(grpc_ok) as (url, bodies), Deliver(tmp_path, otlp(url, "grpc")) as d:
        d.put(3)
        assert d.quit(5000)["o"]["delivered"] == 3 * PROFILE
    assert len(bodies) == 3
    for body in bodies:  # compressed, and the length of what follows
        assert body[0] == 1 and int.from_bytes(body[1:5], "big") == len(body) - 5
        assert gzip.decompress(body[5:])


LONG = 20 * "~"  # in HPACK's code: what ends so is sent as it is


@pytest.mark.parametrize("tls", [False, True])
def test_grpc_headers_and_secrets(tmp_path, ca, tls):
    """Token, tenant and header of each request; over TLS it is agreed upon that it is HTTP/2."""
    (tmp_path / "token").write_text("geheim" + LONG)
    context = tls_server(*ca.issue("server", "localhost")) if tls else None
    if tls:
        context.set_alpn_protocols(["h2"])
    agreed, heads = [], []

    def answer(conn, stream, n):
        agreed.append(conn.selected_alpn_protocol() if tls else "h2")
        grpc_ok(conn, stream, n)

    with grpc_server(answer, context, heads) as (url, bodies):
        e = otlp(url, "grpc", token=tmp_path / "token", tenant="team" + LONG, header="x" + LONG,
                 **({"ca": ca.path} if tls else {}))  # fmt: skip
        with Deliver(tmp_path, e) as d:
            d.put(3)
            assert d.quit(10000)["o"]["delivered"] == 3 * PROFILE
            assert "geheim" not in d.events()
    assert len(bodies) == len(heads) == 3 and agreed == 3 * ["h2"]
    for head in heads:
        assert all((text + LONG).encode() in head for text in ("Bearer geheim", "team", "x")), head


@pytest.mark.parametrize(
    "status, message, fate",
    [("3", "bad%20dictionary", "rejected"), ("14", "away", "queue_samples"),
     ("16", "who are you", "queue_samples"), ("12", "unknown service", "queue_samples")],
)  # fmt: skip
def test_grpc_failures(tmp_path, status, message, fate):
    def answer(conn, stream, n):
        conn.sendall(trailers(stream, status, message))

    with grpc_server(answer) as (url, _), Deliver(tmp_path, otlp(url, "grpc")) as d:
        d.put()
        d.wait("o", lambda s: s["refused"] + s["later"] + s["denied"])
        s = d.quit()["o"]
    assert s[fate] == PROFILE and message.replace("%20", " ") in s["error"]


def reset(conn, stream, n):
    conn.sendall(frame(RST_STREAM, 0, stream, (2).to_bytes(4, "big")))


def goaway(conn, stream, n):
    conn.sendall(frame(GOAWAY, 0, 0, bytes(4) + (2).to_bytes(4, "big")))
    return False


@pytest.mark.parametrize("failure", [reset, goaway])
def test_grpc_reset(tmp_path, failure):
    """Sent again, and taken then."""
    def answer(conn, stream, n):
        return failure(conn, stream, n) if n <= 2 else grpc_ok(conn, stream, n)

    with grpc_server(answer) as (url, bodies), Deliver(tmp_path, otlp(url, "grpc")) as d:
        d.put(2)
        d.wait("o", lambda s: s["delivered"] == 2 * PROFILE, 30)
        s = d.quit()["o"]
    assert s["no_answer"] >= 1 and len(bodies) >= 4


def test_grpc_server_that_has_no_http2(tmp_path):
    with server(good) as (url, _), Deliver(tmp_path, otlp(url, "grpc")) as d:
        d.put()
        d.wait("o", lambda s: s["no_answer"] + s["unreached"] + s["denied"])
        assert d.quit()["o"]["queue_samples"] == PROFILE


# --- proxies ------------------------------------------------------------------------------------


NO_PROXIES = dict.fromkeys(
    [f(name) for name in ("no_proxy", "http_proxy", "https_proxy", "all_proxy")
     for f in (str.lower, str.upper)], "",
)  # fmt: skip
SECRETS = ("Authorization", "X-Scope-OrgID", "X-Test", "geheim")


def pump(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def tunnel(client, host, port):
    with socket.create_connection((host, port)) as upstream:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there = threading.Thread(target=pump, args=(client, upstream), daemon=True)
        there.start()
        pump(upstream, client)
        there.join(5)


def forward(client, head, body):
    """One request in the absolute form, and its answer."""
    line, _, headers = head.partition("\r\n")
    method, url, version = line.split()
    assert url.startswith("http://")
    host, _, path = url.removeprefix("http://").partition("/")
    with socket.create_connection(host.split(":")) as upstream:
        upstream.sendall(f"{method} /{path} {version}\r\n{headers}\r\n\r\n".encode() + body)
        answer, body = read_request(upstream)
        client.sendall(answer.encode() + b"\r\n\r\n" + body)


@contextmanager
def proxy(refuse=None, first=()):
    """
    Forwards, and connects to what CONNECT says; or answers `refuse`, and to the first requests what
    is in `first`. Yields (URL, heads).
    """
    heads = []
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(32)

    def serve(conn):
        try:
            while True:
                head, body = read_request(conn)
                if not head:
                    return
                heads.append(head)
                if refuse or len(heads) <= len(first):
                    conn.sendall(refuse or first[len(heads) - 1])
                elif head.startswith("CONNECT "):
                    return tunnel(conn, *head.split()[1].split(":"))
                else:
                    forward(conn, head, body)
        except OSError:
            pass
        finally:
            conn.close()

    with accepting(listener, serve):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads


def through(url, how):
    """The environment and the options that make `url` the proxy of all endpoints."""
    if how == "option":  # counts before NO_PROXY
        return {**NO_PROXIES, "no_proxy": "*"}, {"proxy": url}
    return {**NO_PROXIES, how: url}, {}


def deliver_through(tmp_path, env, e, n=1):
    with Deliver(tmp_path, e, env=env) as d:
        d.put(n)
        return d.quit(10000)[e["name"]]


@pytest.mark.parametrize("how", ["http_proxy", "HTTP_PROXY", "all_proxy", "option"])
def test_proxy_forwards_http(tmp_path, how):
    with server(good) as (url, heads), proxy() as (proxy_url, asked):
        env, options = through(proxy_url, how)
        s = deliver_through(tmp_path, env, pyroscope(url, **options))
    assert s["delivered"] == PROFILE, s
    assert len(heads) == len(asked) == SERVICES
    assert all(h.startswith(f"POST {url}/push.v1.PusherService/Push ") for h in asked)


@pytest.mark.parametrize("how", ["https_proxy", "HTTPS_PROXY", "option"])
@pytest.mark.parametrize("kind", [pyroscope, otlp])
def test_proxy_connects_https(tmp_path, ca, how, kind):
    """It learns where to, and nothing of what is for the server."""
    (tmp_path / "token").write_text("geheim")
    context = tls_server(*ca.issue("server", "localhost"))
    with server(good, context) as (url, heads), proxy() as (proxy_url, asked):
        env, options = through(proxy_url, how)
        e = kind(url, ca=ca.path, token=tmp_path / "token", tenant="team", header="x", **options)
        s = deliver_through(tmp_path, env, e)
    assert s["delivered"] == PROFILE, s
    assert asked and heads
    for head in asked:
        assert head.startswith(f"CONNECT {url.removeprefix('https://')} HTTP/1.1\r\n")
        assert not any(secret.lower() in head.lower() for secret in SECRETS), head
    for head in heads:
        assert all(secret in head for secret in SECRETS), head
        assert "Proxy-" not in head


def test_proxy_and_server_name(tmp_path, ca):
    """The proxy connects to the URL's host, the certificate is for another name."""
    context = tls_server(*ca.issue("server", "profiles.example"))
    with server(good, context) as (url, heads), proxy() as (proxy_url, asked):
        env, options = through(proxy_url, "option")
        e = pyroscope(url, ca=ca.path, server_name="profiles.example", **options)
        s = deliver_through(tmp_path, env, e)
    assert s["delivered"] == PROFILE, s
    assert all(h.startswith(f"CONNECT {url.removeprefix('https://')} ") for h in asked)


@pytest.mark.parametrize("how", ["http_proxy", "HTTP_PROXY", "option"])
def test_proxy_tunnels_grpc(tmp_path, how):
    """HTTP/2 without TLS: a proxy that forwards would speak HTTP/1."""
    (tmp_path / "token").write_text("geheim")
    with grpc_server(grpc_ok) as (url, bodies), proxy() as (proxy_url, asked):
        env, options = through(proxy_url, how)
        e = otlp(url, "grpc", token=tmp_path / "token", tenant="team", header="x", **options)
        s = deliver_through(tmp_path, env, e, 3)
    assert s["delivered"] == 3 * PROFILE, s
    assert len(bodies) == 3 and asked
    for head in asked:
        assert head.startswith(f"CONNECT {url.removeprefix('http://')} HTTP/1.1\r\n")
        assert not any(secret.lower() in head.lower() for secret in SECRETS), head


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("proxy_name", ["http_proxy", "HTTP_PROXY"])
def test_no_proxy(tmp_path, name, proxy_name):
    with server(good) as (url, heads), proxy() as (proxy_url, asked):
        env = {**NO_PROXIES, proxy_name: proxy_url, name: "example.com,localhost"}
        s = deliver_through(tmp_path, env, pyroscope(url))
    assert s["delivered"] == PROFILE and len(heads) == SERVICES and not asked


@pytest.mark.parametrize("tls", [False, True])
def test_password_of_a_proxy(tmp_path, ca, tls):
    """It goes to the proxy, and to nobody else."""
    context = tls_server(*ca.issue("server", "localhost")) if tls else None
    with server(good, context) as (url, heads), proxy() as (proxy_url, asked):
        proxy_url = proxy_url.replace("//", "//user:geheim@")
        env = {**NO_PROXIES, "https_proxy" if tls else "http_proxy": proxy_url}
        with Deliver(tmp_path, pyroscope(url, ca=ca.path), env=env) as d:
            d.put()
            assert d.quit(10000)["p"]["delivered"] == PROFILE
            assert "geheim" not in d.events()
    assert asked and all("Proxy-Authorization: Basic dXNlcjpnZWhlaW0=" in h for h in asked)
    if tls:
        assert not any("roxy" in h for h in heads)


@pytest.mark.parametrize(
    "address, words", [("http://user:geheim@localhost:1", "port 1"),
                       ("http://user:geheim@no-such-host.invalid:1", "no-such-host.invalid"),
                       ("http://user:geheim@localhost:99999", "URL of the proxy"),
                       (f"http://user:{'geheim' * 60}@localhost:99999", "URL of the proxy"),
                       ("gopher://user:geheim@localhost:1", "URL of the proxy")],
)  # fmt: skip
def test_password_of_a_proxy_is_in_no_message(tmp_path, address, words):
    env = {**NO_PROXIES, "http_proxy": address}
    with Deliver(tmp_path, pyroscope("http://localhost:1"), env=env) as d:
        d.put()
        s = d.wait("p", lambda s: s["error"], 40)
        assert "geheim" not in s["error"] + d.events() and words in s["error"], s
        assert d.quit()["p"]["queue_samples"] == PROFILE


REFUSALS = [(407, "needs credentials"), (403, "proxy"), (502, "proxy"), (503, "proxy")]


@pytest.mark.parametrize("status, words", REFUSALS)
@pytest.mark.parametrize("kind, scheme", [(pyroscope, "https"), (otlp, "https"), ("grpc", "http")])
def test_proxy_that_does_not_connect(tmp_path, kind, scheme, status, words):
    """Nothing was sent. What a person can mend is not tried all the time."""
    no = f"HTTP/1.1 {status} No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
    url = f"{scheme}://localhost:1"
    with proxy(refuse=no.encode()) as (proxy_url, asked):
        e = otlp(url, "grpc") if kind == "grpc" else kind(url)
        with Deliver(tmp_path, {**e, "proxy": proxy_url}) as d:
            d.put()
            s = d.wait(e["name"], lambda s: s["unreached"] + s["denied"])
            assert words in s["error"] and str(status) in s["error"], s
            time.sleep(2.5)
            n = len(asked)
            s = d.quit()[e["name"]]
    assert s["queue_samples"] == PROFILE and s["no_answer"] == 0
    assert (n == 1 and s["denied"] == 1) if status in (403, 407) else (n >= 2 and s["denied"] == 0)


@pytest.mark.parametrize("kind", [pyroscope, otlp])
def test_proxy_that_does_not_forward(tmp_path, kind):
    no = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
    with proxy(refuse=no) as (proxy_url, asked):
        e = kind("http://localhost:1", proxy=proxy_url)
        with Deliver(tmp_path, e) as d:
            d.put()
            s = d.wait(e["name"], lambda s: s["denied"])
            assert "407" in s["error"] and "needs credentials" in s["error"], s
            time.sleep(2)
            assert d.quit()[e["name"]]["queue_samples"] == PROFILE
    assert len(asked) == 1


def test_proxy_that_hangs(tmp_path):
    """No request was sent, so that none is uncertain."""
    with server(hang) as (proxy_url, asked):
        with Deliver(tmp_path, pyroscope("https://localhost:1", proxy=proxy_url)) as d:
            d.put()
            s = d.wait("p", lambda s: s["unreached"] >= 2)
            s = d.quit()["p"]
    assert s["queue_samples"] == PROFILE and s["uncertain"] == 0 and len(asked) >= 2


def test_proxy_down_then_up(tmp_path):
    with server(good) as (url, _), proxy() as (proxy_url, _):
        with Deliver(tmp_path, pyroscope(url, proxy="http://127.0.0.1:1")) as d:
            d.put()
            s = d.wait("p", lambda s: s["unreached"])
            assert d.quit()["p"]["queue_samples"] == PROFILE
        with Deliver(tmp_path, pyroscope(url, proxy=proxy_url)) as d:
            assert d.quit(5000)["p"]["delivered"] == PROFILE
