"""What tests and demo do without, where the environment names the server or its PgQ.

Nothing is left out otherwise: scripts/setup installs all parts, and a test without one fails.
`python3 -m testbed.left_out` checks the variables, then names the missing parts in one line;
`--variables` only checks what they name.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial

from testbed.choice import (
    MissingProgramError,
    NotInstalledError,
    check_variables,
    from_environment,
)
from testbed.programs import chosen, find_program, require_extension, server_program

SERVER_PROGRAMS = ("psql", "pg_dump", "pg_restore", "pg_basebackup", "pg_upgrade")

PARTS: Mapping[str, Callable[[], object]] = {
    "pgqd": partial(find_program, "pgqd"),
    "pgbouncer": partial(find_program, "pgbouncer"),
    **{name: partial(server_program, name) for name in SERVER_PROGRAMS},
    "the extension pgq": require_extension,
}
"""Each part, and what raises NotInstalledError without it."""


def missing_parts() -> list[str]:
    """The parts that are not here."""
    missing = []
    for name, require in PARTS.items():
        try:
            require()
        except NotInstalledError:
            missing.append(name)
    return missing


def sentence(missing: list[str]) -> str:
    """What is left out, in one line; empty: nothing."""
    if not missing:
        return ""
    text = f"without {', '.join(missing)}: tests that need them are skipped (ARGS=-rs)"
    return f"{text}; the demo uses pgqadm.py's ticker" if "pgqd" in missing else text


def why_left_out(error: MissingProgramError) -> str | None:
    """Why a test that raised this error is left out; None: it fails.

    Only a missing part leaves a test out, and only where the environment names the server or its
    PgQ. A variable that names the wrong thing fails every test.
    """
    if from_environment() and isinstance(error, NotInstalledError):
        return f"left out: {error}"
    return None


def main(arguments: list[str]) -> int:
    """Check, and name the missing parts. Returns the exit code."""
    try:
        check_variables()
        if arguments == ["--variables"]:
            return 0
        chosen()
    except MissingProgramError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    if text := sentence(missing_parts()):
        sys.stderr.write(f"setup: {text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
