"""A queue in each of two places, whichever PgQ and PostgreSQL they have, and movers between."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from queue_mover.model import BatchLimits, Policy, Route
from queue_mover.moving.mover import Mover
from queue_mover.moving.registration import Registrar
from queue_mover.postgres import database as connections
from testbed.compare import compare
from testbed.flavours import VARIABLE, Place, pgque_sql


def require_pgque() -> None:
    """Skip the test where there is no PgQue."""
    if pgque_sql() is None:
        pytest.skip(f"{VARIABLE} does not name PgQue's SQL file")


@dataclass(frozen=True)
class Way:
    """A queue in each of two places, of one name; `user`: the mover's role."""

    source: Place
    target: Place
    queue: str
    user: str = "postgres"

    def create_queues(self) -> "Way":
        """Both of them."""
        self.source.create_queue(self.queue)
        self.target.create_queue(self.queue)
        return self

    @property
    def route(self) -> Route:
        """As from a config that names no flavour."""
        return Route(
            self.queue,
            f"mover_{self.queue}",
            self.queue,
            finds_source_flavour=True,
            finds_target_flavour=True,
        )

    def _sessions(self, side: str) -> connections.Database:
        place = self.source if side == "source" else self.target
        return connections.Database(side, place.database.conninfo(user=self.user), "mover")

    @contextmanager
    def mover(
        self,
        policy: Policy | None = None,
        limits: BatchLimits | None = None,
        route: Route | None = None,
    ) -> Iterator[Mover]:
        """A mover that has checked both sides. `route`: instead of the usual one."""
        mover = Mover(
            route or self.route,
            limits or BatchLimits(),
            self._sessions("source"),
            self._sessions("target"),
            logging.getLogger("mover"),
            policy or Policy(),
        )
        try:
            mover.prepare()
            yield mover
            mover.finish()
        finally:
            mover.close()

    @contextmanager
    def registrar(self) -> Iterator[Registrar]:
        """What the switches of the command do."""
        sessions = (self._sessions("source"), self._sessions("target"))
        registrar = Registrar(self.route, *sessions, logging.getLogger("mover"))
        try:
            yield registrar.resolved()
        finally:
            registrar.close()

    def compare(self) -> None:
        """Every event of the source is on the target: once, unchanged, in order."""
        events = self.source.events(self.queue), self.target.events(self.queue)
        comparison = compare(events[:1], events[1])
        assert comparison.identical, str(comparison)
        assert comparison.total
