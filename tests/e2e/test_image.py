# SPDX-License-Identifier: Apache-2.0
"""
The container image: built by buildah on a Debian that debootstrap made here, run by podman as the README
says, and with the capabilities that the agent keeps and no others.
"""

import json
import os
import resource
import shutil
import subprocess
import time
from collections import Counter

import pytest
import yaml

import pprof
from conftest import BUILD, ROOT

BASE = "docker.io/library/debian:bookworm-slim"
IMAGE = "localhost/spanprof"
FOLDER = BUILD / "image"
MANIFEST = ROOT / "deploy" / "daemonset.yaml"
ENV = {
    **os.environ, "CONTAINERS_STORAGE_CONF": str(FOLDER / "storage.conf"), "STORAGE_DRIVER": "vfs",
    "BUILDAH_ISOLATION": "chroot",
}  # fmt: skip


def run(*words):
    return subprocess.run(
        [str(w) for w in words], env=ENV, capture_output=True, text=True, timeout=600, check=False
    )


def must(*words):
    done = run(*words)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout.strip()


def limit(name):
    return "{}:{}".format(*resource.getrlimit(name))


def podman(*words):
    """Without cgroups of its own: those of some machines are not to be had."""
    return [
        "podman", "--runtime", "runc", "run", "--rm", "--network", "host", "--pid", "host",
        "--ulimit", f"nofile={limit(resource.RLIMIT_NOFILE)}", "--ulimit", "nproc=4096:4096", *words,
    ]  # fmt: skip


def rights_of_the_manifest():
    """As options of podman. Debian 12's seccomp profile wants CAP_SYS_ADMIN for bpf(2)."""
    [pods] = [o for o in yaml.safe_load_all(MANIFEST.read_text()) if o["kind"] == "DaemonSet"]
    [container] = pods["spec"]["template"]["spec"]["containers"]
    context = dict(container["securityContext"])
    capabilities = context.pop("capabilities")
    assert context == {"runAsUser": 0, "allowPrivilegeEscalation": False}
    dropped, added = (",".join(capabilities[k]) for k in ("drop", "add"))
    return ("--cap-drop", dropped, "--cap-add", added, "--security-opt", "no-new-privileges",
            "--security-opt", "seccomp=unconfined")  # fmt: skip


def debian_root():
    """The folder of a Debian that has no more than it must."""
    root = FOLDER / "debian"
    if not (root / "etc/debian_version").exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        must("debootstrap", "--variant=minbase", "bookworm", root, "http://deb.debian.org/debian")
    return root


@pytest.fixture(scope="module")
def image():
    """Debian, and spanprof's image on top of it."""
    root = debian_root()
    (FOLDER / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{FOLDER}/graph"\nrunroot = "{FOLDER}/run"\n'
    )
    base = must("buildah", "from", "scratch")
    must("buildah", "copy", "-q", base, root, "/")
    must("buildah", "config", "--cmd", "bash", base)
    must("buildah", "commit", "-q", "--rm", base, BASE)
    source = FOLDER / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(".git", "build"))
    must("buildah", "build", "-q", "--pull=never", "--network", "host", "-t", IMAGE, source)
    tried = run(*podman(BASE, "true"))
    if tried.returncode:
        pytest.skip(f"podman cannot run any container here: {tried.stderr}")
    yield IMAGE
    for name in IMAGE, BASE:
        must("buildah", "rmi", "-f", name)


@pytest.mark.parametrize("rights", ["privileged", "manifest"])
def test_profiles_the_host(image, workloads, tmp_path, rights):
    """A program outside of the container, its functions and its spans."""
    rights = ("--privileged",) if rights == "privileged" else rights_of_the_manifest()
    with subprocess.Popen([workloads / "split-le", "--cpu-seconds", "1000", "--span-us", "20000"]) as program:
        try:
            must(*podman(*rights, "-v", f"{tmp_path}:/out", image, "record", "-d", 2, "-o", "/out/out.pb.gz"))
        finally:
            program.kill()
    mine = [s for s in pprof.load(tmp_path / "out.pb.gz").samples if s.labels.get("pid") == program.pid]
    names = Counter(name for s in mine for name in s.names)
    assert sum(s.values[0] for s in mine) > 50
    assert names["do_span"] and names["worker_main"], names.most_common(5)
    assert any("span_id" in s.labels for s in mine)
    assert {s.labels["service.name"] for s in mine if "span_id" in s.labels} == {"split"}


def test_agent_profiles_the_host(image, workloads, tmp_path):
    """With the rights that the manifest asks for; ended by what a container runtime sends."""
    config = {"interval": "1s", "frequency": 99, "endpoints": [{"type": "directory", "path": "/out/profiles"}]}
    (tmp_path / "agent.yaml").write_text(json.dumps(config))
    name = f"spanprof-test-{os.getpid()}"
    agent = [*podman(*rights_of_the_manifest(), "--name", name, "-v", f"{tmp_path}:/out", image, "agent", "-c", "/out/agent.yaml")]
    with subprocess.Popen([workloads / "split-le", "--cpu-seconds", "1000", "--span-us", "20000"]) as program:
        with subprocess.Popen(agent, env=ENV, stderr=subprocess.PIPE, text=True) as container:
            try:
                found, end = [], time.monotonic() + 60
                while not any("span_id" in s.labels for s in found) and time.monotonic() < end:
                    time.sleep(0.5)
                    profiles = [pprof.load(p) for p in (tmp_path / "profiles").glob("*.pb.gz")]
                    found = [s for p in profiles for s in p.samples if s.labels.get("pid") == program.pid]
                must("podman", "stop", name)
                said = container.stderr.read()
                assert container.wait() == 0, said
            finally:
                program.kill()
                container.kill()
    assert {s.labels["service.name"] for s in found if "span_id" in s.labels} == {"split"}, said
    assert any("do_span" in s.names for s in found)
    assert "error" not in said and "warning" not in said, said


def test_help_and_version(image):
    assert "spanprof record" in must(*podman(image))
    assert must(*podman(image, "--version")) == f"spanprof {(ROOT / 'VERSION').read_text().strip()}"
