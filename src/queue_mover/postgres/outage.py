"""Tell outages apart: an unavailable server has many messages, which are all one outage."""

import re

UNAVAILABLE_SQLSTATES = ("08000", "08001", "08003", "08006", "57P01", "57P02", "57P03", "57P05")
"""A connection that failed, was terminated or lost, or was refused during startup."""

_UNAVAILABLE = re.compile(
    r"refused|no such file|starting up|shutting down|shut ?down|not yet accepting"
    r"|in recovery mode|closed|reset by peer|broken pipe|eof detected|terminat|aborted"
    r"|timed out|timeout|unreachable|no route to host|could not translate host name"
    r"|could not receive|could not send|consuming input failed|sending .* failed|\blost\b"
    r"|server conn crashed|cannot connect to server|server login has been failing",
    re.IGNORECASE,
)
"""Messages of libpq, PostgreSQL and PgBouncer, whose SQLSTATE is missing or too general."""

_NUMBER = re.compile(r"\d+")


def kind(state: str, message: str) -> str:
    """What distinguishes an outage from others: empty if the server is unavailable, else the
    SQLSTATE, or the message without its numbers.

    PgBouncer has one SQLSTATE, 08P01, for all its errors; libpq has none for a failed connect.
    """
    if state in UNAVAILABLE_SQLSTATES:
        return ""
    if state not in ("", "08P01"):
        return state
    return "" if _UNAVAILABLE.search(message) else _NUMBER.sub("#", message)


_IGNORE_OPTIONS = (
    "ignore_startup_parameters = options in pgbouncer.ini, and ALTER ROLE ... SET for what they set"
)
_REMEDIES = {
    "query_wait_timeout": "raise default_pool_size in pgbouncer.ini, or end what holds its server"
    " connections (SHOW POOLS, SHOW SERVERS)",
    "(max_client_conn)": "raise max_client_conn in pgbouncer.ini",
    "startup parameter: options": _IGNORE_OPTIONS,
    # Since PgBouncer 1.20, which names the option.
    "startup parameter in options": _IGNORE_OPTIONS,
    "statement pooling mode": "pool_mode = transaction in pgbouncer.ini, then RELOAD",
}
"""What to do, by a part of PgBouncer's message."""


def remedy(message: str) -> str:
    """What to do about a message of PgBouncer, as the end of a line; empty if it needs none."""
    found = next((text for part, text in _REMEDIES.items() if part in message), "")
    return f"; remedy: {found}" if found else ""
