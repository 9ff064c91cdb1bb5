"""`pgqadm config`: show and change how often a queue is ticked and rotated."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from queue_mover.errors import OperatorError
from queue_mover.model import PGQ, PGQUE, Flavour
from queue_mover.pgq.queues import require_queue
from queue_mover.pgq.refusals import explained, grant
from queue_mover.postgres.connection import Connection

PREFIX = "queue_"
VARIABLES = {
    "queue_ticker_max_lag": "interval",
    "queue_ticker_max_count": "integer",
    "queue_ticker_idle_period": "interval",
    "queue_rotation_period": "interval",
}
"""The variables that can be changed, and their types."""

EXAMPLES = {
    "queue_ticker_max_lag": '"3 seconds"',
    "queue_ticker_max_count": "500",
    "queue_ticker_idle_period": '"1 minute"',
    "queue_rotation_period": '"2 hours"',
}
"""PgQ's own settings: whoever pastes an example does no harm."""

FROM_ZERO = {
    "interval": "an interval of 0 or more",
    "integer": "a whole number from 0 to 2147483647",
}
"""By type, what a value must be in PgQ."""

ABOVE_ZERO = {
    "interval": "an interval of more than 0",
    "integer": "a whole number from 1 to 2147483647",
}
"""What it must be in PgQue."""


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """A queue's settings, as PostgreSQL writes them, in the order of VARIABLES."""

    queue: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One variable before and after."""

    variable: str
    old: str
    new: str


def show(
    conn: Connection, queue: str | None = None, *, flavour: Flavour = PGQ
) -> list[QueueConfig]:
    """The settings of one queue, or of all. Raises OperatorError when there is no such queue."""
    columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(v)) for v in VARIABLES)
    statement = sql.SQL(
        flavour.sql(
            "select queue_name, {} from {pgq}.queue"
            " where queue_name = %(queue)s or %(queue)s::text is null order by 1"
        )
    ).format(columns)
    with explained(conn, grant(conn, flavour.reader), flavour):
        rows = conn.execute(statement, {"queue": queue}).fetchall()
        if queue is not None and not rows:
            require_queue(conn, queue, flavour)
    return [QueueConfig(name, tuple(zip(VARIABLES, row, strict=True))) for name, *row in rows]


def change(
    conn: Connection, queue: str, assignments: Sequence[str], *, flavour: Flavour = PGQ
) -> list[Change]:
    """Change variables, each given as VAR=VALUE, all of them or none. Returns the changes.

    Raises OperatorError, naming the variable, the value and what is allowed.
    """
    wanted = parse(assignments)
    with explained(conn, grant(conn, flavour.admin), flavour), conn.transaction():
        (before,) = show(conn, queue, flavour=flavour)
        for variable, value in wanted.items():
            _check(conn, queue, variable, value, flavour)
            conn.execute(
                flavour.sql("select {pgq}.set_queue_config(%s, %s, %s)"),
                [queue, variable.removeprefix(PREFIX), value],
            )
        (after,) = show(conn, queue, flavour=flavour)
    old, new = dict(before.values), dict(after.values)
    return [Change(variable, old[variable], new[variable]) for variable in wanted]


def parse(assignments: Sequence[str]) -> dict[str, str]:
    """Values by variable name in full, from VAR=VALUE. Raises OperatorError for a wrong one."""
    wanted: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name = name.strip()
        if not equals:
            raise OperatorError(
                f'"{assignment}" is not of the form VAR=VALUE;'
                " remedy: pgqadm.py CONFIG config QUEUE ticker_max_lag=3s"
            )
        variable = name if name.startswith(PREFIX) else PREFIX + name
        if variable not in VARIABLES:
            raise OperatorError(f'no variable "{name}"; allowed: {", ".join(VARIABLES)}')
        wanted[variable] = value.strip()
    return wanted


def _check(conn: Connection, queue: str, variable: str, value: str, flavour: Flavour) -> None:
    """Raise OperatorError for a value that PgQ cannot use, now or, if negative, later."""
    kind = VARIABLES[variable]
    statement = sql.SQL("select %s::{kind} {least} '0'::{kind}").format(
        kind=sql.SQL(kind), least=sql.SQL(">" if flavour == PGQUE else ">=")
    )
    try:
        row = conn.execute(statement, [value]).fetchone()
    except psycopg.DataError:
        row = None
    if row != (True,):
        wanted = ABOVE_ZERO[kind] if flavour == PGQUE else FROM_ZERO[kind]
        name = variable.removeprefix(PREFIX)
        raise OperatorError(
            f'{variable}: "{value}" is not {wanted};'
            f" remedy: pgqadm.py CONFIG config {shlex.quote(queue)} {name}={EXAMPLES[variable]}"
        )


def config_lines(configs: Sequence[QueueConfig]) -> list[str]:
    """Settings as text: a line for each queue, and one below for each variable."""
    width = max(len(variable) for variable in VARIABLES)
    lines: list[str] = []
    for config in configs:
        lines.append(config.queue)
        lines += [f"    {variable:<{width}} = {value}" for variable, value in config.values]
    return lines or ["no queues"]


def change_lines(queue: str, changes: Sequence[Change]) -> list[str]:
    """Changes as text."""
    width = max((len(change.variable) for change in changes), default=0)
    return [queue] + [
        f"    {change.variable:<{width}} = {change.new} (was {change.old})" for change in changes
    ]
