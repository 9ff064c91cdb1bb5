"""What each kind of value takes, and what it answers to the rest."""

import re
from pathlib import Path

import pytest

from queue_mover.config import kinds
from queue_mover.config.kinds import Kind
from tests.config.files import load

TAKEN: list[tuple[Kind, str, object]] = [
    (kinds.TEXT, "any thing", "any thing"),
    (kinds.INTEGER, "300", 300),
    (kinds.INTEGER, "-1", -1),
    (kinds.COUNT, "0", 0),
    (kinds.COUNT, "2147483647", 2147483647),
    (kinds.NUMBER, "1.0", 1.0),
    (kinds.NUMBER, "0", 0.0),
    (kinds.NUMBER, "-1", -1.0),
    (kinds.NUMBER, "0.05", 0.05),
    (kinds.SECONDS, "20", 20.0),
    (kinds.SECONDS, "0", 0.0),
    (kinds.SECONDS, "0.5", 0.5),
    (kinds.BOOLEAN, "0", False),
    (kinds.BOOLEAN, "no", False),
    (kinds.BOOLEAN, "FALSE", False),
    (kinds.BOOLEAN, "off", False),
    (kinds.BOOLEAN, "1", True),
    (kinds.BOOLEAN, "Yes", True),
    (kinds.BOOLEAN, "true", True),
    (kinds.BOOLEAN, "on", True),
    (kinds.WORDS, "", ()),
    (kinds.WORDS, "one", ("one",)),
    (kinds.WORDS, " one ,two,, three ", ("one", "two", "three")),
    (kinds.TABLES, "", ()),
    (kinds.TABLES, "orders, shop.items", ("public.orders", "shop.items")),
    (kinds.FILE, "", None),
    (kinds.FILE, "here.log", Path("here.log")),
    (kinds.FILE, "/var/log/x.log", Path("/var/log/x.log")),
    (kinds.INTERVAL, "5 minutes", "5 minutes"),
    (kinds.SLOTS, "1", 1),
    (kinds.choice("stop", "quarantine"), "quarantine", "quarantine"),
    (kinds.CONNECT, "", ""),
    (kinds.CONNECT, "dbname=app host=db1", "dbname=app host=db1"),
    (kinds.CONNECT, "postgresql://db1/app", "postgresql://db1/app"),
]

REFUSED: list[tuple[Kind, str, str]] = [
    (kinds.INTEGER, "many", "not a whole number"),
    (kinds.INTEGER, "1.5", "not a whole number"),
    (kinds.COUNT, "-1", "not a whole number from 0 to 2147483647"),
    (kinds.COUNT, "2147483648", "not a whole number from 0 to 2147483647"),
    (kinds.COUNT, "ten", "not a whole number"),
    (kinds.NUMBER, "1,5", "not a number"),
    (kinds.NUMBER, "1 second", "not a number"),
    (kinds.NUMBER, "nan", "not a number"),
    (kinds.NUMBER, "inf", "not a number"),
    (kinds.NUMBER, "1e300", "not a number"),
    (kinds.SECONDS, "-0.1", "not a number of seconds, 0 or more"),
    (kinds.SECONDS, "nan", "not a number of seconds, 0 or more"),
    (kinds.SECONDS, "inf", "not a number of seconds, 0 or more"),
    (kinds.SECONDS, "5 min", "not a number"),
    (kinds.BOOLEAN, "2", "not 0 or 1 (yes/no, true/false, on/off)"),
    (kinds.BOOLEAN, "maybe", "not 0 or 1 (yes/no, true/false, on/off)"),
    (kinds.SLOTS, "0", "not a whole number, 1 or more"),
    (kinds.choice("stop", "quarantine"), "ignore", "not stop or quarantine"),
    (kinds.FILE, "~nobody-of-that-name/x", "no home directory"),
    (kinds.CONNECT, "nonsense", "not a connect string; write key=value pairs"),
    (kinds.CONNECT, "nosuchkey=1", "not a connect string; write key=value pairs"),
    (kinds.CONNECT, "postgresql://[db1/app", "not a connect string; write key=value pairs"),
]


def _named(rows: list[tuple[Kind, str, object]] | list[tuple[Kind, str, str]]) -> list[str]:
    return [f"{kind.name}: {text}" for kind, text, _ in rows]


@pytest.mark.parametrize(("kind", "text", "value"), TAKEN, ids=_named(TAKEN))
def test_taken(kind: Kind, text: str, value: object) -> None:
    parsed = kind.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(("kind", "text", "words"), REFUSED, ids=_named(REFUSED))
def test_refused(kind: Kind, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        kind.parse(text)


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/mover")
    settings = load(tmp_path, "pidfile = ~/run/%(job_name)s.pid", "logfile = ~/mover.log")
    assert settings.process.pidfile == Path("/home/mover/run/mover.pid")
    assert settings.log.logfile == Path("/home/mover/mover.log")


def test_a_relative_path_stays_relative_to_the_working_directory(tmp_path: Path) -> None:
    assert load(tmp_path, "logfile = log/mover.log").log.logfile == Path("log/mover.log")
