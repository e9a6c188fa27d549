# SPDX-License-Identifier: Apache-2.0
"""
spanprof agent, from the program that is sampled to the server that received it. What it says of
itself in /metrics is compared with what arrived.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import pprof
from conftest import ROOT, open_shop, wait_until_busy
from program import NOBODY, assert_refused, errors, folder_of_nobody, run
from test_delivery import Authority, good, http_answer, server, tls_server
from test_push import sink
from test_targets import cgroup2_root

HZ = 199


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Agent:
    """A running agent whose files are below `folder`. `config`: keys as JSON, which is YAML."""

    def __init__(self, spanprof, folder, endpoints, prefix=(), **config):
        self.spanprof, self.folder, self.prefix = spanprof, folder, prefix
        self.port = free_port()
        self.config = {
            "frequency": HZ, "interval": "1s", "endpoints": endpoints,
            "spool": {"directory": f"{folder}/spool"}, "listen": f"127.0.0.1:{self.port}",
            "control_socket": f"{folder}/control", "symbols": {"cache": ""},
            "budgets": {"cpu_percent": "100%"}, **config,
        }  # fmt: skip
        self.log = open(folder / "log", "a+", encoding="utf-8")
        self.program = None

    def write_config(self):
        (self.folder / "agent.yaml").write_text(json.dumps(self.config))

    def launch(self):
        self.steady = {e["name"] for e in self.config["endpoints"]}
        self.write_config()
        words = [*self.prefix, self.spanprof, "agent", "-c", self.folder / "agent.yaml"]
        self.program = subprocess.Popen(words, stderr=self.log, env={**os.environ, "no_proxy": "*"})

    def start(self):
        self.launch()
        self.wait(lambda: self.get("/readyz")[0] == 200)
        return self

    def wait(self, what, seconds=30):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end and self.program.poll() is None, self.messages()
            time.sleep(0.1)

    def messages(self):
        return (self.folder / "log").read_text()

    def get(self, path, method="GET", timeout=5):
        """(status, text); (0, "") without an answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name):
        """Its value; with labels as in name{endpoint="x"}."""
        status, text = self.get("/metrics")
        assert status == 200
        found = re.search(rf"^spanprof_{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    def metrics(self):
        """Those without labels, as they were at one time."""
        status, text = self.get("/metrics")
        assert status == 200
        return {k: float(v) for k, v in re.findall(r"^spanprof_(\w+) (\S+)$", text, re.MULTILINE)}

    def courier(self):
        """Its pid: the child that is not the reader of files."""
        for pid in children(self.program.pid):
            with suppress(OSError):  # it has ended meanwhile
                if "spanprof-send" in Path(f"/proc/{pid}/comm").read_text():
                    return pid
        return None

    def numbers(self):
        """All of /metrics, as by one look: {name{labels}: value}."""
        status, text = self.get("/metrics")
        assert status == 200
        return {n: float(v) for n, v in re.findall(r"^spanprof_(\S+) (\S+)$", text, re.MULTILINE)}

    def reload(self):
        self.steady &= {e["name"] for e in self.config["endpoints"]}
        before = self.metric("config_reloads_total")
        self.write_config()
        self.program.send_signal(signal.SIGHUP)
        self.wait(lambda: self.metric("config_reloads_total") == before + 1)

    def stop(self, conserved=True):
        """conserved=False: at once, as what is sampled is compared with the time until now."""
        if conserved:
            assert_conserved(self)
        self.program.terminate()
        status = self.program.wait(30)
        assert status == 0, f"{status}\n{self.messages()}"

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.program.poll() is None:
            self.program.kill()
            self.program.wait()
        self.log.close()


FATES = "delivered", "rejected", "expired", "damaged", "uncertain"


def unaccounted(m, endpoints, late=0):
    """
    For each sum what is missing in it: samples, less what became of them. As many as `late` may be
    in profiles that wait to be named.
    """
    def total(*names):
        return sum(m[f"samples_{n}_total"] for n in names)

    def of(endpoint, *names):
        return sum(m[f'endpoint_samples_{n}_total{{endpoint="{endpoint}"}}'] for n in names)

    second = os.cpu_count() * max(m["sampling_frequency_hertz"], m["sampling_frequency_configured_hertz"])
    put = total("profiled", "recovered") - total("dropped_by_rules", "failed")
    # (what is missing, how much of that is in a ring buffer, the interval at hand, or waits)
    sums = {
        "taken": (total("taken") - total("delivered", "unwanted", "lost_ring", "malformed", "dropped"), second),
        "profiled": (total("delivered") - total("profiled"), second * (m["interval_seconds"] + 1) + late),
    }  # fmt: skip
    for e in endpoints:
        waiting = m[f'endpoint_queue_samples{{endpoint="{e}"}}']
        sums[f"put for {e}"] = (put - of(e, "queued", "unspooled"), late)
        sums[f"delivered to {e}"] = (of(e, "found", "queued") - of(e, *FATES) - waiting, 0)
    return {name: n for name, (n, most) in sums.items() if not 0 <= n <= most}


def assert_conserved(agent):
    """
    Each sample that was taken is in a profile or counted as what became of it, and so is each that
    was profiled, for each endpoint that was there from the start. Its numbers are not of one moment,
    so that it is enough if they agree at one. A host that is too busy may never have named all.
    """
    for late in 0, 1e9:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            m = agent.numbers()
            wrong = unaccounted(m, agent.steady, late if m["intervals_waiting"] else 0)
            if not wrong:
                return
            time.sleep(0.1)
    assert not wrong, f"{wrong}\n{m}\n{agent.messages()}"


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="utf-8") as f:
            found += f.read().split()
    return [int(c) for c in found]


def directory(path, name="files"):
    return {"name": name, "type": "directory", "path": str(path)}


def profiles(folder):
    return [pprof.load(p) for p in sorted(folder.glob("*.pb.gz"))]


def samples(folder, **labels):
    """Samples with these labels ('.' written as '__') in all profiles."""
    want = {k.replace("__", "."): v for k, v in labels.items()}
    return sum(
        s.values[0]
        for p in profiles(folder)
        for s in p.samples
        if all(s.labels.get(k) == v for k, v in want.items())
    )


def counts(folder, key):
    """Samples by key(sample) in all profiles, by their CPU time: a server gets no other value."""
    total = Counter()
    for p in profiles(folder):
        for s in p.samples:
            total[key(s)] += s.values[-1] // p.period
    return total


def received(folder):
    """Samples of all requests that the sink has taken."""
    return counts(folder, lambda s: None).total()


@pytest.fixture
def busy(workloads):
    """A program that burns one CPU: its pid."""
    with subprocess.Popen([workloads / "split-le", "--cpu-seconds", "1000"]) as program:
        wait_until_busy(program.pid)
        yield program.pid
        program.terminate()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- what is sampled arrives ---------------------------------------------------------------------


def test_every_sample_arrives_once_everywhere(spanprof, busy, tmp_path):
    """At the end nothing is left: what was sampled is in the files, and at the server."""
    with sink(tmp_path / "got") as url:
        server = {"name": "server", "type": "pyroscope", "url": url}
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out"), server]) as agent:
            before = cpu_seconds(busy)
            time.sleep(4.5)
            used = cpu_seconds(busy) - before
            agent.stop(conserved=False)
    total = samples(tmp_path / "out")
    at_server = received(tmp_path / "got")
    assert at_server == total
    assert samples(tmp_path / "out", pid=busy) == pytest.approx(used * HZ, rel=0.1)
    assert len(profiles(tmp_path / "out")) >= 4
    assert not list((tmp_path / "spool" / "queue" / "files").iterdir())


