"""What happens, act by act."""

import re
import time
from collections.abc import Callable

from demo import kept, verdict
from demo.admin import Admin, typed
from demo.kill import kill_in_the_middle
from demo.movers import INI, Movers
from demo.progress import Progress, Sample
from demo.screen import Screen
from demo.servers import (
    CENTRAL,
    SHARDS,
    SOURCE_QUEUE,
    TARGET_QUEUE,
    Databases,
    Servers,
    open_shops,
)
from demo.shop import ROLLED_BACK, WRITERS_PER_SHARD, Shop, Tally
from testbed.database import value

VICTIM = "shard1"
KILL_AT = 0.35
"""of the events written"""
DEAD_SECONDS = 4.0
CAUGHT_UP = 1.0
"""seconds of lag"""
PATIENCE = 120.0
"""seconds without a single arrival after which nobody waits any longer"""
GLANCE = 0.2
LINE_EVERY = 3.0
"""seconds between lines where there is no terminal"""
LINE = re.compile(r"\S+ ([\d:]+),\d+ \d+ [A-Z]+ ")
"""what stands in front of a message in the log"""
BATCH = re.compile(r"\{count: (?P<count>\d+), .*source: (?P<source>\w+)\}")
"""a statistics line"""


class Story:
    """The demo from beginning to end."""

    def __init__(self, screen: Screen, *, keep: bool) -> None:
        self._screen = screen
        self._keep = keep
        self._last_line = 0.0

    def play(self) -> verdict.Verdict:
        """Everything; what came of it."""
        self._prologue()
        with Servers() as servers:
            databases = self._build(servers)
            with Movers(servers.directory, databases) as movers:
                admin = self._prepare(servers, databases)
                self._start(movers)
                found = self._run(databases, movers)
                self._ask(admin)
                if self._keep:
                    servers.keep()
                    movers.keep()
                    kept.describe(self._screen, servers.directory, databases)
                else:
                    self._stop(movers)
        if not self._keep:
            self._screen.say("Clusters stopped, files removed.")
        return found

    def _prologue(self) -> None:
        self._screen.title("queue_mover: every event arrives, exactly once")
        self._screen.gap()
        self._screen.say(
            "A shop keeps its orders in three databases (shards). Each change becomes an",
            "event in a queue there, and all events have to get into one queue in a",
            "central database on another server: each of them once, unchanged, in order.",
            "",
            "  shard0  [shop] ---.",
            "  shard1  [shop] ---+---  queue_mover3  --->  [all_shops]  central",
            "  shard2  [shop] ---'",
            "",
            "Everything here is real: PostgreSQL, PgQ, its ticker pgqd, the daemon. On the",
            "way the daemon is killed in the middle of its work. All of it takes about a",
            "minute; Ctrl-C ends and removes it.",
        )

    def _build(self, servers: Servers) -> Databases:
        screen = self._screen
        screen.act("1. Two private PostgreSQL servers")
        databases = servers.start_clusters()
        with databases.central.connect() as conn:
            version = value(conn, "select split_part(version(), ' ', 2)")
        screen.say(
            f"PostgreSQL {version} on port {servers.sources.cluster.port}: shard0, shard1, shard2",
            f"PostgreSQL {version} on port {servers.target.cluster.port}: central",
            f"In {servers.directory}, where all commands below are run.",
        )
        return databases

    def _prepare(self, servers: Servers, databases: Databases) -> Admin:
        screen = self._screen
        screen.act("2. PgQ and a queue in each database, a ticker for each server")
        admin = Admin(servers.directory, databases.every)
        for name in SHARDS:
            admin.prepare(name, SOURCE_QUEUE)
        admin.prepare(CENTRAL, TARGET_QUEUE)
        open_shops(databases)
        screen.command(*(typed(words) for words in admin.commands(SHARDS[0], SOURCE_QUEUE)))
        screen.say("  and the same for shard1, shard2 and central.")
        servers.start_tickers()
        screen.command("pgqd -q sources-cluster/pgqd.ini &", "pgqd -q target-cluster/pgqd.ini &")
        return admin

    def _start(self, movers: Movers) -> None:
        screen = self._screen
        screen.act("3. One daemon for all shards")
        screen.command(f"cat {INI}")
        screen.quote(movers.ini_text)
        screen.gap()
        movers.start()
        screen.command(movers.start_command)

    def _run(self, databases: Databases, movers: Movers) -> verdict.Verdict:
        shop = Shop(databases.shards)
        try:
            with Progress(databases, movers, shop) as progress:
                self._open(shop)
                self._watch(
                    progress, movers, lambda now: now.total_produced >= KILL_AT * shop.quota
                )
                self._kill(databases, movers, shop, progress)
                self._watch(progress, movers, lambda _: not shop.busy)
                end = self._watch(
                    progress, movers, lambda now: now.total_moved >= now.total_produced
                )
                self._screen.say(str(end))
                tallies = progress.tallies()
        finally:
            shop.close()
        return self._judge(databases, tallies, end)

    def _open(self, shop: Shop) -> None:
        self._screen.act("4. The shop sells, the mover moves")
        self._screen.say(
            f"{WRITERS_PER_SHARD * len(SHARDS)} writers place, ship and cancel orders, in"
            " transactions of 2 to 1,500 events,",
            f"{ROLLED_BACK:.0%} of them rolled back. Lag is how far the slowest shard is behind.",
        )
        self._screen.gap()
        shop.open()

    def _watch(self, progress: Progress, movers: Movers, until: Callable[[Sample], bool]) -> Sample:
        """Show progress until something is true, or nothing has moved for too long."""
        moved, since = -1, time.monotonic()
        while True:
            now = progress.look()
            if until(now):
                return now
            if now.total_moved != moved:
                moved, since = now.total_moved, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                return now
            movers.check()
            self._show(now)
            time.sleep(GLANCE)

    def _show(self, now: Sample) -> None:
        if self._screen.terminal or now.seconds - self._last_line >= LINE_EVERY:
            self._last_line = now.seconds
            self._screen.live(str(now))

    def _kill(self, databases: Databases, movers: Movers, shop: Shop, progress: Progress) -> None:
        screen = self._screen
        screen.say(str(progress.look()))
        screen.gap()
        kill_in_the_middle(screen, databases, movers, shop, VICTIM)
        dead = time.monotonic()
        screen.gap()
        screen.say("Nothing moves now, from any shard. The shop goes on selling, and lag grows:")
        screen.gap()
        now = self._watch(progress, movers, lambda _: time.monotonic() - dead > DEAD_SECONDS)
        screen.say(str(now))
        screen.gap()
        screen.say("Start it again. This is waiting by now:")
        screen.quote("\n".join(now.waiting))
        lines = len(movers.log())
        movers.start()
        screen.command(movers.start_command)
        screen.gap()
        screen.say(str(self._watch(progress, movers, lambda now: now.lag < CAUGHT_UP)))
        screen.gap()
        screen.say(
            "Each shard goes on from its position, which stands in central. From the log,",
            "with the biggest batch of each:",
        )
        screen.quote("\n".join(_telling(movers.log()[lines:])))
        screen.gap()

    def _judge(
        self, databases: Databases, tallies: dict[str, Tally], end: Sample
    ) -> verdict.Verdict:
        screen = self._screen
        total = sum(tallies.values(), Tally())
        screen.gap()
        screen.say(
            f"The writers are done: {total.committed:,} events in {total.transactions:,}"
            " transactions. Another",
            f"{total.undone:,} events were rolled back by the shop, and must not arrive.",
            "",
            "Some events, as they stand in central now (extra1 and data):",
        )
        screen.quote("\n".join(verdict.some_events(databases.central)))
        screen.act("5. Every field of every event, on the shards and in central, compared")
        committed = {shard: tally.committed for shard, tally in tallies.items()}
        found = verdict.judge(databases, committed, end.seconds)
        verdict.show(screen, found)
        return found

    def _ask(self, admin: Admin) -> None:
        self._screen.act("6. What a database administrator sees")
        self._show_answer(admin, admin.status_of_movers(INI))
        self._screen.gap()
        self._show_answer(admin, admin.status(VICTIM))

    def _show_answer(self, admin: Admin, words: tuple[str, ...]) -> None:
        self._screen.command(typed(words))
        self._screen.quote(admin.answer(words))

    def _stop(self, movers: Movers) -> None:
        self._screen.act("The end")
        self._screen.command(movers.stop_command)
        movers.stop()


def _telling(log: list[str]) -> list[str]:
    """The lines of a log that tell what it found, and each source's biggest batch.

    Of each line the time of day and the message: more would not fit.
    """
    lines = [LINE.sub(r"\1 ", line) for line in log]
    biggest: dict[str, tuple[int, str]] = {}
    for line in lines:
        if found := BATCH.search(line):
            count, source = int(found["count"]), found["source"]
            biggest[source] = max(biggest.get(source, (0, "")), (count, line))
    return [
        *(line for line in lines if "stale pidfile" in line),
        *(line for line in lines if any(line == kept for _, kept in biggest.values())),
    ]
