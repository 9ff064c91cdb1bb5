"""pgqadm: install and maintain PgQ in a database."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from queue_mover.admin import queues
from queue_mover.admin.announcing import announce_ticks
from queue_mover.admin.install import install
from queue_mover.cli import common, control, flavoured, status
from queue_mover.config import parameters, sample
from queue_mover.config.loading import load_admin, load_mover, override
from queue_mover.config.settings import AdminSettings, Settings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.observation.overview import Overview
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.conninfo import check_conninfo, describe
from queue_mover.postgres.database import Database
from queue_mover.service import ticker_job
from queue_mover.service.job import Plan
from queue_mover.system import early_signals

COMMAND = "pgqadm"

Action = Callable[[Connection, AdminSettings, Sequence[str]], list[str]]


def main() -> int:
    """Run the command line. Returns the exit code."""
    return common.guarded(COMMAND, _run)


def _install(conn: Connection, settings: AdminSettings, _: Sequence[str]) -> list[str]:
    return install(
        conn, settings.pgq_sql, flavours=[settings.flavour], pgque_sql=settings.pgque_sql
    )


COMMANDS: dict[str, tuple[str, Action]] = {
    "install": ("", _install),
    "create": ("QUEUE", flavoured.on_queue(queues.create)),
    "drop": ("QUEUE", flavoured.on_queue(queues.drop)),
    "register": ("QUEUE CONSUMER", flavoured.on_queue(queues.register)),
    "unregister": ("QUEUE CONSUMER", flavoured.on_queue(queues.unregister)),
    "config": ("[QUEUE [VAR=VALUE ...]]", flavoured.config),
}
"""The arguments of each command, for usage, and its action in one database."""

USAGE = {name: words for name, (words, _) in COMMANDS.items()} | {
    "status": "[QUEUE]",
    "ticker": "",
}
"""The arguments of all commands."""


def switches() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = common.parser(COMMAND, "Installs and maintains PgQ in a database.", piece="step")
    usage = [f"{name} {words}".strip() for name, words in USAGE.items()]
    parser.add_argument("command", nargs="?", metavar="command", help="; ".join(sorted(usage)))
    parser.add_argument(
        "arguments",
        nargs="*",
        type=common.name,
        metavar="argument",
        help="the command's arguments, as listed above",
    )
    parser.add_argument("--json", action="store_true", help="status as one JSON document")
    parser.add_argument(
        "--notify",
        action="store_true",
        help="with install: announce ticks, so that idle movers need not ask for them",
    )
    many = parser.add_argument_group("status and install of several databases, without a config")
    many.add_argument(
        "--db",
        action="append",
        default=[],
        type=_connect,
        metavar="CONNECT",
        help="connect string of a database; repeatable",
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
        check_conninfo(common.name(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _run() -> int:
    parser = switches()
    given = parser.parse_intermixed_args()
    words = [str(word) for word in (given.config, given.command, *given.arguments) if word]
    # Old scripts stop a ticker with the arguments that start it.
    named = next((word for word in words[:2] if word in USAGE and word != "ticker"), None)
    common.require_one_purpose(parser, given, [named])
    if given.notify and words[:1] != ["install"] and given.command != "install":
        raise OperatorError("--notify works only with the command install")
    if given.command != "ticker" or given.signal:
        early_signals.release()
    if given.ini:
        print(sample.ini(COMMAND, parameters.ADMIN, dict(given.set)))
        return 0
    if not (given.movers or given.db):
        return _run_one(given)
    if words[:1] == ["status"]:
        return _status(given, lambda: _inspect_many(given, words[1:]))
    _no_json(given)
    if words[:1] == ["install"]:
        return _install_many(given, words[1:])
    if given.command in ("status", "install"):
        raise OperatorError(
            f"--db and --movers cannot be used with a config file: {given.config}; remedy:"
            f" pgqadm.py {given.command} --db CONNECT, or pgqadm.py {given.config} {given.command}"
        )
    raise OperatorError("--db and --movers work only with the commands status and install")


def _run_one(given: argparse.Namespace) -> int:
    """Run a command for the database of a config file, or its ticker."""
    if (given.command == "status" or _is_command(given, "status")) and not given.signal:
        return _status(given, lambda: _inspect_one(given))
    _no_json(given)
    settings = _load(given)
    if given.signal:
        common.start_log(given, settings.log)
        return control.send_signal(settings.process, given)
    _check_usage(str(given.config), given.command, given.arguments)
    if given.command == "ticker":
        plan = _plan(given, settings)
        return common.serve(given, settings.process, plan, lambda _: _plan(given, _load(given)))
    _start_command_log(given, settings)
    _, action = COMMANDS[given.command]
    lines = _at(settings.db, lambda conn: action(conn, settings, given.arguments))
    if given.notify:
        lines += _at(settings.db, announce_ticks)
    if given.command != "config" or len(given.arguments) > 1:
        _record(settings.log.job_name, given.command, lines)
    print("\n".join(lines))
    return 0


def _load(given: argparse.Namespace) -> AdminSettings:
    return load_admin(_config_path(given), dict(given.set))


def _plan(given: argparse.Namespace, settings: AdminSettings) -> Plan:
    """The plan of the ticker; starts its log."""
    common.start_log(given, settings.log)
    warnings = (*settings.warnings, *common.path_warnings(given, settings.process, settings.log))
    return Plan((ticker_job.spec(settings),), title=describe(settings.db), warnings=warnings)


def _start_command_log(given: argparse.Namespace, settings: AdminSettings) -> None:
    common.start_command_log(given, settings.log)
    common.warn(COMMAND, settings.warnings)


def _record(job_name: str, command: str, lines: Sequence[str]) -> None:
    """Log what a command has changed."""
    log = logging.getLogger(job_name)
    log.info("%s: %s", command, "; ".join(" ".join(line.split()) for line in lines))


def _config_path(given: argparse.Namespace) -> Path:
    """The config file. Raises OperatorError with the usage when there is none."""
    if given.config is None:
        raise OperatorError(
            f"need a config file and a command: {', '.join(sorted(USAGE))}; remedy:"
            " pgqadm.py CONFIG COMMAND; --ini prints a sample config, --help explains"
        )
    if _is_command(given, *USAGE):
        name = str(given.config)
        usage = f"pgqadm.py CONFIG {name} {USAGE[name]}".rstrip()
        many = f", or pgqadm.py {name} --db CONNECT, or --movers MOVER.INI"
        raise OperatorError(
            f"{name} is a command and needs a config file before it; remedy: {usage}"
            + (many if name in ("status", "install") else "")
        )
    return common.config_path(given)


def _is_command(given: argparse.Namespace, *names: str) -> bool:
    """Whether a command was given instead of the config file."""
    return str(given.config) in names and not given.config.exists()


def _no_json(given: argparse.Namespace) -> None:
    if given.json:
        raise OperatorError("--json works only with the command status")


def _status(given: argparse.Namespace, inspect: Callable[[], Overview]) -> int:
    alone = not (given.movers or given.db)
    return status.run(COMMAND, inspect, json=given.json, alone=alone)


def _inspect_one(given: argparse.Namespace) -> Overview:
    settings = _load(given)
    _start_command_log(given, settings)
    _check_usage(str(given.config), given.command, given.arguments)
    queue = given.arguments[0] if given.arguments else None
    return status.inspect([settings.db], [], queue, settings.trouble_after, settings.flavour)


def _inspect_many(given: argparse.Namespace, words: Sequence[str]) -> Overview:
    _check_usage("--db CONNECT", "status", words)
    if words and given.movers:
        raise OperatorError("status --movers shows all sources; it takes no queue")
    queue = words[0] if words else None
    trouble_after, flavour = _override(given, "trouble_after"), _override(given, "flavour")
    return status.inspect(given.db, _files(given), queue, trouble_after, flavour)


def _files(given: argparse.Namespace) -> list[Settings]:
    """The config files of --movers."""
    return [load_mover(path, dict(given.set)) for path in given.movers]


def _override(given: argparse.Namespace, name: str) -> Any:
    return override(parameters.ADMIN, name, dict(given.set))


def _install_many(given: argparse.Namespace, words: Sequence[str]) -> int:
    """Install in the databases of --db and --movers."""
    _check_usage("--db CONNECT", "install", words)
    flavour = _override(given, "flavour")
    files = (_override(given, "pgq_sql"), _override(given, "pgque_sql"))
    movers, refused = status.sources(_files(given))
    for name, why in refused.items():
        print(f"{name}: {why}", file=sys.stderr)
    databases: dict[str, list[str]] = {text: [flavour] for text in given.db}
    for mover in movers:
        for text, wanted in flavoured.sides(mover):
            databases.setdefault(text, []).append(wanted or flavour)
    failed = bool(refused)
    announcing = {*given.db, *(each.src_db for each in movers)} if given.notify else set()
    for text, flavours in databases.items():
        action = _installer(files, flavours)
        try:
            lines = _at(text, action)
            if text in announcing:
                lines += _at(text, announce_ticks)
        except (OperatorError, UnavailableError) as error:
            failed, lines = True, [str(error)]
        common.print_block(describe(text), lines)
    return 1 if failed else 0


def _installer(
    files: tuple[Path | None, Path | None], flavours: Sequence[str]
) -> Callable[[Connection], list[str]]:
    pgq_sql, pgque_sql = files
    return lambda conn: install(conn, pgq_sql, flavours=flavours, pgque_sql=pgque_sql)


def _at(text: str, action: Callable[[Connection], list[str]]) -> list[str]:
    database = Database("", text, COMMAND)
    try:
        with database.session() as connection:
            return action(connection)
    finally:
        database.close()


def _check_usage(config: str, command: str | None, arguments: Sequence[str]) -> None:
    """Raise OperatorError unless it is a command with a valid number of arguments."""
    known = ", ".join(sorted(USAGE))
    if command is None:
        raise OperatorError(f"need a command: {known}; remedy: pgqadm.py {config} COMMAND")
    if command not in USAGE:
        setting = f"; remedy: pgqadm.py {config} config QUEUE {command}" * ("=" in command)
        raise OperatorError(f'no command "{command}"; commands: {known}{setting}')
    words = USAGE[command]
    fewest = len(words.partition("[")[0].split())
    most = float("inf") if "..." in words else len(words.split())
    if not fewest <= len(arguments) <= most:
        raise OperatorError(f"usage: pgqadm.py {config} {command} {words}".rstrip())