def test_spans_of_a_shop(spanprof, workloads, tmp_path):
    """The story: which function, for which request, of which service."""
    with open_shop(workloads, tmp_path / "truth") as shop:
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
            time.sleep(4)
            agent.stop()
    mine = [
        s for p in profiles(tmp_path / "out") for s in p.samples
        if s.labels.get("pid") == shop.pid and "span_id" in s.labels
    ]  # fmt: skip
    names = {f.name for s in mine for f in s.frames}
    assert sum(s.values[0] for s in mine) > 100
    assert "validate_third_party" in names or any("validate_third_party" in n for n in names), names
    assert all("trace_id" in s.labels and s.labels["service.name"] for s in mine)


def test_metrics_agree_with_the_files(spanprof, busy, tmp_path):
    dead = {"name": "dead", "type": "pyroscope", "url": "http://127.0.0.1:1"}
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out"), dead]) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 3)
        done = run("promtool", "check", "metrics", input=agent.get("/metrics")[1])
        assert done.returncode == 0 and not done.stdout and not done.stderr, done.stderr
        names = set(re.findall(r"^spanprof_\w+", agent.get("/metrics")[1], re.MULTILINE))
        for file in "alerts.yaml", "grafana-dashboard.json":
            used = set(re.findall(r"spanprof_\w+", (ROOT / "deploy" / file).read_text()))
            assert used and used <= names, used - names
        taken = agent.metric("samples_taken_total")
        agent.stop()
        log = agent.messages()
    assert 0 < taken <= samples(tmp_path / "out")
    assert log.count("endpoint dead: failing since") == 1 and log.count("endpoint") == 2, log
    waiting = list((tmp_path / "spool" / "queue" / "dead").glob("*.profile"))
    assert len(waiting) == len(profiles(tmp_path / "out"))


def test_a_server_comes_back(spanprof, busy, tmp_path):
    """In the meantime the agent was killed: what was in the spool is delivered, once."""
    port = free_port()
    server = {"name": "server", "type": "pyroscope", "url": f"http://127.0.0.1:{port}"}
    with Agent(spanprof, tmp_path, [server, directory(tmp_path / "out")]) as agent:
        agent.wait(lambda: agent.metric('endpoint_queue_profiles{endpoint="server"}') >= 2)
        agent.program.kill()
        agent.program.wait()
    with sink(tmp_path / "got", "-listen", f"127.0.0.1:{port}"):
        with Agent(spanprof, tmp_path, [server, directory(tmp_path / "out")]) as agent:
            agent.wait(lambda: agent.metric('endpoint_queue_samples{endpoint="server"}') == 0)
            agent.stop()
    at_server = received(tmp_path / "got")
    assert at_server == samples(tmp_path / "out")


def stop_workers(agent):
    found = [pid for pid in children(agent.program.pid)
             if Path(f"/proc/{pid}/comm").read_text() == "spanprof-worker\n"]  # fmt: skip
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    return found


def test_a_kill_just_after_the_end_of_an_interval(spanprof, busy, tmp_path):
    """Costs what came since then, though nobody has begun to name what came before."""
    nobody = {"include": [{"process_name": "nobody-has-this-name"}]}
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], interval="4s") as agent:
        agent.wait(lambda: profiles(tmp_path / "out") and stop_workers(agent))
        ended = agent.metric("intervals_total")
        agent.wait(lambda: agent.metric("intervals_total") > ended)
        time.sleep(0.5)
        taken, named = agent.metric("samples_profiled_total"), samples(tmp_path / "out")
        agent.program.kill()
        agent.program.wait()
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], filters=nobody) as agent:
        assert agent.metric("samples_recovered_total") == taken - named > HZ
        agent.stop()


def test_what_has_no_names_yet_outlives_a_kill(spanprof, workloads, busy, tmp_path):
    """What reads files hangs: all but the interval at hand arrives, once, with addresses."""
    out = directory(tmp_path / "out")
    fresh = shutil.copy(workloads / "split-le", tmp_path / "fresh")
    with Agent(spanprof, tmp_path, [out], labels={"run": "first"}) as agent:
        agent.wait(lambda: profiles(tmp_path / "out") and stop_workers(agent))
        with programs([fresh, "--cpu-seconds", "1000"]) as [program]:
            agent.wait(lambda: agent.metric("intervals_waiting") == 3 and agent.metric("intervals_late_total"))
            agent.wait(lambda: len(os.listdir(tmp_path / "spool" / "kept")) == 3)
            taken = agent.metric("samples_profiled_total")
            named = samples(tmp_path / "out")
            agent.program.kill()
            agent.program.wait()
    nobody = {"include": [{"process_name": "nobody-has-this-name"}]}
    with Agent(spanprof, tmp_path, [out], labels={"run": "second"}, filters=nobody) as agent:
        assert agent.metric("samples_recovered_total") == taken - named > 100
        agent.wait(lambda: samples(tmp_path / "out") == taken)
        agent.stop()
        assert "before 3 profiles of" in agent.messages()
    found = [s for p in profiles(tmp_path / "out") for s in p.samples if s.labels["run"] == "second"]
    assert sum(s.values[0] for s in found) == taken - named
    assert not os.listdir(tmp_path / "spool" / "kept")
    its = [s for s in found if s.labels["pid"] == program.pid]
    frames = [f for s in its for f in s.frames if f.mapping == str(fresh)]
    assert frames and all(f.name == f"[fresh+0x{f.address:x}]" for f in frames)
    assert not any("truncated" in n for s in its for n in s.names)


def maps_of(pid):
    """[(begin, name)] of what is mapped there."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        rows = [line.split(maxsplit=5) for line in f]
    return [(int(r[0].split("-")[0], 16), r[5].strip() if len(r) > 5 else "") for r in rows]


def links_in(folder):
    """{name: where it leads}, of those that stay long enough."""
    found = {}
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            found[name] = os.readlink(f"{folder}/{name}")
    return found


def assert_holds_nothing_of(agent, courier):
    """Its memory and its files are its own: none of the sampler's, which may be read by whoever breaks into it."""
    ours, its = maps_of(agent.program.pid), maps_of(courier)
    assert any("bpf-map" in name for _, name in ours)
    assert not any("bpf-map" in name or "anon_inode" in name for _, name in its), its
    # A fork would have all that we have, at the same addresses.
    stacks = [[begin for begin, name in rows if name in ("[heap]", "[stack]")] for rows in (ours, its)]
    assert not set(stacks[0]) & set(stacks[1])
    files = links_in(f"/proc/{courier}/fd")
    assert not any("bpf" in f or "perf" in f or "memfd" in f for f in files.values()), files
    assert sum("socket" in f for f in files.values()) <= 4, files
    assert len(files) < 16, files  # some are open for a moment
    with open(f"/proc/{courier}/statm", encoding="utf-8") as f:
        assert int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") < 12 << 20


