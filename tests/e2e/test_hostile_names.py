# SPDX-License-Identifier: Apache-2.0
"""
Names that strangers choose, from a library's symbols and debug information and from the map of code
made at run time, to every output: nothing breaks out of its place, and each name is still there.
"""

import gzip
import json
import re
import subprocess
import time
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from threading import Event, Thread

import pytest

import pprof
from conftest import wait_until_busy
from program import run
from test_agent import Agent, directory
from test_otlp import collector
from test_push import series, sink

LONG = 1 << 20
NAME_MAX = 1024  # bytes of a name that is shown
LINKAGE_MAX = 4096  # of what the linker calls it

# What comes out of each has the begin and the end of it, but for what is too long.
NAMES = {
    "control": b"esc_\x1b[31m\x1b[2J\r\n\t\x07\x08\x7f_end",
    "invalid": b"bad_\xff\xfe\xc3(\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf_utf8",
    "markup": b"quote_\"'`<b>&amp;</script><script>alert(1)</script><!--]]>_markup",
    "folded": b"semi_;colon 42 7;a\\b\xe2\x80\xa8\xe2\x80\xae 1_space",
    "long": b"long_" + b"L" * LONG + b"</script>",
    "inlined": b"inner_" + b"\xff\x1b</script>I" * (LONG // 12),
}
ENDS = {
    "control": ("esc_", "_end"), "invalid": ("bad_", "_utf8"), "markup": ("quote_", "_markup"),
    "folded": ("semi_", "_space"), "long": ("long_LLLL", ""), "inlined": ("inner_", ""),
}  # fmt: skip

SOURCE = """
static volatile unsigned long sink;
static inline __attribute__((always_inline)) void {inlined}(void) {{ sink = sink * 3 + 1; }}
#define BURN(n) for (int i = 0; i < 2000000; i++) {inlined}(); sink = n /* or they are merged */
static __attribute__((noinline)) void {control}(void) {{ BURN(1); }}
static __attribute__((noinline)) void {invalid}(void) {{ BURN(2); }}
static __attribute__((noinline)) void {markup}(void) {{ BURN(3); }}
static __attribute__((noinline)) void {folded}(void) {{ BURN(4); }}
__attribute__((noinline, visibility("protected"))) void {long}(void) {{ BURN(5); }}
void drive(void) {{ for (;;) {{ {control}(); {invalid}(); {markup}(); {folded}(); {long}(); }} }}
"""


def placeholder(kind):
    """An identifier of as many bytes."""
    return f"{kind}_".ljust(len(NAMES[kind]), "x")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """It runs the functions of a library whose string tables were changed in place."""
    folder = tmp_path_factory.mktemp("names")
    sources = folder / 'src<"\033[2J' / 'script>\n'
    sources.mkdir(parents=True)
    (sources / "lib.c").write_text(SOURCE.format(**{kind: placeholder(kind) for kind in NAMES}))
    (folder / "main.c").write_text("void drive(void); int main(void) { drive(); }\n")
    for argv in (
        ["gcc", "-O2", "-g", "-gz=none", "-shared", "-fPIC", sources / "lib.c", "-o", "libhostile.so"],
        ["gcc", "main.c", "-o", "driver", "-L.", "-lhostile", f"-Wl,-rpath,{folder}"],
    ):
        subprocess.run(argv, cwd=folder, check=True)
    library = folder / "libhostile.so"
    content = library.read_bytes()
    for kind, name in NAMES.items():
        assert placeholder(kind).encode() + b"\0" in content, f"{kind} is not in the library"
        content = content.replace(placeholder(kind).encode() + b"\0", name + b"\0")
    library.write_bytes(content)
    return folder / "driver"


def write_map(pid, stop):
    """The one piece of code that the process has made has one name after the other."""
    words = next(line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()
                 if " r-xp " in line and len(line.split()) == 5)  # fmt: skip
    start, end = (int(a, 16) for a in words[0].split("-"))
    with open(f"/proc/{pid}/root/tmp/perf-{pid}.map", "wb", buffering=0) as f:
        while not stop.is_set():
            for name in NAMES.values():
                f.write(b"%x %x jit_%s\n" % (start, end - start, name.replace(b"\n", b"\v")))
                stop.wait(0.15)


@contextmanager
def running(program, workloads):
    """The pids of both kinds of program. One has a /tmp of its own."""
    script = f"mount -t tmpfs tmpfs /tmp && exec {workloads}/jitcode late --cpu-ms 1000000"
    stop = Event()
    with subprocess.Popen([program]) as native, subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script]
    ) as jit:
        writer = None
        try:
            for process in (native, jit):
                wait_until_busy(process.pid)
            writer = Thread(target=write_map, args=(jit.pid, stop))
            writer.start()
            yield native.pid, jit.pid
        finally:
            stop.set()
            if writer:
                writer.join()
            native.kill()
            jit.kill()


@pytest.fixture(scope="module")
def recorded(spanprof, program, workloads, tmp_path_factory):
    """A folder with what record wrote in each of its formats, and what a server got."""
    folder = tmp_path_factory.mktemp("recorded")
    with running(program, workloads) as pids, sink(folder / "got") as url:
        options = ("-F", 499, "-d", 4, "-p", ",".join(map(str, pids)))
        for name in ("out.pb.gz", "out.folded", "out.html", "out.txt"):
            push = ("--push", url) if name == "out.pb.gz" else ()
            done = run(spanprof, "record", "-o", folder / name, *options, *push)
            assert done.returncode == 0, done.stderr
            (folder / f"{name}.stderr").write_text(done.stderr)
    return folder


def assert_clean(text):
    """UTF-8, and nothing that moves a cursor. Lines are ours."""
    if isinstance(text, bytes):
        text = text.decode()
    found = re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert not found, ascii(text[max(found.start() - 40, 0) : found.end() + 40])
    return text


