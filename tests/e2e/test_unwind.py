# SPDX-License-Identifier: Apache-2.0
"""
Whole stacks, frame by frame, of programs without frame pointers whose chains of calls are known by
their source (tests/workloads/burn.h).
"""

import shutil
import subprocess
import time
from bisect import bisect_right
from collections import Counter

import pytest

import chains
import stack_end
from chains import START, THREAD, prefixes

FREQUENCY = 999
CPU_SECONDS = 0.4
LONG = prefixes("main;mode_long;outer;middle;leaf", 2)
SHORT = prefixes("main;mode_short;outer;middle;leaf", 2)


def of_program(r, program):
    """(samples of the profile, of the dump) of the processes that ran it."""
    found = [s for s in r.profile.samples if s.labels["process.executable.name"] == program]
    pids = {s.labels["pid"] for s in found}
    return found, [s for s in r.samples if s["pid"] in pids]


def check(r, program, stacks, start=START, least=0.5, seconds=CPU_SECONDS):
    """
    No stack that has a function of `stacks` is another than one of these below `start`, unless it
    is cut; after the warm-up none is cut but one in 200; and `least` of the time is there.
    """
    in_profile, in_dump = of_program(r, program)
    found = chains.judge(in_profile, [start + s for s in stacks])
    complete, warm = chains.completeness(in_dump)
    print(f"{program}: {found}; after the warm-up {complete} of {warm} complete")

    assert not found.wrong, found.wrong.most_common(5)
    assert warm - complete <= 1 + warm // 200, f"{warm - complete} of {warm} stacks are cut"
    assert found.right >= least * seconds * FREQUENCY, found
    return found


@pytest.fixture
def burn(record, workloads):
    """burn(program, *arguments) → the Recording of it"""

    def run(program, *arguments, launcher=()):
        launcher = [workloads / launcher[0], *launcher[1:]] if launcher else []
        return record(
            "--", *launcher, workloads / program, *arguments, "--cpu-seconds", CPU_SECONDS,
            frequency=FREQUENCY,
        )  # fmt: skip

    return run


# --- the same chain, made in many ways ----------------------------------------------------------

CHAINS = (
    "chain", "chain-fp", "chain-static", "chain-static-pie", "chain-nopie", "chain-cet",
    "chain-lto", "chain-nohdr", "chain-debug-frame", "chain-clang",
)  # fmt: skip


@pytest.mark.parametrize("program", CHAINS)
def test_chain(burn, program):
    check(burn(program, "long"), program, LONG)


def addr2line(program, address):
    """[(function, line)] at an address, innermost first."""
    argv = ["addr2line", "-fi", "-e", program, hex(address)]
    out = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    lines = out.splitlines()
    places = [place.split(" (disc")[0].rpartition(":")[2] for place in lines[1::2]]
    return [(name, int(line.replace("?", "0"))) for name, line in zip(lines[::2], places)]


def test_inlined_functions_have_their_place_in_the_source(burn, workloads):
    """chain-debug-frame has -g."""
    program = "chain-debug-frame"
    found = {}
    for s in of_program(burn(program, "long"), program)[0]:
        own = [f for f in s.frames if f.mapping.endswith(program)]
        for f in own:
            if f.inlined:
                found[f.address] = [(g.name, g.line) for g in own if g.address == f.address]
    assert len(found) > 1
    for address, frames in found.items():
        assert frames == addr2line(workloads / program, address)


@pytest.mark.parametrize("program", ["chain", "chain-cet", "chain-static", "chain-clang"])
def test_prologues_and_epilogues(burn, program):
    """Samples are taken while frames are built and left."""
    r = burn(program, "short")
    found = check(r, program, SHORT)
    leaves = {s.names[0] for s in of_program(r, program)[0]}
    assert {"outer", "middle", "leaf"} <= leaves, found


# libc's function that calls main() has no name in the stripped library.
MUSL_START = "_start;~.*;"


@pytest.mark.parametrize("program", ["chain-musl", "chain-musl-static"])
@pytest.mark.parametrize("mode, stacks", [("long", LONG), ("short", SHORT)])
def test_musl(burn, program, mode, stacks):
    """Its C library has neither CFI nor frame pointers: its code tells who called main()."""
    r = burn(program, mode)
    check(r, program, stacks, start=MUSL_START)
    assert any(stack_end.by_fallback(s) for s in of_program(r, program)[1])


