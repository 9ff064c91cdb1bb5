"""The comparison of every field of every event, as a table."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from demo.screen import WIDTH, Screen, shortened
from demo.servers import SHARDS, SOURCE_QUEUE, TARGET_QUEUE, Databases
from testbed.compare import Comparison, compare
from testbed.database import Database, value
from testbed.events import EventSet, queue_events
from testbed.queues import qualified, queue_table

HEADER = ("source", "committed", "arrived", "missing", "duplicated", "changed", "order", "events/s")


@dataclass(frozen=True)
class Verdict:
    """The result of the comparison."""

    committed: Mapping[str, int]
    """events by shard, as counted by the writers"""
    comparisons: Mapping[str, Comparison]
    """of each shard with the events in central that name it as their origin"""
    unknown: int
    """events in central that name no shard"""
    seconds: float
    """from the first write to the last arrival"""

    @property
    def good(self) -> bool:
        """Whether central has exactly what was committed: once, unchanged, in order."""
        return not self.errors()

    def rows(self) -> list[tuple[str, ...]]:
        """The table."""
        lines = [self._numbers(shard, found) for shard, found in self.comparisons.items()]
        columns = list(zip(*lines, strict=True))
        total = [sum(column) for column in columns]
        named = [*zip(self.comparisons, lines, strict=True), ("central", total)]
        return [HEADER, *(self._row(name, numbers) for name, numbers in named)]

    def _numbers(self, shard: str, found: Comparison) -> list[int]:
        return [
            self.committed[shard],
            sum(found.arrived),
            found.missing,
            found.duplicated,
            found.changed,
            found.out_of_order,
        ]

    def _row(self, name: str, numbers: list[int]) -> tuple[str, ...]:
        *counts, disorder = numbers
        order = f"{disorder:,} wrong" if disorder else "kept"
        rate = f"{numbers[1] / self.seconds:,.0f}"
        return (name, *(f"{count:,}" for count in counts), order, rate)

    def summary(self) -> str:
        """The result in one line."""
        numbers = [self._numbers(shard, found) for shard, found in self.comparisons.items()]
        *_, missing, duplicated, changed, disorder = map(sum, zip(*numbers, strict=True))
        unexpected = self.unknown + sum(found.unexpected for found in self.comparisons.values())
        order = "order NOT kept" if disorder else "order kept"
        more = f", changed {changed:,}" if changed else ""
        more += f", unexpected {unexpected:,}" if unexpected else ""
        result = f"missing {missing:,}, duplicated {duplicated:,}, {order}{more}"
        return result if self.good else f"FAILED: {result}"

    def errors(self) -> list[str]:
        """What is wrong, line by line."""
        errors = []
        for shard, found in self.comparisons.items():
            if not found.identical:
                errors += f"{shard}: {found}".splitlines()
            if self.committed[shard] != sum(found.expected):
                errors.append(
                    f"{shard}: the writers counted {self.committed[shard]:,} events,"
                    f" the queue has {sum(found.expected):,}"
                )
        if self.unknown:
            errors.append(f"central: {self.unknown:,} events name no shard")
        return errors


def judge(databases: Databases, committed: Mapping[str, int], seconds: float) -> Verdict:
    """Compare the queues of the shards with central's."""
    comparisons = {
        shard.name: compare(
            [queue_events(shard, SOURCE_QUEUE)], _arrived_from(databases.central, shard.name)
        )
        for shard in databases.shards
    }
    return Verdict(committed, comparisons, _of_unknown_origin(databases.central), seconds)


def _arrived_from(central: Database, shard: str) -> EventSet:
    """The events in central whose extra4 names this shard, as a view."""
    view = f"demo.from_{shard}"
    with central.connect() as conn:
        conn.execute("set client_min_messages = warning")
        conn.execute("create schema if not exists demo")
        conn.execute(
            sql.SQL("create or replace view {} as select * from {} where ev_extra4 = {}").format(
                qualified(view), qualified(queue_table(conn, TARGET_QUEUE)), sql.Literal(shard)
            )
        )
    return EventSet(central, view)


def _of_unknown_origin(central: Database) -> int:
    with central.connect() as conn:
        statement = sql.SQL("select count(*) from {} where (ev_extra4 = any(%s)) is not true")
        table = qualified(queue_table(conn, TARGET_QUEUE))
        return int(value(conn, statement.format(table), list(SHARDS)))


def show(screen: Screen, verdict: Verdict) -> None:
    """Print the table, the summary and what is wrong."""
    screen.table(verdict.rows())
    screen.verdict(verdict.summary(), good=verdict.good)
    for error in verdict.errors():
        screen.say(*textwrap.wrap(error, WIDTH - 4, subsequent_indent="  "))


def some_events(central: Database) -> list[str]:
    """A few different events of the first shard, each cut to fit a line."""
    with central.connect() as conn:
        rows = conn.execute(
            sql.SQL("""
                select distinct on (ev_extra1, ev_type) ev_extra1, ev_data from {}
                 where ev_extra4 = %s and ev_extra1 <> 'public.stock' order by ev_extra1, ev_type
            """).format(qualified(queue_table(conn, TARGET_QUEUE))),
            [SHARDS[0]],
        ).fetchall()
    return [shortened(f"{table:<15}  {data}") for table, data in rows]
