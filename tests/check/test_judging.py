"""What counts as wrong with the surroundings of a mover, as tables; and what is told of it."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from queue_mover.model import Policy
from queue_mover.observation.environment import (
    Clock,
    Environment,
    OldTransaction,
    PgqSchemas,
    ServerSettings,
)
from queue_mover.observation.environment_findings import Surroundings, judge_surroundings
from queue_mover.observation.findings import Code
from queue_mover.observation.host import Host, OwnFile
from queue_mover.observation.host_findings import judge_host
from queue_mover.observation.side_states import ServerState, SourceState, TargetState
from queue_mover.observation.sources import SourceStatus
from queue_mover.postgres.pooler import Pooler
from queue_mover.system.limits import needed_files
from tests.check.conftest import ini, mover
from tests.observation.test_database_findings import CONSUMER, QUEUE

SETTINGS = ServerSettings("15.8", 150008, "app", "UTC", 0, 0)
SCHEMAS = PgqSchemas("3.5", True, "3.1", True)
SIDE = Environment(SETTINGS, SCHEMAS, Clock(0.0, 0.001), Pooler.NONE, QUEUE, (), None)


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    """Of a mover that can start."""
    server = ServerState(False, False, "UTF8", "mover")
    status = SourceStatus(
        mover(ini(tmp_path, "dbname=app", "dbname=central")),
        source=SourceState(server, has_pgq=True),
        target=TargetState(server, has_pgq=True, has_pgq_ext=True, remembers=True),
    )
    return Surroundings(status, SIDE, SIDE)


def found_codes(surroundings: Surroundings) -> list[tuple[str, Code]]:
    """What is wrong, by side."""
    return [(each.place.side, each.code) for each in judge_surroundings(surroundings)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"server": replace(SETTINGS, version_number=110000)}, None),
        ({"server": replace(SETTINGS, version_number=100023)}, Code.SERVER_VERSION),
        ({"schemas": replace(SCHEMAS, pgq=None)}, Code.PGQ_VERSION),
        ({"schemas": PgqSchemas()}, None),
        # what the round trip explains is no difference
        ({"clock": Clock(4.9, 0.0)}, None),
        ({"clock": Clock(-5.1, 0.0)}, Code.CLOCK_DIFFERS),
        ({"clock": Clock(7.0, 3.0)}, None),
        ({"pooler": Pooler.SESSION}, None),
        ({"pooler": Pooler.TRANSACTION}, None),
        ({"pooler": Pooler.STATEMENT}, Code.POOLER_MODE),
        ({"pooler": Pooler.UNKNOWN}, Code.POOLER_MODE),
        ({"queue": None}, None),
        ({"queue": replace(QUEUE, ticker_paused=True)}, Code.TICKER_PAUSED),
    ],
)
@pytest.mark.parametrize("side", ["source", "target"])
def test_either_side(
    surroundings: Surroundings, side: str, changes: dict[str, Any], code: Code | None
) -> None:
    changed: Any = {side: replace(SIDE, **changes)}
    assert found_codes(replace(surroundings, **changed)) == ([(side, code)] if code else [])


@pytest.mark.parametrize(
    ("source", "target", "differs"),
    [
        ("UTF8", "UTF8", False),
        ("LATIN1", "UTF8", False),
        ("UTF8", "SQL_ASCII", False),
        ("UTF8", "LATIN1", True),
        ("LATIN1", "LATIN2", True),
        ("SQL_ASCII", "UTF8", True),
    ],
)
def test_encodings(surroundings: Surroundings, source: str, target: str, differs: bool) -> None:
    status = surroundings.status
    assert status.source is not None
    assert status.target is not None
    server = status.source.server
    status = replace(
        status,
        source=replace(status.source, server=replace(server, encoding=source)),
        target=replace(status.target, server=replace(server, encoding=target)),
    )
    changed = replace(surroundings, status=status)
    assert found_codes(changed) == ([("", Code.ENCODINGS_DIFFER)] if differs else [])
    # what cannot be represented may be kept aside
    kept = replace(status.mover, policy=Policy(quarantine=True))
    changed = replace(surroundings, status=replace(status, mover=kept))
    assert found_codes(changed) == []


@pytest.mark.parametrize(
    ("name", "winter", "summer", "differs"),
    [("GMT", 0, 0, False), ("Europe/London", 0, 3600, True), ("Asia/Tokyo", 32400, 32400, True)],
)
def test_time_zones(
    surroundings: Surroundings, name: str, winter: int, summer: int, differs: bool
) -> None:
    """Given another name for the same time, then nothing is wrong, in summer neither."""
    server = replace(SETTINGS, time_zone=name, winter_offset=winter, summer_offset=summer)
    changed = replace(surroundings, source=replace(SIDE, server=server))
    assert found_codes(changed) == ([("", Code.TIME_ZONE_DIFFERS)] if differs else [])


def test_a_transaction_that_holds_the_rotation_back_is_named(surroundings: Surroundings) -> None:
    held = replace(QUEUE, tick_holds=True, since_rotation=7200 + 5000, since_tick=5)
    oldest = OldTransaction("pid 4711 (psql, user app)", 15000, "SELECT pg_terminate_backend(4711)")
    sleeper = replace(CONSUMER, holds=True)
    side = replace(SIDE, queue=held, consumers=(sleeper,), oldest=oldest)
    (finding,) = judge_surroundings(replace(surroundings, target=side))
    assert finding.text.startswith(
        'target database: queue "q": rotation overdue by 1h23m, held back'
    )
    assert finding.text.endswith(": pid 4711 (psql, user app), open for 4h10m")
    assert finding.remedy == "end it: SELECT pg_terminate_backend(4711)"
    # one that is younger than the rotation is not the one
    side = replace(side, oldest=replace(oldest, age=60))
    (finding,) = judge_surroundings(replace(surroundings, target=side))
    assert "4711" not in finding.text


FILE = OwnFile("logfile", Path("/var/log/job.log"), "", 0, True, 10**9, 10**8)
HOST = Host(1024, 100, 38, (FILE,), None)


@pytest.mark.parametrize(
    ("host", "code", "remedy"),
    [
        (HOST, None, ""),
        (replace(HOST, needed_files=1024), None, ""),
        (replace(HOST, needed_files=1025), Code.OPEN_FILES, "ulimit -n 1025"),
        (replace(HOST, allowed_files=float("inf"), needed_files=10**9), None, ""),
        (
            replace(HOST, files=(replace(FILE, refusal="a directory", number=errno.EISDIR),)),
            Code.LOGFILE_NOT_WRITABLE,
            "set another logfile",
        ),
        (
            replace(HOST, files=(replace(FILE, refusal="not writable", number=errno.EACCES),)),
            Code.LOGFILE_NOT_WRITABLE,
            "run as its owner, or set another logfile",
        ),
        (
            replace(
                HOST,
                files=(replace(FILE, refusal="none", number=errno.EACCES, exists=False),),
            ),
            Code.LOGFILE_NOT_WRITABLE,
            "let this user write in /var/log, or set another logfile",
        ),
        (
            replace(HOST, files=(replace(FILE, refusal="none", number=errno.ENOENT, free=None),)),
            Code.LOGFILE_NOT_WRITABLE,
            "mkdir -p /var/log",
        ),
        (
            replace(
                HOST,
                files=(
                    replace(FILE, key="pidfile", refusal="a symbolic link", number=errno.ELOOP),
                ),
            ),
            Code.PIDFILE_NOT_WRITABLE,
            "set another pidfile",
        ),
        (
            replace(HOST, files=(replace(FILE, free=10**8 - 1),)),
            Code.DISK_SPACE,
            "free some space, or lower",
        ),
        (
            replace(HOST, files=(replace(FILE, key="pidfile", free=0),)),
            Code.DISK_SPACE,
            "free some space",
        ),
    ],
)
def test_the_machine(host: Host, code: Code | None, remedy: str) -> None:
    found = judge_host(host)
    assert [each.code for each in found] == ([code] if code else [])
    assert all(remedy in each.remedy for each in found)


def test_sources_share_connections_to_the_target() -> None:
    assert needed_files(1, 4) == 24 + 1 + 2 * 2
    assert needed_files(1000, 4) == 24 + 1000 + 2 * 1004
