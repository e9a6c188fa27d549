# SPDX-License-Identifier: Apache-2.0
"""
What samples carry beside trace and span id: labels of the context and of the process, from wherever
a program publishes them, and soon after it does.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from conftest import assert_nothing_lost
from kernel_objects import BPFTOOL
from program import assert_refused, run
from truth import Place, ids, judge, label

WARM_UP_MS = 400  # see test_accuracy.py
SOON_MS = 100  # between publishing and the first sample that carries it
NEW_MS = 150  # for a program that is just being started, by a profiler that is
AGED_MS = 2500  # a process that nothing new is expected of any more

NAME = "span.name"  # the record's attribute 0


def split(*options, cpu_seconds=1.2, span_us="50,1000,20000", warm_up_ms=WARM_UP_MS):
    """Options of split that most tests have in common."""
    return ("--threads", 3, "--cpu-seconds", cpu_seconds, "--span-us", span_us,
            "--warm-up-ms", warm_up_ms, "--log", "{log}", *options)  # fmt: skip


def assert_right(recording, *labels):
    """Ids, and labels (see truth.label()), of single samples."""
    judge(recording.truth, recording.samples).assert_right()
    for carried in labels:
        verdict = judge(recording.truth, recording.samples, carried)
        print(verdict.counts)
        verdict.assert_right()
    assert_nothing_lost(recording.stats)


def assert_profile_agrees(recording, *keys):
    """What was true of single samples is true of the file: nothing is merged or mixed up."""
    expected = Counter(
        (s["span_id"], s["trace_id"], *(s["labels"].get(k) for k in keys)) for s in recording.samples
    )
    found = recording.profile.count_by(
        lambda s: tuple(s.labels.get(k) for k in ("span_id", "trace_id", *keys))
    )
    assert found == expected


def values(recording, key, where=lambda s: True):
    """All that the label says in the profile."""
    return {s.labels.get(key) for s in recording.profile.samples if where(s)}


def is_in_span(sample):
    return "span_id" in sample.labels


# --- OpenTelemetry ------------------------------------------------------------------------------

# program → library that it is given, and how
ATTRIBUTES = {
    "split-le": None,
    "split-static": None,
    "split-so-ie": None,
    "split-preload": ("LD_PRELOAD", "desc"),
    "split-dl": ("OTEL_LIBRARY", "gd"),
}


@pytest.mark.parametrize("program", ATTRIBUTES)
def test_attribute_of_record(record, workloads, program):
    """Number 0 of the record is a name by the process context's key map."""
    how = ATTRIBUTES[program]
    env = {how[0]: str(workloads / how[1] / "libotelctx.so")} if how else None
    r = record("--", workloads / program, *split("--writer", "valid" if how else "swap"), env=env)
    assert_right(r, label(NAME))
    assert_profile_agrees(r, NAME)
    assert values(r, NAME, is_in_span) == {"ascending", "descending"}
    assert values(r, NAME, lambda s: not is_in_span(s)) == {None}


@pytest.mark.parametrize("options, service", [((), "split"), (("--service-name", "ours"), "ours")])
def test_resource_of_process(record, workloads, options, service):
    r = record(*options, "--", workloads / "split-le", *split(cpu_seconds=0.6))
    assert values(r, "service.name", is_in_span) == {service}
    assert values(r, "service.version", is_in_span) == {"1"}
    assert values(r, "process.executable.name", is_in_span) == {"split-le"}


def test_service_name_of_all_that_is_sampled(record, workloads):
    """Also of processes that publish none."""
    r = record("--service-name", "ours", "--", workloads / "split-preload", *split(cpu_seconds=0.3))
    assert values(r, "service.name") == {"ours"}
    assert values(r, "service.version") == {None}


