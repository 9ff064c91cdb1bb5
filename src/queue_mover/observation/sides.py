"""Read the state of source and target, for a mover before its first batch and for `status`."""

from collections.abc import Callable
from importlib import import_module
from typing import LiteralString

from psycopg.rows import dict_row

from queue_mover.model import Flavour, Route
from queue_mover.observation.side_states import ServerState, SourceState, TargetState
from queue_mover.pgq import server
from queue_mover.pgq.schema_version import READ, SchemaState
from queue_mover.postgres.connection import Connection

NEXT_BATCH_FUNCTION = "{pgq}.next_batch_custom(text, text, interval, int4, interval)"
ANNOUNCE_FUNCTION = "queue_mover.announce_ticks"
LOCK_FUNCTION = "queue_mover.lock_positions(text[], bigint[])"
ROUTES_FUNCTION = "queue_mover.consumers_into(text)"
SET_ROUTE_FUNCTION = "queue_mover.set_route(text, text, boolean)"
ADVANCE_FUNCTION = "queue_mover.advance_position(text, bigint, bigint, text, text)"
ACTIVITY_FUNCTION = "queue_mover.get_activity(text)"
CONSUMERS_FUNCTION = "queue_mover.consumers_of(text)"
EVENT_IDS_FUNCTION = "queue_mover.event_ids_state(text, text, text)"
OF_LATER_VERSIONS = (
    CONSUMERS_FUNCTION,
    ACTIVITY_FUNCTION,
    LOCK_FUNCTION,
    SET_ROUTE_FUNCTION,
    EVENT_IDS_FUNCTION,
)
"""Functions of the schema queue_mover that its earlier versions lack."""


def read_server(connection: Connection, *functions: str) -> tuple[ServerState, list[bool]]:
    """Read the state of a server, and which of these functions the database has."""
    row = connection.execute(
        """
        select pg_is_in_recovery(), current_setting('transaction_read_only')::bool,
               current_setting('server_encoding'), current_user::text,
               array(select to_regprocedure(f) is not null
                       from unnest(%s::text[]) with ordinality as wanted (f, n) order by n)
        """,
        [list(functions)],
    ).fetchone()
    assert row is not None
    *state, found = row
    return ServerState(*state), found


# The functions are those that a batch needs. PgQ grants all of them to its reader; PgQue only some,
# the others to its admin: `batch_event_sql` with what it calls, and what `get_queue_info` calls
# where it does not run as its owner.
_SOURCE: LiteralString = """
    select q.queue_id is not null,
           not coalesce(missing.granted_to_reader, false) and coalesce(
             has_table_privilege(q.queue_data_pfx || '_0', 'select'), true),
           missing.not_granted,
           mine.is_cooperative is not null,
           coalesce(mine.is_cooperative, false),
           coalesce(format('%%s, database %%s, queue %%s, no. %%s', %(server)s::text,
                           current_database(), q.queue_name, q.queue_id), ''),
           exists (select from pg_trigger t
                    where t.tgrelid = '{pgq}.tick'::regclass and t.tgenabled in ('O', 'A')
                      and t.tgfoid = to_regproc(%(announce)s)),
           coalesce(has_function_privilege(to_regprocedure(%(routes)s), 'execute'), false),
           array(select name from (
                   select unnest(array['{pgq}.queue', '{pgq}.tick', '{pgq}.subscription',
                                       '{pgq}.consumer'])
                    union all
                   select q.queue_data_pfx || '_' || n
                     from generate_series(0, q.queue_ntables - 1) n) as read (name)
                  where row_security_active(name))
      from (values (%(queue)s)) as wanted (name)
      left join {pgq}.queue q on q.queue_name = wanted.name
      left join lateral (
           select {is_cooperative} as is_cooperative
             from {pgq}.subscription s join {pgq}.consumer c on c.co_id = s.sub_consumer
            where s.sub_queue = q.queue_id and c.co_name = %(consumer)s) mine on true
     cross join lateral (
           select bool_or(of_reader) as granted_to_reader,
                  coalesce(array_agg(f order by n) filter (where not of_reader), '{}')
                    as not_granted
             from unnest(array[
                    '{pgq}.next_batch_custom(text, text, interval, int4, interval)',
                    '{pgq}.get_batch_info(bigint)', '{pgq}.finish_batch(bigint)',
                    '{pgq}.batch_event_sql(bigint)', '{pgq}.batch_event_tables(bigint)',
                    '{pgq}.quote_fqname(text)',
                    (select '{pgq}.seq_getval(text)' from pg_catalog.pg_proc p
                      where p.oid = to_regprocedure('{pgq}.get_queue_info(text)')
                        and not p.prosecdef)]) with ordinality as needed (f, n),
                  coalesce(has_function_privilege(
                    (select oid from pg_catalog.pg_roles where rolname = %(reader)s),
                    to_regprocedure(f), 'execute'), true) as of_reader
            where not has_function_privilege(to_regprocedure(f), 'execute')) missing
"""


