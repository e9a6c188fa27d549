# SPDX-License-Identifier: Apache-2.0
"""
The Debian package: what is in it, does it run from there, and its life on a Debian that has a systemd
of its own (test_systemd.py): installed, upgraded, removed.
"""

import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT
from program import run
from test_image import debian_root, must
from test_systemd import NAME, booted, wait

OLD, NEW = "first.deb", "second.deb"  # below /srv in the machine
# Files that Debian's own programs write while any package comes and goes.
OF_DEBIAN = re.compile(r"^(tmp|var/(lib/dpkg|log|tmp|cache/(ldconfig|debconf)))(/|$)|^etc/ld\.so\.cache$")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    must(ROOT / "tools" / "debian-package", folder)
    (path,) = folder.glob("spanprof_*.deb")
    return path


def test_debian_package(package, tmp_path):
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    program = root / "usr" / "bin" / "spanprof"
    assert run(program, "--version").stdout.startswith("spanprof ")
    unit = (root / "lib" / "systemd" / "system" / "spanprof.service").read_text()
    assert "ExecStart=/usr/bin/spanprof agent" in unit
    config = root / "etc" / "spanprof" / "agent.yaml"
    done = run(program, "agent", "--check-config", "-c", config)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert (root / "usr" / "share" / "man" / "man1" / "spanprof.1.gz").exists()
    named = re.findall(r"/(usr/share/\S+\.\w+)", config.read_text())
    assert len(named) == 2 and all((root / path).is_file() for path in named), named
    assert (root / "usr" / "share" / "doc" / "spanprof" / "examples" / "alerts.yaml").is_file()
    fields = run("dpkg-deb", "-f", package, "Depends").stdout
    for library in "libbpf1", "libdw1", "libmicrohttpd12", "libsystemd0":
        assert library in fields


def upgrade_of(package, path, tmp_path):
    """The same in a higher version, with another configuration."""
    tree = tmp_path / "tree"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub("^(Version: .*)$", r"\1+next", control.read_text(), flags=re.MULTILINE))
    with open(tree / "etc" / "spanprof" / "agent.yaml", "a", encoding="utf-8") as f:
        f.write("# of the next version\n")
    subprocess.run(["dpkg-deb", "-b", tree, path], check=True, stdout=subprocess.DEVNULL)


def apt_get(root, *words):
    script = 'mount -t proc proc "$1/proc" && exec chroot "$@"'
    must("unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh", root,
         "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy", *words)  # fmt: skip


@pytest.fixture(scope="module")
def debian(package):
    """A Debian with systemd and what the package says that it needs, but without it: its folder."""
    root = BUILD / "image" / "debian-systemd"
    if not (root / "ready").exists():
        shutil.rmtree(root, ignore_errors=True)
        must("cp", "-a", debian_root(), root)
        apt_get(root, "update")
        (root / "ready").touch()
    needs = run("dpkg-deb", "-f", package, "Depends").stdout.strip()
    apt_get(root, "satisfy", "--no-install-recommends", "systemd", needs)
    return root


PREPARE = """
cp {folder}/*.deb srv/
printf '[Unit]\\nDefaultDependencies=no\\n' > etc/systemd/system/nothing.target
"""


@pytest.fixture
def machine(package, debian, tmp_path):
    debs, folder = tmp_path / "debs", tmp_path / "machine"
    for d in debs, folder:
        d.mkdir()
    shutil.copy(package, debs / OLD)
    upgrade_of(package, debs / NEW, tmp_path)
    with booted(folder, debian, PREPARE.format(folder=debs), "nothing.target") as booted_machine:
        yield booted_machine


def dpkg(machine, *words):
    """What it said on both of its outputs."""
    return machine.run("env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                       "sh", "-c", 'exec dpkg "$@" 2>&1', "sh", *words)  # fmt: skip


def files(machine):
    found = machine.run("find", "/", "-xdev", "-mindepth", 1, "-printf", "%P\\n").splitlines()
    return {path for path in found if not OF_DEBIAN.match(path)}


def is_active(machine):
    wait(lambda: machine.shown("ActiveState") == "active", machine)
    return machine.main()


@pytest.fixture
def busy(machine):
    """
    Nothing else takes time there: an agent that has nothing to do is in one sample an interval by chance.
    It ends with the machine.
    """
    loop = subprocess.Popen(machine.command("sh", "-c", "while :; do :; done"))
    yield
    loop.kill()
    loop.wait()


@pytest.mark.usefixtures("busy")
def test_life_of_the_package(machine):
    before = files(machine)
    config = machine.root / "etc/spanprof/agent.yaml"

    dpkg(machine, "-i", f"/srv/{OLD}")
    assert machine.shown("UnitFileState") == "enabled"
    first = is_active(machine)
    wait(lambda: list((machine.root / "var/lib/spanprof/profiles").glob("*.pb.gz")), machine)
    assert machine.run("spanprof", "--version").startswith("spanprof ")

    edited = config.read_text().replace("max_bytes: 1GiB", "max_bytes: 2GiB")
    config.write_text(edited)
    dpkg(machine, "-i", "--force-confdef", "--force-confold", f"/srv/{NEW}")
    assert "+next" in machine.run("dpkg-query", "-W", "-f", "${Version}", "spanprof")
    assert config.read_text() == edited
    assert is_active(machine) != first

    dpkg(machine, "-r", "spanprof")
    assert machine.shown("ActiveState") == "inactive"
    assert config.read_text() == edited and (machine.root / "var/lib/spanprof").exists()
    dpkg(machine, "-P", "spanprof")
    assert files(machine) == before
    assert not (machine.root / "run/spanprof").exists()


def test_purge_keeps_what_is_the_admins(machine):
    dpkg(machine, "-i", f"/srv/{OLD}")
    (machine.root / "etc/spanprof/token").write_text("geheim\n")
    dpkg(machine, "-P", "spanprof")
    assert [p.name for p in (machine.root / "etc/spanprof").iterdir()] == ["token"]
