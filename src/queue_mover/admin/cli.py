"""pgqadm: install and look after PgQ in a database."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from queue_mover.admin import queue_config, queues, report, status, ticking
from queue_mover.admin.install import install
from queue_mover.cli import common
from queue_mover.config import parameters, sample
from queue_mover.config.settings import AdminSettings, load_admin
from queue_mover.db import Connection, Database
from queue_mover.errors import OperatorError

COMMAND = "pgqadm"

Action = Callable[[Connection, AdminSettings, Sequence[str]], list[str]]


def main() -> int:
    """Entry point. Returns the exit code."""
    return common.guarded(COMMAND, _run)


COMMANDS: dict[str, tuple[str, Action]] = {
    "install": ("", lambda conn, settings, _: install(conn, settings.pgq_sql)),
    "status": ("[QUEUE]", lambda conn, _, words: report.status_lines(status.gather(conn, *words))),
    "create": ("QUEUE", lambda conn, _, words: [queues.create(conn, *words)]),
    "drop": ("QUEUE", lambda conn, _, words: [queues.drop(conn, *words)]),
    "register": ("QUEUE CONSUMER", lambda conn, _, words: [queues.register(conn, *words)]),
    "unregister": ("QUEUE CONSUMER", lambda conn, _, words: [queues.unregister(conn, *words)]),
    "config": ("[QUEUE [VAR=VALUE ...]]", lambda conn, _, words: _config(conn, *words)),
}
"""What each command takes, in words, and what it does; `ticker` is no command but a service."""


def switches() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = common.parser(COMMAND, "Installs and looks after PgQ in a database.")
    usage = [f"{name} {words}".strip() for name, (words, _) in COMMANDS.items()] + ["ticker"]
    parser.add_argument("command", nargs="?", metavar="command", help="; ".join(sorted(usage)))
    parser.add_argument("arguments", nargs="*", metavar="argument")
    return parser


def _run() -> int:
    given = switches().parse_intermixed_args()
    overrides = dict(given.set)
    if given.ini:
        print(sample.ini(COMMAND, parameters.ADMIN, overrides))
        return 0
    path = common.config_path(given)

    def load() -> AdminSettings:
        settings = load_admin(path, overrides)
        common.start_log(given, settings.log, settings.warnings)
        return settings

    settings = load()
    if given.signal:
        return common.send_signal(settings.process, given.signal)
    if given.command == "ticker" and not given.arguments:
        return common.serve(
            given, settings.process, [ticking.task(settings)], lambda: [ticking.task(load())]
        )
    action = _action(path, given.command, given.arguments)
    database = Database("", settings.db, settings.process.job_name)
    with database.session() as connection:
        lines = action(connection, settings, given.arguments)
    database.close()
    print("\n".join(lines))
    return 0


def _action(path: Path, command: str | None, arguments: Sequence[str]) -> Action:
    """The command to run. Raises OperatorError unless its arguments are as many as it takes."""
    known = ", ".join(sorted([*COMMANDS, "ticker"]))
    if command is None:
        raise OperatorError(f"need a command: {known}")
    if command == "ticker":
        raise OperatorError("ticker takes no arguments")
    if command not in COMMANDS:
        raise OperatorError(f'no command "{command}"; there are: {known}')
    words, action = COMMANDS[command]
    fewest = len(words.partition("[")[0].split())
    most = float("inf") if "..." in words else len(words.split())
    if not fewest <= len(arguments) <= most:
        raise OperatorError(f"usage: pgqadm.py {path} {command} {words}".rstrip())
    return action


def _config(conn: Connection, *words: str) -> list[str]:
    if len(words) < 2:
        return queue_config.config_lines(queue_config.show(conn, *words))
    queue, *assignments = words
    return queue_config.change_lines(queue, queue_config.change(conn, queue, assignments))
