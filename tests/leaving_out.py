"""Where the environment names the server (`testbed.choice`), a test without its part is skipped.

The reason is in the output of `-rs`; the end of the run counts the tests by reason. `pgqadm
install` finds PgQ's file where it looks for it, as on a machine whose PostgreSQL has it.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest

from testbed.choice import SQL_FILE, MissingProgramError, from_environment
from testbed.left_out import why_left_out
from testbed.programs import chosen, postgres_bindir
from testbed.reaper import private_directory

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


def pytest_sessionstart() -> None:
    """Put a pg_config first in PATH that knows a folder with the file that PGQ_SQL names."""
    if not from_environment():
        return
    try:
        file = chosen().pgq_sql
    except MissingProgramError as error:
        pytest.exit(str(error), returncode=1)
    if file is None:
        return
    share = private_directory()
    # For processes of other users too.
    share.chmod(0o755)
    (share / "contrib").mkdir()
    (share / "contrib" / SQL_FILE).symlink_to(file)
    program = share / "pg_config"
    other = f'exec {postgres_bindir()}/pg_config "$@"'
    program.write_text(f'#!/bin/sh\n[ "$1" = --sharedir ] || {other}\necho {share}\n')
    program.chmod(0o755)
    os.environ["PATH"] = f"{share}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was left out, by reason."""
    reasons = [
        report.longrepr[2].partition(MARK)[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and MARK in report.longrepr[2]
    ]
    for reason, count in Counter(reasons).most_common():
        terminalreporter.write_line(f"{count:4} {MARK}{reason}")
