"""The sentence at the top of the page: where it is slow."""

from collections.abc import Sequence

from queue_mover.observation.overview import SourceView
from queue_mover.observation.verdict import Cause

_WORDS = {
    Cause.TICKER: "the ticker",
    Cause.MOVER: "the mover",
    Cause.TARGET: "the target",
    Cause.READER: "a consumer of the target",
    Cause.UNKNOWN: "unknown, as a database cannot be read",
}

NAMED = 3
"""Sources named for each cause."""


def where_is_it_slow(sources: Sequence[SourceView]) -> str:
    """The causes of lag, each with the sources concerned."""
    parts = []
    for cause, words in _WORDS.items():
        names = [view.source.name for view in sources if view.verdict.cause is cause]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            parts.append(f"{words} ({', '.join(names[:NAMED])}{more})")
    return "; ".join(parts) if parts else "nowhere: no source has events waiting for too long"
