"""What prevents a mover from moving batches: pure functions of the state of either side.

A mover refuses to start with the first of these; `status --movers` shows them all. Add a new check
to SOURCE or TARGET.
"""

import shlex
from collections.abc import Callable, Sequence

from queue_mover.errors import NotReadyError, UnavailableError
from queue_mover.model import BatchLimits, Policy, Route
from queue_mover.observation.database_findings import enable_inserts
from queue_mover.observation.findings import Code, Finding, Place, source_place
from queue_mover.observation.side_states import ServerState, SourceState, TargetState
from queue_mover.postgres.statements import quote_ident

INSTALL = "pgqadm.py CONFIG install"

SourceCheck = Callable[[SourceState, Route], Finding | None]
TargetCheck = Callable[[TargetState, Route, Policy], Finding | None]


def source_findings(state: SourceState, route: Route) -> list[Finding]:
    """What is wrong with the source, in the order in which to fix it."""
    return [finding for check in SOURCE if (finding := check(state, route))]


def target_findings(state: TargetState, route: Route, policy: Policy) -> list[Finding]:
    """What is wrong with the target, in the order in which to fix it."""
    return [finding for check in TARGET if (finding := check(state, route, policy))]


def require_none(found: Sequence[Finding]) -> None:
    """Raise NotReadyError for the first finding; UnavailableError if it may be temporary."""
    if not found:
        return
    first = found[0]
    if first.code is Code.READ_ONLY:
        raise UnavailableError(first.message, first.text.partition(" is ")[0])
    raise NotReadyError(first.message)


def same_queue_finding(route: Route, *, same_database: bool) -> Finding | None:
    """A queue that would be moved into itself, doubling its events for ever."""
    if not same_database or not route.has_one_name:
        return None
    return Finding(
        Code.MOVED_INTO_ITSELF,
        source_place(route),
        f'source and target are the same database, and queue "{route.queue}" would be moved'
        " into itself",
        "set another dst_db or dst_queue_name",
    )


def interval_findings(limits: BatchLimits, unusable: Sequence[str]) -> list[Finding]:
    """Findings about the unusable intervals of the limits."""
    keys = {
        "pgq_batch_collect_interval": limits.min_interval,
        "pgq_keep_lag": limits.keep_lag,
    }
    return [
        Finding(
            Code.INTERVAL_NOT_USABLE,
            Place(),
            f"{key}: {value!r} is not an interval that PostgreSQL can use",
            f"for example {key} = 30 seconds",
        )
        for key, value in keys.items()
        if value in unusable
    ]


def _target_place(route: Route) -> Place:
    return Place(queue=route.target_queue, side="target")


def _server(state: ServerState, side: str, place: Place) -> Finding | None:
    """Both sides must be writable before anything is written to either."""
    if state.standby:
        return Finding(
            Code.STANDBY,
            place,
            f"{side} database is a standby",
            "connect to the primary (several hosts in the connect string, and"
            " target_session_attrs=read-write)",
        )
    if state.read_only:
        return Finding(
            Code.READ_ONLY, place, f"{side} database is read-only", "connect to the primary"
        )
    return None


def _source_server(state: SourceState, route: Route) -> Finding | None:
    return _server(state.server, "source", source_place(route))


def _source_pgq(state: SourceState, route: Route) -> Finding | None:
    if state.has_pgq:
        return None
    text = f"source database: {route.source_flavour.name} 3 is not installed"
    return Finding(Code.NOT_INSTALLED, source_place(route), text, INSTALL)


def _source_identity(state: SourceState, route: Route) -> Finding | None:
    if not state.unidentified:
        return None
    return Finding(
        Code.IDENTITY_NOT_READABLE,
        source_place(route),
        f"source database: role {quote_ident(state.server.role)} may not read the server's"
        " identity",
        state.unidentified,
    )


def _source_row_security(state: SourceState, route: Route) -> Finding | None:
    """Events that it hides would look as if there were none, and count as moved."""
    if not state.row_security:
        return None
    role, tables = quote_ident(state.server.role), ", ".join(state.row_security)
    return Finding(
        Code.PRIVILEGE_MISSING,
        source_place(route),
        f"source database: row-level security of {tables} may hide rows from role {role}",
        f"ALTER ROLE {role} BYPASSRLS, or ALTER TABLE {state.row_security[0]} DISABLE ROW LEVEL"
        " SECURITY for each",
    )


def _source_queue(state: SourceState, route: Route) -> Finding | None:
    if state.queue_exists or not state.has_pgq:
        return None
    return Finding(
        Code.QUEUE_MISSING,
        source_place(route),
        f'source database: no queue "{route.queue}"',
        f"pgqadm.py CONFIG create {shlex.quote(route.queue)}",
    )


def _source_privileges(state: SourceState, route: Route) -> Finding | None:
    if not state.has_pgq or (state.may_read and not state.not_granted):
        return None
    role = quote_ident(state.server.role)
    grants = [] if state.may_read else [f"GRANT {route.source_flavour.reader} TO {role}"]
    if state.not_granted:
        grants.append(f"GRANT EXECUTE ON FUNCTION {', '.join(state.not_granted)} TO {role}")
    return Finding(
        Code.PRIVILEGE_MISSING,
        source_place(route),
        f"source database: role {role} may not read batches",
        "; ".join(grants),
    )


