# SPDX-License-Identifier: Apache-2.0
"""What doctor says of where a program's names and lines come from, and how to get more."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from program import run

SOURCE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"


def shell(folder, *commands):
    for command in commands:
        subprocess.run(command, cwd=folder, shell=True, check=True)


LINES = ": source lines, inlined functions: "
# Much of it is the same in each program, so that dwz moves it out of them.
SHARED = "".join(
    f"struct s{i} {{ int a{i}, b{i}; struct {{ long x{i}[{i}]; }} c{i}; }} v{i};\n" for i in range(1, 60)
)


def server():
    """Of this host's distribution, if it is Debian or one of its like that we know."""
    words = Path("/etc/os-release").read_text().splitlines()
    ids = [line.removeprefix("ID=") for line in words if line.startswith("ID=")]
    known = {"debian": "https://debuginfod.debian.net", "ubuntu": "https://debuginfod.ubuntu.com"}
    return known[ids[0].strip('"')]


def wait_until_it_runs(process, path):
    deadline = time.monotonic() + 20
    while os.readlink(f"/proc/{process.pid}/exe").removesuffix(" (deleted)").endswith("chroot"):
        assert time.monotonic() < deadline, f"{path} is not run"
        time.sleep(0.02)


def lines_about(spanprof, program, by_finding=False):
    """Those that doctor prints on the program's own file, without its path."""
    with subprocess.Popen([program]) as process:
        try:
            done = run(spanprof, "doctor", "-p", process.pid)
        finally:
            process.kill()
    said = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    if by_finding:
        start = f"{program}{LINES}"
        return [(LINES, f"{yes} {rest.removeprefix(start)}") for yes, rest in said if rest.startswith(start)]
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
                  f"or record with --debuginfod={server()}") in said  # fmt: skip


def test_stripped_without_build_id(spanprof, folder):
    shell(folder, "strip -R .note.gnu.build-id p")
    said = lines_about(spanprof, folder / "p")
    assert ("no", ": stripped: exported functions only, the others are [file+0x…] (no build id); "
                  "build it with -g, or install its debug symbols") in said  # fmt: skip


def test_package_of_the_distribution(spanprof):
    with subprocess.Popen(["/usr/bin/sleep", "60"]) as process:
        done = run(spanprof, "doctor", "-p", process.pid)
        process.kill()
    assert f"apt install coreutils-dbgsym, or record with --debuginfod={server()}\n" in done.stdout


@pytest.mark.parametrize(
    "os_release, url",
    [
        ("NAME=x\nID=ubuntu\nID_LIKE=debian\n", "https://debuginfod.ubuntu.com"),
        ("ID=mine\nID_LIKE='other fedora'\n", "https://debuginfod.fedoraproject.org"),
        ('ID="opensuse-leap"', "https://debuginfod.opensuse.org"),
        ("ID=arch\n", "https://debuginfod.archlinux.org"),
        ("XID=debian\nID=debianish\n", "https://debuginfod.elfutils.org"),
    ],
)
def test_server_of_the_distribution_of_the_process(spanprof, folder, os_release, url):
    """Of its root, not ours."""
    shell(folder, "mkdir -p root/etc", "gcc -static -Wl,--build-id=0x1234abcd p.c -o root/p", "strip root/p")
    (folder / "root/etc/os-release").write_text(os_release)
    with subprocess.Popen(["chroot", folder / "root", "/p"]) as process:
        wait_until_it_runs(process, "/p")
        done = run(spanprof, "doctor", "-p", process.pid)
        process.kill()
    line = next(line for line in done.stdout.splitlines() if "/p: source lines" in line)
    assert line.endswith(f", or record with --debuginfod={url}"), line


# --- debug information that is in part elsewhere --------------------------------------------------


def test_split_units(spanprof, folder):
    """The skeleton in the file has lines, and nothing of what was inlined."""
    shell(folder, "gcc -g -gsplit-dwarf -O1 -c p.c -o p.o", "gcc p.o -o p")
    assert ("yes", LINES + "from DWARF") in lines_about(spanprof, folder / "p")
    shell(folder, "mv p.dwo q.dwo")
    said = dict(lines_about(spanprof, folder / "p", by_finding=True))
    assert said[LINES].startswith("no lines from DWARF, no inlined functions: 'p.dwo', ")
    assert "is missing" in said[LINES] and "dwp" in said[LINES]


def test_split_unit_of_another_build(spanprof, folder):
    shell(folder, "gcc -g -gsplit-dwarf -O1 -c p.c -o p.o", "gcc p.o -o p",
          "echo 'int more;' >> p.c", "gcc -g -gsplit-dwarf -O1 -c p.c -o p.o")  # fmt: skip
    said = dict(lines_about(spanprof, folder / "p", by_finding=True))
    assert said[LINES].startswith("no lines from DWARF, no inlined functions: 'p.dwo', ")


def test_package_of_split_units(spanprof, folder):
    shell(folder, "gcc -g -gdwarf-4 -gsplit-dwarf -O1 -c p.c -o p.o", "gcc p.o -o p",
          "dwp -e p -o p.dwp", "rm p.dwo")  # fmt: skip
    assert ("yes", LINES + "from DWARF") in lines_about(spanprof, folder / "p")


def test_supplementary_file_of_dwz(spanprof, folder):
    (folder / "p.c").write_text(SHARED + SOURCE)
    shell(folder, "gcc -g -O1 -Wl,--build-id=0x1234abcd p.c -o p", "gcc -g -O1 -DB p.c -o q",
          "dwz -m common.debug p q", "test -f common.debug")  # fmt: skip
    assert ("yes", LINES + "from DWARF") in lines_about(spanprof, folder / "p")
    shell(folder, "rm common.debug")
    said = dict(lines_about(spanprof, folder / "p", by_finding=True))
    assert said[LINES].startswith("no from DWARF in part: 'common.debug', of dwz, ")
    assert "is missing" in said[LINES] and server() in said[LINES]


def test_debug_information_of_nothing(spanprof, folder):
    """It is there, but no unit in it is of any code of the file."""
    (folder / "d.c").write_text("int data;\n")
    shell(folder, "gcc -c p.c -o p.o", "gcc -g -c d.c -o d.o", "gcc p.o d.o -o p",
          "readelf -SW p | grep -q debug_info")  # fmt: skip
    said = dict(lines_about(spanprof, folder / "p", by_finding=True))
    assert said[LINES].startswith("no none at any of ")


def test_paths_are_printable(spanprof, folder):
    path = folder / "p\033[2J\nno   second line"
    shell(folder, f"mv p '{path}'")
    with subprocess.Popen([path]) as process:
        done = run(spanprof, "doctor", "-p", process.pid)
        process.kill()
    assert "\033" not in done.stdout and "\nno   second" not in done.stdout
    assert f"{folder}/p?[2J?no   second line: names from .symtab" in done.stdout
