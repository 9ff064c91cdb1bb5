"""The state of a target whose queues are named by the events."""

from dataclasses import replace
from typing import LiteralString

from queue_mover.model import Flavour
from queue_mover.observation.formatting import counted
from queue_mover.observation.side_states import SplitQueues, TargetState
from queue_mover.pgq.named_queues import COPYABLE
from queue_mover.pgq.server import NEWEST_TXID, TransactionIds
from queue_mover.postgres.connection import Connection

_QUEUES: LiteralString = """
    select q.queue_name, not coalesce(q.queue_disable_insert, false), {copyable},
           txid_snapshot_xmax(txid_current_snapshot()), {newest}
      from {pgq}.queue q
     order by q.queue_name
"""


def read_split(connection: Connection, target: TargetState, flavour: Flavour) -> TargetState:
    """The state with what its fields about a queue say about all queues: `may_copy` is whether the
    role may write to any of them."""
    statement = _QUEUES.replace("{copyable}", COPYABLE).replace("{newest}", NEWEST_TXID)
    rows = connection.execute(flavour.sql(statement)).fetchall()
    newest = max(rows, key=lambda row: row[4] or 0, default=None)
    return replace(
        target,
        queue_exists=bool(rows),
        inserts_disabled=bool(rows) and not any(row[1] for row in rows),
        may_copy=not rows or any(row[2] for row in rows),
        transaction_ids=TransactionIds(newest[3], newest[4]) if newest else None,
        split=SplitQueues(
            tuple(row[0] for row in rows),
            tuple(row[0] for row in rows if not (row[1] and row[2])),
            newest[0] if newest else "",
        ),
    )


def queues_in_words(split: SplitQueues) -> str:
    """How many queues events may name, and which of them take none."""
    closed = ", ".join(f'"{name}"' for name in split.closed[:3]) + ", ..." * (len(split.closed) > 3)
    aside = f", of which {len(split.closed)} cannot be written to ({closed})"
    return counted(len(split.names), "queue") + aside * bool(split.closed)
