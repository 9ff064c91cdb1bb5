"""`pgqadm install`: PgQ, and the schemas in which a target remembers what it has."""

import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import psycopg
from psycopg import errors, sql

from queue_mover.errors import NotReadyError, OperatorError
from queue_mover.model import PGQ
from queue_mover.pgq.refusals import explained, primary
from queue_mover.pgq.server import pgq_version
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import lock_key
from queue_mover.postgres.statements import has_function, schema_exists

PGQ_FILE = "pgq_pl_only.sql"
PGQ_VERSION = "3.5"
"""What a PgQ from that file calls itself; pgqd wants a 3."""

_CREATE_QUEUE = PGQ.sql("{pgq}.create_queue(text)")
"""Where it is, PgQ is there. What is installed is always PgQ, whatever else a database has."""

ATTEMPTS = 5

# Roles belong to the whole server, our lock to one database: an install into another one, at
# the same moment, may create them first. Then everything is there on the next attempt.
_SOMEBODY_WAS_FASTER = (
    errors.UniqueViolation,
    errors.DuplicateObject,
    errors.DuplicateSchema,
    errors.DuplicateTable,
    errors.DuplicateFunction,
)


def install(conn: Connection, pgq_sql: Path | None = None) -> list[str]:
    """Install what is missing, all of it or nothing; one line for each part, and one in the words
    that scripts look for. Safe to repeat.

    pgq_sql: upstream's `pgq_pl_only.sql`, which then wins over the `pgq` extension: only a
    superuser may create that one. Without it, where the server has no extension, the local
    PostgreSQL's contrib folders are searched.

    Raises OperatorError when there is no PgQ to install, when something else has one of the
    schemas, or when a privilege is missing.
    """
    return _install(
        conn,
        lambda: [
            _install_pgq(conn, pgq_sql),
            _install_pgq_ext(conn),
            _install_queue_mover(conn),
            "pgq is installed",
        ],
    )


def install_schemas(conn: Connection) -> list[str]:
    """Install what is missing beside a PgQ that is installed: pgq_ext and queue_mover.

    Raises as `install` does.
    """
    return _install(conn, lambda: [_install_pgq_ext(conn), _install_queue_mover(conn)])


def _install(conn: Connection, parts: Callable[[], list[str]]) -> list[str]:
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            with explained(conn, _needed(conn)), conn.transaction():
                conn.execute("select pg_advisory_xact_lock(%s)", [lock_key("install")])
                return parts()
        except _SOMEBODY_WAS_FASTER:
            if not attempts_left:
                raise
    raise AssertionError("unreachable")


def _needed(conn: Connection) -> str:
    role = sql.Identifier(conn.info.user).as_string()
    database = sql.Identifier(conn.info.dbname).as_string()
    return (
        f"ALTER ROLE {role} CREATEROLE; GRANT CREATE ON DATABASE {database} TO {role};"
        " where PgQ is there already, run install as the role that owns it"
    )


