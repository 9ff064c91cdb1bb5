"""The table of a mover's sources: lag, backlog, the last tick on both sides."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from queue_mover.admin.movers import BEHIND, Standing, gather, lines
from queue_mover.config.settings import MoverSettings, load_mover
from testbed.database import Database
from testbed.queues import create_queue, last_tick, produce, tick
from tests.sources.texts import ini

Make = Callable[..., list[MoverSettings]]


@pytest.fixture
def make(tmp_path: Path, target_db: Database) -> Make:
    """Movers into target_db, by the connect strings of their sources."""

    def movers(main: dict[str, object] | None = None, **sources: str) -> list[MoverSettings]:
        settings: dict[str, object] = {"dst_db": target_db.conninfo(), "queue_name": "q",
                                       "dst_queue_name": "all"}  # fmt: skip
        sections = {f"source:{name}": {"src_db": text} for name, text in sources.items()}
        file = tmp_path / "job.ini"
        file.write_text(ini({"queue_mover3": {**settings, **(main or {})}, **sections}))
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
    a, b, c, d = make(a="dbname=a", b="dbname=b", c="dbname=c", d="dbname=d")
    standings = [
        Standing(a, 3.0, 0.5, 0, 12, 12),
        Standing(b, BEHIND + 1, 5.0, 1000, 7, 8),
        Standing(c, trouble="source database not available: refused"),
        Standing(d, BEHIND + 1, 3700.0, 0, 1, None),
    ]
    assert (
        "\n".join(lines(standings))
        == """\
   Source  Queue  Consumer    Lag  LastSeen  Pending  Tick  Target
------------------------------------------------------------------
   a       q      job.a        3s      0.5s        0    12      12
L  b       q      job.b     10m1s        5s     1000     7       8
!  c       q      job.c         -         -        -     -       -
   d       q      job.d     10m1s      1h1m        0     1       -

  !  c: source database not available: refused
4 sources, 1000 events waiting, 1 in trouble."""
    )


def test_a_file_without_sections_is_called_by_its_job(make: Make) -> None:
    """Both in the table and in the line about its trouble."""
    (mover,) = make({"src_db": "dbname=a"})
    told = lines([Standing(mover, trouble="it is away")])
    assert told[2].split()[:2] == ["!", "job"]
    assert "  !  job: it is away" in told
