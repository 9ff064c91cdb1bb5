"""Translate psycopg's errors into ours; nothing else does."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from queue_mover.errors import NotReadyError, StatementError, UnavailableError
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres import outage

TRANSIENT_SQLSTATES = ("08", "25P03", "53", "55P03", "57")
"""Failed connections, idle-in-transaction timeouts; disk, memory or slots exhausted; lock timeouts;
shutdowns, terminations and statement timeouts: temporary conditions of the server, not errors in
the statement."""

LOST_AT_END = "the connection was lost as COPY ended"
"""What a lost connection is called where the driver has no words for it."""

_SEVERAL_ANSWERS = {
    "COPY cannot be mixed with other operations": "the connection was lost as COPY began",
    "you cannot mix COPY with other operations": LOST_AT_END,
}
"""The driver's words when COPY gets more than one answer, and ours. We send it alone, so these are
errors: the server's last one, and that of a pooler which has lost the server."""


def one_line(text: str) -> str:
    """Fold a server's or libpq's message into one line."""
    return " ".join(text.split())


def primary(error: psycopg.Error) -> str:
    """The server's primary message, in one line."""
    return one_line(error.diag.message_primary or str(error))


@contextmanager
def translating_errors(side: str, flavour: Flavour = PGQ) -> Iterator[None]:
    """Translate driver errors into ours, naming the side ("source", "target", "database").

    `flavour`: of its PgQ, whose roles a remedy names.

    Raises UnavailableError, NotReadyError (a privilege is missing, or PgQ itself refused)
    or StatementError.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, side, flavour) from error
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        # psycopg needs another file descriptor to wait for a connection.
        place = f"{side} database".lstrip()
        raise UnavailableError(
            f"{place} not available: too many open files; remedy: raise the limit"
            " (ulimit -n, LimitNOFILE=)",
            place,
            "too many open files",
        ) from error


def translate(error: psycopg.Error, side: str, flavour: Flavour = PGQ) -> Exception:
    """The error of ours for a driver error. `side` may be empty: "database" alone."""
    place = f"{side} database".lstrip()
    state = error.sqlstate or ""
    given = primary(error)
    lost = not state and given in _SEVERAL_ANSWERS
    message = _SEVERAL_ANSWERS.get(given, given)
    transient = state.startswith(TRANSIENT_SQLSTATES) or (
        not state and (lost or isinstance(error, errors.OperationalError))
    )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        words = f"{place} is read-only; remedy: connect to the primary"
        return UnavailableError(words, place, "read-only")
    refused = errors.InvalidCatalogName | errors.InvalidAuthorizationSpecification
    if transient or isinstance(error, refused):
        kind = outage.kind(state, message)
        words = f"{place} not available: {message}{outage.remedy(message)}"
        return UnavailableError(words, place, kind)
    if isinstance(error, errors.InsufficientPrivilege):
        role = flavour.reader if side == "source" else flavour.admin
        return NotReadyError(f"{place}: {message}; remedy: GRANT {role} TO this role")
    if isinstance(error, errors.RaiseException):
        return NotReadyError(f"{place}: {flavour.name} error: {message}")
    context = one_line(error.diag.context or "")
    return StatementError(f"{place}: {message}" + (f" ({context})" if context else ""))