def test_the_courier_has_nothing_of_the_sampler(spanprof, busy, tmp_path):
    """Neither the first one nor one that is started when there is everything to be had."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 2)
        first = agent.courier()
        assert_holds_nothing_of(agent, first)
        os.kill(first, signal.SIGKILL)
        agent.wait(lambda: agent.get("/readyz")[0] == 200 and agent.metric("courier_starts_total") == 2)
        assert_holds_nothing_of(agent, agent.courier())
        assert agent.courier() != first
        agent.stop()


def test_the_courier_dies(spanprof, busy, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        os.kill(agent.courier(), signal.SIGKILL)
        agent.wait(lambda: agent.get("/metrics")[0] == 200)
        assert agent.metric("courier_starts_total") == 2
        agent.wait(lambda: agent.metric("intervals_total") >= 3)
        agent.stop()
        assert "the process that delivers has ended (signal 9)" in agent.messages()
    assert not list((tmp_path / "spool" / "queue" / "files").iterdir())
    assert samples(tmp_path / "out", pid=busy) > 2 * HZ


@pytest.fixture
def only_mine(workloads, tmp_path):
    """Filters for a busy program of a name that no other has: one service, one request a profile."""
    name = f"mine-{os.getpid()}"
    shutil.copy(workloads / "split-le", tmp_path / name)
    with programs([tmp_path / name, "--cpu-seconds", "1000"]) as [program]:
        wait_until_busy(program.pid)
        yield {"include": [{"process_name": name}]}


@contextmanager
def slow_server(folder):
    """Answers after 3 s; yields an endpoint, and what waits until a request is under way."""
    with sink(folder, "-delay", "3s") as url:

        def in_the_middle(agent):
            before = len(profiles(folder))
            agent.wait(lambda: len(profiles(folder)) > before)

        yield {"name": "server", "type": "pyroscope", "url": url}, in_the_middle


@pytest.mark.waits
def test_reload_and_stop_wait_for_an_answer(spanprof, only_mine, tmp_path):
    """Each sample arrives once, though the endpoint changes in the middle of a request."""
    got, out = tmp_path / "got", tmp_path / "out"
    with slow_server(got) as (e, in_the_middle):
        with Agent(spanprof, tmp_path, [directory(out), e], interval="5s", filters=only_mine) as agent:
            for tenant in "ab":
                in_the_middle(agent)
                e["tenant"] = tenant
                agent.reload()
            in_the_middle(agent)
            assert agent.metric('endpoint_samples_uncertain_total{endpoint="server"}') == 0
            agent.stop()
    assert received(got) == samples(out) > 0


def test_an_answer_to_an_agent_that_died(spanprof, only_mine, tmp_path):
    """What delivers waits for it, while the next agent has its address already."""
    queue = tmp_path / "spool" / "queue" / "server"
    with slow_server(tmp_path / "got") as (e, in_the_middle):
        with Agent(spanprof, tmp_path, [e], interval="3s", filters=only_mine) as agent:
            in_the_middle(agent)
            sent = min(os.listdir(queue))[:16]  # its number; others may be there already
            agent.program.kill()
            agent.program.wait()
            agent.config["endpoints"] = [directory(tmp_path / "out")]
            agent.start()
            agent.wait(lambda: not list(queue.glob(f"{sent}*")))
            agent.stop()
    assert received(tmp_path / "got") > 0


def status(agent):
    done = run(agent.spanprof, "agent", "ctl", "status", "--socket", agent.folder / "control")
    assert done.returncode == 0, done.stderr
    return done.stdout


def status_of(agent, name):
    return next(line for line in status(agent).splitlines() if line.startswith(f"endpoint {name}: "))


def test_ctl_status_says_what_the_server_said(spanprof, busy, tmp_path):
    """In its own words, which are in the log as well."""
    dead = {"name": "dead", "type": "pyroscope", "url": "http://127.0.0.1:1"}
    with sink(tmp_path / "got", "-answer", "400") as url:
        e = {"name": "server", "type": "pyroscope", "url": url}
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out"), e, dead]) as agent:
            agent.wait(lambda: agent.metric('endpoint_samples_rejected_total{endpoint="server"}'))
            agent.wait(lambda: agent.metric('endpoint_queue_profiles{endpoint="dead"}') > 1)
            agent.wait(lambda: re.fullmatch(
                r"endpoint server: up, \d+ profiles with \d+ samples queued, 0 samples delivered, "
                r'[1-9]\d* rejected, 0 uncertain, last error: ".*outside of ingestion window.*"',
                status_of(agent, "server")))  # fmt: skip
            assert re.fullmatch(
                r"endpoint dead: failing since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, [2-9] profiles with "
                r'[1-9]\d* samples queued, .*, last error: ".*127.0.0.1:1.*"', status_of(agent, "dead"))  # fmt: skip
            assert re.match(r"endpoint files: up, .* last error: none", status_of(agent, "files"))
            agent.stop()
            assert "refused samples for good" in agent.messages()


def take_all(s):
    """What waits in a socket of datagrams."""
    s.settimeout(0)
    told = []
    while True:
        try:
            told.append(s.recv(4096))
        except BlockingIOError:
            return told


@pytest.mark.waits
def test_delivery_that_hangs_is_started_again(spanprof, busy, tmp_path):
    """And only that: whoever watches the agent is told all the time that it is alive."""
    with server(good) as (url, heads), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s, pytest.MonkeyPatch.context() as m:  # fmt: skip
        s.bind(str(tmp_path / "notify"))
        m.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        e = {"name": "server", "type": "pyroscope", "url": url, "timeout": "1s"}
        with Agent(spanprof, tmp_path, [e]) as agent:
            agent.wait(lambda: heads)
            first = agent.courier()
            os.kill(first, signal.SIGSTOP)
            agent.wait(lambda: "health: delivery is stuck\n" in status(agent), 60)
            take_all(s)
            s.settimeout(20)
            assert s.recv(4096) == b"WATCHDOG=1" and "health: delivery is stuck\n" in status(agent)
            agent.wait(lambda: agent.courier() not in (None, first))
            agent.wait(lambda: "health: ok\n" in status(agent))
            before = len(heads)
            agent.wait(lambda: len(heads) > before + 1)
            assert agent.get("/healthz") == (200, "ok\n")
            assert agent.metric("courier_stuck_total") == 1 and agent.metric("courier_starts_total") == 2
            agent.stop()


@pytest.mark.waits
def test_health_sees_a_thread_that_hangs(spanprof, busy, tmp_path):
    """One that opens a pipe, for certificates, which nobody writes to; until they are in a file."""
    def answer(conn, head, n):
        conn.sendall(http_answer(200))

    ca, pipe = Authority(tmp_path, "authority"), tmp_path / "ca"
    os.mkfifo(pipe)
    with server(answer, tls_server(*ca.issue("server", "localhost"))) as (url, heads):
        e = {"name": "server", "type": "otlp_http", "url": url, "timeout": "1s", "tls": {"ca_file": str(pipe)}}
        with Agent(spanprof, tmp_path, [e]) as agent:
            agent.wait(lambda: agent.get("/healthz") == (503, "delivery is stuck\n"), 60)
            assert agent.get("/metrics")[0] == 200 and not heads
            ca.path.rename(pipe)
            agent.wait(lambda: agent.get("/healthz") == (200, "ok\n") and heads)
            assert agent.metric("courier_stuck_total") == 1
            agent.stop()


@pytest.fixture
def calendar(tmp_path, monkeypatch):
    """Sets the clock that people set, of agents: to so many hours from what it is."""
    [library] = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    hours = tmp_path / "hours"

    def set_to(n):
        (tmp_path / "next").write_text(f"{n * 3600:+d}\n")
        (tmp_path / "next").rename(hours)

    set_to(0)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(hours))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return set_to


@pytest.mark.waits
def test_clock_that_steps(spanprof, busy, calendar, tmp_path):
    """Hours ahead and back, while a server is down and after it: what is a minute old stays so."""
    is_down = threading.Event()

    def answer(conn, head, n):
        conn.sendall(http_answer(503 if is_down.is_set() else 200))

    spool = {"directory": f"{tmp_path}/spool", "max_age": "10m"}
    with server(answer) as (url, heads):
        e = {"name": "server", "type": "otlp_http", "url": url}
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out"), e], spool=spool) as agent:
            is_down.set()
            for hours in 2, -3, 0, 1:
                queued = agent.metric('endpoint_queue_profiles{endpoint="server"}')
                agent.wait(lambda: agent.metric('endpoint_queue_profiles{endpoint="server"}') > queued + 1)
                calendar(hours)
            is_down.clear()
            agent.wait(lambda: agent.metric('endpoint_queue_profiles{endpoint="server"}') == 0)
            calendar(-1)
            before = agent.metric("intervals_total")
            agent.wait(lambda: agent.metric("intervals_total") > before + 2)
            assert agent.get("/healthz") == (200, "ok\n")
            assert agent.metric('endpoint_samples_delivered_total{endpoint="server"}') > 4 * HZ
            for fate in "expired", "rejected", "damaged":
                assert agent.metric(f'endpoint_samples_{fate}_total{{endpoint="server"}}') == 0
            agent.stop()
    times = [p.time_ns / 3600e9 for p in profiles(tmp_path / "out")]
    assert max(times) - min(times) > 4.5


# --- watching it ---------------------------------------------------------------------------------


@pytest.mark.waits
def test_health_sees_a_stopped_process(spanprof, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        assert agent.get("/healthz") == (200, "ok\n")
        agent.program.send_signal(signal.SIGSTOP)
        agent.wait(lambda: agent.get("/healthz")[0] == 503)
        assert agent.get("/healthz")[1] == agent.get("/readyz")[1] == "sampling is stuck\n"
        assert agent.get("/readyz")[0] == 503
        agent.program.send_signal(signal.SIGCONT)
        agent.wait(lambda: agent.get("/healthz")[0] == 200)
        agent.stop()


def open_to_write(pipe):
    """None: nobody reads it."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_not_ready_before_it_samples(spanprof, tmp_path):
    """Though it is healthy: something that it reads when it loads its programs takes its time."""
    pipe, writers = tmp_path / "pipe", []
    os.mkfifo(pipe)
    slow = 'mount --bind "$1" /proc/sys/kernel/perf_event_max_stack && shift && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", slow, "sh", pipe]
    with ExitStack() as stack:
        agent = Agent(spanprof, tmp_path, [directory(tmp_path / "out")], prefix)
        agent.launch()
        stack.push(agent)
        agent.wait(lambda: writers.append(open_to_write(pipe)) or writers[-1])
        agent.wait(lambda: agent.get("/readyz")[0])
        assert agent.get("/readyz") == (503, "sampling has not begun\n")
        assert agent.get("/healthz") == (200, "ok\n")
        with open(writers[-1], "w", encoding="utf-8") as f:
            f.write("127\n")
        agent.wait(lambda: agent.get("/readyz") == (200, "ok\n"))
        agent.stop()


