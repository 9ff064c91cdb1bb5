"""The movers of a file: one for each source, or for each queue of a source with a list of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from queue_mover.config import queue_names
from queue_mover.config.conflicts import Conflicts
from queue_mover.config.inifile import IniFile
from queue_mover.config.queue_lists import ListedQueue, QueueList, QueueLists, SourceDatabase
from queue_mover.config.queue_names import QueueNames
from queue_mover.config.settings import MoverSettings
from queue_mover.config.sources import Found, choose
from queue_mover.errors import ConfigError
from queue_mover.postgres.conninfo import location

ReadMover = Callable[[IniFile, str, str], MoverSettings]
"""Reads the section of a source."""


REMEDY = "; remedy: "


@dataclass(slots=True)
class Movers:
    """What `collect` finds."""

    movers: list[MoverSettings] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Sources and queues that cannot be moved, and why; those in `waiting` too."""
    waiting: dict[str, MoverSettings] = field(default_factory=dict)
    """Sources of which no queue is known yet."""
    owners: dict[str, str] = field(default_factory=dict)
    """The source of each queue of a list, by the name of its mover."""
    finding: bool = False
    """Whether a pattern may find further queues later."""


@dataclass(frozen=True, slots=True)
class _List:
    """A source with a list of queues."""

    source: str
    """Its name; "" where the file has no sections."""
    section: str
    names: QueueNames
    template: MoverSettings
    """Its values before a queue is chosen."""

    @property
    def label(self) -> str:
        """Its name, for messages."""
        return self.source or self.template.process.job_name

    @property
    def database(self) -> SourceDatabase:
        """Where its queues are listed."""
        return source_database(self.template)

    def mover_name(self, queue: str) -> str:
        """The name of the mover of a queue; printable, for the log."""
        queue = queue if queue.isprintable() and queue else repr(queue)
        return f"{self.source}/{queue}" if self.source else queue


