"""`pgqadm install` of PgQue: install it from its SQL file, or upgrade an older one with it."""

import re
from pathlib import Path

import psycopg
from psycopg import errors

from queue_mover.errors import OperatorError
from queue_mover.model import PGQUE
from queue_mover.pgq.refusals import is_lost
from queue_mover.pgq.server import pgq_version
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import has_function, schema_exists
from queue_mover.postgres.translation import primary

FILE = "pgque.sql"
OLDEST_SERVER = 14
"""The oldest PostgreSQL that PgQue supports."""

_CREATE_QUEUE = PGQUE.sql("{pgq}.create_queue(text)")
_VERSION = re.compile(r"^-- Version: (\S+)", re.MULTILINE)
_LOCK_TIMEOUT = "10s"
"""How long an upgrade waits for a transaction that uses PgQue: others wait behind it."""

# An installer retries after the first two; the others are explained elsewhere.
_PASSED_ON = (
    errors.UniqueViolation,
    errors.DuplicateObject,
    errors.InsufficientPrivilege,
    errors.ReadOnlySqlTransaction,
)


def install_pgque(conn: Connection, path: Path | None) -> str:
    """Install PgQue from its SQL file, or upgrade an older one. Returns a line with the versions.

    An installed PgQue of the same version, a newer one, and one whose version cannot be compared
    are left unchanged. Run it in a transaction.

    Raises OperatorError if it is not installed and there is no usable file.
    """
    is_installed = has_function(conn, _CREATE_QUEUE)
    if not is_installed:
        _check_place(conn)
    before = pgq_version(conn, PGQUE) if is_installed else None
    if path is None:
        if is_installed:
            return f"{PGQUE.name}: already installed ({_shown(before)})"
        raise _no_file(conn)
    text = _read(path)
    version = file_version(text)
    if is_installed and (why := _unchanged(conn, before, version, path)) is not None:
        return f"{PGQUE.name}: already installed ({_shown(before)}){why}"
    _run(conn, path, text)
    after = _shown(pgq_version(conn, PGQUE))
    if is_installed:
        return f"{PGQUE.name}: upgraded from {before} to {after}, from {path}"
    return f"{PGQUE.name}: installed from {path} ({after})"


def file_version(text: str) -> str | None:
    """The version that the first lines of an SQL file state; None: none."""
    found = _VERSION.search(text[:1000])
    return found.group(1) if found else None


def version_order(version: str) -> tuple[tuple[int, ...], bool, str] | None:
    """A key to sort versions by: 0.3.0-devel before 0.3.0. None: not a version."""
    found = re.fullmatch(r"v?(\d+(?:\.\d+)*)(?:[-+]?([A-Za-z].*))?", version)
    if not found:
        return None
    numbers = [int(number) for number in found.group(1).split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), not found.group(2), found.group(2) or ""


def _check_place(conn: Connection) -> None:
    major = conn.info.server_version // 10000
    if major < OLDEST_SERVER:
        raise OperatorError(
            f'database "{conn.info.dbname}": {PGQUE.name} needs PostgreSQL {OLDEST_SERVER} or'
            f" later, the server has {major}; remedy: install PgQ (flavour = pgq)"
        )
    if schema_exists(conn, PGQUE.schema):
        raise OperatorError(
            f'database "{conn.info.dbname}" has a schema "{PGQUE.schema}" that is not'
            f" {PGQUE.name}; remedy: rename it"
        )


def _unchanged(conn: Connection, before: str | None, version: str | None, path: Path) -> str | None:
    """Why an installed PgQue is left unchanged, for the end of a line; None: upgrade it."""
    if before == version:
        return ""
    installed = version_order(before or "")
    offered = version_order(version or "")
    if installed is None or offered is None:
        return f"; cannot compare it with {path} ({_shown(version)}): left unchanged"
    if installed >= offered:
        newer = "newer than" if installed > offered else "the same as"
        return f", {newer} {path} ({version}): left unchanged"
    found = conn.execute(
        "select from pg_catalog.pg_extension where extname = %s", [PGQUE.schema]
    ).fetchone()
    if found is not None:
        return (
            f", older than {path} ({version}), but an extension: left unchanged;"
            f" remedy: ALTER EXTENSION {PGQUE.schema} UPDATE"
        )
    return None


def _shown(version: str | None) -> str:
    return version or "of unknown version"


def _no_file(conn: Connection) -> OperatorError:
    return OperatorError(
        f'database "{conn.info.dbname}": {PGQUE.name} is not installed, and pgque_sql is not set;'
        f" remedy: set pgque_sql to the path of a {FILE}"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        reason = "no such file"
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot read: {getattr(error, 'strerror', None) or 'not text'}"
    raise OperatorError(f"pgque_sql: {reason}: {path}; remedy: set it to the path of a {FILE}")


def _run(conn: Connection, path: Path, text: str) -> None:
    """Run the file, and make sure that it was PgQue's."""
    conn.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'".encode())
    try:
        conn.execute(text.encode())
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise OperatorError(
            f'database "{conn.info.dbname}": {PGQUE.name} is in use by a long transaction;'
            " remedy: find it in pg_stat_activity (xact_start), then run install again"
        ) from error
    except _PASSED_ON:
        raise
    except psycopg.Error as error:
        if is_lost(conn, error):
            raise
        raise OperatorError(f"pgque_sql: cannot run {path}: {primary(error)}") from error
    conn.execute("set local lock_timeout to default")
    if not has_function(conn, _CREATE_QUEUE):
        raise OperatorError(
            f"pgque_sql: {path} does not install {PGQUE.name}; remedy: set it to the path of a"
            f" {FILE}"
        )
