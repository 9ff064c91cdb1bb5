"""The queues that movers write to, and their consumers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from psycopg import conninfo

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import QueueMoverError
from queue_mover.model import Flavour
from queue_mover.observation.database import Consumer, Queue, read_consumers, read_queues
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.conninfo import describe
from queue_mover.postgres.database import Database
from queue_mover.postgres.statements import has_function

Key = tuple[str, str, str]
"""A target's connect string, the queue in it, and the schema of its PgQ."""

AT_ONCE = 8
"""Targets read at the same time."""


@dataclass(frozen=True, slots=True)
class TargetQueue:
    """A queue that movers write to."""

    database: str
    """Where its connect string leads: never a password."""
    name: str
    flavour: Flavour
    readable: bool = True
    """Whether it could be read; if not, each of its sources has a finding that says why."""
    queue: Queue | None = None
    """None: not readable, or it does not exist."""
    consumers: tuple[Consumer, ...] = ()


def key(mover: MoverSettings) -> Key:
    """The key of a mover's target queue; where its events name them, of a stand-in for all."""
    return mover.dst_db, mover.route.target_queue, mover.route.target_flavour.schema


def gather(movers: Sequence[MoverSettings]) -> dict[Key, TargetQueue]:
    """Read each target queue once, in the order of the movers. Errors make it not `readable`.

    After them come all other queues of a target whose queues are named by the events."""
    by_database: dict[str, dict[Key, MoverSettings]] = {}
    for mover in movers:
        by_database.setdefault(mover.dst_db, {}).setdefault(key(mover), mover)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(_read, by_database.values()))
    everything = {each: queue for part in found for each, queue in part.items()}
    return {key(mover): everything[key(mover)] for mover in movers} | everything


def _read(wanted: dict[Key, MoverSettings]) -> dict[Key, TargetQueue]:
    text = next(iter(wanted))[0]
    unread = {
        each: TargetQueue(
            describe(text), mover.route.target_queue, mover.route.target_flavour, readable=False
        )
        for each, mover in wanted.items()
    }
    database = Database("target", conninfo.make_conninfo(text, application_name="pgqadm"), "pgqadm")
    try:
        with database.session() as connection:
            found = {}
            for each, blank in unread.items():
                flavour = blank.flavour
                if not has_function(connection, flavour.sql("{pgq}.get_consumer_info()")):
                    found[each] = blank
                    continue
                if wanted[each].route.split_field:
                    found[each] = replace(blank, readable=True)
                    found |= _read_all(connection, text, found[each])
                    continue
                queues = read_queues(connection, blank.name, flavour)
                found[each] = TargetQueue(
                    blank.database,
                    blank.name,
                    flavour,
                    queue=queues[0] if queues else None,
                    consumers=read_consumers(connection, blank.name, flavour=flavour),
                )
            return found
    except QueueMoverError:
        return unread
    finally:
        database.close()


def _read_all(connection: Connection, text: str, blank: TargetQueue) -> dict[Key, TargetQueue]:
    """All queues of a target, which events may name."""
    consumers = read_consumers(connection, None, flavour=blank.flavour)
    return {
        (text, queue.name, blank.flavour.schema): replace(
            blank,
            name=queue.name,
            queue=queue,
            consumers=tuple(each for each in consumers if each.queue == queue.name),
        )
        for queue in read_queues(connection, None, blank.flavour)
    }