def read_source(connection: Connection, route: Route) -> SourceState:
    """Read the state of a route's source."""
    flavour = route.source_flavour
    state, (has_pgq,) = read_server(connection, flavour.sql(NEXT_BATCH_FUNCTION))
    if not has_pgq:
        return SourceState(state)
    identity = server.identity(connection)
    row = connection.execute(
        flavour.sql(_SOURCE),
        {
            "server": identity,
            "queue": route.queue,
            "consumer": route.consumer,
            "reader": flavour.reader,
            "announce": ANNOUNCE_FUNCTION,
            "routes": ROUTES_FUNCTION,
        },
    ).fetchone()
    assert row is not None
    exists, may_read, not_granted, registered, cooperative, identified, announces, *others = row
    shows_routes, row_security = others
    return SourceState(
        state,
        has_pgq=True,
        queue_exists=exists,
        may_read=may_read,
        registered=registered,
        identity=identified if identity else "",
        unidentified="" if identity else server.identity_remedy(connection, flavour),
        transaction_ids=server.transaction_ids(connection, route.queue, flavour),
        announces=announces or flavour.announces_ticks,
        not_granted=tuple(not_granted),
        cooperative=cooperative,
        shows_routes=shows_routes,
        row_security=tuple(row_security),
    )


_TARGET: LiteralString = """
    select q.queue_name is not null as queue_exists,
           coalesce(q.queue_disable_insert, false) as inserts_disabled,
           coalesce(has_table_privilege(q.queue_data_pfx || '_0', 'insert')
                    and has_sequence_privilege(q.queue_event_seq, 'usage')
                    and has_function_privilege('{pgq}.current_event_table(text)', 'execute')
                    and has_function_privilege('{pgq}.quote_fqname(text)', 'execute'), true)
             as may_copy,
           has_function_privilege(
             '{pgq}.insert_event(text, text, text, text, text, text, text)', 'execute')
             as may_insert,
           has_function_privilege('pgq_ext.set_last_tick(text, bigint)', 'execute')
             and coalesce(has_function_privilege(
               to_regprocedure(%(advance)s), 'execute'), true) as may_record,
           to_regprocedure(%(advance)s) is not null as remembers,
           coalesce((select has_function_privilege(p.oid, 'execute') and has_table_privilege(
                              p.proowner, to_regclass('pgq_ext.completed_tick'), 'update')
                       from pg_proc p where p.oid = to_regprocedure(%(lock)s)), false) as shares,
           coalesce(has_function_privilege(to_regprocedure(%(set_route)s), 'execute'), false)
             as records_routes,
           coalesce(has_function_privilege(to_regprocedure('{pgq}.create_queue(text)'), 'execute')
                    and has_function_privilege(
                      to_regprocedure('{pgq}.set_queue_config(text, text, text)'), 'execute'),
                    false) as may_create,
           coalesce(row_security_active(q.queue_data_pfx || '_0'), false) as row_security,
           to_regprocedure('queue_mover.get_origin(text)') is not null as has_origins,
           {schema_version} as schema_version,
           array(select f from unnest(%(functions)s::text[]) as wanted (f)
                  where to_regprocedure(f) is null) as lacks
      from (values (%(queue)s)) as wanted (name)
      left join {pgq}.queue q on q.queue_name = wanted.name
""".replace("{schema_version}", READ["queue_mover"])


def read_target(connection: Connection, route: Route) -> TargetState:
    """Read the state of a route's target."""
    flavour = route.target_flavour
    state, (has_pgq, has_pgq_ext) = read_server(
        connection,
        flavour.sql("{pgq}.current_event_table(text)"),
        "pgq_ext.set_last_tick(text, bigint)",
    )
    if not (has_pgq and has_pgq_ext):
        return TargetState(state, has_pgq, has_pgq_ext)
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            flavour.sql(_TARGET),
            {
                "advance": ADVANCE_FUNCTION,
                "lock": LOCK_FUNCTION,
                "set_route": SET_ROUTE_FUNCTION,
                "functions": list(OF_LATER_VERSIONS),
                "queue": route.target_queue,
            },
        )
        row = cursor.fetchone()
    assert row is not None
    schema = SchemaState(row.pop("schema_version"), tuple(row.pop("lacks")))
    ids = server.transaction_ids(connection, route.target_queue, flavour)
    target = TargetState(state, has_pgq, has_pgq_ext, **row, transaction_ids=ids, schema=schema)
    if not route.split_field:
        return target
    read_split: Callable[[Connection, TargetState, Flavour], TargetState]
    read_split = import_module("queue_mover.observation.split_target").read_split
    return read_split(connection, target, flavour)
