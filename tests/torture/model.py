"""The batch protocol between two databases as plain states, for every schedule of two movers.

A mover is a generator that stops after each statement. A yield of True says that the server has
more statements of ours already: these it may execute although the client is dead. `Protocol` says
what the real mover does; a mutant changes one thing of it. The decisions are the real ones.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from queue_mover.errors import NotReadyError
from queue_mover.model import Batch, Position, Registration, Route, Tick
from queue_mover.moving.decision import Decision
from queue_mover.moving.decision import decide as real_decide
from queue_mover.moving.takeover import take_over_tick, taken_over
from queue_mover.observation.left_behind import left_behind

HERE = "the source"
OLD, NEW = "old name", "new name"
"""The consumer, before and after --take-over."""
T = TypeVar("T")
Steps = Generator[bool, None, None]
Decide = Callable[[Batch, Position | None, str, Callable[[], bool]], Decision]


class BrokenError(AssertionError):
    """An event lost, doubled or out of order, or a mover that gives up without reason."""


class UnlockedError(Exception):
    """The position has changed under our lock; the mover stops."""


class ServerError(Exception):
    """A statement fails; the mover rolls back and begins anew."""


@dataclass(frozen=True)
class Protocol:
    """What can be taken away from the protocol."""

    source_lock: bool = True
    target_lock: bool = True
    finish_first: bool = False
    """Tell the source before the target commits."""
    split: str = ""
    """"data" or "position": what the target commits first, by itself."""
    decide: Decide = real_decide
    compare: bool = True
    """Set the position only if it still is what was read."""
    take_over_lock: bool = True
    """Of --take-over: wait for the batches that are on their way to the target."""
    take_over_together: bool = True
    """Register the new and unregister the old consumer in one transaction."""
    take_over_target_first: bool = False
    first_position: bool = True
    """Set the position at the start already, to the tick of the registration."""
    rewind_keeps: bool = True
    """Of --rewind: leave the active batch where the source is at the position already."""
    rewind_compares: bool = True
    """Of --rewind: refuse a tick that has the number of the one applied, but another mark."""
    completes_take_over: bool = True
    """Do not start between the halves of a --take-over, whose old consumer may still be given a
    batch that is on its way with those of others."""
    share: "Share | None" = None
    """Try to write every other batch in a transaction that other consumers share."""


@dataclass(frozen=True)
class Subscription:
    """A consumer's row on the source."""

    last: int = 0
    batch: int | None = None
    next: int | None = None


@dataclass
class Source:
    """Ticks are numbered by their place in the list; each knows how many events are before it."""

    events: list[int] = field(default_factory=list)
    ticks: list[tuple[int, str]] = field(default_factory=lambda: [(0, "first")])
    committed: dict[str, Subscription] = field(default_factory=lambda: {OLD: Subscription()})
    staged: dict[int, dict[str, Subscription | None]] = field(default_factory=dict)
    """What each open transaction would change; None: a row deleted."""
    locks: dict[str, int] = field(default_factory=dict)
    batch_ids: int = 0

    def sees(self, me: int, consumer: str) -> Subscription | None:
        return self.staged.get(me, {}).get(consumer, self.committed.get(consumer))

    def stage(self, me: int, consumer: str, row: Subscription | None) -> None:
        self.staged.setdefault(me, {})[consumer] = row

    def row_is_taken(self, me: int, consumer: str) -> bool:
        return any(other != me and consumer in rows for other, rows in self.staged.items())

    def is_active(self, batch: int) -> bool:
        return any(row.batch == batch for row in self.committed.values())

    def commit(self, me: int) -> None:
        _merge(self.committed, self.staged.get(me, {}))
        self.rollback(me)

    def rollback(self, me: int) -> None:
        self.staged.pop(me, None)
        _release(self.locks, me)

    def tick(self, number: int) -> Tick:
        return Tick(number, self.ticks[number][1])


@dataclass
class Target:
    """What is committed, and what each open transaction would add."""

    content: list[int] = field(default_factory=list)
    position: dict[str, Position] = field(default_factory=dict)
    data: dict[int, list[int]] = field(default_factory=dict)
    positions: dict[int, dict[str, Position | None]] = field(default_factory=dict)
    locks: dict[str, int] = field(default_factory=dict)

    def commit(self, me: int) -> None:
        self.content += self.data.get(me, [])
        _merge(self.position, self.positions.get(me, {}))
        self.rollback(me)

    def row_is_taken(self, me: int, consumer: str) -> bool:
        return any(other != me and consumer in rows for other, rows in self.positions.items())

    def rollback(self, me: int) -> None:
        self.data.pop(me, None)
        self.positions.pop(me, None)
        _release(self.locks, me)


