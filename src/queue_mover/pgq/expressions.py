"""An operator's SQL expressions over the columns of an event: as part of a SELECT, and checked.

They are inserted as text. A start checks that each is a single expression, so none can end the
parentheses around it.
"""

import re
from dataclasses import dataclass

import psycopg

from queue_mover.errors import UnavailableError
from queue_mover.model import Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import primary, translate

FILTER = "event_filter"

_TYPES = {"ev_time": "timestamptz"}

# What `pgq.batch_event_sql` selects. Without OFFSET the planner would see that all is NULL.
_EVENT = """(select null::int8 as ev_id, null::timestamptz as ev_time, null::int8 as ev_txid,
    null::int4 as ev_retry, null::text as ev_type, null::text as ev_data, null::text as ev_extra1,
    null::text as ev_extra2, null::text as ev_extra3, null::text as ev_extra4 offset 0) ev"""

# Valid within parentheses, an expression could still end these and begin others; within CASE
# it could not. WHERE allows neither aggregates nor functions that return sets.
_CHECKS = (
    ("(", ")"),
    ("(case when true then ", "end)"),
)


@dataclass(frozen=True, slots=True)
class BadExpression:
    """An expression that the server refuses."""

    key: str
    text: str
    reason: str


def typed(key: str, text: str) -> str:
    """An expression as SQL, of the type that its key requires."""
    return f"({text}\n)" + ("" if key == FILTER else f"::{_TYPES.get(key, 'text')}")


def rewritten(columns: str, route: Route) -> str:
    """A list of columns, in which expressions replace those that the route rewrites."""
    expressions = dict(route.rewrite)
    return ", ".join(
        typed(name, expressions[name]) if name in expressions else name
        for name in columns.split(", ")
    )


def unusable_expressions(connection: Connection, route: Route) -> list[BadExpression]:
    """The expressions that the source refuses. Plans them, in a read-only transaction: none is
    evaluated for an event. Raises driver errors where the server is unavailable."""
    found = ((key, text, _refusal(connection, key, text)) for key, text in route.expressions)
    return [BadExpression(key, text, reason) for key, text, reason in found if reason]


def _refusal(connection: Connection, key: str, text: str) -> str:
    """Why the server refuses an expression; "": it does not."""
    if "\\" in text and _setting(connection, "standard_conforming_strings") == "off":
        return "a backslash, which ends literals while standard_conforming_strings is off"
    start = end = ""
    connection.execute("begin read only")
    try:
        for before, after in _CHECKS:
            start = f"explain (costs off) select from {_EVENT} where {before}"
            end = f"\n{after}" + _judged(key)
            # Binary, for the protocol that takes one statement only.
            connection.execute(f"{start}{text}{end}".encode(), binary=True)
    except psycopg.Error as error:
        if isinstance(translate(error, "source"), UnavailableError):
            raise
        return _reason(error, start, text, end)
    finally:
        if not connection.closed:
            connection.rollback()
    return ""


def _judged(key: str) -> str:
    """What turns the check of an expression into a condition, and fails for another type."""
    if key == FILTER:
        return " and true"
    return f"::{_TYPES.get(key, 'text')} is null"


def _setting(connection: Connection, name: str) -> str:
    row = connection.execute("select current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


_QUOTED_REST = re.compile(r' at or near ".*', re.DOTALL)
_CLAUSE = re.compile(r" in WHERE$")


def _reason(error: psycopg.Error, start: str, text: str, end: str) -> str:
    """The server's message, without what is not the operator's, and the place in the expression."""
    message = _CLAUSE.sub("", primary(error))
    position = int(error.diag.statement_position or 0) - len(start)
    if position > len(text) or " ".join(end.split()) in message:
        # It goes on into what follows the expression.
        message = _QUOTED_REST.sub("", message)
        return f"{message}: not one complete expression"
    return f"{message}, at character {position}" if position > 0 else message