def test_listener_answers_nothing_else(spanprof, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        assert agent.get("/metrics", "POST")[0] == 405
        assert agent.get("/metrics", "DELETE")[0] == 405
        assert agent.get("/")[0] == 404
        assert agent.get("/metrics/../etc/passwd")[0] == 404
        with socket.create_connection(("127.0.0.1", agent.port)) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100000)
            s.settimeout(10)
            assert b"200 OK" not in s.recv(65536)
        # Clients that say nothing do not keep others out for long.
        idle = [socket.create_connection(("127.0.0.1", agent.port)) for _ in range(40)]
        agent.wait(lambda: agent.get("/metrics", timeout=1)[0] == 200)
        for s in idle:
            s.close()
        agent.stop()


def drip(sockets, until):
    """A byte of a request's head now and then on each of them. Returns how many were closed."""
    closed = set()
    while time.monotonic() < until:
        for s in sockets:
            try:
                s.sendall(b"x")
                if s.recv(1, socket.MSG_DONTWAIT) == b"":
                    closed.add(s)
            except BlockingIOError:
                pass
            except OSError:
                closed.add(s)
        time.sleep(0.5)
    return len(closed)


@pytest.mark.waits
@pytest.mark.parametrize("addresses", [range(2, 8), [1] * 2])
def test_slow_clients_keep_nobody_out(spanprof, tmp_path, addresses):
    """As many connections as there are places, and more; or not so many, of the address that all have."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        slow = [socket.create_connection(("127.0.0.1", agent.port), source_address=(f"127.0.0.{n}", 0))
                for n in addresses for _ in range(22)]  # fmt: skip
        for s in slow:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
        with ThreadPoolExecutor() as pool:
            closed = pool.submit(drip, slow, time.monotonic() + 14)
            for _ in range(10):
                assert agent.get("/healthz", timeout=2)[0] == 200
                time.sleep(0.3)
            # Not even the ones that nobody needed the place of may go on for ever.
            assert closed.result() == len(slow)
        for s in slow:
            s.close()
        agent.stop()


def test_secrets_are_not_shown(spanprof, tmp_path):
    (tmp_path / "token").write_text("geheim-4711\n")
    e = {"name": "server", "type": "pyroscope", "url": "http://127.0.0.1:1",
         "bearer_token_file": str(tmp_path / "token")}  # fmt: skip
    with Agent(spanprof, tmp_path, [e]) as agent:
        agent.wait(lambda: "failing" in agent.messages())
        assert "geheim" not in agent.get("/metrics")[1]
        status = run(spanprof, "agent", "ctl", "status", "--socket", tmp_path / "control")
        assert "health: ok" in status.stdout and "geheim" not in status.stdout
        agent.stop()
        assert "geheim" not in agent.messages()


def test_header_from_a_file(spanprof, busy, tmp_path):
    """Also after the configuration was read again, twice, by others' account."""
    (tmp_path / "key").write_text("geheim-815\n")
    with server(good) as (url, heads):
        e = {"name": "server", "type": "pyroscope", "url": url,
             "headers": {"X-Key": {"value_file": str(tmp_path / "key")}, "X-Plain": "a b"}}  # fmt: skip
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
            agent.config["endpoints"].append(e)
            agent.reload()
            for n in range(3):
                agent.config["labels"] = {"round": str(n)}
                agent.reload()
                before = len(heads)
                agent.wait(lambda: len(heads) > before + 1)
            assert agent.metric("courier_starts_total") == 1
            agent.stop()
            assert "geheim" not in agent.messages()
    assert heads and all("X-Key: geheim-815\r\n" in h and "X-Plain: a b\r\n" in h for h in heads)


