"""The check of both sides before the first batch, and after every error."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from queue_mover.copying import copy
from queue_mover.errors import NotReadyError, UnregisteredError
from queue_mover.model import Batch, BatchLimits, Log, Policy, Position, Route
from queue_mover.moving.first_position import (
    log_left_out,
    log_no_position,
    set_first_position,
    warn_without_position,
)
from queue_mover.moving.requirements import (
    require_taken_over,
    require_two_queues,
    require_usable_expressions,
)
from queue_mover.moving.target_states import TargetStates
from queue_mover.observation.findings import Severity
from queue_mover.observation.left_behind import Others, read_others
from queue_mover.observation.loops import loop_findings, read_ways_back
from queue_mover.observation.position_findings import (
    foreign_finding,
    newcomer_findings,
    orphan_findings,
)
from queue_mover.observation.schema_findings import schema_findings
from queue_mover.observation.side_findings import (
    interval_findings,
    require_none,
    source_findings,
    target_findings,
)
from queue_mover.observation.side_states import SourceState, TargetState
from queue_mover.observation.sides import read_source, read_target
from queue_mover.pgq import server, source, target
from queue_mover.pgq.new_queue import create_target_queue
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

Running = Callable[[], Collection[str]]
"""The consumers of the same source queue that this process runs for the same target, as of now."""

IsNews = Callable[[str], bool]
"""Whether no mover of this process has logged this about the same target yet; `bool`: none has."""


@dataclass(frozen=True, slots=True)
class BothSides:
    """What the check has learnt about both sides; good until the next error."""

    identity: str
    """Of the source."""
    encoding: str
    """For both COPYs."""
    remembers: bool
    """Whether the target can tell where a position came from."""
    unknown_origin: bool
    """Whether it cannot tell where this position came from: another program left it."""
    same_database: bool = False
    """Whether both sides are the same database; only known where a batch is split."""
    shares: bool = False
    """Whether the target can take the batches of several consumers in one transaction."""
    announces: bool = False
    """Whether the source announces its ticks."""
    records_routes: bool = False
    """Whether the target records where the movers of a consumer write to."""

    def reached(self, batch: Batch) -> Position:
        """The position after a batch."""
        if not self.remembers:
            return Position(batch.end.id)
        return Position(batch.end.id, self.identity, batch.end.mark)


@dataclass(frozen=True, slots=True)
class Preflight:
    """The check itself, for one mover."""

    route: Route
    policy: Policy
    limits: BatchLimits
    log: Log
    running: Running = frozenset
    is_news: IsNews = bool
    target_states: TargetStates | None = None
    """What movers that start at the same time have found out."""

    def check(self, src: Connection, dst: Connection, *, first: bool) -> BothSides:
        """Check both sides, and register the consumer when it is new.

        `first`: whether the mover has just started. Later it registers nobody, since an operator
        who unregisters its consumer means it, and it does not warn again.

        Raises NotReadyError, with the remedy, when a batch could not be moved; UnregisteredError
        when the consumer of a mover that is not new has gone from both sides.
        """
        source_state, target_state = self._require_sides(src, dst, first=first)
        if self.route.keep_event_id:
            self._require_event_ids(src, dst, remembers=target_state.remembers)
        position = None
        if source_state.registered or not first:
            with translating_errors("target", self.route.target_flavour):
                position = self._position(
                    dst, target_state, registered=source_state.registered, first=first
                )
        if not source_state.registered and not first:
            raise unregistered(self.route, position, source_state.identity)
        if not target_state.queue_exists:
            target_state = self._create_queue(src, dst, source_state, target_state, first=first)
        if not source_state.registered:
            self._register(src, dst, source_state.identity, remembers=target_state.remembers)
        if first and position is None:
            if source_state.registered:
                others = self._others(src, dst, source_state.identity, target_state.remembers)
                require_taken_over(self.route, others)
                log_no_position(self.log)
            set_first_position(
                src, dst, self.route, source_state.identity, remembers=target_state.remembers
            )
        if first:
            if target_state.records_routes and not source_state.registered:
                with translating_errors("target", self.route.target_flavour):
                    target.record_route(dst, self.route)
            self._warn(target_state)
        return BothSides(
            source_state.identity,
            copy.common_encoding(source_state.server.encoding, target_state.server.encoding),
            target_state.remembers,
            target_state.remembers and position is not None and position.source is None,
            same_database=(
                bool(self.route.split_field) and server.is_same_database(src, dst, self.route)
            ),
            shares=target_state.shares,
            announces=source_state.announces,
            records_routes=target_state.records_routes,
        )

    def _position(
        self, dst: Connection, state: TargetState, *, registered: bool, first: bool
    ) -> Position | None:
        if not registered:
            # Whoever takes the consumer away may not have finished on the target yet.
            return target.settled_position(dst, self.route, remembers=state.remembers)
        return target.position(
            dst, self.route, remembers=state.remembers, records=first and state.records_routes
        )

    def _require_sides(
        self, src: Connection, dst: Connection, *, first: bool
    ) -> tuple[SourceState, TargetState]:
        with translating_errors("source", self.route.source_flavour):
            unusable = server.unusable_intervals(src, self.limits)
            require_none(interval_findings(self.limits, unusable))
        with translating_errors("target", self.route.target_flavour):
            target_state = self._usable_target(dst)
        with translating_errors("source", self.route.source_flavour):
            source_state = read_source(src, self.route)
            require_none(source_findings(source_state, self.route))
        require_two_queues(src, dst, self.route)
        require_usable_expressions(src, self.route)
        self._require_no_loop(src, dst, source_state, first=first)
        return source_state, target_state

    def _usable_target(self, dst: Connection) -> TargetState:
        states = self.target_states
        if states and (known := states.recent(self.route)):
            _, state = known
        else:
            state = read_target(dst, self.route)
        require_none(target_findings(state, self.route, self.policy))
        if states and not known and state.queue_exists:
            states.keep(self.route, state)
        return state

    def _require_event_ids(self, src: Connection, dst: Connection, *, remembers: bool) -> None:
        """Raise NotReadyError when the target cannot have the event IDs of the source."""
        from queue_mover.observation.event_ids import (  # noqa: PLC0415
            event_id_findings,
            read_event_ids,
        )

        with translating_errors("target", self.route.target_flavour):
            position = target.position(dst, self.route, remembers=remembers)
        require_none(event_id_findings(read_event_ids(src, dst, self.route, position), self.route))

    def _require_no_loop(
        self, src: Connection, dst: Connection, state: SourceState, *, first: bool
    ) -> None:
        """Raise NotReadyError where the events would come back; log where they may."""
        ways_back = read_ways_back(src, dst, self.route, state)
        for finding in loop_findings(self.route, ways_back):
            if finding.severity is Severity.PROBLEM:
                require_none([finding])
            if first:
                self.log.warning("%s", finding.message)

    def _create_queue(
        self,
        src: Connection,
        dst: Connection,
        source_state: SourceState,
        target_state: TargetState,
        *,
        first: bool,
    ) -> TargetState:
        """Create the missing target queue, if nothing else prevents the start.

        Only a mover that has just started does: one that was dropped under a running mover may have
        been dropped on purpose. Returns the new state.
        """
        route, remembers = self.route, target_state.remembers
        if not first:
            plain = replace(route, create_target_queue=False)
            require_none(target_findings(target_state, plain, self.policy))
        if not source_state.registered:
            with translating_errors("source", route.source_flavour):
                if not source.is_registered(src, route):
                    self._require_new(src, dst, source_state.identity, remembers=remembers)
        with translating_errors("target", route.target_flavour):
            position = target.position(dst, route, remembers=remembers)
        found = foreign_finding(route, position, source_state.identity)
        require_none([found] if found else [])
        if create_target_queue(src, dst, route):
            self.log.info(
                'Created queue "%s" on the target, with the settings of queue "%s"',
                route.target_queue,
                route.queue,
            )
        with translating_errors("target", route.target_flavour):
            state = read_target(dst, route)
            require_none(target_findings(state, route, self.policy))
        return state

    def _register(
        self, src: Connection, dst: Connection, identity: str, *, remembers: bool
    ) -> None:
        with translating_errors("source", self.route.source_flavour), src.transaction():
            source.lock(src, self.route)
            if source.is_registered(src, self.route):
                # Another mover that starts at the same time was faster.
                return
            others = self._require_new(src, dst, identity, remembers=remembers)
            warn_without_position(others, self.log)
            self.log.info("Registering consumer on source queue")
            oldest = self.policy.from_first_tick
            source.register(
                src, self.route, source.oldest_tick(src, self.route) if oldest else None
            )
            log_left_out(src, self.route, self.log)

    def _require_new(
        self, src: Connection, dst: Connection, identity: str, *, remembers: bool
    ) -> Others:
        """The other consumers of the queue. Raises NotReadyError when a consumer that is not
        registered has moved events, under its own name or another one: registered at the newest
        tick it would leave some out."""
        route, policy = self.route, self.policy
        with translating_errors("target", self.route.target_flavour):
            position = target.position(dst, route, remembers=remembers)
        require_none(orphan_findings(route, position, identity))
        others = self._others(src, dst, identity, remembers)
        require_none(newcomer_findings(route, policy, others.left_behind))
        return others

    def _others(self, src: Connection, dst: Connection, identity: str, remembers: bool) -> Others:
        return read_others(src, dst, self.route, identity, self.running(), remembers=remembers)

    def _warn(self, target_state: TargetState) -> None:
        """Log what works, but not as well as it could."""
        if self.policy.insert:
            self.log.warning("write_with = insert_event: ev_time becomes the time of arrival")
        for finding in schema_findings(target_state, self.route):
            if self.is_news(finding.text):
                self.log.warning("%s", finding.message)


def unregistered(route: Route, position: Position | None, identity: str) -> Exception:
    """What to raise when the consumer of a running mover is not registered any more.

    With its position gone as well it was taken away on purpose, as --unregister and
    --take-over do; else somebody may bring it back.
    """
    if found := orphan_findings(route, position, identity):
        return NotReadyError(found[0].message)
    return UnregisteredError(
        f'consumer "{route.consumer}" was unregistered from queue "{route.queue}": its mover ends;'
        " started again, it would register again, at the newest tick"
    )
