"""A shell in which a page's lines are entered, and the servers that the page speaks of.

All hosts that a page names are one private server: `host=shard0 dbname=app` stands for the
database `app_at_shard0` of that server, and PgBouncer's port 6432 for a free one. Everything else
is run as it is written, by one bash from the first line to the last.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Self

from testbed.choice import VARIABLES, NotInstalledError, from_environment
from testbed.cluster import SUPERUSER, Cluster
from testbed.processes import Result, free_port, run, script, wait_until
from testbed.procfs import process_alive
from testbed.programs import chosen, find_program, hand_over, postgres_bindir, run_as
from testbed.reaper import REAPER, private_directory, remove_directory

PATIENCE = 60.0
BOUNCER_PORT = "6432"
BEGINNINGS = (
    "[queue_mover3]",
    "[queue_mover]",
    "[queue_splitter3]",
    "[pgqadm]",
    "[pgqd]",
    "[databases]",
)
"""How config files begin."""


class Terminal:
    """One bash in a folder of its own; as a context manager, ended with all it has started."""

    def __init__(
        self, cluster: Cluster, *, path: str | None = None, patience: float = PATIENCE
    ) -> None:
        """`path`: where programs are looked for; None: ours, those of PostgreSQL, the system's.
        `patience`: seconds that a command may take."""
        self.cluster = cluster
        self.folder = private_directory()
        hand_over(self.folder)
        self.said: dict[str, Result] = {}
        self._patience = patience
        self._bouncer_port = str(free_port())
        self._pids: set[int] = set()
        self._number = 0
        self._control = private_directory()
        self._write_unprivileged("pgqd", "pgbouncer")
        path = path or search_path()
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("PG")},
                **{key: os.environ[key] for key in VARIABLES if key in os.environ},
                "PATH": f"{self._control}:{path}",
                "HOME": str(self.folder),
                "PGHOST": "127.0.0.1",
                "PGPORT": str(cluster.port),
                "PGUSER": SUPERUSER,
            },
        )
        REAPER.watch_process(self._shell.pid)

    def _write_unprivileged(self, *names: str) -> None:
        """Programs that refuse to run as root run as the servers do."""
        user = run_as().get("user")
        for name in names if user else ():
            program = self._control / name
            drop = f"setpriv --reuid={user} --regid={user} --clear-groups"
            try:
                found = find_program(name)
            except NotInstalledError:
                if from_environment():
                    continue
                raise
            program.write_text(f'#!/bin/sh\nexec {drop} {found} "$@"\n')
            program.chmod(0o755)

    def here(self, text: str) -> str:
        """A page's text with its hosts and ports replaced by those of this machine."""
        ours = rf"host=127.0.0.1 port={self.cluster.port} dbname=\2_at_\1"
        text = re.sub(r"\bhost=([a-z][\w$%]*) dbname=(\w+)", ours, text)
        return re.sub(rf"\b{BOUNCER_PORT}\b", self._bouncer_port, text)

    def create_database(self, name: str, host: str = "") -> str:
        """A database on a host that a page names; its name on our server."""
        ours = f"{name}_at_{host}" if host else name
        self.cluster.create_database(ours)
        return ours

    def write(self, name: str, text: str) -> None:
        """Save a config file; what does not begin one goes to the end of what is there."""
        path = self.folder / name
        begins = text.startswith(BEGINNINGS)
        before = "" if begins or not path.exists() else f"{path.read_text()}\n"
        path.write_text(f"{before}{self.here(text)}\n")
        hand_over(path)

    def enter(self, command: str) -> Result:
        """Run a command, which has to succeed. Raises NotInstalledError without its program."""
        if (name := command.split(maxsplit=1)[0]) in ("pgqd", "pgbouncer"):
            find_program(name)
        self._number += 1
        base = self._control / str(self._number)
        base.write_text(self.here(command) + "\n")
        out, err, code = (base.with_suffix(end) for end in (".out", ".err", ".code"))
        quoted = [shlex.quote(str(path)) for path in (base, out, err, code)]
        assert self._shell.stdin is not None
        self._shell.stdin.write(
            ". {0} </dev/null >{1} 2>{2}; echo $? >{3}.new; mv {3}.new {3}\n".format(*quoted)
        )
        self._shell.stdin.flush()
        wait_until(lambda: code.exists() or self._shell.poll() is not None, self._patience, command)
        self._watch_daemons()
        result = Result(
            (command,),
            int(code.read_text()) if code.exists() else self._shell.wait(),
            out.read_text(errors="replace"),
            err.read_text(errors="replace"),
        )
        self.said[command] = result.check()
        return result

    def _watch_daemons(self) -> None:
        for pidfile in self.folder.glob("*.pid"):
            with contextlib.suppress(OSError, ValueError):
                pid = int(pidfile.read_text())
                self._pids.add(pid)
                REAPER.watch_process(pid)

    def daemons(self) -> set[int]:
        """The daemons that are still alive."""
        return {pid for pid in self._pids if process_alive(pid)}

    def close(self) -> None:
        """End the shell, and what its lines have started and not stopped."""
        self._shell.kill()
        self._shell.wait()
        REAPER.forget_process(self._shell.pid)
        self._watch_daemons()
        for pid in self._pids:
            if process_alive(pid):
                run(["kill", "-9", str(pid)])
            REAPER.forget_process(pid)
        remove_directory(self._control)
        remove_directory(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def search_path() -> str:
    """Where a page's programs are looked for: ours, those of PostgreSQL, the system's."""
    path = f"{Path(script('queue_mover3')).parent}:{postgres_bindir()}:/usr/bin:/bin"
    if chosen().pgq_sql and (program := shutil.which("pg_config")):
        # The one that knows where PgQ's file is, see tests.leaving_out.
        path = f"{Path(program).parent}:{path}"
    return path


def commands(text: str) -> list[str]:
    """A block's commands: lines that bash does not take for complete go on in the next."""
    bash = shutil.which("bash") or "/bin/bash"
    found: list[str] = []
    command = ""
    for line in text.splitlines():
        command += f"{line}\n"
        incomplete = line.endswith("\\") or run([bash, "-n"], stdin=command).returncode
        if not incomplete:
            found += [command.strip()] if command.strip() else []
            command = ""
    assert not command, f"no shell takes this: {command}"
    return found
