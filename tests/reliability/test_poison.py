"""An event that the target's encoding cannot hold.

The original fails on the batch again and again: nothing behind it ever arrives, and the source's
tables can never rotate. It says which byte it was, and not of which event.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.encodings import create_encoded
from testbed.events import Event
from testbed.log_lines import news
from testbed.queues import insert_bytes
from tests.moving.pair import Pair

BAD = b"caf\xe9"
"""LATIN1's bytes in a database that does not care; no UTF-8."""


@pytest.fixture
def careless_db(source_cluster: Cluster, source_db: Database) -> Iterator[Database]:
    """A source that takes any bytes."""
    name = f"careless_{source_db.name}"
    yield create_encoded(source_cluster, name, "SQL_ASCII")
    source_cluster.start().drop_database(name)


@pytest.fixture
def poisoned(careless_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A batch of sound events with a bad one among them."""
    pair = Pair(careless_db, target_db, tmp_path)
    pair.register()
    pair.produce(3, label="before")
    insert_raw(pair, [BAD])
    pair.produce(3, label="after")
    yield pair
    pair.close()


def insert_raw(pair: Pair, rows: list[bytes]) -> None:
    """Insert events whose data are these bytes, and tick."""
    for data in rows:
        insert_bytes(pair.source, pair.queue, b"type", data, b"x", b"", None, b"")
    pair.tick()


def test_stop_says_which_event_and_why(poisoned: Pair) -> None:
    event = poisoned.source.execute(
        "select ev_id, (ev_time)::text from pgq.event_1 where ev_extra1 = 'x'"
    ).fetchone()
    assert event is not None
    result = poisoned.command(loop_delay=0.05)
    # then it ends, instead of trying for ever, with one line
    assert result.returncode == 1
    lines = [line for line in news(result.stderr) if "the target rejected" in line]
    assert len(lines) == 1
    assert f"event {event[0]} ({event[1]}, type type)" in lines[0]
    assert "ev_data" in lines[0]
    assert 'invalid byte sequence for encoding "UTF8": 0xe9' in lines[0]
    assert "on_bad_event = quarantine" in lines[0]
    assert "Traceback" not in result.stderr
    assert poisoned.target_events.count() == 0


def kept(pair: Pair) -> list[tuple[object, ...]]:
    """What is in quarantine."""
    return pair.target.execute(
        "select ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4, encoding, consumer,"
        " queue, reason from queue_mover.quarantine order by id"
    ).fetchall()


def test_quarantine_keeps_the_bytes_and_moves_the_rest(poisoned: Pair) -> None:
    # given a source that writes dates as the target would not read them
    change = sql.SQL("alter database {} set datestyle = 'SQL, DMY'")
    poisoned.source.execute(change.format(sql.Identifier(poisoned.source_db.name)))
    poisoned.source.execute("update pgq.event_1 set ev_time = '2026-02-03 10:11:12Z'")
    result = poisoned.command(loop_delay=0, on_bad_event="quarantine").check()
    assert [
        event.data and event.data.partition(":")[0] for event in poisoned.target_events.read()
    ] == [
        *["before"] * 3,
        *["after"] * 3,
    ]
    (row,) = kept(poisoned)
    assert row[:6] == (b"type", BAD, b"x", b"", None, b"")
    assert row[6:9] == ("SQL_ASCII", poisoned.consumer, poisoned.queue)
    assert "0xe9" in str(row[9])
    assert value(
        poisoned.target, "select ev_time = '2026-02-03 10:11:12Z' from queue_mover.quarantine"
    )
    # and it is told, and counted
    assert result.stderr.count("quarantined: event ") == 1
    assert "{count: 6, " in result.stderr
    assert "quarantined: 1}" in result.stderr


def test_many_bad_events_and_many_sound_ones(poisoned: Pair) -> None:
    insert_raw(poisoned, [b"\xff%d" % number for number in range(150)])
    poisoned.produce(1200, label="many")
    result = poisoned.command(loop_delay=0, on_bad_event="quarantine").check()
    assert poisoned.target_events.count() == 1206
    assert [row[1] for row in kept(poisoned)][1:] == [b"\xff%d" % n for n in range(150)]
    assert "quarantined: 151}" in result.stderr
    # everything is either here or there, and the source can rotate
    assert poisoned.source_events.count() == poisoned.target_events.count() + len(kept(poisoned))
    assert poisoned.subscription() == (poisoned.position, None, None)


def test_quarantine_and_position_are_one_transaction(poisoned: Pair) -> None:
    """A batch that fails after its bad event was kept leaves nothing of it."""
    poisoned.target.execute(
        "create function public.refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'not now' using errcode = '57014'; end $$;"
        "create trigger refuse before insert or update on pgq_ext.completed_tick"
        " for each row execute function public.refuse()"
    )
    assert "not now" in poisoned.command(loop_delay=0, on_bad_event="quarantine").stderr
    assert kept(poisoned) == []
    assert poisoned.target_events.count() == 0
    poisoned.target.execute("drop trigger refuse on pgq_ext.completed_tick")
    poisoned.command(loop_delay=0, on_bad_event="quarantine").check()
    assert len(kept(poisoned)) == 1
    assert poisoned.target_events.count() == 6
    assert value(poisoned.target, "select count(distinct ev_txid) from pgq.event_1") == 1


def test_without_our_schema_nothing_is_dropped(poisoned: Pair) -> None:
    poisoned.target.execute("set client_min_messages = warning; drop schema queue_mover cascade")
    result = poisoned.command(loop_delay=0, on_bad_event="quarantine")
    assert result.returncode == 1
    assert "no table for quarantined events; remedy: pgqadm.py CONFIG install" in result.stderr
    assert poisoned.target_events.count() == 0


def test_what_a_trigger_of_the_target_drops_is_noticed(poisoned: Pair) -> None:
    # given a trigger that drops one of the sound events, beside a bad one
    poisoned.target.execute("""
        create function drop_it() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger drop_it before insert on pgq.event_1_0
          for each row when (new.ev_data like 'after:2:%') execute function drop_it()
    """)
    result = poisoned.command(loop_delay=0, on_bad_event="quarantine")
    # then it does not count as moved
    assert result.returncode == 1
    assert "of 1 events, the target received 0" in result.stderr
    assert poisoned.target_events.count() == 0


def test_all_that_is_sound_needs_no_quarantine(pair: Pair) -> None:
    pair.insert(Event(type="t", data="\x7f", extra1="ü"))
    pair.command(loop_delay=0, on_bad_event="quarantine").check()
    assert kept(pair) == []
    pair.assert_identical()
