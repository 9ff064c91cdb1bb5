"""The version of the schemas that `pgqadm install` makes, queue_mover and pgq_ext.

It is in the body of a function, where every role may read it, and without calling what may be
another program's. docs/upgrading.md says what each version has brought.
"""

from dataclasses import dataclass
from typing import LiteralString

from queue_mover.postgres.connection import Connection

SCHEMA_VERSION = "4.0"
"""Of the schemas in sql/. What changes them raises it, in both files and here."""

READ: dict[str, LiteralString] = {
    "queue_mover": """
        (select substring(p.prosrc from '''([0-9.]+)''') from pg_catalog.pg_proc p
          where p.oid = to_regprocedure('queue_mover.version()'))""",
    # Its function returns the version of upstream's interface.
    "pgq_ext": """
        (select substring(p.prosrc from 'queue_mover, schema ([0-9.]+)') from pg_catalog.pg_proc p
          where p.oid = to_regprocedure('pgq_ext.version()'))""",
}
"""By schema, an expression for its version: NULL before 4.0, and for another program's."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema queue_mover of a target."""

    version: str | None = SCHEMA_VERSION
    """None: before 4.0, or there is none."""
    lacks: tuple[str, ...] = ()
    """Functions that this program would use and that are missing."""

    @property
    def is_older(self) -> bool:
        """Whether it is older than this program."""
        return version_order(self.version) < version_order(SCHEMA_VERSION)

    @property
    def is_newer(self) -> bool:
        """Whether it is newer than this program."""
        return version_order(self.version) > version_order(SCHEMA_VERSION)


CURRENT = SchemaState()
"""What this program installs."""


def version_order(version: str | None) -> tuple[int, ...]:
    """A key to sort versions of the schemas by; None sorts first."""
    return tuple(int(number) for number in (version or "").split(".") if number)


def installed_version(connection: Connection, schema: str) -> str | None:
    """The version of one of the schemas."""
    row = connection.execute(f"select {READ[schema]}".encode()).fetchone()
    assert row is not None
    version: str | None = row[0]
    return version
