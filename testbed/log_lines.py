"""The lines of a log, without those that every run of a service has."""

import re

_EVERY_RUN = re.compile(
    r" (?:INFO \S+ \S+ started: job .*, pid \d+, |(?:INFO|WARNING) ended with exit code \d+: )"
)


def news(log: str) -> list[str]:
    """All lines but the first about the start and the last about the end."""
    return [line for line in log.splitlines() if not _EVERY_RUN.search(line)]
