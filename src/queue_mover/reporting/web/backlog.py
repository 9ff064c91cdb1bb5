"""The backlog of a source."""

from queue_mover.observation.sources import SourceStatus


def backlog(source: SourceStatus) -> int | None:
    """Events that have not been moved yet, with and without a tick; None: not known."""
    if source.consumer is None or source.queue is None:
        return None
    return (source.consumer.pending or 0) + (source.queue.new_events or 0)
