"""The table of a mover's sources: lag, backlog, the last tick on both sides."""

import psycopg
import pytest

from queue_mover.model import Position
from queue_mover.observation.findings import Code
from queue_mover.observation.source_findings import judge
from queue_mover.observation.sources import SourceStatus, gather
from testbed.database import Database
from testbed.queues import create_queue, last_tick, produce, tick
from tests.observation.conftest import Make
from tests.observation.test_database import quarantine


def codes(status: SourceStatus) -> list[Code]:
    """What is wrong with a source."""
    return [finding.code for finding in judge(status)]


def test_how_far_a_source_has_been_moved(
    make: Make, source: psycopg.Connection, source_db: Database, target: psycopg.Connection
) -> None:
    # given a source with events waiting, and a position on the target
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    before = last_tick(source, "q")
    produce(source, "q", 10)
    tick(source, "q")
    target.execute("select pgq_ext.set_last_tick('job.a', 77::bigint)")
    # when
    (status,) = gather(make(a=source_db.conninfo()))
    # then
    assert (status.readable, status.position, status.quarantined) == (True, Position(77), 0)
    consumer = status.consumer
    assert consumer is not None
    assert (consumer.last_tick, consumer.batch) == (before, None)
    assert consumer.pending is not None
    assert consumer.pending >= 10
    assert consumer.waiting is not None
    # and the two ticks do not fit
    assert codes(status) == [Code.TICKS_DO_NOT_FIT]


