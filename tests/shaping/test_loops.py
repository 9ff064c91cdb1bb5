"""A -> B -> A: events that would go round for ever are refused where it can be seen."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.database import Database
from testbed.processes import Result, run, script, write_ini
from testbed.queues import create_queue, install_pgq_ext, produce, tick

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ring:
    """Two databases that are both source and target, with three queues each."""

    a: Database
    b: Database
    directory: Path
    number: int

    def queue(self, place: str) -> str:
        """The full name of a queue: "a1" is the first one of database a."""
        return f"ring{self.number}_{place}"

    def database(self, place: str) -> Database:
        """The database of a queue."""
        return self.a if place[0] == "a" else self.b

    def mover(self, way: str, *switches: str, **settings: object) -> Result:
        """Run the mover of a way, such as "a1 b2", until it has moved all."""
        start, end = way.split()
        ini = write_ini(
            self.directory / f"{start}{end}.ini",
            "queue_mover3",
            {
                "job_name": self.consumer(way),
                "src_db": self.database(start).conninfo(),
                "dst_db": self.database(end).conninfo(),
                "queue_name": self.queue(start),
                "dst_queue_name": self.queue(end),
                "loop_delay": 0,
                **settings,
            },
        )
        return run([script("queue_mover3"), *switches, ini])

    def consumer(self, way: str) -> str:
        """The consumer of a way."""
        return f"ring{self.number}_{way.replace(' ', '_')}"

    def registered(self, way: str) -> bool:
        """Whether the consumer of a way is registered."""
        with self.database(way).connect() as conn:
            found = conn.execute(
                "select from pgq.get_consumer_info(%s, %s)",
                [self.queue(way.split(maxsplit=1)[0]), self.consumer(way)],
            )
            return found.fetchone() is not None


@pytest.fixture(scope="module")
def databases(shared_databases: tuple[Database, Database]) -> tuple[Database, Database]:
    with shared_databases[0].connect() as conn:
        install_pgq_ext(conn)
    return shared_databases


@pytest.fixture
def ring(databases: tuple[Database, Database], tmp_path: Path) -> Iterator[Ring]:
    """With a mover from a1 to b2, which has run."""
    ring = Ring(*databases, tmp_path, next(_numbers))
    for place in ("a1", "a3", "b2"):
        with ring.database(place).connect() as conn:
            create_queue(conn, ring.queue(place))
    ring.mover("a1 b2").check()
    yield ring
    for database in databases:
        with database.connect() as conn:
            install_pgq_ext(conn)


def test_the_way_back_is_refused_and_another_way_is_not(ring: Ring) -> None:
    refused = ring.mover("b2 a1", ev_extra4="'b'")
    assert refused.returncode == 1
    text = (
        f'queue "{ring.queue("a1")}" of the target is moved back into queue "{ring.queue("b2")}"'
        f' by consumer "{ring.consumer("a1 b2")}": events would go round for ever; remedy: '
    )
    assert text in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not ring.registered("b2 a1")
    # another queue is no loop, nor is its mover when it starts again
    assert "round for ever" not in ring.mover("b2 a3").check().stderr
    assert "back" not in ring.mover("a1 b2").check().stderr
    # where the first mover is gone for good, the way back is free
    for way in ("a1 b2", "b2 a3"):
        ring.mover(way, "--unregister").check()
    ring.mover("b2 a1").check()
    # and now the first one is the way back
    assert ring.mover("a1 b2").returncode == 1


@pytest.mark.parametrize("end", [{"event_filter": "ev_extra4 is null"}, {"table_filter": "t"}])
def test_a_filter_on_either_mover_shows_intent(ring: Ring, end: dict[str, object]) -> None:
    # given one on the way back, then it starts, and the way there starts again
    ring.mover("b2 a1", **end).check()
    assert "for ever" not in ring.mover("a1 b2").check().stderr
    # when the filter has gone, its mover is refused, and that of the way there
    assert "round for ever" in ring.mover("b2 a1").stderr


def test_status_and_check_show_a_loop(ring: Ring) -> None:
    ring.mover("b2 a1", event_filter="true").check()
    for switch, places in (("--status", "findings"), ("--check", "topics")):
        result = ring.mover("b2 a1", switch, "--json")
        assert result.returncode == 1
        assert '"moved_in_a_loop"' in json.dumps(json.loads(result.stdout)), places
    assert '"moved_in_a_loop"' not in ring.mover("b2 a3", "--status", "--json").stdout


def test_two_queues_of_one_database(ring: Ring) -> None:
    ring.mover("a1 a3").check()
    assert "round for ever" in ring.mover("a3 a1").stderr
    assert not ring.registered("a3 a1")


def test_beside_a_mover_of_an_older_version_it_is_a_warning(ring: Ring) -> None:
    """It has not recorded its queue: perhaps it writes to another one."""
    with ring.b.connect() as conn:
        conn.execute("delete from queue_mover.route where consumer = %s", [ring.consumer("a1 b2")])
    result = ring.mover("b2 a1").check()
    (warning,) = [line for line in result.stderr.splitlines() if " WARNING " in line]
    assert f'perhaps into queue "{ring.queue("b2")}"; remedy: restart that mover' in warning


@pytest.mark.parametrize("end", ["a", "b"])
def test_with_an_older_schema_movers_work_and_see_nothing(ring: Ring, end: str) -> None:
    """What `pgqadm install` of an older version has made, on either side."""
    with ring.database(end).connect() as conn:
        conn.execute(
            "drop function queue_mover.set_route(text, text, boolean);"
            "drop function queue_mover.consumers_into(text); drop table queue_mover.route"
        )
    with ring.a.connect() as conn:
        produce(conn, ring.queue("a1"), 3)
        tick(conn, ring.queue("a1"))
    assert "count: 3" in ring.mover("a1 b2").check().stderr
    # when it is installed again, and the mover has started again, then a loop is seen
    with ring.database(end).connect() as conn:
        install_pgq_ext(conn)
    ring.mover("a1 b2").check()
    assert "round for ever" in ring.mover("b2 a1").stderr


def test_a_reader_sees_it(ring: Ring) -> None:
    """A role that may do no more on the source than read batches."""
    with ring.b.connect() as conn:
        conn.execute("drop role if exists ring_reader")
        conn.execute("create role ring_reader login in role pgq_reader")
        conn.execute("grant execute on function pg_control_system() to ring_reader")
    result = ring.mover("b2 a1", src_db=ring.b.conninfo(user="ring_reader"))
    assert "round for ever" in result.stderr