MUSL_MODES = ("print", "scan", "sort", "search", "match", "alloc", "copy", "lists", "time", "math", "io",
              "threads", "signals")  # fmt: skip


@pytest.mark.parametrize("program", ["musl-calls", "musl-calls-static"])
@pytest.mark.parametrize("mode", MUSL_MODES)
def test_within_musl(burn, program, mode):
    """From all over the library back to main(), or to the begin of the thread."""
    in_profile, in_dump = of_program(burn(program, mode), program)
    complete, warm = chains.completeness(in_dump)
    assert warm - complete <= 1 + warm // 200, f"{warm - complete} of {warm} stacks are cut"
    assert warm > 0.3 * CPU_SECONDS * FREQUENCY
    whole = [names for names, cut in map(chains.user_stack, in_profile) if not cut and names]
    lost = [n for n in whole if n[0] == "_start" and "main" in n and n[2] != "main"]
    known = [n for n in whole if f"mode_{mode}" in n or "everything" in n]
    assert not lost and len(known) > 0.5 * len(whole), Counter(whole).most_common(5)


@pytest.mark.parametrize("mode, stacks", [("long", LONG), ("short", SHORT)])
def test_code_without_any_tables(burn, mode, stacks):
    check(burn("chain-bare", mode), "chain-bare", stacks)


@pytest.mark.parametrize("how", ["memfd", "deleted", "replaced"])
def test_file_that_is_not_there(burn, how):
    """The program is in no folder, or removed, or its name is another program's."""
    program = "memfd:chain" if how == "memfd" else "chain"
    check(burn("chain", "long", launcher=("launch", how)), program, LONG)


