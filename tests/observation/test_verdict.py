"""Where a source is slow, as a table of what both sides say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from queue_mover.config.settings import MoverSettings
from queue_mover.model import PGQ, BatchLimits, Position
from queue_mover.observation.activity import Activity, LastError, Process, Session, State
from queue_mover.observation.source_findings import judge
from queue_mover.observation.sources import SourceStatus
from queue_mover.observation.target_queues import TargetQueue
from queue_mover.observation.verdict import NOTHING, Cause, verdict
from tests.config.files import load, only
from tests.observation.test_database_findings import CONSUMER, QUEUE
from tests.observation.test_source_findings import AT_100, SOURCE, TARGET

IDLE = Session(
    pid=11,
    application="mover",
    address="10.0.0.5",
    port=4001,
    state="idle",
    since=1.0,
    wait_type="Client",
    wait="ClientRead",
    holds_lock=False,
    is_near=True,
    blocked_by=(),
)
HOLDER = replace(IDLE, pid=22, state="active", since=40.0, wait_type="", wait="", holds_lock=True)
PSQL = replace(IDLE, pid=33, application="psql", state="idle in transaction", since=720.0)
HERE = Process(4711, frozenset({4001}))
RUNNING = Activity(HERE, source=(IDLE,), records=True)
BEHIND = replace(CONSUMER, pending=50, waiting=11.0)
NEW = replace(QUEUE, new_events=7)
READS = TargetQueue("dbname=central", "all", PGQ, queue=QUEUE, consumers=(CONSUMER,))
LATE_READER = replace(CONSUMER, name="loader", pending=9, waiting=61.0)


def moving(**changes: Any) -> Activity:
    """A mover with a batch on its way, and how its session on the target differs."""
    return replace(RUNNING, target=(replace(HOLDER, **changes),))


def failing(message: str, **changes: Any) -> Activity:
    """A mover that fails."""
    error = LastError(message, "db7", 99, began=300.0, seen=5.0, recovered=None)
    return Activity(last_error=replace(error, **changes))


def reads(**changes: Any) -> TargetQueue:
    """The target queue, with a difference."""
    return replace(READS, **changes)


CASES: list[tuple[str, dict[str, Any], TargetQueue | None, Cause, str]] = [
    ("all is well", {}, READS, Cause.NOTHING, "nothing is slow"),
    ("the target queue is not known", {}, None, Cause.NOTHING, "nothing"),
    # the ticker of the source comes first: what it does not tick, nobody sees
    ("no ticks", {"queue": replace(NEW, since_tick=34.0)}, READS, Cause.TICKER, "no tick for 34s"),
    ("a tick is due", {"queue": replace(NEW, since_tick=33.0)}, READS, Cause.NOTHING, ""),
    (
        "paused, and not running",
        {"queue": replace(NEW, ticker_paused=True), "activity": Activity()},
        READS,
        Cause.TICKER,
        "source queue: ticker paused",
    ),
    # the mover
    ("not registered", {"consumer": None, "position": None}, READS, Cause.MOVER, "not registered"),
    ("does not fit", {"position": Position(7)}, READS, Cause.MOVER, "the target has tick 7"),
    (
        "stopped",
        {"consumer": BEHIND, "queue": NEW, "activity": Activity()},
        READS,
        Cause.MOVER,
        "not running, 57 events waiting",
    ),
    ("stopped, with nothing to do", {"activity": Activity()}, READS, Cause.NOTHING, ""),
    (
        "fails",
        {"consumer": BEHIND, "activity": failing("batch 7 is lost; remedy: find it")},
        READS,
        Cause.MOVER,
        "failing for 5m (db7, pid 99): batch 7 is lost",
    ),
    (
        "recovered",
        {"consumer": BEHIND, "activity": replace(failing("x", recovered=1.0), process=HERE)},
        READS,
        Cause.MOVER,
        "process 4711 runs, without a session on the source",
    ),
    ("a little behind", {"consumer": replace(BEHIND, waiting=10.0)}, READS, Cause.NOTHING, ""),
    ("behind", {"consumer": BEHIND}, READS, Cause.MOVER, "50 events behind"),
    (
        "behind, and moving",
        {
            "consumer": replace(BEHIND, batch=1, batch_end=101),
            "activity": replace(RUNNING, events_per_second=25.0, since_batch=10.0),
        },
        READS,
        Cause.MOVER,
        "moving 25 events a second",
    ),
    (
        "a batch that does not reach the target",
        {"consumer": replace(BEHIND, batch=1, batch_end=101, since_seen=30.0)},
        READS,
        Cause.MOVER,
        "its batch, taken 30s ago, has not reached the target",
    ),
    (
        "a batch that waits for a connection, which a lock blocks",
        {
            "consumer": replace(BEHIND, batch=1, batch_end=101, since_seen=30.0),
            "activity": replace(
                RUNNING,
                target=(
                    IDLE,
                    replace(HOLDER, holds_lock=False, wait_type="Lock", blocked_by=(33,)),
                ),
                blockers=(PSQL,),
            ),
        },
        READS,
        Cause.TARGET,
        "taken 30s ago, waits for a connection, blocked on the target by pid 33",
    ),
    (
        "the source is slow",
        {
            "consumer": BEHIND,
            "activity": replace(
                moving(wait_type="Client", wait="ClientRead"),
                source=(replace(IDLE, state="active", wait_type="IO", wait="DataFileRead"),),
            ),
        },
        READS,
        Cause.MOVER,
        "it waits for the source: pid 11 (mover from 10.0.0.5) waits for IO: DataFileRead",
    ),
    (
        "the mover is slow",
        {"consumer": BEHIND, "activity": moving(wait_type="Client", wait="ClientRead")},
        READS,
        Cause.MOVER,
        "both servers wait for pid 22",
    ),
    # the target
    (
        "away",
        {"target_error": "target database: away", "target": None, "position": None},
        None,
        Cause.TARGET,
        "target database: away",
    ),
    (
        "no queue there",
        {"target": replace(TARGET, queue_exists=False)},
        READS,
        Cause.TARGET,
        "target database: no queue",
    ),
    (
        "the target fails",
        {"consumer": BEHIND, "activity": failing("target database: disk full")},
        READS,
        Cause.TARGET,
        "target database: disk full",
    ),
    (
        "blocked",
        {
            "consumer": BEHIND,
            "activity": replace(moving(wait_type="Lock", blocked_by=(33,)), blockers=(PSQL,)),
        },
        READS,
        Cause.TARGET,
        "blocked on the target by pid 33 (psql from 10.0.0.5), idle in transaction for 12m",
    ),
    (
        "blocked by nobody",
        {"consumer": BEHIND, "activity": moving(wait_type="Lock", blocked_by=(0,))},
        READS,
        Cause.TARGET,
        "a prepared transaction",
    ),
    (
        "the target's disk",
        {"consumer": BEHIND, "activity": moving(wait_type="IO", wait="DataFileExtend")},
        READS,
        Cause.TARGET,
        "pid 22 (mover from 10.0.0.5), waits for IO: DataFileExtend",
    ),
    (
        "a trigger",
        {"consumer": BEHIND, "activity": moving()},
        READS,
        Cause.TARGET,
        "is active without a wait event",
    ),
    # who reads from it
    (
        "no ticks there",
        {},
        reads(queue=replace(NEW, since_tick=34.0)),
        Cause.TICKER,
        'target queue "all": no tick for 34s',
    ),
    (
        "nobody reads",
        {},
        reads(consumers=(CONSUMER, replace(LATE_READER, since_seen=61.0))),
        Cause.READER,
        'consumer "loader" of target queue "all" has not read for 1m1s, 9 events waiting',
    ),
    (
        "somebody reads slowly",
        {},
        reads(consumers=(LATE_READER,)),
        Cause.READER,
        "is 9 events behind, the oldest waiting for 1m1s",
    ),
    ("in time", {}, reads(consumers=(replace(LATE_READER, waiting=60.0),)), Cause.NOTHING, ""),
    # it cannot be known
    (
        "the source is away",
        {"source_error": "source database: away", "queue": None, "consumer": None},
        READS,
        Cause.UNKNOWN,
        "source database: away",
    ),
]


@pytest.fixture
def mover(tmp_path: Path) -> MoverSettings:
    """A mover with the defaults."""
    return only(load(tmp_path))


@pytest.mark.parametrize(
    ("changes", "target", "cause", "words"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_where_it_is_slow(
    mover: MoverSettings,
    changes: dict[str, Any],
    target: TargetQueue | None,
    cause: Cause,
    words: str,
) -> None:
    well = SourceStatus(
        mover, QUEUE, CONSUMER, SOURCE, TARGET, position=AT_100, quarantined=0, activity=RUNNING
    )
    status = replace(well, **changes)
    found = verdict(status, judge(status), target)
    assert (found.cause, words in found.text) == (cause, True), found
    assert found == NOTHING or found.remedy


def test_what_a_mover_leaves_on_purpose_is_not_slow(mover: MoverSettings) -> None:
    lazy = replace(mover, limits=BatchLimits(keep_lag="1 minute"))
    status = SourceStatus(
        lazy, QUEUE, BEHIND, SOURCE, TARGET, position=AT_100, activity=RUNNING, keep_lag=60.0
    )
    assert verdict(status, judge(status), READS).cause is Cause.NOTHING
    late = replace(status, consumer=replace(BEHIND, waiting=71.0))
    assert verdict(late, judge(late), READS).cause is Cause.MOVER


FAR = replace(IDLE, address="10.0.0.9", port=5001, is_near=False)
FAR_HOLDER = replace(FAR, holds_lock=True, state="active")
STATES: list[tuple[str, Activity, bool, State, list[Session]]] = [
    ("here", RUNNING, True, State.HERE, []),
    ("here and there", replace(RUNNING, source=(IDLE, FAR)), True, State.HERE, [FAR]),
    ("a partner's batch", replace(RUNNING, target=(FAR_HOLDER,)), True, State.STANDBY,
     [FAR_HOLDER]),
    ("our own batch", replace(RUNNING, target=(replace(HOLDER),)), True, State.HERE, []),
    # another process of the same machine has other ports
    ("a neighbour", replace(RUNNING, target=(IDLE, replace(HOLDER, port=4002))), True,
     State.STANDBY, [replace(HOLDER, port=4002)]),
    # behind a pooler no port is ours
    ("a pooler", replace(RUNNING, process=Process(4711, frozenset({1}))), True, State.HERE, []),
    ("there", Activity(source=(FAR,)), True, State.ELSEWHERE, [FAR]),
    ("nowhere", Activity(), True, State.STOPPED, []),
    ("between two attempts", failing("away"), True, State.RETRYING, []),
    ("no more attempts", failing("away", seen=91.0), True, State.STOPPED, []),
    ("not known", Activity(), False, State.UNKNOWN, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("activity", "readable", "state", "others"),
    [case[1:] for case in STATES],
    ids=[case[0] for case in STATES],
)
def test_who_runs(
    activity: Activity, *, readable: bool, state: State, others: list[Session]
) -> None:
    assert (activity.state(readable=readable), list(activity.others)) == (state, others)
