"""A real pgqd."""

from collections.abc import Sequence

from testbed.cluster import SUPERUSER, Cluster
from testbed.processes import Process, write_ini
from testbed.programs import find_program, hand_over, run_as

FAST_TICKS = {"ticker_max_lag": "100 milliseconds", "ticker_idle_period": "1 second"}
"""Settings for `create_queue` with which an event waits a tenth of a second for its tick."""


def start_pgqd(
    cluster: Cluster,
    databases: Sequence[str],
    *,
    ticker_period: float = 0.1,
    maint_period: float = 10.0,
    retry_period: float = 10.0,
    name: str = "pgqd",
) -> Process:
    """Start a pgqd that ticks and maintains these databases; stop it like any Process.

    The periods are in seconds. The queue's own settings also apply; see `FAST_TICKS`. After a
    database was down, pgqd reconnects only after a minute, which no setting changes: restart pgqd
    if that is too long. Ini file and log are in the cluster's directory.
    """
    directory = cluster.directory
    ini = write_ini(
        directory / f"{name}.ini",
        "pgqd",
        {
            "logfile": directory / f"{name}.log",
            "pidfile": directory / f"{name}.pid",
            "base_connstr": f"host=127.0.0.1 port={cluster.port} user={SUPERUSER}",
            "initial_database": databases[0],
            "database_list": ", ".join(databases),
            "ticker_period": ticker_period,
            "maint_period": maint_period,
            "retry_period": retry_period,
        },
    )
    hand_over(ini)
    # A killed one leaves its pidfile behind.
    (directory / f"{name}.pid").unlink(missing_ok=True)
    return Process([find_program("pgqd"), "-q", ini], directory, name=name, run_as=run_as())
