"""pgqadm: install and look after PgQ in a database."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from queue_mover import interrupts
from queue_mover.admin import movers, queue_config, queues, report, status, ticking
from queue_mover.admin.install import install
from queue_mover.cli import common
from queue_mover.config import parameters, sample
from queue_mover.config.settings import AdminSettings, load_admin, load_mover
from queue_mover.db import Connection, Database, check_conninfo, describe
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.service.job import Plan

COMMAND = "pgqadm"

Action = Callable[[Connection, Path | None, Sequence[str]], list[str]]


def main() -> int:
    """Run the command line. Returns the exit code."""
    return common.guarded(COMMAND, _run)


COMMANDS: dict[str, tuple[str, Action]] = {
    "install": ("", lambda conn, pgq_sql, _: install(conn, pgq_sql)),
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
    many = parser.add_argument_group("status and install of several databases, without a config")
    many.add_argument(
        "--db", action="append", default=[], type=_connect, metavar="CONNECT", help="repeatable"
    )
    many.add_argument(
        "--movers",
        action="append",
        default=[],
        type=Path,
        metavar="MOVER.INI",
        help="all sources of a queue_mover3 config; repeatable",
    )
    return parser


def _connect(text: str) -> str:
    try:
        check_conninfo(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _run() -> int:
    parser = switches()
    given = parser.parse_intermixed_args()
    words = [str(word) for word in (given.config, given.command) if word]
    serves = given.command == "ticker" and not given.signal
    # Old scripts stop a ticker with the words that start it.
    named = next((word for word in words if word in COMMANDS), None)
    common.require_one_purpose(parser, given, [named])
    if not serves:
        interrupts.release()
    overrides = dict(given.set)
    if given.ini:
        print(sample.ini(COMMAND, parameters.ADMIN, overrides))
        return 0
    if given.movers or given.db:
        return _run_many(given)
    path = common.config_path(given)

    def load() -> AdminSettings:
        settings = load_admin(path, overrides)
        common.start_log(given, settings.log, () if serves else settings.warnings)
        return settings

    settings = load()
    if given.signal:
        return common.send_signal(settings.process, given.signal)
    if given.command == "ticker" and not given.arguments:
        return common.serve(
            given,
            settings.process,
            _plan(given, settings),
            lambda _: _plan(given, load()),
        )
    action = _action(str(path), given.command, given.arguments)
    print("\n".join(_at(settings.db, lambda conn: action(conn, settings.pgq_sql, given.arguments))))
    return 0


def _plan(given: argparse.Namespace, settings: AdminSettings) -> Plan:
    warnings = (*settings.warnings, *common.elsewhere(given, settings.process, settings.log))
    return Plan((ticking.task(settings),), title=describe(settings.db), warnings=warnings)


def _run_many(given: argparse.Namespace) -> int:
    """status and install for several databases, which the switches name instead of a config."""
    words = [str(word) for word in (given.config, given.command, *given.arguments) if word]
    if words[:1] not in (["status"], ["install"]):
        raise OperatorError("--db and --movers go with the commands status and install")
    files = [load_mover(path, dict(given.set)) for path in given.movers]
    settings = [mover for file in files for mover in file.movers]
    failed = False
    for name, why in (item for file in files for item in file.refused.items()):
        print(f"{name}: {why}", file=sys.stderr)
        failed = True
    if words[0] == "status" and len(words) > 1 and settings:
        raise OperatorError("status --movers shows all sources; it takes no queue")
    if words == ["status"] and settings:
        print("\n".join(movers.lines(movers.gather(settings))))
    databases = [*given.db]
    if words[0] == "install":
        databases += [text for mover in settings for text in (mover.src_db, mover.dst_db)]
    action = _action("--db", words[0], words[1:])
    for text in dict.fromkeys(databases):
        try:
            lines = _at(text, lambda conn: action(conn, None, words[1:]))
        except (OperatorError, UnavailableError) as error:
            failed, lines = True, [str(error)]
        print("\n".join([f"{describe(text)}:", *(f"  {line}".rstrip() for line in lines), ""]))
    return 1 if failed else 0


def _at(text: str, action: Callable[[Connection], list[str]]) -> list[str]:
    database = Database("", text, COMMAND)
    try:
        with database.session() as connection:
            return action(connection)
    finally:
        database.close()


def _action(config: str, command: str | None, arguments: Sequence[str]) -> Action:
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
        raise OperatorError(f"usage: pgqadm.py {config} {command} {words}".rstrip())
    return action


def _config(conn: Connection, *words: str) -> list[str]:
    if len(words) < 2:
        return queue_config.config_lines(queue_config.show(conn, *words))
    queue, *assignments = words
    return queue_config.change_lines(queue, queue_config.change(conn, queue, assignments))
