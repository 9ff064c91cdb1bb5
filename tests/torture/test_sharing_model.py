"""Batches in shared transactions keep each event once, whatever the schedule; no mutant does."""

import contextlib

import pytest

from tests.torture.model import BrokenError, Protocol
from tests.torture.sharing_model import Sharing
from tests.torture.test_model import (
    EXAMPLES,
    FIRST,
    BesideUnlocked,
    Machine,
    Renaming,
    RenamingNewcomer,
    explore,
)


@pytest.mark.parametrize("machine", [Machine, Renaming, RenamingNewcomer, BesideUnlocked])
def test_each_event_once_whatever_the_schedule(machine: type[Machine]) -> None:
    explore(Protocol(share=Sharing()), EXAMPLES, machine, FIRST)


MUTANTS = {
    "no lock": (Machine, Sharing(lock=False, row_lock=False), 10),
    "no lock of the position": (BesideUnlocked, Sharing(row_lock=False), 6),
    "position read before the lock": (Machine, Sharing(position_first=True), 17),
    "writes whatever the position": (Machine, Sharing(decides=False), 2),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_model_finds_what_a_mutant_breaks(mutant: str) -> None:
    machine, sharing, first = MUTANTS[mutant]
    with pytest.raises(BrokenError), contextlib.redirect_stdout(None):
        explore(Protocol(share=sharing), 5000, machine, first)


def test_a_rewind_while_a_batch_waits_for_its_turn() -> None:
    """A schedule so rare that a search for it takes minutes, as is the next one."""
    rewind_in_between(Protocol(share=Sharing()))
    with pytest.raises(BrokenError):
        rewind_in_between(Protocol(share=Sharing(), rewind_keeps=False))


def rewind_in_between(protocol: Protocol) -> None:
    """A mover has read its batch; --rewind runs; then the batch is committed with others."""
    machine = type("Rewound", (Machine,), {"protocol": protocol})()
    machine.produce_and_tick(events=0)
    machine.go_on(number=1, steps=15)
    machine.produce_and_tick(events=0)
    machine.rewind(steps=4)
    machine.go_on(number=1, steps=14)
    machine.teardown()


def test_half_a_take_over_while_a_batch_waits_for_its_turn() -> None:
    take_over_in_between(Protocol(share=Sharing()))
    with pytest.raises(BrokenError):
        take_over_in_between(Protocol(share=Sharing(), completes_take_over=False))


def take_over_in_between(protocol: Protocol) -> None:
    """A mover has read its batch; --take-over dies half-way; the batch is committed with others;
    then a mover starts under the new name."""
    machine = type("TakenOver", (Renaming,), {"protocol": protocol})()
    machine.produce_and_tick(events=1)
    machine.go_on(number=0, steps=15)
    machine.take_over(steps=8)
    machine.operator_dies()
    machine.go_on(number=0, steps=5)
    machine.start_renamed(number=1)
    machine.go_on(number=1, steps=30)
    machine.teardown()
