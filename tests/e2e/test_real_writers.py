# SPDX-License-Identifier: Apache-2.0
"""Programs whose context is written by published libraries that are not ours."""

import os
import subprocess

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


def test_libdatadog(libdatadog_writer, record):
    recording = record("--", libdatadog_writer, SECONDS, "{log}")
    verdict = judge(recording.truth, recording.samples)
    print(verdict.counts)
    verdict.assert_right()
    services = {s.labels["service.name"] for s in recording.profile.samples if any(n.endswith("::churn") for n in s.names)}
    assert services == {"libdatadog-writer"}
