# SPDX-License-Identifier: Apache-2.0
"""
Thread-local storage as other releases of glibc lay it out: programs that are built for one, and run in a
root of their own that has nothing but it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, ROOT, assert_nothing_lost
from truth import judge

SUITES = {"bullseye": "2.31", "trixie": "2.41"}
PACKAGES = ("libc6", "libc6-dev", "linux-libc-dev")
SOURCES = ROOT / "tests/workloads"
CFLAGS = ("-std=gnu11", "-O2", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-D_GNU_SOURCE", "-pthread")
LIBRARIES = {"gd": ("-mtls-dialect=gnu",), "desc": ("-mtls-dialect=gnu2",), "ie": ("-ftls-model=initial-exec",)}


def unpack(suite, root):
    said = subprocess.run(
        [ROOT / "tools/debs", "amd64", *PACKAGES], env={**os.environ, "DEBIAN_SUITE": suite}, check=True,
        stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for deb in said.split():
        fs = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True).stdout
        tar = ["tar", "-xC", root, "--keep-directory-symlink", "--no-same-owner"]
        subprocess.run(tar, input=fs, check=True)
    for link in filter(Path.is_symlink, root.glob("usr/lib*/**/*")):
        if os.readlink(link).startswith("/"):  # leads out of the root for who is not in it
            target = os.path.relpath(f"{root}{os.readlink(link)}", link.parent)
            link.unlink()
            link.symlink_to(target)


def compile_there(root, output, *arguments):
    sources = [SOURCES / a if a.endswith(".c") else a for a in arguments]
    libraries = root / "usr/lib/x86_64-linux-gnu"
    gcc = ["gcc", f"--sysroot={root}", f"-B{libraries}", f"-L{libraries}", "-static-libgcc"]
    subprocess.run([*gcc, *CFLAGS, *sources, "-o", root / output, "-ldl"], check=True)


@pytest.fixture(scope="module", params=SUITES)
def root(request):
    """A root folder with that glibc, and programs for it."""
    folder = BUILD / "glibc" / request.param
    unpack(request.param, folder)
    for name, flags in LIBRARIES.items():
        compile_there(folder, f"{name}.so", "-shared", "-fPIC", *flags, "otel_ctx.c")
    compile_there(folder, "split-dl", "split.c", "work.c", "truth.c", "otel_dl.c")
    compile_there(folder, "split-le", "-Wl,--export-dynamic-symbol=otel_thread_ctx_v1",
                  "split.c", "work.c", "truth.c", "otel_ctx.c")  # fmt: skip
    said = subprocess.run(
        ["chroot", folder, "/usr/lib/x86_64-linux-gnu/libc.so.6"], check=True, capture_output=True, text=True
    ).stdout
    assert f"version {SUITES[request.param]}" in said
    return folder


@pytest.mark.parametrize("how", ["in the program", "ie", "desc", "gd", "desc, late", "gd, late"])
def test_spans(record, root, tmp_path, how):
    library, _, late = how.partition(", ")
    program = "split-dl" if library in LIBRARIES else "split-le"
    env = {"OTEL_LIBRARY": f"/{library}.so", **({"OTEL_LATE": "1"} if late else {})}
    there = root / str(tmp_path)[1:]
    there.mkdir(parents=True, exist_ok=True)
    script = f"mount --bind {tmp_path} {there} && exec chroot {root} /{program} \"$@\""
    r = record(
        "--", "unshare", "--mount", "sh", "-c", script, "sh", "--threads", 3, "--cpu-seconds", 1.5,
        "--span-us", "500,20000", "--warm-up-ms", 400, "--log", "{log}", env=env,
    )  # fmt: skip
    verdict = judge(r.truth, r.samples)
    verdict.assert_right()
    assert sum(verdict.counts.values()) > 300
    assert_nothing_lost(r.stats)
