"""Where the environment names the server (`testbed.choice`), a test without its part is skipped.

The reason is in the output of `-rs`; the end of the run counts the tests by reason.
"""

from collections import Counter
from collections.abc import Generator

import pytest

from testbed.choice import MissingProgramError
from testbed.left_out import why_left_out

MARK = "left out: "


def _leaving_out() -> Generator[None, object, object]:
    try:
        return (yield)
    except MissingProgramError as error:
        if reason := why_left_out(error):
            pytest.skip(reason)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Skip a test whose fixtures lack a part."""
    return (yield from _leaving_out())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Skip a test that lacks a part."""
    return (yield from _leaving_out())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was left out, by reason."""
    reasons = [
        report.longrepr[2].partition(MARK)[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and MARK in report.longrepr[2]
    ]
    for reason, count in Counter(reasons).most_common():
        terminalreporter.write_line(f"{count:4} {MARK}{reason}")
