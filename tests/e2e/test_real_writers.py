# SPDX-License-Identifier: Apache-2.0
"""Programs whose context is written by published libraries that are not ours."""

import os
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT
from truth import judge

SECONDS = 5


@pytest.fixture(scope="session")
def libdatadog_writer():
    """A Rust program on the crates libdd-otel-thread-ctx and libdd-library-config."""
    target = BUILD / "libdatadog"
    done = subprocess.run(
        ["cargo", "build", "--release", "--locked", "--quiet"],
        cwd=ROOT / "tests/workloads/libdatadog", capture_output=True, text=True, check=False,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target / "release/libdatadog-writer"


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
    verdict = judge(recording.truth, recording.samples)
    print(verdict.counts)
    verdict.assert_right()
    churning = [s for s in recording.profile.samples if "span_id" in s.labels]
    assert {s.labels["service.name"] for s in churning} == {"ddtrace-writer"}


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
    verdict = judge(recording.truth, recording.samples)
    print(verdict.counts)
    verdict.assert_right()
    serving = [s for s in recording.profile.samples if "span_id" in s.labels]
    assert {s.labels["service.name"] for s in serving} == {"java-writer"}


def test_elastic_apm_agent(java, record):
    recording = record("--", *java(
        "elastic-apm-agent", "-Delastic.apm.universal_profiling_integration_enabled=true",
        "-Delastic.apm.service_name=java-elastic", "-Delastic.apm.server_url=http://127.0.0.1:9",
        "-Delastic.apm.log_level=OFF",
    ), SECONDS, "{log}")  # fmt: skip
    verdict = judge(recording.truth, recording.samples)
    print(verdict.counts)
    verdict.assert_right()
    serving = [s for s in recording.profile.samples if "span_id" in s.labels]
    assert {s.labels["service.name"] for s in serving} == {"java-elastic"}


def test_libdatadog(libdatadog_writer, record):
    recording = record("--", libdatadog_writer, SECONDS, "{log}")
    verdict = judge(recording.truth, recording.samples)
    print(verdict.counts)
    verdict.assert_right()
    services = {s.labels["service.name"] for s in recording.profile.samples if any(n.endswith("::churn") for n in s.names)}
    assert services == {"libdatadog-writer"}