def _install_pgq(conn: Connection, pgq_sql: Path | None) -> str:
    if has_function(conn, _CREATE_QUEUE):
        repaired = PGQ.sql(", {pgq}.version() repaired") if _repair_version(conn) else ""
        return f"PgQ: is there already ({pgq_version(conn)}){repaired}"
    if schema_exists(conn, PGQ.schema):
        raise _taken(conn, PGQ.schema, f"is not {PGQ.name}")
    if pgq_sql is None and _extension_available(conn):
        return _create_extension(conn)
    path = find_pgq_sql(pgq_sql, conn.info.server_version // 10000)
    run_pgq_sql(conn, path)
    _repair_version(conn)
    return f"PgQ: installed from {path}"


def _create_extension(conn: Connection) -> str:
    try:
        conn.execute("create extension pgq")
    except errors.InsufficientPrivilege as error:
        raise NotReadyError(
            f'database "{conn.info.dbname}": {primary(error)}; remedy: run install as a superuser,'
            f" or set pgq_sql to the path of a {PGQ_FILE}, for which CREATEROLE is enough"
        ) from error
    return f"PgQ: installed as extension ({pgq_version(conn)})"


def _repair_version(conn: Connection) -> bool:
    """Make pgq.version() return a version, which pgqd asks for. Returns whether it had none.

    The function of upstream's file looks for an extension, of which there is none.
    """
    if pgq_version(conn) is not None:
        return False
    conn.execute(
        PGQ.sql("create or replace function {pgq}.version() returns text language sql immutable")
        + f" as $$ select '{PGQ_VERSION}'::text $$"
    )
    return True


def _extension_available(conn: Connection) -> bool:
    found = conn.execute("select from pg_catalog.pg_available_extensions where name = 'pgq'")
    return found.fetchone() is not None


def find_pgq_sql(pgq_sql: Path | None, server_major: int) -> Path:
    """Upstream's SQL file: the one that was named, else the one of the local PostgreSQL.

    Raises OperatorError, naming the package that brings it, when there is none.
    """
    candidates = [pgq_sql] if pgq_sql else [d / PGQ_FILE for d in contrib_folders(server_major)]
    for path in candidates:
        if path.is_file():
            return path
    if pgq_sql:
        raise OperatorError(f"pgq_sql: no file {pgq_sql}; remedy: the path of a {PGQ_FILE}")
    raise OperatorError(
        "the server has no pgq extension; remedy: install its package there"
        f" (Debian: postgresql-{server_major}-pgq3), or set pgq_sql to the path of a {PGQ_FILE}"
    )


def contrib_folders(server_major: int) -> list[Path]:
    """Where the local PostgreSQL keeps SQL files, the best match for the server first."""
    folders = [Path(f"/usr/share/postgresql/{server_major}/contrib")]
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run(
            [pg_config, "--sharedir"], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0:
            folders.append(Path(answer.stdout.strip()) / "contrib")
    return folders


def run_pgq_sql(conn: Connection, path: Path) -> None:
    """Run upstream's SQL file. Raises OperatorError when it cannot be used."""
    before = conn.execute("select current_setting('client_min_messages')").fetchone()
    assert before is not None
    try:
        conn.execute(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"pgq_sql: cannot read {path}: {error.strerror}") from error
    except (psycopg.errors.SyntaxError, psycopg.DataError) as error:
        raise OperatorError(f"pgq_sql: cannot run {path}: {primary(error)}") from error
    # The file changes it for the whole session.
    conn.execute("select set_config('client_min_messages', %s, false)", before)
    if not has_function(conn, _CREATE_QUEUE):
        raise OperatorError(f"pgq_sql: {path} did not bring PgQ; remedy: take a {PGQ_FILE}")


def _install_pgq_ext(conn: Connection) -> str:
    if schema_exists(conn, "pgq_ext") and not _is_ours(conn):
        if has_function(conn, "pgq_ext.get_last_tick(text)"):
            return "pgq_ext: is there already, not ours, left as it is"
        raise _taken(conn, "pgq_ext", "has no get_last_tick(text)")
    return _run_own_sql(conn, "pgq_ext")


def _install_queue_mover(conn: Connection) -> str:
    if schema_exists(conn, "queue_mover") and not has_function(
        conn, "queue_mover.get_origin(text)"
    ):
        raise _taken(conn, "queue_mover", "is not ours")
    return _run_own_sql(conn, "queue_mover")


def _run_own_sql(conn: Connection, schema: str) -> str:
    existed = schema_exists(conn, schema)
    conn.execute(resources.files("queue_mover").joinpath(f"sql/{schema}.sql").read_bytes())
    return f"{schema}: {'is there already, brought up to date' if existed else 'installed'}"


def _taken(conn: Connection, schema: str, why: str) -> OperatorError:
    return OperatorError(
        f'database "{conn.info.dbname}" has a schema "{schema}" that {why}; remedy: rename it'
    )


def _is_ours(conn: Connection) -> bool:
    # Read, not called: a stranger's function would run with the rights of a superuser.
    found = conn.execute(
        """
        select from pg_catalog.pg_proc
         where pronamespace = to_regnamespace('pgq_ext') and proname = 'version'
           and prosrc like '%queue_mover%'
        """
    )
    return found.fetchone() is not None
