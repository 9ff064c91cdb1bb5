"""Events between PgQ and PgQue, on PostgreSQL 15 and 18: every pair, both ways.

"15" is the one that all tests use, whichever that is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import permutations

import psycopg
import pytest

from queue_mover.model import PGQ, PGQUE, Outcome, Policy, Result
from testbed.cluster import Cluster
from testbed.flavours import Place, install_flavour, pgque_sql
from testbed.programs import bindir_18
from tests.flavour.places import Way, require_pgque

KINDS = {"pgq15": PGQ, "pgq18": PGQ, "pgque15": PGQUE, "pgque18": PGQUE}


@pytest.fixture(scope="module")
def cluster_18(private_cluster: Callable[..., Cluster]) -> Cluster:
    """A server of PostgreSQL 18."""
    return private_cluster("v18", bindir=bindir_18())


@pytest.fixture(scope="module")
def places(source_cluster: Cluster, cluster_18: Cluster) -> Iterator[Mapping[str, Place]]:
    """A database of each kind; those of PgQue where there is one."""
    found = {}
    for name, flavour in KINDS.items():
        if flavour == PGQUE and pgque_sql() is None:
            continue
        cluster = cluster_18 if name.endswith("18") else source_cluster
        found[name] = Place(name, cluster.create_database(name), flavour)
        with found[name].database.connect() as conn:
            install_flavour(conn, flavour)
    yield found
    for place in found.values():
        if place.name.endswith("15"):
            source_cluster.drop_database(place.name)


def test_they_are_what_they_are_called(
    places: Mapping[str, Place], source: psycopg.Connection
) -> None:
    usual = source.info.server_version // 10000
    versions = {name: place.ask("show server_version") for name, place in places.items()}
    assert {name: int(text.split(".")[0]) for name, text in versions.items()} == {
        name: 18 if name.endswith("18") else usual for name in places
    }


@pytest.mark.parametrize(("source", "target"), list(permutations(KINDS, 2)))
def test_events_arrive_whole(places: Mapping[str, Place], source: str, target: str) -> None:
    # given a queue on each side, and a config that says nothing about flavours
    if PGQUE in (KINDS[source], KINDS[target]):
        require_pgque()
    way = Way(places[source], places[target], f"{source}_to_{target}").create_queues()
    # when
    with way.mover() as mover:
        for count in (300, 20):
            way.source.produce(way.queue, count)
            assert mover.move_batch() == Outcome(Result.MOVED, count)
        assert mover.move_batch() == Outcome(Result.IDLE)
        assert mover.move_batch() == Outcome(Result.IDLE)
        # then
        found = (mover.route.source_flavour, mover.route.target_flavour)
    assert found == (KINDS[source], KINDS[target])
    way.compare()
    # and so they do by insert_event, but for their time, and one by one where one does not fit
    way.target.reject(way.queue, "misfit 2")
    with way.mover(Policy(insert=True)) as mover:
        way.source.produce(way.queue, 9)
        assert mover.move_batch() == Outcome(Result.MOVED, 9)
    with way.mover(Policy(quarantine=True)) as mover:
        way.source.produce(way.queue, 3, "misfit")
        outcome = mover.move_batch()
    assert (outcome.count, len(outcome.quarantined)) == (2, 1)
    sides = (way.source.events(way.queue).read(), way.target.events(way.queue).read())
    sent, arrived = ([replace(event, time="") for event in events] for events in sides)
    assert arrived == [event for event in sent if event.data != "misfit 2"]


@pytest.mark.parametrize(("source", "target"), [("pgq15", "pgque18"), ("pgque18", "pgq15")])
def test_the_switches_work(places: Mapping[str, Place], source: str, target: str) -> None:
    require_pgque()
    way = Way(places[source], places[target], f"switches_{source}").create_queues()
    consumer = way.route.consumer
    # given a registration, and a batch on the target that a crash has left active on the source
    with way.registrar() as registrar:
        registrar.register()
    with way.mover() as mover:
        way.source.produce(way.queue, 10)
        mover.move_batch()
    # when
    with way.registrar() as registrar:
        registrar.rewind()
        registrar.accept_source()
    # then it resumes where it was
    with way.mover() as mover:
        way.source.produce(way.queue, 10)
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
    way.compare()
    with way.registrar() as registrar:
        registrar.unregister()
    assert way.source.ask("select count(*) from {pgq}.get_consumer_info(%s)", way.queue) == 0
    assert way.target.ask("select pgq_ext.get_last_tick(%s)", consumer) is None
