"""The pgqadm commands that a database administrator would type, once for each database."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from demo.servers import DemoError
from testbed.database import Database
from testbed.processes import run, script, write_ini

PROGRAM = "pgqadm.py"
SETTING = "ticker_max_lag=0.1s"


class Admin:
    """pgqadm on all databases, with an ini file for each in the demo's directory."""

    def __init__(self, directory: Path, databases: Sequence[Database]) -> None:
        self._directory = directory
        for database in databases:
            write_ini(
                directory / self.ini(database.name),
                "pgqadm",
                {"job_name": f"admin-{database.name}", "db": database.conninfo()},
            )

    def ini(self, name: str) -> str:
        """The ini file for a database."""
        return f"admin-{name}.ini"

    def commands(self, name: str, queue: str) -> list[tuple[str, ...]]:
        """What prepares a database: PgQ, a queue, and a tick every tenth of a second."""
        ini = self.ini(name)
        return [(ini, "install"), (ini, "create", queue), (ini, "config", queue, SETTING)]

    def prepare(self, name: str, queue: str) -> None:
        """Type those commands."""
        for words in self.commands(name, queue):
            self.answer(words)

    def status(self, name: str) -> tuple[str, ...]:
        """What shows a database."""
        return (self.ini(name), "status")

    def status_of_movers(self, ini: str) -> tuple[str, ...]:
        """What shows all sources of a mover's ini file."""
        return ("status", "--movers", ini)

    def answer(self, words: Sequence[str]) -> str:
        """Type a command; what it prints."""
        done = run([script(PROGRAM), *words], cwd=self._directory)
        if done.returncode != 0:
            raise DemoError(f"{typed(words)} failed:\n{done.stderr}")
        return done.stdout


def typed(words: Sequence[str]) -> str:
    """The command line for some words."""
    return f"{PROGRAM} {shlex.join(words)}"
