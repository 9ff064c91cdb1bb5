"""PgQue for the tests of pgqadm: its SQL file, and databases that have it."""

from pathlib import Path

import psycopg
import pytest

from queue_mover.cli.pgqadm import COMMANDS
from queue_mover.config.loading import load_admin
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.flavours import VARIABLE, pgque_sql
from testbed.processes import Argument, Result, run, script, write_ini


def pgque_file() -> Path:
    """PgQue's SQL file. Skips the test where the environment does not name one."""
    path = pgque_sql()
    if not path:
        pytest.skip(f"{VARIABLE} does not name PgQue's SQL file")
    return path.resolve()


def empty_database(cluster: Cluster, name: str) -> Database:
    """A database with nothing in it, instead of one that an earlier test left."""
    cluster.start().drop_database(name)
    return cluster.create_database(name)


def pgqadm(*words: Argument) -> Result:
    """Run it to its end."""
    return run([script("pgqadm.py"), *words])


class Admin:
    """A config of pgqadm, and what its commands print."""

    def __init__(self, folder: Path, database: Database, **settings: object) -> None:
        self.settings = {"db": database.conninfo(), **settings}
        self._path = folder / f"{database.name}.ini"

    @property
    def config(self) -> Path:
        """The config file, with the settings of now."""
        return write_ini(self._path, "pgqadm", self.settings)

    def says(self, *words: Argument) -> list[str]:
        """The lines of a command that succeeds and complains about nothing."""
        result = pgqadm(self.config, *words).check()
        assert result.stderr == ""
        return result.stdout.splitlines()

    def does(self, words: str) -> list[str]:
        """The lines that a command returns, without a process of its own."""
        settings = load_admin(self.config, {})
        name, *arguments = words.split()
        _, action = COMMANDS[name]
        with psycopg.connect(settings.db, autocommit=True) as conn:
            return action(conn, settings, arguments)

    def refuses(self, *words: Argument) -> str:
        """The one line of a command that fails."""
        result = pgqadm(self.config, *words)
        assert result.returncode != 0
        (line,) = result.stderr.splitlines()
        assert result.stdout == ""
        return line.removeprefix("pgqadm: ")
