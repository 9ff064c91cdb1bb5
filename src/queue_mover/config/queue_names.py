"""`queue_name`: one queue, or a list of names and patterns."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase

from queue_mover.config.inifile import IniFile

KEYS = ("pgq_queue_name", "queue_name")
"""The older spelling wins."""

VARIABLE = "queue"
"""What a file may use as %(queue)s."""

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class QueueNames:
    """A list of queues."""

    text: str
    """As written. A queue of exactly this name is meant alone, as it always was."""
    named: tuple[str, ...]
    patterns: tuple[str, ...]
    excluded: tuple[str, ...]

    def among(self, existing: Iterable[str]) -> Mapping[str, bool]:
        """The queues, in order, each with whether a pattern has found it; a named one need not
        exist."""
        found = (queue for queue in existing if _matches(queue, self.patterns))
        names = {**dict.fromkeys(found, True), **dict.fromkeys(self.named, False)}
        return {
            queue: names[queue] for queue in sorted(names) if not _matches(queue, self.excluded)
        }

    def covers(self, queue: str) -> bool:
        """Whether a queue of this name would be one of them."""
        return queue in self.among([queue])


def parse(text: str) -> QueueNames | None:
    """The list that a value is: it has a comma, a wildcard or begins with "!"; None: it is one
    name, spaces and all."""
    if not ("," in text or text.startswith("!") or _WILDCARDS & set(text)):
        return None
    words = [word.strip() for word in text.split(",") if word.strip(" \t\n!")]
    excluded = tuple(word[1:].strip() for word in words if word.startswith("!"))
    wanted = [word for word in words if not word.startswith("!")]
    if excluded and not wanted:
        wanted = ["*"]
    return QueueNames(
        text,
        tuple(word for word in wanted if not _WILDCARDS & set(word)),
        tuple(word for word in wanted if _WILDCARDS & set(word)),
        excluded,
    )


def written(ini: IniFile, section: str) -> str:
    """The value of `queue_name` in a section; "" where it is not set. Raises ConfigError."""
    return next((text for key in KEYS if (text := ini.get(section, key))), "")


def with_queue(ini: IniFile, section: str) -> AbstractContextManager[None]:
    """A context in which `%(queue)s` is the section's queue, unless the file sets it itself."""
    if VARIABLE not in ini.referred(section) or ini.parser.has_option(section, VARIABLE):
        return nullcontext()
    return ini.replaced(section, {VARIABLE: written(ini, section)})


def with_each(ini: IniFile, section: str, queue: str) -> AbstractContextManager[None]:
    """A context in which the section is about this one of its queues."""
    return ini.replaced(section, {VARIABLE: queue, **dict.fromkeys(KEYS, queue)})


def _matches(queue: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(queue, pattern) for pattern in patterns)