def _merge(committed: dict[str, T], changes: Mapping[str, T | None]) -> None:
    for consumer, row in changes.items():
        if row is None:
            committed.pop(consumer, None)
        else:
            committed[consumer] = row


def _release(locks: dict[str, int], me: int) -> None:
    for consumer in [consumer for consumer, owner in locks.items() if owner == me]:
        del locks[consumer]


def _lock(locks: dict[str, int], me: int, consumer: str) -> Steps:
    while locks.get(consumer, me) != me:
        yield True
    locks[consumer] = me
    yield False


@dataclass
class World:
    """Both databases, and whether the source was ever restored from a backup."""

    protocol: Protocol
    source: Source = field(default_factory=Source)
    target: Target = field(default_factory=Target)
    restored: bool = False
    set_back: bool = False
    """Whether the mover without locks has put the position back: what follows comes twice."""
    unlocked: bool = False
    """Whether a mover that takes no locks has ever been at work."""
    doubled: list[int] = field(default_factory=list)
    """What it has committed after us, which nothing can prevent."""
    registers: bool = False
    """Whether a start registers; elsewhere the consumer is registered from the beginning."""
    started: bool = False
    """Whether a registered mover has ever completed its start."""
    since: int = 0
    """How many events came before the consumer was registered."""

    def rollback(self, me: int) -> None:
        """The client is gone: both servers roll back what it had open."""
        self.source.rollback(me)
        self.target.rollback(me)


Share = Callable[[World, int, str, Batch], Generator[bool, None, bool]]
"""Returns whether the batch was written; else the mover writes it alone."""


def mover(world: World, me: int, span: int, consumer: str = OLD) -> Steps:
    """A mover that takes so many ticks in a batch, until it is lost.

    Without a registration it waits: it would refuse to register beside a consumer left behind.
    """
    yield from _start(world, me, consumer)
    applied: int | None = None
    while True:
        try:
            batch = yield from _next_batch(world, me, span, consumer, applied)
            applied = None
            if batch is None:
                yield False
                continue
            decision = yield from _bring(world, me, consumer, batch)
        except UnlockedError:
            if not world.unlocked:
                raise BrokenError("stopped for a mover that is not there") from None
            world.rollback(me)
            return
        except ServerError:
            world.rollback(me)
            applied = None
            yield False
            continue
        if decision in (Decision.LOST, Decision.REWRITTEN, Decision.FOREIGN):
            if not (world.restored or world.unlocked):
                raise BrokenError(f"{decision} without reason: {batch}, {world.target.position}")
            return
        if decision in (Decision.APPLY, Decision.SKIP) and not world.protocol.finish_first:
            applied = batch.id


def _start(world: World, me: int, consumer: str) -> Steps:
    """Register, where no position belongs to the source; then set one."""
    source = world.source
    yield from _lock(source.locks, me, consumer)
    if world.registers and source.sees(me, consumer) is None and not world.target.position:
        newest = len(source.ticks) - 1
        source.stage(me, consumer, Subscription(newest))
        yield False
        if not source.committed:
            world.since = source.ticks[newest][0]
    source.commit(me)
    yield False
    while world.protocol.completes_take_over and _is_taken_over(world, consumer):
        yield False
    if world.protocol.first_position and consumer not in world.target.position:
        yield from _set_first_position(world, me, consumer)
    world.started |= consumer in source.committed


def _is_taken_over(world: World, consumer: str) -> bool:
    """Whether only the first half of a --take-over has been done: on the source."""
    committed, positions = world.source.committed, world.target.position
    if consumer in positions or consumer not in committed:
        return False
    known = [Registration(name, row.last, row.next) for name, row in committed.items()]
    others = left_behind(known, positions, HERE, {consumer})
    return taken_over(committed[consumer].last, others) is not None


def _set_first_position(world: World, me: int, consumer: str) -> Steps:
    source, target = world.source, world.target
    yield from _lock(target.locks, me, consumer)
    before = target.position.get(consumer)
    yield False
    row = source.committed.get(consumer)
    yield False
    if before is None and row is not None and row.batch is None:
        tick = source.tick(row.last)
        with contextlib.suppress(UnlockedError):
            yield from _commit(world, me, consumer, None, Position(tick.id, HERE, tick.mark))
    target.rollback(me)
    yield False


