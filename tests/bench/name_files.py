# SPDX-License-Identifier: Apache-2.0
"""The files whose addresses bench_names.py and bench_name_speed.py name, and addresses in them."""

import random
import re
import shutil
import subprocess
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from measure import BUILD, ROOT, SPANPROF

FOLDER = BUILD / "names"
SOURCES = ROOT / "tests" / "workloads"
PYTHONS = Path.home() / ".pyenv" / "versions"
RUST = Path.home() / ".rustup" / "toolchains"
INSTRUCTION = re.compile(r"^ +([0-9a-f]+):", re.MULTILINE)
FUNCTION = re.compile(r" FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)")
WINDOW, WINDOWS = 1 << 15, 100  # of the disassembler


class Missing(Exception):
    pass


@dataclass(frozen=True)
class Subject:
    name: str
    path: Path
    argv: tuple = ()  # a command that runs the file for some seconds


def _output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, errors="replace").stdout


def _compiled(name, compiler, *flags):
    """A workload, with debug information."""
    path = FOLDER / name
    if not path.exists():
        if not shutil.which(compiler):
            raise Missing(f"no {compiler}")
        FOLDER.mkdir(exist_ok=True)
        subprocess.run([compiler, *flags, "-o", path], check=True, cwd=SOURCES, capture_output=True)
    return path


def _unpacked(program, *packages):
    """A program of Debian's packages with its debug file beside it, as both are not installed."""
    path = FOLDER / "debian" / program
    if list(path.parent.glob(f".debug/{path.name}")):
        return path
    folder = FOLDER / "debs" / path.name
    folder.mkdir(parents=True, exist_ok=True)
    got = subprocess.run(["apt-get", "download", *packages], cwd=folder, capture_output=True)
    if got.returncode:
        raise Missing(f"apt-get download {' '.join(packages)} fails")
    for deb in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, FOLDER / "debian"], check=True)
    debug = path.parent / ".debug"
    debug.mkdir(exist_ok=True)
    file = debug / f"{path.name}.debug"
    shutil.copy(FOLDER / "debian/usr/lib/debug/.build-id" / build_id(path), file)
    _refer_to_unpacked(file)
    subprocess.run(
        ["objcopy", "--remove-section=.gnu_debuglink", f"--add-gnu-debuglink={file}", path], check=True,
    )  # fmt: skip
    (debug / path.name).touch()
    return path


def _refer_to_unpacked(debug_file):
    """What it shares with others is in a file that it calls by its place in the system."""
    if ".gnu_debugaltlink" not in _output("readelf", "-SW", debug_file):
        return
    link = FOLDER / "debs" / "altlink"
    subprocess.run(["objcopy", f"--dump-section=.gnu_debugaltlink={link}", debug_file], check=True)
    link.write_bytes(bytes(FOLDER / "debian") + link.read_bytes())
    subprocess.run(["objcopy", f"--update-section=.gnu_debugaltlink={link}", debug_file], check=True)


def build_id(path):
    """NN/NNNN.debug"""
    digits = re.search(r"Build ID: ([0-9a-f]+)", _output("readelf", "-n", path)).group(1)
    return f"{digits[:2]}/{digits[2:]}.debug"


def debug_files(path):
    """Where the file's debug information may be."""
    beside = path.resolve().parent / ".debug"
    try:
        return [Path("/usr/lib/debug/.build-id") / build_id(path), *beside.glob("*.debug")]
    except AttributeError:
        return []


def _installed(*patterns):
    """The first that there is."""
    for folder, pattern in patterns:
        found = sorted(folder.glob(pattern))
        if found:
            return found[-1]
    raise Missing(f"no {' or '.join(f'{f}/{p}' for f, p in patterns)}")


LIB = Path("/usr/lib/x86_64-linux-gnu")
CC1PLUS = Path("/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus")
# Parses, compiles, prints, matches and hashes the standard library.
SCRIPT = """
import ast, glob, hashlib, json, os, re
while True:
    for path in glob.glob(os.path.dirname(os.__file__) + "/*.py"):
        text = open(path, errors="replace").read()
        compile(text, path, "exec")
        json.loads(json.dumps(sorted(re.findall(r"[a-z_]+|[0-9.]+", text))))
        hashlib.md5(ast.dump(ast.parse(text)).encode()).hexdigest()
"""

