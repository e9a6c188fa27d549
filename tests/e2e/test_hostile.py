# SPDX-License-Identifier: Apache-2.0
"""
Programs that publish rubbish, and address spaces and files without measure. The profiler must
survive, must not believe what says of itself that it is not to be believed, and must not confuse the
neighbours.
"""

import subprocess
import time
from collections import Counter

import pytest

import chains
from conftest import assert_nothing_lost
from truth import judge

BAD_MARK = "bad0bad0"
LOW64 = (1 << 64) - 1

# Modes whose record never allows its ids to be used.
NEVER_VALID = ("huge-attrs", "unmapped", "prot-none", "malformed")
# Modes without a usable process context: whoever reads thread context all the same breaks the gate.
NO_PROCESS_CONTEXT = ("process-rubbish", "process-huge", "process-zero-time", "process-unmapped")


def hostile_samples(r):
    """Those with ids of anybody, and all."""
    with_ids = [s for s in r.samples if s["span_id"] or s["trace_id"]]
    return with_ids, r.samples


def is_consistent(sample):
    """A good pair of hostile.c: each part follows from the others."""
    raw = bytes.fromhex(sample["trace_id"])
    a, b = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8))
    span = int.from_bytes(bytes.fromhex(sample["span_id"]), "little")
    return b == a ^ 0xA5A5A5A5A5A5A5A5 & LOW64 and span == a ^ 0x5A5A5A5A5A5A5A5A & LOW64


def record_mode(record, workloads, mode, seconds=1.2):
    r = record("--", workloads / "hostile", "--mode", mode, "--cpu-seconds", seconds)
    assert len(r.samples) > 0.95 * 999 * seconds, "samples are missing"
    assert_nothing_lost(r.stats)
    return r


@pytest.mark.parametrize("mode", NEVER_VALID + NO_PROCESS_CONTEXT)
def test_ids_that_must_not_be_used_are_not(record, workloads, mode):
    with_ids, _ = hostile_samples(record_mode(record, workloads, mode))
    assert with_ids == []


@pytest.mark.parametrize(
    "mode, counter",
    [
        ("huge-attrs", "context_invalid"),
        ("malformed", "context_invalid"),
        ("unmapped", "context_unreadable"),
        ("prot-none", "context_unreadable"),
        ("flicker", "context_not_valid"),
    ],
)
def test_refusal_is_counted(record, workloads, mode, counter):
    stats = record_mode(record, workloads, mode, seconds=0.8).stats
    assert stats[counter] > 0.1 * stats["samples_taken"], stats


@pytest.mark.parametrize(
    "mode", ["process-rubbish", "process-huge", "process-unmapped"]
)
def test_bad_process_context_is_counted(record, workloads, mode):
    stats = record_mode(record, workloads, mode, seconds=0.8).stats
    assert stats["process_context_malformed"] > 0


def test_no_torn_mixture_is_accepted(record, workloads):
    """Ids change a million times a second; whatever is accepted belongs together."""
    with_ids, samples = hostile_samples(record_mode(record, workloads, "flicker", seconds=4))
    assert len(with_ids) > 0.2 * len(samples)
    assert len(with_ids) < 0.9 * len(samples), "the flag is not looked at"
    assert not [s for s in with_ids if s["trace_id"].startswith(BAD_MARK)]
    assert [s for s in with_ids if not is_consistent(s)] == []


@pytest.mark.parametrize("mode", ["random-self", "random-other"])
def test_random_record_is_survived(record, workloads, mode):
    """One flag in 256 says "valid": those ids are the process's own, and of full form."""
    with_ids, samples = hostile_samples(record_mode(record, workloads, mode))
    assert len(with_ids) < 0.05 * len(samples)
    for s in with_ids:
        assert len(s["trace_id"]) == 32 and int(s["trace_id"], 16)
        assert len(s["span_id"]) == 16 and int(s["span_id"], 16)


def test_good_neighbour_is_not_disturbed(record, workloads, tmp_path):
    """All of them at once, and a correct program in the midst."""
    modes = NEVER_VALID + NO_PROCESS_CONTEXT + ("flicker", "random-self", "random-other", "deep")
    forever = ("--cpu-seconds", "1000")
    programs = [subprocess.Popen([workloads / "hostile", "--mode", m, *forever]) for m in modes]
    log = tmp_path / "neighbour.jsonl"
    programs.append(
        subprocess.Popen(
            [workloads / "split-le", *forever, "--threads", "4", "--span-us", "200,5000",
             "--log", log]
        )
    )  # fmt: skip
    time.sleep(1)
    try:
        r = record("-a", "-d", 3)
    finally:
        for p in programs:
            p.terminate()
        statuses = [p.wait() for p in programs]
    assert statuses == [0] * len(statuses)
    r.folder.joinpath("truth.jsonl").write_bytes(log.read_bytes())
    verdict = judge(r.truth, r.samples)
    assert sum(verdict.counts.values()) > 100
    verdict.assert_right()


def test_deep_recursion_is_marked_as_cut(record, workloads):
    r = record_mode(record, workloads, "deep")
    deep = [s for s in r.profile.samples if s.has("deep")]
    assert sum(s.values[0] for s in deep) > 500
    cut = [s for s in deep if s.names[-1] == "[truncated]"]
    assert not [s.names for s in cut if len(s.frames) <= 100]
    # The others were taken on the way down.
    assert all(s.names[-1] == "_start" for s in deep if s not in cut)
    assert sum(s.values[0] for s in cut) >= 0.98 * sum(s.values[0] for s in deep)
    assert r.stats["user_stack_too_deep"] > 0
    assert sum(s["truncated"] for s in r.samples) >= 0.9 * len(r.samples)


