"""`pgqadm status`: read databases and the sources of a mover, and find what is wrong.

`reporting` prints it: `database_report` and `source_report` as text, `document` as JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import QueueMoverError
from queue_mover.model import Flavour
from queue_mover.observation import source_findings, target_queues
from queue_mover.observation.database import DatabaseStatus, gather
from queue_mover.observation.database_findings import problems
from queue_mover.observation.findings import Finding, Place, exit_code, unreadable
from queue_mover.observation.sources import SourceStatus
from queue_mover.observation.sources import gather as gather_sources
from queue_mover.observation.target_queues import TargetQueue
from queue_mover.observation.verdict import NOTHING, Verdict, verdict
from queue_mover.pgq.presence import having, present
from queue_mover.postgres.conninfo import describe
from queue_mover.postgres.database import Database
from queue_mover.postgres.translation import translating_errors


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """One PgQ of a database, and what is wrong with it."""

    place: str
    """Where its connect string points; never a password."""
    status: DatabaseStatus | None
    """None: it could not be read; the finding has the reason."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source of a mover, and what is wrong with it."""

    source: SourceStatus
    findings: tuple[Finding, ...]
    verdict: Verdict = NOTHING
    """Where it is slow."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that one run of `status` reads."""

    databases: tuple[DatabaseView, ...] = ()
    sources: tuple[SourceView, ...] = ()
    targets: tuple[TargetQueue, ...] = ()
    """The queues that these sources go to."""
    others: tuple[Finding, ...] = ()
    """Of neither: errors that prevented reading at all."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings."""
        of_sources = (finding for view in self.sources for finding in view.findings)
        of_databases = (finding for view in self.databases for finding in view.findings)
        return (*self.others, *of_sources, *of_databases)

    @property
    def exit_code(self) -> int:
        """As `findings.exit_code`."""
        return exit_code(self.findings)


def read(
    databases: Sequence[str],
    sources: Sequence[MoverSettings],
    queue: str | None,
    trouble_after: float,
    flavour: str = "",
    refused: Mapping[str, str] | None = None,
) -> Overview:
    """Read databases, by their connect strings, and sources. Errors become findings.

    `queue`: only this one, in the databases; `trouble_after`: seconds, for the databases;
    `flavour`: only this one of each database; `refused`: sources that cannot be used, and why.
    """
    statuses = gather_sources(sources)
    # With the flavours that were found.
    targets = target_queues.gather([each.mover for each in statuses])
    return Overview(
        tuple(
            view
            for text in dict.fromkeys(databases)
            for view in _read_database(text, queue, trouble_after, flavour)
        ),
        tuple(_view(each, targets[target_queues.key(each.mover)]) for each in statuses),
        tuple(targets.values()),
        tuple(
            unreadable(why, Place(source=name), "correct its row in the catalogue")
            for name, why in (refused or {}).items()
        ),
    )


def _view(status: SourceStatus, target: TargetQueue) -> SourceView:
    found = tuple(source_findings.judge(status))
    return SourceView(status, found, verdict(status, found, target))


def _read_database(
    text: str, queue: str | None, trouble_after: float, wanted: str
) -> list[DatabaseView]:
    """A view of each PgQ that the database has."""
    place = describe(text)
    database = Database("", text, "pgqadm")
    try:
        with database.session() as connection:
            flavours = present(connection, wanted)
            if queue is not None:
                flavours = having(connection, queue, flavours)
        return [_read_flavour(database, place, queue, trouble_after, each) for each in flavours]
    except QueueMoverError as error:
        return [DatabaseView(place, None, (unreadable(str(error), Place(place)),))]
    finally:
        database.close()


def _read_flavour(
    database: Database, place: str, queue: str | None, trouble_after: float, flavour: Flavour
) -> DatabaseView:
    try:
        with database.session() as connection, translating_errors("", flavour):
            status = gather(connection, queue, flavour)
    except QueueMoverError as error:
        return DatabaseView(place, None, (unreadable(str(error), Place(place)),))
    found = problems(status, trouble_after, flavour)
    return DatabaseView(
        place,
        status,
        tuple(replace(each, place=replace(each.place, database=place)) for each in found),
    )
