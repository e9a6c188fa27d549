# SPDX-License-Identifier: Apache-2.0
"""
Judges whole user stacks by chains of calls that are known, and written outermost first:

    "main;mode_long;outer;middle;leaf"

An element ~EXPR is a regular expression of one name, and ... stands for any number of frames.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import stack_end

TRUNCATED = "[truncated]"
KERNEL = "[kernel.kallsyms]"
START = "_start;~__libc_start_main.*;__libc_start_call_main;"
THREAD = "~(__)?clone3?;start_thread;"

# A new program's files are read when it is first sampled; so long, its stacks may be cut.
WARM_UP_NS = 150_000_000


def _is_name(element, name):
    return re.fullmatch(element[1:], name) is not None if element[0] == "~" else element == name


def _match(elements, names):
    if "..." not in elements:
        return len(elements) == len(names) and all(map(_is_name, elements, names))
    at = elements.index("...")
    if at > len(names) or not all(map(_is_name, elements[:at], names[:at])):
        return False
    return any(_match(elements[at + 1 :], names[i:]) for i in range(at, len(names) + 1))


class Chain:
    def __init__(self, text):
        self.elements = text.split(";")

    def is_whole(self, names):
        return _match(self.elements, names)

    def is_inner_part(self, names):
        """Are these the chain's innermost frames, or all?"""
        return any(_match(self.elements[i:], names) for i in range(len(self.elements)))

    def names(self):
        return {e for e in self.elements if e[0] != "~" and e != "..."}


def _callers_of_stub(names):
    """Without the innermost frame if it is a stub: of the call that the next one is about to make."""
    return names[:-1] if names and names[-1].endswith("@plt") else names


def prefixes(text, least):
    """The chain, and what is left of it while the innermost functions are not yet called."""
    elements = text.split(";")
    return [";".join(elements[:n]) for n in range(least, len(elements) + 1)]


def user_stack(sample):
    """(names outermost first, is it cut) of the user part of a pprof sample."""
    called = [f for f in reversed(sample.frames) if not f.inlined]
    names = [f.name for f in called if f.mapping != KERNEL]
    return tuple(n for n in names if n != TRUNCATED), TRUNCATED in names


@dataclass
class Judgement:
    right: int = 0
    cut: int = 0  # inner part of a chain, and said to be cut
    other: int = 0  # has none of the chains' functions
    wrong: Counter = field(default_factory=Counter)  # stacks

    @property
    def total(self):
        return self.right + self.cut + self.other + sum(self.wrong.values())


def _is_about(names, chains, common):
    """Is any function on the stack that only the chains have?"""
    own = set().union(*(c.names() for c in chains)) - common
    return not own.isdisjoint(names)


def judge(samples, chains, common=frozenset(START.split(";") + THREAD.split(";") + ["main"])):
    """
    `samples` are those of one program, `chains` all the stacks that its functions can have, apart
    from PLT stubs. Stacks of none but `common` functions are not judged.
    """
    chains = [Chain(c) for c in chains]
    found = Judgement()
    for s in samples:
        names, cut = user_stack(s)
        n = s.values[0]
        if not cut and any(c.is_whole(names) or c.is_whole(_callers_of_stub(names)) for c in chains):
            found.right += n
        elif not _is_about(names, chains, common):
            found.other += n
        elif cut and any(c.is_inner_part(names) for c in chains):
            found.cut += n
        else:
            found.wrong[";".join(names) + (";" + TRUNCATED if cut else "")] += n
    return found


def completeness(samples):
    """(complete, all) of dumped samples of one process, after its warm-up."""
    if not samples:
        return 0, 0
    begin = min(s["time_ns"] for s in samples) + WARM_UP_NS
    warm = [s for s in samples if s["time_ns"] >= begin]
    return sum(map(stack_end.is_complete, warm)), len(warm)
