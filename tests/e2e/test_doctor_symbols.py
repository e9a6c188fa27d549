# SPDX-License-Identifier: Apache-2.0
"""What doctor says of where a program's names and lines come from, and how to get more."""

import subprocess

import pytest

from program import run

SOURCE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"


def shell(folder, *commands):
    for command in commands:
        subprocess.run(command, cwd=folder, shell=True, check=True)


def lines_about(spanprof, program):
    """Those that doctor prints on the program's own file, without its path."""
    with subprocess.Popen([program]) as process:
        try:
            done = run(spanprof, "doctor", "-p", process.pid)
        finally:
            process.kill()
    said = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return [(yes, rest.removeprefix(str(program))) for yes, rest in said if rest.startswith(str(program))]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.c").write_text(SOURCE)
    shell(tmp_path, "gcc -g -Wl,--build-id=0x1234abcd p.c -o p")
    return tmp_path


def test_all_in_the_file(spanprof, folder):
    said = lines_about(spanprof, folder / "p")
    assert ("yes", ": names from .symtab (build id 1234abcd)") in said
    assert ("yes", ": source lines, inlined functions: from DWARF") in said


def test_debug_file(spanprof, folder):
    shell(folder, "objcopy --only-keep-debug p p.debug", "strip p", "objcopy --add-gnu-debuglink=p.debug p")
    said = lines_about(spanprof, folder / "p")
    assert ("yes", ": names from its separate debug file (build id 1234abcd)") in said
    assert ("yes", ": source lines, inlined functions: from its separate debug file") in said


def test_symbols_alone(spanprof, folder):
    shell(folder, "strip --strip-debug p")
    said = lines_about(spanprof, folder / "p")
    assert ("yes", ": names from .symtab (build id 1234abcd)") in said
    assert ("no", ": source lines, inlined functions: none; build it with -g, or install its debug symbols, "
                  "or record with --debuginfod=URL of its distribution") in said  # fmt: skip


def test_stripped_without_build_id(spanprof, folder):
    shell(folder, "strip -R .note.gnu.build-id p")
    said = lines_about(spanprof, folder / "p")
    assert ("no", ": stripped: exported functions only, the others are [file+0x…] (no build id); "
                  "build it with -g, or install its debug symbols") in said  # fmt: skip


def test_package_of_the_distribution(spanprof):
    with subprocess.Popen(["/usr/bin/sleep", "60"]) as process:
        done = run(spanprof, "doctor", "-p", process.pid)
        process.kill()
    assert "apt install coreutils-dbgsym" in done.stdout
