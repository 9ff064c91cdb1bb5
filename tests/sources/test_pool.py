"""Whose turn it is at the target: what has brought nothing yet goes first, and takes little."""

import threading
from collections.abc import Callable

import pytest

from queue_mover.errors import StoppingError, UnavailableError
from queue_mover.postgres.database import Database as Side
from queue_mover.postgres.pool import Pool, PoolClient
from testbed.database import Database
from testbed.processes import wait_until
from tests.sources.many import Many
from tests.sources.texts import STATISTICS


class Row:
    """Seats of a pool with one connection, each waiting in a thread of its own."""

    def __init__(self, conninfo: str) -> None:
        self.pool = Pool([Side("target", conninfo, "turns")])
        self.served: list[str] = []
        self._threads: list[threading.Thread] = []

    def wait(self, name: str, *, urgent: bool) -> PoolClient:
        """One more in the row, who is served once."""
        client = self.pool.client()
        client.urgent = urgent

        def work() -> None:
            try:
                with client.session() as conn:
                    conn.execute("select 1")
                    self.served.append(name)
            except StoppingError:
                self.served.append(f"{name} went")

        self._start(work)
        return client

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        self._threads.append(thread)
        # Nobody else waits while this one gets into the row.
        wait_until(lambda: self._waiting() == len(self._threads), 10, "a place in the row")

    def _waiting(self) -> int:
        return len(self.pool._urgent) + len(self.pool._others)

    def join(self) -> None:
        """Until all have been served."""
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def row(many: Many) -> Row:
    """A row in front of the target."""
    return Row(many.target_db.conninfo())


def test_in_turn_the_urgent_first(row: Row) -> None:
    # given
    with row.pool.client().session():
        row.wait("b1", urgent=False)
        row.wait("a1", urgent=True)
        row.wait("b2", urgent=False)
        row.wait("a2", urgent=True)
    # when the only connection is free
    row.join()
    # then
    assert row.served == ["a1", "a2", "b1", "b2"]


@pytest.mark.parametrize("way", [PoolClient.stop, PoolClient.abandon])
def test_one_that_is_told_to_stop_leaves_the_row(
    row: Row, way: Callable[[PoolClient], None]
) -> None:
    with row.pool.client().session():
        stopped = row.wait("first", urgent=True)
        row.wait("second", urgent=False)
        way(stopped)
        wait_until(lambda: row.served, 10, "one to go")
        assert row.served == ["first went"]
    row.join()
    assert row.served == ["first went", "second"]
    # and does not come back
    with pytest.raises(StoppingError), stopped.session():
        pass


def test_who_abandons_a_connection_that_is_being_opened_has_none(target_db: Database) -> None:
    side = Side("target", target_db.conninfo(), "turns")
    side.abandon()
    with pytest.raises(StoppingError), side.session():
        pass


def test_a_connection_stays_open_until_the_last_has_left(row: Row) -> None:
    # given two seats, one of which has used the connection
    first, second = row.pool.client(), row.pool.client()
    with first.session() as used:
        pass
    # when, then
    first.close()
    assert not used.closed
    second.close()
    assert used.closed
    # and a client that is taken later opens another
    with row.pool.client().session() as fresh:
        assert fresh.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("connections", "batches"), [(2, [30, 30]), (3, [60])], ids=["crowded", "one for each"]
)
def test_the_first_batch_is_small_where_sources_share_connections(
    many: Many, connections: int, batches: list[int]
) -> None:
    # given three sources with six ticks of ten events, each tick with a gap of some 2,000 ids
    many.main.update(max_batch_events=100_000, dst_connections=connections)
    many.register()
    many.produce(10, ticks=6)
    # when
    many.drain().check()
    # then
    for name in many.sources:
        counts = [int(count) for count, source in STATISTICS.findall(many.log) if source == name]
        assert counts == batches
    many.assert_identical()


def test_a_lost_connection_takes_the_idle_ones_with_it(target_db: Database) -> None:
    """They were lost as well: who takes one next must not meet an outage that is over."""
    databases = [opened(target_db, number) for number in range(2)]
    pool = Pool(databases)
    client = pool.client()
    with client.session():
        idle = next(each for each in databases if each is not client._taken)
    assert idle._connection is not None
    with pytest.raises(UnavailableError):
        lose(client, target_db)
    assert idle._connection is None
    client.close()


def opened(target_db: Database, number: int) -> Side:
    """A connection of a pool, which somebody has used."""
    database = Side("target", target_db.conninfo(), f"pool{number}")
    with database.session():
        return database


def lose(client: PoolClient, target_db: Database) -> None:
    """The server ends the connection while its user works."""
    with client.session() as connection, target_db.connect() as killer:
        killer.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
        connection.execute("select 1")
