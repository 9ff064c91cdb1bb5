"""A real PgBouncer of our own."""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from testbed.processes import Process, free_port, wait_until
from testbed.programs import find_program, hand_over, run_as
from testbed.reaper import private_directory, remove_directory

MIXING: Mapping[str, object] = {
    "default_pool_size": 4,
    "min_pool_size": 2,
    "server_round_robin": 1,
    "ignore_startup_parameters": "options",
    "query_wait_timeout": 20,
}
"""Settings with which the transactions of one client go to different server processes, and more
clients than processes share them."""

ADMIN = "postgres"
"""The role that the console accepts; also the one that looks up the roles of others."""

_ANY_ROLE = "select rolname::text, ''::text from pg_roles where rolname = $1 and rolcanlogin"


class PgBouncer:
    """A PgBouncer before databases: running between start and stop, on one port throughout.

    databases: for each name that clients ask for the connect string of its server; `*` stands
    for every other name. Every role of the server may connect, without a password.
    settings: of the section [pgbouncer]; a server that was unavailable is tried again after
    0.2 seconds unless they say otherwise (PgBouncer itself waits 15).
    """

    def __init__(self, databases: Mapping[str, str], **settings: object) -> None:
        self.port = free_port()
        self.server = make_conninfo(host="127.0.0.1", port=self.port, user=ADMIN)
        """The libpq connect string, without a database."""
        self.directory = private_directory()
        self._config = self.directory / "pgbouncer.ini"
        self._databases = databases
        self._process: Process | None = None
        hand_over(self.directory)
        roles = self.directory / "roles.txt"
        roles.write_text(f'"{ADMIN}" ""\n')
        hand_over(roles)
        self.configure(**settings)

    def configure(self, **settings: object) -> None:
        """Replace the settings; takes effect at the next start, or by RELOAD on the console."""
        lines = ["[databases]"]
        lines += [f"{n} = {c} auth_user={ADMIN}" for n, c in self._databases.items()]
        always = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self.directory / "roles.txt",
            "auth_query": _ANY_ROLE,
            "admin_users": ADMIN,
            "max_client_conn": 1000,
            "pool_mode": "transaction",
            "server_login_retry": 0.2,
        }
        lines += ["[pgbouncer]", *(f"{k} = {v}" for k, v in {**always, **settings}.items()), ""]
        self._config.write_text("\n".join(lines))
        hand_over(self._config)

    def start(self) -> "PgBouncer":
        """Start, and wait until it accepts clients."""
        self._process = Process(
            [find_program("pgbouncer"), self._config], self.directory, run_as=run_as()
        )
        wait_until(self._accepts, 30, "PgBouncer")
        return self

    def _accepts(self) -> bool:
        assert self._process is not None
        assert self._process.running, self._process.stderr
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.server, dbname="pgbouncer", autocommit=True).close()
            return True
        return False

    def kill(self) -> None:
        """Kill it: its clients and its server processes lose their connections."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._process.stderr if self._process else ""

    def command(self, text: str) -> None:
        """Run a command such as PAUSE on the console."""
        with _console(self.server) as console:
            console.execute(text.encode())

    def __enter__(self) -> "PgBouncer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
        remove_directory(self.directory)


@contextmanager
def _console(server: str) -> Iterator[psycopg.Connection]:
    """The console of a PgBouncer, which knows the simple protocol only."""
    simple: dict[str, Any] = {"dbname": "pgbouncer", "cursor_factory": psycopg.ClientCursor}
    with contextlib.closing(psycopg.connect(server, autocommit=True, **simple)) as console:
        yield console


def clients(server: str, database: str, application: str) -> set[int]:
    """The ports of an application's connections to a PgBouncer, in one database."""
    with _console(server) as console:
        rows = console.cursor(row_factory=dict_row).execute("show clients").fetchall()
    wanted = (database, application)
    return {row["port"] for row in rows if (row["database"], row["application_name"]) == wanted}


def reconnect(server: str) -> None:
    """Let a PgBouncer replace its server connections, so that changed defaults of a database
    take effect. A no-op without one."""
    if server:
        with _console(server) as console:
            console.execute("reconnect")
