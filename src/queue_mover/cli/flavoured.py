"""The commands of pgqadm that work in PgQ or in PgQue, whichever the database has."""

from collections.abc import Callable, Sequence

from queue_mover.admin import queue_config
from queue_mover.config.settings import AdminSettings, MoverSettings
from queue_mover.model import Flavour
from queue_mover.pgq.flavours import find
from queue_mover.pgq.presence import present
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

Action = Callable[[Connection, AdminSettings, Sequence[str]], list[str]]


def on_queue(act: Callable[..., str]) -> Action:
    """The action of a command whose first word is a queue."""

    def action(conn: Connection, settings: AdminSettings, words: Sequence[str]) -> list[str]:
        flavour = find(conn, words[0], settings.flavour)
        with translating_errors("", flavour):
            return [act(conn, *words, flavour=flavour)]

    return action


def config(conn: Connection, settings: AdminSettings, words: Sequence[str]) -> list[str]:
    """`config`: of all queues, of one, or a change of one."""
    if not words:
        return _all_queues(conn, present(conn, settings.flavour))
    queue, *assignments = words
    flavour = find(conn, queue, settings.flavour)
    with translating_errors("", flavour):
        if not assignments:
            return queue_config.config_lines(queue_config.show(conn, queue, flavour=flavour))
        changes = queue_config.change(conn, queue, assignments, flavour=flavour)
        return queue_config.change_lines(queue, changes)


def sides(mover: MoverSettings) -> list[tuple[str, str]]:
    """The connect string and flavour of each side of a mover; "": the config names none."""
    route = mover.route
    return [
        (mover.src_db, "" if route.finds_source_flavour else route.source_flavour.schema),
        (mover.dst_db, "" if route.finds_target_flavour else route.target_flavour.schema),
    ]


def _all_queues(conn: Connection, flavours: Sequence[Flavour]) -> list[str]:
    """With a heading for each flavour, where there are two."""
    lines: list[str] = []
    for flavour in flavours:
        lines += [f"{flavour.name}:"] if len(flavours) > 1 else []
        with translating_errors("", flavour):
            lines += queue_config.config_lines(queue_config.show(conn, flavour=flavour))
    return lines
