"""The pgqadm commands that a database administrator would type."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from demo.servers import DemoError
from testbed.database import Database
from testbed.processes import run, script, write_ini

PROGRAM = "pgqadm.py"
SETTING = "ticker_max_lag=0.1s"


class Admin:
    """pgqadm for all databases, with an ini file for each in the demo's directory."""

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

    def setup_commands(self, name: str, queue: str) -> list[tuple[str, ...]]:
        """Those that set up a database: PgQ, a queue, and a tick every tenth of a second."""
        ini = self.ini(name)
        return [(ini, "install"), (ini, "create", queue), (ini, "config", queue, SETTING)]

    def set_up(self, name: str, queue: str) -> None:
        """Run those commands."""
        for words in self.setup_commands(name, queue):
            self.run(words)

    def status_command(self, name: str) -> tuple[str, ...]:
        """The one that shows a database."""
        return (self.ini(name), "status")

    def run(self, words: Sequence[str]) -> str:
        """Run a command; returns its output."""
        done = run([script(PROGRAM), *words], cwd=self._directory)
        if done.returncode != 0:
            raise DemoError(f"{command_line(words)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


def command_line(words: Sequence[str]) -> str:
    """As typed in a shell."""
    return f"{PROGRAM} {shlex.join(words)}"
