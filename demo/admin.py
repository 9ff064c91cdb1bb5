"""The pgqadm commands that a database administrator would type, once for each database."""

import importlib.util
import shlex
from collections.abc import Sequence
from pathlib import Path

from demo.stage import DemoError
from testbed import queues
from testbed.database import Database
from testbed.processes import run, script, write_ini

PROGRAM = "pgqadm.py"
VARIABLE, VALUE = "ticker_max_lag", "0.1s"


class Admin:
    """pgqadm on all databases, with an ini file for each in the demo's directory."""

    def __init__(self, directory: Path, databases: Sequence[Database]) -> None:
        self._directory = directory
        self._databases = {database.name: database for database in databases}
        for name, database in self._databases.items():
            write_ini(
                directory / self.ini(name),
                "pgqadm",
                {"job_name": f"admin-{name}", "db": database.conninfo()},
            )

    def ini(self, name: str) -> str:
        """The ini file for a database."""
        return f"admin-{name}.ini"

    def commands(self, name: str, queue: str) -> list[tuple[str, ...]]:
        """What prepares a database: PgQ, a queue, and a tick every tenth of a second."""
        ini, setting = self.ini(name), f"{VARIABLE}={VALUE}"
        return [(ini, "install"), (ini, "create", queue), (ini, "config", queue, setting)]

    def prepare(self, name: str, queue: str) -> None:
        """Type those commands."""
        if not _there():
            self._prepare_by_hand(name, queue)
            return
        for words in self.commands(name, queue):
            self._run(words)

    def _prepare_by_hand(self, name: str, queue: str) -> None:
        with self._databases[name].connect() as conn:
            queues.install_pgq(conn)
            queues.install_pgq_ext(conn)
            queues.create_queue(conn, queue, **{VARIABLE: VALUE})

    def status(self, name: str) -> str:
        """What `status` prints; empty when there is no pgqadm yet."""
        return self._run((self.ini(name), "status")) if _there() else ""

    def _run(self, words: Sequence[str]) -> str:
        done = run([script(PROGRAM), *words], cwd=self._directory)
        if done.returncode != 0:
            raise DemoError(f"{typed(words)} failed:\n{done.stderr}")
        return done.stdout


def typed(words: Sequence[str]) -> str:
    """The command line for some words."""
    return f"{PROGRAM} {shlex.join(words)}"


def _there() -> bool:
    return importlib.util.find_spec("queue_mover.admin.cli") is not None
