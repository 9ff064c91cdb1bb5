"""Positions of several consumers on one target, in one transaction: locked, read and advanced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from queue_mover.model import Flavour, Position
from queue_mover.pgq.target import consumer_key
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import TIMEOUTS
from queue_mover.postgres.statements import BEGIN, run_in_one_message

LOCK_WAIT: LiteralString = "200ms"
"""How long anything may wait for a lock: whoever needs longer must not delay the others."""

_TIMEOUTS: LiteralString = f"{TIMEOUTS}, set_config('lock_timeout', '{LOCK_WAIT}', true)"
_LOCK: LiteralString = "select * from queue_mover.lock_positions(%(consumers)s, %(keys)s::bigint[])"
_TABLES: LiteralString = """
    select name, {pgq}.quote_fqname({pgq}.current_event_table(name))
      from unnest(%(queues)s::text[]) name
"""
_ADVANCE: LiteralString = """
    select queue_mover.advance_positions(
        %(consumers)s, %(ticks)s::bigint[], %(sources)s::text[], %(marks)s::text[])
"""


@dataclass(frozen=True, slots=True)
class SharedOpening:
    """The result of the first round trip of a shared transaction."""

    positions: Mapping[str, Position]
    """Of the consumers that could be locked and have a position."""
    tables: Mapping[str, str]
    """The event table of each target queue, quoted; valid for this transaction only."""


def open_shared_transaction(
    connection: Connection, consumers: Sequence[str], queues: Iterable[str], flavour: Flavour
) -> SharedOpening:
    """Begin; try the consumers' locks and read their positions; read the event tables.

    One round trip. In the order of `target.open_transaction`, and for its reasons.
    """
    values = {
        "consumers": list(consumers),
        "keys": [consumer_key(consumer) for consumer in consumers],
        "queues": sorted(set(queues)),
    }
    _, _, locked, _, tables = run_in_one_message(
        connection,
        [BEGIN, _TIMEOUTS, _LOCK, "select txid_current()", flavour.sql(_TABLES)],
        values,
    )
    return SharedOpening({name: Position(*found) for name, *found in locked}, dict(tables))


def commit_positions(connection: Connection, positions: Mapping[str, Position]) -> None:
    """Advance these consumers' positions and commit: their batches are now on the target."""
    values = {
        "consumers": list(positions),
        "ticks": [position.tick for position in positions.values()],
        "sources": [position.source for position in positions.values()],
        "marks": [position.mark for position in positions.values()],
    }
    run_in_one_message(connection, [_ADVANCE, "commit"], values)
