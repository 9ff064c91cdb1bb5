"""What the table of parameters is made of."""

from dataclasses import dataclass

from queue_mover.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of an ini file."""

    name: str
    kind: Kind
    default: str | None
    """As it would be written in the file; None: must be given."""
    meaning: str
    shown: str = ""
    """What stands for the default in docs, where the default is worked out."""
    sample: str = ""
    """What `--ini` sets, where its files should not go without."""
    older: str = ""
    """A key of older files that means the same and wins where both stand."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that belong together, under a heading."""

    title: str
    parameters: tuple[Parameter, ...]
