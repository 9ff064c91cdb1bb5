"""Where the programs of PostgreSQL and PgQ are, and as which user they may run.

Only the standard library is imported, so that scripts/setup can ask, before anything is installed:
`python3 -m testbed.programs` prints the Debian packages that are missing, one a line.
"""

import os
import pwd
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TypedDict

PGQ_CONTROL = "extension/pgq.control"
# Debian 12's version; where another one is installed together with its PgQ, that one will do.
DEBIAN_POSTGRESQL = "15"


class MissingProgramError(Exception):
    """Something that has to be installed is not; the message names the Debian packages."""


class RunAs(TypedDict, total=False):
    """Arguments for subprocess that make a child run as another user."""

    user: str
    group: int
    extra_groups: list[int]


def _share_dir(bindir: Path) -> Path:
    """Where the server of this bindir looks for its extensions."""
    pg_config = bindir / "pg_config"
    if pg_config.exists():
        answer = subprocess.run(
            [str(pg_config), "--sharedir"], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0:
            return Path(answer.stdout.strip())
    return Path("/usr/share/postgresql") / bindir.parent.name


def _version_key(bindir: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in bindir.parent.name.split(".") if part.isdigit())


def _candidates() -> list[Path]:
    """Directories that may hold server programs, the most deliberate choice first."""
    found: list[Path] = []
    for name in ("postgres", "pg_config"):
        program = shutil.which(name)
        if program and name == "postgres":
            found.append(Path(program).resolve().parent)
        elif program:
            answer = subprocess.run(
                [program, "--bindir"], capture_output=True, text=True, check=False
            )
            found.append(Path(answer.stdout.strip()))
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    return [*found, *sorted(debian, key=_version_key, reverse=True)]


def _servers() -> list[Path]:
    return [d for d in _candidates() if (d / "postgres").exists() and (d / "initdb").exists()]


@cache
def postgres_bindir() -> Path:
    """The directory of `initdb` and `postgres` of a server that has PgQ."""
    for bindir in _servers():
        if (_share_dir(bindir) / PGQ_CONTROL).exists():
            return bindir
    raise MissingProgramError(_sentence(missing_packages()))


@cache
def find_program(name: str) -> Path:
    """A daemon such as pgqd or pgbouncer; Debian keeps some of them outside a user's PATH."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingProgramError(_sentence([name]))
    return Path(found)


def missing_packages() -> list[str]:
    """Debian packages for whatever is not here; empty when nothing is missing."""
    missing = []
    servers = _servers()
    if not any((_share_dir(bindir) / PGQ_CONTROL).exists() for bindir in servers):
        versions = [d.parent.name for d in servers if d.parent.name.isdigit()]
        if not versions:
            missing.append(f"postgresql-{DEBIAN_POSTGRESQL}")
        usual = DEBIAN_POSTGRESQL in versions or not versions
        missing.append(f"postgresql-{DEBIAN_POSTGRESQL if usual else versions[0]}-pgq3")
    for name in ("pgqd", "pgbouncer"):
        try:
            find_program(name)
        except MissingProgramError:
            missing.append(name)
    return missing


def _sentence(packages: list[str]) -> str:
    return f"missing programs; the Debian packages that bring them: {' '.join(packages)}"


def run_as() -> RunAs:
    """Who runs the servers: ourselves, or an unprivileged user where we are root.

    PostgreSQL and pgqd refuse to run as root.
    """
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": name, "group": entry.pw_gid, "extra_groups": []}
    raise MissingProgramError("running as root, and neither user postgres nor user nobody exists")


def hand_over(path: Path) -> None:
    """Give a file or directory to the user that runs the servers."""
    owner = run_as().get("user")
    if owner is not None:
        entry = pwd.getpwnam(owner)
        os.chown(path, entry.pw_uid, entry.pw_gid)


if __name__ == "__main__":
    for package in missing_packages():
        sys.stdout.write(package + "\n")
