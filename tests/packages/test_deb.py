"""The Debian package in a clean Debian: installed, run, removed, purged. `make test-deb` runs this.

The Debian is a directory made by mmdebstrap, with the host's package sources. Each script runs
there as in a container: with its own processes, which end with it, and on the host's network.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_mover import __version__
from testbed.processes import free_port
from testbed.reaper import private_directory, remove_directory
from tests.docs.pages import README, blocks
from tests.docs.terminal import commands

PACKAGE = os.environ.get("QUEUE_MOVER_DEB", "")
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
SERVERS = {"bookworm": 15, "trixie": 17}
"""PostgreSQL's version in each Debian."""

INCLUDED = "postgresql-{server}-pgq3,adduser,python3"
"""With PostgreSQL, and with what the package depends on, so that its removal has to restore all."""

pytestmark = pytest.mark.skipif(not PACKAGE, reason="run by make test-deb")

CHANGING = (
    *("/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/var/cache", "/var/log", "/var/lib/apt"),
    *("/var/lib/dpkg", "/var/lib/postgresql", "/etc/postgresql", "/etc/passwd-", "/etc/group-"),
    *("/etc/shadow-", "/etc/gshadow-", "/etc/ssl"),
)
"""What apt and PostgreSQL change by themselves; /var/log/queue_mover3 is looked at apart."""


