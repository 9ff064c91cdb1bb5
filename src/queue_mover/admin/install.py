"""`pgqadm install`: PgQ or PgQue, and the schemas that keep positions on a target."""

import shutil
import subprocess
from collections.abc import Callable, Collection
from importlib import resources
from pathlib import Path

import psycopg
from psycopg import errors, sql

from queue_mover.admin.install_pgque import install_pgque
from queue_mover.errors import NotReadyError, OperatorError
from queue_mover.model import FLAVOURS, PGQ, PGQUE, Flavour
from queue_mover.observation.schema_findings import UPGRADE
from queue_mover.pgq.flavours import KEYS, installed, named
from queue_mover.pgq.refusals import explained
from queue_mover.pgq.schema_version import SCHEMA_VERSION, SchemaState, installed_version
from queue_mover.pgq.server import pgq_version
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import lock_key
from queue_mover.postgres.statements import has_function, schema_exists
from queue_mover.postgres.translation import primary
from queue_mover.system.files import is_visible

PGQ_FILE = "pgq_pl_only.sql"
PGQ_VERSION = "3.5"
"""Version of a PgQ from that file; pgqd requires a 3."""

_CREATE_QUEUE = PGQ.sql("{pgq}.create_queue(text)")
"""Where it exists, PgQ is installed."""

ATTEMPTS = 5

# Roles belong to the whole server, our lock to one database: a concurrent install into another
# one may create them first. Then they exist at the next attempt.
_CREATED_CONCURRENTLY = (
    errors.UniqueViolation,
    errors.DuplicateObject,
    errors.DuplicateSchema,
    errors.DuplicateTable,
    errors.DuplicateFunction,
)


def install(
    conn: Connection,
    pgq_sql: Path | None = None,
    *,
    flavours: Collection[str] = ("",),
    pgque_sql: Path | None = None,
) -> list[str]:
    """Install what is missing, all of it or nothing. Returns one line for each part, and the one
    that scripts look for. Safe to repeat.

    pgq_sql: upstream's `pgq_pl_only.sql`, used instead of the `pgq` extension, which only a
    superuser may create. Without it, where the server has no extension, the local
    PostgreSQL's contrib folders are searched.
    flavours: which PgQ, by its schema; "": what the database has, else PgQ.
    pgque_sql: PgQue's SQL file, which also upgrades an older one.

    Raises OperatorError when there is no PgQ to install, when something else uses one of the
    schemas, or when a privilege is missing.
    """

    def parts() -> list[str]:
        chosen = _chosen(conn, flavours, pgque_sql)
        return [
            *(
                install_pgque(conn, pgque_sql) if each == PGQUE else _install_pgq(conn, pgq_sql)
                for each in chosen
            ),
            _install_pgq_ext(conn),
            _install_queue_mover(conn),
            *(f"{each.schema} is installed" for each in chosen),
        ]

    return _install(conn, parts)


def _chosen(
    conn: Connection, flavours: Collection[str], pgque_sql: Path | None
) -> tuple[Flavour, ...]:
    """What to install, or to find installed."""
    wanted = {flavour for flavour in map(named, flavours) if flavour}
    if "" in flavours:
        wanted |= set(installed(conn))
    found = tuple(flavour for flavour in FLAVOURS if flavour in wanted)
    if not found and pgque_sql:
        raise OperatorError(
            f'database "{conn.info.dbname}" has neither {PGQ.name} nor {PGQUE.name}, and pgque_sql'
            f" is set; remedy: set flavour (for a side of a mover {' or '.join(KEYS.values())}) to"
            f" {PGQUE.schema} or {PGQ.schema}"
        )
    return found or (PGQ,)


def install_schemas(conn: Connection) -> list[str]:
    """Install what is missing beside a PgQ that is installed: pgq_ext and queue_mover.

    Raises as `install` does.
    """
    return _install(conn, lambda: [_install_pgq_ext(conn), _install_queue_mover(conn)])


