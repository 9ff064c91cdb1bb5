"""The demo, act by act."""

import re
import shlex
import time
from collections.abc import Callable

from demo import kept, verdict
from demo.admin import Admin
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
    create_shop_tables,
)
from demo.shop import ROLLED_BACK, WRITERS_PER_SHARD, Shop, Tally
from testbed.database import value

VICTIM = "shard1"
KILL_AT = 0.35
"""of the events written"""
DOWN_SECONDS = 4.0
CAUGHT_UP = 1.0
"""seconds of lag"""
STALL_TIMEOUT = 120.0
"""seconds without an arrival after which we give up"""
SAMPLE_EVERY = 0.2
LINE_EVERY = 3.0
"""seconds between lines without a terminal"""
LOG_PREFIX = re.compile(r"\S+ ([\d:]+),\d+ \d+ [A-Z]+ ")
"""before the message of a log line"""
BATCH = re.compile(r"\{count: (?P<count>\d+), .*source: (?P<source>\w+)\}")
"""a statistics line"""


class Story:
    """The demo from beginning to end."""

    def __init__(self, screen: Screen, *, keep: bool) -> None:
        self._screen = screen
        self._keep = keep
        self._last_line = 0.0

    def play(self) -> verdict.Verdict:
        """Run it all; returns the verdict."""
        self._introduce()
        with Servers() as servers:
            databases = self._build(servers)
            with Movers(servers.directory, databases) as movers:
                admin = self._set_up(servers, databases)
                self._start(movers)
                found = self._run(databases, movers)
                # The status that follows is wider than the picture.
                self._screen.end_recording()
                self._show_status(admin)
                if self._keep:
                    servers.keep()
                    movers.keep()
                    kept.describe(self._screen, servers.directory, databases)
                else:
                    self._stop(movers)
        if not self._keep:
            self._screen.say("Clusters stopped, files removed.")
        return found

    def _introduce(self) -> None:
        self._screen.title("queue_mover: every event arrives exactly once")
        self._screen.gap()
        self._screen.say(
            "A shop keeps its orders in three databases (shards). Each change becomes an",
            "event in a queue there. All events must get into one queue in a central",
            "database on another server: each of them once, unchanged, in order.",
            "",
            "  shard0  [shop] ---.",
            "  shard1  [shop] ---+---  queue_mover3  --->  [all_shops]  central",
            "  shard2  [shop] ---'",
            "",
            "Everything here is real: PostgreSQL, PgQ, its ticker, the daemon. Along",
            "the way the daemon is killed in the middle of a batch. The demo takes about a",
            "minute; Ctrl-C stops it and cleans up.",
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
            f"Files are in {servers.directory}; all commands below run there.",
        )
        return databases

    def _set_up(self, servers: Servers, databases: Databases) -> Admin:
        screen = self._screen
        screen.act("2. PgQ, a queue and a ticker for each database")
        admin = Admin(servers.directory, databases.every)
        for name in SHARDS:
            admin.set_up(name, SOURCE_QUEUE)
        admin.set_up(CENTRAL, TARGET_QUEUE)
        create_shop_tables(databases)
        screen.command(
            *(shlex.join(command) for command in admin.setup_commands(SHARDS[0], SOURCE_QUEUE))
        )
        screen.say(
            f"  The same for shard1 and shard2, and for central with the queue {TARGET_QUEUE}."
        )
        screen.command(*servers.start_tickers())
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
            " transactions of 2 to 1,500 events;",
            f"{ROLLED_BACK:.0%} are rolled back. Lag is that of the slowest shard.",
        )
        self._screen.gap()
        shop.open()

    def _watch(self, progress: Progress, movers: Movers, until: Callable[[Sample], bool]) -> Sample:
        """Show progress until the condition is true, or nothing has moved for too long."""
        moved, since = -1, time.monotonic()
        while True:
            now = progress.sample()
            if until(now):
                return now
            if now.total_moved != moved:
                moved, since = now.total_moved, time.monotonic()
            elif time.monotonic() - since > STALL_TIMEOUT:
                return now
            movers.check()
            self._show(now)
            time.sleep(SAMPLE_EVERY)

    def _show(self, now: Sample) -> None:
        if self._screen.terminal or now.seconds - self._last_line >= LINE_EVERY:
            self._last_line = now.seconds
            self._screen.live(str(now))

    def _kill(self, databases: Databases, movers: Movers, shop: Shop, progress: Progress) -> None:
        screen = self._screen
        screen.say(str(progress.sample()))
        screen.gap()
        kill_in_the_middle(screen, databases, movers, shop, VICTIM)
        killed = time.monotonic()
        screen.gap()
        screen.say("Nothing moves now, from any shard. The shop keeps selling, and lag grows:")
        screen.gap()
        now = self._watch(progress, movers, lambda _: time.monotonic() - killed > DOWN_SECONDS)
        screen.say(str(now))
        screen.gap()
        screen.say("By now these events are waiting. Start the daemon again:")
        screen.quote("\n".join(now.waiting))
        lines = len(movers.log())
        movers.start()
        screen.command(movers.start_command)
        screen.gap()
        screen.say(str(self._watch(progress, movers, lambda now: now.lag < CAUGHT_UP)))
        screen.gap()
        screen.say(
            "Each shard resumes from its position, which is stored in central. From the",
            "log, with the biggest batch of each shard:",
        )
        screen.quote("\n".join(_highlights(movers.log()[lines:])))
        screen.gap()

    def _judge(
        self, databases: Databases, tallies: dict[str, Tally], end: Sample
    ) -> verdict.Verdict:
        screen = self._screen
        total = sum(tallies.values(), Tally())
        screen.gap()
        screen.say(
            f"The writers have finished: {total.committed:,} events in {total.transactions:,}"
            " transactions.",
            f"Another {total.rolled_back:,} events were rolled back, and must not arrive.",
            "",
            "Some of the events in central (extra1 and data):",
        )
        screen.quote("\n".join(verdict.some_events(databases.central)))
        screen.act("5. Every field of every event compared, shards against central")
        committed = {shard: tally.committed for shard, tally in tallies.items()}
        found = verdict.judge(databases, committed, end.seconds)
        verdict.show(screen, found)
        return found

    def _show_status(self, admin: Admin) -> None:
        self._screen.act("6. What a database administrator sees")
        self._run_command(admin, admin.movers_status_command(INI))
        self._screen.gap()
        self._run_command(admin, admin.status_command(VICTIM))

    def _run_command(self, admin: Admin, command: tuple[str, ...]) -> None:
        self._screen.command(shlex.join(command))
        self._screen.quote(admin.run(command))

    def _stop(self, movers: Movers) -> None:
        self._screen.act("7. Stop")
        self._screen.command(movers.stop_command)
        movers.stop()


def _highlights(log: list[str]) -> list[str]:
    """The lines of a log about a stale pidfile and each source's biggest batch.

    Only the time of day and the message of each: more would not fit.
    """
    lines = [LOG_PREFIX.sub(r"\1 ", line) for line in log]
    biggest: dict[str, tuple[int, str]] = {}
    for line in lines:
        if found := BATCH.search(line):
            count, source = int(found["count"]), found["source"]
            biggest[source] = max(biggest.get(source, (0, "")), (count, line))
    return [
        *(line for line in lines if "stale pidfile" in line),
        *(line for line in lines if any(line == batch for _, batch in biggest.values())),
    ]
