"""Every schedule of two movers, crashes anywhere, keeps each event once; no mutant does.

What each mutant lacks is what the protocol cannot do without: each is found failing.
"""

import contextlib
import os
from copy import deepcopy
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.torture import model
from tests.torture.model import NEW, OLD, BrokenError, Protocol, Steps, World

SPANS = (1, 3)
"""Ticks in a batch, for each of the two movers: hosts may be configured differently."""
ENOUGH = 2000
"""Steps in which a mover alone brings all that waits."""
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "300"))
FIRST = int(os.environ.get("MODEL_SEED", "0"))
"""How many schedules to try, and which: `make model` tries others, and many more."""


class Machine(RuleBasedStateMachine):
    """Two movers, an operator and their two databases."""

    protocol = Protocol()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.protocol)
        self.ids = count(1)
        self.clients = count(1)
        self.running: list[tuple[int, Steps]] = [self.start(span) for span in SPANS]
        self.orphans: list[tuple[int, Steps]] = []
        self.in_flight: dict[int, bool] = {}
        self.backup = deepcopy(self.world.source)
        self.frozen: list[int] | None = None
        self.consumer = OLD

    def start(self, span: int, consumer: str = OLD) -> tuple[int, Steps]:
        """A mover, under a number of its own."""
        me = next(self.clients)
        return me, model.mover(self.world, me, span, consumer)

    def disconnect(self) -> None:
        """All clients lose their connections."""
        for me, _ in (*self.running, *self.orphans):
            self.world.rollback(me)
        self.orphans.clear()

    def step(self, client: tuple[int, Steps]) -> bool:
        """One statement. Returns whether there is more to come."""
        me, steps = client
        try:
            self.in_flight[me] = next(steps)
        except StopIteration:
            return False
        return True

    @rule(events=st.integers(0, 3))
    def produce_and_tick(self, events: int) -> None:
        """Somebody commits events, and the ticker comes."""
        source = self.world.source
        source.events += [next(self.ids) for _ in range(events)]
        source.ticks.append((len(source.events), f"tick at {next(self.ids)}"))

    @rule(number=st.integers(0, 1), steps=st.integers(1, 16))
    def go_on(self, number: int, steps: int) -> None:
        """A mover executes some statements; the other one waits, or is frozen."""
        for _ in range(steps):
            self.step(self.running[number])

    @rule(number=st.integers(0, 1), late=st.booleans())
    def crash(self, number: int, late: bool) -> None:
        """A mover dies and another one starts; the server may go on with what it was sent."""
        client = self.running[number]
        self.running[number] = self.start(SPANS[number])
        if late and self.in_flight.get(client[0]):
            self.orphans.append(client)
        else:
            self.world.rollback(client[0])

    @precondition(lambda self: self.orphans)
    @rule(steps=st.integers(1, 8))
    def orphan_goes_on(self, steps: int) -> None:
        """A server executes what a dead client had sent."""
        client = self.orphans[0]
        for _ in range(steps):
            if not self.in_flight[client[0]]:
                self.world.rollback(client[0])
                self.orphans.pop(0)
                return
            self.step(client)

    @rule(steps=st.integers(1, 12))
    def rewind(self, steps: int) -> None:
        """An operator's --rewind, to its end or not."""
        me = next(self.clients)
        command = model.rewind(self.world, me, self.consumer)
        for _ in range(steps):
            next(command, None)
        self.world.rollback(me)

    @rule(steps=st.integers(1, 6))
    def reset(self, steps: int) -> None:
        """An operator's --reset, to its end or not."""
        me = next(self.clients)
        command = model.reset(self.world, me)
        for _ in range(steps):
            next(command, None)
        self.world.rollback(me)

    @rule()
    def back_up(self) -> None:
        """Remember the source as it is committed."""
        source = deepcopy(self.world.source)
        source.staged.clear()
        source.locks.clear()
        self.backup = source

    @precondition(
        lambda self: (
            not self.world.restored
            and self.world.target.position
            and set(self.backup.committed) == set(self.world.source.committed)
        )
    )
    @rule()
    def restore(self) -> None:
        """The source comes back as it was; movers lose their connections.

        A backup of before --take-over has the old consumer again, whose mover must not be started:
        nobody could tell that its events were moved under another name. Nor can anybody tell after
        --reset, which forgets the position, that the source has gone back.
        """
        world = self.world
        self.disconnect()
        self.running = [self.start(span) for span in SPANS]
        world.source = self.backup
        world.restored = True
        if world.since + len(world.target.content) > len(self.backup.events):
            # The target has what the source has lost: nothing may follow that.
            self.frozen = world.target.content[:]

    @invariant()
    def target_is_a_prefix_of_the_source(self) -> None:
        """Each event once, in order, none left out."""
        content, events = self.world.target.content, self.world.source.events[self.world.since :]
        if self.world.set_back:
            content = [*dict.fromkeys(content)]
        expected = events[: len(content)] if self.frozen is None else self.frozen
        if content != expected:
            raise BrokenError(f"target has {content}, source {events}")

    def teardown(self) -> None:
        """With everything working again, the rest comes, unless a restore stops the mover."""
        world = self.world
        self.disconnect()
        last = self.start(SPANS[0], self.consumer)
        for _ in range(ENOUGH):
            if not self.step(last):
                break
        self.target_is_a_prefix_of_the_source()
        waiting = world.source.events[world.since : world.source.ticks[-1][0]]
        if not (world.restored or world.unlocked) and world.target.content != waiting:
            raise BrokenError(f"target has {world.target.content}, ticked are {waiting}")