@pytest.mark.parametrize("scope", ["leaf", "local-root"])
def test_local_root(record, workloads, scope):
    """Datadog's attribute is an id; all spans of a thread have one root, their parent in the log."""
    r = record("--span-scope", scope, "--", workloads / "split-le", *split("--local-root", 1))
    assert_right(r, label(NAME))
    parents = {s.span_id: s.parent_id for s in r.truth.spans}
    assert len(set(parents.values())) == 3
    inside = [s for s in r.samples if s["span_id"]]
    assert {parents[s["span_id"]] == s["local_root_span_id"] for s in inside} == {True}
    assert not any("datadog.local_root_span_id" in s["labels"] for s in inside)

    def of_scope(span_id):
        return parents[span_id] if scope == "local-root" else span_id

    expected = Counter((of_scope(s["span_id"]), s["local_root_span_id"]) for s in inside)
    found = r.profile.count_by(
        lambda s: (s.labels["span_id"], s.labels["local_root_span_id"]), where=is_in_span
    )
    assert found == expected


def test_max_contexts(record, workloads):
    """Above the limit labels go, above twice the limit spans; samples are all there, and counted."""
    limit, overflow = 50, "spanprof.context.overflow"
    r = record("--max-contexts", limit, "--", workloads / "split-le", *split(span_us="500,5000"))
    judge(r.truth, r.samples).assert_right()
    p, stats = r.profile, r.stats
    assert p.total("samples") == stats["samples_delivered"] == len(r.samples)
    assert p.total("cpu") == pytest.approx(p.total("samples") * 1e9 / 999, rel=1e-6)

    with_labels = {s.labels["span_id"] for s in p.samples if NAME in s.labels}
    assert len(with_labels) == limit
    spans = {(s.labels["span_id"], s.labels["trace_id"]) for s in p.samples if is_in_span(s)}
    assert len(spans) == 2 * limit
    assert all(r.truth.by_id[span_id].trace_id == trace_id for span_id, trace_id in spans)

    def kind(sample):
        if overflow in sample.labels:
            assert sample.labels[overflow] == "true" and not is_in_span(sample) and NAME not in sample.labels
            return "overflow"
        return ("whole" if NAME in sample.labels else "bare") if is_in_span(sample) else None

    counts = p.count_by(kind)
    print(counts)
    assert counts["overflow"] == stats["contexts_overflow"] > limit
    assert counts["bare"] == stats["contexts_without_labels"] >= limit
    assert sum(counts.values()) == stats["context_read"]


def test_no_context_at_all(record, workloads):
    """What it says of its service is no context."""
    r = record("--context", "none", "--", workloads / "split-le", *split(cpu_seconds=0.3))
    assert r.stats["context_no_writer"] == len(r.samples) > 100 and not any(is_in_span(s) for s in r.profile.samples)
    assert values(r, "service.version") == {"1"}


# --- variables of the program's own -------------------------------------------------------------


def variable(module, place, path, rest):
    return ("--tls-var", f"module={module},{place},path={path},{rest}")


def variables(module, place="symbol=current_request"):
    """All that tests/workloads/homegrown.c knows of its request."""
    return (
        *variable(module, place, "0:24:4", "type=bytes16,as=trace_id"),
        *variable(module, place, "0:32", "type=u64,as=span_id"),
        *variable(module, place, "0:4", "type=string20,as=label:request.name"),
        *variable(module, place, "0:0", "type=u32,as=label:request.kind"),
    )


def assert_home_grown(recording):
    assert_right(
        recording, label("request.name"), label("request.kind", lambda span: str(len(span.name)))
    )
    assert_profile_agrees(recording, "request.name", "request.kind")


def tp_offset(program, symbol):
    """Of a variable of an x86_64 program, from the thread pointer: its TLS segment ends there."""
    said = run("readelf", "-slW", program).stdout
    segment = re.search(r"^  TLS +(?:0x\w+ +){4}0x(\w+) +R +0x(\w+)$", said, re.MULTILINE)
    size, align = (int(digits, 16) for digits in segment.groups())
    value = re.search(rf"^ +\d+: (\w+) +8 TLS .* {symbol}$", said, re.MULTILINE)
    return int(value[1], 16) - (size + align - 1) // align * align


