"""What the table of parameters is made of."""

from dataclasses import dataclass

from queue_mover.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of an ini file."""

    name: str
    kind: Kind
    default: str | None
    """As written in the file; None: required."""
    meaning: str
    shown: str = ""
    """The default in docs, where it is computed."""
    sample: str = ""
    """What `--ini` sets, for a key that every file should have."""
    older: str = ""
    """A key of older files that means the same and wins where both are set."""
    unless: str = ""
    """The name of the parameter that, where it is set, makes this one not required."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that belong together, under a heading."""

    title: str
    parameters: tuple[Parameter, ...]
