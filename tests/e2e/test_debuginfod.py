# SPDX-License-Identifier: Apache-2.0
"""Names and lines of stripped programs from Debian's debuginfod, and from servers that are none."""

import os
import socket
import subprocess
import time
import urllib.request

import pytest

from pprof import load
from program import run

SOURCE = """
static volatile unsigned long sink;
static inline __attribute__((always_inline)) void stir(void) { sink = sink * 3 + 1; }
static __attribute__((noinline)) void brew(void)
{
	for (int i = 0; i < 10000000; i++)
		stir();
}
int main(void)
{
	for (int i = 0; i < 40; i++)
		brew();
	return 0;
}
"""


@pytest.fixture
def stripped(tmp_path):
    """A program without symbols; its debug file is below debug/, not where anybody looks."""
    program, debug = tmp_path / "kettle", tmp_path / "debug"
    debug.mkdir()
    (tmp_path / "kettle.c").write_text(SOURCE)
    for argv in (
        ["gcc", "-O2", "-g", "-Wl,--build-id=sha1", tmp_path / "kettle.c", "-o", program],
        ["objcopy", "--only-keep-debug", program, debug / "kettle.debug"],
        ["strip", "--strip-all", program],
    ):
        subprocess.run(argv, check=True)
    return program


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def server(stripped):
    """Its URL, once it has found the file."""
    url = f"http://127.0.0.1:{free_port()}"
    argv = ["debuginfod", "-F", stripped.parent / "debug", "-p", url.rpartition(":")[2], "-d", ":memory:"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        said = run("readelf", "-n", stripped).stdout
        build_id = said.partition("Build ID: ")[2].split()[0]
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{url}/buildid/{build_id}/debuginfo").read()
                break
            except OSError:
                time.sleep(0.1)
        try:
            yield url
        finally:
            process.kill()


def record(spanprof, program, folder, *options, **env):
    out = folder / "out.pb.gz"
    env = {**os.environ, "DEBUGINFOD_CACHE_PATH": str(folder / "cache"), **env}
    done = subprocess.run([spanprof, "record", "-o", out, *options, "--", program], env=env,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {frame.name for s in load(out).samples for frame in s.frames}, done.stderr


def test_names_and_inlined_calls(spanprof, stripped, server, tmp_path):
    names, _ = record(spanprof, stripped, tmp_path)
    assert "brew" not in names

    names, said = record(spanprof, stripped, tmp_path, f"--debuginfod={server}", "-v")
    assert {"brew", "stir", "main"} <= names
    assert "debuginfod: " in said


def test_names_of_before_the_server_was_asked(spanprof, stripped, server, tmp_path):
    """What a file's own symbols gave is not what the cache says once there is a server."""
    cache = f"--symbol-cache={tmp_path / 'symbols'}"
    names, _ = record(spanprof, stripped, tmp_path, cache)
    assert "brew" not in names
    names, _ = record(spanprof, stripped, tmp_path, cache, f"--debuginfod={server}")
    assert {"brew", "stir"} <= names


def test_by_environment_and_not(spanprof, stripped, server, tmp_path):
    names, _ = record(spanprof, stripped, tmp_path, "--no-debuginfod", DEBUGINFOD_URLS=server)
    assert "brew" not in names
    names, _ = record(spanprof, stripped, tmp_path, DEBUGINFOD_URLS=server)
    assert {"brew", "stir"} <= names


def test_no_server(spanprof, stripped, tmp_path):
    """The recording is there, and what was not to be had is said."""
    names, said = record(spanprof, stripped, tmp_path, f"--debuginfod=http://127.0.0.1:{free_port()}")
    assert names and "brew" not in names
    assert "could not be fetched" in said


def test_no_url(spanprof):
    done = run(spanprof, "record", "--debuginfod", "--", "true", env={**os.environ, "DEBUGINFOD_URLS": ""})
    assert done.returncode == 2 and "--debuginfod: no server" in done.stderr
