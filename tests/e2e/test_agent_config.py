# SPDX-License-Identifier: Apache-2.0
"""spanprof agent --check-config, --print-config: the program's face of its configuration."""

import os

import pytest

from conftest import ROOT
from program import assert_refused, run

EXAMPLE = ROOT / "deploy" / "agent.yaml"
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith("SPANPROF_")}


@pytest.fixture
def agent(spanprof):
    """agent(*options, **variables): the command with no other SPANPROF_* than these."""

    def call(*options, **variables):
        return run(spanprof, "agent", *options, env={**PLAIN, **variables})

    return call


def without_comments(text):
    return [line.partition(" # ")[0].rstrip() for line in text.splitlines()]


def test_the_example_is_good(agent):
    done = agent("--config", EXAMPLE, "--check-config")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_commented_out_in_the_example_is_good(agent, tmp_path):
    """Endpoints there are in comments of two more blanks than prose has."""
    lines = EXAMPLE.read_text().splitlines()
    keys = [line.replace("  # ", "  ", 1) if line.startswith(("  # -", "  #  ")) else line for line in lines]
    path = tmp_path / "all.yaml"
    path.write_text("\n".join(keys) + "\n")
    done = agent("--config", path, "--print-config")
    assert done.returncode == 0, done.stderr
    assert "name: collector" in done.stdout and "name: archive" in done.stdout


def test_what_is_printed_can_be_read_and_means_the_same(agent, tmp_path):
    first = agent(
        "--config", EXAMPLE, "--print-config", "-F", "49", "--label", "a b=# c",
        SPANPROF_SPOOL_MAX_BYTES="2GiB", SPANPROF_ENDPOINT_TYPE="otlp_http",
        SPANPROF_ENDPOINT_URL="https://collector:4318",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    path = tmp_path / "printed.yaml"
    path.write_text(first.stdout)
    second = agent("--config", path, "--print-config")
    assert second.returncode == 0, second.stderr
    assert without_comments(second.stdout) == without_comments(first.stdout)


def test_each_value_says_where_it_is_from(agent, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("interval: 30s\n")
    done = agent("--config", path, "--print-config", "-F", "49", SPANPROF_LOG_FORMAT="json")
    origins = {
        key.strip(): origin.strip()
        for key, _, rest in (line.partition(": ") for line in done.stdout.splitlines())
        for origin in [rest.rpartition(" # ")[2]]
    }
    assert origins["interval"] == f"{path}:1"
    assert origins["frequency"] == "--frequency"
    assert origins["format"] == "SPANPROF_LOG_FORMAT"
    assert origins["listen"] == "default"


def test_all_errors_are_told_with_their_lines(agent, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("frequncy: 19\ninterval: soon\nspool: {max_bytes: 2}\n")
    done = agent("--config", path, "--check-config")
    assert done.returncode == 1 and done.stdout == ""
    errors = done.stderr.splitlines()
    assert [e.split(": ")[2] for e in errors] == [f"{path}:{n}" for n in (1, 2, 3)], errors
    assert "did you mean 'frequency'?" in errors[0]


def test_a_broken_configuration_is_not_printed(agent, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: [\n")
    done = agent("--config", path, "--print-config")
    assert_refused(done, f"{path}:", "no YAML")
    assert done.stdout == ""


def test_no_secret_is_printed(agent, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "endpoints:\n- {type: otlp_http, url: 'https://h', headers: {Authorization: geheim}}\n"
    )
    done = agent("--config", path, "--print-config")
    assert done.returncode == 0
    assert "geheim" not in done.stdout + done.stderr and "<hidden>" in done.stdout


def test_wrong_usage_is_exit_status_2(agent):
    assert_refused(agent("--frequncy", "19"), "--frequncy", "agent --help", status=2)
    assert_refused(agent("now"), "unexpected 'now'", status=2)
    assert_refused(agent("--config"), "needs a value", status=2)


def test_a_file_that_is_not_there(agent, tmp_path):
    assert_refused(agent("--config", tmp_path / "no.yaml", "--check-config"), "No such file")
    assert_refused(agent("--check-config", SPANPROF_CONFIG=str(tmp_path)), "directory")


def test_help_has_every_option(agent):
    done = agent("--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in ("--config", "--frequency", "--endpoint", "--label", "--listen", "--log-level"):
        assert option in done.stdout
    assert all(len(line) <= 110 for line in done.stdout.splitlines())
