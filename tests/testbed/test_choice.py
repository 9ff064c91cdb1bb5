"""Which PostgreSQL and which PgQ are used, and what is done without."""

import shutil
import stat
import sys
from pathlib import Path

import pytest

from testbed.choice import (
    PGBIN,
    PGQ_SQL,
    VARIABLES,
    Choice,
    Found,
    MissingProgramError,
    NotInstalledError,
    check_variables,
    choose,
)
from testbed.left_out import sentence, why_left_out
from testbed.processes import run
from testbed.programs import bindir_18, pgq_sql_file

ROOT = Path(__file__).parents[2]
OWN, FILE = Path("/opt/pg/bin"), Path("/opt/pgq_pl_only.sql")
DEBIAN, OTHER, PYPI = Path("/debian/bin"), Path("/other/bin"), Path("/pypi/bin")
ALL = Found(DEBIAN, OTHER, PYPI)


@pytest.mark.parametrize(
    ("pgbin", "pgq_sql", "found", "choice"),
    [
        # on Debian nothing is named
        ("", "", ALL, Choice(DEBIAN)),
        ("", "", Found(with_pgq=DEBIAN), Choice(DEBIAN)),
        # a file replaces the extension, and then any server will do
        ("", FILE, ALL, Choice(DEBIAN, FILE)),
        ("", FILE, Found(without_pgq=OTHER, embedded=PYPI), Choice(OTHER, FILE)),
        ("", FILE, Found(embedded=PYPI), Choice(PYPI, FILE)),
        # a named server wins
        (OWN, FILE, ALL, Choice(OWN, FILE)),
        (OWN, FILE, Found(), Choice(OWN, FILE)),
    ],
)
def test_the_server_and_its_pgq(
    pgbin: Path | str, pgq_sql: Path | str, found: Found, choice: Choice
) -> None:
    assert choose(str(pgbin), str(pgq_sql), found, pgbin_has_pgq=False) == choice


def test_a_named_server_may_have_the_extension() -> None:
    assert choose(str(OWN), "", ALL, pgbin_has_pgq=True) == Choice(OWN)


@pytest.mark.parametrize(
    ("pgbin", "pgq_sql", "found", "remedy"),
    [
        (OWN, "", ALL, "/opt/pg/bin has no extension pgq; remedy: set PGQ_SQL to the path of"),
        ("", FILE, Found(), "no PostgreSQL found; remedy: set PGBIN to the directory of its"),
        # a server without PgQ is none
        ("", "", Found(without_pgq=OTHER, embedded=PYPI), "no PostgreSQL found; remedy: set PGBIN"),
    ],
)
def test_what_is_missing(pgbin: Path | str, pgq_sql: Path | str, found: Found, remedy: str) -> None:
    with pytest.raises(MissingProgramError, match=remedy):
        choose(str(pgbin), str(pgq_sql), found, pgbin_has_pgq=False)


def programs(directory: Path, version: str) -> Path:
    """A directory of programs that say this version."""
    directory.mkdir()
    for name in ("postgres", "initdb"):
        program = directory / name
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return directory


SERVERS = {
    "postgres (PostgreSQL) 16.4": None,
    "postgres (PostgreSQL) 18beta1": None,
    "postgres (PostgreSQL) 13.9": "is PostgreSQL 13; remedy: use PostgreSQL 14 or later",
    "something else": r"does not name a PostgreSQL: \['something else'\]",
    "": "no program postgres there; remedy: set PGBIN to the directory of initdb and postgres",
}
FILES = {
    "  \nCREATE SCHEMA pgq;\n": None,
    "create schema pgq;\n as '$libdir/pgq_lowlevel'": "needs PgQ's C library; remedy: set PGQ_SQL",
    "create schema pgq_ext;": "does not install PgQ; remedy: set PGQ_SQL to the path of pgq_pl",
    "": "no such file; remedy: set PGQ_SQL to the path of pgq_pl_only.sql",
}


