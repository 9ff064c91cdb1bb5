"""What ticks the demo's queues: a pgqd for each server, or pgqadm's ticker where there is none."""

from collections.abc import Sequence
from pathlib import Path

from testbed.choice import NotInstalledError, from_environment
from testbed.database import Database
from testbed.processes import Process, script
from testbed.programs import find_program


def has_pgqd() -> bool:
    """Whether pgqd is used. Raises NotInstalledError where scripts/setup would install it."""
    try:
        find_program("pgqd")
    except NotInstalledError:
        if not from_environment():
            raise
        return False
    return True


class OwnTickers:
    """A `pgqadm.py ticker` for each database, in the demo's directory."""

    def __init__(self, directory: Path, databases: Sequence[Database]) -> None:
        """Start them, with the ini files of pgqadm."""
        names = [database.name for database in databases]
        self.commands = tuple(f"pgqadm.py admin-{name}.ini ticker &" for name in names)
        """as typed in a shell"""
        self._processes = [
            Process(
                [script("pgqadm.py"), f"admin-{name}.ini", "ticker"],
                directory,
                name=f"ticker-{name}",
            )
            for name in names
        ]

    def stop(self) -> None:
        """Stop them."""
        for process in self._processes:
            process.kill()

    def keep(self) -> None:
        """Leave them running when this process ends."""
        for process in self._processes:
            process.keep()