def symbol_ranges(path):
    """{name: (start, end)} of the functions, by nm."""
    found = {}
    out = subprocess.run(["nm", "-S", path], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tT":
            found[words[3]] = (int(words[0], 16), int(words[0], 16) + int(words[1], 16))
    return found


def test_code_moved_to_anonymous_memory(burn, workloads):
    """The kernel knows no file for it: addresses are compared, relative to the leaf's."""
    r = burn("chain-remap", "long")
    ranges = symbol_ranges(workloads / "chain-remap")
    wanted = ["leaf", "middle", "outer", "mode_long", "main"]
    right = 0
    for s in of_program(r, "chain-remap")[1]:
        frames = [int(a, 16) for a in s["frames"]]
        base = (frames[0] if frames else 0) - ranges["leaf"][0] & ~0xFFF
        inside = [
            low + base <= a - (i > 0) < high + base
            for i, (a, (low, high)) in enumerate(zip(frames, (ranges[n] for n in wanted)))
        ]
        right += len(inside) == len(wanted) and all(inside)
    complete, warm = chains.completeness(of_program(r, "chain-remap")[1])
    assert warm - complete <= 1 + warm // 200, f"{warm - complete} of {warm} stacks are cut"
    assert right > 0.5 * CPU_SECONDS * FREQUENCY


def test_code_moved_before_anybody_looked(record, workloads):
    """No mapping of the program's code is left that could be found in /proc."""
    with subprocess.Popen([workloads / "chain-remap", "long", "--cpu-seconds", "1000"]) as program:
        time.sleep(0.3)
        try:
            r = record("-p", program.pid, "-d", 1, frequency=FREQUENCY)
        finally:
            program.kill()
    complete, warm = chains.completeness(r.samples)
    assert warm > 500
    assert warm - complete <= 1 + warm // 200, f"{warm - complete} of {warm} stacks are cut"


# --- shapes of frames ---------------------------------------------------------------------------

NORETURN = "main;mode_noreturn;ends_in_call;noreturn_leaf"
FRAMES = {
    "large": prefixes("main;mode_large;large_frame;leaf", 2),
    "alloca": prefixes("main;mode_alloca;alloca_frame;leaf", 2),
    "vla": prefixes("main;mode_vla;vla_frame;leaf", 2),
    "aligned": prefixes("main;mode_aligned;aligned_frame;leaf", 2),
    "drap": prefixes("main;mode_drap;drap_frame;leaf", 2),
    "noreturn": [*prefixes(NORETURN, 2), f"{NORETURN};...;~.*longjmp.*|__.*|\\[.*\\]",
                 "main;mode_noreturn;...;~.*setjmp|__.*|\\[.*\\]"],
    "tail": [*prefixes("main;mode_tail;tail_last;leaf", 2), "main;mode_tail;tail_first"],
    "qsort": ["main;mode_qsort", "main;mode_qsort;~.*qsort.*", "main;mode_qsort;~.*qsort.*;...;~.*"],
    "pushes": prefixes("main;mode_pushes;many_arguments", 2),
}  # fmt: skip


@pytest.mark.parametrize("mode", FRAMES)
def test_frame(burn, mode):
    check(burn("frames", mode), "frames", FRAMES[mode])


@pytest.mark.parametrize("levels", [100, 900])
def test_recursion(burn, levels):
    r = burn("frames", "recurse", "--levels", levels)
    descend = ";descend" * levels
    on_the_way = "main;mode_recurse;...;descend"
    check(r, "frames", [f"main;mode_recurse{descend};leaf", on_the_way])


def test_recursion_that_is_too_deep(burn):
    """10,000 levels: the innermost are kept, and the rest is said to be missing."""
    r = burn("frames", "recurse", "--levels", 10000)
    deep = [s for s in of_program(r, "frames")[0] if "leaf" in s.names]
    assert sum(s.values[0] for s in deep) > 0.5 * CPU_SECONDS * FREQUENCY
    for s in deep:
        names, cut = chains.user_stack(s)
        assert cut and names[-1] == "leaf" and set(names[:-1]) == {"descend"}
    assert max(len(s.frames) for s in deep) > 200, "less than 200 of 10,000 levels are kept"


# --- signals, stacks ----------------------------------------------------------------------------

RESTORE = "~__restore_rt|\\[libc.*\\]"
HANDLER = f"{RESTORE};on_signal"
SIGNALS = {
    "trap": prefixes(f"main;mode_trap;trapped;{HANDLER};handler_work", 2),
    "trap-alt": prefixes(f"main;mode_trap_alt;trapped;{HANDLER};handler_work", 2),
    "timer": prefixes("main;mode_timer;first;second;third", 2),
    "timer-alt": prefixes("main;mode_timer_alt;first;second;third", 2),
    "nested": prefixes(
        f"main;mode_nested;trapped;{HANDLER};handler_work;{HANDLER};handler_work", 2
    ),
}
# Where the timer's signal may hit, what runs then, and the system calls around, with their PLT stubs.
SETUP = "~handle|start_timer|sigaltstack|setitimer|.*sigaction|\\[signals.*\\]"


def with_handler(stacks):
    inner = [f"{s};{h}" for s in stacks for h in prefixes(f"{RESTORE};on_signal;handler_work", 1)]
    return [*stacks, *inner, f"main;...;{HANDLER}", f"main;...;{HANDLER};handler_work"]


@pytest.mark.parametrize("mode", SIGNALS)
def test_signal_handler(burn, mode):
    stacks = SIGNALS[mode]
    if mode.startswith("timer"):
        stacks = with_handler(stacks)
    found = check(burn("signals", mode), "signals", [*stacks, f"{stacks[0]};...;{SETUP}"])
    assert found.right > 0.5 * CPU_SECONDS * FREQUENCY


def test_coroutines_of_libc(burn):
    """__start_context calls them; its address on the stack is that of its first byte."""
    begin = "~__start_context|\\[libc.*\\]"
    own = [*prefixes(f"{begin};coroutine;on_own_stack;leaf", 2),
           f"{begin};coroutine;...;~.*context"]  # fmt: skip
    main = [START + s for s in ("main;mode_context", "main;mode_context;...;~.*context",
                                "main;mode_context;start_contexts;...")]  # fmt: skip
    check(burn("stacks", "context"), "stacks", [*own, *main], start="")


def test_coroutines_of_a_scheduler(burn):
    own = [*prefixes("fiber_begin;fiber_main;on_own_stack;leaf", 1),
           "fiber_begin;fiber_main;fiber_switch", "fiber_begin;fiber_switch"]  # fmt: skip
    main = [START + s for s in ("main;mode_fibers", "main;mode_fibers;fiber_switch", "main;mode_fibers;...;stack_top;...",
                                "main;mode_fibers;...;fiber_prepare")]  # fmt: skip
    check(burn("stacks", "fibers"), "stacks", [*own, *main], start="")


def test_borrowed_stacks(burn):
    """The caller's frame lies below: on another stack."""
    chain = "main;mode_borrowed;call_on;on_low;call_on;on_high;leaf"
    check(burn("stacks", "borrowed"), "stacks", [*prefixes(chain, 2), "main;mode_borrowed;stack_top;..."])


def test_stack_pointer_below_the_mapping(burn):
    """
    A function has made room for its frame, and the stack has not grown yet: also where the walk is finished
    from a copy of the stack, as is the first one in each page of code.
    """
    r = burn("stacks", "below")
    check(r, "stacks", ["near_the_end;spin_below", "near_the_end", "near_the_end;...;~.*clock.*|\\[.*\\]"], start=THREAD)
    in_profile, in_dump = of_program(r, "stacks")
    assert sum(s["finished"] for s in in_dump) > 10
    assert not [s.names for s in in_profile if s.has("spin_below") and s.has("[truncated]")]


# --- code without CFI ---------------------------------------------------------------------------

NOCFI = {
    "frame": "main;mode_frame;nocfi_call_frame;leaf",
    "leaf-frame": "main;mode_leaf_frame;nocfi_spin_frame",
    "bare": "main;mode_bare;nocfi_call_bare;leaf",
    "leaf-bare": "main;mode_leaf_bare;nocfi_spin_bare",
}


@pytest.mark.parametrize("mode", NOCFI)
def test_hand_written_code_without_cfi(burn, mode):
    check(burn("nocfi", mode), "nocfi", prefixes(NOCFI[mode], 2))


# --- libraries ----------------------------------------------------------------------------------

LIBC = {
    "memcpy": ["main;mode_memcpy", "main;mode_memcpy;~__?mem(cpy|move).*"],
    "memset": ["main;mode_memset", "main;mode_memset;~__?memset.*"],
    "strlen": ["main;mode_strlen", "main;mode_strlen;~__?(strlen|memset).*"],
    "memchr": ["main;mode_memchr", "main;mode_memchr;~__?memchr.*"],
    "vdso": ["main;mode_vdso", "main;mode_vdso;clock_gettime",
             "main;mode_vdso;clock_gettime;~.*clock_gettime.*|\\[vdso.*\\]",
             "main;mode_vdso;clock_gettime;~.*clock_gettime;\\[vdso.*\\]",
             "main;clock_gettime", "main;...;clock_gettime;~.*"],
    "syscall": ["main;mode_syscall", "main;mode_syscall;~.*getppid"],
    "vfork": ["main;mode_vfork;in_child;leaf", "main;mode_vfork;in_child",
              "main;mode_vfork;...;~.*(vfork|wait4?|waitpid|exit|clock_gettime|getrusage).*|\\[vdso.*\\]",
              "main;mode_vfork"],
}  # fmt: skip
PLT = "~tiny|.*@plt|\\[.*\\]"


def test_fork_of_a_large_process(burn):
    """While it lasts the kernel marks all mappings as being changed."""
    r = burn("mappings", "fork")
    in_profile, in_dump = of_program(r, "mappings")
    forking = [s for s in in_profile if any("copy_page_range" in n or "dup_mm" in n for n in s.names)]
    stacks = Counter()
    for s in forking:
        names, cut = chains.user_stack(s)
        stacks[";".join(names) + (";cut" if cut else "")] += s.values[0]
    print(stacks)
    assert sum(stacks.values()) > 50
    right = sum(n for s, n in stacks.items() if "main;mode_fork;" in s and not s.endswith("cut"))
    assert right >= 0.98 * sum(stacks.values()), stacks.most_common(5)


@pytest.mark.parametrize("mode", LIBC)
def test_libc(burn, mode):
    """Its assembly, the vDSO, and a child that runs on its parent's stack."""
    check(burn("libc-calls", mode), "libc-calls", [*LIBC[mode], f"main;mode_{mode};{PLT}"])


def test_plt(burn):
    """Samples in the stub, on its push, and in the function that it jumps to."""
    r = burn("binding", "plt")
    check(r, "binding", ["main;mode_plt", f"main;mode_plt;{PLT}"])


def test_lazy_binding(burn):
    resolve = "~_dl_runtime_resolve.*|\\[ld-linux.*\\]"
    fixup = f"main;mode_resolve;{resolve};_dl_fixup"
    check(burn("binding", "resolve"), "binding",
          [*prefixes(fixup, 2), f"main;mode_resolve;{PLT}", f"{fixup};...;~.*"])  # fmt: skip


@pytest.mark.parametrize("mode", ["once", "loop"])
def test_loaded_libraries(burn, mode):
    """In the loop, two libraries with different frames come to the same addresses in turns."""
    stacks = [s for which in ("alpha", "beta") for s in
              prefixes(f"main;mode_{mode};plugin_run;plugin_middle;leaf_{which}", 3)]  # fmt: skip
    r = burn("plugins", mode)
    check(r, "plugins", [*stacks, f"main;mode_{mode}", f"main;mode_{mode};...;~.*dl.*|.*"])
    for which in ("alpha", "beta"):
        n = sum(s.values[0] for s in of_program(r, "plugins")[0] if f"leaf_{which}" in s.names)
        assert n > 0.3 * CPU_SECONDS * FREQUENCY


LIBRARIES = 600  # as on a host of many containers, each with files of its own


def test_more_files_than_one_table_of_the_kernel_has_entries(record, workloads, tmp_path):
    """Once they are known, the kernel side unwinds alone: none is asked for again and again."""
    shutil.copy2(workloads / "plugins", tmp_path)
    for i in range(LIBRARIES):
        shutil.copy2(workloads / "libplugin_alpha.so", tmp_path / f"libplugin_{i:03}.so")
    r = record("--", tmp_path / "plugins", "many", "--cpu-seconds", 4, frequency=FREQUENCY)

    found = [s for s in of_program(r, "plugins")[0] if "leaf_alpha" in s.names]
    assert len({f.mapping for s in found for f in s.frames}) > LIBRARIES
    n = sum(s.values[0] for s in found)
    assert n > 4 * LIBRARIES, "each is sampled some times"
    asked = r.stats["user_stacks_finished"]
    print(f"{asked} of {n} stacks unwound by user space")
    assert asked < n / 2


# --- threads and languages ----------------------------------------------------------------------


def test_switching_threads(burn):
    """64 of them, a few microseconds each."""
    waiting = "thread_main;...;~.*sem_.*|.*futex.*|.*cancel|_pthread_cleanup_.*|.*clock_gettime|\\[.*\\]"
    r = burn("switching", "threads")
    stacks = [*prefixes("thread_main;outer;leaf", 1), waiting]
    check(r, "switching", stacks, start=THREAD, least=0.3)
    tids = {s.labels["tid"] for s in of_program(r, "switching")[0] if s.has("leaf")}
    assert len(tids) > 40


LEVELS = ";".join(f"~Level<{n}>::run.*" for n in range(20, -1, -1))


def test_deep_templates(burn):
    check(burn("templates", "calls"), "templates", prefixes(f"main;{LEVELS}", 21))


def test_exceptions(burn):
    """
    Thrown through 20 frames that all have something to destroy. While _Unwind_Resume leaves for the
    next of them, in a few instructions that no CFI describes, that one is seen twice, or no more
    is found.
    """
    r = burn("templates", "throw")
    in_profile, in_dump = of_program(r, "templates")
    complete, warm = chains.completeness(in_dump)
    assert warm - complete <= 2 + warm // 100, f"{warm - complete} of {warm} stacks are cut"
    start = chains.Chain(START + "~main(.cold)?;...;~.*")
    seen = Counter()
    for s in in_profile:
        names, cut = chains.user_stack(s)
        if cut or "exit" in names or not any(n.startswith(("_Unwind_", "__cxa_")) for n in names):
            continue
        assert start.is_whole(names), names
        levels = [int(n.split("<")[1].split(">")[0]) for n in names if n.startswith("Level<")]
        expected = list(range(20, 20 - len(levels), -1))
        assert levels[:-1] == expected[:-1], names
        seen["right" if levels == expected else "twice"] += s.values[0]
    assert seen["right"] > 0.3 * CPU_SECONDS * FREQUENCY
    assert seen["twice"] <= 0.1 * seen["right"], seen  # 2 to 19 of 380 in 20 runs


def test_rust(burn):
    chain = "main;...;chain::main;chain::outer;chain::middle;chain::leaf"
    clock = "main;...;chain::main;...;~.*clock.*|\\[.*\\]"
    memory = "main;...;chain::outer;chain::middle;...;~.*alloc.*|.*free"
    check(burn("chain-rust", "long"), "chain-rust", [*prefixes(chain, 3), clock, memory])


def test_go(burn):
    """It has frame pointers, and no .eh_frame."""
    chain = "~runtime.goexit.*;~runtime.main;main.main;main.outer;main.middle;main.leaf"
    preempted = f"{chain};~runtime.asyncPreempt.*"
    signal = f"{chain};~runtime.sigreturn.*;...;~.*"
    runtime = "~runtime.goexit.*;~runtime.main;main.main;...;~(runtime|internal|syscall|main.cpu).*|\\[.*\\]"
    stacks = [*prefixes(chain, 3), runtime, preempted, f"{preempted};...;~.*", signal, "...;main.main;~(runtime|time)[.].*"]
    check(burn("chain-go", "long"), "chain-go", stacks, start="")


def strip(program, to):
    """(a copy without any symbols and debug information, names of its functions by address)"""
    subprocess.run(["strip", "-o", to, program], check=True)
    lines = subprocess.run(["nm", "-n", program], check=True, capture_output=True, text=True).stdout.splitlines()
    found = [line.split(None, 2) for line in lines if line.split(None, 2)[1] in ("t", "T")]
    return to, [(int(addr, 16), name) for addr, _, name in found]


def names_by_address(sample, functions):
    """Outermost first; frames but the first are where calls return to."""
    starts = [start for start, _ in functions]
    addrs = [int(f, 16) - (i > 0) for i, f in enumerate(sample["frames"])]
    return [functions[max(bisect_right(starts, addr) - 1, 0)][1] for addr in reversed(addrs)]


def waits_for_a_goroutine(sample, functions):
    """
    The first one in a page of code is finished from a copy of the stack that it was on; where the runtime
    has left the goroutine's for that one, the goroutine is not in the copy.
    """
    return (sample["finished"] and sample["end"] == "unreadable" and
            names_by_address(sample, functions)[0] == "runtime.systemstack.abi0")  # fmt: skip


@pytest.mark.parametrize("mode", ("long", "goroutines"))
def test_go_stripped(burn, workloads, tmp_path, mode):
    """Only .gopclntab is left to tell where frames end."""
    program, functions = strip(workloads / "chain-go", tmp_path / "chain-go-bare")
    _, in_dump = of_program(burn(program, mode), program.name)
    whole = [s for s in in_dump if not waits_for_a_goroutine(s, functions)]
    complete, warm = chains.completeness(whole)
    assert warm - complete <= 1 + warm // 200, f"{warm - complete} of {warm} stacks are cut"
    assert len(in_dump) - len(whole) <= 0.05 * len(in_dump)

    chain = ["main.outer", "main.middle", "main.leaf"]
    above = ["main.main"] if mode == "long" else ["main.worker"]
    ends = ("runtime.goexit.abi0", "runtime.mstart.abi0", "runtime.mcall", "runtime.morestack.abi0",
            "runtime.rt0_go.abi0", "_rt0_amd64_linux", "_rt0_arm64_linux")  # fmt: skip
    seen = 0
    for s in in_dump:
        if s["end"] != "entry":
            continue
        names = names_by_address(s, functions)
        assert names[0] in ends, names
        if "main.leaf" in names:
            at = names.index("main.leaf")
            assert names[at - 3 : at + 1] == above + chain, names
            seen += 1
    assert seen > 0.1 * CPU_SECONDS * FREQUENCY, f"{seen} of {len(in_dump)}"


def test_cgo(burn):
    """Go finds its way below C, and above it."""
    in_profile, _ = of_program(burn("chain-cgo"), "chain-cgo")
    callers = ["main.main", "main.outer", "c_outer"]
    wanted = {"c_leaf": callers, "goLeaf": callers}
    counts = Counter()
    for s in in_profile:
        names, cut = chains.user_stack(s)
        for leaf, callers in wanted.items():
            if names and names[-1].endswith(leaf) and not cut:
                counts[leaf] += s.values[0]
                assert [n for n in names if n in callers] == callers, names
    assert min(counts[leaf] for leaf in wanted) > 0.3 * CPU_SECONDS * FREQUENCY, counts
