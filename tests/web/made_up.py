"""A process with as many sources as one likes, some of them in trouble, made from frozen values."""

import math
import random
import time
from dataclasses import replace

from queue_mover.config.settings import MoverSettings
from queue_mover.observation.history import PERIODS
from queue_mover.observation.overview import Overview, SourceView
from queue_mover.observation.progress import (
    BATCH_SECONDS,
    BatchSeen,
    ErrorKind,
    ErrorSeen,
    MoverSnapshot,
    ProcessSnapshot,
    SharedWork,
    State,
)
from queue_mover.observation.source_findings import judge
from queue_mover.observation.sources import SourceStatus
from queue_mover.observation.verdict import verdict
from queue_mover.reporting import document
from queue_mover.reporting.web.looker import Seen
from tests.observation.test_database_findings import CONSUMER, QUEUE
from tests.observation.test_source_findings import AT_100, LATE, SOURCE, TARGET

AWAY = "target database not available: connection to server at db2 (10.0.0.7), port 5432 failed"


def names(count: int) -> list[str]:
    return [f"shard{number:03}" for number in range(count)]


def process(count: int) -> ProcessSnapshot:
    """Every seventh idles, every thirteenth fails; the first one of 50 stands by."""
    chance = random.Random(7)
    return ProcessSnapshot(
        "events_to_central",
        time.time() - 86_400,
        planned=True,
        movers=tuple(mover(name, n, chance) for n, name in enumerate(names(count))),
        shared=SharedWork(4, 10, 250),
    )


def mover(name: str, number: int, chance: random.Random) -> MoverSnapshot:
    state = State.RUNNING
    if number % 13 == 5:
        state = State.FAILING
    elif number % 7 == 3:
        state = State.IDLE
    elif number % 50 == 49:
        state = State.STANDBY
    now = time.time()
    error = ErrorSeen(ErrorKind.TARGET, AWAY, "check the server and dst_db", now - 12, 14)
    wave = [
        max(0.0, 3000 * (1 + math.sin(number + period / 7)) + chance.gauss(0, 400))
        for period in range(PERIODS)
    ]
    failing = state is State.FAILING
    return MoverSnapshot(
        name,
        state,
        events=1_234_567 + number,
        size=190 * 1_234_567,
        batches=4321,
        batch_seconds=321.5,
        batch_counts=(4321, *(0 for _ in BATCH_SECONDS)),
        last_batch=BatchSeen(2000 + number, 0.37, now - 1),
        last_success=now - 1,
        errors={ErrorKind.TARGET: 14} if failing else {},
        last_errors=(error,) if failing else (),
        connections={"source": 1},
        rates=() if state is State.STANDBY else tuple(wave[:-9] + [0.0] * 9 if failing else wave),
    )


def seen(settings: MoverSettings, count: int) -> Seen:
    """What a look has found, of the same sources."""
    views = []
    for number, name in enumerate(names(count)):
        late = number % 13 == 5
        status = SourceStatus(
            replace(settings, source=name),
            source=SOURCE,
            target=TARGET,
            position=AT_100,
            queue=QUEUE,
            consumer=replace(LATE, pending=73_456, lag=412.0)
            if late
            else replace(CONSUMER, lag=2.5),
            quarantined=0,
        )
        found = tuple(judge(status))
        views.append(SourceView(status, found, verdict(status, found, None)))
    overview = Overview(sources=tuple(views))
    lags = {
        name: tuple(
            math.nan if period < 9 else (period * 7.0 if number % 13 == 5 else 2 + number % 3)
            for period in range(PERIODS)
        )
        for number, name in enumerate(names(count))
    }
    return Seen(overview, document.text(overview), time.monotonic() - 4, 0.4, lags)
