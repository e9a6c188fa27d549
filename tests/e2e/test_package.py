# SPDX-License-Identifier: Apache-2.0
"""The Debian package: what is in it, and does it run from there?"""

import subprocess

from conftest import ROOT
from program import run


def test_debian_package(tmp_path):
    done = run(ROOT / "tools" / "debian-package", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (package,) = tmp_path.glob("spanprof_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "root"], check=True)
    root = tmp_path / "root"
    program = root / "usr" / "bin" / "spanprof"
    assert run(program, "--version").stdout.startswith("spanprof ")
    unit = (root / "lib" / "systemd" / "system" / "spanprof.service").read_text()
    assert "ExecStart=/usr/bin/spanprof agent" in unit
    config = root / "etc" / "spanprof" / "agent.yaml"
    done = run(program, "agent", "--check-config", "-c", config)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert (root / "usr" / "share" / "man" / "man1" / "spanprof.1.gz").exists()
    fields = run("dpkg-deb", "-f", package, "Depends").stdout
    for library in "libbpf1", "libdw1", "libmicrohttpd12", "libsystemd0":
        assert library in fields