def test_frame_pointer_rubbish_ends_the_walk(record, workloads):
    """Loops and wild pointers: a short stack that says that it is cut, and no endless one."""
    r = record_mode(record, workloads, "frame-pointers")
    spins = [s for s in r.profile.samples if s.names and s.names[0] == "spin_with_fp"]
    assert sum(s.values[0] for s in spins) > 500
    for s in spins:
        assert len(s.frames) < 40, s.names
        assert s.names[-1] == "[truncated]", s.names
    ends = ("user_stack_unreadable", "user_stack_not_rising", "user_stack_bad_return")
    assert sum(r.stats.get(e, 0) for e in ends) > 500


@pytest.mark.parametrize("mode", ["dlclose", "unmap"])
@pytest.mark.parametrize("library", ["ie", "desc", "desc-dynamic", "gd-dynamic"])
def test_library_that_goes_away(record, workloads, mode, library):
    """
    Function names tell when the library was there: after dlclose() nothing is attached. In dynamic TLS the
    bystander's vector of modules is behind, and has no block of the library, whose number is used again.
    """
    form, _, dynamic = library.partition("-")
    r = record(
        "--", workloads / "hostile-dl", "--mode", mode, "--cpu-seconds", 3,
        "--library", workloads / form / "libotelctx.so",
        env={"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=0"} if dynamic else {},
    )  # fmt: skip
    assert_nothing_lost(r.stats)
    ids = Counter()
    for s in r.profile.samples:
        span = s.labels.get("span_id")
        for name in ("inside_span", "after_library_left", "bystander_work"):
            if s.has(name):
                ids[name, span] += s.values[0]
    assert {span for _, span in ids} <= {None, "d10c010203040506"}
    assert ids["inside_span", "d10c010203040506"] > 0, "never found: nothing was tested"
    assert ids["bystander_work", "d10c010203040506"] == 0
    assert ids["bystander_work", None] > 500
    if mode == "dlclose":
        assert ids["after_library_left", "d10c010203040506"] == 0


# --- address spaces and files that are hard on the unwinder ---------------------------------------

FDES = """
	.text
	.globl leaf
	.type leaf, @function
leaf:	.cfi_startproc
1:	dec %rdi
	jnz 1b
	ret
	.cfi_endproc
	.rept 1000000
	.cfi_startproc
	push %rbx
	.cfi_def_cfa_offset 16
	ret
	.cfi_endproc
	.endr
	.section .note.GNU-stack
"""


@pytest.fixture(scope="module")
def library_of_a_million_fdes(tmp_path_factory):
    """Without .eh_frame_hdr: they have to be sorted before one can be found."""
    folder = tmp_path_factory.mktemp("fdes")
    (folder / "fdes.s").write_text(FDES)
    subprocess.run(
        ["gcc", "-shared", "-nostdlib", "-Wl,--no-eh-frame-hdr", "-o", "fdes.so", "fdes.s"],
        cwd=folder, check=True,
    )  # fmt: skip
    return folder / "fdes.so"


def beside_a_chain(record, workloads, *arguments):
    """(recording, stacks of mappings.c, those of a program whose stacks are known)"""
    both = f"{workloads / 'mappings'} {' '.join(arguments)} --cpu-seconds 1 & \
             {workloads / 'chain'} long --cpu-seconds 1; wait"
    r = record("--", "sh", "-c", both)
    assert_nothing_lost(r.stats)
    by_name = {}
    for s in r.profile.samples:
        by_name.setdefault(s.labels["process.executable.name"], []).append(s)
    good = chains.judge(by_name["chain"], [chains.START + c for c in CHAIN])
    assert not good.wrong, good.wrong.most_common(3)
    assert good.cut <= 0.05 * good.total, good
    assert good.right >= 0.8 * 999, good
    return r, by_name["mappings"]


CHAIN = chains.prefixes("main;mode_long;outer;middle;leaf", 2)


@pytest.mark.parametrize("mode", ["many", "churn"])
def test_mappings_without_end(record, workloads, mode):
    """60,000 of them, and new ones all the time."""
    _, samples = beside_a_chain(record, workloads, mode)
    found = chains.judge(
        samples, [chains.START + c for c in chains.prefixes(f"main;mode_{mode};leaf", 3)],
        common=set(chains.START.split(";")) | {"main", f"mode_{mode}"},
    )  # fmt: skip
    print(found)
    assert not found.wrong and found.cut <= 0.02 * found.total, found
    assert found.right >= 0.4 * 999, found


def test_sparse_file_of_5_gib(record, workloads):
    """Nothing says where the code in it begins or ends: its stack is cut, and says so."""
    r, samples = beside_a_chain(record, workloads, "sparse")
    in_hole = [s for s in samples if s.names and s.names[0] == "[memfd:sparse+0x100000003]"]
    assert sum(s.values[0] for s in in_hole) > 500
    assert all(s.names[-1] == chains.TRUNCATED for s in in_hole)
    assert r.stats["user_stack_no_rule"] > 500


def test_library_of_a_million_fdes(record, workloads, library_of_a_million_fdes):
    _, samples = beside_a_chain(
        record, workloads, "library", "--library", str(library_of_a_million_fdes)
    )
    found = chains.judge(samples, [chains.START + "main;mode_library;leaf"])
    print(found)
    assert found.right >= 0.8 * 999 and found.cut <= 0.1 * found.total, found
