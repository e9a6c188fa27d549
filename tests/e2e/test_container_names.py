# SPDX-License-Identifier: Apache-2.0
"""Names by debug files that only a container has, which is gone when names are made."""

import pytest

from program import run
from test_debuginfod import SOURCE

BUILD = """set -e
cd $1
gcc -static -O2 -g -Wl,--build-id=0x1234abcd kettle.c -o kettle
mkdir -p image/usr/lib/debug/.build-id/12 image/old
objcopy --only-keep-debug kettle image/usr/lib/debug/.build-id/12/34abcd.debug
strip --strip-all kettle -o image/kettle
"""
CHROOT = "exec chroot $1/image /kettle"
# As a container's runtime does it: what it has is in a mount that goes with its last process.
PIVOT = """set -e
mount -t tmpfs none $1/old
cp -a $1/image/. $1/old
cd $1/old
pivot_root . old
exec /kettle
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kettle.c").write_text(SOURCE)
    (tmp_path / "old").mkdir()
    done = run("sh", "-c", BUILD, "sh", tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.parametrize("script", [CHROOT, PIVOT], ids=["chroot", "pivot_root"])
def test_debug_file_of_a_container_that_is_gone(record, folder, script):
    r = record("--", "unshare", "--mount", "sh", "-c", script, "sh", folder)
    samples = [s for s in r.profile.samples if any("kettle" in (f.mapping or "") for f in s.frames)]
    n, named = (sum(s.values[0] for s in some) for some in (samples, [s for s in samples if s.has("brew")]))
    assert n > 50 and named >= 0.9 * n
    inlined = [f for s in samples for f in s.frames if f.inlined]
    assert inlined and all(f.name == "stir" and f.file.endswith("kettle.c") and f.line for f in inlined)
