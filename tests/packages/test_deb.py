"""The Debian package in a clean Debian: installed, run, upgraded, removed, purged.

`make test-deb` runs this. The Debian is a directory made by scripts/clean-debian. Each script runs
there as in a container: with its own processes, which end with it, and on the host's network.
There is no systemd: a program of that name records what the package asks of it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_mover import __version__
from testbed.processes import free_port, run
from testbed.reaper import private_directory, remove_directory
from tests.docs.pages import README, ROOT, blocks
from tests.docs.terminal import commands
from tests.packages.clean_debian import Debian

PACKAGE = os.environ.get("QUEUE_MOVER_DEB", "")
SUITE = os.environ.get("QUEUE_MOVER_SUITE", "")
SERVERS = {"bookworm": 15, "trixie": 17}
"""PostgreSQL's version in each Debian."""

INCLUDED = "postgresql-{server}-pgq3,adduser,python3,logrotate"
"""With PostgreSQL, and with what the package depends on, so that its removal has to restore all."""

pytestmark = pytest.mark.skipif(not PACKAGE, reason="run by make test-deb")


@pytest.fixture(scope="module")
def debian() -> Iterator[Debian]:
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        pytest.skip("needs root and mmdebstrap; remedy: apt-get install mmdebstrap")
    codename = re.findall(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)[0]
    suite = SUITE or codename
    folder = private_directory()
    root = folder / "debian"
    server = SERVERS[suite]
    make = [ROOT / "scripts" / "clean-debian", suite, root, INCLUDED.format(server=server)]
    run(make, timeout=900).check()
    shutil.copy(PACKAGE, root / "tmp" / "queue-mover3.deb")
    yield Debian(root, server)
    remove_directory(folder)


INSTALL = "apt-get install -y --allow-downgrades /tmp/{}.deb"

PREVIOUS = """
dpkg-deb --raw-extract /tmp/queue-mover3.deb /tmp/previous
sed -i 's/^Version: .*/Version: 3.99/' /tmp/previous/DEBIAN/control
dpkg-deb --build --root-owner-group /tmp/previous /tmp/previous.deb
rm -r /tmp/previous
"""
"""An earlier build, of the same files."""

WITH_SYSTEMD = """
mkdir -p /run/systemd/system
[ ! -e /usr/bin/systemctl ] || mv /usr/bin/systemctl /tmp/real-systemctl
printf '#!/bin/sh\\necho "$@" >>/tmp/systemd\\n' >/usr/bin/systemctl
chmod +x /usr/bin/systemctl
: >/tmp/systemd
{}
rm -r /usr/bin/systemctl /run/systemd
[ ! -e /tmp/real-systemctl ] || mv /tmp/real-systemctl /usr/bin/systemctl
grep -v daemon-reload /tmp/systemd || true
"""

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


START_MOVER = """
cd ~
pgqadm.py -d app.ini ticker
pgqadm.py -d central.ini ticker
queue_mover3 -d mover.ini
cat mover.pid >started
"""

MOVE_ANOTHER = """
cd ~
pgqadm.py app.ini install --notify
psql -d app -c "select pgq.insert_event('app_events', 'greeting', 'after the upgrade')"
until psql -d central -Atc "select ev_data from pgq.event_1" | grep 'after the upgrade'
do sleep 0.2; done
cmp mover.pid started
queue_mover3 -s --wait mover.ini
"""

