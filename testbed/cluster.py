"""A private throwaway PostgreSQL cluster, and its databases."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from testbed.database import Database
from testbed.memory import memory_directory
from testbed.processes import free_port
from testbed.procfs import child_processes
from testbed.programs import hand_over, postgres_bindir, run_as
from testbed.reaper import REAPER, private_directory, remove_directory

SUPERUSER = "postgres"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
# initdb and postgres take their locale from here, everything else from our settings.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}

THROWAWAY: Mapping[str, str | int] = {
    "fsync": "off",
    "full_page_writes": "off",
    # Little WAL is kept: it may be in memory.
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
}

StopMode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS: Mapping[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


class ClusterError(Exception):
    """The cluster could not be created, started or stopped; the message quotes its log."""


class Cluster:
    """A PostgreSQL server of our own: created on construction, running between start and stop.

    It listens on 127.0.0.1 and on a unix socket in its own directory; every connection is trusted.
    When this process ends, however it does, the server stops and its directory is removed, unless
    `keep` was called.

    durable: on disk, with fsync and full_page_writes, as in production. Without them a server
    crash loses nothing (only a crash of the machine would), and the disk does not slow us down.
    settings: more settings for postgresql.conf, by name.
    bindir: of the server's programs, such as `programs.bindir_18()`; None: of the one with PgQ.
    """

    def __init__(
        self,
        name: str = "cluster",
        *,
        durable: bool = False,
        max_connections: int = 100,
        settings: Mapping[str, str | int] | None = None,
        bindir: Path | None = None,
    ) -> None:
        self.name = name
        self._bindir = bindir or postgres_bindir()
        self.port = free_port()
        self.pooler = ""
        """The libpq connect string of a pooler that programs are to go through; empty: none."""
        self.directory = private_directory(parent=None if durable else memory_directory())
        self.data_directory = self.directory / "data"
        self.socket_directory = self.directory
        self.log_file = self.directory / "postgresql.log"
        self._server: subprocess.Popen[bytes] | None = None
        hand_over(self.directory)
        self._initdb()
        self.configure(
            {
                "unix_socket_directories": str(self.socket_directory),
                "listen_addresses": "127.0.0.1",
                "cluster_name": name,
                "max_connections": max_connections,
                "shared_buffers": "64MB",
                "log_line_prefix": "%m [%p] %q%u@%d %a ",
                "timezone": "UTC",
                "log_timezone": "UTC",
                **({} if durable else THROWAWAY),
                **(settings or {}),
            }
        )

    def _initdb(self) -> None:
        argv = [str(self._bindir / "initdb"), f"--pgdata={self.data_directory}"]
        argv += [f"--username={SUPERUSER}", "--auth=trust", "--no-sync", "--no-instructions"]
        argv += ["--encoding=UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env=ENVIRONMENT,
            **run_as(),
        )
        if done.returncode != 0:
            raise ClusterError(f"initdb failed: {done.stderr.strip()}")

    def configure(self, settings: Mapping[str, str | int]) -> None:
        """Append to postgresql.conf; takes effect at the next start, restart or `reload`."""
        with (self.data_directory / "postgresql.conf").open("a") as conf:
            for key, value in settings.items():
                quoted = str(value).replace("'", "''")
                conf.write(f"{key} = '{quoted}'\n")

    # Running

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        if self._server is None:
            raise ClusterError(f"cluster {self.name} is not running")
        return self._server.pid

    @property
    def running(self) -> bool:
        """Whether the postmaster is alive (it may be frozen)."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> Self:
        """Start, and wait until it accepts connections. A no-op if it is running."""
        if self.running:
            return self
        for attempts_left in (2, 1, 0):
            try:
                self._start_once()
            except ClusterError:
                # Most likely somebody took the port before the server could bind it.
                if attempts_left == 0 or not self._port_is_taken():
                    raise
                self.port = free_port()
            else:
                break
        return self

    def _port_is_taken(self) -> bool:
        return "Address already in use" in self.log_tail()

    def _start_once(self) -> None:
        with self.log_file.open("ab") as log:
            self._server = subprocess.Popen(
                [
                    str(self._bindir / "postgres"),
                    f"-D{self.data_directory}",
                    f"-p{self.port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is meant for us, not for the servers.
                start_new_session=True,
                cwd=self.directory,
                env=ENVIRONMENT,
                **run_as(),
            )
        REAPER.watch_process(self._server.pid, signal.SIGQUIT)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                self._kill()
                raise ClusterError(f"cluster {self.name} failed to start:\n{self.log_tail()}")
            time.sleep(0.01)

    def _ready(self) -> bool:
        """Whether the postmaster says so, in the file that pg_ctl checks too."""
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop and wait; disconnects clients, except that `smart` waits for them."""
        if not self.running:
            return
        self.thaw()
        assert self._server is not None
        self._server.send_signal(STOP_SIGNALS[mode])
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            raise ClusterError(f"cluster {self.name} failed to stop:\n{self.log_tail()}") from None
        REAPER.forget_process(self._server.pid)

    def _kill(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()
        REAPER.forget_process(self._server.pid)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop, then start on the same port."""
        self.stop(mode)
        self.start()

    def reload(self) -> None:
        """Reload the configuration file."""
        os.kill(self.pid, signal.SIGHUP)

    def crash(self) -> None:
        """Stop at once, without a checkpoint: the next start goes through recovery."""
        self.stop("immediate")

    def freeze(self) -> None:
        """Suspend all its processes: connections stay open, and nothing responds."""
        # The postmaster first, so that it forks no more children.
        for pid in (self.pid, *child_processes(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume a frozen server. A no-op if it was not frozen."""
        for pid in (*child_processes(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze for the duration of the block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def keep(self) -> None:
        """Leave server and directory in place when this process ends."""
        REAPER.forget_process(self.pid)
        REAPER.forget_directory(self.directory)

    def destroy(self) -> None:
        """Stop at once and remove the directory."""
        self.stop("immediate")
        remove_directory(self.directory)

    # Databases

    @property
    def server(self) -> str:
        """The libpq connect string of the server as its superuser, without a database."""
        return make_conninfo(host="127.0.0.1", port=self.port, user=SUPERUSER)

    def database(self, name: str) -> Database:
        """How to reach a database, whether it exists or not."""
        return Database(name, self.server, self.pooler)

    def conninfo(self, dbname: str, **extra: Any) -> str:
        """A libpq connect string for a database."""
        return self.database(dbname).conninfo(**extra)

    def connect(self, dbname: str = "postgres", **extra: Any) -> psycopg.Connection:
        """A new connection in autocommit mode."""
        return self.database(dbname).connect(**extra)

    def create_database(self, name: str, template: str | None = None) -> Database:
        """Create a database, from a template if given."""
        statement = sql.SQL("create database {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" template {}").format(sql.Identifier(template))
        with self.connect() as conn:
            conn.execute(statement)
        return self.database(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and disconnect its users."""
        statement = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        with self.connect() as conn:
            conn.execute(statement)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.destroy()
