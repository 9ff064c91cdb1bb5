"""The switches --check and --status of queue_mover3. What they print is elsewhere, so that a mover
does not load it."""

import argparse

from queue_mover.errors import OperatorError

EVERY = "2"
"""Seconds between two reports if --watch has no number."""

LEGEND = """\
The columns of --status:
State: "here" and the pid in the pidfile; "standby" while another mover holds the lock; "at" the \
address where it runs; "retrying" after errors; "stopped"; "?" where that cannot be known
Lag: age of the last tick that the mover has finished
LastSeen: since it took or finished a batch
Pending, New: events that wait, with a tick and without one
EPS: events per second over the last minutes
Batch: time since the batch in progress was taken
Tick, Target: the position on the source and on the target
Quarantined: events in quarantine on the target
The marks at the end of a line, each explained under the table:
C not seen; L lagging; T no ticks; P ticker paused; E transaction ids behind; X position does not \
fit; N no position on the target; B another consumer left behind; Q quarantine; \
V version of a schema; ? not readable; ! anything else that keeps events from moving
Slow: where events wait: ticker, mover, target, or reader (a consumer of the target queue)"""


class Lines(argparse.HelpFormatter):
    """Wraps each line of a text separately."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(fill(line, width, indent) for line in text.splitlines())


def add_switches(parser: argparse.ArgumentParser) -> None:
    """Add --check and --status with their switches, and explain what the status prints."""
    parser.formatter_class = Lines
    parser.epilog = f"{parser.epilog}\n{LEGEND}"
    group = parser.add_argument_group("check and status")
    group.add_argument(
        "--check",
        action="store_true",
        help="check config, machine and both databases before the start, and change nothing; exit"
        " code 0: no problem, 1: some, 2: something could not be checked",
    )
    group.add_argument(
        "--fix",
        action="store_true",
        help="with --check: install pgq_ext, create the target queue, register, where missing",
    )
    group.add_argument(
        "--status",
        action="store_true",
        help="show each source: state, lag, errors, and where it is slow; exit code 0: no"
        " problem, 1: some, 2: something could not be read",
    )
    group.add_argument("--json", action="store_true", help="check or status as one JSON document")
    group.add_argument(
        "--watch",
        nargs="?",
        const=EVERY,
        metavar="SECONDS",
        help=f"repeat the status every {EVERY} seconds, or as given, until ^C",
    )


def purpose(given: argparse.Namespace) -> str | None:
    """--check or --status, if given. Raises OperatorError for a switch that needs one."""
    needs = (
        ("--fix", given.fix, ["--check"]),
        ("--watch", given.watch is not None, ["--status"]),
        ("--json", given.json, ["--check", "--status"]),
    )
    asked = [word for word in ("--check", "--status") if getattr(given, word.strip("-"))]
    for word, is_given, reports in needs:
        if is_given and not set(asked) & set(reports):
            raise OperatorError(
                f"{word} works only with {' or '.join(reports)};"
                f" remedy: queue_mover3 {reports[-1]} {word} CONFIG"
            )
    if len(asked) > 1:
        raise OperatorError("--check cannot be used with --status; remedy: use one at a time")
    return asked[0] if asked else None
