#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Are the names right? Random instructions of functions in files of all kinds, and what was sampled in
some of them: function, file, line and the whole chain of inlined calls, against addr2line of
binutils, of elfutils and of LLVM. None of these is always right: what two of them say counts, and
where each of them says something else is told apart. The kernel's functions, at addresses that perf
samples, against perf.
"""

import argparse
import re
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import combinations

import kernel_names
import name_files
from measure import machine, table
from name_truth import Frame, addr2line, ours, symbols

KERNEL = "kernel"
TARGET = 99.9  # % of the addresses for which two say the same
TOOLS = {
    "GNU": ["addr2line"],
    "elfutils": ["eu-addr2line", "-A"],
    "LLVM": ["llvm-symbolizer", "--output-style=GNU", "--no-demangle"],
}
CUT_CLONE = re.compile(r" \[[^\]]*$")
KINDS = ("no name", "a name", "inlined", "function", "file", "line")


@dataclass
class Result:
    n: int = 0
    frames: int = 0
    judged: int = 0  # two say the same
    equal: int = 0  # of those
    function: int = 0  # of those the outermost function is the same
    stubs: int = 0  # of the PLT, which only we name
    one: int = 0  # none say the same, and we say what one of them says
    kinds: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=lambda: defaultdict(list))
    alone: Counter = field(default_factory=Counter)  # tools that two others contradict


def is_short_for(short, name):
    """
    Of static functions of C++ DWARF may have no more than the name, without its namespace, and
    arguments of templates in another spelling.
    """
    base, template, _ = short.partition("<")
    end = name.find(base + (template or "("))
    return bool(base) and end >= 0 and "(" not in name[:end] and name[:end][-1:] in ("", ":", " ")


def same_function(a, b, groups):
    """The same name, one that is cut or short, or two that the file has for one place."""
    if a.endswith("…"):
        return b.startswith(CUT_CLONE.sub("", a[:-1]))
    if a == b or is_short_for(a, b) or is_short_for(b, a):
        return True
    return any(b in group for group in groups.get(a, ()))


def difference(a, b, groups):
    """The first of KINDS in which chain a is not b; None if they are the same."""
    if a == b:
        return None
    if bool(a) != bool(b):
        return "a name" if a else "no name"
    if len(a) != len(b):
        return "inlined"
    if not all(same_function(x.function, y.function, groups) for x, y in zip(a, b)):
        return "function"
    if any(x.file != y.file for x, y in zip(a, b)):
        return "file"
    return "line" if any(x.line != y.line for x, y in zip(a, b)) else None


def outermost(chain):
    return [Frame(chain[-1].function, "", 0)] if chain else []


def witnesses(others):
    """Who knows less than another does not count: not each reads all forms of DWARF."""
    lines = [any(f.line for f in chain) for chain in others]
    names = [all(f.function for f in chain) for chain in others]
    return [
        chain for chain, line, name in zip(others, lines, names)
        if line == any(lines) and name == any(names)
    ]  # fmt: skip


def judge(result, us, others, groups):
    """What kind of difference there is, None for none."""
    result.n += 1
    result.frames += len(us)
    if us and us[-1].function.endswith("@plt"):
        result.stubs += 1
        return None
    pairs = combinations(witnesses(others), 2)
    agreed = next((a for a, b in pairs if not difference(a, b, groups)), None)
    if agreed is None:
        if any(difference(us, other, groups) is None for other in others):
            result.one += 1
            return None
        return "no two agree"
    for tool, other in zip(TOOLS, others):
        result.alone[tool] += difference(other, agreed, groups) is not None
    kind = difference(us, agreed, groups)
    result.judged += 1
    result.equal += kind is None
    result.kinds[kind] += kind is not None
    result.function += difference(outermost(us), outermost(agreed), groups) is None
    return kind


def names_of_one_place(path):
    """{name: the sets of names that some place in the file has, which hold it}"""
    groups = defaultdict(list)
    for names in symbols(path, *name_files.debug_files(path)).values():
        if len(names) > 1:
            for name in names:
                groups[name].append(names)
    return groups


def compare(subject, n, seed):
    addresses = name_files.addresses(subject, n, seed)
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(addr2line, argv, subject.path, addresses) for argv in TOOLS.values()]
        us = ours(subject.path, addresses)
        others = [job.result() for job in jobs]
    groups = names_of_one_place(subject.path)
    result = Result()
    for address in addresses:
        chains = [chain[address] for chain in others]
        kind = judge(result, us[address], chains, groups)
        if kind:
            result.examples[kind].append((address, us[address], *chains))
    return result


def chain_text(chain):
    return " < ".join(f"{f.function or '?'} {f.file or '?'}:{f.line}" for f in chain) or "nothing"


def print_examples(name, result, n):
    for kind, examples in sorted(result.examples.items()):
        for address, *chains in examples[:: -(-len(examples) // n)] if n else ():
            print(f"{name}, {kind}, {address:#x}")
            for who, chain in zip(("ours", *TOOLS), chains):
                print(f"  {who}: {chain_text(chain)}")


def percent(a, b):
    return f"{100 * a / b:.3f}" if b else "-"


def row(name, r):
    return [
        name, r.n, f"{r.frames / max(r.n, 1):.2f}", r.judged, percent(r.equal, r.judged),
        percent(r.function, r.judged), ", ".join(f"{k} {r.kinds[k]}" for k in KINDS if r.kinds[k]),
        " ".join(str(r.alone[t]) for t in TOOLS), r.stubs,
        r.n - r.judged - r.stubs, r.one,
    ]  # fmt: skip


def measure(options):
    results, failed = {}, []
    for name, make in name_files.SUBJECTS.items():
        if not any(fnmatch(name, w) for w in options.files or ["*"]):
            continue
        try:
            results[name] = compare(make(), options.addresses, options.seed)
        except (name_files.Missing, OSError, subprocess.SubprocessError) as e:
            failed.append((name, e))
            continue
        print_examples(name, results[name], options.examples)
        print(f"{name}: {results[name].n} addresses", flush=True)
    return results, failed


def measure_kernel(options):
    """(result, None), or (None, why there is none)"""
    name_files.FOLDER.mkdir(exist_ok=True)
    try:
        result = kernel_names.compare(name_files.FOLDER)
    except (OSError, subprocess.SubprocessError) as e:
        return None, e
    for address, own, perf in result.examples[: options.examples]:
        print(f"kernel, {address:#x}\n  ours: {own or 'nothing'}\n  perf: {perf or 'nothing'}")
    return result, None


def print_kernel(r):
    table(["", "addresses", "judged", "% equal to perf", "of BPF", "% equal", "without our name", "ours alone"],
          [["kernel", r.n, r.judged, percent(r.equal, r.judged), r.bpf, percent(r.bpf_equal, r.bpf),
            r.unnamed, r.more]])  # fmt: skip


def is_below_target(equal, judged):
    return equal < judged * TARGET / 100


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--addresses", type=int, default=7000, help="of each file (7000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=3, help="of each kind (3)")
    parser.add_argument("files", nargs="*", metavar="FILE", help="only these; * is any text")
    options = parser.parse_args()
    print(machine(), flush=True)
    results, failed = measure(options)
    kernel, why_not = None, None
    if any(fnmatch(KERNEL, w) for w in options.files or ["*"]):
        kernel, why_not = measure_kernel(options)
    if why_not:
        failed.append((KERNEL, why_not))
    print()
    if kernel:
        print_kernel(kernel)
    table(["", "addresses", "frames each", "judged", "% equal", "% function", "ours differ in",
           f"{'/'.join(TOOLS)} alone", "PLT stubs", "no two agree", "ours as one"],
          [row(name, r) for name, r in results.items()])  # fmt: skip
    judged = sum(r.judged for r in results.values())
    equal = sum(r.equal for r in results.values())
    print(f"{sum(r.n for r in results.values())} addresses; of {judged} for which two say the same "
          f"{equal} equal, {percent(equal, judged)} %, target {TARGET} %")  # fmt: skip
    for name, why in failed:
        print(f"not compared: {name}: {why}")
    bad = is_below_target(equal, judged)
    if kernel:
        bad |= is_below_target(kernel.equal, kernel.judged) or is_below_target(kernel.bpf_equal, kernel.bpf)
    sys.exit(bad)


if __name__ == "__main__":
    main()
