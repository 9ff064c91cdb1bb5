"""The target queues that events name, and the tables to write them to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

from queue_mover.model import Flavour
from queue_mover.postgres.connection import Connection

COPYABLE: LiteralString = """
    coalesce(has_table_privilege(q.queue_data_pfx || '_0', 'insert')
             and has_sequence_privilege(q.queue_event_seq, 'usage')
             and has_function_privilege('{pgq}.current_event_table(text)', 'execute'), true)
"""
"""For a row q of pgq.queue: whether the role may COPY into its event tables."""

# Names as bytes: the client's encoding need not be able to represent them.
_FIND: LiteralString = """
    select named, disabled, may_write,
           case when may_write and not disabled and %(tables)s then convert_to(
             {pgq}.quote_fqname({pgq}.current_event_table(q.queue_name)), 'UTF8') end
      from {pgq}.queue q
     cross join convert_to(
             q.queue_name, case when %(raw)s then getdatabaseencoding() else 'UTF8' end) named
     cross join lateral (
             select not %(tables)s or {copyable} as may_write,
                    coalesce(q.queue_disable_insert, false) as disabled) state
     where named = any(%(names)s)
"""


@dataclass(frozen=True, slots=True)
class NamedQueue:
    """A queue of the target, in one transaction."""

    inserts_disabled: bool
    may_write: bool
    """Whether the role may COPY into its event tables; true where it need not."""
    table: str
    """The event table to COPY into, quoted; empty where none was wanted, or none may be."""


def find_queues(
    connection: Connection, names: Iterable[bytes], flavour: Flavour, *, raw: bool, tables: bool
) -> dict[bytes, NamedQueue]:
    """Those of the named queues that exist, by their names; one round trip.

    `names`: in UTF-8, or with `raw` in the database's encoding. `tables`: look up their event
    tables, for which the transaction must have its ID, as in `target.open_transaction`.
    """
    rows = connection.execute(
        flavour.sql(_FIND.replace("{copyable}", COPYABLE)),
        {"names": list(names), "raw": raw, "tables": tables},
    ).fetchall()
    return {
        bytes(name): NamedQueue(disabled, may_write, bytes(table or b"").decode())
        for name, disabled, may_write, table in rows
    }