def test_systemd_is_told(spanprof, tmp_path):
    """sd_notify(3): ready, alive, reloading, stopping."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s, pytest.MonkeyPatch.context() as m:
        s.bind(str(tmp_path / "notify"))
        s.settimeout(20)
        m.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        m.setenv("WATCHDOG_USEC", "20000000")
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
            assert s.recv(4096) == b"READY=1"
            assert s.recv(4096) == b"WATCHDOG=1"
            agent.reload()
            told = b""
            while b"STOPPING=1" not in told:
                if b"READY=1" in told and agent.program.poll() is None:
                    agent.program.terminate()
                told += s.recv(4096) + b"\n"
            assert agent.program.wait(30) == 0
    assert told.index(b"RELOADING=1") < told.index(b"READY=1") < told.index(b"STOPPING=1")


def assert_kernel_side_is_measured(agent):
    """A run is a tick, one that became no sample, too, and takes between 0.1 us and 1 ms."""
    now = agent.metrics()
    ticks = sum(now[f"samples_{what}_total"] for what in ("taken", "filtered", "outside_pidns"))
    runs = now["bpf_runs_total"]
    assert ticks > HZ and ticks * 0.95 < runs < ticks * 1.05 + HZ
    assert 1e-7 < now["bpf_run_seconds_total"] / runs < 1e-3


def assert_memory_is_measured(agent):
    agent.wait(lambda: agent.metric("unwind_memory_bytes") > 0)
    now = agent.metrics()
    names = "sampler", "courier", "worker", "rows_worker"
    processes = sum(now[f"process_{name}_resident_memory_bytes"] for name in names)
    maps, mapped = now["bpf_maps_memory_bytes"], now["bpf_maps_resident_memory_bytes"]
    rings = os.cpu_count() * 512 << 10
    assert now["unwind_memory_bytes"] + rings < maps < 32 << 20
    assert now["unwind_memory_bytes"] + 2 * rings <= mapped < now["process_sampler_resident_memory_bytes"]
    assert now["memory_bytes"] == pytest.approx(processes + maps - mapped, rel=0.05)
    assert now["memory_budget_bytes"] == 96 << 20 and now["unwind_memory_budget_bytes"] == 32 << 20


def test_cost_is_shown(spanprof, busy, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 3)
        for name in "sampler", "courier", "worker", "rows_worker":
            agent.wait(lambda name=name: agent.metric(f"process_{name}_cpu_seconds_total") > 0)
            assert agent.metric(f"process_{name}_resident_memory_bytes") > 1 << 20
        assert_kernel_side_is_measured(agent)
        assert_memory_is_measured(agent)
        agent.stop()


def kill_worker(agent):
    """The one that there is, or None."""
    for pid in children(agent.program.pid):
        try:
            if Path(f"/proc/{pid}/comm").read_text() == "spanprof-worker\n":
                os.kill(pid, signal.SIGKILL)
                return pid
        except OSError:
            pass
    return None


@pytest.mark.waits
def test_bad_file_is_told_of_once(spanprof, busy, tmp_path):
    """As soon as its reader has failed, and not with each profile anew."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        end = time.monotonic() + 60
        while "cannot read '" not in agent.messages():
            assert time.monotonic() < end, agent.messages()
            if kill_worker(agent):
                time.sleep(1.5)  # one that was idle is not missed
        ended = agent.metric("intervals_total")
        agent.wait(lambda: agent.metric("intervals_total") >= ended + 3)
        before = agent.metric("symbol_worker_failed_total")
        assert before >= 1
        agent.wait(lambda: agent.metric("intervals_total") >= ended + 7)
        assert agent.metric("symbol_worker_failed_total") == before
        told = re.findall("cannot read '([^']*)'", agent.messages())
        assert len(told) == len(set(told)) and all(p.startswith("/") for p in told), told
        agent.stop()


@pytest.mark.waits
def test_end_does_not_wait_for_a_server_of_debug_files(spanprof, busy, tmp_path, monkeypatch):
    """It hangs for 10 s a file and for 120 s in all; the last profile is there all the same."""
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "debug"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(30)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out")],
                   symbols={"cache": "", "debuginfod": url}) as agent:  # fmt: skip
            asked = silent.accept()[0]
            start = time.monotonic()
            agent.stop()
            assert time.monotonic() - start < 25
            asked.close()
    assert samples(tmp_path / "out", pid=busy) > 0


@pytest.mark.waits
def test_naming_that_cannot_keep_up(spanprof, busy, tmp_path):
    """Profiles wait, the next one is named by less, and it is told; then all is as before."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        agent.wait(lambda: samples(tmp_path / "out", pid=busy) > 0)
        worker = next(p for p in children(agent.program.pid)
                      if "spanprof-worker" in Path(f"/proc/{p}/comm").read_text())  # fmt: skip
        os.kill(worker, signal.SIGSTOP)
        time.sleep(14)
        assert agent.metric("intervals_waiting") >= 3
        assert agent.metric("intervals_named_briefly_total") == 0
        os.kill(worker, signal.SIGCONT)
        agent.wait(lambda: agent.metric("intervals_named_briefly_total") > 0)
        agent.wait(lambda: "all is named" in agent.messages())
        assert agent.messages().count("cannot keep up") == 1
        agent.stop()


# --- configuration -------------------------------------------------------------------------------


def test_reload(spanprof, busy, tmp_path):
    """A broken file changes nothing; a good one brings a new endpoint and a filter."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        agent.wait(lambda: samples(tmp_path / "out", pid=busy) > 0)
        good = dict(agent.config)
        agent.config["endpoints"] = [{"name": "x", "type": "carrier pigeon"}]
        agent.reload()
        assert agent.metric("config_reloads_refused_total") == 1
        assert "the configuration stays as it was" in agent.messages()
        agent.config = {
            **good, "endpoints": [directory(tmp_path / "new", "new")], "frequency": 99,
            "filters": {"exclude": [{"process_name": "split-*"}]},
            "spool": {"directory": f"{tmp_path}/elsewhere"},
        }  # fmt: skip
        agent.reload()
        assert "spool.directory: another value holds only from the next start" in agent.messages()
        # Whoever starts to deliver now has the same spool as whoever samples.
        os.kill(agent.courier(), signal.SIGKILL)
        agent.wait(lambda: agent.metric("courier_starts_total") == 2 and profiles(tmp_path / "new"))
        intervals = agent.metric("intervals_total")
        agent.wait(lambda: agent.metric("intervals_total") >= intervals + 4)
        agent.stop()
    new = profiles(tmp_path / "new")
    assert new and not samples_of_pid(new[2:], busy)
    assert new[-1].period == pytest.approx(1e9 / 99, rel=0.01)
    assert not (tmp_path / "elsewhere").exists()