SPLIT = """
createdb parts
cat >parts.ini <<end
[pgqadm]
db = dbname=parts
end
cat >splitter.ini <<end
[queue_splitter3]
job_name = splitter
src_db = dbname=central
dst_db = dbname=parts
pgq_queue_name = all_events
queue_field = ev_type
pidfile = splitter.pid
end
pgqadm.py parts.ini install
pgqadm.py parts.ini create greeting
queue_splitter3 --register splitter.ini
queue_splitter3 -d splitter.ini
psql -d central -c "select pgq.insert_event('all_events', 'greeting', 'split')"
until psql -d parts -Atc "select ev_data from pgq.event_1" | grep '^split$'; do sleep 0.2; done
queue_splitter3 -s --wait splitter.ini
pgqadm.py -s --wait app.ini
pgqadm.py -s --wait central.ini
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


def as_postgres(debian: Debian, port: int, *scripts: str) -> str:
    """With a server, which ends afterwards, run scripts as its user, and as root what is in <>."""
    lines = [START_POSTGRESQL.format(server=debian.server, port=port)]
    for number, script in enumerate(scripts):
        if script.startswith("<"):
            lines.append(script.strip("<>"))
            continue
        (debian.folder / "tmp" / f"script{number}").write_text(script)
        lines.append(
            f"runuser -u postgres -- env HOME=/tmp/home PGPORT={port}"
            f" bash -euxo pipefail /tmp/script{number}"
        )
    return debian.run("\n".join(lines))


def upgrade(package: str) -> str:
    """As with systemd; what it was asked is kept."""
    return WITH_SYSTEMD.format(INSTALL.format(package))


@pytest.mark.timeout(1800)
def test_from_the_installation_to_the_purge(debian: Debian) -> None:
    debian.run(PREVIOUS)
    before, accounts = debian.state()
    # when it is installed
    debian.run(INSTALL.format("previous"))
    # then it is there, for everybody, with its manuals, completions and units
    for name in ("queue_mover3", "queue_splitter3", "pgqadm"):
        for command in (name, f"{name}.py"):
            said = debian.run(f"{command} --version", user="nobody")
            assert said.startswith(f"{name} {__version__}\n")
            debian.run(f"zcat /usr/share/man/man1/{command}.1.gz | grep -q SYNOPSIS")
            completion = f"/usr/share/bash-completion/completions/{command}"
            debian.run(f"source {completion}; complete -p {command}")
    debian.run("zcat /usr/share/man/man5/queue_mover.ini.5.gz | grep -q 'source:NAME'")
    debian.run("/usr/lib/queue-mover3/bin/python3 -c 'import rich, skytools, psycopg2'")
    debian.run("test -f /usr/share/doc/queue-mover3/examples/drain_once.py")
    debian.run("logrotate --debug /etc/logrotate.d/queue-mover3")
    for unit in ("queue_mover3@", "pgqadm-ticker@"):
        text = debian.run(f"cat /usr/lib/systemd/system/{unit}.service")
        (program,) = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
        debian.run(f"{program} --version", user="queue_mover")
    owner = debian.run("stat -c '%U:%G %a' /etc/queue_mover3 /var/lib/queue_mover")
    assert owner.split("\n")[:2] == ["root:queue_mover 750", "queue_mover:queue_mover 750"]
    # when somebody goes through the README's quick start
    port = free_port()
    debian.run("install -d -o postgres -g postgres /tmp/home")
    said = as_postgres(debian, port, quick_start() + METRICS.format(port=free_port()))
    # then the event is there, and the page and the metrics are
    assert re.search(r"greeting +\| hello", said)
    assert "metrics: True page: True" in said
    # when it is upgraded under a mover, then this continues, and what the operator wrote stays
    debian.run("echo '[queue_mover3]' >/etc/queue_mover3/mine.ini; mkdir -p /var/log/queue_mover3")
    new = upgrade("queue-mover3")
    said = as_postgres(debian, port, START_MOVER, f"<{new}>", MOVE_ANOTHER + SPLIT)
    assert "\nafter the upgrade\n" in said
    assert "\nsplit\n" in said
    # then units that run are restarted
    assert re.search(r"^try-restart queue_mover3@\*.service pgqadm-ticker@\*", said, re.MULTILINE)
    assert debian.run("cat /etc/queue_mover3/mine.ini") == "[queue_mover3]\n"
    # when it is removed, then units stop, and nothing is left but that
    said = debian.run(WITH_SYSTEMD.format("apt-get remove -y queue-mover3"))
    assert re.search(r"^stop queue_mover3@\*.service pgqadm-ticker@\*", said, re.MULTILINE)
    left = debian.state()[0] - before
    assert left == {
        *("/etc/queue_mover3", "/etc/queue_mover3/mine.ini"),
        *("/etc/logrotate.d/queue-mover3", "/var/lib/queue_mover", "/var/log/queue_mover3"),
    }
    # when it is purged, then nothing is left but what the operator wrote, for root only
    said = debian.run("apt-get purge -y queue-mover3")
    assert "left for root, since it has files of yours: /etc/queue_mover3\n" in said
    after, accounts_after = debian.state()
    assert after - before == {"/etc/queue_mover3", "/etc/queue_mover3/mine.ini"}
    assert before <= after
    assert accounts_after == accounts
    assert debian.run("stat -c '%U:%G %a' /etc/queue_mover3") == "root:root 750\n"


def test_it_says_who_built_it_for_which_debian(debian: Debian) -> None:
    fields = debian.run("dpkg-deb --field /tmp/queue-mover3.deb Version Maintainer")
    number = debian.run(". /etc/os-release; echo $VERSION_ID").strip()
    name = os.environ.get("DEBFULLNAME", "queue_mover maintainers")
    address = os.environ.get("DEBEMAIL", "maintainers@queue-mover.invalid")
    assert fields == (f"Version: {__version__}+deb{number}\nMaintainer: {name} <{address}>\n")
