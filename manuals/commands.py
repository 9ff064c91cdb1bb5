"""The commands that have a manual page and completions."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from queue_mover.cli import pgqadm, queue_mover3, queue_splitter3


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its parser, its other names, and the words that may follow the config file."""

    switches: Callable[[], argparse.ArgumentParser]
    aliases: tuple[str, ...]
    words: tuple[str, ...] = ()


COMMANDS = {
    "queue_mover3": Command(
        queue_mover3.switches, ("queue_mover", "queue_mover3.py", "queue_mover.py")
    ),
    "queue_splitter3": Command(
        queue_splitter3.switches,
        ("queue_splitter", "queue_splitter3.py", "queue_splitter.py"),
    ),
    "pgqadm": Command(pgqadm.switches, ("pgqadm.py",), tuple(sorted(pgqadm.USAGE))),
}
"""By name. A page may show the switches of each of them."""
