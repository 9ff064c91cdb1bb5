"""Expressions that cannot be used: refused at the start, before anything is registered."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from queue_mover.errors import NotReadyError
from queue_mover.model import Route
from queue_mover.pgq.expressions import unusable_expressions
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.encodings import create_encoded
from testbed.events import Event
from testbed.processes import wait_until
from testbed.queues import insert_bytes
from tests.moving.pair import Pair
from tests.shaping.shaped import shaped

INCOMPLETE = "not one complete expression"

REFUSED = [
    # what the server does not understand, and where
    ("event_filter", "lowr(ev_type) = 'x'", "function lowr(text) does not exist, at character 1"),
    ("event_filter", "ev_typ = 'x'", 'column "ev_typ" does not exist, at character 1'),
    ("ev_data", "ev_id +", INCOMPLETE),
    ("ev_data", "ev_type ev_data", 'syntax error at or near "ev_data", at character 9'),
    # another type
    ("event_filter", "ev_type", "argument of AND must be type boolean, not type text"),
    ("ev_time", "ev_id", "cannot cast type bigint to timestamp with time zone"),
    ("ev_time", "'soon'", 'invalid input syntax for type timestamp with time zone: "soon"'),
    # what would end the parentheses around it, the literal, the comment, the statement
    ("event_filter", "true) or (true", 'syntax error at or near ")", at character 5'),
    ("event_filter", "(true", INCOMPLETE),
    ("event_filter", "true)", INCOMPLETE),
    ("event_filter", "true end or case when true then true", 'syntax error at or near "end"'),
    ("ev_data", "ev_type, ev_data", "syntax error"),
    ("ev_data", "ev_type from pgq.queue where (true", 'syntax error at or near "from"'),
    ("ev_data", "'open", "unterminated quoted string"),
    ("ev_data", "$a$ open", "unterminated dollar-quoted string"),
    ("ev_data", '"open', "unterminated quoted identifier"),
    ("ev_data", "ev_data /* open", "unterminated /* comment"),
    ("ev_data", "-- nothing", INCOMPLETE),
    ("event_filter", "true; drop table pgq.witness", 'syntax error at or near ";"'),
    ("event_filter", "true); drop table pgq.witness; --", INCOMPLETE),
    ("event_filter", "delete from pgq.witness", "syntax error"),
    ("event_filter", "(with x as (delete from pgq.witness returning 1) select true)", "WITH"),
    # what would change the number of rows
    ("event_filter", "count(*) > 0", "aggregate functions are not allowed"),
    ("ev_data", "max(ev_data)", "aggregate functions are not allowed"),
    ("ev_data", "(select max(ev_data))", "aggregate functions are not allowed"),
    ("ev_data", "row_number() over ()", "window functions are not allowed"),
    ("ev_data", "generate_series(1, 2)", "set-returning functions are not allowed"),
    ("ev_data", "(select n from generate_series(1, 2) n, t)", 'relation "t" does not exist'),
    ("ev_data", "%(name)s", 'syntax error at or near "%"'),
    ("ev_data", "1/0", "division by zero"),
]


@pytest.fixture(scope="module")
def conn(shared_databases: tuple[Database, Database]) -> Iterator[psycopg.Connection]:
    """A connection to the source, which has a table to lose."""
    with shared_databases[0].connect() as conn:
        conn.execute("create table pgq.witness as select 1")
        yield conn


@pytest.mark.parametrize(("key", "text", "words"), REFUSED, ids=[row[1] for row in REFUSED])
def test_the_server_s_reason_is_given(
    conn: psycopg.Connection, key: str, text: str, words: str
) -> None:
    condition = text if key == "event_filter" else ""
    rewrite = () if condition else ((key, text),)
    route = Route("q", "c", "t", event_filter=condition, rewrite=rewrite)
    (bad,) = unusable_expressions(conn, route)
    assert (bad.key, bad.text) == (key, text)
    assert words in bad.reason
    assert "case when" not in bad.reason
    assert "WHERE" not in bad.reason
    # and nothing has run, nor is a transaction left open
    assert value(conn, "select count(*) from pgq.witness") == 1
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_a_backslash_is_refused_where_it_ends_a_literal(
    shared_databases: tuple[Database, Database],
) -> None:
    route = Route("q", "c", "t", (), rewrite=(("ev_data", "'a\\'' || 'b'"),))
    with shared_databases[0].connect() as conn:
        conn.execute("set standard_conforming_strings = off")
        (bad,) = unusable_expressions(conn, route)
    assert "standard_conforming_strings" in bad.reason


@pytest.mark.parametrize("switches", [(), ("--register",)], ids=["start", "register"])
def test_a_start_is_refused_in_one_line_and_registers_nothing(
    queues: Pair, switches: tuple[str, ...]
) -> None:
    result = queues.command(*switches, ev_extra4="'%(source_name)s", source_name="o'brien")
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if " ERROR " in line]
    assert len(lines) == 1
    assert lines[0].endswith(
        "ev_extra4: syntax error at or near \"brien\", at character 4: 'o'brien;"
        " remedy: correct ev_extra4"
    )
    assert "Traceback" not in result.stderr
    assert queues.subscription() is None
    assert queues.position is None


def test_status_and_check_show_it(registered: Pair) -> None:
    registered.produce(3)
    text = "event_filter: function nope() does not exist, at character 1: nope()"
    for switch in ("--status", "--check"):
        result = registered.command(switch, event_filter="nope()", ev_data="ev_data")
        assert (result.returncode, text in result.stdout) == (1, True), result
    assert registered.target_events.count() == 0


def test_a_role_that_may_not_call_the_function(registered: Pair) -> None:
    source = registered.source
    source.execute(
        "create or replace function public.secret() returns bool language sql as 'select true';"
        "revoke all on function public.secret() from public; drop role if exists reader;"
        "create role reader login in role pgq_reader"
    )
    result = registered.command(
        event_filter="secret()", src_db=registered.source_db.conninfo(user="reader")
    )
    assert "event_filter: permission denied for function secret: secret();" in result.stderr


def test_a_reload_with_a_bad_expression_keeps_the_mover_that_runs(registered: Pair) -> None:
    process = registered.start(event_filter="ev_type = 'I'")
    registered.insert(Event("I", "1"), Event("U", "2"))
    registered.wait_for(1)
    # when the new one is bad
    registered.ini(event_filter="ev_typ = 'U'")
    process.send(signal.SIGHUP)
    kept = (
        'Config not reloaded, keeping the running one: event_filter: column "ev_typ" does not exist'
    )
    wait_until(lambda: kept in process.stderr, 30, "the refusal")
    # then the old one goes on
    registered.insert(Event("I", "3"), Event("U", "4"))
    registered.wait_for(2)
    # and a good one replaces it
    registered.ini(event_filter="ev_type = 'U'", ev_extra1="'new'")
    process.send(signal.SIGHUP)
    wait_until(lambda: "Config reloaded" in process.stderr, 30, "the reload")
    registered.insert(Event("I", "5"), Event("U", "6"))
    registered.wait_for(3)
    assert process.stop() == 0
    arrived = [(event.data, event.extra1) for event in registered.target_events.read()]
    assert arrived == [("1", None), ("3", None), ("6", "new")]


def test_an_encoding_that_is_not_utf8(
    source_cluster: Cluster, target_db: Database, tmp_path: Path
) -> None:
    """What the source can represent is found there, and the rest is refused at the start."""
    database = create_encoded(source_cluster.start(), "shaping_latin1", "LATIN1")
    pair = Pair(database, target_db, tmp_path)
    pair.register()
    for kind in ("täglich", "tåglich"):
        insert_bytes(pair.source, pair.queue, kind.encode("latin1"), b"x")
    pair.tick()
    with (
        closing(shaped(pair, "ev_type = '漢'")) as mover,
        pytest.raises(NotReadyError, match="event_filter: character with byte sequence"),
    ):
        mover.move_batch()
    with closing(shaped(pair, "ev_type = 'täglich'", ev_extra1="'ü' || ev_type")) as mover:
        pair.move(mover)
    assert [(e.type, e.extra1) for e in pair.target_events.read()] == [("täglich", "ütäglich")]
    pair.close()
    source_cluster.drop_database("shaping_latin1")