def test_reload_of_a_file_that_is_being_written(spanprof, busy, tmp_path):
    """What it would not start with changes nothing."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        good = agent.config
        agent.config = {"endpoints": []}
        agent.reload()
        assert agent.metric("config_reloads_refused_total") == 1
        assert "no endpoint" in agent.messages()
        before = len(profiles(tmp_path / "out"))
        agent.wait(lambda: len(profiles(tmp_path / "out")) > before + 1)
        done = run(spanprof, "agent", "--check-config", "-c", tmp_path / "agent.yaml")
        assert done.returncode == 1 and "no endpoint" in done.stderr
        agent.config = good
        agent.stop()


def test_endpoint_that_is_removed_is_not_down(spanprof, busy, tmp_path):
    """Nobody can mend it."""
    dead = {"name": "dead", "type": "pyroscope", "url": "http://127.0.0.1:1"}
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out"), dead]) as agent:
        failing = 'endpoint_failing_since_timestamp_seconds{endpoint="dead"}'
        agent.wait(lambda: agent.metric(failing))
        agent.config["endpoints"] = [directory(tmp_path / "out")]
        agent.reload()
        agent.wait(lambda: agent.metric(failing) is None)
        assert agent.metric('endpoint_up{endpoint="dead"}') is None
        assert agent.metric('endpoint_up{endpoint="files"}') == 1
        assert agent.metric('endpoint_queue_samples{endpoint="dead"}') > 0
        agent.stop()


@pytest.mark.waits
def test_endpoint_that_is_removed_does_not_hang(spanprof, only_mine, tmp_path):
    """It has the time that it was given, though no other endpoint has so much."""
    never, quick = server(lambda conn, head, n: time.sleep(100)), server(good)
    with never as (slow_url, heads), quick as (quick_url, arrived):
        slow = {"name": "slow", "type": "pyroscope", "url": slow_url, "timeout": "2m"}
        with Agent(spanprof, tmp_path, [slow], filters=only_mine) as agent:
            agent.wait(lambda: heads)
            time.sleep(33)  # 22 s are too long for an endpoint whose timeout is 1 s
            agent.config["endpoints"] = [{"name": "quick", "type": "pyroscope", "url": quick_url, "timeout": "1s"}]
            agent.reload()
            agent.wait(lambda: arrived)
            assert agent.metric("courier_starts_total") == 1
            assert agent.metric("courier_stuck_total") == 0
            agent.stop()


def test_reload_of_what_the_kernel_does_not_allow(spanprof, tmp_path):
    """A frequency that it would not start with: the old configuration stays, all of it."""
    (tmp_path / "limit").write_text("500\n")
    limit = 'mount --bind "$1" /proc/sys/kernel/perf_event_max_sample_rate && shift && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", limit, "sh", tmp_path / "limit"]
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], prefix) as agent:
        good = dict(agent.config)
        agent.config |= {"frequency": 501, "interval": "2s"}
        agent.reload()
        assert agent.metric("config_reloads_refused_total") == 1
        assert "frequency 501: the kernel allows 500 Hz" in agent.messages()
        assert "the configuration stays as it was" in agent.messages()
        intervals = agent.metric("intervals_total")
        agent.wait(lambda: agent.metric("intervals_total") > intervals + 1)
        assert agent.metric("sampling_frequency_configured_hertz") == HZ
        assert agent.metric("interval_seconds") == 1
        agent.config = {**good, "frequency": 500}
        agent.reload()
        assert agent.metric("config_reloads_refused_total") == 1
        agent.wait(lambda: agent.metric("sampling_frequency_hertz") == 500)
        agent.stop()


def samples_of_pid(many, pid):
    return sum(s.values[0] for p in many for s in p.samples if s.labels.get("pid") == pid)


def test_labels_and_rules(spanprof, busy, tmp_path):
    rules = [
        {"source_labels": ["process.executable.name"], "regex": "split-(.*)",
         "target_label": "kind", "replacement": "$1"},
        {"source_labels": ["kind"], "regex": "le", "action": "keep"},
    ]  # fmt: skip
    labels = {"deployment.environment.name": "test", "team": "a"}
    with Agent(
        spanprof, tmp_path, [directory(tmp_path / "out")], relabel_configs=rules, labels=labels
    ) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 3)
        taken = agent.metric("samples_taken_total")
        agent.stop()
    total = samples(tmp_path / "out")
    assert total > HZ
    assert samples(tmp_path / "out", pid=busy, kind="le", team="a") == total
    assert samples(tmp_path / "out", deployment__environment__name="test") == total
    assert taken > 0


def test_reload_of_labels_and_rules(spanprof, busy, tmp_path):
    """Those that hold when a profile ends are those of all of its samples."""
    rules = [{"source_labels": ["team"], "target_label": "kind", "replacement": "old-$1"}]
    with Agent(
        spanprof, tmp_path, [directory(tmp_path / "out")], relabel_configs=rules, labels={"team": "a"}
    ) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 2)
        before = int(agent.metric("intervals_total"))
        agent.config["relabel_configs"] = [{**rules[0], "replacement": "new-$1"}]
        agent.config["labels"] = {"team": "b"}
        agent.reload()
        after = int(agent.metric("intervals_total"))
        agent.wait(lambda: len(profiles(tmp_path / "out")) >= after + 2)
        agent.stop()
    found = [{(s.labels["team"], s.labels["kind"]) for s in p.samples} for p in profiles(tmp_path / "out")]
    assert all(kinds == {("a", "old-a")} for kinds in found[:before]), found
    assert all(kinds == {("b", "new-b")} for kinds in found[after:]), found


def test_filter_by_user(spanprof, busy, tmp_path):
    filters = {"include": [{"uid": NOBODY}]}
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], filters=filters) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 3)
        assert agent.metric("samples_unwanted_total") + agent.metric("samples_filtered_total") > HZ
        agent.stop()
    assert samples(tmp_path / "out") == 0


def test_filter_by_user_is_given_later(spanprof, busy, tmp_path):
    """Whose processes those are that it knows already was nobody's question before."""
    out = tmp_path / "out"
    with Agent(spanprof, tmp_path, [directory(out)]) as agent:
        agent.wait(lambda: of_process(profiles(out), busy))
        agent.config["filters"] = {"include": [{"uid": 0}]}
        agent.reload()
        before = agent.metric("intervals_total")
        agent.wait(lambda: agent.metric("intervals_total") > before + 1)
        known = samples(out, pid=busy)
        agent.wait(lambda: samples(out, pid=busy) > known + HZ)
        agent.stop()


@contextmanager
def cgroups(*names):
    """Folders of the hierarchy of v2, which are empty in the end."""
    folders = [cgroup2_root() / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
    try:
        yield folders
    finally:
        for folder in folders:
            end = time.monotonic() + 10
            while (folder / "cgroup.procs").read_text() and time.monotonic() < end:
                time.sleep(0.05)
            folder.rmdir()
        folders[0].parent.rmdir()


# As an unprivileged container has it: it sees its own cgroup as the root of all.
IN_A_CGROUP_NAMESPACE = """
echo $$ > "$1/cgroup.procs" && mount=$2 && shift 2 &&
exec unshare --cgroup --mount sh -c 'umount "$0" && mount -t cgroup2 cgroup "$0" && exec "$@"' "$mount" "$@"
"""


def test_filter_by_cgroup_from_a_container(spanprof, tmp_path):
    """Paths are the host's, as those who write the filter know them."""
    top = f"spanprof-{os.getpid()}"
    with cgroups(f"{top}/agent", f"{top}/mine", f"{top}/others") as folders:
        prefix = ["sh", "-c", IN_A_CGROUP_NAMESPACE, "sh", folders[0], cgroup2_root()]
        filters = {"include": [{"cgroup": f"/{top}/mine"}]}
        loop = ["sh", "-c", "while :; do :; done"]
        with programs(loop, loop) as (mine, other):
            for program, folder in zip((mine, other), folders[1:]):
                (folder / "cgroup.procs").write_text(str(program.pid))
            with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], prefix, filters=filters) as agent:
                agent.wait(lambda: of_process(profiles(tmp_path / "out"), mine.pid))
                agent.stop()
            assert not of_process(profiles(tmp_path / "out"), other.pid)


BECOMES_NOBODY = f"""
import os, time
while time.process_time() < 1: pass
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
while True: pass
"""


def test_filter_by_the_user_that_a_program_takes(spanprof, tmp_path):
    """It began as root, as daemons do, and was left out."""
    filters = {"include": [{"uid": NOBODY}]}
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], filters=filters) as agent:
        with programs(["/usr/bin/python3", "-c", BECOMES_NOBODY]) as [program]:
            agent.wait(lambda: of_process(profiles(tmp_path / "out"), program.pid))
        agent.stop()