@pytest.mark.parametrize("by", ["symbol", "offset"])
def test_variable_of_program(record, workloads, by):
    program = workloads / "split-homegrown"
    place = f"{by}=current_request" if by == "symbol" else f"{by}={tp_offset(program, 'current_request')}"
    r = record(*variables(program.name, place), "--", program, *split())
    assert_home_grown(r)


@pytest.mark.parametrize("module, when", [("libhomegrown*.so", "late"), ("{folder}/*.so", "early")])
def test_variable_of_library_that_is_opened(record, workloads, module, when):
    env = {"OTEL_LIBRARY": str(workloads / "libhomegrown.so"), **({"OTEL_LATE": "1"} if when == "late" else {})}
    module = module.replace("{folder}", str(workloads))
    r = record(*variables(module), "--", workloads / "split-dl", *split(), env=env)
    assert_home_grown(r)


def test_variable_of_another_module(record, workloads):
    """A variable of the same name elsewhere is not looked at."""
    r = record(*variables("libhomegrown.so"), "--", workloads / "split-homegrown", *split(cpu_seconds=0.3))
    assert r.profile.total() > 100
    assert values(r, "span_id") == values(r, "request.name") == {None}


FIFTH = ("symbol=current_request", "0:4", "type=string4,as=label:request.short")


def test_more_variables_than_are_read(record, workloads):
    """The first four are; that there is one more is counted, once for the process."""
    program = workloads / "split-homegrown"
    r = record(*variables(program.name), *variable(program.name, *FIFTH), "--", program, *split())
    assert_home_grown(r)
    assert values(r, "request.short") == {None}
    assert r.stats["thread_variables_left_out"] == 1


# A pointer where the request's span id and name are: to memory that is not there.
NOWHERE = ("symbol=current_request", "0:4:0", "type=u32,as=label:nowhere")


@pytest.mark.parametrize("order", ["first", "last"])
def test_variable_that_cannot_be_read_is_counted(record, workloads, order):
    """The others of the process are read all the same: part of the context is missing."""
    program = workloads / "split-homegrown"
    span = variable(program.name, "symbol=current_request", "0:32", "type=u64,as=span_id")
    nowhere = variable(program.name, *NOWHERE)
    options = (*nowhere, *span) if order == "first" else (*span, *nowhere)
    r = record(*options, "--", program, *split(cpu_seconds=0.5))
    assert values(r, "nowhere") == {None}
    inside = sum(s["span_id"] is not None for s in r.samples)
    assert inside > 300
    assert r.stats["context_read"] == r.stats["labels_cut"] == inside
    assert r.stats["context_unreadable"] == 0


def test_variables_none_of_which_can_be_read(record, workloads):
    """It is not that the thread were in no context, whatever comes last."""
    program = workloads / "split-homegrown"
    null = variable(program.name, "symbol=own_tracing", "0:0", "type=u32,as=label:null")
    r = record(*variable(program.name, *NOWHERE), *null, "--", program, *split(cpu_seconds=0.5))
    assert r.stats["context_unreadable"] > 300
    assert r.stats["context_absent"] < 0.3 * r.stats["context_unreadable"]


@pytest.mark.parametrize("fifth", [(), FIFTH])
def test_doctor_says_that_variables_are_left_out(spanprof, burner, fifth):
    module = "split-homegrown"
    options = variables(module) + (variable(module, *fifth) if fifth else ())
    done = run(spanprof, "doctor", "-p", burner(module).pid, *options)
    assert done.stdout.count("thread context (--tls-var)") == 4
    line = "no   all thread contexts of the process: it has more than the 4 that are read"
    assert (line in done.stdout) == bool(fifth), done.stdout


