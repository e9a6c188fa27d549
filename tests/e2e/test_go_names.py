# SPDX-License-Identifier: Apache-2.0
"""Stripped Go programs: names, lines and inlined calls, as Go's own tools have them of unstripped ones."""

import os
import random
import re
import subprocess

import pytest

import go
from conftest import BUILD, ROOT

RELEASES = (go.OF_DEBIAN, "go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.9", None)
PLACES = 5000
SOURCES = ROOT / "tests" / "workloads" / "gonames"


def run(*argv, **options):
    return subprocess.run(
        [str(a) for a in argv], check=True, capture_output=True, text=True, timeout=300, **options
    ).stdout


def build(release, name, *flags, package="cmd/gofmt", folder=None):
    program = BUILD / "gonames" / f"{release or 'local'}-{name}"
    if not program.exists():
        env = {**os.environ, "CGO_ENABLED": "0"}
        run(*go.go(release or "local"), "build", *flags, "-o", program, package, env=env, cwd=folder)
    return program


def code_range(program):
    for line in run("readelf", "-SW", program).splitlines():
        found = re.search(r" \.text +PROGBITS +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)", line)
        if found:
            start, size = (int(x, 16) for x in found.groups())
            return start, start + size
    raise AssertionError("no .text")


def places(program):
    chosen = random.Random(1)
    start, end = code_range(program)
    return [chosen.randrange(start, end) for _ in range(PLACES)]


def ours(program, addresses):
    """Of each address its frames, innermost first: (function, file:line)."""
    text = "".join(f"{a:x}\n" for a in addresses)
    for line in run(BUILD / "tests" / "name_places", program, input=text).splitlines():
        words = line.split("\t") if line else []
        yield list(zip(words[::2], words[1::2]))


def by_go(program, addresses):
    """The function that has the code, and the place in the source."""
    text = "".join(f"0x{a:x}\n" for a in addresses)
    lines = run("go", "tool", "addr2line", program, input=text).splitlines()
    return list(zip(lines[::2], lines[1::2]))


def by_dwarf(program, addresses):
    """As ours() does."""
    text = "".join(f"0x{a:x}\n" for a in addresses)
    said = run("llvm-symbolizer", "--output-style=GNU", "-a", "-f", "-i", "--functions=linkage",
               "-e", program, input=text).splitlines()  # fmt: skip
    frames = []
    for line in said:
        if re.fullmatch("0x[0-9a-f]+", line):
            frames.append([])
        else:
            frames[-1].append(line)
    for lines in frames:
        yield list(zip(map(plain, lines[::2]), map(known, lines[1::2])))


def by_runtime(program, addresses):
    """What the program says of itself: only what was inlined in the place."""
    text = "".join(f"{a:x}\n" for a in addresses)
    for line in run(program, input=text).splitlines():
        words = line.split("\t")
        yield list(zip(words[::2], map(known, words[1::2])))


def known(place):
    """Between functions there is no source."""
    unknown = place in (":-1", ":0", "?:0") or place.startswith("??") or place.endswith("go.go:0")
    return "" if unknown else place.removeprefix("./").split(" (discriminator")[0]


def plain(name):
    """Without type arguments and the ABI."""
    depth, text = 0, ""
    for c in name:
        depth += c == "["
        text += "" if depth else c
        depth -= c == "]"
    return text.removesuffix(".abi0")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("mode", ["exe", "pie"])
def test_names_and_lines_of_a_stripped_program(release, mode):
    flags = (f"-buildmode={mode}",)
    whole = build(release, f"whole-{mode}", *flags)
    stripped = build(release, f"stripped-{mode}", *flags, "-ldflags=-s -w")
    assert ".symtab" not in run("readelf", "-SW", stripped)
    addresses = places(whole)
    truth = by_go(whole, addresses)
    wrong = []
    for a, got, (function, place) in zip(addresses, ours(stripped, addresses), truth):
        want = (function if function != "?" else "", known(place))
        have = (got[-1][0], known(got[0][1])) if got else ("", "")
        if have != want:
            wrong.append((hex(a), got, want))
    assert not wrong, f"{len(wrong)} of {PLACES}: {wrong[:5]}"


@pytest.mark.parametrize("release", RELEASES)
def test_inlined_functions_are_those_that_the_runtime_sees(release):
    arguments = ("-buildmode=exe", "-ldflags=-s -w")
    program = build(release, "self", *arguments, package=".", folder=SOURCES)
    addresses = places(program)
    wrong, inlined = [], 0
    for got, want in zip(ours(program, addresses), by_runtime(program, addresses), strict=True):
        if not got or not known(got[0][1]) or not want[0][0]:
            continue  # between functions; what is inlined in a wrapper has no name there
        inlined += len(got) > 1
        if [(re.sub(r"\[.*\]", "[...]", f), known(place)) for f, place in got[:1]] != want:
            wrong.append((got, want))
    assert inlined > PLACES / 10
    assert not wrong, f"{len(wrong)} of {PLACES}: {wrong[:9]}"


# The symbolizer does not read DWARF 5 of later ones.
@pytest.mark.parametrize("release", RELEASES[:4])
def test_inlined_calls_of_a_stripped_program_are_those_of_dwarf(release):
    whole = build(release, "whole-exe", "-buildmode=exe")
    stripped = build(release, "stripped-exe", "-buildmode=exe", "-ldflags=-s -w")
    addresses = places(whole)
    wrong, inlined = [], 0
    for a, got, want in zip(addresses, ours(stripped, addresses), by_dwarf(whole, addresses)):
        if not got or not known(got[0][1]):
            continue  # between functions
        inlined += len(want) > 1
        if [(plain(f), known(place)) for f, place in got] != want:
            wrong.append((hex(a), got, want))
    assert inlined > PLACES / 10
    assert len(wrong) < 0.01 * PLACES, f"{len(wrong)} of {PLACES}: {wrong[:5]}"
