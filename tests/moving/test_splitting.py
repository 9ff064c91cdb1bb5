"""dst_queue_field: each event goes to the target queue that it names."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from queue_mover.errors import BadEventError, NotReadyError
from queue_mover.model import Outcome, Policy, Result
from testbed.events import Event, insert_events
from testbed.queues import create_queue, install_pgq_ext
from tests.moving.pair import Pair
from tests.moving.splitter import Splitter, numbered, transactions, without_time
from tests.moving.test_fields import FIELD_NAMES, TEXTS, with_fields

QUARANTINE = "or on_bad_event = quarantine moves the batch without it"


@pytest.fixture
def splitter(queues: Pair) -> Iterator[Splitter]:
    """Three target queues in shared databases; the consumer is registered."""
    made = Splitter(queues, *(f"public.{queues.target_queue}_{letter}" for letter in "abc"))
    made.register()
    yield made
    made.close()


def rejecting(splitter: Splitter) -> None:
    """Make the second target queue reject events that say so."""
    number = splitter.pair.target.execute(
        "select queue_data_pfx from pgq.queue where queue_name = %s", [splitter.queues[1]]
    ).fetchone()
    assert number is not None
    splitter.pair.target.execute(
        f"alter table {number[0]}_0 add check (ev_data <> 'rejected')".encode()
    )


def test_each_event_arrives_once_unchanged_in_order_in_the_queue_it_names(
    splitter: Splitter,
) -> None:
    # given batches of events of all three queues, with every kind of text in the other fields
    kinds = [with_fields({name: text}) for name in FIELD_NAMES for text in (*TEXTS, None)]
    named = [replace(e, extra1=splitter.queues[n % 3]) for n, e in enumerate(kinds)]
    splitter.pair.insert(*named)
    splitter.pair.insert(*numbered(1000, splitter.queues))
    # when
    moved = splitter.move(max_events=0)
    # then, and each batch was one transaction
    assert moved == [Outcome(Result.MOVED, len(named)), Outcome(Result.MOVED, 1000)]
    splitter.assert_identical()
    assert splitter.count() == len(named) + 1000
    assert transactions(splitter) == 2
    assert splitter.pair.subscription() == (splitter.pair.position, None, None)


NAMES = [
    "it's",
    'a "b"',
    "back\\slash",
    "täble.表",
    "two words",
    "x" * 300,
    "UPPER",
    "100%",
    "a\tb",
]


def test_any_name_of_a_queue_and_fifty_queues_in_a_batch(queues: Pair) -> None:
    splitter = Splitter(queues, *NAMES, *(f"queue{n}" for n in range(42)))
    splitter.register()
    events = numbered(1000, splitter.queues)
    queues.insert(*events)
    splitter.move()
    assert {queue: splitter.arrived(queue) for queue in splitter.queues} == {
        queue: [event for event in events if event.extra1 == queue] for queue in splitter.queues
    }
    assert transactions(splitter) == 1
    splitter.close()


@pytest.mark.parametrize("column", ["type", "data", "extra4"])
def test_another_field(splitter: Splitter, column: str) -> None:
    fields: list[dict[str, Any]] = [
        {"data": str(n), column: splitter.queues[n % 3]} for n in range(9)
    ]
    splitter.pair.insert(*(Event(**each) for each in fields))
    splitter.move(field=f"ev_{column}")
    for queue in splitter.queues:
        assert splitter.arrived(queue) == splitter.wanted(queue, column) != []


def test_large_events_keep_their_order_among_small_ones(splitter: Splitter) -> None:
    """A large event is not collected with the others; more than the bound is written early."""
    sizes = (10, 3_000_000, 10, 400_000, 1_100_000, 10, 9_000_000, 10)
    splitter.pair.insert(
        *(
            Event(data=f"{n}" + "x" * size, extra1=splitter.queues[n % 3])
            for n, size in enumerate(sizes * 3)
        )
    )
    splitter.move()
    for queue in splitter.queues:
        assert splitter.arrived(queue) == splitter.wanted(queue) != []
    assert transactions(splitter) == 1


def test_as_written_in_the_file_with_a_table_filter(splitter: Splitter) -> None:
    a, _, c = splitter.queues
    splitter.pair.insert(*numbered(1300, [*splitter.queues, "public.not_here"]))
    table_filter = f"{a.removeprefix('public.')}, {c}"
    result = splitter.command(write_with="insert_event", table_filter=table_filter).check()
    for queue in (a, c):
        wanted = without_time(splitter.wanted(queue))
        assert without_time(splitter.arrived(queue)) == wanted != []
    assert splitter.count() == 650
    assert "{count: 650, duration: " in result.stderr


# Events that name no queue

REFUSED = {
    "a queue that does not exist": (
        "nowhere",
        'ev_extra1 names queue "nowhere", which the target does not have;'
        f" remedy: pgqadm.py CONFIG create nowhere, {QUARANTINE}",
    ),
    "a hostile one": (
        "no where\n",
        'ev_extra1 names queue "no where", which the target does not have;'
        f" remedy: pgqadm.py CONFIG create 'no where', {QUARANTINE}",
    ),
    "none": (None, f"ev_extra1 is empty or NULL and names no queue; remedy: {QUARANTINE[3:]}"),
    "empty": ("", f"ev_extra1 is empty or NULL and names no queue; remedy: {QUARANTINE[3:]}"),
}


@pytest.mark.parametrize("insert", [False, True], ids=["copy", "insert_event"])
@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_the_event_and_the_remedy(
    splitter: Splitter, case: str, insert: bool
) -> None:
    name, words = REFUSED[case]
    good = Event(type="t", data="good", extra1=splitter.queues[0])
    splitter.pair.insert(good, good, Event(type="order", data="bad", extra1=name), good)
    bad = splitter.pair.source_events.read()[2]
    # when
    with pytest.raises(BadEventError) as refusal:
        splitter.move(policy=Policy(insert=insert))
    # then it is named in one line, and nothing was written
    assert str(refusal.value).startswith(f"event {bad.id} (")
    assert str(refusal.value).endswith(f", type order): {words}")
    assert splitter.count() == 0


@pytest.mark.parametrize("insert", [False, True], ids=["copy", "insert_event"])
def test_quarantine_keeps_them_aside_and_moves_the_rest(splitter: Splitter, insert: bool) -> None:
    # given events that name no queue, and one that the target rejects
    rejecting(splitter)
    b = splitter.queues[1]
    splitter.pair.insert(*numbered(1200, [*splitter.queues, None, "nowhere", ""]))
    splitter.pair.insert(Event(data="x", extra1=b), Event(data="rejected", extra1=b))
    # when
    moved = splitter.move(policy=Policy(insert=insert, quarantine=True), max_events=0)
    # then everything is either there or kept aside with the reason
    assert [(outcome.count, len(outcome.quarantined)) for outcome in moved] == [(600, 600), (1, 1)]
    for queue in splitter.queues:
        wanted = [event for event in splitter.wanted(queue) if event.data != "rejected"]
        assert without_time(splitter.arrived(queue)) == without_time(wanted) != []
    every = splitter.pair.source_events.read()
    aside = [event for event in every if event.extra1 not in splitter.queues] + every[-1:]
    kept = splitter.quarantined()
    assert [number for number, _, _ in kept] == [event.id for event in aside]
    reasons = {name: str(reason) for _, name, reason in kept}
    for name in (None, b""):
        assert reasons[name] == "ev_extra1 is empty or NULL and names no queue"
    assert reasons[b"nowhere"] == 'ev_extra1 names queue "nowhere", which the target does not have'
    assert "violates check constraint" in reasons[b.encode()]
    assert splitter.pair.subscription() == (splitter.pair.position, None, None)


def test_an_event_that_the_target_rejects_is_named_with_its_queue(splitter: Splitter) -> None:
    # given more events than are collected, and then a bad one
    rejecting(splitter)
    b = splitter.queues[1]
    pair = splitter.pair
    insert_events(pair.source, pair.queue, numbered(50, splitter.queues, "x" * 200_000))
    pair.insert(*numbered(7, splitter.queues), Event(data="rejected", extra1=b))
    bad = pair.source_events.read()[-1]
    # when
    with pytest.raises(BadEventError) as refusal:
        splitter.move()
    # then
    assert f"the target rejected event {bad.id} (" in str(refusal.value)
    assert f'for queue "{b}": ' in str(refusal.value)
    assert splitter.count() == 0


def test_a_queue_created_later_gets_its_events(splitter: Splitter) -> None:
    later = f"{splitter.queues[0]}_later"
    splitter.pair.insert(*numbered(10, [*splitter.queues, later]))
    # given a daemon that has refused them, and ended
    with splitter.start(exception_sleep=0.1) as mover:
        assert mover.wait() == 1
    # when
    create_queue(splitter.pair.target, later)
    splitter.queues = (*splitter.queues, later)
    splitter.command().check()
    # then
    splitter.assert_identical()
    assert splitter.count() == 10


def test_a_queue_that_takes_no_events_is_named_when_an_event_names_it(splitter: Splitter) -> None:
    a, b, _ = splitter.queues
    splitter.pair.target.execute(
        "update pgq.queue set queue_disable_insert = true where queue_name = %s", [b]
    )
    # when events name only the others, then they move
    splitter.pair.insert(*numbered(4, [a]))
    splitter.move()
    assert splitter.count() == 4
    # and when one names it
    splitter.pair.insert(*numbered(4, [a, b]))
    with pytest.raises(NotReadyError) as refusal:
        splitter.move()
    assert str(refusal.value) == (
        f'target database: inserts into queue "{b}" are disabled; remedy: UPDATE pgq.queue'
        f" SET queue_disable_insert = false WHERE queue_name = '{b}'"
    )
    # then it waits for the operator
    splitter.pair.target.execute("update pgq.queue set queue_disable_insert = false")
    splitter.move()
    splitter.assert_identical()


def test_a_role_that_may_write_to_some_queues(splitter: Splitter) -> None:
    a, b, _ = splitter.queues
    target = splitter.pair.target
    table = target.execute(
        "select queue_data_pfx from pgq.queue where queue_name = %s", [a]
    ).fetchone()
    assert table is not None
    target.execute("create role some_queues login; grant pgq_writer to some_queues")
    try:
        target.execute("grant execute on function pgq.current_event_table(text) to some_queues")
        for number in range(3):
            target.execute(f"grant insert on {table[0]}_{number} to some_queues".encode())
        target.execute(f"grant usage on {table[0]}_id_seq to some_queues".encode())
        role = splitter.pair.target_db.conninfo(user="some_queues")
        # when events name only what it may write to
        splitter.pair.insert(*numbered(4, [a]))
        splitter.command(dst_db=role).check()
        # and then another queue
        splitter.pair.insert(*numbered(4, [a, b]))
        refused = splitter.command(dst_db=role)
        # then
        assert splitter.count() == 4
        assert (
            f'role "some_queues" may not insert into the event tables of "{b}"; remedy: GRANT'
            ' pgq_admin TO "some_queues", or write_with = insert_event'
        ) in refused.stderr
        splitter.command(dst_db=role, write_with="insert_event").check()
        assert splitter.count() == 8
    finally:
        target.execute("drop owned by some_queues; drop role some_queues")


# The source's own queue


def test_no_event_goes_back_to_the_queue_it_is_from(pair: Pair) -> None:
    # given a target in the same database, reached in another way
    install_pgq_ext(pair.source)
    pair.target.close()
    pair.target_db = pair.source_db
    pair.target = pair.target_db.connect()
    splitter = Splitter(pair, "other")
    splitter.register()
    pair.insert(*numbered(6, ["other", pair.queue]))
    # when
    with pytest.raises(BadEventError) as refusal:
        splitter.move()
    splitter.move(policy=Policy(quarantine=True))
    # then
    words = f'ev_extra1 names the source queue itself, "{pair.queue}"; remedy: {QUARANTINE[3:]}'
    assert words in str(refusal.value)
    splitter.assert_identical()
    assert pair.source_events.count() == 6
    assert len(splitter.quarantined()) == 3
    splitter.close()


def test_a_queue_of_the_same_name_elsewhere_is_another(queues: Pair) -> None:
    splitter = Splitter(queues, queues.queue)
    splitter.register()
    queues.insert(*numbered(6, [queues.queue]))
    splitter.move()
    splitter.assert_identical()
    assert splitter.count() == 6
    splitter.close()
