"""Read the state of source and target, for a mover before its first batch and for `status`."""

from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row, dict_row

from queue_mover.model import Route
from queue_mover.pgq import server
from queue_mover.pgq.server import TransactionIds
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import has_function

NEXT_BATCH_FUNCTION = "{pgq}.next_batch_custom(text, text, interval, int4, interval)"
ADVANCE_FUNCTION = "queue_mover.advance_position(text, bigint, bigint, text, text)"


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of a server on either side."""

    standby: bool
    read_only: bool
    """By a setting of the role, the database or the server."""
    encoding: str
    """Of the database."""
    role: str
    """The role that we are connected as."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """The source: its server, the queue, the consumer. Without PgQ the rest is empty."""

    server: ServerState
    has_pgq: bool = False
    queue_exists: bool = False
    may_read: bool = False
    registered: bool = False
    identity: str = ""
    """Identifies the queue, its database and its server, for messages and for comparison."""
    unidentified: str = ""
    """The remedy if the server's identity cannot be read."""
    transaction_ids: TransactionIds | None = None
    """None: no such queue."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """The target: its server, the queue, the position's table. Without PgQ the rest is empty."""

    server: ServerState
    has_pgq: bool = False
    has_pgq_ext: bool = False
    queue_exists: bool = False
    inserts_disabled: bool = False
    may_copy: bool = False
    may_insert: bool = False
    may_record: bool = False
    remembers: bool = False
    """Whether the schema queue_mover is installed, which records the origins of positions."""
    transaction_ids: TransactionIds | None = None
    """None: no such queue."""
    may_create: bool = False
    """Whether the role may create queues."""


def read_server(connection: Connection) -> ServerState:
    """Read the state of a server."""
    with connection.cursor(row_factory=class_row(ServerState)) as cursor:
        state = cursor.execute(
            """
            select pg_is_in_recovery() as standby,
                   current_setting('transaction_read_only')::bool as read_only,
                   current_setting('server_encoding') as encoding,
                   current_user::text as role
            """
        ).fetchone()
    assert state is not None
    return state


_SOURCE: LiteralString = """
    select q.queue_id is not null,
           has_function_privilege(%(function)s, 'execute') and coalesce(
             has_table_privilege(q.queue_data_pfx || '_0', 'select'), true),
           exists (select from {pgq}.get_consumer_info(%(queue)s, %(consumer)s)),
           coalesce(format('%%s, database %%s, queue %%s, no. %%s', %(server)s::text,
                           current_database(), q.queue_name, q.queue_id), '')
      from (values (%(queue)s)) as wanted (name)
      left join {pgq}.queue q on q.queue_name = wanted.name
"""


def read_source(connection: Connection, route: Route) -> SourceState:
    """Read the state of a route's source."""
    flavour = route.source_flavour
    next_batch = flavour.sql(NEXT_BATCH_FUNCTION)
    state = read_server(connection)
    if not has_function(connection, next_batch):
        return SourceState(state)
    identity = server.identity(connection)
    row = connection.execute(
        flavour.sql(_SOURCE),
        {
            "server": identity,
            "queue": route.queue,
            "consumer": route.consumer,
            "function": next_batch,
        },
    ).fetchone()
    assert row is not None
    exists, may_read, registered, queue_identity = row
    return SourceState(
        state,
        has_pgq=True,
        queue_exists=exists,
        may_read=may_read,
        registered=registered,
        identity=queue_identity if identity else "",
        unidentified="" if identity else server.identity_remedy(connection, flavour),
        transaction_ids=server.transaction_ids(connection, route.queue, flavour),
    )


_TARGET: LiteralString = """
    select q.queue_name is not null as queue_exists,
           coalesce(q.queue_disable_insert, false) as inserts_disabled,
           coalesce(has_table_privilege(q.queue_data_pfx || '_0', 'insert')
                    and has_sequence_privilege(q.queue_event_seq, 'usage')
                    and has_function_privilege('{pgq}.current_event_table(text)', 'execute'), true)
             as may_copy,
           has_function_privilege(
             '{pgq}.insert_event(text, text, text, text, text, text, text)', 'execute')
             as may_insert,
           has_function_privilege('pgq_ext.set_last_tick(text, bigint)', 'execute')
             and coalesce(has_function_privilege(
               to_regprocedure(%(advance)s), 'execute'), true) as may_record,
           to_regprocedure(%(advance)s) is not null as remembers,
           coalesce(has_function_privilege(to_regprocedure('{pgq}.create_queue(text)'), 'execute')
                    and has_function_privilege(
                      to_regprocedure('{pgq}.set_queue_config(text, text, text)'), 'execute'),
                    false) as may_create
      from (values (%(queue)s)) as wanted (name)
      left join {pgq}.queue q on q.queue_name = wanted.name
"""


def read_target(connection: Connection, route: Route) -> TargetState:
    """Read the state of a route's target."""
    flavour = route.target_flavour
    state = read_server(connection)
    has_pgq = has_function(connection, flavour.sql("{pgq}.current_event_table(text)"))
    has_pgq_ext = has_function(connection, "pgq_ext.set_last_tick(text, bigint)")
    if not (has_pgq and has_pgq_ext):
        return TargetState(state, has_pgq, has_pgq_ext)
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            flavour.sql(_TARGET), {"advance": ADVANCE_FUNCTION, "queue": route.target_queue}
        )
        row = cursor.fetchone()
    assert row is not None
    found = server.transaction_ids(connection, route.target_queue, flavour)
    return TargetState(state, has_pgq, has_pgq_ext, **row, transaction_ids=found)
