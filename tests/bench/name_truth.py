# SPDX-License-Identifier: Apache-2.0
"""What names an address has, by our symbolizer and by others, in one form."""

import re
import struct
import subprocess
from dataclasses import dataclass
from os.path import normpath

from measure import BUILD

NAME_ADDRESSES = BUILD / "tests" / "name_addresses"
PF_X, PT_LOAD = 1, 1
TIMEOUT = 3600

# What compilers append to the names of copies and parts of a function.
CLONE = re.compile(r"(\.(isra|part|constprop|cold|localalias|lto_priv|llvm|warm|exit)\b[.\d]*)+$")
CLONES = re.compile(r"( \[clone [^\]]*\])+$")
RUST_HASH = re.compile(r"::h[0-9a-f]{16}$|\[[0-9a-f]{10,16}\](?=::|>|$)")
# A relative folder of compilation, which others put in front of itself.
TWICE = re.compile(r"^([^/].*?)/\1/")
INLINED = re.compile(r" inlined at .*$")
ADDRESS = re.compile(r"0x[0-9a-f]+$")


@dataclass(frozen=True)
class Frame:
    function: str  # "": none
    file: str  # "": none
    line: int  # 0: none


def plain(function):
    """Without what the compiler made of the name, and without Rust's hashes."""
    return RUST_HASH.sub("", CLONES.sub("", CLONE.sub("", function)))


def frame(function, file, line):
    """As we and the tools write it: ? stands for nothing. No line is in no file."""
    function = "" if function in ("??", "?", "[unknown]") else plain(function)
    line = int(line) if line.isdigit() else 0
    return Frame(function, TWICE.sub(r"\1/", normpath(file)) if line else "", line)


class ElfMap:
    """Which file offset a virtual address of the code has."""

    def __init__(self, path):
        with open(path, "rb") as f:
            head = f.read(64)
            at, size, n = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
            f.seek(at)
            headers = [struct.unpack("<IIQQQQQQ", f.read(size)[:56]) for _ in range(n)]
        self.loads = [
            (vaddr, filesz, offset)
            for kind, flags, offset, vaddr, _, filesz, _, _ in headers
            if kind == PT_LOAD and flags & PF_X
        ]

    def offset(self, vaddr):
        for start, size, offset in self.loads:
            if start <= vaddr < start + size:
                return vaddr - start + offset
        return None


def run(argv, text):
    """Standard output; what the tool complains about is no news here."""
    return subprocess.run(
        [str(a) for a in argv], input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, errors="replace", timeout=TIMEOUT, check=False,
    ).stdout  # fmt: skip


def ours(path, vaddrs):
    """{address: frames, innermost first}"""
    elf = ElfMap(path)
    offsets = "".join(f"{elf.offset(a):x}\n" for a in vaddrs)
    chains, chain = [], None
    for line in run([NAME_ADDRESSES], f"@{path}\n{offsets}").split("\n"):
        if line.startswith("\t"):
            chain.append(frame(*line[1:].split("\t")))
        elif line.count(" ") == 1:
            chain = []
            chains.append((int(line.partition(" ")[0], 16), chain))
    assert [a for a, _ in chains] == list(vaddrs), "an address was moved"
    return dict(chains)


def place(text, columns):
    """(file, line) of FILE:LINE (discriminator N), or of FILE:LINE:COLUMN."""
    parts = text.partition(" (discriminator")[0].rsplit(":", 1 + columns)
    return (parts[0], parts[1]) if len(parts) == 2 + columns else (text.partition(":")[0], "0")


def demangled(chains):
    """By one demangler, as the tools do not know the same languages."""
    names = sorted({f.function for chain in chains.values() for f in chain})
    readable = dict(zip(names, run(["c++filt", "-i"], "".join(f"{n}\n" for n in names)).split("\n")))
    return {
        address: [Frame(plain(readable[f.function]), f.file, f.line) for f in chain]
        for address, chain in chains.items()
    }


def addr2line(argv, path, vaddrs):
    """The same by a program that prints an address, and then two lines for each frame."""
    columns = argv[0].startswith("eu-")
    chains, chain, function = {}, [], None
    text = run([*argv, "-a", "-f", "-i", "-e", path], "".join(f"{a:#x}\n" for a in vaddrs))
    for line in text.split("\n")[:-1]:
        if ADDRESS.match(line):
            chain = chains[int(line, 16)] = []
            function = None
        elif function is None:
            function = INLINED.sub("", line)
        else:
            found = frame(function, *place(line, int(columns and line.count(":") >= 2)))
            function = None
            if found.function or found.file:
                chain.append(found)
    assert len(chains) == len(vaddrs), f"{argv[0]} left addresses out"
    return demangled(chains)


def symbols(*paths):
    """{address: names there}: any of them is right."""
    names = {}
    for path in paths:
        for options in ([], ["-D"]):
            argv = ["nm", "-C", "--defined-only", *options, path]
            text = subprocess.run(argv, capture_output=True, text=True, errors="replace").stdout
            for line in text.splitlines():
                address, _, rest = line.partition(" ")
                if address and len(rest) > 2:
                    name = plain(rest[2:].partition("@")[0])
                    names.setdefault(int(address, 16), set()).add(name)
    return names
