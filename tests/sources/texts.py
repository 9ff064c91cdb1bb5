"""What goes into files, and what comes out of logs and databases."""

import re

FAST_CLOCKS = """
import sys
from queue_mover.service import supervisor
from queue_mover.cli import queue_mover3
supervisor.SUMMARY, supervisor.PATIENCE = 0.5, 0.25
sys.argv[0] = "queue_mover3"
sys.exit(queue_mover3.main())
"""
"""The program, with summary and reminder after parts of a second instead of a minute."""


STATISTICS = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ INFO "
    r"\{count: (\d+), duration: \d+\.\d+, (?:idle: \d+\.\d+, )?source: (\w+)\}$",
    re.MULTILINE,
)
"""The whole line about a batch."""


def statistics(log: str) -> dict[str, int]:
    """The events of each source, by the log's lines about batches."""
    totals: dict[str, int] = {}
    for count, source in STATISTICS.findall(log):
        totals[source] = totals.get(source, 0) + int(count)
    return totals