def _next_batch(
    world: World, me: int, span: int, consumer: str, applied: int | None
) -> Generator[bool, None, Batch | None]:
    source = world.source
    while world.protocol.source_lock and source.locks.get(consumer, me) != me:
        yield True
    if world.protocol.source_lock:
        source.locks[consumer] = me
    yield True
    if applied is not None:
        yield from _finish(source, me, consumer, applied)
    row = source.sees(me, consumer)
    yield True
    if row is None:
        source.rollback(me)
        return None
    if row.batch is None and row.last + 1 < len(source.ticks):
        source.batch_ids += 1
        following = min(row.last + span, len(source.ticks) - 1)
        row = Subscription(row.last, source.batch_ids, following)
        while source.row_is_taken(me, consumer):
            yield True
        source.stage(me, consumer, row)
        yield True
    source.commit(me)
    yield False
    if row.batch is None or row.next is None:
        return None
    return Batch(row.batch, source.tick(row.last), source.tick(row.next), "")


def _finish(source: Source, me: int, consumer: str, batch: int) -> Steps:
    while source.row_is_taken(me, consumer):
        yield True
    row = source.sees(me, consumer)
    if row is not None and row.batch == batch and row.next is not None:
        source.stage(me, consumer, Subscription(row.next))
    yield True


def _bring(
    world: World, me: int, consumer: str, batch: Batch
) -> Generator[bool, None, Decision | None]:
    source, target, protocol = world.source, world.target, world.protocol
    if protocol.share and batch.id % 2 and (yield from protocol.share(world, me, consumer, batch)):
        return Decision.APPLY
    if protocol.target_lock and target.locks.get(consumer, me) != me:
        yield False
        return None
    if protocol.target_lock:
        target.locks[consumer] = me
    yield True
    position = target.position.get(consumer)
    yield False
    decision = protocol.decide(batch, position, HERE, lambda: source.is_active(batch.id))
    yield False
    if decision is not Decision.APPLY:
        target.rollback(me)
        return decision
    yield from _copy(world, me, batch)
    if protocol.finish_first:
        yield from _finish(source, me, consumer, batch.id)
        source.commit(me)
        yield False
    reached = Position(batch.end.id, HERE, batch.end.mark)
    yield from _commit(world, me, consumer, position, reached)
    return decision


