"""Where is it slow? The one sentence that the page begins with."""

from collections.abc import Sequence

from queue_mover.observation.findings import Code
from queue_mover.observation.source_findings import judge
from queue_mover.observation.sources import SourceStatus

_PLACES = (
    ("the ticker", (Code.TICKER, Code.TICKER_PAUSED, Code.TRANSACTION_IDS_BEHIND)),
    ("the mover", (Code.CONSUMER_NOT_SEEN, Code.CONSUMER_LAGGING)),
    (
        "a position that does not fit",
        (
            Code.POSITION_GONE,
            Code.TICKS_DO_NOT_FIT,
            Code.POSITION_OF_ANOTHER_SOURCE,
            Code.TARGET_POSITION_MISSING,
        ),
    ),
    ("a server that cannot be asked", (Code.UNREADABLE,)),
)

NAMED = 3
"""Sources named at each place."""


def where_is_it_slow(sources: Sequence[SourceStatus]) -> str:
    """The places where events wait, with the sources that wait there."""
    codes = {source.name: {finding.code for finding in judge(source)} for source in sources}
    parts = []
    for place, at in _PLACES:
        names = [name for name, found in codes.items() if not found.isdisjoint(at)]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            parts.append(f"{place} ({', '.join(names[:NAMED])}{more})")
    return "; ".join(parts) if parts else "nowhere: no source has events that wait too long"