def test_a_source_without_a_position(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    (status,) = gather(make(a=source_db.conninfo()))
    assert (codes(status), status.position) == ([], None)


def test_one_renamed_before_its_first_batch(
    make: Make, source: psycopg.Connection, source_db: Database, target: psycopg.Connection
) -> None:
    """Given what a first start leaves, then it fits, and a successor is shown it."""
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    target.execute("select pgq_ext.set_last_tick('job.a', %s)", [last_tick(source, "q")])
    (status,) = gather(make(a=source_db.conninfo()))
    assert codes(status) == []
    (status,) = gather(make(b=source_db.conninfo()))
    (finding,) = judge(status)
    assert finding.code is Code.CONSUMER_LEFT_BEHIND
    assert '"job.a" has, up to tick ' in finding.text
    assert "queue_mover3 --take-over job.a CONFIG --source b" in finding.remedy


def test_the_end_of_the_active_batch_fits(
    make: Make, source: psycopg.Connection, source_db: Database, target: psycopg.Connection
) -> None:
    """Given a mover between its commit on the target and the finish, then nothing is wrong."""
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    end = tick(source, "q")
    source.execute("select pgq.next_batch('q', 'job.a')")
    target.execute("select pgq_ext.set_last_tick('job.a', %s)", [end])
    (status,) = gather(make(a=source_db.conninfo()))
    assert codes(status) == []
    source.execute("select pgq.finish_batch(sub_batch) from pgq.subscription")
    (status,) = gather(make(a=source_db.conninfo()))
    assert codes(status) == []


def test_a_position_without_registration(
    make: Make, source: psycopg.Connection, source_db: Database, target: psycopg.Connection
) -> None:
    create_queue(source, "q")
    target.execute("select pgq_ext.set_last_tick('job.a', 77::bigint)")
    (status,) = gather(make(a=source_db.conninfo()))
    (finding,) = judge(status)
    assert finding.code is Code.CONSUMER_NOT_REGISTERED
    assert finding.text.endswith("yet the target has its position, tick 77")
    assert "queue_mover3 --rewind CONFIG --source a" in finding.remedy


def test_an_interval_that_postgresql_cannot_use(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    """Given what keeps the mover from starting, then the setting is named, not the server."""
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    (status,) = gather(make({"pgq_keep_lag": "3 parsecs"}, a=source_db.conninfo()))
    (finding,) = judge(status)
    assert finding.text.startswith("pgq_keep_lag: '3 parsecs' is not an interval")
    assert finding.remedy == "for example pgq_keep_lag = 30 seconds"


def test_a_mover_that_ended_with_events_waiting(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    """Given events that wait for longer than trouble_after, then it is in trouble."""
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    produce(source, "q", 10)
    tick(source, "q")
    source.execute("update pgq.tick set tick_time = now() - interval '20 seconds'")
    source.execute("update pgq.subscription set sub_active = now() - interval '20 seconds'")
    there = source_db.conninfo()
    assert codes(*gather(make(a=there))) == []
    assert codes(*gather(make({"trouble_after": "10"}, a=there))) == [
        Code.CONSUMER_NOT_SEEN,
        Code.TARGET_POSITION_MISSING,
    ]
    # unless its mover stays behind on purpose
    behind = {"trouble_after": "10", "pgq_keep_lag": "1 minute"}
    assert codes(*gather(make(behind, a=there))) == []


def test_quarantined_events_of_a_source(
    make: Make, source: psycopg.Connection, source_db: Database, target: psycopg.Connection
) -> None:
    create_queue(source, "q")
    for consumer in ("job.a", "job.b"):
        source.execute("select pgq.register_consumer('q', %s)", [consumer])
    quarantine(target, "job.a", 1, 2)
    there = source_db.conninfo()
    a, b = gather(make(a=there, b=there))
    assert (a.quarantined, codes(a)) == (2, [Code.QUARANTINE])
    assert (b.quarantined, codes(b)) == (0, [])


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("update pgq.tick set tick_time = now() - interval '50 seconds'", Code.TICKER),
        ("update pgq.queue set queue_ticker_paused = true", Code.TICKER_PAUSED),
        ("update pgq.queue set queue_external_ticker = true", None),
        ("update pgq.queue set queue_disable_insert = true", None),
    ],
)
def test_events_that_get_no_tick(
    make: Make, source: psycopg.Connection, source_db: Database, damage: str, code: Code | None
) -> None:
    # given a source whose events the mover cannot see
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    tick(source, "q")
    produce(source, "q", 10)
    source.execute(damage.encode())
    # when
    (status,) = gather(make(a=source_db.conninfo()))
    # then
    assert status.queue is not None
    assert status.queue.new_events == 10
    assert codes(status) == ([code] if code else [])


def test_what_the_source_knows_is_shown_without_the_target(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    before = last_tick(source, "q")
    away = {"dst_db": "host=127.0.0.1 port=1"}
    (status,) = gather(make(away, a=source_db.conninfo()))
    assert status.target_error.startswith("target database not available: ")
    assert codes(status) == [Code.UNREADABLE]
    assert status.consumer is not None
    assert (status.consumer.last_tick, status.position) == (before, None)


def test_a_source_without_the_queue(make: Make, source_db: Database) -> None:
    (status,) = gather(make(a=source_db.conninfo()))
    (finding,) = judge(status)
    assert finding.code is Code.QUEUE_MISSING
    assert finding.remedy == "pgqadm.py CONFIG create q"


def test_troubles_are_told_and_keep_their_places(
    make: Make, source: psycopg.Connection, source_db: Database, target_db: Database
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.c')")
    there = source_db.conninfo()
    movers = make(a=there, b="host=127.0.0.1 port=1 password=hunter2", c=there)
    statuses = gather(movers)
    assert [s.mover.source for s in statuses] == ["a", "b", "c"]
    told = [[finding.text for finding in judge(status)] for status in statuses]
    assert told[0] == ['consumer "job.a" is not registered']
    assert told[1][0].startswith("source database not available: ")
    assert told[2] == []
    assert "hunter2" not in str(told)


def test_a_source_without_pgq(make: Make, target_db: Database) -> None:
    """Given a database that has never seen PgQ, then that is its trouble, in one line."""
    (status,) = gather(make(a=target_db.conninfo(dbname="postgres")))
    (finding,) = judge(status)
    assert finding.text == "source database: PgQ 3 is not installed"
    assert finding.remedy == "pgqadm.py CONFIG install"


def test_more_sources_than_are_asked_at_once(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    create_queue(source, "q")
    names = [f"s{number}" for number in range(40)]
    for name in names:
        source.execute("select pgq.register_consumer('q', %s)", [f"job.{name}"])
    statuses = gather(make(**dict.fromkeys(names, source_db.conninfo())))
    assert [s.mover.source for s in statuses] == names
    assert all(status.readable for status in statuses)
