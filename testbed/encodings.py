"""Databases in other encodings than the cluster's own."""

from psycopg import sql
from psycopg.conninfo import make_conninfo

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.queues import install_pgq


def create_encoded(cluster: Cluster, name: str, encoding: str) -> Database:
    """Create a database in this encoding, with PgQ; clients use UTF-8."""
    statement = sql.SQL(
        "create database {} template template0 encoding {} lc_collate 'C' lc_ctype 'C'"
    ).format(sql.Identifier(name), sql.Literal(encoding))
    with cluster.connect() as conn:
        conn.execute(statement)
    server, pooler = cluster.server, cluster.pooler
    database = Database(
        name,
        make_conninfo(server, client_encoding="UTF8"),
        pooler and make_conninfo(pooler, client_encoding="UTF8"),
    )
    with database.connect() as conn:
        install_pgq(conn)
    return database
