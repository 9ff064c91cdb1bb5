"""The schema and the roles of PgQ are named in one place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import queue_mover
from queue_mover.model import PGQ
from tests.flavour.other_pgq import OTHER

PACKAGE = Path(queue_mover.__file__).parent
HOME = "model.py"
NAMED = re.compile(rf"(?<![\w.]){PGQ.schema}\.\w|\b{PGQ.schema}_(reader|writer|admin)\b")

TEXTS = {
    # The help of a key, for PgQ.
    ("config/parameters.py", "_BATCHES"),
    ("config/parameters.py", "_ROUTE"),
}


def _strings(tree: ast.AST) -> Iterator[str]:
    """All strings of some code but those that are statements: docstrings, notes on values."""
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield node.value


def _names(statement: ast.stmt) -> str:
    """What a statement of a module defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return f"line {statement.lineno}"


def test_only_the_model_names_them() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), _names(statement))
        for path in PACKAGE.rglob("*.py")
        for statement in ast.parse(path.read_text()).body
        for text in _strings(statement)
        if NAMED.search(text)
    }
    assert found - {(HOME, "PGQ")} == TEXTS


def test_a_statement_is_for_one_schema() -> None:
    statement = "select {pgq}.batch_event_sql(%(batch)s) from {pgq}.tick where pgq_ext.version()"
    assert PGQ.sql(statement) == statement.replace("{pgq}", "pgq")
    assert OTHER.sql(statement) == statement.replace("{pgq}", "otherq")
    assert (PGQ.reader, PGQ.writer, PGQ.admin) == ("pgq_reader", "pgq_writer", "pgq_admin")
    assert (OTHER.reader, OTHER.writer) == ("otherq_reader", "otherq_writer")
