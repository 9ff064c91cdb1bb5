"""The boundary to the driver: which of our errors each of its own becomes, and in what words."""

import re

import psycopg
import pytest
from psycopg import errors as pg

from queue_mover.errors import NotReadyError, QueueMoverError, StatementError, UnavailableError
from queue_mover.postgres.translation import one_line, translate, translating_errors

TABLE: list[tuple[psycopg.Error, type[QueueMoverError]]] = [
    (psycopg.OperationalError("server closed the connection"), UnavailableError),
    (psycopg.errors.ConnectionTimeout("timeout expired"), UnavailableError),
    (pg.ConnectionFailure("gone"), UnavailableError),
    (pg.AdminShutdown("terminating connection"), UnavailableError),
    (pg.CrashShutdown("terminating connection"), UnavailableError),
    (pg.CannotConnectNow("starting up"), UnavailableError),
    (pg.TooManyConnections("too many clients"), UnavailableError),
    (pg.DiskFull("no space left"), UnavailableError),
    (pg.OutOfMemory("out of memory"), UnavailableError),
    (pg.LockNotAvailable("lock timeout"), UnavailableError),
    (pg.QueryCanceled("statement timeout"), UnavailableError),
    (pg.InvalidCatalogName("no such database"), UnavailableError),
    (pg.InvalidAuthorizationSpecification("no such role"), UnavailableError),
    (pg.InsufficientPrivilege("permission denied"), NotReadyError),
    (pg.RaiseException("queue not found"), NotReadyError),
    (pg.SyntaxError("syntax error"), StatementError),
    (pg.UndefinedFunction("no such function"), StatementError),
    (pg.UniqueViolation("duplicate key"), StatementError),
    (pg.SerializationFailure("could not serialize"), StatementError),
    (pg.StringDataRightTruncation("value too long"), StatementError),
]
NAMES = [type(error).__name__ for error, _ in TABLE]


@pytest.mark.parametrize("side", ["source", "target", "database"])
@pytest.mark.parametrize(("error", "ours"), TABLE, ids=NAMES)
def test_each_becomes_one_of_ours_and_names_the_side(
    error: psycopg.Error, ours: type[QueueMoverError], side: str
) -> None:
    translated = translate(error, side)
    assert type(translated) is ours
    assert str(translated).startswith(f"{side} database")
    assert str(error) in str(translated)


@pytest.mark.parametrize(
    ("side", "role"), [("source", "pgq_reader"), ("target", "pgq_admin"), ("database", "pgq_admin")]
)
def test_a_missing_privilege_names_the_role_to_grant(side: str, role: str) -> None:
    said = str(translate(pg.InsufficientPrivilege("permission denied"), side))
    assert said.endswith(f"remedy: GRANT {role} TO this role")


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("COPY cannot be mixed with other operations", "began"),
        ("you cannot mix COPY with other operations", "ended"),
    ],
)
def test_two_errors_for_one_copy_are_a_lost_connection(words: str, moment: str) -> None:
    """Given a pooler's error after the server's, which the driver takes for two statements."""
    translated = translate(psycopg.ProgrammingError(words), "target")
    assert type(translated) is UnavailableError
    lost = f"target database not available: the connection was lost as COPY {moment}"
    assert str(translated) == lost


def test_what_several_lines_say_comes_in_one() -> None:
    error = psycopg.OperationalError("connection failed:\n\tIs the server running?\n")
    said = str(translate(error, "source"))
    assert said == "source database not available: connection failed: Is the server running?"
    assert one_line("  a\n\tb\r\nc ") == "a b c"


@pytest.mark.parametrize(
    ("message", "setting"),
    [
        ("query_wait_timeout", "default_pool_size"),
        ("no more connections allowed (max_client_conn)", "max_client_conn"),
        ("unsupported startup parameter: options", "ignore_startup_parameters"),
        ("unsupported startup parameter in options: jit", "ignore_startup_parameters"),
        ("transaction blocks not allowed in statement pooling mode", "pool_mode = transaction"),
    ],
)
def test_a_message_of_pgbouncer_names_the_setting(message: str, setting: str) -> None:
    said = str(translate(psycopg.OperationalError(f"FATAL: {message}"), "source"))
    assert re.fullmatch(rf"source .*{re.escape(message)}; remedy: .*{setting}.*", said)


def test_the_boundary_keeps_the_cause() -> None:
    cause = pg.UniqueViolation("duplicate key")
    with pytest.raises(StatementError) as raised, translating_errors("target"):
        raise cause
    assert raised.value.__cause__ is cause


def test_the_boundary_lets_everything_else_through() -> None:
    with pytest.raises(KeyError), translating_errors("target"):
        raise KeyError
    with pytest.raises(NotReadyError, match="as it was"), translating_errors("target"):
        raise NotReadyError("as it was")
