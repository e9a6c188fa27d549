# SPDX-License-Identifier: Apache-2.0
"""
Programs of all kinds, each run for some seconds at full CPU as a user would: from Debian's packages
(tools/setup bench), or of ours (tests/workloads).
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import WORKLOADS

POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
NGINX_PORT = 18099
START_SECONDS = 20


class Missing(Exception):
    """A program that is not installed; says which package has it."""


def need(name, package, folder=None):
    """Path of the program."""
    path = shutil.which(name, path=str(folder) if folder else None)
    if not path:
        raise Missing(f"no {name}: apt-get install {package}")
    return path


def own(name):
    path = WORKLOADS / name
    if not path.exists():
        raise Missing(f"no {path}: make workloads")
    return str(path)


@dataclass
class Load:
    """A command that burns CPU until it is stopped, and whose samples of it count."""

    argv: list
    executables: tuple  # process.executable.name of those that count


@contextmanager
def running(argv, wait=0.0, **options):
    """The command meanwhile, with all that it started ended afterwards."""
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    process = subprocess.Popen([str(a) for a in argv], start_new_session=True, **options)
    try:
        time.sleep(wait)
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def shell(script, *names):
    return Load(["sh", "-c", script], names)


# --- Debian's -----------------------------------------------------------------------------------


def big_text(folder, megabytes=16):
    path = Path(folder) / "text"
    words = "\n".join(f"{i * 2654435761 % 1000003} some words {i}" for i in range(200000))
    with path.open("w", encoding="ascii") as f:
        while f.tell() < megabytes << 20:
            f.write(words)
    return path


def gzip(folder):
    program = need("gzip", "gzip")
    return shell(f"while :; do {program} -c {big_text(folder)} > /dev/null; done", "gzip")


def openssl(*algorithm):
    def load(_):
        program = need("openssl", "openssl")
        return Load([program, "speed", "-seconds", "100", *algorithm], ("openssl",))

    return load


SQL = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
	INSERT INTO t SELECT i, 'text ' || (i * 7919 % 100003), i * 31 % 1009 FROM n;
CREATE INDEX tb ON t(b);
SELECT count(*), sum(length(b)) FROM t WHERE b LIKE '%77%' GROUP BY c ORDER BY 2 DESC LIMIT 5;
SELECT count(*) FROM t x JOIN t y ON x.b = y.b WHERE x.c < 100;
"""


def sqlite3(folder):
    program = need("sqlite3", "sqlite3")
    script = Path(folder) / "script.sql"
    script.write_text(SQL)
    return shell(f"while :; do {program} :memory: < {script} > /dev/null; done", "sqlite3")


PYTHON = """
import json, re, hashlib
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
class Node:
    def __init__(self, depth):
        self.kids = [Node(depth - 1) for _ in range(3)] if depth else []
    def count(self):
        return 1 + sum(k.count() for k in self.kids)
text = " ".join(str(i * 2654435761 % 1000003) for i in range(20000))
while True:
    fib(20); Node(7).count()
    sorted(text.split(), key=lambda w: w[::-1]); re.findall(r"(\\d)\\1", text)
    json.loads(json.dumps({w: i for i, w in enumerate(text.split())}))
    hashlib.sha256(text.encode())
"""


def python3(_):
    return Load(["/usr/bin/python3", "-c", PYTHON], ("python3.11", "python3"))