def _install(conn: Connection, parts: Callable[[], list[str]]) -> list[str]:
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            with explained(conn, _privileges_remedy(conn)), conn.transaction():
                conn.execute("select pg_advisory_xact_lock(%s)", [lock_key("install")])
                return parts()
        except _CREATED_CONCURRENTLY:
            if not attempts_left:
                raise
    raise AssertionError("unreachable")


def _privileges_remedy(conn: Connection) -> str:
    role = sql.Identifier(conn.info.user).as_string()
    database = sql.Identifier(conn.info.dbname).as_string()
    return (
        f"ALTER ROLE {role} CREATEROLE; GRANT CREATE ON DATABASE {database} TO {role};"
        " where PgQ is already installed, run install as its owner"
    )


def _install_pgq(conn: Connection, pgq_sql: Path | None) -> str:
    if has_function(conn, _CREATE_QUEUE):
        repaired = PGQ.sql(", {pgq}.version() repaired") if _repair_version(conn) else ""
        return f"PgQ: already installed ({pgq_version(conn)}){repaired}"
    if schema_exists(conn, PGQ.schema):
        raise _schema_conflict(conn, PGQ.schema, f"is not {PGQ.name}")
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
    """Make pgq.version() return a version, which pgqd needs. Returns whether it did not.

    The function of upstream's file returns the version of the extension, which is not installed.
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
    """Upstream's SQL file: the given one, else that of the local PostgreSQL.

    Raises OperatorError, naming its package, when there is none.
    """
    candidates = [pgq_sql] if pgq_sql else [d / PGQ_FILE for d in contrib_folders(server_major)]
    for path in candidates:
        if is_visible(path) and path.is_file():
            return path
    if pgq_sql:
        raise OperatorError(
            f"pgq_sql: no such file: {pgq_sql}; remedy: set it to the path of a {PGQ_FILE}"
        )
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
        raise OperatorError(f"pgq_sql: {path} does not install PgQ; remedy: use a {PGQ_FILE}")


def _install_pgq_ext(conn: Connection) -> str:
    if schema_exists(conn, "pgq_ext") and not _is_ours(conn):
        if has_function(conn, "pgq_ext.get_last_tick(text)"):
            return "pgq_ext: already installed, not ours, left unchanged"
        raise _schema_conflict(conn, "pgq_ext", "has no get_last_tick(text)")
    return _run_own_sql(conn, "pgq_ext")


def _install_queue_mover(conn: Connection) -> str:
    if schema_exists(conn, "queue_mover") and not has_function(
        conn, "queue_mover.get_origin(text)"
    ):
        raise _schema_conflict(conn, "queue_mover", "is not ours")
    return _run_own_sql(conn, "queue_mover")


def _run_own_sql(conn: Connection, schema: str) -> str:
    """Install a schema of ours, or upgrade it; a newer one is left unchanged."""
    existed = schema_exists(conn, schema)
    found = SchemaState(installed_version(conn, schema))
    if found.is_newer:
        return (
            f"{schema}: already installed, version {found.version}, newer than this program's"
            f" {SCHEMA_VERSION}: left unchanged; remedy: {UPGRADE}"
        )
    conn.execute(resources.files("queue_mover").joinpath(f"sql/{schema}.sql").read_bytes())
    if not existed:
        return f"{schema}: installed"
    if found.is_older:
        return (
            f"{schema}: upgraded from {found.version or 'an earlier version'} to {SCHEMA_VERSION}"
        )
    return f"{schema}: already installed, updated"


def _schema_conflict(conn: Connection, schema: str, why: str) -> OperatorError:
    return OperatorError(
        f'database "{conn.info.dbname}" has a schema "{schema}" that {why}; remedy: rename it'
    )


def _is_ours(conn: Connection) -> bool:
    # Read, not called: an unknown function would run with superuser privileges.
    found = conn.execute(
        """
        select from pg_catalog.pg_proc
         where pronamespace = to_regnamespace('pgq_ext') and proname = 'version'
           and prosrc like '%queue_mover%'
        """
    )
    return found.fetchone() is not None