SUBJECTS = {
    # with debug information of their own, or of an installed package
    "libc": lambda: Subject("libc", _installed((LIB, "libc.so.6"))),
    "libm": lambda: Subject("libm", _installed((LIB, "libm.so.6"))),
    "python 3.13": lambda: Subject(
        "python 3.13", _installed((PYTHONS, "3.13*/lib/libpython3.13.so.1.0")),
        (str(_installed((PYTHONS, "3.13*/bin/python3.13"))), "-c", SCRIPT),
    ),
    "python 3.8": lambda: Subject(
        "python 3.8", _installed((PYTHONS, "3.8*/lib/libpython3.8.so.1.0")),
        (str(_installed((PYTHONS, "3.8*/bin/python3.8"))), "-c", SCRIPT),
    ),
    "python 3.11": lambda: Subject(
        "python 3.11",
        _unpacked("usr/bin/python3.11", "python3.11-minimal", "python3.11-dbg"),
        (str(FOLDER / "debian/usr/bin/python3.11"), "-S", "-c", SCRIPT),
    ),
    "perl": lambda: Subject(
        "perl", _unpacked("usr/bin/perl", "perl-base", "perl-debug"),
        (str(FOLDER / "debian/usr/bin/perl"), "-e", "$h{$_ % 99} .= $_ for 1 .. 1e9"),
    ),
    "libtsan": lambda: Subject("libtsan", _installed((LIB, "libtsan.so.2.0.0"))),
    "docker (Go)": lambda: Subject(
        "docker (Go)", _installed((Path("/usr/local/bin"), "docker"), (Path("/usr/bin"), "docker")),
    ),
    "node": lambda: Subject(
        "node", _installed((Path("/usr/bin"), "node")),
        ("/usr/bin/node", "-e", "for (let a = {}, i = 0; ; i++) a['x' + i % 999] = JSON.stringify(a)"),
    ),
    "Rust's std": lambda: Subject(
        "Rust's std", _installed((RUST, "stable*/lib/rustlib/x86_64*/lib/libstd-*.so")),
    ),
    "spanprof": lambda: Subject("spanprof", SPANPROF),
    # compiled here
    "C++, gcc": lambda: Subject("C++, gcc", _compiled(
        "templates-gcc", "g++", "-g", "-O2", "-std=gnu++17", "templates.cc")),
    "C++, gcc, DWARF 4": lambda: Subject("C++, gcc, DWARF 4", _compiled(
        "templates-gcc-4", "g++", "-g", "-gdwarf-4", "-O2", "-gz", "-std=gnu++17", "templates.cc")),
    "C++, clang": lambda: Subject("C++, clang", _compiled(
        "templates-clang", "clang++", "-g", "-O2", "-std=gnu++17", "templates.cc")),
    "Go": lambda: Subject("Go", _installed((BUILD / "workloads", "chain-go"))),
    "Rust": lambda: Subject("Rust", _compiled(
        "chain-rust", "rustc", "-g", "-O", "chain.rs")),
    # without debug information
    "cc1plus": lambda: Subject("cc1plus", _installed((CC1PLUS.parent, CC1PLUS.name))),
    "libcrypto": lambda: Subject(
        "libcrypto", _installed((LIB, "libcrypto.so.3")),
        ("openssl", "speed", "-seconds", "2", "rsa2048", "ecdsap256", "aes-256-cbc"),
    ),
    "sqlite3": lambda: Subject("sqlite3", _installed((LIB, "libsqlite3.so.0"))),
}  # fmt: skip


def _functions(path):
    """(start, end) of every function that an unwind table covers."""
    text = _output("readelf", "--debug-dump=frames", path)
    return sorted((int(a, 16), int(b, 16)) for a, b in FUNCTION.findall(text))


def _instructions(path, start, end):
    text = _output("objdump", "-d", "--no-show-raw-insn", f"--start-address={start:#x}",
                   f"--stop-address={end:#x}", path)  # fmt: skip
    return [int(a, 16) for a in INSTRUCTION.findall(text)]


def _windows(functions, rng):
    """Where disassembly begins: at functions WINDOW bytes or more apart, in WINDOWS places at most."""
    starts = []
    for start, _ in functions:
        if not starts or start >= starts[-1] + WINDOW:
            starts.append(start)
    return sorted(rng.sample(starts, min(len(starts), WINDOWS)))


def random_addresses(path, n, rng):
    """n instructions of functions at most. Of a large file not all is disassembled."""
    functions = _functions(path)
    starts = [f[0] for f in functions]
    windows = _windows(functions, rng)
    found = set()
    for start in windows:
        inside = [
            a for a in _instructions(path, start, start + WINDOW)
            if a < functions[bisect_right(starts, a) - 1][1]
        ]  # fmt: skip
        found.update(rng.sample(inside, min(len(inside), -(-n // len(windows)))))
    return found


def sampled_addresses(subject, seconds=4):
    """Addresses of the file in a recording of its command."""
    from pprof import load  # the end-to-end tests' reader

    if not subject.argv:
        return set()
    out = FOLDER / "names.pb.gz"
    FOLDER.mkdir(exist_ok=True)
    subprocess.run(
        [SPANPROF, "record", "-F", "999", "-o", out, "-d", str(seconds), "--", *subject.argv],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip
    wanted = str(subject.path.resolve())
    frames = (f for s in load(out).samples for f in s.frames)
    return {f.address for f in frames if f.mapping == wanted}


def addresses(subject, n, seed):
    rng = random.Random(seed)
    return sorted(random_addresses(subject.path, n, rng) | sampled_addresses(subject))
