"""The parameters that choose events and change them on the way."""

from queue_mover.config import kinds
from queue_mover.config.schema import Group, Parameter

REWRITTEN = ("ev_type", "ev_data", "ev_extra1", "ev_extra2", "ev_extra3", "ev_extra4", "ev_time")
"""The columns that an expression can set."""


def _column(name: str, meaning: str) -> Parameter:
    return Parameter(name, kinds.SQL, "", meaning, shown="unchanged")


SHAPING = Group(
    "Filter and rewrite",
    (
        Parameter(
            "event_filter",
            kinds.SQL,
            "",
            "move only events that meet this condition, evaluated on the source over the columns"
            " ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data and ev_extra1 to ev_extra4",
            shown="off",
        ),
        _column("ev_type", "the type that events get on the target: an expression over the same"),
        _column("ev_data", "the same for their data"),
        _column("ev_extra1", "the same for the first extra field"),
        _column("ev_extra2", "the same for the second"),
        _column("ev_extra3", "the same for the third"),
        _column("ev_extra4", "the same for the fourth, for example '%(source)s'"),
        _column("ev_time", "the same for their time; not with write_with = insert_event"),
    ),
)
