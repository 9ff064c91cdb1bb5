"""Splitting: a queue whose events go to the target queues that they name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from queue_mover.config import inifile
from queue_mover.config.parameters import SPLITTER_SECTIONS
from queue_mover.errors import ConfigError

_EXCLUDED = {
    "dst_queue_name": "the field names the target queue of each event",
    "create_dst_queue": "a misspelt name would become a queue that nobody reads",
    "keep_event_id": "the target queues would have to share one sequence of event IDs",
}
"""Keys that cannot be combined with dst_queue_field, and why."""

_MOVER_SECTIONS = ("queue_mover3", "queue_mover")
_MOVER_HINT = "it is a mover's file; remedy: queue_mover3 {path}"


def target_queue(place: str, values: Mapping[str, Any]) -> str:
    """The target queue of a route, or where each event names it, words for messages.

    `place`: the file and section, for errors. Raises ConfigError where keys exclude each other.
    """
    field = values["dst_queue_field"]
    if not field:
        return str(values["dst_queue_name"])
    for key, why in _EXCLUDED.items():
        if values.get(key):
            raise ConfigError(
                f"{place}: {key}: cannot be combined with dst_queue_field: {why};"
                " remedy: remove one of the two"
            )
    return f"by {field}"


def require_splitter(path: Path, overrides: Mapping[str, str]) -> None:
    """Raise ConfigError unless a file is one of queue_splitter3, and of no mover."""
    hints = dict.fromkeys(_MOVER_SECTIONS, _MOVER_HINT)
    ini = inifile.read(path, SPLITTER_SECTIONS, overrides, hints=hints)
    for section in _MOVER_SECTIONS:
        if ini.has_section(section):
            raise ConfigError(
                f"{path}: has both [{section}] and [{ini.main}]; remedy: put them into two files"
            )
