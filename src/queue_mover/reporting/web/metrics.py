"""The metrics for Prometheus, in its text format: the values of one poll and one snapshot."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from queue_mover import __version__
from queue_mover.observation.progress import (
    BATCH_SECONDS,
    MoverSnapshot,
    ProcessSnapshot,
    State,
)
from queue_mover.reporting.web.backlog import backlog
from queue_mover.reporting.web.health import is_healthy
from queue_mover.reporting.web.looker import Seen

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LABELS = ("job", "source")

_BOUNDS = (*(f"{bound:g}" for bound in BATCH_SECONDS), "+Inf")


class Exposition:
    """Writes metrics; holds what stays the same between two scrapes."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._values = _Values()
        self._registry.register(self._values)
        ProcessCollector(registry=self._registry)

    def text(self, process: ProcessSnapshot, seen: Seen | None) -> bytes:
        """All metrics, as Prometheus reads them. Not thread-safe."""
        self._values.process, self._values.seen = process, seen
        return generate_latest(self._registry)


class _Values(Collector):
    process: ProcessSnapshot | None = None
    seen: Seen | None = None

    def collect(self) -> Iterator[Metric]:
        if self.process is None:
            return
        yield from _of_process(self.process)
        yield from _of_movers(self.process.job, self.process.movers)
        if self.seen is not None:
            yield from _of_look(self.process.job, self.seen)


def _of_process(process: ProcessSnapshot) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "queue_mover_build_info",
        "The running version, as a label; always 1.",
        labels=("job", "version"),
    )
    info.add_metric((process.job, __version__), 1)
    yield info
    started = GaugeMetricFamily(
        "queue_mover_start_time_seconds", "When the process began, since 1970.", labels=("job",)
    )
    started.add_metric((process.job,), process.started)
    yield started
    states = GaugeMetricFamily(
        "queue_mover_sources", "Sources of the config, by state.", labels=("job", "state")
    )
    counted = Counter(mover.state for mover in process.movers)
    for state in State:
        states.add_metric((process.job, state.value), counted[state])
    yield states
    shared = process.shared
    connections = GaugeMetricFamily(
        "queue_mover_connections", "Open database connections.", labels=("job", "side")
    )
    for side, count in _connections(process).items():
        connections.add_metric((process.job, side), count)
    yield connections
    for name, meaning, count in (
        ("shared_transactions", "Transactions that have moved small batches.", shared.transactions),
        ("shared_batches", "Small batches that were moved by these.", shared.batches),
    ):
        counter = CounterMetricFamily(f"queue_mover_{name}", meaning, labels=("job",))
        counter.add_metric((process.job,), count)
        yield counter


def _connections(process: ProcessSnapshot) -> Mapping[str, int]:
    total = Counter({"source": 0, "target": process.shared.connections})
    for mover in process.movers:
        total.update(mover.connections)
    return total


def _of_movers(job: str, movers: Sequence[MoverSnapshot]) -> Iterator[Metric]:
    events = _counter("events", "Events written to the target.")
    size = _counter("copied_bytes", "Bytes of these events, where COPY writes them.")
    batches = _counter("batches", "Batches moved.")
    quarantined = _counter("quarantined_events", "Events put into quarantine.")
    errors = CounterMetricFamily(
        "queue_mover_errors", "Attempts that failed, by kind.", labels=(*LABELS, "kind")
    )
    seconds = HistogramMetricFamily(
        "queue_mover_batch_duration_seconds", "How long a batch took.", labels=LABELS
    )
    success = _gauge(
        "last_success_timestamp_seconds", "When an attempt last succeeded, since 1970."
    )
    standby = _gauge("standby", "1 while another mover holds the consumer's lock.")
    healthy = _gauge("healthy", "1 while the source progresses, idles or stands by.")
    for mover in movers:
        labels = (job, mover.source)
        events.add_metric(labels, mover.events)
        size.add_metric(labels, mover.size)
        batches.add_metric(labels, mover.batches)
        quarantined.add_metric(labels, mover.quarantined)
        for kind, count in mover.errors.items():
            errors.add_metric((*labels, kind.value), count)
        if mover.batch_counts:
            seconds.add_metric(labels, _buckets(mover.batch_counts), mover.batch_seconds)
        if mover.last_success is not None:
            success.add_metric(labels, mover.last_success)
        standby.add_metric(labels, mover.state is State.STANDBY)
        healthy.add_metric(labels, is_healthy(mover))
    yield from (events, size, batches, quarantined, errors, seconds, success, standby, healthy)


def _buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, count in zip(_BOUNDS, counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets


def _of_look(job: str, seen: Seen) -> Iterator[Metric]:
    lag = _gauge("lag_seconds", "Age of the source's position: the last tick finished there.")
    waiting = _gauge("backlog_events", "Events on the source that have not been moved.")
    held = _gauge("quarantine_backlog_events", "Events that are in quarantine on the target.")
    for view in seen.overview.sources:
        source = view.source
        labels = (job, source.name)
        if source.consumer is not None and _is_finite(source.consumer.lag):
            lag.add_metric(labels, source.consumer.lag or 0.0)
        if (events := backlog(source)) is not None:
            waiting.add_metric(labels, events)
        if source.quarantined is not None:
            held.add_metric(labels, source.quarantined)
    age = GaugeMetricFamily(
        "queue_mover_status_age_seconds",
        "Age of the lag, backlog and quarantine, as read from the databases.",
        labels=("job",),
    )
    age.add_metric((job,), time.monotonic() - seen.taken)
    yield from (lag, waiting, held, age)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _counter(name: str, meaning: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"queue_mover_{name}", meaning, labels=LABELS)


def _gauge(name: str, meaning: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"queue_mover_{name}", meaning, labels=LABELS)
