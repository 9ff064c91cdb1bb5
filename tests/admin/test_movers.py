"""The table of a mover's sources: lag, backlog, the last tick on both sides."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from queue_mover.admin.health import Mark, Problem
from queue_mover.admin.movers import BEHIND, Standing, gather, lines
from queue_mover.config.settings import MoverSettings, load_mover
from testbed.database import Database
from testbed.ini import ini_text
from testbed.queues import create_queue, last_tick, produce, tick

Make = Callable[..., list[MoverSettings]]


@pytest.fixture
def make(tmp_path: Path, target_db: Database) -> Make:
    """Movers into target_db, by the connect strings of their sources."""

    def movers(main: dict[str, object] | None = None, **sources: str) -> list[MoverSettings]:
        settings: dict[str, object] = {"dst_db": target_db.conninfo(), "queue_name": "q",
                                       "dst_queue_name": "all"}  # fmt: skip
        # Each its own queue of the target: several of them may read the same source.
        sections = {
            f"source:{name}": {"src_db": text, "dst_queue_name": f"all_{name}"}
            for name, text in sources.items()
        }
        file = tmp_path / "job.ini"
        file.write_text(ini_text({"queue_mover3": {**settings, **(main or {})}, **sections}))
        return list(load_mover(file, {}).movers)

    return movers


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
    (standing,) = gather(make(a=source_db.conninfo()))
    # then
    assert standing.trouble == ""
    assert (standing.tick, standing.position) == (before, 77)
    assert standing.pending is not None
    assert standing.pending >= 10
    assert standing.lag is not None
    assert standing.last_seen is not None


def test_a_source_without_a_position(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    (standing,) = gather(make(a=source_db.conninfo()))
    assert (standing.trouble, standing.position) == ("", None)


@pytest.mark.parametrize(
    ("damage", "mark"),
    [
        ("update pgq.tick set tick_time = now() - interval '50 seconds'", Mark.TICKER),
        ("update pgq.queue set queue_ticker_paused = true", Mark.PAUSED),
        ("update pgq.queue set queue_external_ticker = true", None),
        ("update pgq.queue set queue_disable_insert = true", None),
    ],
)
def test_events_that_get_no_tick(
    make: Make, source: psycopg.Connection, source_db: Database, damage: str, mark: Mark | None
) -> None:
    # given a source whose events the mover cannot see
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    tick(source, "q")
    produce(source, "q", 10)
    source.execute(damage.encode())
    # when
    (standing,) = gather(make(a=source_db.conninfo()))
    # then
    assert (standing.trouble, standing.new) == ("", 10)
    assert [problem.mark for problem in standing.unticked] == ([mark] if mark else [])
    assert lines([standing])[-1].endswith(f"{1 if mark else 0} in trouble.")


def test_what_the_source_knows_is_shown_without_the_target(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    before = last_tick(source, "q")
    away = {"dst_db": "host=127.0.0.1 port=1"}
    (standing,) = gather(make(away, a=source_db.conninfo()))
    assert standing.trouble.startswith("target database not available: ")
    assert (standing.tick, standing.pending, standing.position) == (before, 0, None)
    assert standing.lag is not None


def test_a_source_without_the_queue(make: Make, source_db: Database) -> None:
    (standing,) = gather(make(a=source_db.conninfo()))
    assert standing.trouble == 'there is no queue "q"'


def test_troubles_are_told_and_keep_their_places(
    make: Make, source: psycopg.Connection, source_db: Database, target_db: Database
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.c')")
    there = source_db.conninfo()
    movers = make(a=there, b="host=127.0.0.1 port=1 password=hunter2", c=there)
    standings = gather(movers)
    assert [s.mover.source for s in standings] == ["a", "b", "c"]
    assert standings[0].trouble == 'consumer "job.a" is not registered'
    assert standings[1].trouble.startswith("source database not available: ")
    assert standings[2].trouble == ""
    assert "hunter2" not in "\n".join(lines(standings))


def test_a_source_without_pgq(make: Make, target_db: Database) -> None:
    """Given a database that has never seen PgQ, then that is its trouble, in one line."""
    (standing,) = gather(make(a=target_db.conninfo(dbname="postgres")))
    assert standing.trouble.startswith("source database: ")
    assert "\n" not in standing.trouble


def test_more_sources_than_are_asked_at_once(
    make: Make, source: psycopg.Connection, source_db: Database
) -> None:
    create_queue(source, "q")
    names = [f"s{number}" for number in range(40)]
    for name in names:
        source.execute("select pgq.register_consumer('q', %s)", [f"job.{name}"])
    standings = gather(make(**dict.fromkeys(names, source_db.conninfo())))
    assert [s.mover.source for s in standings] == names
    assert {s.trouble for s in standings} == {""}


def test_the_table(make: Make) -> None:
    a, b, c, d, e = make(**{name: f"dbname={name}" for name in "abcde"})
    dead = Problem(Mark.TICKER, "q", None, "no tick for 2m", "start one")
    standings = [
        Standing(a, 3.0, 0.5, 0, 3, 12, 12),
        Standing(b, BEHIND + 1, 5.0, 1000, 0, 7, 8),
        Standing(c, trouble="source database not available: refused"),
        Standing(d, BEHIND + 1, 3700.0, 0, 0, 1, None),
        Standing(e, BEHIND + 1, 5.0, 1, 90, 7, None, "target database not available", (dead,)),
    ]
    assert (
        "\n".join(lines(standings))
        == """\
     Source  Queue  Consumer    Lag  LastSeen  Pending  New  Tick  Target
-------------------------------------------------------------------------
     a       q      job.a        3s      0.5s        0    3    12      12
L    b       q      job.b     10m1s        5s     1000    0     7       8
!    c       q      job.c         -         -        -    -     -       -
     d       q      job.d     10m1s      1h1m        0    0     1       -
!TL  e       q      job.e     10m1s        5s        1   90     7       -

  !  c: source database not available: refused
  !  e: target database not available
  T  e: no tick for 2m; remedy: start one
5 sources, 1094 events waiting, 2 in trouble."""
    )


def test_one_is_not_many(make: Make) -> None:
    (a,) = make(a="dbname=a")
    assert lines([Standing(a, pending=1)])[-1] == "1 source, 1 event waiting, 0 in trouble."


def test_a_file_without_sections_is_called_by_its_job(make: Make) -> None:
    """Both in the table and in the line about its trouble."""
    (mover,) = make({"src_db": "dbname=a"})
    told = lines([Standing(mover, trouble="it is away")])
    assert told[2].split()[:2] == ["!", "job"]
    assert "  !  job: it is away" in told
