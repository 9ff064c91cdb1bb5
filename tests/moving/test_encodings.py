"""Databases of all encodings: bytes stay where both are the same, characters where they differ."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from queue_mover.errors import BadEventError, NotReadyError
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.encodings import create_encoded
from testbed.queues import insert_bytes, install_pgq_ext, qualified, queue_table
from tests.moving.pair import Pair

ALL_BYTES = bytes(range(1, 256))
ALL_LATIN1 = ALL_BYTES.decode("latin1")
SOME_BYTES = b"\\ \xff\xfe \xc3( \xe2\x82 \xf0\x9f"

_numbers = itertools.count(1)

Pairs = Callable[[str, str], Pair]


def create(cluster: Cluster, encoding: str) -> Database:
    """A database of this encoding, with PgQ."""
    return create_encoded(cluster.start(), f"encoded{next(_numbers)}", encoding)


@pytest.fixture(scope="module")
def _databases(
    source_cluster: Cluster, target_cluster: Cluster
) -> Iterator[Callable[[str, str], tuple[Database, Database]]]:
    sources: dict[str, Database] = {}
    targets: dict[str, Database] = {}

    def get(source: str, target: str) -> tuple[Database, Database]:
        if source not in sources:
            sources[source] = create(source_cluster, source)
        if target not in targets:
            targets[target] = create(target_cluster, target)
            with targets[target].connect() as conn:
                install_pgq_ext(conn)
        return sources[source], targets[target]

    yield get
    for cluster, databases in ((source_cluster, sources), (target_cluster, targets)):
        for database in databases.values():
            cluster.start().drop_database(database.name)


@pytest.fixture
def between(
    _databases: Callable[[str, str], tuple[Database, Database]], tmp_path: Path
) -> Iterator[Pairs]:
    """Make a registered pair between databases of two encodings."""
    pairs: list[Pair] = []

    def make(source: str, target: str) -> Pair:
        pair = Pair(*_databases(source, target), tmp_path, next(_numbers))
        pairs.append(pair)
        pair.register()
        return pair

    yield make
    for pair in pairs:
        pair.close()


def insert(pair: Pair, data: bytes, table: bytes = b"public.t") -> None:
    """Insert an event with these very bytes, and tick."""
    insert_bytes(pair.source, pair.queue, data, data, table)
    pair.tick()


def arrived(pair: Pair) -> list[bytes]:
    """The very bytes of data, which are those of type."""
    statement = sql.SQL(
        "select convert_to(ev_data, getdatabaseencoding()),"
        " convert_to(ev_type, getdatabaseencoding()) from {} order by ev_id"
    ).format(qualified(pair.target_events.table))
    rows = pair.target.execute(statement).fetchall()
    assert all(data == kind for data, kind in rows)
    return [bytes(row[0]) for row in rows]


@pytest.mark.parametrize(
    ("source", "target", "data", "expected"),
    [
        # the same on both sides: all bytes that a database can hold, defined or not
        ("SQL_ASCII", "SQL_ASCII", ALL_BYTES, ALL_BYTES),
        ("LATIN1", "LATIN1", ALL_BYTES, ALL_BYTES),
        ("WIN1252", "WIN1252", ALL_BYTES, ALL_BYTES),
        ("EUC_TW", "EUC_TW", b"\xc4\xe3\xba\xc3", b"\xc4\xe3\xba\xc3"),
        # to and from UTF-8: characters
        ("UTF8", "LATIN1", ALL_LATIN1.encode(), ALL_BYTES),
        ("LATIN1", "UTF8", ALL_BYTES, ALL_LATIN1.encode()),
        ("UTF8", "WIN1252", "€ “x” ü".encode(), "€ “x” ü".encode("cp1252")),
        ("WIN1252", "UTF8", "€ “x” ü".encode("cp1252"), "€ “x” ü".encode()),
        # between two others
        ("WIN1252", "LATIN1", "ü ß ÿ".encode("cp1252"), "ü ß ÿ".encode("latin1")),
        ("LATIN1", "WIN1252", "ü ß ÿ".encode("latin1"), "ü ß ÿ".encode("cp1252")),
        # a side that does not say what its bytes mean
        ("UTF8", "SQL_ASCII", "€ 漢 😀".encode(), "€ 漢 😀".encode()),
        ("SQL_ASCII", "UTF8", "€ 漢 😀".encode(), "€ 漢 😀".encode()),
        ("LATIN1", "SQL_ASCII", ALL_BYTES, ALL_BYTES),
        ("SQL_ASCII", "LATIN1", ALL_BYTES, ALL_BYTES),
        ("SQL_ASCII", "SQL_ASCII", SOME_BYTES, SOME_BYTES),
    ],
)
def test_text_arrives(
    between: Pairs, source: str, target: str, data: bytes, expected: bytes
) -> None:
    pair = between(source, target)
    insert(pair, b"before")
    insert(pair, data)
    insert(pair, data * 1000)
    pair.move()
    assert arrived(pair) == [b"before", expected, expected * 1000]


@pytest.mark.parametrize(
    ("source", "target", "codec"),
    [
        ("UTF8", "LATIN1", "utf8"),
        ("LATIN1", "UTF8", "latin1"),
        ("LATIN1", "LATIN1", "latin1"),
        ("LATIN1", "SQL_ASCII", "latin1"),
        ("WIN1252", "LATIN1", "cp1252"),
        ("WIN1252", "WIN1252", "cp1252"),
        ("UTF8", "SQL_ASCII", "utf8"),
        ("SQL_ASCII", "UTF8", "utf8"),
        ("SQL_ASCII", "SQL_ASCII", "utf8"),
    ],
)
def test_table_filter_finds_names_that_are_not_ascii(
    between: Pairs, source: str, target: str, codec: str
) -> None:
    pair = between(source, target)
    for table in ("public.täble", "public.table", "public.tåble"):
        insert(pair, table.encode(codec).replace(b"public.t", b""), table.encode(codec))
    pair.move(tables=["public.täble", "public.none"])
    assert len(arrived(pair)) == 1
    assert pair.target_events.count() == 1


@pytest.mark.parametrize(
    "way",
    [{"write_with": "insert_event"}, {"on_bad_event": "quarantine"}],
    ids=lambda way: next(iter(way)),
)
def test_table_filter_finds_them_on_the_slow_ways_too(between: Pairs, way: dict[str, str]) -> None:
    # given two events of one table, one of which the target refuses, and one of another table
    pair = between("LATIN1", "UTF8")
    refused = "refused" if "on_bad_event" in way else "nothing like it"
    pair.target.execute(
        sql.SQL("alter table {}_0 add check (ev_data <> {})").format(
            sql.SQL(queue_table(pair.target, pair.target_queue)), sql.Literal(refused)
        )
    )
    for data, table in ((b"refused", "täble"), (b"sound", "täble"), (b"other", "tåble")):
        insert(pair, data, f"public.{table}".encode("latin1"))
    # when
    pair.command(loop_delay=0, table_filter="täble", **way).check()
    # then
    kept = [] if refused == "refused" else [b"refused"]
    assert arrived(pair) == [*kept, b"sound"]


@pytest.mark.parametrize("insert_event", [False, True])
def test_a_table_filter_that_the_source_cannot_have(between: Pairs, insert_event: bool) -> None:
    pair = between("LATIN1", "UTF8")
    insert(pair, b"x")
    with pytest.raises(
        NotReadyError, match='its encoding cannot represent "漢"; remedy: correct table_filter'
    ):
        pair.mover(tables=["public.漢"], insert=insert_event).move_batch()
    assert pair.target_events.count() == 0


@pytest.mark.parametrize(
    ("source", "target", "data"),
    [
        ("UTF8", "LATIN1", "€"),
        ("UTF8", "WIN1252", "漢"),
        ("WIN1252", "LATIN1", "€"),
        ("SQL_ASCII", "UTF8", "\udcff"),
    ],
)
def test_what_the_target_cannot_hold_is_named(
    between: Pairs, source: str, target: str, data: str
) -> None:
    pair = between(source, target)
    codec = {"WIN1252": "cp1252"}.get(source, "utf8")
    mover = pair.mover()
    insert(pair, b"before")
    insert(pair, data.encode(codec, "surrogateescape"))
    insert(pair, b"after")
    # then the batch is refused as a whole, however often
    before = pair.position
    for _ in range(2):
        with pytest.raises(BadEventError):
            mover.move_batch()
        assert pair.target_events.count() == 0
        assert pair.position == before
    # and comes when the event is gone
    statement = sql.SQL("delete from {} where ev_data not in ('before', 'after')")
    pair.source.execute(statement.format(qualified(pair.source_events.table)))
    pair.move(mover)
    assert arrived(pair) == [b"before", b"after"]
