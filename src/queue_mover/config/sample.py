"""Texts made from the parameter table: the sample ini file and the tables of the docs."""

from collections.abc import Mapping

from queue_mover.config.schema import Group, Parameter


def ini(section: str, groups: tuple[Group, ...], overrides: Mapping[str, str]) -> str:
    """A commented sample file; `overrides` are set in it."""
    lines = [f"[{section}]"]
    left = dict(overrides)
    for group in groups:
        lines += ["", f"## {group.title}"]
        for parameter in group.parameters:
            lines += ["", *_sample(parameter, left.pop(parameter.name, None))]
    lines += ["", *(f"{key} = {value}" for key, value in left.items())] if left else []
    return "\n".join(lines)


def _sample(parameter: Parameter, override: str | None) -> list[str]:
    default = parameter.default
    comment = f"# {parameter.meaning} ({parameter.kind.name})"
    if override is not None:
        return [comment, f"{parameter.name} = {override}"]
    if default is None or parameter.sample:
        return [comment, f"{parameter.name} = {parameter.sample}".rstrip()]
    return [comment, f"#{parameter.name} = {default}".rstrip()]


def markdown(groups: tuple[Group, ...]) -> str:
    """The parameters as Markdown tables, one per group."""
    lines: list[str] = []
    for group in groups:
        lines += [
            f"### {group.title}",
            "",
            "| key | default | kind | meaning |",
            "|---|---|---|---|",
        ]
        for parameter in group.parameters:
            names = f"`{parameter.name}`" + (f", `{parameter.older}`" * bool(parameter.older))
            meaning = parameter.meaning.replace("|", r"\|")
            lines.append(f"| {names} | {_quoted(parameter)} | {parameter.kind.name} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def default(parameter: Parameter) -> str:
    """The default, for docs."""
    if parameter.default is None:
        return "required"
    return parameter.shown or str(parameter.default)


def _quoted(parameter: Parameter) -> str:
    plain = parameter.default is None or (parameter.shown and "%" not in parameter.shown)
    return default(parameter) if plain else f"`{default(parameter)}`"