class Debian:
    """A directory with a Debian in it."""

    def __init__(self, folder: Path, server: int) -> None:
        """`server`: PostgreSQL's version."""
        self.folder = folder
        self.server = server

    def run(self, script: str, *, user: str = "root") -> str:
        """What a script of bash prints. It must not fail."""
        into = shlex.quote(str(self.folder))
        mounts = (
            f"mount -t proc proc {into}/proc; mkdir -p {into}/dev/shm;"
            f" mount -t tmpfs tmpfs {into}/dev/shm; exec chroot {into} "
        )
        path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        inner = ["env", "-i", path, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        as_user = ["runuser", "-u", user, "--"]
        inner = [*inner, *(as_user if user != "root" else []), "bash", "-euo", "pipefail", "-c"]
        done = subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-ec", mounts + shlex.join([*inner, script])),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def state(self) -> tuple[set[str], dict[str, str]]:
        """All files, and who has an account."""
        pruned = " -o ".join(f"-path {path}" for path in CHANGING)
        files = self.run(
            f"find / -xdev \\( {pruned} \\) -prune -o -print; find /var/log -name 'queue*'"
        )
        accounts = {
            name: (self.folder / "etc" / name).read_text()
            for name in ("passwd", "group", "shadow", "gshadow")
        }
        return set(files.splitlines()), accounts


@pytest.fixture(scope="module")
def debian() -> Iterator[Debian]:
    mmdebstrap = shutil.which("mmdebstrap")
    if mmdebstrap is None or os.geteuid() != 0 or not SOURCES.exists():
        pytest.skip(f"needs root, mmdebstrap and {SOURCES}; remedy: apt-get install mmdebstrap")
    codename = re.findall(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)[0]
    folder = private_directory()
    root = folder / "debian"
    server = SERVERS[codename]
    included = INCLUDED.format(server=server)
    make = [mmdebstrap, "--mode=root", "--variant=minbase", f"--include={included}"]
    made = subprocess.run(
        [*make, codename, root, SOURCES], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    shutil.copy(PACKAGE, root / "tmp" / "queue-mover3.deb")
    yield Debian(root, server)
    remove_directory(folder)


INSTALL = "apt-get install -y /tmp/queue-mover3.deb"

START_POSTGRESQL = """
pg_conftool {server} main set port {port}
pg_ctlcluster {server} main start
"""

METRICS = """
cat >http.ini <<end
[queue_mover3]
src_db = dbname=app
dst_db = dbname=central
queue_name = app_events
dst_queue_name = all_events
consumer_name = app_to_central
pidfile = http.pid
http_listen = 127.0.0.1:{port}
end
queue_mover3 -d http.ini
/usr/lib/queue-mover3/bin/python3 - <<'end'
import time, urllib.request
for attempt in range(100):
    try:
        page = urllib.request.urlopen("http://127.0.0.1:{port}/", timeout=10).read().decode()
        if "app_events" in page:
            break
    except OSError:
        pass
    time.sleep(0.2)
text = urllib.request.urlopen("http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
print("metrics:", "queue_mover_events_total" in text, "page:", "app_events" in page)
end
queue_mover3 -s --wait http.ini
"""


def quick_start() -> str:
    """The README's, from the config files on; what its reader waits for, and does besides."""
    lines = ["cd ~", "createdb app", "createdb central"]
    text = README.read_text().partition("## Quick start")[2].partition("\n## ")[0]
    for block in blocks(text):
        if block.is_ini:
            names = re.findall(r"`(\w+\.ini)`", block.before)
            parts = re.split(r"\n(?=\[pgqadm\])", block.text)
            for name, part in zip(names, parts, strict=True):
                lines.append(f"cat >{name} <<'end'\n{part}\nend")
        elif not any(word in block.text for word in ("pip install", "pipx")):
            for command in commands(block.text):
                if command.startswith("tail"):
                    arrived = "select count(*) from pgq.event_1"
                    lines.append(
                        f'until [ "$(psql -d central -Atc "{arrived}")" = 1 ]; do sleep 0.2; done'
                    )
                if command.startswith("queue_mover3 -s"):
                    lines.append("queue_mover3 --check mover.ini || echo checked: $?")
                lines.append(command)
    return "\n".join(lines)


@pytest.mark.timeout(1800)
def test_from_the_installation_to_the_purge(debian: Debian) -> None:
    before, accounts = debian.state()
    # when it is installed
    debian.run(INSTALL)
    # then it is there, for everybody, with its manuals, completions and units
    assert debian.run("queue_mover3 --version", user="nobody") == f"queue_mover3 {__version__}\n"
    assert debian.run("pgqadm.py --version", user="nobody") == f"pgqadm {__version__}\n"
    debian.run("zcat /usr/share/man/man1/{queue_mover3,pgqadm}.1.gz | grep -q SYNOPSIS")
    debian.run("zcat /usr/share/man/man5/queue_mover.ini.5.gz | grep -q 'source:NAME'")
    debian.run("source /usr/share/bash-completion/completions/pgqadm.py; complete -p pgqadm.py")
    debian.run("/usr/lib/queue-mover3/bin/python3 -c 'import rich, skytools, psycopg2'")
    for unit in ("queue_mover3@", "pgqadm-ticker@"):
        text = debian.run(f"cat /usr/lib/systemd/system/{unit}.service")
        (program,) = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
        debian.run(f"{program} --version", user="queue_mover")
    owner = debian.run("stat -c '%U:%G %a' /etc/queue_mover3 /var/lib/queue_mover")
    assert owner.split("\n")[:2] == ["root:queue_mover 750", "queue_mover:queue_mover 750"]
    # when somebody goes through the README's quick start
    port = free_port()
    start = START_POSTGRESQL.format(server=debian.server, port=port)
    drop = "exec runuser -u postgres -- env HOME=/tmp/home"
    script = quick_start() + METRICS.format(port=free_port())
    debian.run("install -d -o postgres -g postgres /tmp/home")
    (debian.folder / "tmp" / "quick_start").write_text(script)
    said = debian.run(f"{start}\n{drop} PGPORT={port} bash -euxo pipefail /tmp/quick_start")
    # then the event is there, and the page and the metrics are
    assert re.search(r"greeting +\| hello", said)
    assert "metrics: True page: True" in said
    # when it is installed again, then what the operator wrote stays
    debian.run("echo '[queue_mover3]' >/etc/queue_mover3/mine.ini; mkdir -p /var/log/queue_mover3")
    debian.run(f"{INSTALL} --reinstall")
    assert debian.run("cat /etc/queue_mover3/mine.ini") == "[queue_mover3]\n"
    # when it is removed, then nothing is left but that
    debian.run("apt-get remove -y queue-mover3")
    left = debian.state()[0] - before
    assert left == {
        *("/etc/queue_mover3", "/etc/queue_mover3/mine.ini"),
        *("/etc/logrotate.d/queue-mover3", "/var/lib/queue_mover", "/var/log/queue_mover3"),
    }
    # when it is purged, then nothing is
    debian.run("apt-get purge -y queue-mover3")
    after, accounts_after = debian.state()
    assert after == before
    assert accounts_after == accounts