PERL = r"""
sub fib { my $n = shift; $n < 2 ? $n : fib($n - 1) + fib($n - 2) }
while (1) {
    fib(18); my %h; $h{$_ * 7919 % 10007}++ for 1 .. 20000;
    my @s = sort { $h{$a} <=> $h{$b} || $a cmp $b } keys %h;
    my $t = join " ", @s; my $n = () = $t =~ /(\d)\1/g; $t =~ s/(\d+)/<$1>/g;
}
"""
RUBY = r"""
def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2)
loop do
  fib(18); h = Hash.new(0); 20000.times { |i| h[i * 7919 % 10007] += 1 }
  t = h.sort_by { |k, v| [v, k.to_s] }.map(&:first).join(" ")
  t.scan(/(\d)\1/); t.gsub(/(\d+)/) { "<#$1>" }
end
"""
NODE = r"""
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
const zlib = require("zlib"), crypto = require("crypto");
for (;;) {
  fib(24); const m = new Map();
  for (let i = 0; i < 50000; i++) m.set("k" + i * 7919 % 10007, i);
  const t = JSON.stringify([...m].sort()); JSON.parse(t); t.match(/(\d)\1/g);
  zlib.deflateSync(t); crypto.createHash("sha256").update(t).digest();
}
"""
JAVA = r"""
import java.util.*;
public class Burn {
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    public static void main(String[] a) throws Exception {
        for (;;) {
            fib(25);
            Map<String, Integer> m = new HashMap<>();
            for (int i = 0; i < 50000; i++) m.merge("k" + i * 7919 % 10007, i, Integer::sum);
            List<String> l = new ArrayList<>(m.keySet()); Collections.sort(l);
            java.util.zip.Deflater d = new java.util.zip.Deflater();
            d.setInput(String.join(" ", l).getBytes()); d.finish();
            byte[] out = new byte[1 << 20]; d.deflate(out); d.end();
        }
    }
}
"""


def perl(_):
    return Load([need("perl", "perl"), "-e", PERL], ("perl",))


def ruby(_):
    return Load([need("ruby", "ruby"), "-e", RUBY], ("ruby3.1", "ruby"))


def node(*flags):
    def load(folder):
        script = Path(folder) / "burn.js"
        script.write_text(NODE)
        return Load([need("node", "nodejs"), *flags, script], ("node",))

    return load


def java(*flags):
    def load(folder):
        source = Path(folder) / "Burn.java"
        source.write_text(JAVA)
        program = need("java", "openjdk-17-jdk-headless")
        need("javac", "openjdk-17-jdk-headless")
        subprocess.run(["javac", "-d", folder, source], check=True)
        return Load([program, "-cp", folder, *flags, "Burn"], ("java",))

    return load


