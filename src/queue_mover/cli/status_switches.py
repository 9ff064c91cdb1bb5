"""The switches of queue_mover3 --status: a mover that starts need not load what that prints."""

import argparse

from queue_mover.errors import OperatorError

EVERY = "2"
"""Seconds between two reports, where --watch does not say."""

LEGEND = """\
The columns of --status:
State: "here" and the pid in the pidfile; "standby" while another mover holds the lock; "at" the \
address where it runs; "retrying" after errors; "stopped"; "?" where that cannot be known
Lag: age of the last tick that the mover has finished
LastSeen: since it took or finished a batch
Pending, New: events that wait, with a tick and without one
EPS: events per second over the last minutes
Batch: since when the batch in progress has been taken
Tick, Target: the position on the source and on the target
Quarantined: events kept aside on the target
The marks at the end of a line, each explained under the table:
C not seen; L lagging; T no ticks; P ticker paused; E transaction ids behind; X position does not \
fit; N no position on the target; B another consumer left behind; Q quarantine; ? not readable; \
! anything else that keeps events from moving
Slow: where events wait: ticker, mover, target, or reader (a consumer of the target queue)"""


class Lines(argparse.HelpFormatter):
    """Wraps each line of a text for itself."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(fill(line, width, indent) for line in text.splitlines())


def add_switches(parser: argparse.ArgumentParser) -> None:
    """Add --status and what goes with it, and explain what it prints."""
    parser.formatter_class = Lines
    parser.epilog = f"{parser.epilog}\n{LEGEND}"
    group = parser.add_argument_group("status")
    group.add_argument(
        "--status",
        action="store_true",
        help="show each source: state, lag, errors, and where it is slow; exit code 0: nothing is"
        " wrong, 1: something is, 2: something could not be read",
    )
    group.add_argument("--json", action="store_true", help="the status as one JSON document")
    group.add_argument(
        "--watch",
        nargs="?",
        const=EVERY,
        metavar="SECONDS",
        help=f"the status again and again, every {EVERY} seconds or as given, until ^C",
    )


def purpose(given: argparse.Namespace) -> str | None:
    """--status where it was asked for. Raises OperatorError for a switch that needs it."""
    if not given.status and (given.json or given.watch is not None):
        word = "--json" if given.json else "--watch"
        raise OperatorError(f"{word} goes with --status; remedy: add --status")
    return "--status" if given.status else None