def test_raise(spanprof, busy, tmp_path):
    """For a while the host is sampled more often, then as before."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        done = run(
            spanprof, "agent", "ctl", "raise", "-F", 997, "-d", "2s",
            "--socket", tmp_path / "control",
        )  # fmt: skip
        assert done.returncode == 0 and done.stdout == "ok: 997 Hz for 2 s\n", done.stderr
        agent.wait(lambda: agent.metric("sampling_frequency_hertz") == 997)
        agent.wait(lambda: agent.metric("sampling_frequency_hertz") == HZ)
        agent.stop()
    periods = [p.period for p in profiles(tmp_path / "out")]
    assert 1000000000 // 997 in periods and periods[-1] == 1000000000 // HZ


NAMED = """
import ctypes, itertools, signal
name = ctypes.CDLL(None).prctl
signal.signal(signal.SIGUSR1, lambda *_: name(15, b"wanted", 0, 0, 0))
name(15, b"unwanted", 0, 0, 0)
for _ in itertools.count(): pass
"""


def test_filters_act_before_a_sample_is_taken(spanprof, busy, tmp_path):
    """Until a process is called otherwise, or the filter is another one."""
    named = ["/usr/bin/python3", "-c", NAMED]
    out = tmp_path / "out"
    exclude = [{"process_name": "unwanted"}, {"process_name": "split-le"}]
    with programs(named) as [other], Agent(
        spanprof, tmp_path, [directory(out)], filters={"exclude": exclude},
    ) as agent:  # fmt: skip
        agent.wait(lambda: agent.metric("samples_filtered_total") > 100)
        before = agent.metric("samples_filtered_total"), agent.metric("samples_unwanted_total")
        agent.wait(lambda: agent.metric("samples_filtered_total") > before[0] + HZ)
        assert agent.metric("samples_unwanted_total") < before[1] + HZ / 10
        assert not of_process(profiles(out), other.pid) and not of_process(profiles(out), busy)
        other.send_signal(signal.SIGUSR1)
        agent.wait(lambda: of_process(profiles(out), other.pid))
        assert not of_process(profiles(out), busy)
        agent.config["filters"] = {}
        agent.reload()
        agent.wait(lambda: of_process(profiles(out), busy))
        agent.stop()


@contextmanager
def programs(*commands):
    started = [subprocess.Popen(c) for c in commands]
    try:
        yield started
    finally:
        for p in started:
            p.kill()
            p.wait()


def of_process(found, pid):
    return [s for p in found for s in p.samples if s.labels.get("pid") == pid]


def traces_of(found, pid):
    """trace_id → samples"""
    carrying = [s for s in of_process(found, pid) if "trace_id" in s.labels]
    return Counter({t: sum(s.values[0] for s in carrying if s.labels["trace_id"] == t)
                    for t in {s.labels["trace_id"] for s in carrying}})  # fmt: skip


@pytest.mark.parametrize("what", ["pid", "trace"])
def test_raise_of_one(spanprof, workloads, tmp_path, what):
    """What was asked for is in profiles of its own, all else is as before; CPU time is right in both."""
    long_spans = ("--cpu-seconds", "1000", "--span-us", "900000000")
    in_spans, in_none = [workloads / "split-le", *long_spans], [workloads / "split-preload", *long_spans]
    out = tmp_path / "out"
    with programs(in_spans, in_none) as (one, other):
        wait_until_busy(one.pid)
        wait_until_busy(other.pid)
        with Agent(spanprof, tmp_path, [directory(out)]) as agent:
            before = {p.pid: cpu_seconds(p.pid) for p in (one, other)}
            agent.wait(lambda: agent.metric("intervals_total") >= 3)
            agent.wait(lambda: traces_of(profiles(out), one.pid))
            trace = traces_of(profiles(out), one.pid).most_common(1)[0][0]
            option = ("-p", one.pid) if what == "pid" else ("--trace-id", trace)
            done = run(spanprof, "agent", "ctl", "raise", "-F", 997, "-d", "3s", *option,
                       "--socket", tmp_path / "control")  # fmt: skip
            assert done.returncode == 0 and done.stdout.startswith("ok: 997 Hz for 3 s of "), done.stderr
            agent.wait(lambda: agent.metric("sampling_frequency_hertz") == 997)
            agent.wait(lambda: agent.metric("sampling_frequency_hertz") == HZ)
            used = {p.pid: cpu_seconds(p.pid) - before[p.pid] for p in (one, other)}
            agent.stop(conserved=False)

    found = profiles(out)
    close = [p for p in found if p.period == 1000000000 // 997]
    meanwhile = [p for p in found if p.period == 5 * 1000000000 // 997]
    assert {s.labels.get("pid") for p in close for s in p.samples} == {one.pid}
    assert what == "pid" or set(traces_of(close, one.pid)) == {trace}
    assert sum(s.values[0] for s in of_process(close, one.pid)) > 997
    assert of_process(meanwhile, other.pid)
    assert what == "trace" or not of_process(meanwhile, one.pid)
    assert trace not in traces_of(meanwhile, one.pid)
    for pid in used:
        sampled = sum(s.values[1] for s in of_process(found, pid)) / 1e9
        assert sampled == pytest.approx(used[pid], rel=0.1)


def test_raise_ends_with_its_process(spanprof, busy, tmp_path):
    with programs(["sleep", "1000"]) as [one], Agent(
        spanprof, tmp_path, [directory(tmp_path / "out")],
    ) as agent:  # fmt: skip
        done = run(spanprof, "agent", "ctl", "raise", "-d", "10m", "-p", one.pid, "--socket", tmp_path / "control")
        assert done.returncode == 0, done.stderr
        agent.wait(lambda: agent.metric("sampling_frequency_hertz") == 999)
        one.kill()
        one.wait()
        agent.wait(lambda: agent.metric("sampling_frequency_hertz") == HZ)
        agent.stop()
        assert f"process {one.pid} has ended" in agent.messages()


@pytest.mark.parametrize("option, why", [
    (("-p", 4194303), "there is no process 4194303"), (("-p", "x"), "not a process id"),
    (("--trace-id", "abc"), "32 hexadecimal digits"),
    (("-p", 1, "--trace-id", 32 * "a"), "one of them, once"),
])  # fmt: skip
def test_raise_of_nothing(spanprof, busy, tmp_path, option, why):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]):
        done = run(spanprof, "agent", "ctl", "raise", *option, "--socket", tmp_path / "control")
        assert done.returncode != 0 and why in done.stderr


def test_budget_of_cpu(spanprof, busy, tmp_path):
    """Sampling that costs too much becomes rarer, but goes on."""
    with Agent(
        spanprof, tmp_path, [directory(tmp_path / "out")], frequency=4999,
        budgets={"cpu_percent": "0.1%"},
    ) as agent:  # fmt: skip
        agent.wait(lambda: agent.metric("sampling_frequency_hertz") < 4999)
        hz = agent.metric("sampling_frequency_hertz")
        assert hz >= 499
        agent.wait(lambda: any(p.period == int(1e9 // hz) for p in profiles(tmp_path / "out")))
        agent.stop()
        assert "more than budgets.cpu_percent allows" in agent.messages()


def test_budget_of_memory(spanprof, busy, tmp_path):
    """One that is too small for it: names are forgotten, and it goes on."""
    budgets = {"cpu_percent": "100%", "memory": "16MiB", "unwind_tables": "2MiB"}
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], budgets=budgets) as agent:
        agent.wait(lambda: agent.metric("memory_budget_exceeded_total") >= 2)
        now = agent.metrics()
        assert now["memory_bytes"] > now["memory_budget_bytes"] == 16 << 20
        assert now["unwind_memory_bytes"] <= now["unwind_memory_budget_bytes"] == 2 << 20
        agent.stop()
    assert samples(tmp_path / "out", pid=busy) > 0


def test_unit_of_systemd_is_hardened():
    unit = ROOT / "deploy" / "systemd" / "spanprof.service"
    done = run("systemd-analyze", "security", "--offline=true", unit)
    exposure = re.search(r"Overall exposure level for spanprof.service: ([0-9.]+)", done.stdout)
    assert exposure and float(exposure[1]) <= 4.0, done.stdout + done.stderr


def test_alert_rules_are_rules():
    done = run("promtool", "check", "rules", ROOT / "deploy" / "alerts.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


OF_HOST = "failed", "dropped", "malformed", "expired_elsewhere"


@pytest.mark.parametrize("grows", [*FATES, "unspooled", *OF_HOST])
def test_alert_of_lost_samples(tmp_path, grows):
    """Whatever became of them but to be delivered, with the endpoint where there is one."""
    series = [(f'spanprof_endpoint_samples_{f}_total{{instance="h",endpoint="e"}}', f)
              for f in (*FATES, "unspooled")]
    series += [(f'spanprof_samples_{f}_total{{instance="h"}}', f) for f in OF_HOST]
    labels = {"severity": "warning", "instance": "h", **({} if grows in OF_HOST else {"endpoint": "e"})}
    where = "h has lost samples" + ("" if grows in OF_HOST else " for endpoint e")
    text = where + (": refused, dropped from the queue, damaged, sent without an answer, not spooled, not named, "
                    "not decoded, or out of memory")  # fmt: skip
    alerts = [] if grows == "delivered" else [{"exp_labels": labels, "exp_annotations": {"summary": text}}]
    test = {
        "interval": "1m",
        "input_series": [{"series": s, "values": "0+7x30" if f == grows else "0x30"} for s, f in series],
        "alert_rule_test": [{"eval_time": "20m", "alertname": "SpanprofSamplesDropped", "exp_alerts": alerts}],
    }  # fmt: skip
    rules = {"rule_files": [str(ROOT / "deploy" / "alerts.yaml")], "tests": [test]}
    (tmp_path / "test.yaml").write_text(json.dumps(rules))
    done = run("promtool", "test", "rules", tmp_path / "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


# --- starting ------------------------------------------------------------------------------------


PERL = "sub f { my $n = shift; $n ? f($n - 1) : sort { $a <=> $b } map { $_ * 7 % 13 } 1 .. 50 } f(3) while 1"


@pytest.mark.waits
def test_a_program_that_runs_again_after_a_while(spanprof, tmp_path):
    """Its files were forgotten meanwhile, with their unwind tables; Debian's perl has no frame pointers."""
    out = tmp_path / "out"
    with Agent(spanprof, tmp_path, [directory(out)]) as agent:
        for _ in range(2):
            with programs(["/usr/bin/perl", "-e", PERL]) as [program]:
                agent.wait(lambda: len(of_process(profiles(out), program.pid)) > HZ)
            stacks = of_process(profiles(out), program.pid)
            assert sum(s.names[-1] == "_start" for s in stacks) > 0.98 * len(stacks)
            intervals = agent.metric("intervals_total")
            agent.wait(lambda: agent.metric("intervals_total") > intervals + 11)
        agent.stop()


