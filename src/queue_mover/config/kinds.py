"""The kinds of values in an ini file: each parses a text, or says what it expects."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from queue_mover.config.http import parse_address
from queue_mover.model import FLAVOURS
from queue_mover.postgres.conninfo import check_conninfo

LARGEST = 1e9
"""The largest number: about thirty years in seconds; longer sleeps fail."""

_TRUE = ("1", "yes", "true", "on")
_FALSE = ("0", "no", "false", "off")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `parse` raises ValueError saying what it expects."""

    name: str
    parse: Callable[[str], object]


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("not a whole number") from None


def _count(text: str) -> int:
    number = _integer(text)
    if not 0 <= number < 2**31:
        raise ValueError("not a whole number from 0 to 2147483647")
    return number


def _slots(text: str) -> int:
    number = _count(text)
    if number < 1:
        raise ValueError("not a whole number, 1 or more")
    return number


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("not a number") from None


def _number(text: str) -> float:
    number = _float(text)
    if not abs(number) <= LARGEST:
        raise ValueError(f"not a number up to {LARGEST:.0f}")
    return number


def _seconds(text: str) -> float:
    number = _float(text)
    if not 0 <= number <= LARGEST:
        raise ValueError("not a number of seconds, 0 or more")
    return number


def _minutes(text: str) -> float | None:
    """Minutes as seconds; None for an empty text."""
    if not text:
        return None
    seconds = _float(text) * 60
    if not 0 <= seconds <= LARGEST:
        raise ValueError("not a number of minutes, 0 or more")
    return seconds


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError("not 0 or 1 (yes/no, true/false, on/off)")
    return text.lower() in _TRUE


def choice(*options: str) -> Kind:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(f"not {' or '.join(options)}")
        return text

    return Kind(" or ".join(options), parse)


def _flavour(text: str) -> str:
    """A flavour, by its schema; empty: found in the database."""
    return str(choice(*(flavour.schema for flavour in FLAVOURS)).parse(text)) if text else ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _tables(text: str) -> tuple[str, ...]:
    """A name without a schema is in public, as in the ev_extra1 of PgQ's triggers."""
    return tuple(word if "." in word else f"public.{word}" for word in _words(text))


TEXT_COLUMNS = ("ev_type", "ev_data", "ev_extra1", "ev_extra2", "ev_extra3", "ev_extra4")


def _column(text: str) -> str:
    """A text column of an event, with or without its prefix; empty: none."""
    column = text if not text or text.startswith("ev_") else f"ev_{text}"
    if column and column not in TEXT_COLUMNS:
        raise ValueError("not ev_type, ev_data, or one of ev_extra1 to ev_extra4")
    return column


def _file(text: str) -> Path | None:
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError:
        raise ValueError("not a file name: that user has no home directory") from None


def _connect_string(text: str) -> str:
    check_conninfo(text)
    return text


TEXT = Kind("text", str)
INTEGER = Kind("whole number", _integer)
COUNT = Kind("whole number", _count)
NUMBER = Kind("number", _number)
SLOTS = Kind("whole number", _slots)
SECONDS = Kind("seconds", _seconds)
MINUTES = Kind("minutes", _minutes)
BOOLEAN = Kind("0 or 1", _boolean)
FLAVOUR = Kind(" or ".join(flavour.schema for flavour in FLAVOURS), _flavour)
WORDS = Kind("comma list", _words)
TABLES = Kind("comma list", _tables)
COLUMN = Kind("column", _column)
FILE = Kind("file name", _file)
CONNECT = Kind("connect string", _connect_string)
ADDRESS = Kind("host:port", parse_address)
INTERVAL = Kind("PostgreSQL interval", str)
SQL = Kind("SQL expression", str.strip)
