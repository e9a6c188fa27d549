# SPDX-License-Identifier: Apache-2.0
"""
The agent as the unit in deploy/ runs it: started by a systemd of its own, in namespaces of its own on a copy
of this root that is in memory, with everything that the unit takes away from it.
"""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pprof
from conftest import BUILD, ROOT

UNIT = ROOT / "deploy" / "systemd" / "spanprof.service"
NAME = "spanprof.service"
STATE = Path("var/lib/spanprof")
PATIENCE = 60
CONFIG = {"frequency": 97, "interval": "2s", "endpoints": [{"type": "directory", "path": f"/{STATE}/out"}]}

# Nothing but this unit is started, and its log can be read from outside. Only a test is in such a hurry.
DROP_IN = """
[Unit]
DefaultDependencies=no
Wants=
After=
[Service]
StandardError=append:/run/spanprof.log
WatchdogSec=4s
RestartSec=100ms
"""

# Makes this root fit to run the unit in deploy/.
PREPARE = f"""
rm -rf var/lib/spanprof var/cache/spanprof etc/spanprof etc/systemd/system/{NAME}*
mkdir -p etc/spanprof usr/local/bin
cp {BUILD}/spanprof usr/local/bin/spanprof
cp {UNIT} etc/systemd/system/{NAME}
printf '%s' '{json.dumps(CONFIG)}' > etc/spanprof/agent.yaml
mount --bind {BUILD} ./{BUILD}
"""

INIT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs {folder}
mkdir {folder}/upper {folder}/work {folder}/root
mount -t overlay overlay -o lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work {folder}/root
cd {folder}/root
{prepare}
mkdir -p etc/systemd/system/{unit}.d
printf '%s' '{drop_in}' > etc/systemd/system/{unit}.d/test.conf
mount -t proc proc proc
mount --rbind /sys sys
mount --bind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
exec env container=spanprof-test chroot . /lib/systemd/systemd --system --unit={first} \
    --log-target=console --show-status=no
"""


# It leaves groups behind, in both hierarchies, below the one that the test is in.
TIDY = """
mount -t tmpfs tmpfs {folder}
mkdir {folder}/1 {folder}/2
mount -t cgroup -o none,name=systemd cgroup {folder}/1
mount -t cgroup2 cgroup2 {folder}/2
cd {folder}
for again in 1 2 3 4 5; do
    find [12]/init.scope [12]/system.slice -depth -type d -exec rmdir {{}} + 2>/dev/null
    [ -d 2/init.scope ] || break
    sleep 0.2 # until those that were in it have ended
done
"""


class Machine:
    def __init__(self, pid):
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")

    def command(self, *words):
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-r", "-w", "--", *map(str, words)]

    def run(self, *words):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout

    def shown(self, name):
        return self.run("systemctl", "show", "--value", "-p", name, NAME).strip()

    def status(self):
        said = self.run("spanprof", "agent", "ctl", "status")
        return dict(line.split(": ", maxsplit=1) for line in said.splitlines())

    def log(self):
        path = self.root / "run/spanprof.log"
        return path.read_text() if path.exists() else ""

    def profiles(self):
        return [pprof.load(p) for p in sorted((self.root / STATE / "out").glob("*.pb.gz"))]

    def main(self):
        """The agent's pid, as it is outside."""
        inside = self.shown("MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                ids = next(line for line in status.read_text().splitlines() if line.startswith("NSpid:")).split()
            except OSError:
                continue
            if len(ids) > 2 and ids[-1] == inside and os.path.samefile(status.parent / "root", self.root):
                return int(ids[1])
        raise AssertionError(f"no process is {inside} there")


def wait(condition, machine):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"never\n{machine.log()}")


@contextmanager
def booted(folder, lower, prepare, first):
    """
    A Machine whose systemd starts the unit `first`, on a copy of the root `lower` that the shell commands
    `prepare` changed, in it.
    """
    script = INIT.format(
        folder=folder, lower=lower, prepare=prepare, first=first, unit=NAME, drop_in=DROP_IN
    )  # fmt: skip
    with open(folder / "console", "w") as console:
        outer = subprocess.Popen(
            ["unshare", "--fork", "--kill-child", "--pid", "--mount", "--cgroup", "--ipc", "--uts", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console,
        )  # fmt: skip
        try:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end and outer.poll() is None:
                inner = children.read_text().split()
                if inner and Path(f"/proc/{inner[0]}/root/run/systemd/private").exists():
                    break
                time.sleep(0.1)
            else:
                raise AssertionError((folder / "console").read_text())
            yield Machine(int(inner[0]))
        finally:
            outer.kill()
            outer.wait()
            subprocess.run(["unshare", "--mount", "--cgroup", "sh", "-c", TIDY.format(folder=folder)], check=False)


def of_service(found, name):
    return [s for p in found for s in p.samples if s.labels.get("service.name") == name]


def test_unit_of_systemd_runs(spanprof, workloads, tmp_path):
    folder = tmp_path / "machine"
    folder.mkdir()
    with booted(folder, "/", PREPARE, NAME) as machine:
        # Type=notify: not before it has said so.
        wait(lambda: machine.shown("ActiveState") == "active", machine)
        assert machine.shown("LimitMEMLOCK") == "infinity"  # of use before Linux 5.11 only
        split = machine.command(workloads / "split-le", "--cpu-seconds", 1000, "--span-us", 20000)
        with subprocess.Popen(split) as program:
            try:
                mine = wait(lambda: of_service(machine.profiles(), "split"), machine)
                assert any("span_id" in s.labels for s in mine)
                names = Counter(n for s in mine for n in s.names)
                assert names["do_span"] and names["worker_main"], names.most_common(5)

                # What systemd hides of /proc is not what kernel functions are named by.
                reads = machine.command("dd", "if=/dev/zero", "of=/dev/null", "bs=64k", "status=none")
                with subprocess.Popen(reads) as dd:
                    its = wait(lambda: of_service(machine.profiles(), "dd"), machine)
                    dd.kill()
                names = Counter(n for s in its for n in s.names)
                assert names["vfs_read"], names.most_common(5)

                # By the unit's capabilities; each run is a tick, most of them samples.
                status = machine.status()
                assert float(status["bpf_run_seconds"]) > 0, status
                assert int(status["bpf_runs"]) >= int(status["samples_profiled"]) > 0, status

                faster = json.dumps({**CONFIG, "frequency": 199})
                (machine.root / "etc/spanprof/agent.yaml").write_text(faster)
                machine.run("systemctl", "reload", NAME)
                wait(lambda: any(p.period == 1000000000 // 199 for p in machine.profiles()), machine)
            finally:
                program.kill()

        # Whoever watches ends it, and starts another.
        before = machine.main()
        os.kill(before, signal.SIGSTOP)
        wait(lambda: machine.shown("NRestarts") == "1", machine)
        wait(lambda: machine.shown("ActiveState") == "active", machine)
        assert machine.main() != before

        machine.run("systemctl", "stop", NAME)
        assert machine.shown("Result") == "success"
        log = machine.log()
        assert "sampling at 97 Hz" in log and "error" not in log and "warning" not in log, log