@pytest.mark.waits
def test_what_a_program_ran_from_can_be_unmounted(spanprof, workloads, tmp_path):
    """About a minute after its end: volumes come and go."""
    volume = tmp_path / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", volume], check=True)
    try:
        shutil.copy(workloads / "split-le", volume / "program")
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
            with programs([volume / "program", "--cpu-seconds", "1000"]) as [program]:
                agent.wait(lambda: len(of_process(profiles(tmp_path / "out"), program.pid)) > 10)
            agent.wait(lambda: run("umount", volume).returncode == 0, 120)
            agent.stop()
    finally:
        run("umount", "-l", volume)


def test_two_agents_do_not_share(spanprof, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        other = {**agent.config, "listen": "", "control_socket": ""}
        (tmp_path / "other.yaml").write_text(json.dumps(other))
        done = run(spanprof, "agent", "-c", tmp_path / "other.yaml")
        assert_refused(done, "another agent has", "spool")
        other = {**other, "spool": {"directory": f"{tmp_path}/spool2"}, "listen": agent.config["listen"]}
        (tmp_path / "other.yaml").write_text(json.dumps(other))
        done = run(spanprof, "agent", "-c", tmp_path / "other.yaml")
        assert_refused(done, "is taken by another program", str(agent.port))
        agent.stop()


def test_no_endpoint(spanprof):
    done = run(spanprof, "agent", env={**os.environ, "SPANPROF_CONFIG": "/dev/null"})
    assert done.returncode == 1 and "no endpoints" in errors(done)[0]


def test_ctl_without_agent(spanprof, tmp_path):
    done = run(spanprof, "agent", "ctl", "status", "--socket", tmp_path / "none")
    assert_refused(done, "no agent listens", str(tmp_path / "none"))


NEEDED = "bpf", "perfmon", "sys_ptrace", "dac_read_search", "syslog", "checkpoint_restore"


def caps_of(pid):
    """(capabilities, no_new_privs, seccomp) of all threads, which are the same."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as f:
            status = dict(line.rstrip().split(":", 1) for line in f)
        found.add((int(status["CapPrm"], 16), int(status["NoNewPrivs"]), int(status["Seccomp"])))
    assert len(found) == 1, found
    return found.pop()


@contextmanager
def nobody_agent(spanprof):
    """An agent of a user without any rights but those that are needed."""
    with folder_of_nobody() as folder:
        subprocess.run(["cp", spanprof, folder / "spanprof"], check=True)
        (folder / "spanprof").chmod(0o755)
        some = [f"--{kind}-caps=" + ",".join(f"+{c}" for c in NEEDED) for kind in ("inh", "ambient")]
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *some]
        (folder / "log").touch()
        with Agent(folder / "spanprof", folder, [directory(folder / "out")], prefix) as agent:
            yield agent


def test_rights(spanprof, busy):
    """It needs six capabilities, and of its processes only one has them."""
    with nobody_agent(spanprof) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 2)
        assert_kernel_side_is_measured(agent)
        have, *sandbox = caps_of(agent.program.pid)
        assert bin(have).count("1") == len(NEEDED) and sandbox == [1, 2]
        for pid in children(agent.program.pid):
            assert caps_of(pid) == (0, 1, 2), pid
        agent.stop()
        assert samples(agent.folder / "out", pid=busy) > HZ
        mine = [
            s for p in profiles(agent.folder / "out") for s in p.samples
            if s.labels.get("pid") == busy
        ]  # fmt: skip
        assert any("do_span" in s.names for s in mine)


def test_no_process_leaves_its_memory(spanprof, busy):
    """What is in a core dump may be a secret. A process that cannot be dumped is root's in /proc, whoever runs it."""
    with nobody_agent(spanprof) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 2)
        assert len(children(agent.program.pid)) >= 2
        for pid in agent.program.pid, *children(agent.program.pid):
            with open(f"/proc/{pid}/limits", encoding="utf-8") as f:
                limit = next(line.split()[4:6] for line in f if line.startswith("Max core file size"))
            assert limit == ["0", "0"], pid
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0, pid
        agent.stop()


def test_root_keeps_no_more(spanprof, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        have, *sandbox = caps_of(agent.program.pid)
        assert bin(have).count("1") == len(NEEDED) and sandbox == [1, 2]
        agent.stop()