def _source_consumer(state: SourceState, route: Route) -> Finding | None:
    """PgQue refuses batches to a consumer with subconsumers, and to these."""
    if not state.cooperative:
        return None
    return Finding(
        Code.CONSUMER_COOPERATIVE,
        source_place(route),
        f'source database: consumer "{route.consumer}" of queue "{route.queue}" is cooperative:'
        " its subconsumers share its events, and a mover must get them all",
        "set another consumer_name, or unregister its subconsumers"
        f" ({route.source_flavour.schema}.unregister_subconsumer)",
    )


def _source_transaction_ids(state: SourceState, route: Route) -> Finding | None:
    ids = state.transaction_ids
    if ids is None or not ids.behind:
        return None
    text = f'source database: queue "{route.queue}": {ids.problem}'
    return Finding(Code.TRANSACTION_IDS_BEHIND, source_place(route), text, ids.remedy)


def _target_server(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    return _server(state.server, "target", _target_place(route))


def _target_installed(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    if state.has_pgq and state.has_pgq_ext:
        return None
    part = "pgq_ext" if state.has_pgq else route.target_flavour.name
    text = f"target database: {part} is not installed"
    return Finding(Code.NOT_INSTALLED, _target_place(route), text, INSTALL)


def _is_installed(state: TargetState) -> bool:
    return state.has_pgq and state.has_pgq_ext


def _target_queue(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    if state.queue_exists or not _is_installed(state):
        return None
    queue, flavour = route.target_queue, route.target_flavour
    text = f'target database: no queue "{queue}"'
    remedy = f"pgqadm.py CONFIG create {shlex.quote(queue)}"
    if state.split:
        text, remedy = (
            "target database: no queue for events to name",
            ("pgqadm.py CONFIG create QUEUE for each"),
        )
    elif not flavour.allows(queue):
        longest = flavour.longest_queue_name
        text += f": {flavour.name} allows names of {longest} bytes, this one has"
        text += f" {len(queue.encode())}"
        remedy = "set a shorter dst_queue_name"
    elif route.create_target_queue:
        if state.may_create:
            return None
        role = quote_ident(state.server.role)
        text += f", and role {role} may not create it"
        remedy = f"GRANT {route.target_flavour.admin} TO {role}, or {remedy}"
        return Finding(Code.PRIVILEGE_MISSING, _target_place(route), text, remedy)
    return Finding(Code.QUEUE_MISSING, _target_place(route), text, remedy)


def _target_inserts(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    if not state.inserts_disabled:
        return None
    if state.split:
        queue = state.split.names[0]
        text = "target database: inserts into all of its queues are disabled"
        remedy = f"for each: {enable_inserts(queue, route.target_flavour)}"
        return Finding(Code.INSERTS_DISABLED, _target_place(route), text, remedy)
    return Finding(
        Code.INSERTS_DISABLED,
        _target_place(route),
        f'target database: inserts into queue "{route.target_queue}" are disabled',
        enable_inserts(route.target_queue, route.target_flavour),
    )


def _target_writes(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    may_write = state.may_insert if policy.insert else state.may_copy
    if may_write or not _is_installed(state):
        return None
    flavour, role = route.target_flavour, quote_ident(state.server.role)
    if policy.insert:
        text = f"target database: role {role} may not call {flavour.schema}.insert_event"
        remedy = f"GRANT {flavour.writer} TO {role}"
    else:
        queue = "any queue" if state.split else f'"{route.target_queue}"'
        text = f"target database: role {role} may not insert into the event tables of {queue}"
        remedy = f"GRANT {flavour.admin} TO {role}, or write_with = insert_event"
    return Finding(Code.PRIVILEGE_MISSING, _target_place(route), text, remedy)


def _target_row_security(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    if not state.row_security or policy.insert:
        return None
    role = quote_ident(state.server.role)
    text = f"target database: row-level security of the event tables forbids COPY to role {role}"
    remedy = f"ALTER ROLE {role} BYPASSRLS, or ALTER TABLE ... DISABLE ROW LEVEL SECURITY for each"
    return Finding(Code.PRIVILEGE_MISSING, _target_place(route), text, remedy)


def _target_position(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    if state.may_record or not _is_installed(state):
        return None
    role = quote_ident(state.server.role)
    text = f"target database: role {role} may not set the position"
    remedy = f"GRANT {route.target_flavour.writer} TO {role}"
    return Finding(Code.PRIVILEGE_MISSING, _target_place(route), text, remedy)


def _target_transaction_ids(state: TargetState, route: Route, policy: Policy) -> Finding | None:
    ids = state.transaction_ids
    if ids is None or not ids.behind:
        return None
    queue = state.split.newest if state.split else route.target_queue
    text = f'target database: queue "{queue}": {ids.problem}'
    return Finding(Code.TRANSACTION_IDS_BEHIND, _target_place(route), text, ids.remedy)


SOURCE: tuple[SourceCheck, ...] = (
    _source_server,
    _source_pgq,
    _source_identity,
    _source_row_security,
    _source_queue,
    _source_privileges,
    _source_consumer,
    _source_transaction_ids,
)
TARGET: tuple[TargetCheck, ...] = (
    _target_server,
    _target_installed,
    _target_queue,
    _target_inserts,
    _target_writes,
    _target_row_security,
    _target_position,
    _target_transaction_ids,
)
