"""The messages of the program that ask something of the operator, read from its source.

Such a message is a string with "; remedy: ", or a finding, whose text and remedy are printed that
way. What is filled in at run time is a PLACEHOLDER. Nothing is imported or run.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "queue_mover"
_REMEDY = re.compile(r"; remedy(?:, ([^:]*))?: ")
_NAMES = {
    "dbname": "database",
    "strerror": "error",
    "primary": "error",
    "join": "...",
    "conn": "database",
    "server_major": "version",
    "baseFilename": "path",
}
_PLAIN = {"id", "name", "path", "text", "value", "absolute", "parent", "server"}
"""Attributes that say less than what they belong to."""
_FORMATS = {"counted", "duration", "size", "listed", "quote_literal", "quote_ident", "primary"}
"""Functions that format a value."""
_DEPTH = 4
"""How many names are followed, one through another."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, as far as it is known before it is printed."""

    text: str
    remedy: str
    place: str
    """File and line, for errors of this tool only."""

    @property
    def line(self) -> str:
        """As the operator sees it."""
        return f"{self.text}; remedy: {self.remedy}"


def messages(package: Path = PACKAGE) -> list[Message]:
    """All messages of a package, in the order of its files; each text once."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))}
    reader = _Reader(
        {name: node for tree in trees.values() for name, node in _constants(tree)},
        {f.name: f for tree in trees.values() for f in tree.body if isinstance(f, ast.FunctionDef)},
    )
    found: dict[str, Message] = {}
    for path, tree in trees.items():
        for line, rendered in reader.read(tree):
            text, remedy = _parted(rendered)
            place = f"{path.relative_to(package)}:{line}"
            if _says_something(text, remedy):
                found.setdefault(rendered, Message(text, remedy, place))
    return list(found.values())


def _parted(rendered: str) -> tuple[str, str]:
    rendered = re.sub(r"(?<!\$)\{(\w+)\}", lambda found: found[1].upper(), rendered)
    text, condition, remedy = _REMEDY.split(rendered, maxsplit=1)
    return text, f"{condition}: {remedy}" if condition else remedy


def _says_something(text: str, remedy: str) -> bool:
    """Not one that only puts together what others made."""
    own = f"{text} {remedy}"
    return bool(re.search(r"[a-z]{2}", own)) and bool(re.search(r"\w", remedy))


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


class _Reader:
    """Reads modules; `functions` are those that may make a part of a text."""

    def __init__(
        self, constants: Mapping[str, ast.expr], functions: Mapping[str, ast.FunctionDef]
    ) -> None:
        self._constants = constants
        self._functions = functions
        self._local: dict[str, list[ast.expr]] = {}

    def read(self, tree: ast.Module) -> Iterator[tuple[int, str]]:
        """The line and text of each message."""
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        inside = {id(node) for function in functions for node in ast.walk(function)}
        yield from self._in(node for node in ast.walk(tree) if id(node) not in inside)
        for function in functions:
            self._local = _assigned(function)
            yield from self._in(ast.walk(function))
        self._local = {}

    def _in(self, nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
        seen = set[int]()
        for node in nodes:
            if id(node) in seen:
                continue
            rendered = ""
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                seen |= {id(node.value)}
            elif isinstance(node, ast.Call):
                rendered = self._call(node)
            elif isinstance(node, ast.JoinedStr | ast.BinOp) or _string(node):
                assert isinstance(node, ast.expr)
                rendered = self._text(node)
            if _REMEDY.search(rendered):
                seen |= {id(child) for child in ast.walk(node)}
                if not rendered.startswith("; "):
                    yield getattr(node, "lineno", 0), rendered

    def _call(self, call: ast.Call) -> str:
        """A finding, a verdict, or a log message with its values; else empty."""
        codes = [n for n, arg in enumerate(call.args) if _is_code(arg)]
        if codes:
            # A Finding has its place between code and text; what makes one has not.
            first = codes[0] + (2 if _called(call) == "Finding" else 1)
            return "; remedy: ".join(self._value(arg) for arg in call.args[first : first + 2])
        if len(call.args) < 2 or not _string(call.args[0]):
            return ""
        values = iter([self._value(arg) for arg in call.args[1:]])
        text = self._text(call.args[0])
        return re.sub(r"%[sdg]|%\.\df", lambda found: next(values, found[0]), text)

    def _value(self, node: ast.expr) -> str:
        return self._text(node) or self._name(node)

    def _text(self, node: ast.expr, depth: int = _DEPTH) -> str:
        """A text with placeholders; empty: it is not known to be one."""
        texts: list[str] = []
        match node:
            case ast.Constant(value=str() as text):
                texts = [text]
            case ast.JoinedStr(values=parts):
                texts = ["".join(self._part(part, depth) for part in parts)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                texts = [self._text(left, depth) + self._text(right, depth)]
            case ast.IfExp(body=body, orelse=other):
                texts = [self._text(body, depth), self._text(other, depth)]
            case ast.Dict(values=values):
                texts = [self._text(value, depth) for value in values]
            case _ if depth:
                texts = self._followed(node, depth - 1)
        return ", or ".join(dict.fromkeys(text for text in texts if text))

    def _followed(self, node: ast.expr, depth: int) -> list[str]:
        """The texts that a name or a call stands for."""
        match node:
            case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
                known = [self._constants[name]] if name in self._constants else []
                return [self._text(each, depth) for each in self._local.get(name, known)]
            case ast.Call(func=ast.Attribute(value=value, attr="format")):
                return [self._text(value, depth)]
            case ast.Call(func=ast.Name(id="command" | "_command"), args=args):
                switches = "".join(
                    f" {text}" for text in (self._text(arg, 0) for arg in args) if text
                )
                return [f"queue_mover3{switches} CONFIG"]
            case ast.Call(func=ast.Name(id=name)) if name in self._functions.keys() - _FORMATS:
                return [self._returned(self._functions[name], depth)]
        return []

    def _returned(self, function: ast.FunctionDef, depth: int) -> str:
        """What a function returns, where it returns one text."""
        local, self._local = self._local, _assigned(function)
        returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        only = returns[0] if len(returns) == 1 else None
        text = self._text(only, depth) if only else ""
        self._local = local
        return text

    def _part(self, part: ast.expr, depth: int) -> str:
        if isinstance(part, ast.FormattedValue):
            return self._text(part.value, depth) or self._name(part.value)
        return self._text(part, depth)

    def _name(self, node: ast.expr) -> str:
        """A placeholder for a value."""
        name = "..."
        match node:
            case ast.Name(id=known) | ast.Attribute(value=ast.Name(id="self"), attr=known):
                name = _placeholder(known)
            case ast.Attribute(value=owner, attr=known):
                name = self._name(owner) if known in _PLAIN else _placeholder(known)
            case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str() as what)]):
                name = f"N {what}s"
            case ast.Call(func=ast.Name(id="duration" | "size" as known)):
                name = {"duration": "TIME", "size": "SIZE"}[known]
            case ast.Call(func=ast.Name() | ast.Attribute(attr="quote"), args=[arg, *_]):
                name = self._name(arg)
            case ast.Call(func=ast.Name(id=known)):
                name = _placeholder(known)
            case ast.Call(func=func):
                name = self._name(func)
            case ast.BoolOp(values=[first, *_]) | ast.Subscript(value=first):
                name = self._name(first)
        return name


def _placeholder(name: str) -> str:
    name = name.lstrip("_")
    return _NAMES.get(name, name).upper()


def _string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_code(node: ast.expr) -> bool:
    """`Code.TICKER`, `Cause.MOVER` and the like, or a choice of them."""
    match node:
        case ast.Attribute(value=ast.Name(id="Code" | "Cause")):
            return True
        case ast.Subscript(value=ast.Name(id="CODES")):
            return True
    return False


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _assigned(function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
    """What is assigned to each name within a function."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        pairs = [(node.targets[0], node.value)]
        match pairs[0]:
            case ast.Tuple(elts=names), ast.Tuple(elts=values):
                pairs = list(zip(names, values, strict=True))
        for target, value in pairs:
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(value)
    return found
