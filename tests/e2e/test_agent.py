# SPDX-License-Identifier: Apache-2.0
"""
spanprof agent, from the program that is sampled to the server that received it. What it says of
itself in /metrics is compared with what arrived.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import pprof
from conftest import ROOT, open_shop, wait_until_busy
from program import NOBODY, assert_refused, errors, folder_of_nobody, run
from test_delivery import good, server
from test_push import sink

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

    def start(self):
        self.write_config()
        words = [*self.prefix, self.spanprof, "agent", "-c", self.folder / "agent.yaml"]
        self.program = subprocess.Popen(words, stderr=self.log, env={**os.environ, "no_proxy": "*"})
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

    def courier(self):
        """Its pid: the child that is not the reader of files."""
        for pid in children(self.program.pid):
            if "spanprof-send" in open(f"/proc/{pid}/comm", encoding="utf-8").read():
                return pid
        return None

    def reload(self):
        before = self.metric("config_reloads_total")
        self.write_config()
        self.program.send_signal(signal.SIGHUP)
        self.wait(lambda: self.metric("config_reloads_total") == before + 1)

    def stop(self):
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
            agent.stop()
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


# --- watching it ---------------------------------------------------------------------------------


def test_health_sees_a_stopped_process(spanprof, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        assert agent.get("/healthz") == (200, "ok\n")
        agent.program.send_signal(signal.SIGSTOP)
        agent.wait(lambda: agent.get("/healthz")[0] == 503)
        assert agent.get("/healthz")[1] == "sampling is stuck\n"
        agent.program.send_signal(signal.SIGCONT)
        agent.wait(lambda: agent.get("/healthz")[0] == 200)
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


def test_slow_clients_keep_nobody_out(spanprof, tmp_path):
    """As many connections as there are places, and more, of several addresses."""
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        slow = [socket.create_connection(("127.0.0.1", agent.port), source_address=(f"127.0.0.{n}", 0))
                for n in range(2, 8) for _ in range(22)]  # fmt: skip
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


def test_cost_is_shown(spanprof, busy, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 3)
        for name in "sampler", "courier", "worker":
            assert agent.metric(f"process_{name}_cpu_seconds_total") > 0
            assert agent.metric(f"process_{name}_resident_memory_bytes") > 1 << 20
        runs, taken = agent.metric("bpf_runs_total"), agent.metric("samples_taken_total")
        assert runs > taken * 0.9 > HZ and agent.metric("bpf_run_seconds_total") > 0
        agent.stop()


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
        intervals = agent.metric("intervals_total")
        agent.wait(lambda: agent.metric("intervals_total") >= intervals + 4)
        agent.stop()
    new = profiles(tmp_path / "new")
    assert new and not samples_of_pid(new[2:], busy)
    assert new[-1].period == pytest.approx(1e9 / 99, rel=0.01)


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


def test_filter_by_user(spanprof, busy, tmp_path):
    filters = {"include": [{"uid": NOBODY}]}
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")], filters=filters) as agent:
        agent.wait(lambda: agent.metric("intervals_total") >= 3)
        assert agent.metric("samples_unwanted_total") + agent.metric("samples_filtered_total") > HZ
        agent.stop()
    assert samples(tmp_path / "out") == 0


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
            agent.stop()

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
        assert agent.metric("sampling_frequency_hertz") >= 499
        agent.stop()
        assert "more than budgets.cpu_percent allows" in agent.messages()


def test_unit_of_systemd_is_hardened():
    unit = ROOT / "deploy" / "systemd" / "spanprof.service"
    done = run("systemd-analyze", "security", "--offline=true", unit)
    exposure = re.search(r"Overall exposure level for spanprof.service: ([0-9.]+)", done.stdout)
    assert exposure and float(exposure[1]) <= 4.0, done.stdout + done.stderr


def test_alert_rules_are_rules():
    done = run("promtool", "check", "rules", ROOT / "deploy" / "alerts.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


# --- starting ------------------------------------------------------------------------------------


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


def test_root_keeps_no_more(spanprof, tmp_path):
    with Agent(spanprof, tmp_path, [directory(tmp_path / "out")]) as agent:
        have, *sandbox = caps_of(agent.program.pid)
        assert bin(have).count("1") == len(NEEDED) and sandbox == [1, 2]
        agent.stop()