class Collector:
    """Collects the movers of one file."""

    def __init__(self, ini: IniFile, found: Found, lists: QueueLists, read: ReadMover) -> None:
        self._ini = ini
        self._found = found
        self._queue_lists = lists
        self._read = read
        self._sections = dict(found.sections)
        if not self._sections and not found.refused:
            self._sections = {"": ini.main}
        self._conflicts = Conflicts(ini.path)
        self._result = Movers(refused=dict(found.refused))

    def collect(self, wanted: Sequence[str]) -> Movers:
        """The movers that `wanted` selects; all without patterns.

        Raises ConfigError for an error in the file. An error in a row of the catalogue, or in what
        a source database lists, only refuses that source or queue.
        """
        several = self._several(wanted)
        answers = self._queue_lists.read(each.database for each in several.values())
        skipped = list[str]()
        for name, section in self._sections.items():
            if name in several:
                self._expand(several[name], answers[several[name].database])
            elif name in self._result.refused:
                continue
            elif wanted and not any(fnmatchcase(name, pattern) for pattern in wanted):
                skipped.append(name)
            else:
                self._add_single(name, section)
        self._choose(wanted, skipped)
        return self._result

    def _several(self, wanted: Sequence[str]) -> dict[str, _List]:
        """The sources with lists of queues, as far as the patterns may select one of them."""
        several = {}
        for name, section in self._sections.items():
            if not _may_select(wanted, name):
                continue
            try:
                names = queue_names.parse(queue_names.written(self._ini, section))
            except ConfigError:
                # As if it were one queue, which reports it.
                continue
            if names is None:
                continue
            template = self._try(name, section)
            if template:
                several[name] = _List(name, section, names, template)
        return several

    def _try(self, name: str, section: str) -> MoverSettings | None:
        """The settings of a source; None: its row in the catalogue makes them unusable."""
        try:
            with queue_names.with_queue(self._ini, section):
                return self._read(self._ini, section, name)
        except ConfigError as error:
            if name not in self._found.listed:
                raise
            self._result.refused[name] = str(error)
            return None

    def _add_single(self, name: str, section: str) -> None:
        mover = self._try(name, section)
        if mover:
            self._add(mover, is_fatal=name not in self._found.listed)

    def _add(self, mover: MoverSettings, *, is_fatal: bool) -> None:
        try:
            self._conflicts.add(mover.source, mover.src_db, mover.dst_db, mover.route)
        except ConfigError as error:
            # An error in the file is fatal; one in a row of the catalogue only refuses that source.
            if is_fatal:
                raise
            self._result.refused[mover.source] = str(error)
        else:
            self._result.movers.append(mover)

    def _expand(self, each: _List, answer: QueueList | Exception) -> None:
        """Add a mover for each queue of a list."""
        self._result.finding = self._result.finding or bool(each.names.patterns)
        if isinstance(answer, Exception):
            remedy = "" if REMEDY in str(answer) else f"{REMEDY}check the server, and src_db"
            self._wait(each, f"{answer}{remedy}")
            return
        if each.names.text in answer:
            self._add(each.template, is_fatal=each.source not in self._found.listed)
            return
        queues = each.names.among(answer)
        if not queues:
            self._wait(each, no_match(each.names, answer))
        movers, refused = dict[str, MoverSettings](), dict[str, str]()
        for queue, found in queues.items():
            self._result.owners[each.mover_name(queue)] = each.source
            try:
                movers[queue] = self._mover(each, queue, answer.get(queue), found=found)
            except ConfigError as error:
                refused[queue] = str(error)
        refused |= self._unusable(each, movers)
        self._result.refused |= {each.mover_name(queue): why for queue, why in refused.items()}
        others = {mover.source for mover in self._result.movers}
        for queue, mover in movers.items():
            if mover.source in others:
                why = f"{self._ini.path}: two sources have the name {mover.source}"
                self._result.refused[mover.source] = why
            elif queue not in refused:
                self._add(mover, is_fatal=False)

    def _wait(self, each: _List, why: str) -> None:
        self._result.refused[each.label] = why
        self._result.waiting[each.label] = each.template
        self._result.owners[each.label] = each.source

    def _mover(
        self, each: _List, queue: str, listed: ListedQueue | None, *, found: bool
    ) -> MoverSettings:
        if not queue.isprintable() or queue != queue.strip():
            raise ConfigError(
                f"{self._ini.path}: queue_name: in a list a queue's name must not contain line"
                " breaks or outer spaces"
            )
        with queue_names.with_each(self._ini, each.section, queue):
            mover = self._read(self._ini, each.section, each.source)
        consumer = mover.route.consumer
        if consumer == each.template.route.consumer:
            registered = listed.consumers if listed else frozenset[str]()
            consumer = self._own_consumer(each.database, queue, consumer, registered)
        return replace(
            mover,
            source=each.mover_name(queue),
            route=replace(mover.route, consumer=consumer),
            policy=replace(mover.policy, from_first_tick=listed is not None and listed.is_new),
            found=listed.id if found and listed else 0,
        )

    def _own_consumer(
        self, database: SourceDatabase, queue: str, consumer: str, registered: frozenset[str]
    ) -> str:
        """One for each queue: the target keeps one position for a name.

        The plain name stays with the queue that has it, from when the file had one queue: renamed,
        it would start again at the newest tick.
        """
        own = f"{consumer}.{queue}"
        has_it = consumer in registered and own not in registered
        kept = self._queue_lists.keep(database, queue, consumer, registered=has_it)
        return consumer if kept else own

    def _unusable(self, each: _List, movers: dict[str, MoverSettings]) -> dict[str, str]:
        """Why some queues of a list cannot be moved."""
        plain = each.template.route.consumer
        same = [queue for queue, mover in movers.items() if mover.route.consumer == plain]
        refused = {}
        if len(same) > 1:
            refused = dict.fromkeys(
                same,
                f'{self._ini.path}: consumer_name: "{plain}" is registered on queues'
                f" {', '.join(same)}, and a target keeps one position for it; remedy:"
                f" consumer_name = {plain}.%(queue)s, then --take-over {plain} for the queue that"
                " this target has",
            )
        for queue, mover in movers.items():
            target = mover.route.target_queue
            is_same = location(mover.src_db) == location(mover.dst_db)
            if is_same and target != queue and each.names.covers(target):
                refused[queue] = (
                    f'{self._ini.path}: queue_name: also names queue "{target}" of the same'
                    f' database, which "{queue}" would be moved to, and it in turn;'
                    f" remedy: add !{target} to queue_name"
                )
        return refused

    def _choose(self, wanted: Sequence[str], skipped: Sequence[str]) -> None:
        """Keep what the patterns of --source select. Raises UnknownSourceError."""
        if not wanted:
            return
        result = self._result

        def matches(name: str, pattern: str) -> bool:
            owner = result.owners.get(name, name)
            if fnmatchcase(name, pattern) or (owner and fnmatchcase(owner, pattern)):
                return True
            return name in result.waiting and _begins(pattern, owner)

        names: list[str] = [*skipped, *(m.source for m in result.movers), *result.refused]
        place: dict[str | None, int] = {
            section: number for number, section in enumerate(self._sections)
        }
        # As in the file.
        names.sort(key=lambda name: place.get(result.owners.get(name, name), len(place)))
        chosen = set(choose([name for name in names if name], wanted, matches))
        result.movers = [mover for mover in result.movers if mover.source in chosen]
        result.refused = {name: why for name, why in result.refused.items() if name in chosen}
        result.waiting = {name: each for name, each in result.waiting.items() if name in chosen}


def _may_select(wanted: Sequence[str], name: str) -> bool:
    """Whether the patterns may select a mover of this source with a list of queues."""
    return not wanted or any(
        fnmatchcase(name, pattern) or _begins(pattern, name) for pattern in wanted
    )


def _begins(pattern: str, source: str) -> bool:
    """Whether a pattern may match the mover of some queue of the source."""
    if not source:
        return True
    literal = pattern
    for wildcard in "*?[":
        literal = literal.partition(wildcard)[0]
    start = f"{source}/"
    return literal.startswith(start) or (literal != pattern and start.startswith(literal))


def source_database(mover: MoverSettings) -> SourceDatabase:
    """Where the queues of a source are listed."""
    route = mover.route
    return SourceDatabase(
        mover.src_db, None if route.finds_source_flavour else route.source_flavour
    )


def no_match(names: QueueNames, listed: QueueList) -> str:
    """The message for a list without any queue."""
    existing = sorted(listed)
    shown = ", ".join(existing[:10]) + (", ..." if len(existing) > 10 else "")
    return (
        f'source database: no queue matches "{names.text}" (existing: {shown or "none"});'
        " remedy: correct queue_name, or create one"
    )
