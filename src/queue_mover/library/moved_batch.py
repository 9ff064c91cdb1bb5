"""What a mover in another program reports of each batch."""

from dataclasses import dataclass
from typing import NamedTuple


class Ticks(NamedTuple):
    """The two ticks of the source queue between which the events of a batch are."""

    first: int
    """The tick that the consumer had finished before."""
    last: int
    """The tick that ends the batch: the consumer's position on the target from now on."""


@dataclass(frozen=True, slots=True)
class MovedBatch:
    """A batch that is on the target, committed together with the consumer's position."""

    source: str
    """Name of the source's section; of the job where the config has no sections."""
    ticks: Ticks
    events: int
    """How many were written to the target; those left out by a filter or in quarantine are not."""
    bytes: int
    """That COPY sent; 0 with `write_with = insert_event`, and where events were quarantined."""
    seconds: float
    """From the query for the batch to its commit."""
    quarantined: tuple[str, ...] = ()
    """A line about each event that the target rejected and that is in quarantine now."""
