# SPDX-License-Identifier: Apache-2.0
"""The files: formats, places that cannot be written, counters; and reading what is no recording."""

import gzip
import json
import os
import random
import re
import signal
import subprocess
import time
import zlib

import pytest

import pprof
from program import (
    as_nobody, assert_refused, errors, folder_of_nobody, only_files, run, with_mounts,
)  # fmt: skip

# --- formats ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def work(workloads):
    """A command worth recording."""
    return ("--", workloads / "procs", "child", "--cpu-ms", "300", "--steps-per-ms", "300000")


def is_pprof_gz(data):
    assert data[:2] == b"\x1f\x8b"
    return pprof.decode(data).total(where=lambda s: s.has("child_work")) > 5


def is_pprof(data):
    assert data[:2] != b"\x1f\x8b"
    return pprof.decode(data).total(where=lambda s: s.has("child_work")) > 5


def is_folded(data):
    lines = data.decode().splitlines()
    assert all(re.fullmatch(r"procs;.+ \d+", line) for line in lines)
    return any("child_work" in line for line in lines)


def is_html(data):
    return data.lower().startswith(b"<!doctype html>") and b"child_work" in data


def is_text(data):
    return data.startswith(b"CPU time") and b"child_work" in data


FORMATS = {
    "out.pb.gz": (None, is_pprof_gz),
    "out.pprof": (None, is_pprof_gz),
    "out.pb": (None, is_pprof),
    "out.folded": (None, is_folded),
    "out.html": (None, is_html),
    "out.txt": (None, is_text),
    "out.any": ("pprof", is_pprof_gz),
    "out": ("pprof-raw", is_pprof),
    "out.pb.gz ": ("folded", is_folded),
    "out.folded ": ("html", is_html),
    "-": ("text", is_text),
}


