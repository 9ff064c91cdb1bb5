"""Findings about the environment of a mover: pure functions over both sides.

A new check goes into CHECKS; `topics` says under which heading `--check` shows it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from queue_mover.model import Flavour
from queue_mover.observation.database_findings import ROTATION_GRACE, judge_queue
from queue_mover.observation.environment import Environment
from queue_mover.observation.findings import Code, Finding, Place, Severity
from queue_mover.observation.formatting import duration
from queue_mover.observation.side_findings import INSTALL
from queue_mover.observation.sources import SourceStatus
from queue_mover.postgres.pooler import Pooler
from queue_mover.postgres.statements import quote_ident, quote_literal

OLDEST_SERVER = 110000
"""As server_version_num."""

CLOCK_LIMIT = 5.0
"""Seconds that two clocks may differ by: lags and delays are read to the second."""


@dataclass(frozen=True, slots=True)
class Side:
    """The source or the target side of a mover."""

    name: str
    """source or target."""
    environment: Environment
    flavour: Flavour

    def finding(
        self, code: Code, text: str, remedy: str, severity: Severity = Severity.PROBLEM
    ) -> Finding:
        """A finding of this side."""
        place = Place(side=self.name)
        return Finding(code, place, f"{self.name} database: {text}", remedy, severity=severity)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A source of a mover, with the environment of both sides."""

    status: SourceStatus
    source: Environment | None = None
    target: Environment | None = None
    """None: that side could not be read."""

    @property
    def sides(self) -> list[Side]:
        """Those that could be read."""
        route = self.status.mover.route
        both = (
            ("source", self.source, route.source_flavour),
            ("target", self.target, route.target_flavour),
        )
        return [Side(name, found, flavour) for name, found, flavour in both if found]


Check = Callable[[Surroundings], Sequence[Finding | None]]


def judge_surroundings(found: Surroundings) -> list[Finding]:
    """All findings about the environment of a source."""
    status = found.status
    place = Place("", status.name, status.mover.route.queue, status.mover.route.consumer)
    return [
        replace(finding, place=replace(place, side=finding.place.side))
        for check in CHECKS
        for finding in check(found)
        if finding
    ]


def _versions(found: Surroundings) -> list[Finding | None]:
    return [
        side.finding(
            Code.SERVER_VERSION,
            f"PostgreSQL {side.environment.server.postgresql} is older than 11",
            "upgrade the server",
        )
        for side in found.sides
        if side.environment.server.version_number < OLDEST_SERVER
    ]


def _pgq_versions(found: Surroundings) -> list[Finding | None]:
    return [
        side.finding(
            Code.PGQ_VERSION,
            f"{side.flavour.schema}.version() returns NULL, so pgqd ignores this database",
            INSTALL,
            Severity.WARNING,
        )
        for side in found.sides
        if side.environment.schemas.pgq_is_installed and side.environment.schemas.pgq is None
    ]


def _queues(found: Surroundings) -> list[Finding | None]:
    """Tickers and rotation of either queue."""
    verdicts: list[Finding | None] = []
    for side in found.sides:
        queue = side.environment.queue
        if queue is None:
            continue
        for finding in judge_queue(queue, side.environment.consumers, side.flavour):
            text = f'{side.name} database: queue "{queue.name}": {finding.text}'
            known = replace(finding, text=text, place=Place(side=side.name))
            verdicts.append(_with_holder(known, side.environment))
    return verdicts


def _with_holder(finding: Finding, environment: Environment) -> Finding:
    """A late rotation with the transaction that holds it back, where it can be seen."""
    oldest = environment.oldest
    if finding.code is not Code.ROTATION or oldest is None or oldest.age < ROTATION_GRACE:
        return finding
    if "transaction" not in finding.text:
        return finding
    text = f"{finding.text}: {oldest.who}, open for {duration(oldest.age)}"
    return replace(finding, text=text, remedy=f"end it: {oldest.remedy}")


def _clocks(found: Surroundings) -> list[Finding | None]:
    verdicts: list[Finding | None] = []
    for side in found.sides:
        clock = side.environment.clock
        if clock.difference < CLOCK_LIMIT:
            continue
        way = "ahead of" if clock.ahead > 0 else "behind"
        verdicts.append(
            side.finding(
                Code.CLOCK_DIFFERS,
                f"the server's clock is {duration(round(abs(clock.ahead)))} {way} this machine's",
                "run chrony, or another NTP client, on both machines; timedatectl shows its state",
                Severity.WARNING,
            )
        )
    return verdicts


def _encodings(found: Surroundings) -> list[Finding | None]:
    source, target = found.status.source, found.status.target
    if source is None or target is None:
        return []
    one, other = source.server.encoding, target.server.encoding
    takes_all = other in (one, "SQL_ASCII") or (other == "UTF8" and one != "SQL_ASCII")
    if takes_all or found.status.mover.policy.quarantine:
        return []
    if one == "SQL_ASCII":
        text = f"source is in SQL_ASCII, target in {other}: bytes that are not valid {other}"
    else:
        text = f"source is in {one}, target in {other}: characters that {other} cannot represent"
    return [
        Finding(
            Code.ENCODINGS_DIFFER,
            Place(),
            f"{text} stop the mover",
            f"a target database in {'SQL_ASCII' if one == 'SQL_ASCII' else 'UTF8'},"
            " or on_bad_event = quarantine",
            severity=Severity.WARNING,
        )
    ]


def _time_zones(found: Surroundings) -> list[Finding | None]:
    if found.source is None or found.target is None:
        return []
    one, other = found.source.server, found.target.server
    if (one.winter_offset, one.summer_offset) == (other.winter_offset, other.summer_offset):
        return []
    return [
        Finding(
            Code.TIME_ZONE_DIFFERS,
            Place(),
            f"source is in {one.time_zone}, target in {other.time_zone}: a timestamp without time"
            " zone in an event is a different moment there",
            f"on the target: ALTER DATABASE {quote_ident(_database(found))}"
            f" SET timezone = {quote_literal(one.time_zone)}",
            severity=Severity.WARNING,
        )
    ]


def _database(found: Surroundings) -> str:
    return found.target.server.database if found.target else ""


def _poolers(found: Surroundings) -> list[Finding | None]:
    verdicts: list[Finding | None] = []
    for side in found.sides:
        pooler = side.environment.pooler
        if pooler is Pooler.STATEMENT:
            verdicts.append(
                side.finding(
                    Code.POOLER_MODE,
                    "it is behind a pooler in statement mode, and a batch is a transaction of"
                    " several statements",
                    "pool_mode = transaction in pgbouncer.ini, then RELOAD",
                )
            )
        elif pooler is Pooler.UNKNOWN:
            verdicts.append(
                side.finding(
                    Code.POOLER_MODE,
                    "the pooler in front of it gave no second connection within 5 s: all of its"
                    " server connections are in use",
                    "raise default_pool_size in pgbouncer.ini; SHOW POOLS counts waiting clients",
                    Severity.WARNING,
                )
            )
    return verdicts


CHECKS: tuple[Check, ...] = (
    _versions,
    _pgq_versions,
    _queues,
    _clocks,
    _encodings,
    _time_zones,
    _poolers,
)
