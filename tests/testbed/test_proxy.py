"""The proxy does what it is asked to do to a connection, and nothing else."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from testbed.database import Database, value
from testbed.processes import wait_until
from testbed.proxy import Proxy

DELAY = 0.1


@pytest.fixture
def proxy(source: psycopg.Connection) -> Iterator[Proxy]:
    """A proxy in front of the source server, without a delay."""
    with Proxy(source.info.port) as proxy:
        yield proxy


def test_everything_passes_unchanged(proxy: Proxy, source_db: Database) -> None:
    size = 3_000_000
    with source_db.connect(port=proxy.port) as conn:
        text = "x" * size
        assert value(conn, "select %s || 'y'", text) == text + "y"


def test_a_round_trip_takes_longer_and_is_counted(
    source_db: Database, source: psycopg.Connection
) -> None:
    with Proxy(source.info.port, DELAY) as proxy, source_db.connect(port=proxy.port) as far:
        before, started = proxy.round_trips, time.monotonic()
        value(far, "select 1")
        assert time.monotonic() - started >= DELAY
        assert proxy.round_trips == before + 1


@pytest.mark.parametrize("responses", [True, False], ids=["requests and responses", "requests"])
def test_what_is_held_back_arrives_once_released(
    proxy: Proxy, source_db: Database, *, responses: bool
) -> None:
    found: list[int] = []
    with source_db.connect(port=proxy.port) as conn:
        proxy.hold(responses=responses)
        thread = threading.Thread(target=lambda: found.append(value(conn, "select 1")))
        thread.start()
        proxy.wait_for_request()
        assert found == []
        proxy.release()
        thread.join(10)
    assert found == [1]


def test_a_response_that_is_held_back_is_lost_by_a_reset(
    proxy: Proxy, source_db: Database, source: psycopg.Connection
) -> None:
    source.execute("create table public.done ()")

    def is_done() -> bool:
        return bool(value(source, "select count(*) from public.done"))

    with source_db.connect(port=proxy.port) as conn:
        proxy.hold(requests=False)
        failures: list[Exception] = []

        def insert() -> None:
            try:
                conn.execute("insert into public.done default values")
            except psycopg.OperationalError as error:
                failures.append(error)

        thread = threading.Thread(target=insert)
        thread.start()
        # the server executes it, and the client never learns
        wait_until(is_done, 10, "the insert")
        proxy.reset()
        thread.join(10)
    assert len(failures) == 1


def test_a_connection_is_reset_after_some_bytes(proxy: Proxy, source_db: Database) -> None:
    with source_db.connect(port=proxy.port) as conn:
        proxy.reset_after(100_000)
        assert value(conn, "select 1") == 1
        with pytest.raises(psycopg.OperationalError):
            value(conn, "select repeat('x', 200000)")
    with source_db.connect(port=proxy.port) as conn:
        assert value(conn, "select 1") == 1
