"""Findings about the SQL expressions of a route, which only the source can check."""

from collections.abc import Iterable

from queue_mover.model import Route
from queue_mover.observation.findings import Code, Finding, Place
from queue_mover.observation.side_findings import require_none
from queue_mover.pgq.expressions import BadExpression, unusable_expressions
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import one_line, translating_errors

LONGEST = 200
"""Characters of an expression that a message shows."""


def expression_findings(unusable: Iterable[BadExpression]) -> list[Finding]:
    """Findings about expressions that the source refuses."""
    return [
        Finding(
            Code.EXPRESSION_NOT_USABLE,
            Place(),
            f"{each.key}: {each.reason}: {shown(each.text)}",
            f"correct {each.key}",
        )
        for each in unusable
    ]


def require_expressions(connection: Connection, route: Route) -> None:
    """Raise NotReadyError for the first expression that the source refuses."""
    with translating_errors("source", route.source_flavour):
        found = unusable_expressions(connection, route)
    require_none(expression_findings(found))


def shown(text: str) -> str:
    """An expression in one line, and not too long."""
    line = one_line(text)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
