"""The pgqadm commands that a database administrator would type."""

from collections.abc import Sequence
from pathlib import Path

from demo.servers import run_program
from demo.tickers import has_pgqd
from testbed.database import Database
from testbed.processes import write_ini
from testbed.programs import chosen

PROGRAM = "pgqadm.py"
SETTING = "ticker_max_lag=0.1s"


class Admin:
    """pgqadm for all databases, with an ini file for each in the demo's directory."""

    def __init__(self, directory: Path, databases: Sequence[Database]) -> None:
        self._directory = directory
        file = chosen().pgq_sql
        extra: dict[str, object] = {"pgq_sql": file} if file else {}
        if not has_pgqd():
            # For its ticker; `demo stop` ends the process of each pidfile.
            extra["pidfile"] = "%(job_name)s.pid"
        for database in databases:
            write_ini(
                directory / self._ini(database.name),
                "pgqadm",
                {"job_name": f"admin-{database.name}", "db": database.conninfo(), **extra},
            )

    def _ini(self, name: str) -> str:
        return f"admin-{name}.ini"

    def setup_commands(self, name: str, queue: str) -> list[tuple[str, ...]]:
        """Those that set up a database: PgQ, a queue, and a tick every tenth of a second."""
        words = (PROGRAM, self._ini(name))
        return [(*words, "install"), (*words, "create", queue), (*words, "config", queue, SETTING)]

    def set_up(self, name: str, queue: str) -> None:
        """Run those commands."""
        for command in self.setup_commands(name, queue):
            self.run(command)

    def status_command(self, name: str) -> tuple[str, ...]:
        """The one that shows a database."""
        return (PROGRAM, self._ini(name), "status")

    def movers_status_command(self, ini: str) -> tuple[str, ...]:
        """The one that shows all sources of a mover's ini file."""
        return (PROGRAM, "status", "--movers", ini)

    def run(self, command: Sequence[str]) -> str:
        """Run a command; returns its output."""
        return run_program(self._directory, *command)
