"""A standby of a cluster."""

import shutil
import subprocess

from testbed.cluster import Cluster
from testbed.database import value
from testbed.programs import run_as, server_program


def standby_of(cluster: Cluster) -> Cluster:
    """A standby, to be started."""
    standby = Cluster("standby")
    shutil.rmtree(standby.data_directory)
    subprocess.run(
        [
            str(server_program("pg_basebackup")),
            f"--dbname={cluster.server}",
            f"--pgdata={standby.data_directory}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ],
        check=True,
        cwd=standby.directory,
        **run_as(),
    )
    # The copy has the settings of the other; the last one of a name counts.
    standby.configure({"unix_socket_directories": str(standby.socket_directory)})
    return standby


def is_primary(cluster: Cluster) -> bool:
    """Whether it takes writes."""
    with cluster.connect() as conn:
        return not value(conn, "select pg_is_in_recovery()")
