"""Batches between PgQ and one of another name, in both directions and by every way of writing."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
import pytest

from queue_mover.errors import BadEventError
from queue_mover.model import PGQ, BatchLimits, Flavour, Outcome, Policy, Result, Route
from queue_mover.moving.mover import Mover
from queue_mover.moving.registration import Registrar
from queue_mover.postgres import database as connections
from testbed.database import Database, value
from tests.flavour.other_pgq import OTHER
from tests.moving.pair import TICKS_AT_WILL


@dataclass
class Side:
    """A database with one queue, in the words of its own PgQ."""

    name: str
    database: Database
    flavour: Flavour
    conn: psycopg.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.conn = self.database.connect()
        self.ask("select {pgq}.create_queue('q')")
        for setting in TICKS_AT_WILL.items():
            self.ask("select {pgq}.set_queue_config('q', %s, %s)", *map(str, setting))
        self.ask("select nextval(queue_event_seq) from {pgq}.queue")

    def ask(self, statement: LiteralString, *params: object) -> Any:
        """The first value that a statement returns."""
        return value(self.conn, self.flavour.sql(statement), *params)

    def produce(self, count: int, label: str) -> None:
        """Insert events, and tick."""
        self.ask(
            "select count({pgq}.insert_event('q', 'type', %s || i, 'public.t', null, '', 'ünï'))"
            " from generate_series(1, %s) i",
            label,
            count,
        )
        self.ask("select {pgq}.ticker('q')")

    @property
    def events(self) -> list[tuple[Any, ...]]:
        """All events, without what each side numbers by itself."""
        return self.conn.execute(
            self.flavour.sql(
                "select ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4"
                " from {pgq}.event_1 order by ev_id"
            )
        ).fetchall()

    def sessions(self) -> connections.Database:
        """Connections for a mover."""
        return connections.Database(self.name, self.database.conninfo(), "mover", 0, self.flavour)


@dataclass
class Way:
    """From one side to the other."""

    source: Side
    target: Side

    @property
    def route(self) -> Route:
        """The route, which says what each side has."""
        return Route("q", "c", "q", (), self.source.flavour, self.target.flavour)

    def mover(self, policy: Policy, limits: BatchLimits) -> Mover:
        """A mover; close it."""
        sessions = (self.source.sessions(), self.target.sessions())
        return Mover(self.route, limits, *sessions, logging.getLogger("mover"), policy)

    def registrar(self) -> Registrar:
        """What the switches of the command do; close it."""
        sessions = (self.source.sessions(), self.target.sessions())
        return Registrar(self.route, *sessions, logging.getLogger("mover"))


@pytest.fixture(params=["from the other", "to the other"])
def way(
    request: pytest.FixtureRequest, source_db: Database, target_db: Database, other_db: Database
) -> Iterator[Way]:
    """Two sides, one of which has a PgQ of another name."""
    if request.param == "from the other":
        way = Way(Side("source", other_db, OTHER), Side("target", target_db, PGQ))
    else:
        way = Way(Side("source", source_db, PGQ), Side("target", other_db, OTHER))
    with ExitStack() as stack:
        stack.callback(way.source.conn.close)
        stack.callback(way.target.conn.close)
        yield way


@pytest.mark.parametrize(
    ("policy", "limits"),
    [
        (Policy(), BatchLimits()),
        (Policy(insert=True), BatchLimits(min_events=1)),
        (Policy(), BatchLimits(keep_lag="0 seconds")),
    ],
    ids=["usual", "insert_event", "keep_lag"],
)
def test_batches_arrive(way: Way, policy: Policy, limits: BatchLimits) -> None:
    mover = way.mover(policy, limits)
    assert mover.move_batch() == Outcome(Result.IDLE)
    for number in (1, 2, 3):
        way.source.produce(10, f"batch {number}, event ")
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
    assert mover.move_batch() == Outcome(Result.IDLE)
    # No news: the cheap question is asked.
    assert mover.move_batch() == Outcome(Result.IDLE)
    way.source.produce(5, "the last, event ")
    assert mover.move_batch() == Outcome(Result.MOVED, 5)
    mover.finish()
    mover.close()
    assert len(way.source.events) == 35
    assert way.target.events == way.source.events


@pytest.mark.parametrize("insert", [False, True], ids=["copy", "insert_event"])
def test_an_event_that_does_not_fit_is_named_and_kept_aside(way: Way, *, insert: bool) -> None:
    way.target.conn.execute(
        way.target.flavour.sql("alter table {pgq}.event_1_0 add check (ev_data <> 'event 2')")
    )
    stopping = way.mover(Policy(insert=insert), BatchLimits())
    stopping.move_batch()
    way.source.produce(3, "event ")
    with pytest.raises(BadEventError, match="the target rejected"):
        stopping.move_batch()
    stopping.close()
    # when it may be kept aside
    careful = way.mover(Policy(quarantine=True, insert=insert), BatchLimits())
    outcome = careful.move_batch()
    careful.close()
    # then the others arrive
    assert (outcome.result, outcome.count, len(outcome.quarantined)) == (Result.MOVED, 2, 1)
    assert [event[1] for event in way.target.events] == ["event 1", "event 3"]


def test_registration_and_position_can_be_changed(way: Way) -> None:
    registrar = way.registrar()
    registrar.register()
    mover = way.mover(Policy(), BatchLimits())
    way.source.produce(10, "event ")
    assert mover.move_batch() == Outcome(Result.MOVED, 10)
    registrar.rewind()
    registrar.accept_source()
    registrar.unregister()
    mover.close()
    registrar.close()
    assert way.source.ask("select count(*) from {pgq}.get_consumer_info('q')") == 0
    assert way.target.ask("select pgq_ext.get_last_tick('c')") is None
