"""What counts as trouble with a mover's source, as a table; and the table that shows it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from queue_mover.config.settings import MoverSettings
from queue_mover.model import PGQ, BatchLimits, Position
from queue_mover.observation.activity import Activity, LastError, Process
from queue_mover.observation.findings import Code, Severity
from queue_mover.observation.overview import SourceView
from queue_mover.observation.side_states import ServerState, SourceState, TargetState
from queue_mover.observation.source_findings import judge
from queue_mover.observation.sources import SourceStatus
from queue_mover.observation.target_queues import TargetQueue
from queue_mover.observation.verdict import NOTHING, Cause, Verdict
from queue_mover.reporting.source_report import lines
from tests.config.files import load, only
from tests.observation.test_database_findings import CONSUMER, QUEUE

LATE = replace(CONSUMER, waiting=400.0, since_seen=400.0, pending=7)
SLOW = replace(LATE, since_seen=5.0)
SERVER = ServerState(standby=False, read_only=False, encoding="UTF8", role="mover")
SOURCE = SourceState(
    SERVER, has_pgq=True, queue_exists=True, may_read=True, registered=True, identity="here"
)
TARGET = TargetState(
    SERVER,
    has_pgq=True,
    has_pgq_ext=True,
    queue_exists=True,
    may_copy=True,
    may_insert=True,
    may_record=True,
    remembers=True,
)
AT_100, ELSEWHERE = Position(100), Position(1)
BUSY = replace(CONSUMER, batch=9, batch_end=105)


@pytest.fixture
def mover(tmp_path: Path) -> MoverSettings:
    """A mover with the defaults."""
    return only(load(tmp_path))


CASES: list[tuple[dict[str, Any], dict[str, Any], list[Code]]] = [
    ({}, {}, []),
    ({}, {"queue": None, "source": replace(SOURCE, queue_exists=False)}, [Code.QUEUE_MISSING]),
    ({}, {"queue": None, "source_error": "source database: away"}, [Code.UNREADABLE]),
    ({}, {"queue": replace(QUEUE, ticker_paused=True)}, [Code.TICKER_PAUSED]),
    ({}, {"queue": replace(QUEUE, inserts_disabled=True)}, []),
    ({}, {"consumer": None, "position": None}, [Code.CONSUMER_NOT_REGISTERED]),
    ({}, {"consumer": None}, [Code.CONSUMER_NOT_REGISTERED]),
    # late: dead, or slow
    ({}, {"consumer": LATE}, [Code.CONSUMER_NOT_SEEN]),
    ({}, {"consumer": SLOW}, [Code.CONSUMER_LAGGING]),
    (
        {},
        {"consumer": LATE, "target_error": "target database: away"},
        [Code.UNREADABLE, Code.CONSUMER_NOT_SEEN],
    ),
    # late and without a position; a fresh one has none either
    (
        {},
        {"consumer": LATE, "position": None},
        [Code.CONSUMER_NOT_SEEN, Code.TARGET_POSITION_MISSING],
    ),
    ({}, {"position": None}, []),
    # the two sides
    ({}, {"position": Position(99)}, [Code.TICKS_DO_NOT_FIT]),
    ({}, {"position": Position(105)}, [Code.TICKS_DO_NOT_FIT]),
    ({}, {"consumer": BUSY, "position": Position(105)}, []),
    ({}, {"consumer": BUSY, "position": Position(101)}, [Code.TICKS_DO_NOT_FIT]),
    ({}, {"position": Position(99), "moving": True}, []),
    ({}, {"quarantined": 2, "quarantined_since": 9.0}, [Code.QUARANTINE]),
    ({}, {"quarantined": None}, []),
    # what the mover leaves on purpose
    ({"keep_lag": "2 minutes"}, {"consumer": LATE, "keep_lag": 120.0}, []),
    ({"keep_lag": "1 minute"}, {"consumer": LATE, "keep_lag": 60.0}, [Code.CONSUMER_NOT_SEEN]),
    ({"min_interval": "2 minutes"}, {"consumer": LATE, "min_interval": 120.0}, []),
    ({"min_events": 8}, {"consumer": LATE}, []),
    ({"min_events": 7}, {"consumer": LATE}, [Code.CONSUMER_NOT_SEEN]),
    (
        {"min_events": 8, "min_interval": "1 minute"},
        {"consumer": LATE, "min_interval": 60.0},
        [Code.CONSUMER_NOT_SEEN],
    ),
]


@pytest.mark.parametrize(("limits", "changes", "codes"), CASES)
def test_a_source(
    mover: MoverSettings, limits: dict[str, Any], changes: dict[str, Any], codes: list[Code]
) -> None:
    mover = replace(mover, limits=BatchLimits(**limits))
    well = SourceStatus(mover, QUEUE, CONSUMER, SOURCE, TARGET, position=AT_100, quarantined=0)
    found = judge(replace(well, **changes))
    assert [finding.code for finding in found] == codes
    assert all(finding.remedy and finding.place.source == "mover" for finding in found)


def test_trouble_after_is_the_movers_own(mover: MoverSettings) -> None:
    source = SourceStatus(replace(mover, trouble_after=400.0), QUEUE, LATE, position=AT_100)
    assert judge(source) == []


def test_a_source_of_several_is_named_in_the_command(mover: MoverSettings) -> None:
    (finding,) = judge(
        SourceStatus(replace(mover, source="riga"), QUEUE, CONSUMER, position=ELSEWHERE)
    )
    assert "queue_mover3 --rewind CONFIG --source riga" in finding.remedy
    (finding,) = judge(SourceStatus(mover, QUEUE, CONSUMER, position=ELSEWHERE))
    assert "queue_mover3 --rewind CONFIG" in finding.remedy


def test_who_must_not_register_by_itself_is_told_the_switch(mover: MoverSettings) -> None:
    fresh = SourceStatus(mover, QUEUE, None)
    assert judge(fresh)[0].remedy == "start it: queue_mover3 -d CONFIG"
    forbidden = replace(mover, policy=replace(mover.policy, auto_register=False))
    assert judge(replace(fresh, mover=forbidden))[0].remedy == "queue_mover3 --register CONFIG"


def view(source: SourceStatus) -> SourceView:
    return SourceView(source, tuple(judge(source)))


BROKEN = LastError("no room", "db7", 47, began=300.0, seen=300.0, recovered=240.0)
AT_WORK = Activity(Process(47, frozenset()), events_per_second=25.0, last_error=BROKEN)
READERS = TargetQueue("dbname=central", "all", PGQ, queue=QUEUE, consumers=(CONSUMER,))


def test_the_table(mover: MoverSettings) -> None:
    a, b, c, d, e = (replace(mover, source=name) for name in "abcde")
    late = replace(LATE, pending=1000, batch=1, batch_end=100)
    sources_seen = [
        SourceStatus(a, replace(QUEUE, new_events=3), CONSUMER, position=AT_100, quarantined=0),
        SourceStatus(b, QUEUE, late, position=AT_100, quarantined=12, quarantined_since=5.0,
                     activity=AT_WORK),
        SourceStatus(c, source_error="source database not available: refused"),
        SourceStatus(d, QUEUE, CONSUMER, quarantined=0),
        SourceStatus(e, replace(QUEUE, ticker_paused=True), SLOW, target_error="target: away"),
    ]  # fmt: skip
    verdicts = {"b": Verdict(Cause.MOVER, "behind", "wait"), "e": Verdict(Cause.TICKER, "x", "y")}
    views = [replace(view(each), verdict=verdicts.get(each.name, NOTHING)) for each in sources_seen]
    assert (
        "\n".join(lines(views, [READERS]))
        == """\