@pytest.mark.parametrize(
    ("variable", "content", "error"),
    [
        *((PGBIN, version, error) for version, error in SERVERS.items()),
        *((PGQ_SQL, text, error) for text, error in FILES.items()),
    ],
)
def test_what_a_variable_names_is_checked(
    variable: str,
    content: str,
    error: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a variable that names something, or nothing at all
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "named"
    if content and variable == PGBIN:
        programs(path, content)
    elif content:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    # then
    if error is None:
        check_variables()
    else:
        with pytest.raises(MissingProgramError, match=error) as caught:
            check_variables()
        assert str(caught.value).startswith(f"{variable}={path}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "error", "reason"),
    [
        # setup installs everything on Debian: there, a missing part is a failure
        ({}, NotInstalledError("no pgqd"), None),
        ({PGQ_SQL: ""}, NotInstalledError("no pgqd"), None),
        ({PGQ_SQL: "file"}, NotInstalledError("no pgqd"), "left out: no pgqd"),
        ({PGBIN: "folder"}, NotInstalledError("no pgqd"), "left out: no pgqd"),
        # a variable that names the wrong thing leaves nothing out
        ({PGBIN: "folder"}, MissingProgramError("no program postgres there"), None),
    ],
)
def test_a_part_is_left_out_only_where_a_server_is_named(
    environment: dict[str, str],
    error: MissingProgramError,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert why_left_out(error) == reason


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ([], ""),
        (["pgbouncer"], "without pgbouncer: tests that need them are skipped (ARGS=-rs)"),
        (
            ["pgqd", "pgbouncer"],
            "without pgqd, pgbouncer: tests that need them are skipped (ARGS=-rs);"
            " the demo uses pgqadm.py's ticker",
        ),
    ],
)
def test_what_is_left_out_is_one_line(missing: list[str], text: str) -> None:
    assert sentence(missing) == text


class Elsewhere:
    """A system without apt: a PATH of few programs, and what scripts/setup says there."""

    TOOLS = ("bash", "cat", "dirname", "env", "id", "tr", "uname")

    def __init__(self, folder: Path, python: str) -> None:
        """`python`: what python3 does, as a shell script."""
        for name in self.TOOLS:
            (folder / name).symlink_to(shutil.which(name) or name)
        (folder / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (folder / "python3").chmod(0o755)
        self._folder = folder

    def setup(self, **variables: str) -> str:
        """Run it, which must fail; its messages."""
        environment = {"PATH": str(self._folder), PGBIN: "", PGQ_SQL: "", **variables}
        result = run([ROOT / "scripts" / "setup"], env=environment)
        assert result.returncode == 1, result
        assert result.stdout == ""
        return result.stderr


def test_setup_says_what_is_needed_where_there_is_no_apt(tmp_path: Path) -> None:
    # given a Python that is new enough, and no server
    said = Elsewhere(tmp_path, '[ "$2" = testbed.programs ] && echo postgresql-15; exit 0').setup()
    # then the commands are there to be copied
    assert said.startswith("setup: missing, and there is no apt-get to install them;")
    assert "PGQ_SQL=/path/to/pgq_pl_only.sql make demo" in said
    assert "PGBIN=/usr/pgsql-16/bin PGQ_SQL=/path/to/pgq_pl_only.sql make demo" in said
    assert "`make plonly` in the sources of PgQ" in said
    assert "postgresql-15-pgq3" in said
    assert len(said.splitlines()) == 7


@pytest.mark.parametrize(
    ("python", "variables", "said"),
    [
        ("exit 1", {PGQ_SQL: "file"}, "setup: missing: Python 3.11 or later with its module venv"),
        (
            '[ "$1" = -c ] || exec {python} "$@"',
            {PGQ_SQL: "/no/such/file"},
            "setup: PGQ_SQL=/no/such/file: no such file; remedy: set PGQ_SQL to the path of"
            " pgq_pl_only.sql",
        ),
        (
            '[ "$1" = -c ] || exec {python} "$@"',
            {PGBIN: "/no/such/bin"},
            "setup: PGBIN=/no/such/bin: no program postgres there; remedy: set PGBIN to the"
            " directory of initdb and postgres",
        ),
    ],
    ids=["no Python", "no file", "no server"],
)
def test_setup_refuses_what_cannot_be_used_in_one_line(
    python: str, variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    elsewhere = Elsewhere(tmp_path, python.replace("{python}", sys.executable))
    assert elsewhere.setup(**variables).splitlines() == [said]


def test_without_the_extension_other_tests_run_and_its_own_are_counted() -> None:
    # given another PostgreSQL, and PgQ's file
    named = {PGBIN: str(bindir_18()), PGQ_SQL: str(pgq_sql_file())}
    tests = (
        "testbed/test_cluster.py::test_fresh_databases_have_pgq",
        "admin/test_install.py::test_blank_database_gets_everything",
    )
    # when
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    result = run([*argv, *(f"tests/{name}" for name in tests)], cwd=ROOT, env=named).check()
    # then
    assert "1 passed, 1 skipped" in result.stdout
    assert "   1 left out: no extension pgq: PGQ_SQL is set\n" in result.stdout