CPLUSPLUS = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
int main(int argc, char **argv)
{
	std::map<std::string, std::vector<std::function<int(int)>>> m;
	std::regex r("(a|b)+c*");
	for (int i = 0; i < argc; i++)
		m[argv[i]].push_back([i](int x) { return std::regex_match("abc", std::regex("a")) + x + i; });
	std::vector<std::pair<std::string, int>> v;
	for (auto &[k, f] : m)
		v.emplace_back(k, f.front()(1));
	std::sort(v.begin(), v.end(), [](auto &a, auto &b) { return a.second < b.second; });
	std::cout << v.size() << std::regex_replace(v[0].first, r, "x");
}
"""


def compiler(name, package, *executables):
    def load(folder):
        source = Path(folder) / "source.cc"
        source.write_text(CPLUSPLUS)
        command = f"{need(name, package)} -O2 -c {source} -o {folder}/source.o"
        return shell(f"while :; do {command}; done", *executables)

    return load


@contextmanager
def postgres_server(folder):
    """(environment) for clients of a server of its own, on a socket in the folder."""
    for name in ("initdb", "postgres"):
        need(name, "postgresql", POSTGRES_BIN)
    shutil.chown(folder, "postgres", "postgres")
    data = Path(folder) / "data"
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    env = {**os.environ, "PGHOST": folder, "PGUSER": "postgres", "PGDATABASE": "postgres"}
    subprocess.run([*as_postgres, POSTGRES_BIN / "initdb", "-D", data, "-A", "trust"],
                   check=True, stdout=subprocess.DEVNULL, cwd=folder)  # fmt: skip
    server = [*as_postgres, POSTGRES_BIN / "postgres", "-D", data, "-k", folder, "-h", ""]
    ready = [POSTGRES_BIN / "pg_isready", "-q"]
    with running(server, cwd=folder) as process:
        try:
            wait_for(lambda: subprocess.run(ready, env=env, check=False).returncode == 0)
            yield env
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(START_SECONDS)


def wait_for(condition):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("server does not start")
        time.sleep(0.1)


@contextmanager
def pgbench(folder):
    program = need("pgbench", "postgresql")
    with postgres_server(folder) as env:
        quiet = {"env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([program, "-i", "-s", "5"], check=True, **quiet)
        reading = [program, "-S", "-M", "prepared", "-c", "4", "-j", "2", "-T", "1000"]
        writing = [program, "-c", "2", "-T", "1000"]
        with running(reading, 0.5, env=env), running(writing, 0.5, env=env):
            yield Load(None, ("postgres",))


NGINX = """
daemon off; master_process on; worker_processes 1; pid {0}/pid; error_log {0}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {0}/access.log; gzip on; gzip_types *; client_body_temp_path {0}/t1;
  proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3; uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5;
  server {{ listen 127.0.0.1:{1}; root {0}/www; }}
}}
"""


@contextmanager
def nginx(folder):
    program = need("nginx", "nginx", "/usr/sbin")
    client = need("wrk", "wrk")
    www = Path(folder) / "www"
    www.mkdir()
    for path in (Path(folder), www):
        path.chmod(0o755)
    (www / "text").write_text("hello, world\n" * 1000)
    conf = Path(folder) / "nginx.conf"
    conf.write_text(NGINX.format(folder, NGINX_PORT))
    url = f"http://127.0.0.1:{NGINX_PORT}/text"
    asking = [client, "-t", "1", "-c", "20", "-d", "1000", "-H", "Accept-Encoding: gzip", url]
    with running([program, "-c", conf], 0.5), running(asking, 0.5):
        yield Load(None, ("nginx",))


# --- ours ---------------------------------------------------------------------------------------


def ours(program, *arguments, launcher=()):
    """CPU time enough to be stopped."""

    def load(_):
        argv = [own(launcher[0]), *launcher[1:]] if launcher else []
        names = (program, f"memfd:{program}")
        return Load([*argv, own(program), *arguments, "--cpu-seconds", "1000"], names)

    return load


def build_chain(path, compiler, *options):
    """tests/workloads/chain.c, in a way that needs tools which no test needs."""
    source = Path(__file__).resolve().parents[1] / "workloads" / "chain.c"
    flags = ("-std=gnu11", "-O2", "-fomit-frame-pointer", "-DWORK_OMIT_FRAME", "-D_GNU_SOURCE")
    subprocess.run([compiler, *flags, *options, source, "-o", path], check=True)


def chain_bolt(folder):
    """chain, its code laid out anew by BOLT."""
    bolt, compiler_ = need("llvm-bolt-16", "bolt-16"), need("gcc", "gcc")
    linked, laid_out = Path(folder) / "linked", Path(folder) / "chain-bolt"
    build_chain(linked, compiler_, "-fno-reorder-blocks-and-partition", "-Wl,--emit-relocs")
    subprocess.run(
        [bolt, linked, "-o", laid_out, "-reorder-blocks=ext-tsp", "-split-functions",
         "-split-all-cold", "-use-old-text=0"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return Load([laid_out, "short", "--cpu-seconds", "1000"], ("chain-bolt",))


def clang_lto(folder):
    program, compiler_ = Path(folder) / "chain-clang-lto", need("clang", "clang")
    need("ld.lld", "lld")
    build_chain(program, compiler_, "-flto", "-fuse-ld=lld")
    return Load([program, "short", "--cpu-seconds", "1000"], ("chain-clang-lto",))


PROGRAMS = {
    "gzip": gzip,
    "openssl sha256": openssl("-evp", "sha256"),
    "openssl aes-gcm": openssl("-evp", "aes-256-gcm"),
    "openssl rsa": openssl("rsa2048"),
    "openssl ecdsa": openssl("ecdsap256"),
    "openssl chacha": openssl("-evp", "chacha20-poly1305"),
    "sqlite3": sqlite3,
    "python3": python3,
    "perl": perl,
    "ruby": ruby,
    "node": node(),
    "node frames": node("--no-opt", "--interpreted-frames-native-stack"),
    "java": java(),
    "java frames": java("-XX:+PreserveFramePointer"),
    "cc1plus": compiler("g++", "g++", "cc1plus"),
    "clang": compiler("clang++", "clang", "clang", "clang-14"),
    "postgres": pgbench,
    "nginx": nginx,
    "go": ours("chain-go", "goroutines"),
    "go stripped": ours("chain-go-stripped", "goroutines"),
    "cgo": ours("chain-cgo"),
    "cgo stripped": ours("chain-cgo-stripped"),
    "rust": ours("chain-rust", "long"),
    "rust panics": ours("chain-rust", "panic"),
    "templates": ours("templates", "calls"),
    "exceptions": ours("templates", "throw"),
    "64 threads": ours("switching", "threads"),
    "dlopen": ours("plugins", "once"),
    "dlopen loop": ours("plugins", "loop"),
    "signal": ours("signals", "timer"),
    "signal, own stack": ours("signals", "timer-alt"),
    "signal in signal": ours("signals", "nested"),
    "PLT": ours("binding", "plt"),
    "lazy binding": ours("binding", "resolve"),
    "vDSO": ours("libc-calls", "vdso"),
    "vfork": ours("libc-calls", "vfork"),
    "memcpy": ours("libc-calls", "memcpy"),
    "strlen": ours("libc-calls", "strlen"),
    "static": ours("chain-static", "short"),
    "static-pie": ours("chain-static-pie", "short"),
    "musl": ours("chain-musl", "short"),
    "musl static": ours("chain-musl-static", "short"),
    "CET": ours("chain-cet", "short"),
    "LTO, gcc": ours("chain-lto", "short"),
    "LTO, clang": clang_lto,
    "BOLT": chain_bolt,
    "clang's code": ours("chain-clang", "short"),
    "no .eh_frame_hdr": ours("chain-nohdr", "short"),
    "only .debug_frame": ours("chain-debug-frame", "short"),
    "private copies": ours("chain-remap", "short"),
    "memfd": ours("chain", "short", launcher=("launch", "memfd")),
    "deleted": ours("chain", "short", launcher=("launch", "deleted")),
    "replaced": ours("chain", "short", launcher=("launch", "replaced")),
    "recursion, 900": ours("frames", "recurse", "--levels", "900"),
    "recursion, 10,000": ours("frames", "recurse", "--levels", "10000"),
    "large frame": ours("frames", "large"),
    "alloca": ours("frames", "alloca"),
    "VLA": ours("frames", "vla"),
    "aligned frame": ours("frames", "aligned"),
    "DRAP": ours("frames", "drap"),
    "noreturn": ours("frames", "noreturn"),
    "tail call": ours("frames", "tail"),
    "pushed arguments": ours("frames", "pushes"),
    "coroutines, libc": ours("stacks", "context"),
    "coroutines": ours("stacks", "fibers"),
    "borrowed stacks": ours("stacks", "borrowed"),
    "no CFI, frame pointer": ours("nocfi", "frame"),
    "no CFI, none": ours("nocfi", "bare"),
    "no CFI at all": ours("chain-bare", "long"),
}

# Of these nobody can know the whole stack, or it is deeper than the limit.
CUT = {"recursion, 10,000", "no CFI, none", "no CFI at all"}


@contextmanager
def started(name):
    """The Load of this name; what it needs beside runs meanwhile. Raises Missing."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spanprof-bench-"))
        os.chmod(folder, 0o755)
        load = PROGRAMS[name](folder)
        yield stack.enter_context(load) if hasattr(load, "__enter__") else load