Source  Queue      Consumer  State    Lag  LastSeen  Pending  New  EPS  Batch  Tick  Target  \
Quarantined
-----------------------------------------------------------------------------------------------\
--------------
a       from_here  mover     stopped   5s        5s        0    3    -      -   100     100  \
          0
b       from_here  mover     here 47   5s     6m40s     1000    0   25  6m40s   100     100  \
         12  CQ
c       from_here  mover     ?          -         -        -    -    -      -     -       -  \
          -  ?
d       from_here  mover     stopped   5s        5s        0    0    -      -   100       -  \
          0
e       from_here  mover     ?         5s        5s        7    0    -      -   100       -  \
          -  ?PL

Slow: ticker: e: x; remedy: y
Slow: mover: b: behind; remedy: wait

Last error of b, 5m ago (db7, pid 47), recovered 4m ago: no room

Target dbname=central:
Target queue  Consumer  Lag  LastSeen  Pending  Tick
----------------------------------------------------
all           c          5s        5s        0   100

  C  b: not seen for 6m40s, 1000 events waiting; remedy: start its mover: queue_mover3 -d CONFIG; \
its log shows why it ended
  Q  b: 12 events in quarantine; remedy: SELECT * FROM queue_mover.quarantine WHERE consumer = \
'mover'; re-insert what can be repaired with pgq.insert_event, then DELETE the rows
  ?  c: source database not available: refused; remedy: check the server and the connect string
  ?  e: target: away; remedy: check the server and the connect string
  P  e: ticker paused: consumers get no new events; remedy: SELECT pgq.set_queue_config('q', \
'ticker_paused', 'false')
  L  e: lagging: 7 events waiting for up to 6m40s; remedy: check its log for errors, and the \
load on whatever it writes to; if it lags on purpose, raise trouble_after
5 sources, 1010 events waiting, 12 in quarantine, 3 in trouble."""
    )


def test_many_sources_with_one_trouble_are_one_line(mover: MoverSettings) -> None:
    away = "target database not available: refused"
    many = [
        SourceStatus(replace(mover, source=f"s{n}"), QUEUE, CONSUMER, target_error=away)
        for n in range(50)
    ]
    stuck = Verdict(Cause.TARGET, "stuck for 5s", "free it")
    text = lines([replace(view(each), verdict=stuck) for each in many])
    told = [line for line in text if "and 42 more" in line]
    assert told == [
        "Slow: target: s0, s1, s2, s3, s4, s5, s6, s7 and 42 more: stuck for 5s; remedy: free it",
        f"  ?  s0, s1, s2, s3, s4, s5, s6, s7 and 42 more: {away};"
        " remedy: check the server and the connect string",
    ]


def test_one_is_not_many_and_a_warning_is_no_trouble(mover: MoverSettings) -> None:
    one = replace(CONSUMER, pending=1)
    source = SourceStatus(mover, QUEUE, one, position=AT_100, quarantined=1)
    (finding,) = judge(source)
    assert finding.severity is Severity.WARNING
    assert lines([view(source)])[-1] == "1 source, 1 event waiting, 1 in quarantine, 0 in trouble."
