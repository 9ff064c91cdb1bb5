"""The text of pgqadm status."""

from dataclasses import replace

from queue_mover.observation.database import DatabaseStatus, Quarantine
from queue_mover.observation.database_findings import problems
from queue_mover.reporting.database_report import status_lines
from tests.observation.test_database_findings import CONSUMER, QUEUE

WELL = DatabaseStatus(
    database="db",
    postgresql="15.1",
    is_standby=False,
    pgq="3.5",
    pgq_ext="3.1",
    queues=(replace(QUEUE, name="orders", events_per_second=12.34, new_events=7),),
    consumers=(replace(CONSUMER, queue="orders", name="mover", pending=1234),),
    quarantined=(),
)


def report(status: DatabaseStatus) -> list[str]:
    """The text, as with the default of trouble_after."""
    return status_lines(status, problems(status, 300))


def test_all_is_well() -> None:
    assert (
        "\n".join(report(WELL))
        == """\
Database "db": PostgreSQL 15.1, PgQ 3.5, pgq_ext 3.1

Queue   Rotation  Ticker     TLag   EPS  New
--------------------------------------------
orders  1/3 2h    500/3s/1m    5s  12.3    7

Consumer  Lag  LastSeen  Pending  Tick
--------------------------------------
orders:
  mover    5s        5s     1234   100

No problems found."""
    )


def test_what_is_wrong_is_marked_and_explained() -> None:
    status = replace(
        WELL,
        queues=(
            replace(QUEUE, name="a", since_tick=7200, since_rotation=3 * 3600),
            replace(QUEUE, name="b", external_ticker=True, events_per_second=None),
        ),
        consumers=(
            replace(
                CONSUMER,
                queue="a",
                since_seen=86400,
                last_tick=9,
                pending=3,
                holds=True,
                waiting=86400,
            ),
        ),
    )
    assert (
        "\n".join(report(status))
        == """\
Database "db": PostgreSQL 15.1, PgQ 3.5, pgq_ext 3.1

Queue  Rotation  Ticker     TLag  EPS  New
----------------------------------------------
a      1/3 2h    500/3s/1m    2h    1    0  TR
b      1/3 2h    external     5s    -    0

Consumer  Lag  LastSeen  Pending  Tick
-----------------------------------------
a:
  c        5s        1d        3     9  C
b:
  no consumers

Problems:
  T  a: no tick for 2h, one was due after 1m
       remedy: start pgqd, or pgqadm.py CONFIG ticker
  R  a: rotation overdue by 1h, held back by c
       remedy: let it catch up, or unregister it
  C  a/c: not seen for 1d, 3 events waiting
       remedy: start it, or unregister it if it is no longer needed"""
    )


def test_usual_names_and_large_numbers_fit_into_100_columns() -> None:
    queue = replace(
        QUEUE,
        name="a_name_of_thirty_characters___",
        rotation_period=129600,
        max_count=100000,
        since_tick=100 * 86400,
        events_per_second=123456.7,
        new_events=10**9,
    )
    consumer = replace(
        CONSUMER,
        queue=queue.name,
        name=queue.name,
        lag=100 * 86400,
        since_seen=100 * 86400,
        pending=10**10,
        last_tick=10**10,
    )
    lines = report(replace(WELL, queues=(queue,), consumers=(consumer,)))
    assert max(map(len, lines)) <= 100


def test_long_names_keep_the_columns_aligned() -> None:
    queues = (replace(QUEUE, name="x" * 120), replace(QUEUE, name="short"))
    lines = report(replace(WELL, queues=queues, consumers=()))
    assert lines[4].index("1/3 2h") == lines[5].index("1/3 2h") == lines[2].index("Rotation")


def test_database_without_queues() -> None:
    status = replace(WELL, queues=(), consumers=(), is_standby=True, pgq_ext=None)
    assert report(status) == [
        'Database "db", a standby: PostgreSQL 15.1, PgQ 3.5, no pgq_ext',
        "",
        "No queues.",
        "",
        "No problems found.",
    ]


def test_quarantine_and_a_database_that_pgqd_ignores() -> None:
    status = replace(WELL, queues=(), consumers=(), pgq=None,
                     quarantined=(Quarantine("job.a", 12, 7200.0),))  # fmt: skip
    assert (
        "\n".join(report(status))
        == """\
Database "db": PostgreSQL 15.1, PgQ of unknown version, pgq_ext 3.1

No queues.

Quarantined from  Events  Oldest
-----------------------------------
job.a                 12      2h  Q

Problems:
  V  pgq.version() returns NULL, so pgqd ignores this database
       remedy: pgqadm.py CONFIG install
  Q  job.a: 12 events in quarantine
       remedy: SELECT * FROM queue_mover.quarantine WHERE consumer = 'job.a'; re-insert \
what can be repaired with pgq.insert_event, then DELETE the rows"""
    )
