"""pgque_sql names a file that cannot be used."""

from pathlib import Path

import psycopg
import pytest

from queue_mover.admin.install_pgque import install_pgque
from queue_mover.errors import OperatorError


def test_each_unusable_file_is_refused_with_its_reason(
    source: psycopg.Connection, tmp_path: Path
) -> None:
    binary, other = tmp_path / "binary.sql", tmp_path / "other.sql"
    binary.write_bytes(b"select \xff\xfe;")
    other.write_text("select 1")
    for path, reason in [
        (tmp_path / "missing.sql", "pgque_sql: no such file: {};"),
        (tmp_path, "pgque_sql: cannot read: Is a directory: {};"),
        (binary, "pgque_sql: cannot read: not text: {};"),
        (other, "pgque_sql: {} does not install PgQue;"),
    ]:
        with source.transaction(), pytest.raises(OperatorError) as refused:
            install_pgque(source, path)
        assert str(refused.value).startswith(reason.format(path))
        assert "remedy: set it to the path of a pgque.sql" in str(refused.value)


def test_a_schema_of_the_same_name_is_not_taken_for_it(
    source: psycopg.Connection, tmp_path: Path
) -> None:
    source.execute("create schema pgque")
    with pytest.raises(OperatorError, match='has a schema "pgque" that is not PgQue;'):
        install_pgque(source, tmp_path / "pgque.sql")
