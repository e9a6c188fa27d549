# SPDX-License-Identifier: Apache-2.0
"""
Names that `record --symbol-cache` has kept from an earlier time. The program stays at one
instruction, so that no recording of it meets an address that another has not met.
"""

import re
import subprocess
from contextlib import contextmanager

import pytest

from conftest import wait_until_busy

SOURCE = """
static inline __attribute__((always_inline)) void stir(void)
{
	for (;;)
		__asm__ volatile("");
}
static __attribute__((noinline)) void brew(void) { stir(); }
int main(void) { brew(); return 0; }
"""
SAID = re.compile(r"symbol cache: (\d+) files read, (\d+) written")


@pytest.fixture
def kettle(tmp_path):
    (tmp_path / "kettle.c").write_text(SOURCE)
    argv = ["gcc", "-O2", "-g", "-Wl,--build-id=sha1", "kettle.c", "-o", "kettle"]
    subprocess.run(argv, cwd=tmp_path, check=True)
    return tmp_path / "kettle"


@contextmanager
def running(program):
    process = subprocess.Popen([program])
    try:
        wait_until_busy(process.pid)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def names(record, tmp_path):
    """names(program) → its user frames, files of the cache that were read, written, and the log"""

    def call(program):
        with running(program) as pid:
            done = record("-v", "-p", pid, "-d", "500ms", "--symbol-cache", tmp_path / "cache")
        frames = {
            (f.name, f.file, f.line, f.inlined)
            for s in done.profile.samples for f in s.frames if f.mapping and not f.mapping.startswith("[")
        }  # fmt: skip
        read, written = map(int, SAID.search(done.stderr).groups())
        return frames, read, written, done.stderr

    return call


def test_second_recording_has_the_names_of_the_first(kettle, names):
    first, read, written, _ = names(kettle)
    assert {("stir", str(kettle) + ".c", True), ("brew", str(kettle) + ".c", False)} <= {
        (name, file, inlined) for name, file, _, inlined in first
    }
    assert read == 0 and written >= 2  # of the program, of libc
    again, read_again, written_again, _ = names(kettle)
    assert again == first
    assert (read_again, written_again) == (written, 0)


def test_names_of_another_file_do_not_count(kettle, names):
    """Anybody may claim its build id."""
    names(kettle)
    subprocess.run(["strip", "--strip-all", kettle], check=True)
    again, _, written, _ = names(kettle)
    assert not {"stir", "brew", "main"} & {name for name, *_ in again} and written == 1, again


@pytest.mark.parametrize("tear", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-1] + b"x"])
def test_torn_file_is_ignored_and_written_anew(kettle, names, tmp_path, tear):
    first, _, written, _ = names(kettle)
    files = list((tmp_path / "cache").glob("*.sym"))
    assert len(files) == written
    whole = {f: f.read_bytes() for f in files}
    for f in files:
        f.write_bytes(tear(whole[f]))
    again, read, written_again, log = names(kettle)
    assert again == first
    assert (read, written_again) == (0, written), log
    assert f"{written} files in '{tmp_path / 'cache'}' were damaged or not ours" in log
    last, read, written_again, log = names(kettle)
    assert last == first and (read, written_again) == (written, 0) and "damaged" not in log