# --- OpenTelemetry eBPF Instrumentation ---------------------------------------------------------


@pytest.fixture
def bpffs(tmp_path):
    """A folder to pin maps in."""
    folder = tmp_path / "bpffs"
    folder.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def pin_map(path, kind="lru_hash", key=8, value=24):
    done = run(BPFTOOL, "map", "create", path, "type", kind, "key", key, "value", value,
               "entries", 1 if kind == "array" else 16384, "name", "traces_ctx_v1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("value", [24, 40])
def test_obi_map(record, workloads, bpffs, value):
    """40: with fields that a later version adds."""
    path = pin_map(bpffs / "traces_ctx_v1", value=value)
    r = record("--obi-map", path, "--", workloads / "split-obi", *split(), env={"OBI_MAP": str(path)})
    assert_right(r)
    assert_profile_agrees(r)


FOREIGN = ("a" * 16, "b" * 32)  # span and trace id


def tell_of_threads(path, pid):
    """Puts these into the map, for each thread of the process."""
    value = re.findall("..", FOREIGN[1] + FOREIGN[0])
    for tid in Path(f"/proc/{pid}/task").iterdir():
        key = (pid << 32 | int(tid.name)).to_bytes(8, sys.byteorder)
        done = run(BPFTOOL, "map", "update", "pinned", path, "key", "hex", *re.findall("..", key.hex()),
                   "value", "hex", *value)  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_obi_map_is_asked_last(record, workloads, burner, bpffs):
    """What the program publishes itself is believed, and where it is in no span the map is."""
    path = pin_map(bpffs / "traces_ctx_v1")
    program = burner("split-le", "--threads", 3, "--outside", 30)
    tell_of_threads(path, program.pid)
    r = record("--obi-map", path, "-p", program.pid, "-d", 0.6)

    def stage_of(s):
        return "outside" if s.has("idle_chatter") else "inside" if s.has("do_round") else None

    counts = r.profile.count_by(lambda s: stage_of(s) and (
        stage_of(s), (s.labels.get("span_id"), s.labels.get("trace_id")) == FOREIGN, NAME in s.labels))  # fmt: skip
    print(counts)
    assert set(counts) == {("outside", True, False), ("inside", False, True)}
    assert min(counts.values()) > 30


def test_no_obi_map_without_the_option(record, workloads, bpffs):
    path = pin_map(bpffs / "traces_ctx_v1")
    r = record("--", workloads / "split-obi", *split(cpu_seconds=0.3), env={"OBI_MAP": str(path)})
    assert r.profile.total() > 100
    assert values(r, "span_id") == {None}


def record_with_map(spanprof, tmp_path, path):
    return run(spanprof, "record", "-o", tmp_path / "o.pb.gz", "--obi-map", path, "--", "true")


@pytest.mark.parametrize("form", [{"kind": "hash"}, {"kind": "array", "key": 4}, {"value": 16}])
def test_obi_map_of_another_form(spanprof, tmp_path, bpffs, form):
    path = pin_map(bpffs / "other", **form)
    done = record_with_map(spanprof, tmp_path, path)
    assert_refused(done, "--obi-map", str(path), "is no map of OBI's")
    assert not (tmp_path / "o.pb.gz").exists()


def test_obi_map_that_is_missing(spanprof, tmp_path, bpffs):
    done = record_with_map(spanprof, tmp_path, bpffs / "nothing")
    assert_refused(done, "--obi-map", str(bpffs / "nothing"), "OTEL_EBPF_BPF_POPULATE_TRACE_CONTEXT=true",
                   "No such file or directory")  # fmt: skip
    assert not (tmp_path / "o.pb.gz").exists()


# --- soon ---------------------------------------------------------------------------------------


def said_time(recording, what):
    """Of the line in which the workload says when it did it."""
    return int(re.search(rf"^{what} at (\d+)$", recording.stdout, re.MULTILINE)[1])


def delay_ms(samples, since_ns, carries):
    """Until the last of the samples that does not carry what it should since then."""
    without = [s["time_ns"] for s in samples if s["time_ns"] > since_ns and not carries(s)]
    delay = (max(without, default=since_ns) - since_ns) / 1e6
    later = sum(s["time_ns"] > since_ns + SOON_MS * 1e6 for s in samples)
    print(f"missing for {delay:.1f} ms, then in {later} samples")
    assert later > 200
    return delay


def in_spans(recording):
    """Samples that were taken in one, by the log."""
    return [s for s in recording.samples if s["pid"] == recording.truth.pid
            and recording.truth.place(s["tid"], s["time_ns"])[0] is Place.INSIDE]  # fmt: skip


# library → options of record, and what else than ids tells it
OPENED = {
    "desc/libotelctx.so": ((), NAME),
    "gd/libotelctx.so": ((), NAME),
    "libhomegrown.so": (variables("libhomegrown.so"), "request.name"),
}


@pytest.mark.parametrize("age_ms", [0, AGED_MS])
@pytest.mark.parametrize("library", OPENED)
def test_library_that_is_opened_is_found_soon(record, workloads, library, age_ms):
    """By a process of that age, all of whose threads are in spans at once."""
    options, key = OPENED[library]
    env = {"OTEL_LIBRARY": str(workloads / library), "OTEL_LATE": "1", "OTEL_SETTLE_MS": "0"}
    r = record(*options, "--", workloads / "split-dl", *split(cpu_seconds=0.6, warm_up_ms=age_ms), env=env)
    opened = said_time(r, "opened")
    assert delay_ms(in_spans(r), opened, lambda s: s["span_id"] and key in s["labels"]) <= SOON_MS
    for carried in (ids, label(key)):
        judge(r.truth, r.samples, carried).assert_right(at_least=0)


def test_variable_of_a_new_program_is_found_soon(record, workloads):
    r = record(*variables("split-homegrown"), "--", workloads / "split-homegrown", *split(
        cpu_seconds=0.7, warm_up_ms=0))  # fmt: skip
    begun = min(s.outer_start for s in r.truth.spans)
    assert delay_ms(in_spans(r), begun, lambda s: s["span_id"]) <= NEW_MS


@pytest.mark.parametrize("after_ms", [700, 1500])
def test_new_key_of_process_context(record, workloads, after_ms):
    """A number that the key map has not got has it read anew; the rest of it comes along."""
    options = ("--republish-ms", after_ms, "--tenant", "blue")
    cpu_seconds = after_ms / 500 + 0.8  # on two CPUs
    r = record("--", workloads / "split-le", *split(*options, cpu_seconds=cpu_seconds, span_us="500,5000"))
    assert_right(r, label(NAME))
    again = said_time(r, "republished")
    begun = {s.span_id: s.outer_start for s in r.truth.spans}
    with_tenant = [s for s in r.samples if "tenant" in s["labels"]]
    assert {s["labels"]["tenant"] for s in with_tenant} == {"blue"}
    assert all(s["time_ns"] > again for s in with_tenant)
    later = [s for s in r.samples if s["span_id"] and begun[s["span_id"]] > again + 10e6]
    assert delay_ms(later, again, lambda s: "tenant" in s["labels"]) <= SOON_MS
    assert_profile_agrees(r, NAME, "tenant")
    assert values(r, "service.name", is_in_span) == {"split-again"}
    assert values(r, "service.version", is_in_span) == {"2"}


def test_new_service_of_process_context(record, workloads):
    """Nothing tells of it; a process is looked at now and then, the less often the older it is."""
    r = record("--", workloads / "split-le", *split("--republish-ms", 300, cpu_seconds=3))
    assert_right(r, label(NAME))
    assert values(r, "service.name", is_in_span) == {"split-again"}
    assert values(r, "service.version", is_in_span) == {"2"}
