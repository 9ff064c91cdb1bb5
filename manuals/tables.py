"""What the program knows, as Markdown for the sources of the manual pages."""

import argparse
import re
from collections.abc import Callable, Iterator

from manuals.commands import COMMANDS
from queue_mover.cli import report_switches
from queue_mover.config import parameters, sample
from queue_mover.config.schema import Group, Parameter

GROUPS: dict[str, tuple[Group, ...]] = {
    "queue_mover3": parameters.MOVER,
    "queue_splitter3": (parameters.SPLITTER_ROUTE,),
    "sources": parameters.CATALOGUE,
    "pgqadm": parameters.ADMIN,
}
"""The parameters of each section of an ini file, by its name."""

_PLACEHOLDER = re.compile(r"^\{\{(\w+)(?: (\w+))?\}\}$", re.MULTILINE)


class UnknownError(Exception):
    """A placeholder names nothing that is known."""


def filled(source: str) -> str:
    """A source with its placeholders, such as {{switches pgqadm}}, replaced."""
    known: dict[str, Callable[[str], Iterator[str]]] = {
        "switches": _switches,
        "parameters": _parameters,
        "status": _status,
    }

    def replaced(found: re.Match[str]) -> str:
        what, name = found.group(1), found.group(2) or ""
        if what not in known:
            raise UnknownError(f"{found.group()}: known are {', '.join(known)}")
        return "\n\n".join(known[what](name))

    return _PLACEHOLDER.sub(replaced, source)


def _switches(command: str) -> Iterator[str]:
    """The switches of a command in their groups, without positional arguments."""
    if command not in COMMANDS:
        raise UnknownError(f"switches {command}: known are {', '.join(COMMANDS)}")
    for group in COMMANDS[command].switches()._action_groups:
        actions = [action for action in group._group_actions if action.option_strings]
        if not actions:
            continue
        title = "general" if group.title == "options" else group.title or ""
        yield f"## {title[:1].upper()}{title[1:]}"
        yield from (_definition(_switch(action), action.help or "") for action in actions)


def _switch(action: argparse.Action) -> str:
    names = ", ".join(f"**{name}**" for name in action.option_strings)
    if action.metavar is None:
        return names
    value = f"*{action.metavar}*"
    return f"{names} [{value}]" if action.nargs == "?" else f"{names} {value}"


def _parameters(section: str) -> Iterator[str]:
    """The parameters of a section, in their groups."""
    if section not in GROUPS:
        raise UnknownError(f"parameters {section}: known are {', '.join(GROUPS)}")
    for group in GROUPS[section]:
        if len(GROUPS[section]) > 1:
            yield f"## {group.title}"
        yield from (_parameter(parameter) for parameter in group.parameters)


def _parameter(parameter: Parameter) -> str:
    names = f"**{parameter.name}**"
    if parameter.older:
        names += f", or as in older files **{parameter.older}**"
    about = f"{parameter.kind.name}; {sample.default(parameter)}"
    if parameter.default is not None:
        about = f"{parameter.kind.name}; default: {sample.default(parameter)}"
    return _definition(names, f"{parameter.meaning} ({about})")


def _status(_: str) -> Iterator[str]:
    """The columns and marks of the status."""
    for line in report_switches.LEGEND.splitlines():
        name, colon, meaning = line.partition(": ")
        if colon:
            yield _definition(f"**{_literal(name)}**", meaning)
        else:
            yield _literal(line)


def _definition(term: str, text: str) -> str:
    return f"{term}\n:   {_literal(text)}"


def _literal(text: str) -> str:
    return re.sub(r"([*`\\])", r"\\\1", text)