class BesideUnlocked(Machine):
    """A mover that takes no locks runs beside them; nobody rewinds or restores meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.unlocked = self.start_unlocked()

    def start_unlocked(self) -> tuple[int, Steps]:
        """A mover that takes no locks."""
        me = next(self.clients)
        return me, model.unlocked_mover(self.world, me, 2)

    @rule(steps=st.integers(1, 16))
    def unlocked_goes_on(self, steps: int) -> None:
        """The mover without locks executes some statements."""
        for _ in range(steps):
            self.step(self.unlocked)

    @rule()
    def unlocked_crashes(self) -> None:
        """It dies and starts anew."""
        self.world.rollback(self.unlocked[0])
        self.unlocked = self.start_unlocked()

    @precondition(lambda self: False)
    @rule(steps=st.integers(1, 12))
    def rewind(self, steps: int) -> None:
        """Never: it would repeat what the other one has doubled."""

    @precondition(lambda self: False)
    @rule()
    def restore(self) -> None:
        """Never."""

    @precondition(lambda self: False)
    @rule(steps=st.integers(1, 6))
    def reset(self, steps: int) -> None:
        """Never."""

    def disconnect(self) -> None:
        """The mover without locks, too."""
        super().disconnect()
        self.world.rollback(self.unlocked[0])


class Renaming(Machine):
    """The consumer gets another name meanwhile, and takes over from the old one."""

    def __init__(self) -> None:
        super().__init__()
        self.operator: tuple[int, Steps] | None = None

    def may_be_renamed(self) -> bool:
        """Whether it has ever run under its old name."""
        return self.world.started or not self.world.registers

    @precondition(may_be_renamed)
    @rule(number=st.integers(0, 1))
    def start_renamed(self, number: int) -> None:
        """A mover dies and another one starts, under the new name."""
        self.world.rollback(self.running[number][0])
        self.running[number] = self.start(SPANS[number], NEW)

    @precondition(may_be_renamed)
    @rule(steps=st.integers(1, 12))
    def take_over(self, steps: int) -> None:
        """An operator's --take-over goes on, or begins."""
        self.consumer = NEW
        if self.operator is None:
            me = next(self.clients)
            self.operator = (me, model.take_over(self.world, me))
        for _ in range(steps):
            if not self.step(self.operator):
                self.operator = None
                return

    @precondition(lambda self: False)
    @rule(steps=st.integers(1, 6))
    def reset(self, steps: int) -> None:
        """Never: no position would be left to know the old name by."""

    @precondition(lambda self: self.operator)
    @rule()
    def operator_dies(self) -> None:
        """Whatever the command had not committed is undone."""
        assert self.operator is not None
        self.world.rollback(self.operator[0])
        self.operator = None

    def disconnect(self) -> None:
        """The operator, too."""
        super().disconnect()
        if self.operator:
            self.operator_dies()

    def teardown(self) -> None:
        """A take-over that has begun is repeated."""
        self.disconnect()
        if self.consumer == NEW:
            for _ in model.take_over(self.world, next(self.clients)):
                pass
        super().teardown()


class RenamingNewcomer(Renaming):
    """The same from the first start on, which registers; perhaps before anything was moved."""

    def __init__(self) -> None:
        super().__init__()
        self.world.registers = True
        self.world.source.committed.clear()
        self.backup.committed.clear()


def explore(
    protocol: Protocol, examples: int, machine: type[Machine] = Machine, first: int = 0
) -> None:
    """Try schedules; with the same first number the same ones. Raises BrokenError for the first
    that fails."""
    machine = type("Explored", (machine,), {"protocol": protocol})
    run_state_machine_as_test(
        seed(first)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("machine", [Machine, Renaming, RenamingNewcomer, BesideUnlocked])
def test_each_event_once_whatever_the_schedule(machine: type[Machine]) -> None:
    explore(Protocol(), EXAMPLES, machine, FIRST)


# With these numbers a schedule that fails comes soon; with any other it comes, too, later.
MUTANTS = {
    "no lock on the source": (Machine, Protocol(source_lock=False), 7),
    "no lock on the target": (Machine, Protocol(target_lock=False), 2),
    "the source is told first": (Machine, Protocol(finish_first=True), 4),
    "data committed before the position": (Machine, Protocol(split="data"), 0),
    "position committed before the data": (Machine, Protocol(split="position"), 0),
    "never skips": (Machine, Protocol(decide=model.never_skip), 0),
    "skips what does not fit": (Machine, Protocol(decide=model.skip_the_rest), 27),
    "takes stale for lost": (Machine, Protocol(decide=model.never_ask), 24),
    "applies what does not fit": (Machine, Protocol(decide=model.never_lost), 18),
    "knows ticks by number only": (Machine, Protocol(decide=model.ids_only), 27),
    "takes over a batch on its way": (Renaming, Protocol(take_over_lock=False), 2),
    "takes over in two steps on the source": (Renaming, Protocol(take_over_together=False), 0),
    "takes over on the target first": (Renaming, Protocol(take_over_target_first=True), 2),
    "sets no position at the start": (RenamingNewcomer, Protocol(first_position=False), 0),
    "rewinds to another tick of that number": (Machine, Protocol(rewind_compares=False), 3),
    "sets the position without comparing": (BesideUnlocked, Protocol(compare=False), 6),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_model_finds_what_a_mutant_breaks(mutant: str) -> None:
    machine, protocol, first = MUTANTS[mutant]
    with pytest.raises(BrokenError), contextlib.redirect_stdout(None):
        explore(protocol, 5000, machine, first)