def _copy(world: World, me: int, batch: Batch) -> Steps:
    source = world.source
    if not source.is_active(batch.id):
        raise ServerError("batch not found")
    first, last = (source.ticks[tick.id][0] for tick in (batch.start, batch.end))
    events = source.events[first:last]
    for part in (events[: len(events) // 2], events[len(events) // 2 :]):
        world.target.data.setdefault(me, []).extend(part)
        yield False


def _commit(
    world: World, me: int, consumer: str, before: Position | None, position: Position
) -> Steps:
    target, split = world.target, world.protocol.split
    while world.protocol.compare and target.row_is_taken(me, consumer):
        yield True
    if world.protocol.compare and _tick(target.position.get(consumer)) != _tick(before):
        raise UnlockedError
    if split == "data":
        target.commit(me)
        yield False
    if split == "position":
        data = target.data.pop(me, [])
        target.positions[me] = {consumer: position}
        target.commit(me)
        yield False
        target.data[me] = data
    target.positions[me] = {consumer: position}
    yield True
    target.commit(me)
    yield False


def _tick(position: Position | None) -> int | None:
    return position.tick if position else None


def unlocked_mover(world: World, me: int, span: int) -> Steps:
    """One of Skytools': the same without locks, origins or questions, until it is lost."""
    source, target = world.source, world.target
    world.unlocked = True
    unlocked = World(replace(world.protocol, source_lock=False), source, target)
    while True:
        batch = yield from _next_batch(unlocked, me, span, OLD, None)
        if batch is None:
            yield False
            continue
        before = target.position.get(OLD)
        yield False
        if _tick(before) in (None, batch.start.id):
            try:
                yield from _copy(world, me, batch)
            except ServerError:
                world.rollback(me)
                continue
            while target.row_is_taken(me, OLD):
                yield False
            target.positions[me] = {OLD: Position(batch.end.id)}
            yield False
            position = _tick(target.position.get(OLD))
            if position != _tick(before):
                data = target.data.pop(me, [])
                world.doubled += [event for event in data if event in target.content]
                target.data[me] = [event for event in data if event not in target.content]
                world.set_back |= (position or 0) > batch.end.id
            target.commit(me)
            yield False
        elif _tick(before) != batch.end.id:
            return
        yield from _finish(source, me, OLD, batch.id)
        source.commit(me)
        yield False


def rewind(world: World, me: int, consumer: str = OLD) -> Steps:
    """The operator's --rewind."""
    source, target = world.source, world.target
    yield from _lock(target.locks, me, consumer)
    position = target.position.get(consumer)
    if position is not None:
        yield from _lock(source.locks, me, consumer)
        row = source.sees(me, consumer)
        there = row is not None and row.last == position.tick and world.protocol.rewind_keeps
        if not there and _has_tick(world, position):
            while source.row_is_taken(me, consumer):
                yield True
            source.stage(me, consumer, Subscription(position.tick))
            yield False
            source.commit(me)
        yield False
    world.rollback(me)


def _has_tick(world: World, position: Position) -> bool:
    """Whether the source has that very tick; without marks, one of that number."""
    ticks = world.source.ticks
    if position.tick >= len(ticks):
        return False
    mark = position.mark if world.protocol.rewind_compares else None
    return mark in (None, ticks[position.tick][1])


def reset(world: World, me: int) -> Steps:
    """The operator's --reset, where both sides agree: elsewhere it repeats what the target has."""
    target = world.target
    yield from _lock(target.locks, me, OLD)
    position, row = target.position.get(OLD), world.source.committed[OLD]
    if position is not None and position.tick == row.last and _has_tick(world, position):
        target.positions[me] = {OLD: None}
        yield False
        target.commit(me)
    world.rollback(me)


def take_over(world: World, me: int) -> Steps:
    """The operator's --take-over: NEW goes on where OLD stands."""
    target, protocol = world.target, world.protocol
    for consumer in sorted((OLD, NEW)):
        if protocol.take_over_lock:
            yield from _lock(target.locks, me, consumer)
    old = target.position.get(OLD)
    yield False
    hand_over = _hand_over_position(world, me, old)
    try:
        if protocol.take_over_target_first:
            yield from hand_over
        yield from _hand_over_registration(world, me, old)
    except NotReadyError:
        world.rollback(me)
        return
    yield from hand_over
    world.rollback(me)


def _hand_over_registration(world: World, me: int, old: Position | None) -> Steps:
    source = world.source
    for consumer in sorted((OLD, NEW)):
        yield from _lock(source.locks, me, consumer)
    known = {name: Registration(name, row.last, row.next) for name, row in source.committed.items()}
    mine = (known.get(NEW), world.target.position.get(NEW))
    tick = take_over_tick(
        Route("", NEW, ""),
        HERE,
        (OLD, known.get(OLD), old),
        mine,
        lambda tick: source.ticks[tick][1] if tick < len(source.ticks) else None,
    )
    if NEW not in known or known[NEW].tick != tick:
        source.stage(me, NEW, Subscription(tick))
        yield False
        if not world.protocol.take_over_together:
            source.commit(me)
            yield False
    while source.row_is_taken(me, OLD):
        yield True
    source.stage(me, OLD, None)
    yield True
    source.commit(me)
    yield False


def _hand_over_position(world: World, me: int, old: Position | None) -> Steps:
    if old is not None:
        world.target.positions[me] = {NEW: old, OLD: None}
    yield True
    world.target.commit(me)
    yield False


def never_skip(batch: Batch, *_: object) -> Decision:
    """Apply whatever the source gives."""
    return Decision.APPLY


def skip_the_rest(batch: Batch, position: Position | None, *_: object) -> Decision:
    """Whatever does not fit must be there already."""
    fits = position is None or position.tick == batch.start.id
    return Decision.APPLY if fits else Decision.SKIP


def never_ask(
    batch: Batch, position: Position | None, source: str, active: Callable[[], bool]
) -> Decision:
    """The original's way: whatever fits neither end is lost."""
    return real_decide(batch, position, source, lambda: True)


def never_lost(
    batch: Batch, position: Position | None, source: str, active: Callable[[], bool]
) -> Decision:
    """Whatever fits neither end is applied: nothing is known to be stale."""
    decision = real_decide(batch, position, source, active)
    return Decision.APPLY if decision in (Decision.LOST, Decision.STALE) else decision


def ids_only(
    batch: Batch, position: Position | None, source: str, active: Callable[[], bool]
) -> Decision:
    """A tick is its number: one of a restored source is taken for the one that was applied."""
    old = position and replace(position, mark=None)
    return real_decide(batch, old, source, active)