@pytest.mark.parametrize("name", FORMATS)
def test_format(spanprof, work, tmp_path, name):
    kind, is_right = FORMATS[name]
    options = ("-f", kind) if kind else ()
    done = run(spanprof, "record", "-o", name, *options, *work, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert is_right(done.stdout.encode() if name == "-" else (tmp_path / name).read_bytes())
    assert name == "-" or done.stdout == ""
    assert only_files(tmp_path) == ([] if name == "-" else [name])


def test_formats_that_are_none(spanprof, tmp_path):
    words = ("-o 'out.xyz'", ".pb.gz", "-f")
    assert_refused(run(spanprof, "record", "-o", "out.xyz", cwd=tmp_path), *words, status=2)
    words = ("-f 'svg'", "pprof", "folded", "html")
    assert_refused(run(spanprof, "record", "-f", "svg", cwd=tmp_path), *words, status=2)
    assert only_files(tmp_path) == []


def test_quiet_and_terminal(spanprof, work, tmp_path):
    """No progress where nobody looks, nothing at all with -q."""
    done = run(spanprof, "record", "-o", "out.pb.gz", *work, cwd=tmp_path)
    assert "\r" not in done.stderr and "samples of" in done.stderr
    done = run(spanprof, "record", "-q", "-o", "out.pb.gz", *work, cwd=tmp_path)
    assert done.stderr == ""


# --- frequencies --------------------------------------------------------------------------------


@pytest.mark.parametrize("hz", ["0", "-1", "x", "", "99x", "1e3", "99999999999999999999"])
def test_bad_frequency(spanprof, tmp_path, hz):
    done = run(spanprof, "record", f"--freq={hz}", "-d", 1, cwd=tmp_path)
    assert_refused(done, f"-F '{hz}'", "from 1 to", status=2)
    assert only_files(tmp_path) == []


def test_frequency_above_the_kernels_limit(spanprof, tmp_path):
    (tmp_path / "rate").write_text("500\n")
    limit = 'mount --bind "$1" /proc/sys/kernel/perf_event_max_sample_rate'
    args = (str(tmp_path / "rate"),)
    done = with_mounts(
        limit, spanprof, "record", "-F", 501, "-d", 1, "-o", tmp_path / "out.pb.gz", args=args
    )
    assert_refused(done, "-F 501", "500 Hz", "kernel.perf_event_max_sample_rate", "lower it")
    assert only_files(tmp_path) == ["rate"]
    done = with_mounts(
        limit, spanprof, "record", "-F", 500, "-d", 0.2, "-o", tmp_path / "out.pb.gz", args=args
    )
    assert done.returncode == 0


@pytest.mark.parametrize("time_", ["0", "-1", "x", "", "1y", "1e9h"])
def test_bad_duration(spanprof, tmp_path, time_):
    done = run(spanprof, "record", f"--duration={time_}", cwd=tmp_path)
    assert_refused(done, f"-d '{time_}'", "seconds", status=2)


# --- places -------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-o", "--stats", "--dump-samples"])
def test_folder_that_is_not_there(spanprof, tmp_path, option):
    """Found before anything is recorded."""
    before = time.monotonic()
    path = tmp_path / "missing" / "file.pb.gz"
    done = run(spanprof, "record", "-d", 60, option, path, cwd=tmp_path)
    assert_refused(done, f"'{path}'", "make its folder first", "No such file")
    assert time.monotonic() - before < 20
    assert only_files(tmp_path) == []


def test_folder_in_place_of_a_file(spanprof, tmp_path):
    done = run(spanprof, "record", "-d", 60, "-f", "pprof", "-o", tmp_path)
    assert_refused(done, f"'{tmp_path}'", "name another file", "Is a directory")


def test_folder_that_may_not_be_written(spanprof):
    with folder_of_nobody() as folder:
        (folder / "locked").mkdir(mode=0o755)
        program = folder / "spanprof"
        program.write_bytes(spanprof.read_bytes())
        program.chmod(0o755)
        out = folder / "locked" / "out.pb.gz"
        done = as_nobody(program, "record", "-d", 60, "-o", out, caps=("bpf", "perfmon"))
        assert_refused(done, f"'{out}'", "name another file", "Permission denied")


def test_read_only_file_system(spanprof, tmp_path):
    out = tmp_path / "disk" / "out.pb.gz"
    out.parent.mkdir()
    mount = 'mount -t tmpfs -o ro tmpfs "$1"'
    done = with_mounts(mount, spanprof, "record", "-d", 60, "-o", out, args=(str(out.parent),))
    assert_refused(done, f"'{out}'", "name another file", "Read-only file system")


@pytest.mark.parametrize("name", ["out.pb.gz", "out.html", "out.folded", "out.txt", "-"])
def test_full_disk(spanprof, work, tmp_path, name):
    """What was in the file stays, and the part that could be written goes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ("-f", "html", "-o", "-") if name == "-" else ("-o", disk / name)
    script = f"""
        mount -t tmpfs -o size=8k tmpfs "$1"; cd "$1"; echo old > {name if name != "-" else "old"}
        head -c 100000 /dev/zero > filler 2>&- || true
        out=/dev/stdout; [ {name} != - ] || out=/dev/full
        "$2" record {" ".join(str(o) for o in options)} "$@" > "$out" || echo "status $?" >&2
        ls -A | tr '\\n' ' '; cat {name if name != "-" else "old"}
    """
    script = script.replace('"$@" >', '-- "$4" child --cpu-ms 300 --steps-per-ms 300000 >')
    done = run("unshare", "--mount", "sh", "-ec", script, "sh", disk, *[spanprof, *work])
    assert "status 1" in done.stderr and len(errors(done)) == 1
    message = errors(done)[0]
    assert "No space left on device" in message and "make room" in message
    assert (str(disk / name) if name != "-" else "'-'") in message
    kept = name if name != "-" else "old"
    assert done.stdout == f"filler {kept} old\n"


def test_existing_file_is_replaced_as_a_whole(spanprof, work, tmp_path):
    """Never a mixture: the new one is another file, and a link still leads to it."""
    out, link = tmp_path / "out.pb.gz", tmp_path / "link.pb.gz"
    out.write_bytes(b"old" * 100000)
    link.symlink_to(out)
    before = out.stat().st_ino
    assert run(spanprof, "record", "-o", link, *work).returncode == 0
    assert link.is_symlink() and out.stat().st_ino != before
    assert is_pprof_gz(out.read_bytes())
    assert only_files(tmp_path) == ["link.pb.gz", "out.pb.gz"]


def test_existing_file_is_kept_by_a_failure(spanprof, tmp_path):
    out = tmp_path / "out.pb.gz"
    out.write_text("old")
    assert run(spanprof, "record", "-o", out, "--", tmp_path / "missing").returncode == 127
    assert out.read_text() == "old"
    assert only_files(tmp_path) == ["out.pb.gz"]


def test_device_is_written_not_replaced(spanprof, work):
    assert run(spanprof, "record", "-o", "/dev/null", "-f", "pprof", *work).returncode == 0
    assert not os.path.isfile("/dev/null")


# --- counters -----------------------------------------------------------------------------------


def assert_balanced(stats):
    lost = ("samples_lost_ring", "samples_malformed", "samples_dropped")
    assert stats["samples_taken"] == stats["samples_delivered"] + sum(stats[n] for n in lost)
    contexts = [n for n in stats if n.startswith("context_") and n != "context_writer_unsupported"]
    assert len(contexts) == 8
    assert stats["samples_taken"] == sum(stats[n] for n in contexts)


@pytest.mark.parametrize("target", ["-a", "-p", "--"])
def test_counters_add_up(record, workloads, burner, target):
    program = burner("split-le")
    end = {
        "-a": ("-a", "-d", 1.5),
        "-p": ("-p", program.pid, "-d", 1.5),
        "--": ("--", workloads / "procs", "storm", "--children", 60, "--cpu-ms", 5),
    }
    r = record(*end[target])
    assert_balanced(r.stats)
    assert r.stats["samples_delivered"] == r.profile.total() == len(r.samples) > 200
    assert r.stats["context_read"] == r.profile.total(where=lambda s: "span_id" in s.labels)
    if target != "--":
        assert r.stats["context_read"] > 200


def test_counters_add_up_when_samples_are_lost(spanprof, burner, tmp_path):
    """A profiler that is held up cannot empty its buffers; it knows what that cost."""
    burner("split-le")
    stats = tmp_path / "stats.json"
    args = ("record", "-F", 9999, "-o", tmp_path / "out.pb.gz", "--stats", stats)
    with subprocess.Popen([str(a) for a in (spanprof, *args)], stderr=subprocess.PIPE) as program:
        time.sleep(0.7)
        program.send_signal(signal.SIGSTOP)
        time.sleep(4)
        program.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        program.send_signal(signal.SIGINT)
        message = program.communicate(timeout=60)[1].decode()
    assert program.returncode == 0
    counters = json.loads(stats.read_text())
    assert counters["samples_lost_ring"] > 1000
    assert_balanced(counters)
    assert pprof.load(tmp_path / "out.pb.gz").total() == counters["samples_delivered"]
    assert re.search(rf"samples_lost_ring +{counters['samples_lost_ring']} ", message)


def test_counters_of_a_recording_without_samples(record):
    r = record("--", "true")
    assert_balanced(r.stats)
    assert r.profile.total() == r.stats["samples_delivered"]


# --- report of what is no recording -------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(spanprof, work, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "out.pb.gz"
    assert run(spanprof, "record", "-o", path, *work).returncode == 0
    return path.read_bytes()


def assert_damaged(spanprof, path, data):
    path.write_bytes(data)
    done = run(spanprof, "report", path)
    assert_refused(done, f"'{path}'", "no pprof profile or is damaged", "record it again")
    assert done.stdout == ""


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_report_of_cut_file(spanprof, recording, tmp_path, share):
    whole_bytes = max(1, int(len(recording) * share))
    assert_damaged(spanprof, tmp_path / "cut.pb.gz", recording[:whole_bytes])


def still_means(data, raw):
    """A few bits of a gzip file mean nothing: those behind the last code, codes that nothing uses."""
    try:
        return gzip.decompress(data) == raw
    except (OSError, EOFError, zlib.error):
        return False


def test_report_of_flipped_bits(spanprof, recording, tmp_path):
    """The checksum finds every one but for those in the header that mean nothing."""
    chance, raw = random.Random(1), gzip.decompress(recording)
    for _ in range(40):
        at = chance.randrange(10, len(recording))
        data = bytearray(recording)
        data[at] ^= 1 << chance.randrange(8)
        if not still_means(bytes(data), raw):
            assert_damaged(spanprof, tmp_path / "flipped.pb.gz", bytes(data))


def test_report_of_flipped_bits_without_checksum(spanprof, recording, tmp_path):
    """Much of it is still a profile, of something else; it is shown or refused, no more."""
    chance, path = random.Random(2), tmp_path / "flipped.pb"
    for _ in range(60):
        data = bytearray(gzip.decompress(recording))
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        done = run(spanprof, "report", path)
        assert done.returncode in (0, 1), f"{done.returncode}: {done.stderr}"
        assert len(errors(done)) == done.returncode


RUBBISH = {
    "empty": b"",
    "one byte": b"\x1f",
    "text": b"this is no profile\n" * 100,
    "random": random.Random(3).randbytes(100000),
    "zeros": bytes(100000),
    "gzip of nothing": gzip.compress(b""),
    "gzip of random": gzip.compress(random.Random(4).randbytes(100000)),
    "program": open("/bin/true", "rb").read(),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_report_of_rubbish(spanprof, tmp_path, name):
    assert_damaged(spanprof, tmp_path / "rubbish.pb.gz", RUBBISH[name])


def test_report_of_what_cannot_be_read(spanprof, tmp_path):
    done = run(spanprof, "report", tmp_path / "missing.pb.gz")
    assert_refused(done, "there is no file", "'spanprof record -o")
    assert_refused(run(spanprof, "report", tmp_path), f"'{tmp_path}'", "Is a directory")
    with folder_of_nobody() as folder:
        (folder / "spanprof").write_bytes(spanprof.read_bytes())
        (folder / "spanprof").chmod(0o755)
        (folder / "secret.pb.gz").write_text("")
        (folder / "secret.pb.gz").chmod(0o600)
        done = as_nobody(folder / "spanprof", "report", folder / "secret.pb.gz")
    assert_refused(done, "secret.pb.gz", "Permission denied")


def test_report_without_file(spanprof):
    assert run(spanprof, "report").returncode == 2
    assert run(spanprof, "report", "a", "b").returncode == 2
