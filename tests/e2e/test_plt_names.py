# SPDX-License-Identifier: Apache-2.0
"""The linker's stubs have the names that objdump gives them."""

import re
import subprocess

import pytest

from conftest import BUILD

CALLS = """
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int (*pointer)(const char *) = puts; /* so that its stub goes through .got */
int main(int argc, char **argv)
{
        char *copy = strdup(argv[0]);
        printf("%f %zu %d", exp(argc), strlen(argv[argc - 1]), pointer(copy));
        puts(getenv("HOME"));
        free(copy);
        return atoi(argv[0]);
}
"""


def run(*argv, **options):
    return subprocess.run(
        [str(a) for a in argv], check=True, capture_output=True, text=True, timeout=60, **options
    ).stdout


def stubs(program, objdump="objdump"):
    """Address of each instruction of a stub → the stub's name."""
    sections = [s for s in re.findall(r"\.plt[.a-z]*", run("readelf", "-SW", program))]
    found, name = {}, None
    for line in run(objdump, "-d", *(f"-j{s}" for s in sorted(set(sections))), program).splitlines():
        label = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if label:
            name = label[1]
        elif name and name.endswith("@plt") and re.match(r" +([0-9a-f]+):\t", line):
            found[int(line.split(":")[0], 16)] = name
    return found


def ours(program, addresses):
    text = "".join(f"{a:x}\n" for a in addresses)
    said = run(BUILD / "tests" / "name_places", program, input=text)
    return [line.split("\t")[0] for line in said.splitlines()]


def compare(program, objdump="objdump", at_least=1):
    want = stubs(program, objdump)
    got = dict(zip(want, ours(program, want)))
    assert len(set(want.values())) >= at_least
    for address, name in want.items():
        if name.startswith(("*ABS*", "_Z")):  # an ifunc, which may have a name; C++
            assert re.fullmatch(r"(?!_Z).+@plt", got[address]), (hex(address), name)
        else:
            assert got[address] == name, hex(address)
    return want


@pytest.mark.parametrize(
    "flags",
    [
        ("-fcf-protection=none",),
        ("-fcf-protection=full", "-Wl,-z,ibtplt"),
        ("-fcf-protection=full", "-Wl,-z,ibtplt", "-Wl,-z,now"),
        ("-no-pie", "-fcf-protection=none"),
        ("-Wl,-z,now", "-fcf-protection=none"),
        ("-fuse-ld=lld",),
        ("-fuse-ld=lld", "-Wl,-z,force-ibt"),
    ],
    ids=" ".join,
)
def test_stubs_of_a_program(flags, tmp_path):
    (tmp_path / "calls.c").write_text(CALLS)
    run("gcc", "-O1", "-fno-builtin", *flags, "-o", tmp_path / "calls", tmp_path / "calls.c", "-lm")
    compare(tmp_path / "calls")


@pytest.mark.parametrize("flags", [(), ("-mbranch-protection=standard", "-Wl,-z,force-bti")], ids=str)
def test_stubs_of_aarch64(flags, tmp_path):
    (tmp_path / "calls.c").write_text(CALLS)
    run("aarch64-linux-gnu-gcc", "-O1", "-fno-builtin", *flags, "-o", tmp_path / "calls",
        tmp_path / "calls.c", "-lm")  # fmt: skip
    compare(tmp_path / "calls", "aarch64-linux-gnu-objdump", at_least=6)


@pytest.mark.parametrize("path", ["/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/ls", "/usr/bin/node",
                                  "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"])  # fmt: skip
def test_stubs_of_the_system(path):
    assert len(compare(path)) > 100