def assert_has_names(texts, prefixes=("", "jit_")):
    for prefix in prefixes:
        for kind, (begin, end) in ENDS.items():
            if (prefix, kind) != ("jit_", "inlined"):
                assert any(t.startswith(prefix + begin) and t.endswith(end) for t in texts), (prefix, kind)


def assert_profile(profile, prefixes=("", "jit_")):
    frames = [f for s in profile.samples for f in s.frames]
    strings = {f.name for f in frames} | {f.file for f in frames} | {f.mapping for f in frames}
    for text in strings:
        assert_clean(text)
        assert "\n" not in text and len(text.encode()) <= NAME_MAX
    assert_has_names({f.name for f in frames}, prefixes)


def assert_strings(data):
    """All that are in a pprof file, names of the linker's too."""
    strings = pprof._message(gzip.decompress(data), repeated=(6,))[6]
    assert len(strings) > 20
    for text in strings:
        assert "\n" not in assert_clean(text) and len(text) <= LINKAGE_MAX


def test_pprof(recorded):
    assert_strings((recorded / "out.pb.gz").read_bytes())
    assert_profile(pprof.load(recorded / "out.pb.gz"))


def test_push(recorded):
    profiles = [profile for _, profile, _ in series(recorded / "got")]
    seen = set()
    for profile in profiles:
        assert_profile(profile, ())
        seen |= {f.name for s in profile.samples for f in s.frames}
    assert_has_names(seen)
    for path in (recorded / "got").glob("*.pb.gz"):
        assert_strings(path.read_bytes())


def test_folded(spanprof, recorded):
    again = run(spanprof, "report", "--folded", recorded / "out.pb.gz").stdout
    for text in ((recorded / "out.folded").read_bytes(), again):
        lines = assert_clean(text).rstrip("\n").split("\n")
        names = set()
        for line in lines:
            match = re.fullmatch(r"((?:driver|jitcode);.*) (\d+)", line)
            assert match, ascii(line[:200])
            assert all(len(name.encode()) <= NAME_MAX for name in match[1].split(";"))
            names |= set(match[1].split(";"))
        assert_has_names(names)
        assert "colon 42 7" not in names  # a ';' in a name is no end of it


class Scripts(HTMLParser):
    """Attributes and contents of scripts, and how many tags there are of each kind."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = {}, [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        self.tags[f"/{tag}"] = self.tags.get(f"/{tag}", 0) + 1
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1][1] += data


@pytest.fixture(scope="module")
def harmless(spanprof, workloads, tmp_path_factory):
    """A page with names that are none of these."""
    out = tmp_path_factory.mktemp("harmless") / "out.html"
    done = run(spanprof, "record", "-o", out, "--", workloads / "procs", "child", "--cpu-ms", "200",
               "--steps-per-ms", "300000")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Scripts(out.read_text(encoding="utf-8"))


def test_html(spanprof, recorded, harmless):
    """The same elements as in any page: no name is one, or ends one."""
    assert run(spanprof, "report", "--html", recorded / "again.html", recorded / "out.pb.gz").returncode == 0
    for name in ("out.html", "again.html"):
        text = (recorded / name).read_bytes().decode()
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
        page = Scripts(text)
        assert page.tags == harmless.tags
        assert [attrs.keys() for attrs, _ in page.scripts] == [attrs.keys() for attrs, _ in harmless.scripts]
        assert text.lower().count("</script") == len(page.scripts)
        assert "esc_" in text and "quote_" in text and "jit_bad_" in text
        for attrs, content in page.scripts:
            if "json" in attrs.get("type", ""):
                json.loads(content)
            else:
                done = run("node", "--check", "-", input=content)
                assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("by", ["function", "line", "process", "thread", "service", None])
def test_tables(spanprof, recorded, by):
    if by:
        done = run(spanprof, "report", "-n", 0, "--by", by, recorded / "out.pb.gz")
        assert (done.returncode, done.stderr) == (0, "")
        text = done.stdout
    else:
        text = (recorded / "out.txt").read_text(encoding="utf-8")
    assert_clean(text)
    for line in text.split("\n"):
        assert len(line.encode()) <= 2 * NAME_MAX + 200
    if by in ("function", "line", None):
        assert "quote_" in text and "jit_quote_" in text


def test_annotate(spanprof, recorded):
    for part in ("esc_*", "bad_*", "quote_*", "semi_*", "long_*", "inner_*"):
        done = run(spanprof, "annotate", part, recorded / "out.pb.gz")
        assert_clean(done.stdout)
        assert_clean(done.stderr)
        assert part[:-1] in done.stdout + done.stderr


def test_messages(recorded):
    for path in recorded.glob("*.stderr"):
        assert_clean(path.read_text(encoding="utf-8"))


def test_otlp(spanprof, program, workloads, tmp_path):
    """What the Collector understood: it refuses strings that are no UTF-8."""
    with running(program, workloads), collector(tmp_path) as urls:
        server = {"name": "server", "type": "otlp_grpc", "url": urls["otlp_grpc"]}
        with Agent(spanprof, tmp_path, [directory(tmp_path / "out"), server]) as agent:
            time.sleep(6)
            agent.stop()
            assert_clean(agent.messages())
    strings = set()
    for line in (tmp_path / "otlp.json").read_bytes().splitlines():
        strings |= set(json.loads(line)["dictionary"]["stringTable"])
    for text in strings:
        assert "\n" not in assert_clean(text) and len(text.encode()) <= LINKAGE_MAX
    assert_has_names(strings)
    for path in (tmp_path / "out").glob("*.pb.gz"):
        assert_profile(pprof.load(path), ())
