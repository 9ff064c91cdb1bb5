"""Connect strings: check them, and describe them without passwords."""

import re
from difflib import get_close_matches

import psycopg
from psycopg import conninfo, pq


def check_conninfo(text: str) -> None:
    """Raise ValueError, without the text itself, if libpq cannot parse a connect string, or would
    take a part of the password in a URI for a host, a port or a database."""
    if _has_loose_password(text):
        raise ValueError(
            "not a connect string: in a URI an @ or / of the user name, password or database is"
            " written %40 or %2F"
        )
    try:
        timeout = conninfo.conninfo_to_dict(text).get("connect_timeout") or 0
    except psycopg.Error as error:
        # libpq's message quotes the offending part: perhaps a password.
        raise ValueError(
            f"not a connect string{_misspelt(str(error))}; write key=value pairs"
            " ('host=db1 dbname=app') or a URI ('postgresql://db1/app')"
        ) from None
    try:
        int(timeout)
    except ValueError:
        raise ValueError("connect_timeout in it is not a whole number of seconds") from None


def _has_loose_password(text: str) -> bool:
    """Whether libpq would end the password in a URI at an @ or / that may belong to it: messages
    would then show the rest as a host or a database."""
    if not text.startswith(("postgresql://", "postgres://")):
        return False
    place, *_ = text.partition("://")[2].split("?", 1)
    login = place.rpartition("@")[0]
    return ":" in login and ("@" in login or "/" in login)


def _misspelt(message: str) -> str:
    """The wrong key that libpq's message quotes, only if it resembles a key: it may be part of a
    password."""
    quoted = re.search(r'"([^"]*)"', message)
    key = quoted[1] if quoted else ""
    keys = [option.keyword.decode() for option in pq.Conninfo.get_defaults()]
    close = [_OTHER_KEYS[key]] if key in _OTHER_KEYS else get_close_matches(key, keys, 1, 0.8)
    if not close or key in keys:
        return ""
    return f': no key "{key}" in it, did you mean {close[0]}?'


_OTHER_KEYS = {
    **dict.fromkeys(("pass", "passwd", "pwd", "pw"), "password"),
    **dict.fromkeys(("db", "database"), "dbname"),
    **dict.fromkeys(("username", "login"), "user"),
    **dict.fromkeys(("hostname", "server"), "host"),
}
"""Other drivers' names for libpq's keys."""


def password(text: str) -> str | None:
    """The password in a connect string; None: none, or an empty one."""
    value = conninfo.conninfo_to_dict(text).get("password")
    return str(value) if value else None


def describe(text: str) -> str:
    """Where a connect string points, for messages; never a password."""
    values = conninfo.conninfo_to_dict(text)
    keys = ("service", "host", "port", "dbname", "user")
    shown = [f"{key}={values[key]}" for key in keys if key in values]
    return " ".join(shown) or "the default database"


def location(text: str) -> tuple[str, ...]:
    """The database that a connect string points to, as far as the string specifies it."""
    values = conninfo.conninfo_to_dict(text)
    keys = ("service", "host", "hostaddr", "port", "dbname")
    return tuple(str(values.get(key, "")) for key in keys)
