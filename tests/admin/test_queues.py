"""pgqadm create, drop, register and unregister, on real databases."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from queue_mover.admin import queues
from queue_mover.errors import OperatorError
from queue_mover.pgq.queues import consumers
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.queues import insert_event
from tests.admin.locks import wait_until_blocked

WEIRD = """we"ird '%s \\ queue"""


@pytest.mark.parametrize("name", ["q", WEIRD])
def test_life_of_a_queue(source: psycopg.Connection, name: str) -> None:
    assert queues.create(source, name) == f'queue "{name}" created'
    assert queues.create(source, name) == f'queue "{name}" already exists'
    assert queues.register(source, name, "c") == f'consumer "c" registered on queue "{name}"'
    assert (
        queues.register(source, name, "c")
        == f'consumer "c" is already registered on queue "{name}"'
    )
    assert consumers(source, name) == ["c"]
    assert queues.unregister(source, name, "c") == f'consumer "c" unregistered from queue "{name}"'
    assert consumers(source, name) == []
    assert queues.drop(source, name) == f'queue "{name}" dropped'
    assert source.execute("select count(*) from pgq.queue").fetchone() == (0,)


def test_unregister_of_an_unknown_consumer_names_the_known(
    source: psycopg.Connection, source_queue: str
) -> None:
    answer = 'consumer "x" is not registered on queue "from_here"'
    assert queues.unregister(source, source_queue, "x") == f"{answer} (registered: none)"
    queues.register(source, source_queue, "b")
    queues.register(source, source_queue, "a")
    assert queues.unregister(source, source_queue, "x") == f"{answer} (registered: a, b)"


@pytest.mark.parametrize(
    "act",
    [
        lambda conn: queues.drop(conn, "typo"),
        lambda conn: queues.unregister(conn, "typo", "c"),
    ],
)
def test_to_be_rid_of_a_queue_nobody_needs_to_create_it(
    source: psycopg.Connection, source_queue: str, act: Callable[[psycopg.Connection], str]
) -> None:
    with pytest.raises(
        OperatorError, match=rf'no queue "typo" in database .* \(existing: {source_queue}\)$'
    ):
        act(source)


def test_missing_queue_names_those_there_are(source: psycopg.Connection, source_queue: str) -> None:
    with pytest.raises(
        OperatorError,
        match=rf'no queue "typo" in database .* \(existing: {source_queue}\);'
        r" remedy: pgqadm.py CONFIG create typo",
    ):
        queues.register(source, "typo", "c")


def test_the_first_event_needs_no_idle_period(source: psycopg.Connection) -> None:
    # given: a queue that has rested for a while, so that without events no tick is due yet
    queues.create(source, "q")
    source.execute("select pgq.ticker('q')")
    source.execute("update pgq.tick set tick_time = now() - (3 - tick_id) * interval '20 seconds'")
    assert source.execute("select pgq.ticker('q')").fetchone() == (None,)
    # when
    insert_event(source, "q", "kind", "data")
    # then
    assert source.execute("select pgq.ticker('q')").fetchone() == (3,)


def test_only_a_new_queue_spends_an_event_number(source: psycopg.Connection) -> None:
    queues.create(source, "q")
    first = insert_event(source, "q", "kind", "data")
    queues.create(source, "q")
    assert insert_event(source, "q", "kind", "data") == first + 1


def test_drop_with_consumers_names_them_and_drops_nothing(
    source: psycopg.Connection, source_queue: str
) -> None:
    for number in range(12):
        queues.register(source, source_queue, f"c{number:02}")

    with pytest.raises(OperatorError, match=r"has consumers: c00, .*, c09 and 2 more; remedy: .*"):
        queues.drop(source, source_queue)

    assert len(consumers(source, source_queue)) == 12


def test_drop_of_a_queue_in_use_by_a_view(source: psycopg.Connection, source_queue: str) -> None:
    source.execute("create view public.peek as select * from pgq.event_1")

    with pytest.raises(OperatorError, match="in use: view peek depends on table"):
        queues.drop(source, source_queue)

    assert queues.create(source, source_queue).endswith("already exists")


def test_queue_that_was_never_ticked_takes_no_consumer(
    source: psycopg.Connection, source_queue: str
) -> None:
    source.execute("delete from pgq.tick")

    with pytest.raises(OperatorError, match="No ticks for this queue"):
        queues.register(source, source_queue, "c")


@pytest.mark.parametrize("name", ["", "  "])
def test_empty_names_are_refused(source: psycopg.Connection, source_queue: str, name: str) -> None:
    with pytest.raises(OperatorError, match="name of a queue must not be empty"):
        queues.create(source, name)
    with pytest.raises(OperatorError, match="name of a consumer must not be empty"):
        queues.register(source, source_queue, name)


def test_whoever_comes_second_finds_the_queue_created(
    source_db: Database, source: psycopg.Connection
) -> None:
    answer = _while_not_committed(
        source_db,
        source,
        lambda conn: queues.create(conn, "q"),
    )
    assert answer == 'queue "q" already exists'


def test_whoever_comes_second_finds_the_consumer_registered(
    source_db: Database, source: psycopg.Connection
) -> None:
    queues.create(source, "q")
    answer = _while_not_committed(
        source_db,
        source,
        lambda conn: queues.register(conn, "q", "c"),
    )
    assert answer == 'consumer "c" is already registered on queue "q"'


def _while_not_committed(
    database: Database, watcher: psycopg.Connection, act: Callable[[psycopg.Connection], str]
) -> str:
    """What the second of two is told, who starts before the first one has committed."""
    answers: list[str] = []
    with database.connect() as second:
        thread = threading.Thread(target=lambda: answers.append(act(second)))
        with database.connect() as first, first.transaction():
            act(first)
            thread.start()
            wait_until_blocked(watcher, second)
        thread.join(10)
    (answer,) = answers
    return answer


@pytest.mark.parametrize(
    ("act", "role"),
    [
        (lambda conn: queues.create(conn, "new"), "pgq_admin"),
        (lambda conn: queues.drop(conn, "from_here"), "pgq_admin"),
        (lambda conn: queues.register(conn, "from_here", "c"), "pgq_reader"),
        (lambda conn: queues.unregister(conn, "from_here", "c"), "pgq_reader"),
    ],
)
@pytest.mark.usefixtures("source_queue")
def test_missing_privilege_names_the_grant_that_helps(
    source: psycopg.Connection,
    plain: psycopg.Connection,
    act: Callable[[psycopg.Connection], str],
    role: str,
) -> None:
    statement = f'GRANT {role} TO "plain one"'
    with pytest.raises(OperatorError, match=f"remedy: {statement}"):
        act(plain)

    source.execute(statement.encode())

    assert act(plain)


def test_database_without_pgq_names_install(source_cluster: Cluster) -> None:
    with source_cluster.connect() as conn:
        for act in (queues.create, queues.drop):
            with pytest.raises(OperatorError, match=r"PgQ is not installed; remedy: .* install"):
                act(conn, "q")


def test_read_only_database_is_said(source: psycopg.Connection) -> None:
    source.execute("set default_transaction_read_only = on")
    with pytest.raises(OperatorError, match="is read-only"):
        queues.create(source, "q")
