"""The lines of a log without those that every run of a service writes."""

import re

_EVERY_RUN = re.compile(
    r" (?:INFO \S+ \S+ started: job .*, pid \d+, |(?:INFO|WARNING) ended with exit code \d+: )"
)


def news(log: str) -> list[str]:
    """All lines but those about the start and the exit."""
    return [line for line in log.splitlines() if not _EVERY_RUN.search(line)]
