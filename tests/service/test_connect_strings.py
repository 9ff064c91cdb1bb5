"""Connect strings are checked and described without a word of what is secret in them."""

import socket
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from queue_mover.errors import UnavailableError
from queue_mover.postgres.connection import TimedConnection
from queue_mover.postgres.conninfo import check_conninfo, describe
from queue_mover.postgres.database import Database

SECRET = "hunter2secret"

WORDS = st.sampled_from(
    ["host=", "db1", "password=", "passfile=", "sslpassword=", "options=", " ", "'", "\\", "="]
)
URI_PARTS = st.sampled_from(
    [
        "postgresql://",
        "mover:",
        "@",
        "db1",
        ":5432",
        "/app",
        "?",
        "sslpassword=",
        "&",
        "%",
        "[",
        "]",
    ]
)
PIECES = st.lists(WORDS | URI_PARTS | st.text(max_size=4), max_size=8)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "the default database"),
        ("password=hunter2secret", "the default database"),
        ("dbname=app", "dbname=app"),
        ("user=mover service=central", "service=central user=mover"),
        (
            "host=db1 port=5433 dbname=app user=mover password=hunter2secret",
            "host=db1 port=5433 dbname=app user=mover",
        ),
        ("postgresql://mover:hunter2secret@db1/app", "host=db1 dbname=app user=mover"),
        ("host=db1 sslpassword=hunter2secret options='-c a=hunter2secret'", "host=db1"),
    ],
)
def test_described(text: str, shown: str) -> None:
    assert describe(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "host=db1 password=hun ter2secret",
        "password='hunter2secret",
        "hunter2secret",
        "postgresql://mover:hunter2secret@[db1/app",
        "postgresql://mover:hunter2secret@db1/app?hunter2secret=1",
        "connect_timeout=hunter2secret",
        "postgresql://mover:hunter2@secret@db1/app",
        "postgresql://mover:p@hunter2secret/x@db1/app",
        "postgres://mover:p/hunter2secret@db1:5432/app",
    ],
)
def test_refused_without_showing_it(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^(not a connect string[:;]|connect_timeout in it is not)"
    ) as raised:
        check_conninfo(text)
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://mover:p%40ss%2Fw@db1/app", "host=db1 dbname=app user=mover"),
        ("postgresql://mover@db1/app?password=p@ss/w", "host=db1 dbname=app user=mover"),
        ("postgresql://db1/app@home", "host=db1 dbname=app@home"),
        ("host=db1 password='p@ss/w:x@y'", "host=db1"),
    ],
)
def test_an_at_sign_that_is_no_part_of_a_password_is_taken(text: str, shown: str) -> None:
    check_conninfo(text)
    assert describe(text) == shown


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a port that accepts connections, and nothing else; in libpq's time, not in ours."""
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    given: dict[str, object] = {}
    connect = TimedConnection.connect

    def record(text: str, **parameters: Any) -> Any:
        given.update(parameters)
        return connect(text, **parameters)

    monkeypatch.setattr(TimedConnection, "connect", record)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        text = f"host=127.0.0.1 port={port} dbname=app password={SECRET}"
        with (
            pytest.raises(UnavailableError) as raised,
            Database("source", text, "nobody").session(),
        ):
            pass
    assert str(raised.value) == (
        "source database not available: connection timeout expired"
        f" (host=127.0.0.1 port={port} dbname=app)"
    )
    assert "tcp_user_timeout" in given
    assert "connect_timeout" not in given


def refusal(text: str) -> str:
    """Why a text is not a connect string; empty when it is one."""
    try:
        check_conninfo(text)
    except ValueError as error:
        return str(error)
    return ""


@given(before=PIECES, after=PIECES)
@example(before=["host=db1 password="], after=[" user=mover"])
@example(before=["postgresql://mover:"], after=["@db1/app"])
@example(before=["password=", "\\", "'"], after=[])
def test_a_password_is_never_shown(before: list[str], after: list[str]) -> None:
    """Whatever stands around it, `password=` makes it one, unless quotes make both a value."""
    text = "".join([*before, " password=", SECRET, *after])
    shown = refusal(text) or describe(text)
    assert SECRET not in shown or f"password={SECRET}" in shown
