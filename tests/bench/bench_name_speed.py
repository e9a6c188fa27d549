#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What do names cost? (a) A million addresses in 200 files with symbol tables alone, when everything
is in memory; (b) a recording of perf with inlined calls and lines, against perf script; (c) addresses
of files of all kinds, against blazesym and llvm-symbolizer; (d) a debug file of 1 GB; (e) the
addresses of (c) once more, after the names were forgotten, from the cache in memory, and by a fresh
process from the folder that an earlier one has filled (files without a build id are not kept there).
CPU time is of whole processes and what they start, unless it is said to be of the rounds alone.
"""

import argparse
import os
import random
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect_right
from pathlib import Path
from statistics import mean, median

import name_files
from measure import BUILD, ROOT, machine, spread, table
from name_truth import NAME_ADDRESSES, ElfMap

FOLDER = name_files.FOLDER
CRATE = ROOT / "tests" / "bench" / "blazesym_names"
BLAZESYM = BUILD / "blazesym_names"
TARGET_NAMES, TARGET_PERF, TARGET_BLAZESYM, TARGET_MIB, TARGET_AGAIN = 1e6, 0.1, 1.0, 300, 0.1
FILES, PER_FILE = 200, 5000
UNITS = 220  # of 5 MB each
AGAIN = 40  # rounds
TIMEOUT = 1200
SYMBOL = re.compile(r"^([0-9a-f]+) ([0-9a-f]+) [tTwWi] ", re.MULTILINE)
IN_FILE = re.compile(r"^\s*([0-9a-f]+) .*\((/[^)]+)\)$", re.MULTILINE)
FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/bin", "/usr/lib", "/usr/libexec", "/usr/local")


def run(argv, text, **options):
    """(standard output, seconds of CPU time, KiB of resident memory at the peak)"""
    argv = [str(a) for a in argv]
    with open(FOLDER / "input", "w+") as inp, open(FOLDER / "output", "w+") as out:
        inp.write(text)
        inp.seek(0)
        process = subprocess.Popen(
            argv, stdin=inp, stdout=out, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (TIMEOUT, TIMEOUT)), **options,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return out.read(), used.ru_utime + used.ru_stime, used.ru_maxrss


def ours(text, rounds=1, *options):
    """What name_addresses says of itself, and what the process took."""
    out, seconds, _ = run([NAME_ADDRESSES, "-q", "-r", rounds, *options], text)
    return [float(n) for n in out.split()], seconds


def as_input(addresses):
    """{path: file offsets}"""
    return "".join(f"@{path}\n" + "".join(f"{o:x}\n" for o in sorted(offsets))
                   for path, offsets in sorted(addresses.items()))  # fmt: skip


# --- (a) symbol tables ------------------------------------------------------------------------------


def offsets_in_symbols(path, n, rng):
    """n distinct file offsets in functions that symbols name, or as many as there are."""
    text = subprocess.run(["nm", "-S", "--defined-only", path], capture_output=True, text=True).stdout
    text = text or subprocess.run(["nm", "-D", "-S", "--defined-only", path], capture_output=True,
                                  text=True, errors="replace").stdout  # fmt: skip
    sizes = {int(a, 16): int(s, 16) for a, s in SYMBOL.findall(text)}
    starts, ends, total = sorted(sizes), [], 0
    for start in starts:
        total += sizes[start]
        ends.append(total)
    elf, found = ElfMap(path), set()
    for at in rng.sample(range(total), min(total, n)) if total else ():
        i = bisect_right(ends, at)
        found.add(elf.offset(starts[i] + ends[i] - 1 - at))
    return found - {None}


def has_debug_information(path):
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout
    return ".debug_info" in sections or any(f.exists() for f in name_files.debug_files(path))


def elf_files():
    """Large ones first; not those that are the same file."""
    sizes = {}
    for folder in FOLDERS:
        for path in Path(folder).rglob("*"):
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                with open(path, "rb") as f:
                    if f.read(7)[:6] == b"\x7fELF\x02\x01" and path.suffix not in (".o", ".ko"):
                        sizes[path.resolve()] = path.stat().st_size
    return sorted(sizes, key=lambda p: (-sizes[p], p))


def symbol_table_addresses(rng):
    addresses = {}
    for path in elf_files():
        if len(addresses) == FILES:
            break
        try:
            offsets = offsets_in_symbols(path, PER_FILE, rng)
        except (OSError, ValueError):
            continue
        if len(offsets) > 0.9 * PER_FILE and not has_debug_information(path):
            addresses[path] = offsets
    return addresses


def measure_symbol_tables(options):
    addresses = symbol_table_addresses(random.Random(options.seed))
    text = as_input(addresses)
    runs = [ours(text, 4)[0] for _ in range(options.rounds)]
    n, named = runs[0][:2]
    first = [n / r[6] for r in runs]
    warm = [n / median(r[7:]) for r in runs]
    print(f"(a) {n:.0f} addresses in {len(addresses)} files, {named:.0f} with a name")
    table(["of the rounds alone", "1000 names a second"], [
        ["the first, names are new", spread([f / 1e3 for f in first], "{:.0f}")],
        ["later ones, files are read again", spread([w / 1e3 for w in warm], "{:.0f}")],
        ["peak MiB", spread([r[3] / 1024 for r in runs], "{:.0f}")],
        ["MiB afterwards", spread([r[4] / 1024 for r in runs], "{:.0f}")],
    ])  # fmt: skip
    return judge("names a second of the later rounds", median(warm), TARGET_NAMES, at_least=True)


# --- (b) a recording --------------------------------------------------------------------------------


def recorded(seconds=8):
    """A recording of the programs that have debug information and can be run."""
    path = FOLDER / "names.perf.data"
    argvs = []
    for name in ("python 3.13", "python 3.8", "C++, gcc", "Rust"):
        try:
            subject = name_files.SUBJECTS[name]()
        except (name_files.Missing, subprocess.SubprocessError) as e:
            print(f"not recorded: {name}: {e}")
            continue
        argvs.append(" ".join(shlex.quote(str(a)) for a in subject.argv or (subject.path,)))
    script = " & ".join(f"timeout {seconds} {a} >/dev/null" for a in argvs) + " & wait"
    options = ("-q", "-F", "1999", "-g", "--user-callchains")
    subprocess.run(
        ["perf", "record", *options, "-o", path, "--", "sh", "-c", script],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    return path


def addresses_of(recording):
    """By perf itself, which prints file offsets: {path: file offsets}"""
    text = subprocess.run(
        ["perf", "script", "-i", recording, "--no-inline", "-F", "ip,sym,dso"],
        capture_output=True, text=True, errors="replace", check=True,
    ).stdout  # fmt: skip
    found = {}
    for offset, path in IN_FILE.findall(text):
        if os.path.isfile(path) and int(offset, 16) < os.path.getsize(path):
            found.setdefault(path, set()).add(int(offset, 16))
    return found


def measure_recording(options):
    if not shutil.which("perf"):
        print("(b) not measured: no perf: apt-get install linux-perf\n")
        return True
    recording = recorded()
    addresses = addresses_of(recording)
    text = as_input(addresses)
    rows, ratios = {"ours": [], "perf, without names": [], "perf, --inline": []}, []
    perfs = {
        "perf, without names": ["-F", "ip"],
        "perf, --inline": ["--inline", "-F", "ip,sym,srcline,dso"],
    }
    for _ in range(min(options.rounds, 3)):
        rows["ours"].append(ours(text)[1])
        for name, argv in perfs.items():
            rows[name].append(run(["perf", "script", "-i", recording, *argv], "")[1])
        named = rows["perf, --inline"][-1] - rows["perf, without names"][-1]
        ratios.append(rows["ours"][-1] / named)
    print(f"(b) a recording, {sum(map(len, addresses.values()))} addresses in {len(addresses)} files")
    table(["", "CPU s"], [[name, spread(seconds)] for name, seconds in rows.items()])
    return judge("times perf's names", median(ratios), TARGET_PERF)


# --- (c) other symbolizers --------------------------------------------------------------------------

KINDS = ("libc", "python 3.13", "libtsan", "node", "Rust's std", "spanprof", "C++, gcc",
         "Rust")  # fmt: skip


def blazesym():
    """The program that names by blazesym, or None."""
    program = BLAZESYM / "release" / "blazesym_names"
    if not shutil.which("cargo"):
        print("not compared with blazesym: no cargo")
        return None
    made = subprocess.run(
        ["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", BLAZESYM], cwd=CRATE,
        capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        print(f"not compared with blazesym: {made.stderr.strip().splitlines()[-1]}")
        return None
    return program


def llvm(path, vaddrs):
    text = "".join(f"{a:#x}\n" for a in vaddrs)
    return run(["llvm-symbolizer", "--inlines", f"--obj={path}"], text)


def cost_cells(runs):
    """Milliseconds and MiB of (seconds, KiB)."""
    if not runs:
        return "-", "-"
    kib = median(r[1] for r in runs)
    return spread([r[0] * 1e3 for r in runs], "{:.0f}"), f"{kib / 1024:.0f}"


def compare_peers(name, path, vaddrs, program, rounds):
    """A row of the table, and our ratio to blazesym."""
    elf = ElfMap(path)
    text = as_input({path: {elf.offset(a) for a in vaddrs}})
    us, them, third, frames = [], [], [], ["", ""]
    for _ in range(rounds):
        out, seconds = ours(text)
        us.append((seconds, out[3]))
        frames[0] = f"{out[2]:.0f}"
        if program:
            out, seconds, _ = run([program], text)
            numbers = [float(n) for n in out.split()]
            them.append((seconds, numbers[3]))
            frames[1] = f"{numbers[2]:.0f}"
        if shutil.which("llvm-symbolizer"):
            third.append(llvm(path, vaddrs)[1:])
    ratios, to_llvm = ([a[0] / b[0] for a, b in zip(us, other)] for other in (them, third))
    columns = [cell for runs in (us, them, third) for cell in cost_cells(runs)]
    to_peers = [spread(r) if r else "-" for r in (ratios, to_llvm)]
    return [name, len(vaddrs), *frames, *columns, *to_peers], ratios


PEERS = ["", "addresses", "frames", "blazesym's", "CPU ms", "MiB", "blazesym CPU ms", "MiB",
         "llvm CPU ms", "MiB", "times blazesym", "times llvm"]  # fmt: skip


def of_all_kinds(seed):
    """(name, path, sorted addresses) of each file that there is."""
    for name in KINDS:
        try:
            subject = name_files.SUBJECTS[name]()
        except (name_files.Missing, OSError, subprocess.SubprocessError) as e:
            print(f"not measured: {name}: {e}")
            continue
        yield name, subject.path, sorted(
            name_files.random_addresses(subject.path, 5000, random.Random(seed))
        )


def measure_peers(options, program):
    rows, ratios = [], []
    for name, path, vaddrs in of_all_kinds(options.seed):
        row, ratio = compare_peers(name, path, vaddrs, program, options.rounds)
        rows.append(row)
        ratios += [median(ratio)] if ratio else []
    print("(c) 5,000 random instructions of each file, each file by a process of its own")
    table(PEERS, rows)
    if not shutil.which("llvm-symbolizer"):
        print("not compared with llvm-symbolizer: apt-get install llvm")
    return not ratios or judge("times blazesym, the median file", median(ratios), TARGET_BLAZESYM)


# --- (d) a debug file of 1 GB -----------------------------------------------------------------------


def large_file():
    """Many copies of a unit, under other names."""
    folder, source = FOLDER / "large", ROOT / "tests" / "bench" / "large_unit.cc"
    path = folder / "large.so"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    argv = ["g++", "-g", "-O2", "-fPIC", "-fno-use-cxa-atexit", "-std=gnu++17", "-c", source, "-o", "unit"]
    subprocess.run(argv, cwd=folder, check=True)
    units = [f"unit{i}.o" for i in range(UNITS)]
    for i, unit in enumerate(units):
        subprocess.run(["objcopy", f"--prefix-symbols=u{i}_", "unit", unit], cwd=folder, check=True)
    subprocess.run(["ld.lld", "-z", "undefs", "-shared", "-o", path, *units], cwd=folder, check=True)
    for unit in ("unit", *units):
        (folder / unit).unlink()
    return path


def measure_large(options, program):
    try:
        path = large_file()
    except (OSError, subprocess.SubprocessError) as e:
        print(f"(d) not measured: {e}\n")
        return True
    rng = random.Random(options.seed)
    offsets = sorted(offsets_in_symbols(path, 5000, rng))
    elf = ElfMap(path)
    start, _, at = elf.loads[0]
    vaddrs = [o - at + start for o in offsets]
    size = path.stat().st_size
    row, _ = compare_peers(path.name, path, vaddrs, program, min(options.rounds, 3))
    print(f"(d) {size / 1e9:.2f} GB, addresses everywhere in it")
    table(PEERS, [row])
    numbers = ours(as_input({path: set(offsets)}))[0]
    print(f"afterwards {numbers[4] / 1024:.0f} MiB, when all is freed {numbers[5] / 1024:.0f} MiB")
    return judge("MiB at the peak", numbers[3] / 1024, TARGET_MIB)


# --- (e) names that were known ----------------------------------------------------------------------


def from_folder(text, rounds):
    """Means of CPU seconds of whole processes: the first, which fills the folder, and the next."""
    runs = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            results = [ours(text, 1, "-C", folder) for _ in range(2)]
            assert results[0][0][:3] == results[1][0][:3], "other names from the folder"
            runs.append([seconds for _, seconds in results])
    return [mean(r[i] for r in runs) for i in range(2)]


def measure_again(options):
    rows, first, again, filling, reading = [], 0, 0, 0, 0
    for name, path, vaddrs in of_all_kinds(options.seed):
        elf = ElfMap(path)
        text = as_input({path: {elf.offset(a) for a in vaddrs}})
        runs = [ours(text, AGAIN, "-c")[0] for _ in range(options.rounds)]
        # A limit of CPU time makes its clock one of ticks: so means.
        anew, later = mean(r[6] for r in runs), mean(s for r in runs for s in r[7:])
        first, again = first + anew, again + later
        fills, reads = from_folder(text, options.rounds)
        filling, reading = filling + fills, reading + reads
        rows.append([name, len(vaddrs), f"{anew * 1e3:.1f}", f"{later * 1e3:.1f}", f"{later / anew:.3f}" if anew else "-",
                     f"{fills * 1e3:.1f}", f"{reads * 1e3:.1f}", f"{reads / fills:.3f}" if fills else "-"])  # fmt: skip
    print("(e) names that were forgotten, from the cache in memory; and whole processes, from its folder")
    table(["", "addresses", "anew, CPU ms", "again", "times", "fills folder, CPU ms", "next process", "times"], rows)
    print(f"{reading / filling:.3f} times the process that fills the folder, all files")
    return judge("times the first naming, all files", again / first, TARGET_AGAIN)


def judge(what, value, target, at_least=False):
    fine = value >= target if at_least else value <= target
    form = "{:,.0f}" if abs(value) > 100 else "{:.3f}"
    print(f"{form.format(value)} {what}, target {'>=' if at_least else '<='} {target:,}: "
          f"{'reached' if fine else 'MISSED'}\n", flush=True)  # fmt: skip
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("parts", nargs="*", help="of a b c d e (all)", metavar="PART")
    options = parser.parse_args()
    parts = options.parts or list("abcde")
    print(machine(), flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = blazesym() if set(parts) & {"c", "d"} else None
    done = [
        measure for part, measure in (
            ("a", lambda: measure_symbol_tables(options)),
            ("b", lambda: measure_recording(options)),
            ("c", lambda: measure_peers(options, program)),
            ("d", lambda: measure_large(options, program)),
            ("e", lambda: measure_again(options)),
        ) if part in parts
    ]  # fmt: skip
    sys.exit(not all([measure() for measure in done]))


if __name__ == "__main__":
    main()
