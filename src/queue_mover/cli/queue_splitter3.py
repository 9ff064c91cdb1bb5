"""queue_splitter3: move each event of a queue into the target queue that it names.

It is queue_mover3 with a section of its own, in which dst_queue_field has a default.
"""

import argparse

from queue_mover.cli import queue_mover3
from queue_mover.cli.queue_mover3 import Program
from queue_mover.config import parameters
from queue_mover.config.splitting import require_splitter

SPLITTER = Program(
    "queue_splitter3",
    "Moves each event of a PgQ queue into the queue of another database that the event names,"
    " exactly once.",
    parameters.SPLITTER,
    require_splitter,
)


def main() -> int:
    """Run the command line. Returns the exit code."""
    return queue_mover3.main(SPLITTER)


def switches() -> argparse.ArgumentParser:
    """The parser of the command line."""
    return queue_mover3.switches(SPLITTER)
